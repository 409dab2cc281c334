"""The site: every public name has its entry, once; docstrings and formulas become what a page can show."""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from nexnet.ops import listing

sphinx = pytest.importorskip("sphinx", reason="the site's tools are not installed (nox -s docs has them)")

sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))

from _extension import calls, docstrings, formulas, mathml, names, reference  # noqa: E402  what is beside the pages


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
    assert ":formula:`y = e^x / sum e^x` over dim" in entry
    assert "``nexnet_verify/cases/layers/softmax.py``" in entry
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
        ("|x|: see y", r":formula:`|x|`: see :formula:`y`"),
        ("a ``literal|*`` stays", "a ``literal|*`` stays"),
        ("words * words_", r"words \* words\_"),
        ("As::\n\n    a = b\n\nthen the c * d", "As::\n\n    a = b\n\nthen the :formula:`c * d`"),
        (
            "Of t::\n\n    x = x - y z    if so\n\nIt is so.",
            "Of :formula:`t`:\n\n| :formula:`x = x - y z`\u2003\u2003if so\n\nIt is so.",
        ),
        ("trailing ``None``s", "trailing ``None``s"),
        ("the ``x``'s g is", "the ``x``'s :formula:`g` is"),
    ],
)
def test_docstrings_become_markup_with_formulas(text, expected):
    assert "\n".join(docstrings.restructured(None, text)).strip() == expected


@pytest.mark.parametrize(
    "text",
    [
        "sqrt:  [y = x^(1/2)],  [dx = g / (2 y)].  Corner: infinite at 0.",
        "[x] where [x > 0], else [alpha (e^x - 1)]: an example of [x]'s, a copy, and a [b]",
        "the n-th of the (batch, classes) elements: [dx =] the sum of [g] over them, or [-1]",
        "A matrix, [A = L L^H], with the last (D. Kingma and J. Ba, 2015), isn't 0",
        "[y = (sum_i |x_i|^p)^(1/p)] over ",
        "[z = r e^(it)]:  [dr = Re(g conj e^(it))]",
        "None by [a]. There is a [b], with a tanh, [U(-k, k)] for [k = 1 / sqrt(fan_in)]",
    ],
)
def test_formulas_are_told_from_words(text):
    found = formulas.parts(re.sub(r"\[(.*?)\]", r"\1", text))
    assert "".join(f"[{piece}]" if is_formula else piece for is_formula, piece in found) == text


@pytest.mark.parametrize(
    ("formula", "shown"),
    [
        ("x^2", "<msup><mrow><mi>x</mi></mrow><mn>2</mn></msup>"),
        ("y_ij", "<msub><mrow><mi>y</mi></mrow><mi>ij</mi></msub>"),
        ("lr_decay p", "<mi>lr_decay</mi><mspace width='0.17em'/><mi>p</mi>"),
        ("x1", "<msub><mrow><mi>x</mi></mrow><mn>1</mn></msub>"),
        ("g / (2 + y)", "<mfrac><mrow><mi>g</mi></mrow><mrow><mn>2</mn><mo>+</mo><mi>y</mi></mrow></mfrac>"),
        ("dx", "<mrow><mi mathvariant='normal'>d</mi><mi>x</mi></mrow>"),
        ("(g + 1) / y", "<mfrac><mrow><mi>g</mi><mo>+</mo><mn>1</mn></mrow><mrow><mi>y</mi></mrow></mfrac>"),
        ("1 / -y", "<mfrac><mrow><mn>1</mn></mrow><mrow><mrow><mo>&minus;</mo><mi>y</mi></mrow></mrow></mfrac>"),
        ("g/2", "<mi>g</mi><mo>/</mo><mn>2</mn>"),
        ("sqrt(pi)", "<msqrt><mi>π</mi></msqrt>"),
        ("x <= y", "<mi>x</mi><mo>≤</mo><mi>y</mi>"),
        ("x < y", "<mi>x</mi><mo>&lt;</mo><mi>y</mi>"),
        ("<g>", "<mrow><mo form='prefix'>⟨</mo><mi>g</mi><mo form='postfix'>⟩</mo></mrow>"),
        ("h'", "<mrow><mi>h</mi><mo>&prime;</mo></mrow>"),
    ],
)  # fmt: skip
def test_a_formula_is_drawn(formula, shown):
    assert mathml.mathml(formula) == f"<math>{shown}</math>"


FORMULA = re.compile(r":formula:`([^`]*)`")
PARTS = {"mfrac": 2, "msub": 2, "msup": 2, "msubsup": 3}


def test_every_formula_is_drawn_with_all_that_it_says():
    things = [thing for thing in map(names.look_up, names.spellings()) if callable(thing)]
    found = {each for thing in things for line in docstrings.restructured(thing) for each in FORMULA.findall(line)}
    assert len(found) > 500
    for formula in found:
        drawn = ElementTree.fromstring(mathml.mathml(formula).replace("&prime;", "'").replace("&minus;", "-"))
        assert all(len(each) == PARTS[each.tag] for each in drawn.iter() if each.tag in PARTS), formula
        said = "".join(drawn.itertext()).replace("⟨", "<").replace("⟩", ">")
        assert sorted(_letters(said)) == sorted(_letters(formula)), formula  # of I1' the 1 is last


def _letters(formula):
    """Give what is named in a formula: Greek letters and large signs by their names, no brackets."""
    for name, letter in [*mathml.GREEK.items(), ("sum", "∑"), ("prod", "∏"), ("inf", "∞")]:
        formula = formula.replace(letter, name)
    return re.sub(r"sqrt|[^A-Za-z0-9']", "", formula).replace("lambda", "lambd")
