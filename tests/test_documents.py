"""The documents run: every ```python block of a page, in order, in one namespace of the page's own.

An ```output block is what the blocks since the last one have printed. A block below ``<!-- needs: package -->``, with
its output, runs where that package is installed. The two seed documents are kept word for word in docs/seed, and their
examples run as they stand: on CUDA where there is one, with 'cpu' for 'cuda' everywhere.
"""

import importlib.util
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import nexnet

from .pages import NEEDS, draw, run

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md",
         *sorted(each for each in DOCS.rglob("*.md") if each.parent.name != "seed"),
         *sorted(ROOT.glob("packages/*/README.md"))]  # fmt: skip
RUN = [page for page in PAGES if page.name != "first-steps.md"]  # whose blocks are files: test_first_steps runs them
NEEDED = [(page, each) for page in PAGES for each in sorted({*re.findall(NEEDS, page.read_text(encoding="utf-8"))})]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here"))]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("page", RUN, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_runs(page, monkeypatch, tmp_path):
    if page.name == "triton.md" and importlib.util.find_spec("triton") is None:
        pytest.skip("Triton is not installed")
    monkeypatch.setenv("TRITON_INTERPRET", "0" if torch.cuda.is_available() else "1")  # it is undone after the page
    draw(page, tmp_path)


@pytest.mark.parametrize(("page", "package"), NEEDED, ids=[f"{page.name}-{package}" for page, package in NEEDED])
def test_a_pages_blocks_that_need_a_package_run(page, package, monkeypatch):
    monkeypatch.setenv("TRITON_INTERPRET", "0" if torch.cuda.is_available() else "1")
    pytest.importorskip(package, reason=f"blocks of {page.name} show {package}'s models, where it is installed")
    run(page.read_text(encoding="utf-8"), page, package)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_pages_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    made = ("_drawn/", "/reference/")  # by the pages themselves, and by the site's build
    there = [each for each in targets if "://" not in each and not any(part in f"/{each}" for part in made)]
    missing = [each for each in there if not (page.parent / each).exists()]
    assert not missing


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_runs_and_says_what_it_found(example, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(example), "--quick"])
    runpy.run_path(str(example), run_name="__main__")
    assert capsys.readouterr().out.strip()


class TestSeed:
    @pytest.mark.parametrize("device", DEVICES)
    @pytest.mark.parametrize("name", ["nexnet.md", "neo-minimal-example.md"])
    def test_the_minimal_example_agrees_with_jax_as_the_document_shows(self, name, device):
        path = ROOT / "docs" / "seed" / name
        text = re.sub(r"\bneo\b", "nexnet", path.read_text(encoding="utf-8"))
        left = run(text.replace("'cuda'", f"'{device}'"), path)

        of_nexnet = left["forward"].grad if name == "nexnet.md" else list(left["grads"].values())
        assert [tuple(each.shape) for each in of_nexnet] == [(3, 4), (4, 2), (2,)]
        for mine, theirs in zip(of_nexnet, left["grads_jax"], strict=True):
            np.testing.assert_allclose(mine.numpy(), np.asarray(theirs), rtol=1e-6)
        assert of_nexnet[2].tolist() == [3.0, 3.0]
        for title in ("Output :", "Matrix X_grad:", "Matrix b_grad:\n[3. 3.]", "Matrix X_JAX_grad:"):
            assert title in left["printed"]

    def test_the_diagram(self):
        @nexnet.functions.function
        class multiplication(nexnet.Policy):
            def forward(self, x, y):
                self.ctx.save(x, y)
                return x * y

            def backward(self, grad):
                x, y = self.ctx.release
                return y * grad, x * grad

        x = nexnet.LiteTensor(5.5)
        y = nexnet.LiteTensor(6.2)
        z, grads = nexnet.autograd.session.value_and_grad(multiplication)(x, y)
        assert z.item() == pytest.approx(34.1)
        assert grads[x].item() == pytest.approx(6.2)
        assert grads[y].item() == pytest.approx(5.5)

    def test_the_diagrams_tape(self):
        z, tape = nexnet.trace(lambda x, y: x * y)(5.5, 6.2)
        (node,) = tape.nodes
        assert node.outputs == (z.key,)
        assert len(node.parents) == 2
        assert node.bwd_fn.__name__ == "backward"

    def test_a_litetensor_stores_nothing_about_gradients(self):
        x = nexnet.LiteTensor(5.5)
        for name in ("grad", "grad_fn", "requires_grad", "register_hook"):
            assert not hasattr(x, name)


class TestRunner:
    def test_blocks_share_a_namespace_and_their_output_is_compared(self):
        run("```python\nx = 1\n```\ntext\n```python\nprint(x + 1)\n```\n```output\n2\n```\n", Path("page.md"))

    def test_a_block_that_needs_a_package_is_left_out_with_its_output(self):
        text = "<!-- needs: rare -->\n```python\nprint(1)\n```\n```output\n1\n```\n```python\nprint(2)\n```\n"
        assert run(text, Path("page.md"))["printed"] == "2\n"
        with pytest.raises(AssertionError, match=r"page.md, line 5"):
            run(text.replace("output\n1", "output\n3"), Path("page.md"), "rare")

    def test_another_output_is_an_error(self):
        with pytest.raises(AssertionError, match=r"page.md, line 4"):
            run("```python\nprint(1)\n```\n```output\n2\n```\n", Path("page.md"))

    def test_an_exception_shows_the_pages_own_line(self):
        with pytest.raises(ZeroDivisionError) as caught:
            run("# Title\n\n```python\n1 / 0\n```\n", Path("page.md"))
        assert (caught.traceback[-1].frame.code.path, caught.traceback[-1].lineno + 1) == ("page.md", 4)

    def test_a_block_in_a_list_is_run_too(self):
        assert run("1. First:\n\n   ```python\n   x = 1\n   ```\n", Path("page.md"))["x"] == 1


class TestCommands:
    """A new user types what the README says; CI runs the same."""

    def test_the_readme_names_the_two_commands(self):
        text = (ROOT / "README.md").read_text(encoding="utf-8")
        assert "python -m pip install nox && nox -s mnist\n" in text
        assert "python -m pip install nox && nox\n" in text

    def test_ci_runs_the_readmes_test_command(self):
        assert "python -m pip install nox && nox;" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
