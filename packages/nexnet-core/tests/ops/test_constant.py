"""Functions without a gradient: torch's values, reached by torch's names, tracked by no tape."""

import numpy as np
import pytest
import torch
from torch import Tensor

import nexnet as nx
from nexnet import ops
from nexnet.errors import InputError

X = torch.tensor([[1.5, -2.0, 0.0], [float("nan"), float("inf"), 2.0]])
Y = torch.tensor([1.5, 0.0, -1.0])
I, J = torch.tensor([[1, 2, 3], [4, 5, 6]]), torch.tensor([3, 2, 1])  # noqa: E741

CASES = {
    **dict.fromkeys(["eq", "ne", "lt", "le", "gt", "ge", "isclose", "isin", "floor_divide"], (X, Y)),
    **dict.fromkeys(["not_equal", "less", "less_equal", "greater", "greater_equal"], (X, Y)),
    **dict.fromkeys(["logical_and", "logical_or", "logical_xor"], (X, Y)),
    **dict.fromkeys(["bitwise_and", "bitwise_or", "bitwise_xor"], (I, J)),
    **dict.fromkeys(["bitwise_left_shift", "bitwise_right_shift"], (I, J)),
    **dict.fromkeys(["isnan", "isinf", "isposinf", "isneginf", "isfinite", "signbit"], (X,)),
    **dict.fromkeys(["logical_not", "any", "all", "argwhere", "count_nonzero", "nonzero"], (X,)),
    **dict.fromkeys(["sign", "floor", "ceil", "trunc", "round"], (X,)),
    **dict.fromkeys(["argmax", "argmin", "argsort", "histc", "isreal", "unique", "unique_consecutive"], (Y,)),
    **dict.fromkeys(["gcd", "lcm"], (I, J)),
    "fix": (X,),
    **dict.fromkeys(["zeros_like", "ones_like"], (X,)),
    "bitwise_not": (I,),
    "bincount": (J,),
    "searchsorted": (torch.tensor([1.0, 2.0]), Y),
    "bucketize": (Y, torch.tensor([1.0, 2.0])),
    "full_like": (X, 3.0),
}
PYTHON_VALUES = {
    "allclose": (X, X),
    "equal": (X, X),
    "numel": (X,),
    "is_floating_point": (X,),
    "is_complex": (X,),
    "is_nonzero": (Y[:1],),
    "is_signed": (X,),
    "result_type": (X, 1),
    "can_cast": (torch.float32, torch.int64),
}
RANDOM = {
    "rand_like": (X,),
    "randn_like": (X,),
    "randint_like": (X, 5),
    "bernoulli": (torch.full((4,), 0.5),),
    "multinomial": (torch.ones(5), 3),
    "binomial": (torch.full((4,), 9.0), torch.full((4,), 0.5)),
    "poisson": (torch.full((4,), 3.0),),
}


def lite(values):
    return [nx.LiteTensor(each) if isinstance(each, Tensor) else each for each in values]


@pytest.mark.parametrize("name", CASES)
def test_gives_what_torch_gives(name):
    args = CASES[name]
    expected = getattr(torch, name)(*args)
    for out in (getattr(ops, name)(*lite(args)), getattr(torch, name)(*lite(args))):
        assert isinstance(out, nx.LiteTensor)
        assert out.dtype == expected.dtype
        torch.testing.assert_close(out.data, expected, equal_nan=True)


@pytest.mark.parametrize("name", PYTHON_VALUES)
def test_gives_a_python_value_where_torch_does(name):
    args = PYTHON_VALUES[name]
    expected = getattr(torch, name)(*args)
    assert getattr(ops, name)(*lite(args)) == expected
    assert type(getattr(torch, name)(*lite(args))) is type(expected)


@pytest.mark.parametrize("name", RANDOM)
def test_draws_as_torch_does(name):
    args = RANDOM[name]
    torch.manual_seed(3)
    expected = getattr(torch, name)(*args)
    for function in (getattr(ops, name), getattr(torch, name)):
        torch.manual_seed(3)
        assert torch.equal(function(*lite(args)).data, expected)


