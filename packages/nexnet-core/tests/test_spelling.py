"""By position, by keyword, left out: what a call computes and differentiates does not depend on how it is spelled."""

import pytest
import torch
from torch import Tensor

import nexnet as nx


@nx.function
class scaled_sum(nx.Policy):
    """A rule with arguments that may be left out, one of them a tensor."""

    def forward(self, a, b, bias=None, scale=1.0, *, shift=0.0):
        self.ctx.save(a, b, scale)
        out = a * b * scale + shift
        return out if bias is None else out + bias

    def backward(self, grad):
        a, b, scale = self.ctx.release
        assert len(self.ctx.needs_input_grad) == 4  # however it was called
        return grad * b * scale, grad * a * scale, grad if self.ctx.needs_input_grad[2] else None


A, B = nx.LiteTensor(torch.tensor(2.0)), nx.LiteTensor(torch.tensor(3.0))


@pytest.mark.parametrize(
    "call",
    [
        lambda a, b: scaled_sum(a, b),
        lambda a, b: scaled_sum(a, b, None, 1.0),
        lambda a, b: scaled_sum(a, b, scale=1.0),
        lambda a, b: scaled_sum(a, b, scale=1.0, bias=None),
        lambda a, b: scaled_sum(b=b, a=a),
        lambda a, b: scaled_sum(a, b, bias=0.0, shift=0.0),
    ],
)
def test_a_rule_is_given_every_positional_argument(call):
    assert [each.item() for each in nx.grad(call, argnums=(0, 1))(A, B)] == [3.0, 2.0]


def _plus_bias(a: Tensor, b: Tensor, bias: float = 0.0) -> Tensor:
    return a * b + bias


@nx.function
class product_and_bias(nx.Policy):
    forward = nx.calls(_plus_bias, "a", "b", "bias=0.0", saves="inputs")

    def backward(self, grad):
        a, b, _ = self.ctx.release
        return grad * b, grad * a


@pytest.mark.parametrize("bias", [(), (0.0,), (5.0,)])
@pytest.mark.parametrize("by_keyword", [False, True])
def test_what_calls_saves_is_the_same_however_it_was_called(bias, by_keyword):
    keywords = {"bias": bias[0]} if bias and by_keyword else {}
    rest = () if by_keyword else bias
    value, (da, db) = nx.value_and_grad(lambda a, b: product_and_bias(a, b, *rest, **keywords), argnums=(0, 1))(A, B)
    assert (value.item(), da.item(), db.item()) == (6.0 + sum(bias), 3.0, 2.0)


@pytest.mark.parametrize("linear", [torch.nn.functional.linear, nx.linear])
@pytest.mark.parametrize("bias", [(), (None,), {"bias": None}])
def test_a_linear_layer_without_bias(linear, bias):
    x, w = nx.randn(5, 3, dtype=torch.float64), nx.randn(4, 3, dtype=torch.float64)
    rest, keywords = ((), bias) if isinstance(bias, dict) else (bias, {})

    def loss(x, w):
        return (linear(x, w, *rest, **keywords) ** 2).sum()

    dx, dw = nx.grad(loss, argnums=(0, 1))(x, w)
    out = 2 * x.data @ w.data.T
    torch.testing.assert_close(dx.data, out @ w.data)
    torch.testing.assert_close(dw.data, out.T @ x.data)
    _, tangent = nx.jvp(loss, (x, w), (nx.zeros_like(x), nx.ones_like(w)))
    torch.testing.assert_close(tangent.data, (dw.data).sum())
    by_example = nx.vmap(nx.grad(loss, argnums=1), in_dims=(0, None))(x, w)
    torch.testing.assert_close(by_example.sum(0).data, dw.data)


@pytest.mark.parametrize("relu", [torch.nn.functional.relu, nx.relu])
@pytest.mark.parametrize("inplace", [(), (False,), {"inplace": False}])
def test_relu_that_says_it_is_not_in_place(relu, inplace):
    rest, keywords = ((), inplace) if isinstance(inplace, dict) else (inplace, {})
    x = nx.LiteTensor([-1.0, 2.0])
    assert nx.grad(lambda x: relu(x, *rest, **keywords).sum())(x).tolist() == [0.0, 1.0]
    assert nx.grad(lambda x: (nx.grad(lambda x: (relu(x, *rest, **keywords) ** 2).sum())(x)).sum())(x).tolist() == [
        0,
        2,
    ]


