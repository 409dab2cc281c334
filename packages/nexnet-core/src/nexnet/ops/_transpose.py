"""Linear operators: torch's kernels for their transposes, with the rule that leads back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..policy import Analytic
from ._formulas import operator
from ._kernels import kernel_or_rule

__all__ = ["transpose_kernel"]


def transpose_kernel(torch_kernel: Callable[..., Any], apply: Callable[..., Any], formula: str) -> Callable[..., Any]:
    """Give torch's kernel k(g, like, *parameters) = L^T g a rule, and a function of both, for use in L's rule.

    dg = L h = ``apply(h, shape, *parameters)``, with g's shape, which is that of what L returns. ``like`` only says
    what shape comes out: there is no gradient for it.
    """

    class rule(Analytic):
        def forward(self, grad: Any, like: Any, *parameters: Any) -> Any:
            self.ctx.save(grad.shape, parameters)
            return torch_kernel(grad, like, *parameters)

        def backward(self, cotangent: Any) -> Any:
            shape, parameters = self.ctx.release
            return apply(cotangent, shape, *parameters)

    return kernel_or_rule(torch_kernel, operator(rule, formula, (torch_kernel,)))
