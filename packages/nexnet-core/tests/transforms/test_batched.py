"""What a vmap has recorded, as nodes of the batch: derivatives of every order are those of a loop."""

import pytest
import torch

import nexnet as nx
from nexnet.transforms import _mapped

W = torch.linspace(-0.9, 1.1, 9, dtype=torch.float64).reshape(3, 3)
X = torch.linspace(-1.2, 1.3, 24, dtype=torch.float64).reshape(4, 2, 3).cos()
POSITIVE = torch.tensor([[True, False, True], [False, True, True]])


def two_steps(w, x):
    """Descend twice, as MAML does: the second step's weights are each example's own."""

    def loss(w, b):
        return (nx.linear(nx.relu(nx.linear(x, w, b)), w) - x).square().mean()

    b = w[0]
    for _ in range(2):
        by_w, by_b = nx.grad(loss, (0, 1))(w, b)
        w, b = w - 0.5 * by_w, b - 0.5 * by_b
    return nx.linear(x, w, b)


#: Functions of a weight (3, 3), one for all examples, and of an example (2, 3), of rules that have a form each.
FORMS = {
    "elementwise": lambda w, x: (x.sin() * x - x / (2 + x.exp())).tanh(),
    "with the weight": lambda w, x: x * w[0] + w[1] * w[2] - x,
    "of fewer dimensions": lambda w, x: x[0] * x + x[1, 2] * x[:1] * w[0, 0],
    "a column": lambda w, x: x * x[:, :1] * 2 + w[:1, :1],
    "where, clamp and the greater": lambda w, x: torch.where(POSITIVE, x, w[0]).clamp(-0.5, 0.7) + x.maximum(x * w[1]),
    "a choice by example": lambda w, x: torch.where(x > 0.2, x * x, x.sin()),
    "linear": lambda w, x: nx.linear(x, w, w[1]),
    "linear of a vector": lambda w, x: nx.linear(x[0], w).sin(),
    "linear_relu": lambda w, x: nx.linear_relu(x[1], w, w[0]) * x,
    "matrix by weight": lambda w, x: x @ w,
    "vector by weight": lambda w, x: x[0] @ w * x[1],
    "weight by vector": lambda w, x: w @ x[1],
    "weight by matrix": lambda w, x: w @ x.mT,
    "row of the weight by matrix": lambda w, x: w[0] @ x.T,
    "products with a row": lambda w, x: nx.dot(x[0], w[1]) + nx.dot(w[2], x[1]),
    "of two examples": lambda w, x: (x @ x.mT) @ (x @ w),
    "shapes": lambda w, x: x.reshape(3, 2).T.flatten().unflatten(0, (2, 3)).unsqueeze(0).squeeze(0),
    "dimensions": lambda w, x: x.transpose(0, 1).permute(1, 0).movedim(0, -1).unsqueeze(-1).squeeze(-1).t(),
    "parts": lambda w, x: sum(part * part for part in (*x.unbind(1), *x.split(1, dim=-1)[0].unbind(1))),
    "joined": lambda w, x: nx.cat([x, x * x, w[:2]], 1)[:, 1:].sum(1) * nx.stack([x[0, 0], x[1, 1]], 0),
    "joined with the weight": lambda w, x: nx.stack([x[0], w[0], x[1]], -1),
    "sums": lambda w, x: x.sum() * x.sum(0) * x.mean((0, 1)) + x.mean(-1, keepdim=True)[0] * x[0, 0].sum(),
    "a copy in another dtype": lambda w, x: x.clone().contiguous().float().double() * x,
    "repeated": lambda w, x: x.sum(0).expand(2, 3) * x,
    "a gradient inside": lambda w, x: nx.grad(lambda x: (nx.linear(x, w).tanh() * w[0]).sum())(x),
    "a second one": lambda w, x: nx.grad(lambda x: nx.grad(lambda x: nx.linear(x[0], w).tanh().sum())(x).sum())(x),
    "mapped again": lambda w, x: nx.vmap(lambda row: nx.linear(row, w).sin() * row)(x),
    "a weight for each example": lambda w, x: nx.linear(x, w * x[0]),
    "a weight for each, of a vector": lambda w, x: nx.linear(x[1], w * x[0], w[0]).sin(),
    "a weight for each, of three dimensions": lambda w, x: nx.linear(x.unsqueeze(1), w * x[0], x[1]),
    "a weight for each, of what is the same": lambda w, x: nx.linear(w.cos(), w * x[0], w[1]),
    "a weight for each, with relu": lambda w, x: nx.linear_relu(x, w * x[0], w[0] * x[1]),
    "a weight for each, of constants": lambda w, x: nx.linear(POSITIVE.double(), w * x[0]),
    "a bias for each": lambda w, x: nx.linear(x, w, w[0] * x[0]),
    "a bias for each alone": lambda w, x: nx.linear(POSITIVE.double(), torch.eye(3, dtype=w.dtype), w[0] * x[0]),
    "a step down": lambda w, x: nx.linear(x, w - 0.1 * nx.grad(lambda w: nx.linear(x, w, w[1]).tanh().sum())(w)),
    "a step down of a vector": lambda w, x: nx.linear(x[0], w - nx.grad(lambda w: nx.linear(x[1], w).sin().sum())(w)),
    "two steps, a bias too": lambda w, x: two_steps(w, x),
    "no example but the output's": lambda w, x: (w * w).transpose(0, 1).sum(0) * x,
}