QUESTIONS = {
    "_is_all_true": lambda x: torch._is_all_true(x > 0),
    "_is_any_true": lambda x: torch._is_any_true(x > 0),
    "_is_zerotensor": torch._is_zerotensor,
    "cudnn_is_acceptable": torch.cudnn_is_acceptable,
    "get_device": torch.get_device,
    "is_distributed": torch.is_distributed,
    "is_inference": torch.is_inference,
    "is_same_size": lambda x: torch.is_same_size(x, Y),
    "Tensor.is_same_size": lambda x: Y.is_same_size(x),
    "Tensor.is_set_to": lambda x: Y.is_set_to(x),
    "isfinite.all": lambda x: torch.isfinite(x).all(),
    "nonzero_static": lambda x: torch.nonzero_static(x, size=2),
    "unravel_index": lambda x: torch.unravel_index(torch.argmax(x), (1, 3)),
    **{
        name: (lambda x, name=name: getattr(x, name))
        for name in dir(Tensor)
        if name.startswith("is_") and name != "is_leaf" and not callable(getattr(Tensor, name))
    },
    **{
        name: (lambda x, name=name: getattr(x, name)())
        for name in (
            "dense_dim", "dim_order", "get_device", "is_complex", "is_conj", "is_contiguous",
            "is_distributed", "is_floating_point", "is_inference", "is_neg", "is_pinned", "is_shared", "is_signed",
            "sparse_dim", "storage_offset",
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_is_answered_and_needs_no_rule(name):
    ask = QUESTIONS[name]
    expected, answers = ask(Y), []

    def fn(x):
        answers.append(ask(x))
        return (x * x).sum()

    x = nx.LiteTensor(Y)
    assert nx.grad(fn)(x).tolist() == (2 * Y).tolist()
    nx.hvp(fn, (x,), (x,))
    for answer in (ask(x), *answers):
        as_torch = nx.tree.map(lambda each: each.data if isinstance(each, nx.LiteTensor) else each, answer)
        if isinstance(expected, Tensor):
            assert isinstance(answer, nx.LiteTensor)
            assert torch.equal(as_torch, expected)
        else:
            assert as_torch == expected


def test_every_question_of_torchs_tensors_is_answered():
    """All but those about torch's own graph, which are refused with a remedy."""
    asked = {name for name in dir(Tensor) if name.startswith("is_")} - {"is_leaf"}
    assert not {name for name in asked if not hasattr(nx.LiteTensor(Y), name)}


@pytest.mark.parametrize(
    "log_prob",
    [
        lambda x: torch.distributions.Normal(x, 1).log_prob(torch.tensor(0.3)),
        lambda x: torch.distributions.Gamma(x, 2.0).log_prob(torch.tensor(0.3)),
        lambda x: torch.distributions.Bernoulli(logits=x).log_prob(torch.tensor(1.0)),
        lambda x: torch.distributions.kl_divergence(
            torch.distributions.Normal(x, x), torch.distributions.Normal(0.0, 1.0)
        ),
    ],
    ids=["Normal", "Gamma", "Bernoulli", "kl_divergence"],
)
def test_distributions_of_torchs_check_their_arguments(log_prob):
    point = torch.tensor(0.7, dtype=torch.float64)
    expected = torch.func.grad(log_prob)(point)
    torch.testing.assert_close(nx.grad(log_prob)(nx.LiteTensor(point)).data, expected)


def test_empty_like():
    out = torch.empty_like(nx.LiteTensor(X), dtype=torch.float64)
    assert (out.shape, out.dtype) == (X.shape, torch.float64)


def test_full_like_has_the_gradient_of_its_value(check_against_torch):
    check_against_torch(
        lambda x, v: nx.full_like(x, v), lambda x, v: v.expand(x.shape), Y.double(), torch.tensor(2.0).double()
    )


def test_out_is_refused():
    with pytest.raises(InputError, match="out= writes into a tensor"):
        nx.eq(nx.LiteTensor(X), X, out=torch.empty(2, 3))
    with pytest.raises(InputError, match="nothing is written into a tensor"):
        torch.eq(nx.LiteTensor(X), X, out=torch.empty(2, 3))


def test_every_function_is_tested():
    assert set(ops.constant.__all__) == {*CASES, *PYTHON_VALUES, *RANDOM, "empty_like", "histogram"}


def test_keywords_and_numpy_names():
    x = nx.LiteTensor(X)
    assert torch.equal(nx.argmax(x, dim=1, keepdim=True).data, X.argmax(1, keepdim=True))
    assert torch.equal(ops.any(x, axis=0).data, X.any(0))
    assert torch.equal(ops.round(nx.LiteTensor(Y * 1.234), decimals=1).data, (Y * 1.234).round(decimals=1))
    assert [each.data.tolist() for each in nx.nonzero(nx.LiteTensor(J), as_tuple=True)] == [[0, 1, 2]]
    assert torch.rand_like(x, generator=torch.Generator().manual_seed(0)).shape == X.shape


@pytest.mark.parametrize(
    "compare", [lambda x: x > 0, lambda x: x > torch.zeros(3), lambda x: x > np.zeros(3), lambda x: torch.zeros(3) < x]
)
def test_operands_of_every_kind(compare):
    assert compare(nx.LiteTensor(Y)).data.tolist() == [True, False, False]


@pytest.mark.parametrize("name", ["sign", "floor", "ceil", "trunc", "round"])
def test_steps_are_flat(name):
    """Their gradient is zero, as in torch, and they are constants: nothing of them is recorded."""
    x = nx.LiteTensor(torch.tensor([-1.5, 0.0, 2.25], dtype=torch.float64))
    step = getattr(ops, name)
    assert nx.grad(lambda x: step(x).sum())(x).data.tolist() == [0.0, 0.0, 0.0]
    assert torch.equal(nx.grad(lambda x: (x * step(x)).sum())(x).data, step(x).data)
    assert len(nx.trace(step)(x)[1]) == 0


def test_the_argument_is_not_followed_into_its_comparisons():
    out, tape = nx.trace(lambda x: (x > 0, nx.argmax(x), nx.ones_like(x)))(nx.LiteTensor(Y))
    assert len(tape) == 0
    assert not any(each.key is not None for each in out)
