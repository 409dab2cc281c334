"""Rules with annotations: ``forward`` and ``backward`` take what they take, and a call gives a LiteTensor."""

from typing import Any, assert_type

import torch
from torch import Tensor

import nexnet
from nexnet import LiteTensor, Operator, Policy, calls, custom_grad, function, implements

x = nexnet.randn(3)


@function
class softclip(Policy):
    """x / sqrt(1 + x^2):  dx = g (1 + x^2)^(-3/2)."""

    def forward(self, x: Tensor) -> Tensor:
        self.ctx.save(x)
        return x / torch.sqrt(1 + x * x)

    def backward(self, grad: Tensor) -> Any:
        (x,) = self.ctx.release
        return grad * (1 + x * x) ** -1.5


@implements(torch.sinc)
@function
class affine(Policy):
    """x w + b:  dx = g w, dw = g x, db = g."""

    materialize_grads = False

    def forward(self, x: Tensor, w: Tensor, b: float, *, scale: float = 1.0) -> Tensor:
        self.ctx.save(x, w)
        return x * w + b * scale

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, w = self.ctx.release
        needs = self.ctx.needs_input_grad
        return grad * w if needs[0] else None, grad * x, grad

    def jvp(self, dx: Any, dw: Any, db: Any) -> Any:
        return dx


class Square(Policy):
    """x^2:  dx = 2 x g."""

    elementwise = True
    forward = calls(torch.square, "x", saves="inputs")

    def backward(self, grad: Tensor) -> Any:
        (x,) = self.ctx.release
        return self.ctx.product(grad, 2 * x)


@custom_grad
def reversed_gradient(x: Tensor, strength: float) -> tuple[Tensor, Any]:
    """Turn a gradient round."""
    return x.clone(), lambda grad: -strength * grad


square = function(Square)
assert_type(softclip(x), LiteTensor)
assert_type(affine(x, 2.0, b=1.0), LiteTensor)
assert_type(square, Operator)
assert_type(square(x), LiteTensor)
assert_type(square.policy, type[Policy])
assert_type(reversed_gradient(x, 0.5), LiteTensor)
assert_type(nexnet.straight_through(torch.round)(x), LiteTensor)
nexnet.grad(softclip)(1.0)
nexnet.grad(affine, argnums=(0, 1, 2))(x, x, 2.0)
nexnet.vmap(softclip)(x)
