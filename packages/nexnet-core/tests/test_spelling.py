"""By position, by keyword, left out: what a call computes and differentiates does not depend on how it is spelled."""

import operator

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
    forward = nx.calls(_plus_bias, "a", "b", "bias=0.0", saves="inputs", fast=operator.mul)

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
