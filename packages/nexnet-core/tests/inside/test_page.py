"""The page, in a browser where there is one; and the drawings."""

import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest
import torch

import nexnet as nx

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def network(params, x):
    for i in range(2):
        x = torch.relu(x @ params[f"layers.{i}.weight"])
    return x.sum()


@pytest.fixture
def tape():
    params = {f"layers.{i}.weight": torch.ones(3, 3) for i in range(2)}
    return nx.trace(network, gradients=True)(params, torch.ones(2, 3))[1]


def shown(page, script, tmp_path):
    """Give the page's document after a script has used it."""
    path = tmp_path / "used.html"
    path.write_text(
        page.replace("</body>", "").replace("</html>", f"<script>{script}</script></html>"), encoding="utf-8"
    )
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--dump-dom"]
    told = subprocess.run([*command, path.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    return told.stdout


in_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium here")


def test_is_one_file_without_a_network(tape, tmp_path):
    page = tape.to_html(tmp_path / "trace.html")
    assert (tmp_path / "trace.html").read_text(encoding="utf-8") == page
    assert not re.search(r"(src|href)=|@import|https?://", page.replace("http://www.w3.org", ""))


@in_browser
def test_opens_and_shows_a_node_with_its_values_line_and_rule(tape, tmp_path):
    document = shown(tape.to_html(), "choose(nodes.find(n => n.rule === 'relu'))", tmp_path)
    assert "data-ready" in document
    assert "5 operations" in document
    assert re.search(r'id="name">%1 = relu\(%0\)<', document)
    assert "<mark>" in document
    assert 'class="map"' in document
    assert "its source" in document


@in_browser
def test_searches_sorts_colours_and_lights_the_path(tape, tmp_path):
    script = """
    const box = byId("search"); box.value = "matmul"; box.oninput({ target: box });
    byId("colour").value = "gradient_norm"; draw();
    choose(nodes.find(n => n.label === "layers.0.weight"));
    document.documentElement.dataset.told = [found.size, lit.size, shade(shown[shown.length - 1])].join(" ");
    """
    document = shown(tape.to_html(), script, tmp_path)
    assert re.search(r'data-told="2 6 hsl', document)


@in_browser
def test_folds_ten_thousand_operations_of_a_loop(tmp_path):
    def loop(x):
        for _ in range(5000):
            x = torch.tanh(x)
            x = x * 1.5
        return x.sum()

    _, tape = nx.trace(loop)(torch.ones(2))
    script = "document.documentElement.dataset.told = [nodes.length, shown.length].join(' ')"
    document = shown(tape.to_html(), script, tmp_path)
    assert 'data-told="10002 4"' in document


@in_browser
def test_modules_fold_with_all_that_is_below_them_and_their_parameters(tmp_path):
    block = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh())
    model = torch.nn.Sequential(block, torch.nn.Linear(2, 1))
    _, tape = nx.trace(lambda params: nx.functional_call(model, params, (torch.ones(1, 2),)))(nx.parameters_of(model))
    script = """
    const told = [[...groups.keys()].join(), shown.length];
    toggle("0"); told.push(shown.map(one => one.title).join());
    toggle("0"); told.push(shown.map(one => one.title).join());
    document.documentElement.dataset.told = told.join(" | ");
    """
    document = shown(tape.to_html(), script, tmp_path)
    told = re.search(r'data-told="([^"]*)"', document)[1].split(" | ")
    assert told == ["0,0.0,1,0.1", "7", "0,1.bias,1.weight,%2 linear", "0.0,0.1,1.bias,1.weight,%2 linear"]


@in_browser
def test_of_a_deep_model_as_many_levels_are_opened_as_can_be_looked_at(tmp_path):
    layers = [torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh()) for _ in range(40)]
    model = torch.nn.Sequential(*layers)
    _, tape = nx.trace(lambda params: nx.functional_call(model, params, (torch.ones(1, 2),)))(nx.parameters_of(model))
    script = "document.documentElement.dataset.told = [nodes.length, shown.length, shown[0].title].join(' ')"
    assert 'data-told="160 40 0"' in shown(tape.to_html(), script, tmp_path)


def test_svg_is_a_drawing_of_all(tape, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    root = ElementTree.fromstring(tape.to_svg())
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"layers.0.weight", "%0 matmul", "%4 sum"} <= set(texts)
    assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) == 7


@pytest.mark.skipif(shutil.which("dot") is None, reason="no graphviz here")
def test_svg_is_by_graphviz_where_it_is_installed(tape):
    root = ElementTree.fromstring(tape.to_svg())
    titles = {each.text for each in root.iter("{http://www.w3.org/2000/svg}title")}
    assert {"layers.0.weight", "#0", "#0->#1"} <= titles


def test_dot_and_mermaid_have_each_edge(tape):
    assert '"layers.0.weight" -> "#0";' in tape.to_dot()
    assert tape.to_dot().count(" -> ") == tape.to_mermaid().count(" --> ") == 7


def test_a_notebook_shows_a_table(tape):
    assert "<td>relu(%0)</td>" in tape._repr_html_()