#: Of rules that have none, or of calls that have none: all are packed as one node.
PACKED = {
    "softmax": lambda w, x: torch.softmax(x @ w, -1),
    "a weight vector for each example": lambda w, x: nx.linear(x, w[0] * x[0]),
    "two vectors": lambda w, x: nx.dot(x[0] * w[0], x[1]),
    "a sum that says not what": lambda w, x: (w[0] + 1.0) * x,
    "an example as it is": lambda w, x: x,
    "a constant for all": lambda w, x: w * w,
    "the gradient of a product": lambda w, x: nx.grad(lambda x: (x @ w).tanh().sum())(x),
    "the mean of a number": lambda w, x: (x[0, 0] * w[0, 0]).mean(),
}


def total(fn, mapped):
    def of(w, xs):
        return weighted(nx.vmap(fn, (None, 0))(w, xs) if mapped else nx.stack([fn(w, x) for x in xs.unbind(0)]))

    return of


def weighted(outs):
    return (outs * torch.arange(1.0, 1 + outs.numel(), dtype=torch.float64).reshape(outs.shape).cos()).sum()


def same_derivatives(mapped, looped, at):
    """Compare the first and second derivatives of two functions of a weight and examples."""

    def slopes(of):
        return lambda w, xs: sum((each**3).sum() for each in nx.grad(of, (0, 1))(w, xs))

    along = (at[0].cos(), at[1].sin())
    for order in (lambda of: nx.grad(of, (0, 1)), lambda of: nx.grad(slopes(of), (0, 1)),
                  lambda of: lambda *at: nx.jvp(nx.grad(of, (0, 1)), at, along)[1]):  # fmt: skip
        for one, other in zip(order(mapped)(*at), order(looped)(*at), strict=True):
            torch.testing.assert_close(one.data, other.data)


@pytest.mark.parametrize("fn", [*FORMS.values(), *PACKED.values()], ids=[*FORMS, *PACKED])
def test_derivatives_are_the_loops(fn):
    same_derivatives(total(fn, True), total(fn, False), (W, X))


@pytest.mark.parametrize("weights", [True, False], ids=["a weight each", "one weight"])
@pytest.mark.parametrize("examples", [True, False], ids=["examples each", "the same examples"])
@pytest.mark.parametrize("fn", [*FORMS.values(), *PACKED.values()], ids=[*FORMS, *PACKED])
def test_a_batch_of_batches(fn, weights, examples):
    """Where a weight is the same for each example, another for each batch of them: its gradient sums some."""
    ws = torch.stack([W, W.sin(), W - 0.3]) if weights else W
    xs = torch.stack([X, X.cos(), X * X]) if examples else X

    def mapped(ws, xs):
        if weights or examples:
            outs = nx.vmap(nx.vmap(fn, (None, 0)), (0 if weights else None, 0 if examples else None))(ws, xs)
        else:
            outs = nx.vmap(lambda _: nx.vmap(fn, (None, 0))(ws, xs))(torch.zeros(3))
        return weighted(outs)

    def looped(ws, xs):
        pairs = [(ws[i] if weights else ws, xs[i] if examples else xs) for i in range(3)]
        return weighted(nx.stack([nx.stack([fn(w, x) for x in xs.unbind(0)]) for w, xs in pairs]))

    same_derivatives(mapped, looped, (ws, xs))


@pytest.mark.parametrize("name", [*FORMS, *PACKED])
def test_what_has_a_form_is_not_packed(name, monkeypatch):
    packed = []
    init = _mapped._Packing.__init__
    monkeypatch.setattr(_mapped._Packing, "__init__", lambda *args: packed.append(args) or init(*args))
    nx.grad(total((FORMS | PACKED)[name], True), (0, 1))(W, X)
    assert bool(packed) == (name in PACKED)


def test_a_rule_of_the_users_has_no_form_though_it_calls_itself_elementwise():
    @nx.function
    class centred(nx.Policy):
        elementwise = True

        def forward(self, x):
            return x - x.mean()

        def backward(self, grad):
            return grad - grad.mean()

    def fn(w, x):
        return centred(x * w[0]) ** 2

    got, wanted = (nx.grad(total(fn, mapped), (0, 1))(W, X) for mapped in (True, False))
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one.data, other.data)


def test_a_trace_still_shows_the_vmap():
    _, tape = nx.trace(lambda x: nx.vmap(lambda x: x.sin() * x)(x))(X)
    assert [node.name for node in tape.nodes] == ["vmap"]


def test_a_pullback_may_be_called_twice():
    _, pullback = nx.vjp(lambda w: nx.vmap(lambda x: nx.linear(x, w).tanh())(X), W)
    first, second = (pullback(torch.ones(4, 2, 3, dtype=torch.float64))[0] for _ in range(2))
    assert torch.equal(first.data, second.data)


def test_complex_numbers():
    z = torch.polar(X, 2 * X)

    def fn(w, z):
        return (z * z.conj() + (z * w[0]).sin()).abs()

    got, wanted = (nx.grad(total(fn, mapped), (0, 1))(W, z) for mapped in (True, False))
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one.data, other.data)
