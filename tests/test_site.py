"""The site: every public name has its entry, once; docstrings and formulas become what a page can show."""

import sys
from pathlib import Path

import pytest

from nexnet.ops import listing

sphinx = pytest.importorskip("sphinx", reason="the site's tools are not installed (nox -s docs has them)")

sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))

from _extension import calls, docstrings, names, reference, table  # noqa: E402  what is beside the pages


@pytest.fixture(scope="module")
def pages():
    return names.pages()


def test_every_public_name_is_on_one_page(pages):
    shown = [name for page in pages for name in page.names]
    assert len(shown) == len(set(shown))
    assert {each for name in shown for each in names.spellings()[name]} == set(names.public_names())


def test_no_private_name_is_shown(pages):
    assert not [name for page in pages for name in page.names if any(part.startswith("_") for part in name.split("."))]


def test_an_entry_has_all_names_the_signature_and_the_facts():
    listed = next(each for each in listing() if each.name == "softmax")
    entry = "\n".join(reference._entry("nexnet.softmax", listed, {}))
    assert ".. py:function:: softmax(input, dim, dtype=None)" in entry
    assert "special.softmax(input, dim, dtype=None)" in entry
    assert "y = e^x / sum e^x over dim" in entry
    assert "any order · float64, float32, bfloat16, float16 · ``torch.softmax``" in entry


def test_an_operator_has_an_example_call_with_its_shapes():
    call = calls.example("avg_pool2d", "avg_pool2d")
    assert call == "``avg_pool2d(input, kernel_size=2)``: ``input`` (1, 2, 5, 6) → (1, 2, 2, 3)"
    call = calls.example("index_fill", "index_fill")
    assert call.startswith("``index_fill(input, dim=0, index=index, value=value)``: ``input`` (3, 3), ``index`` (2,)")
    assert calls.example("block_diag", "block_diag") == "``block_diag(*tensors)``: ``tensors`` (2, 3), (1, 2) → (3, 5)"


def test_every_operator_has_an_example_call():
    assert all("→" in calls.example(each.name, each.name) for each in listing())


def test_a_layers_entry_has_its_own_arguments_and_attributes():
    entry = "\n".join(reference._entry("nexnet_nn.Dense", None, {}))
    assert ".. py:class:: Dense(in_features, out_features, bias=True, *, init=xavier_uniform, generator=None" in entry
    assert ":param in_features:" in entry
    assert ":ivar weight:" in entry


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("|x|: dx = g sgn x", r"\|x\|: dx = g sgn x"),
        ("a ``literal|*`` stays", "a ``literal|*`` stays"),
        ("x * y_", r"x \* y\_"),
        ("As::\n\n    a * b\n\nthen c * d", "As::\n\n    a * b\n\nthen c \\* d"),
    ],
)
def test_what_would_be_markup_is_escaped_outside_of_code(text, expected):
    assert "\n".join(docstrings.restructured(None, text)).strip() == expected


@pytest.mark.parametrize(
    ("formula", "shown"),
    [
        ("dx = 2 x^2", "dx = 2 x<sup>2</sup>"),
        ("e^(a+b) y_i", "e<sup>(a+b)</sup> y<sub>i</sub>"),
        ("s_{k+1}^-1", "s<sub>k+1</sub>^-1"),
        ("torch.bitwise_and", "torch.bitwise_and"),
        ("x < y", "x &lt; y"),
    ],
)
def test_a_formulas_powers_and_indices_are_marked_up(formula, shown):
    assert table._formula(formula) == shown