@pytest.mark.parametrize("by_position", [False, True])
def test_a_weight_that_torchs_own_function_does_not_hand_on(by_position):
    x, y, w = nx.randn(2, 3), nx.randn(2, 3), nx.rand(2, 3)
    args, keywords = ((None, None, "sum", w), {}) if by_position else ((), {"reduction": "sum", "weight": w})
    value, dx = nx.value_and_grad(lambda x: torch.nn.functional.l1_loss(x, y, *args, **keywords))(x)
    torch.testing.assert_close(value.data, ((x - y).abs() * w).sum().data)
    torch.testing.assert_close(dx.data, ((x - y).sign() * w).data)
    assert torch.nn.functional.l1_loss(x, y).item() == nx.l1_loss(x, y).item()


@pytest.mark.parametrize("reduction", [(), (0,), (1,), (2,)])
def test_a_loss_of_torchs_own_has_its_default_which_is_no_reduction(reduction):
    x, y = nx.randn(2, 3), nx.ones(2, 3)
    keywords = dict(zip(("reduction",), reduction, strict=False))
    for loss in (torch.hinge_embedding_loss, torch.binary_cross_entropy_with_logits):
        torch.testing.assert_close(loss(x, y, **keywords).data, loss(x.data, y.data, **keywords))
    args = (x, y, 2.0, *reduction)
    torch.testing.assert_close(
        torch.hinge_embedding_loss(*args).data, torch.hinge_embedding_loss(x.data, y.data, 2.0, *reduction)
    )


def test_an_argument_that_is_given_twice_or_missing_is_pythons_own_error():
    with pytest.raises(TypeError, match="multiple values for argument 'a'"):
        scaled_sum(A, B, a=A)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'b'"):
        scaled_sum(A, scale=2.0)
    with pytest.raises(TypeError, match="unexpected keyword argument 'size'"):
        scaled_sum(A, B, size=2)


# Numbers: an argument that nexnet's own rules have no gradient for ----------------------------------------------------

F = torch.nn.functional
ROWS = nx.LiteTensor(torch.tensor([[-1.5, -0.2, 0.4], [0.7, 1.1, 2.0]], dtype=torch.float64))
OTHERS = nx.LiteTensor(torch.tensor([[1.0, 0.1, -0.4], [0.5, 3.0, 2.5]], dtype=torch.float64))
BY_A_NUMBER = {
    "delta": (lambda x, t: F.huber_loss(x, OTHERS, delta=t), 0.7),
    "beta": (lambda x, t: F.smooth_l1_loss(x, OTHERS, beta=t), 0.7),
    "eps": (lambda x, t: F.layer_norm(x, (3,), eps=t), 1e-5),
    "ord": (torch.linalg.vector_norm, 3.0),
    "p": (torch.norm, 3.0),
    "value": (lambda x, t: F.pad(x, (1, 1), value=t), 2.0),
    "maxnorm": (lambda x, t: torch.renorm(x, 2, 0, t), 1.0),
    "alpha": (F.elu, 0.7),
    "threshold": (lambda x, t: F.threshold(x, t, 1.0), 0.3),
    "negative_slope": (F.leaky_relu, 0.2),
    "correction": (lambda x, t: torch.var(x, correction=t), 1),
    "dropout_p": (lambda x, t: F.scaled_dot_product_attention(x, x, x, None, t), 0.0),
}


@pytest.mark.parametrize("argument", BY_A_NUMBER)
def test_a_number_that_is_differentiated_by_is_an_error_at_the_call(argument):
    fn, value = BY_A_NUMBER[argument]
    with pytest.raises(
        nx.InputError, match=rf"argument: +{argument}(.|\n)*remedy: +pass a number, or nexnet.stop_grad"
    ):
        nx.grad(lambda t: fn(ROWS, t).sum())(float(value))


@pytest.mark.parametrize("argument", BY_A_NUMBER)
@pytest.mark.parametrize("kind", [nx.LiteTensor, torch.tensor])
def test_a_number_in_a_tensor_is_that_number(argument, kind):
    fn, value = BY_A_NUMBER[argument]
    expected, gradient = nx.value_and_grad(lambda x: fn(x, value).sum())(ROWS)
    got, found = nx.value_and_grad(lambda x: fn(x, kind(value, dtype=torch.float64)).sum())(ROWS)
    assert got.item() == expected.item()
    assert found.tolist() == gradient.tolist()


