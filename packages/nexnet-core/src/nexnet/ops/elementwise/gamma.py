"""The gamma function's family: its logarithm, the derivatives of that, incomplete forms, and the zeta function."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from ...errors import NoGradientRule, message
from ...policy import Policy, function, implements
from .._formulas import of_input

__all__ = [
    "digamma",
    "igamma",
    "igammac",
    "lgamma",
    "mvlgamma",
    "polygamma",
    "special_zeta",
]

_of_input = partial(of_input, complex_too=False)

lgamma = _of_input(
    "ln |gamma(x)|,  dx = g psi(x).  Corner: NaN at 0 and at negative integers, where it is infinite.",
    lambda g, x: g * torch.digamma(x),
    torch.lgamma,
    torch.special.gammaln,
)
digamma = _of_input(
    "psi(x) = d/dx ln gamma(x),  dx = g psi'(x).",
    lambda g, x: g * torch.polygamma(1, x),
    torch.digamma,
    torch.special.digamma,
    torch.special.psi,
)


@implements(torch.polygamma, torch.special.polygamma)
@function
class polygamma(Policy):
    """The n-th derivative of psi:  dx = g psi^(n+1)(x)."""

    def forward(self, n: int, input: Any) -> Any:
        self.ctx.save(n, input)
        return torch.polygamma(n, input)

    def backward(self, grad: Any) -> Any:
        n, input = self.ctx.release
        return None, grad * torch.polygamma(n + 1, input)


@implements(torch.Tensor.polygamma)
def polygamma_method(input: Any, n: int) -> Any:
    """``x.polygamma(n)``: the n-th derivative of psi."""
    return polygamma(n, input)


@implements(torch.mvlgamma, torch.special.multigammaln)
@function
class mvlgamma(Policy):
    """ln of the multivariate gamma function, sum_{i<p} ln gamma(x - i/2) + const:  dx = g sum_{i<p} psi(x - i/2)."""

    def forward(self, input: Any, p: int) -> Any:
        self.ctx.save(input, p)
        return torch.mvlgamma(input, p)

    def backward(self, grad: Any) -> Any:
        input, p = self.ctx.release
        slope = torch.digamma(input)
        for i in range(1, p):
            slope = slope + torch.digamma(input - i / 2)
        return grad * slope


# Two arguments, of which torch has a derivative by the second only


class _Incomplete(Policy):
    kernel: Any
    sign = 1

    def forward(self, input: Any, other: Any) -> Any:
        _second_only(self, "input")
        self.ctx.save(input, other)
        return type(self).kernel(input, other)

    def backward(self, grad: Any) -> Any:
        a, x = self.ctx.release
        return None, grad * (torch.exp(torch.xlogy(a - 1, x) - x - torch.lgamma(a)) * self.sign)


@implements(torch.igamma, torch.special.gammainc)
@function
class igamma(_Incomplete):
    """The lower incomplete gamma function P(a, x):  dx = g x^(a-1) e^-x / gamma(a). None by a, as in PyTorch."""

    kernel = torch.igamma


@implements(torch.igammac, torch.special.gammaincc)
@function
class igammac(_Incomplete):
    """The upper incomplete gamma function 1 - P(a, x):  dx = -g x^(a-1) e^-x / gamma(a). None by a, as in PyTorch."""

    kernel = torch.igammac
    sign = -1


@implements(torch.special.zeta)
@function
class special_zeta(Policy):
    """Hurwitz's zeta(x, q) = sum_{k>=0} (k + q)^-x:  dq = -g x zeta(x + 1, q). None by x, as in PyTorch."""

    def forward(self, input: Any, other: Any) -> Any:
        _second_only(self, "input")
        self.ctx.save(input, other)
        return torch.special.zeta(input, other)

    def backward(self, grad: Any) -> Any:
        x, q = self.ctx.release
        return None, grad * (-x * torch.special.zeta(x + 1, q))


def _second_only(rule: Policy, argument: str) -> None:
    if rule.ctx.needs_input_grad[0]:
        raise NoGradientRule(
            message(
                "this function has a derivative by its second argument only.",
                rule=type(rule).__name__,
                argument=argument,
                remedy="nexnet.stop_gradient(...) makes a constant of the first",
            )
        )
