"""Look at a site that has been built: ``python -m tests.site site``.

Every link leads somewhere, search finds, and in a narrow window no page sticks out of it.

What needs a browser is left out, and said, where there is no Chromium.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NARROW = Path(__file__).with_name("narrow.html")
WORDS = {"layer_norm": "operators/layers/normalisation", "vmap": "core/functions", "override": "how-to/override"}


class Links(HTMLParser):
    """Collects what a page refers to, and the places in it that can be referred to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif name == "id" and value:
                self.ids.add(value)


def broken_links(site: Path) -> Iterator[str]:
    """Name every link and picture within the site that leads nowhere, and what would be fetched from elsewhere."""
    drawn = {path.resolve() for path in site.glob("*.html") if "<nav" not in path.read_text(encoding="utf-8")[:20000]}
    pages = {path.resolve(): Links(path) for path in site.rglob("*.html") if path.resolve() not in drawn}
    for page, found in pages.items():
        for link in found.links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme in ("http", "https", "mailto", "data", "javascript"):
                continue
            path = urllib.parse.unquote(parts.path)
            target = page if not path else (page.parent / path).resolve()
            if not target.exists():
                yield f"{page.relative_to(site.resolve())}: {link}"
            elif parts.fragment and target in pages and urllib.parse.unquote(parts.fragment) not in pages[target].ids:
                yield f"{page.relative_to(site.resolve())}: {link} (no such place)"


def document(page: Path, query: str = "", seconds: int = 8) -> str:
    """Give what a browser has made of a page, after as many seconds of its own time."""
    assert BROWSER is not None
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--allow-file-access-from-files",
        "--window-size=1200,900",
        f"--virtual-time-budget={1000 * seconds}",
    ]
    address = page.resolve().as_uri() + query
    told = subprocess.run(
        [BROWSER, *options, "--dump-dom", address], capture_output=True, text=True, timeout=180, check=True
    )
    return told.stdout


def not_found(site: Path) -> Iterator[str]:
    """Name every word that the site's search does not find on its page."""
    for word, page in WORDS.items():
        results = re.findall(
            r'href="([^"]*)"', document(site / "search.html", f"?q={word}").partition("search-results")[2]
        )
        if not any(page in each for each in results):
            yield f"search for {word} does not find {page}"


def too_wide(site: Path) -> Iterator[str]:
    """Name each page, but those of source code, of which something can't be read in a narrow window."""
    pages = [path.relative_to(site) for path in sorted(site.rglob("*.html")) if "_modules" not in path.parts]
    look = NARROW.read_text(encoding="utf-8").replace("PAGES = []", f"PAGES = {json.dumps([*map(str, pages)])}")
    page = site / NARROW.name
    page.write_text(look, encoding="utf-8")
    try:
        told = re.search(r'<pre id="wide">(.*?)</pre>', document(page, seconds=600), re.DOTALL)
    finally:
        page.unlink()
    looked, *found = html.unescape(told[1]).split("\n") if told is not None else [""]
    if looked != f"looked at {len(pages)} pages":
        yield "the browser has not gone through the pages in a narrow window"
    yield from (f"in a narrow window, {each}" for each in found if each)


def main(site: Path) -> int:
    """Print what is wrong with the site; 1 if anything is."""
    wrong = list(broken_links(site))
    if BROWSER is None:
        print("no Chromium here: search, table and narrow windows are not looked at")
    else:
        wrong += [*not_found(site), *too_wide(site)]
        shown = re.search(
            r'id="operators-count">(\d+) of (\d+)', document(site / "reference/operators/index.html", "?q=softmax")
        )
        if shown is None or not 0 < int(shown[1]) < int(shown[2]):
            wrong.append("the operators' table does not search")
    print("\n".join(wrong) or f"{len(list(site.rglob('*.html')))} pages: every link leads somewhere")
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
