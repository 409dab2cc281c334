"""Rules whose arguments are pytrees with tensors in them."""

import pytest
import torch

import nexnet as nx
from nexnet import LiteTensor, Policy, custom_grad, function
from nexnet.errors import InputError, RuleError


@function
class weighted(Policy):
    """w x^2 + b of ``{"w": w, "b": b}``, with twice the gradient by b."""

    def forward(self, params, x, power=2):
        assert all(type(each) is torch.Tensor or self.ctx.needs_input_grad for each in params.values())
        self.ctx.save(params, x, power)
        return params["w"] * x**power + params["b"]

    def backward(self, grad):
        params, x, power = self.ctx.release
        return {"w": grad * x**power, "b": 2 * grad}, grad * params["w"] * power * x ** (power - 1)


def params():
    return {"w": LiteTensor(torch.tensor([2.0, 3.0]).double()), "b": LiteTensor(torch.tensor([1.0, 1.0]).double())}


X = LiteTensor(torch.tensor([1.5, -2.0]).double())


def test_a_dict():
    value, (by_params, by_x) = nx.value_and_grad(lambda p, x: weighted(p, x).sum(), (0, 1))(params(), X)
    assert value.item() == 2 * 2.25 + 1 + 3 * 4 + 1
    assert by_params["w"].tolist() == [2.25, 4.0]
    assert by_params["b"].tolist() == [2.0, 2.0]
    assert by_x.tolist() == [6.0, -12.0]


def test_by_keyword_and_with_other_arguments():
    grads = nx.grad(lambda p: weighted(x=X, params=p, power=3).sum())(params())
    assert grads["w"].tolist() == [1.5**3, -8.0]


def test_nothing_is_recorded_of_constants():
    assert weighted(params(), X).tolist() == [5.5, 13.0]
    by_x = nx.grad(lambda x: weighted(params(), x).sum())(X)
    assert by_x.tolist() == [6.0, -12.0]


def test_second_order_and_forward_mode():
    def slope(p, x):
        return nx.grad(lambda x: weighted(p, x).sum())(x)  # 2 w x

    grads = nx.grad(lambda p: slope(p, X).sum())(params())
    assert grads["w"].tolist() == [3.0, -4.0]
    assert grads["b"].tolist() == [0.0, 0.0]
    hessian = nx.grad(lambda x: nx.grad(lambda x: weighted(params(), x).sum())(x).sum())(X)
    assert hessian.tolist() == [4.0, 6.0]
    tangents = {"w": LiteTensor(torch.ones(2).double()), "b": LiteTensor(torch.zeros(2).double())}
    _, tangent = nx.jvp(lambda p: weighted(p, X), (params(),), (tangents,))
    assert tangent.tolist() == [2.25, 4.0]


def test_vmap():
    xs = LiteTensor(torch.arange(6.0).double().reshape(3, 2))
    grads = nx.vmap(nx.grad(lambda p, x: weighted(p, x).sum()), in_dims=(None, 0))(params(), xs)
    assert grads["w"].tolist() == (xs.data**2).tolist()


def test_lists_and_none_for_a_gradient():
    @custom_grad
    def total(tensors, scale):
        return scale * sum(each.sum() for each in tensors), lambda grad: ([None, grad * scale], None)

    first, second = LiteTensor([1.0]), LiteTensor([2.0])
    grads = nx.grad(lambda pair: total(pair, 3.0))([first, second])
    assert [each.tolist() for each in grads] == [[0.0], [3.0]]


def test_which_gradients_are_asked_for():
    seen = []

    @function
    class asking(Policy):
        def forward(self, pair, x):
            seen.append(self.ctx.needs_input_grad)
            return pair[0] + pair[1] + x

        def backward(self, grad):
            seen.append(self.ctx.needs_input_grad)
            return (grad, grad), grad

    nx.grad(lambda a: asking((a, LiteTensor(1.0)), LiteTensor(2.0)))(LiteTensor(3.0))
    assert seen == [(True, False), (True, False)]


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        (({"z": None}, None), "for argument 0 a tree like it"),
        ((None, None, None, None), "3 gradients"),
        ([1, 2], "argument 0"),
    ],
)
def test_a_gradient_of_another_structure_is_refused(returned, says):
    rule = custom_grad(lambda params, x, power: (params["w"] * x, lambda grad: returned))
    with pytest.raises(RuleError, match=rf"a gradient for each argument[\s\S]*{says}"):
        nx.grad(lambda p: rule(p, X, 2).sum())(params())


def test_nexnets_own_operators_refuse_containers():
    with pytest.raises(InputError, match="inside of a container gets no gradient"):
        nx.exp([LiteTensor(1.0)])
