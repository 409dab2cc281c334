"""The page as a browser shows it; where there is none, its script as node runs it."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from nexnet_verify.cli import main

CHROMIUM = next(
    filter(
        None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"))
    ),
    None,
)
NODE = shutil.which("node")
OPERATORS = ("tanh", "matmul", "add", "hardsigmoid")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "verify.html"
    names = [each for name in OPERATORS for each in ("--op", name)]
    assert main([*names, "--examples", "2", "--jobs", "1", "--html", str(path)]) == 0
    return path


class Table(HTMLParser):
    """Reads the first table: how its heads are sorted, and the text and the key of each cell."""

    def __init__(self, text):
        super().__init__()
        self.heads, self.rows, self.cell, self.done = [], [], None, False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if self.done:
            return
        if tag == "th":
            self.cell = {"text": "", "numeric": "data-numeric" in attrs, "sort": attrs.get("aria-sort")}
            self.heads.append(self.cell)
        elif tag == "tr" and self.heads:
            self.rows.append([])
        elif tag == "td":
            self.cell = {"text": "", "key": attrs.get("data-key")}
            self.rows[-1].append(self.cell)

    def handle_data(self, data):
        if self.cell is not None and not self.done:
            self.cell["text"] += data

    def handle_endtag(self, tag):
        self.cell = None if tag in ("th", "td") else self.cell
        self.done = self.done or tag == "table"

    def column(self, name):
        i = [head["text"] for head in self.heads].index(name)
        return [row[i]["text"] for row in self.rows]

    def keys(self, name):
        i = [head["text"] for head in self.heads].index(name)
        return [float(row[i]["key"]) for row in self.rows]


def place(table, name):
    return [head["text"] for head in table.heads].index(name)


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium or chrome on the PATH to open the page with")
class TestInABrowser:
    @pytest.fixture
    def opened(self, page, tmp_path):
        def opened(fragment=""):
            command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}",
                       "--virtual-time-budget=2000", "--dump-dom", page.as_uri() + fragment]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
            return Table(done.stdout)

        return opened

    def test_it_shows_the_table(self, opened, page):
        table = opened()
        assert sorted(table.column("operator")) == sorted(OPERATORS)
        assert table.column("verdict") == ["right"] * 4
        assert [head["sort"] for head in table.heads] == [None] * len(table.heads)
        assert table.rows == Table(page.read_text(encoding="utf-8")).rows

    def test_a_click_sorts_by_words(self, opened):
        table = opened("#cases:0")
        assert table.column("operator") == sorted(OPERATORS)
        assert table.heads[0]["sort"] == "ascending"

    def test_a_second_click_turns_it_round(self, opened):
        table = opened("#cases:-0")
        assert table.column("operator") == sorted(OPERATORS, reverse=True)
        assert table.heads[0]["sort"] == "descending"

    def test_a_click_sorts_by_numbers(self, opened, page):
        column = place(Table(page.read_text(encoding="utf-8")), "torch 2nd")
        table = opened(f"#cases:{column}")
        keys = table.keys("torch 2nd")
        assert keys == sorted(keys)
        assert table.column("operator")[0] == "hardsigmoid"  # torch has no second derivative of it: no figure
        assert [bool(head["sort"]) for head in table.heads].index(True) == column


# The few things of a page that the script touches.
DOM = """
const {heads, rows} = JSON.parse(require("fs").readFileSync(0, "utf-8"));
const cell = each => {
  const attributes = {}, listeners = [];
  return {
    textContent: each.text, dataset: {...(each.key != null && {key: each.key}), ...(each.numeric && {numeric: ""})},
    getAttribute: name => attributes[name] ?? null, setAttribute: (name, value) => { attributes[name] = value; },
    removeAttribute: name => { delete attributes[name]; },
    addEventListener: (kind, listener) => { if (kind === "click") listeners.push(listener); },
    click: () => listeners.forEach(each => each()),
  };
};
const body = {rows: rows.map(row => ({cells: row.map(cell)}))};
body.append = (...moved) => { body.rows = [...body.rows.filter(row => !moved.includes(row)), ...moved]; };
const table = {className: "cases", tHead: {rows: [{cells: heads.map(cell)}]}, tBodies: [body]};
const document = {querySelectorAll: () => [table], querySelector: () => table};
const location = {hash: process.argv[2]}, history = {replaceState: (_, __, address) => { location.hash = address; }};
"""


@pytest.mark.skipif(NODE is None, reason="there is no node on the PATH to run the page's script with")
@pytest.mark.parametrize("name", ["operator", "seconds", "FD 1st", "torch 2nd"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_the_script_sorts(page, name, sign, tmp_path):
    text = page.read_text(encoding="utf-8")
    table = Table(text)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    told = "console.log(JSON.stringify([location.hash, body.rows.map(row => row.cells[0].textContent)]));"
    (tmp_path / "page.js").write_text(DOM + script + told, encoding="utf-8")
    address = f"#cases:{sign}{place(table, name)}"
    done = subprocess.run(
        [NODE, str(tmp_path / "page.js"), address], input=json.dumps({"heads": table.heads, "rows": table.rows}),
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    numbers = table.column("operator") if name == "operator" else [
        float(cell["key"] or cell["text"]) for cell in (row[place(table, name)] for row in table.rows)
    ]  # fmt: skip
    operators = table.column("operator")
    wanted = [operators[i] for i in sorted(range(len(operators)), key=lambda i: numbers[i])]
    assert json.loads(done.stdout) == [address, wanted[::-1] if sign else wanted]
