"""Draws that move with what they are drawn by, as torch.distributions' ``rsample`` makes them.

A draw x with the cumulative distribution F(x; a) moves with a so that F stays: dx/da = -(dF/da) / F'(x). Torch's
kernels give that slope, and no derivative of it: the second order is refused. Source: Figurnov, Mohamed and Mnih,
"Implicit reparameterization gradients", 2018.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator

from ...errors import HigherOrderError, message
from ...policy import Policy, function, implements
from .._kernels import kernel_or_rule

__all__: list[str] = []


class _Slope(Policy):
    """How a draw moves; its own derivative is refused."""

    kernel: Any
    draws: str

    def backward(self, grad: Any) -> Any:
        raise HigherOrderError(
            message(
                "torch knows how a draw moves with its distribution, and not how that changes.",
                rule=type(self).draws,
                argument="concentration",
                remedy="differentiate it once, or cut the second order with nexnet.stop_gradient",
            )
        )


@implements(torch._standard_gamma_grad)
@function
class _gamma_slope(_Slope):
    """-(dF/da) / f(x) of the gamma distribution."""

    draws = "torch._standard_gamma"

    def forward(self, input: Any, output: Any) -> Any:
        return torch._standard_gamma_grad(input, output)


@implements(torch._dirichlet_grad)
@function
class _dirichlet_slope(_Slope):
    """-(dF/da) / f(x) of the beta distribution of one element and the rest, by the element's concentration."""

    draws = "torch._sample_dirichlet"

    def forward(self, x: Any, alpha: Any, total: Any) -> Any:
        return torch._dirichlet_grad(x, alpha, total)


_slope_of_gamma = kernel_or_rule(torch._standard_gamma_grad, _gamma_slope)
_slope_of_dirichlet = kernel_or_rule(torch._dirichlet_grad, _dirichlet_slope)


class _gamma(Policy):
    """A draw x of the gamma distribution of shape a and scale 1:  da = g dx/da."""

    def forward(self, input: Any, generator: Generator | None = None) -> Any:
        out = torch._standard_gamma(input, generator)
        self.ctx.save(input, out)
        return out

    def backward(self, grad: Any) -> Any:
        input, out = self.ctx.release
        return grad * _slope_of_gamma(input, out)


class _dirichlet(Policy):
    """A draw x of the Dirichlet distribution, over the last dimension:  da = s (g - <x, g>), s the slope.

    Of one element, x_i and the rest keep their proportions: dx_j / da_i = s_i (delta_ij - x_j).
    """

    def forward(self, input: Any, generator: Generator | None = None) -> Any:
        out = torch._sample_dirichlet(input, generator)
        self.ctx.save(input, out)
        return out

    def backward(self, grad: Any) -> Any:
        input, x = self.ctx.release
        total = input.sum(-1, keepdim=True).expand_as(input)
        return _slope_of_dirichlet(x, input, total) * (grad - (x * grad).sum(-1, keepdim=True))


for _torch_function, _policy in ((torch._standard_gamma, _gamma), (torch._sample_dirichlet, _dirichlet)):
    _operator = implements(_torch_function)(function(_policy))
    _operator.leaf = True  # nothing is drawn twice
