# mypy: allow-untyped-defs
"""Rules without annotations, as the documents write them."""

import operator
from typing import assert_type

import torch

import nexnet
from nexnet import LiteTensor, Policy, function, implements

x = nexnet.randn(3)


@function
class softclip(Policy):
    """x / sqrt(1 + x^2):  dx = g (1 + x^2)^(-3/2)."""

    def forward(self, x):
        self.ctx.save(x)
        return x / torch.sqrt(1 + x * x)

    def backward(self, grad):
        (x,) = self.ctx.release
        return grad * (1 + x * x) ** -1.5


@nexnet.custom_grad
def reversed_gradient(x, strength):
    return x.clone(), lambda grad: -strength * grad


@nexnet.function
class times(nexnet.Policy):
    elementwise = True
    forward = nexnet.calls(operator.mul, "a", "b", saves="others")

    def backward(self, grad):
        b, a = self.ctx.release
        return self.ctx.product(grad, b), self.ctx.product(grad, a)


@implements(torch.special.entr)
@function
class entr(Policy):
    """-x ln x:  dx = -g (ln x + 1)."""

    def forward(self, x):
        self.ctx.save(x)
        return torch.special.entr(x)

    def backward(self, grad):
        (x,) = self.ctx.release
        return -grad * (torch.log(x) + 1)

    def jvp(self, tangent):
        return tangent


assert_type(softclip(x), LiteTensor)
assert_type(reversed_gradient(x, 0.5), LiteTensor)
assert_type(times(x, 2.0), LiteTensor)
assert_type(entr(x), LiteTensor)
nexnet.grad(softclip)(1.0)
nexnet.grad(lambda x: times(x, times(x, x)))(2.0)
