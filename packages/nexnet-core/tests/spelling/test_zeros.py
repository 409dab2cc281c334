"""Every number that an operator takes, as 0: what torch refuses is refused, in words and at the call."""

from __future__ import annotations

import optree
import pytest
import torch
from every_argument import ROWS
from every_argument.results import _for_a_call
from every_argument.row import _drawn
from every_argument.spellings import spellings

import nexnet as nx
from nexnet.ops._listing import PLACES

LISTING = {each.name: each for each in nx.ops.listing()}
#: Nothing is asked for, and that is there: torch looks for the least of no windows.
TAKEN = {"istft length"}

pytestmark = pytest.mark.filterwarnings("ignore")  # of torch's, of a mean of nothing, say


def calls():
    for name, row in ROWS.items():
        operator = getattr(nx.ops, name)
        parameters, values = row.parameters(operator), row.values(operator)
        for each in parameters:
            kinds = {type(values.get(each.name)), type(each.default)} & {int, float}
            if kinds and f"{name} {each.name}" not in TAKEN:
                yield pytest.param(name, each.name, 0.0 if float in kinds else 0, id=f"{name} {each.name}")


@pytest.mark.parametrize(("name", "parameter", "zero"), [*calls()])
def test_what_torch_refuses_is_refused_in_words(name, parameter, zero):
    row, operator = ROWS[name], getattr(nx.ops, name)
    parameters = row.parameters(operator)
    _, given = next(row.calls(name, operator))
    given = {**given, **_drawn(row.with_.get(parameter, {}), name), parameter: zero}
    given = {each.name: given[each.name] for each in parameters if each.name in given}
    paths = [each for each in LISTING[name].torch if not each.startswith("torch.Tensor.")]
    functions = [getattr(PLACES[place], last) for place, _, last in (each.rpartition(".") for each in paths)]
    theirs = [refusal(each, torch.Tensor.clone, call) for each in functions for _, call in spellings(parameters, given)]
    for _, call in spellings(parameters, given):
        mine = refusal(operator, nx.LiteTensor, call)
        assert mine is None or mine[0] is not ZeroDivisionError
        if theirs and all(each is not None and each[0] is not TypeError for each in theirs):
            assert mine, f"torch says {theirs[0]}"
            assert mine[1]


def refusal(function, wrap, call):
    """Give the type and the text of the error of a call, or None."""
    args, kwargs = optree.tree_map(lambda x: wrap(x) if isinstance(x, torch.Tensor) else _for_a_call(x), call)
    try:
        function(*args, **kwargs)
    except Exception as error:
        return type(error), str(error)
    return None


X = nx.LiteTensor(torch.ones(1, 4, 4))


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: nx.celu(X, 0), RuntimeError, "alpha cannot be 0"),
        (lambda: nx.lp_pool2d(X, 0, 2), nx.InputError, r"no norm of order 0(.|\n)*lp_pool2d(.|\n)*norm_type"),
        (lambda: nx.rrelu(X, 0.5, 0), nx.InputError, r"from a lower bound to an upper one(.|\n)*lower=0.5, upper=0"),
        (lambda: nx.repeat_interleave(X, 2, 2, output_size=0), nx.InputError, r"another size(.|\n)*8(.|\n)*0"),
        (
            lambda: nx.multi_head_attention_forward(*[X] * 3, 4, 0, X[0], *[None] * 3, False, 0.0, X[0], None),
            nx.InputError,
            "and 0 heads divide it",
        ),
    ],
    ids=["celu", "lp_pool2d", "rrelu", "repeat_interleave", "multi_head_attention_forward"],
)
def test_it_says_which_number(call, error, match):
    with pytest.raises(error, match=match):
        call()