def test_a_number_by_keyword_that_is_differentiated_by_is_an_error():
    with pytest.raises(nx.InputError, match=r"by which nexnet does not differentiate(.|\n)*add(.|\n)*alpha"):
        nx.grad(lambda t: torch.add(ROWS, OTHERS, alpha=t).sum())(2.0)
    assert torch.add(ROWS, OTHERS, alpha=nx.LiteTensor(2.0)).tolist() == (ROWS + 2 * OTHERS).tolist()


# torch's and numpy's names for an argument ----------------------------------------------------------------------------

X, M, Y = torch.tensor([1.0, 2.0, 3.0]), torch.arange(9.0).reshape(3, 3), torch.tensor([0.5, 4.0, 2.0])
MASK = torch.tensor([True, False, True])

SPELLINGS = {
    **{
        f"{name}, a number by keyword": lambda x, name=name: getattr(torch, name)(x, other=2.5)
        for name in ("add", "sub", "mul", "div", "true_divide", "remainder", "fmod", "rsub", "xlogy", "copysign")
    },
    "pow": lambda x: torch.pow(x, exponent=2.5),
    "float_power": lambda x: torch.float_power(x, exponent=2.5),
    "where": lambda x: torch.where(MASK, x, other=0.0),
    "where of three by keyword": lambda x: torch.where(condition=MASK, input=x, other=0.0),
    "x.where": lambda x: x.where(MASK, other=0.0),
    "flip": lambda x: torch.flip(x, dims=(0,)),
    "x.flip": lambda x: x.flip(dims=[0]),
    "x.expand": lambda x: x.expand(size=(2, 3)),
    "x.repeat": lambda x: x.repeat(repeats=(2, 1)),
    "x.view": lambda x: x.view(size=(3, 1)),
    "x.reshape": lambda x: x.reshape(shape=(3, 1)),
    "reshape": lambda x: torch.reshape(x, shape=(3, 1)),
    "reshape by names alone": lambda x: torch.reshape(shape=(3, 1), input=x),
    "tile": lambda x: torch.tile(x, dims=(2,)),
    "x.tile": lambda x: x.tile(dims=(2,)),
    "permute": lambda x: torch.permute(torch.outer(x, x), dims=(1, 0)),
    "x.permute": lambda x: torch.outer(x, x).permute(dims=(1, 0)),
    "broadcast_to": lambda x: torch.broadcast_to(x, size=(2, 3)),
    "sum_to_size": lambda x: x.sum_to_size(size=(1,)),
    "roll": lambda x: x.roll(shifts=1, dims=0),
    "repeat_interleave": lambda x: x.repeat_interleave(repeats=2),
    "sum": lambda x: torch.sum(a=torch.outer(x, x), axis=1, keepdims=True),
    "std": lambda x: torch.std(x, axis=0, keepdims=True),
    "x.prod": lambda x: x.prod(axis=0),
    "cross": lambda x: torch.linalg.cross(x, other=Y, dim=0),
    "maximum": lambda x: torch.maximum(x1=x, x2=Y),
    "sin": lambda x: torch.sin(a=x),
    "scatter": lambda x: x.scatter(axis=0, index=torch.tensor([1]), value=0.0),
    "clone": lambda x: torch.clone(x, memory_format=torch.contiguous_format),
    "contiguous": lambda x: x.contiguous(memory_format=torch.contiguous_format),
    "to": lambda x: x.to(torch.float64, memory_format=torch.preserve_format),
    "double": lambda x: x.double(memory_format=torch.preserve_format),
    "cpu": lambda x: x.cpu(memory_format=torch.preserve_format),
    "einsum's lists of indices": lambda x: torch.einsum(
        torch.outer(x, x), [0, 1], torch.outer(x, x + 1), [1, 2], [0, 2]
    ),
    "einsum's lists without a result": lambda x: torch.einsum(
        torch.outer(x, x), [30, 1], torch.outer(x, x + 1), [1, 2]
    ),
    "einsum's lists with an ellipsis": lambda x: torch.einsum(
        torch.outer(x, x), [..., 1], torch.outer(x, x + 1), [1, 2], [..., 2]
    ),
    "atleast_1d of several": lambda x: torch.atleast_1d(x[0], x),
    "atleast_2d of a list": lambda x: torch.atleast_2d([x[0], x]),
    "tuples as index tensors": lambda x: torch.outer(x, x)[((0, 1), (2, 2))],
    "a tuple in a tuple": lambda x: torch.outer(x, x)[((0, 1),)],
    "a tuple, None and an ellipsis": lambda x: torch.outer(x, x)[(0, 1), None, ...],
    "a tuple of bools": lambda x: torch.outer(x, x)[((True, False, True),)],
    "take_along_dim below 0": lambda x: torch.take_along_dim(torch.outer(x, x), torch.tensor([[-1], [-2], [0]]), dim=1),
    "vander of one column": lambda x: torch.vander(x, N=1),
    "linear_cross_entropy's options": lambda x: torch.nn.functional.linear_cross_entropy(
        x,
        M / 9,
        torch.tensor(1),
        options=torch.nn.LinearCrossEntropyOptions() if isinstance(x, nx.LiteTensor) else None,
    ),
    "linear_cross_entropy of more dimensions": lambda x: torch.nn.functional.linear_cross_entropy(
        x.reshape(1, 3), M.reshape(3, 1, 3) / 9, torch.tensor([[1]]), linear_bias=Y.reshape(3, 1)
    ),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_what_torch_takes_is_taken_and_differentiated(name):
    fn = SPELLINGS[name]

    def total(x):
        out = fn(x)
        parts = out if isinstance(out, (tuple, list)) else (out,)
        return sum((each * each).sum() for each in parts)

    expected, mine = fn(X), fn(nx.LiteTensor(X))
    torch.testing.assert_close(nx.tree.map(lambda each: each.data, mine), expected)
    torch.testing.assert_close(nx.grad(total)(nx.LiteTensor(X)).data, torch.func.grad(total)(X))
    torch.testing.assert_close(nx.hessian(total)(nx.LiteTensor(X)).data, torch.func.jacrev(torch.func.grad(total))(X))


@pytest.mark.parametrize("make", [nx.zeros, nx.ones, nx.empty, nx.rand, nx.randn])
def test_a_new_tensors_shape_may_be_given_by_keyword(make):
    assert make(size=(2, 3)).shape == make((2, 3)).shape == make(2, 3).shape == (2, 3)


def test_channels_last_is_kept_and_asked_for():
    x = nx.ones(1, 2, 3, 3)
    last = x.contiguous(memory_format=torch.channels_last)
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert x.to(memory_format=torch.channels_last).stride() == last.stride()
    assert last.double(memory_format=torch.contiguous_format).is_contiguous()


def test_einsums_lists_are_lists_of_numbers():
    with pytest.raises(nx.InputError, match=r"einsum takes an equation(.|\n)*\[0, 1\], y, \[1, 2\]"):
        nx.einsum(nx.ones(2), "i", nx.ones(2), "i")
    with pytest.raises(nx.InputError, match="einsum takes an equation"):
        nx.einsum(nx.ones(2), [52])


def test_a_view_by_dtype_is_refused_however_it_is_spelled():
    for call in (lambda x: x.view(torch.int32), lambda x: x.view(dtype=torch.int32)):
        with pytest.raises(nx.InputError, match="reads the bits anew"):
            call(nx.ones(2))


@pytest.mark.parametrize("ndim", range(6))
@pytest.mark.parametrize("name", ["dropout", "alpha_dropout", "feature_alpha_dropout", "dropout2d"])
@pytest.mark.filterwarnings("ignore")
def test_a_dropout_that_is_not_training_takes_what_torchs_does(name, ndim):
    x = torch.ones((2,) * ndim)
    drop = getattr(torch.nn.functional, name)
    assert torch.equal(drop(nx.LiteTensor(x), 0.5, False).data, drop(x, 0.5, False))


def test_a_number_of_one_class_and_an_empty_batch_have_second_derivatives():
    loss = lambda x: torch.nn.functional.multi_margin_loss(x, torch.tensor(0))  # noqa: E731
    one = nx.tensor(1.0)
    assert [each.item() for each in nx.jvp(loss, (one,), (one,))] == [0.0, 0.0]
    assert nx.hessian(loss)(one).item() == 0.0
    empty = nx.ones(0, 2, 3)
    normed = lambda x: (torch.nn.functional.group_norm(x, 1) ** 2).sum()  # noqa: E731
    assert [each.shape for (each,) in nx.hvp(normed, (empty,), (empty,))] == [(0, 2, 3), (0, 2, 3)]
