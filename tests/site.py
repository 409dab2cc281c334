"""Look at a site that has been built: ``python -m tests.site site``. Every link leads somewhere, and search finds.

What needs a browser is left out, and said, where there is no Chromium.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
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


def document(page: Path, query: str = "", width: int = 1200) -> str:
    """Give what a browser has made of a page."""
    assert BROWSER is not None
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--window-size={width},900",
        "--virtual-time-budget=8000",
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


def main(site: Path) -> int:
    """Print what is wrong with the site; 1 if anything is."""
    wrong = list(broken_links(site))
    if BROWSER is None:
        print("no Chromium here: search and table are not looked at")
    else:
        wrong += not_found(site)
        shown = re.search(
            r'id="operators-count">(\d+) of (\d+)', document(site / "reference/operators/index.html", "?q=softmax")
        )
        if shown is None or not 0 < int(shown[1]) < int(shown[2]):
            wrong.append("the operators' table does not search")
    print("\n".join(wrong) or f"{len(list(site.rglob('*.html')))} pages: every link leads somewhere")
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
