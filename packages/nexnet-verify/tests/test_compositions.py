"""Every transform inside of every other, and useful triples, equal to JAX in float64.

A transform is written once, for both libraries: it takes a function of a vector x and gives another one, made of that
transform, in which values, tangents and closures depend on x in every way that they can. So any two, and any three,
can be composed, and the result is compared as a whole.
"""

import itertools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy
import pytest
import torch

import nexnet as nx

POINT = numpy.array([0.4, -0.7, 1.1])
MATRIX = numpy.array([[0.3, -0.5, 0.2], [0.7, 0.1, -0.4], [-0.2, 0.6, 0.5]])


# Two rules whose gradients are not the derivatives of their values: a gradient that is taken from elsewhere shows.


@nx.function
class saves_an_intermediate(nx.Policy):
    def forward(self, x):
        self.ctx.save(3 * x)
        return x * x

    def backward(self, grad):
        (slope,) = self.ctx.release
        return grad * slope


@nx.function
class saves_its_output(nx.Policy):
    def forward(self, x):
        y = torch.tanh(x)
        self.ctx.save(y)
        return y

    def backward(self, grad):
        (y,) = self.ctx.release
        return grad * (2 - y * y)


# In JAX they are custom_jvp, as forward mode does not pass a custom_vjp.


@jax.custom_jvp
def jax_saves_an_intermediate(x):
    return x * x


@jax_saves_an_intermediate.defjvp
def _(primals, tangents):
    return jax_saves_an_intermediate(*primals), 3 * primals[0] * tangents[0]


@jax.custom_jvp
def jax_saves_its_output(x):
    return jnp.tanh(x)


@jax_saves_its_output.defjvp
def _(primals, tangents):
    y = jax_saves_its_output(*primals)
    return y, (2 - y * y) * tangents[0]


def newton(cos):
    """Make a solver of y + sin(y) / 2 = a, in a few steps."""

    def solve(residual, y):
        for _ in range(12):
            y = y - residual(y) / (1 + 0.5 * cos(y))
        return y

    return solve


OURS = SimpleNamespace(
    array=lambda values: nx.LiteTensor(torch.tensor(values)), sin=nx.sin, cos=nx.cos, tanh=nx.tanh,
    grad=nx.grad, vjp=nx.vjp, jvp=nx.jvp, linearize=nx.linearize, jacrev=nx.jacrev, jacfwd=nx.jacfwd,
    hessian=nx.hessian, hvp=lambda fn, x, v: nx.hvp(fn, (x,), (v,))[1][0],
    vmap=nx.vmap, checkpoint=nx.checkpoint, stop_gradient=nx.stop_gradient,
    saves_an_intermediate=saves_an_intermediate, saves_its_output=saves_its_output,
    root=lambda fn, x: nx.custom_root(fn, newton(nx.cos))(x),
)  # fmt: skip

THEIRS = SimpleNamespace(
    array=jnp.asarray, sin=jnp.sin, cos=jnp.cos, tanh=jnp.tanh,
    grad=jax.grad, vjp=jax.vjp, jvp=jax.jvp, linearize=jax.linearize, jacrev=jax.jacrev, jacfwd=jax.jacfwd,
    hessian=jax.hessian, hvp=lambda fn, x, v: jax.jvp(jax.grad(fn), (x,), (v,))[1],
    vmap=jax.vmap, checkpoint=jax.checkpoint, stop_gradient=jax.lax.stop_gradient,
    saves_an_intermediate=jax_saves_an_intermediate, saves_its_output=jax_saves_its_output,
    root=lambda fn, x: jax.lax.custom_root(fn, x, newton(jnp.cos), lambda g, y: y / g(jnp.ones_like(y))),
)  # fmt: skip


def base(lib):
    """R^3 -> R^3"""
    matrix = lib.array(MATRIX)
    return lambda x: lib.tanh(matrix @ x) * x


def scalar(lib, fn):
    return lambda x: lib.sin(fn(x)).sum()


def vjp(lib, fn):
    def transformed(x):
        out, pullback = lib.vjp(fn, x)
        return pullback(lib.cos(out))[0]

    return transformed


def jvp(lib, fn):
    def transformed(x):
        out, tangent = lib.jvp(fn, (x,), (lib.cos(x),))
        return out * tangent

    return transformed


def linearize(lib, fn):
    def transformed(x):
        out, pushforward = lib.linearize(fn, x)
        return pushforward(lib.sin(x)) + pushforward(x) * out

    return transformed


def custom_root(lib, fn):
    """y with y + sin(y) / 2 = fn(x): differentiated by what the equation closes over."""

    def transformed(x):
        a = fn(x)
        return lib.root(lambda y: y + 0.5 * lib.sin(y) - a, lib.stop_gradient(a)) * x

    return transformed


#: Each takes a library and a function R^3 -> R^3, and gives another one.
TRANSFORMS = {
    "grad": lambda lib, fn: lib.grad(scalar(lib, fn)),
    "vjp": vjp,
    "jvp": jvp,
    "linearize": linearize,
    "jacrev": lambda lib, fn: lambda x: lib.jacrev(fn)(x) @ lib.cos(x),
    "jacfwd": lambda lib, fn: lambda x: lib.jacfwd(fn)(x) @ lib.cos(x),
    "hessian": lambda lib, fn: lambda x: lib.hessian(scalar(lib, fn))(x) @ lib.cos(x),
    "hvp": lambda lib, fn: lambda x: lib.hvp(scalar(lib, fn), x, lib.cos(x)),
    "vmap": lambda lib, fn: lambda x: lib.vmap(lambda s: fn(s * x))(lib.sin(x)).sum(0),
    "checkpoint": lambda lib, fn: lambda x: lib.checkpoint(lambda y: fn(x * y))(lib.cos(x)),
    "custom rule": lambda lib, fn: lambda x: lib.saves_an_intermediate(fn(lib.saves_an_intermediate(x))),
    "custom rule of its output": lambda lib, fn: lambda x: lib.saves_its_output(fn(lib.saves_its_output(x))),
    "custom_root": custom_root,
    "stop_gradient": lambda lib, fn: lambda x: fn(x) * lib.stop_gradient(fn(lib.cos(x))),
}


#: Those of which all triples are compared: an order, a direction, a batch, a recomputation and a rule.
USEFUL = ("grad", "jvp", "vmap", "checkpoint", "custom rule")


def composed(lib, names):
    fn = base(lib)
    for name in reversed(names):
        fn = TRANSFORMS[name](lib, fn)
    return numpy.asarray(fn(lib.array(POINT)))


def compare(names):
    found = composed(OURS, names)
    with jax.enable_x64(True):
        expected = composed(THEIRS, names)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    numpy.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_alone(name):
    compare((name,))


@pytest.mark.parametrize("names", list(itertools.product(TRANSFORMS, repeat=2)), ids=" of ".join)
def test_every_ordered_pair(names):
    compare(names)


@pytest.mark.parametrize("names", list(itertools.product(USEFUL, repeat=3)), ids=" of ".join)
def test_useful_triples(names):
    compare(names)
