"""Torch's kernels for gradients, with rules of their own for the higher orders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..engine import KernelOrRule, direct
from ..policy import Operator, Policy, calls
from ._formulas import operator


def kernel(
    formula: str,
    curvature: Callable[..., Any] | None,
    torch_kernel: Callable[..., Any],
    **options: Any,
) -> Callable[..., Any]:
    """Give torch's kernel k(g, s, *parameters) = g f'(s) a rule, and a function of both, for use in another rule.

    It is linear in g, so dg = k(h, s); ds = ``curvature(h g, s, *parameters)`` = h g f''(s); None stands for f'' = 0.
    ``options`` are the kernel's keywords with their defaults, which go to ``curvature`` too.
    """

    class rule(Policy):
        elementwise = True

        forward = calls(overload(torch_kernel), "grad", "saved", saves="inputs", **options)

        def backward(self, cotangent: Any) -> Any:
            grad, saved, *parameters = self.ctx.release
            given = {}
            if options:
                given = dict(zip(options, parameters[-len(options) :], strict=True))
                del parameters[-len(options) :]
            needs = self.ctx.needs_input_grad
            return (
                apply(cotangent, saved, *parameters, **given) if needs[0] else None,
                curvature(cotangent * grad, saved, *parameters, **given) if needs[1] and curvature else None,
            )

    apply = kernel_or_rule(torch_kernel, operator(rule, formula, (torch_kernel,)))
    return apply


def overload(torch_kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Give an overload of ``torch.ops.aten`` without the Python call around it, and called directly where it can be."""
    return direct(getattr(torch_kernel, "_op", torch_kernel))


def kernel_or_rule(torch_kernel: Callable[..., Any], rule: Operator) -> Callable[..., Any]:
    """Give a function that calls the rule for LiteTensors, sparing them the way through torch, and else the kernel."""
    return KernelOrRule(overload(torch_kernel), rule)
