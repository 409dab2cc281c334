"""Operators of which a formula says all: made of torch's function and its gradient.

``of_output`` makes the operator whose rule reads its output y, ``of_input`` the one whose rule reads its input x;
g is the gradient that comes in.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..policy import Operator, Policy, calls, function, implements


def of_input(
    formula: str,
    gradient: Callable[[Any, Any], Any],
    *torch_functions: Callable[..., Any],
    complex_too: bool = True,
    has_cuts: bool = False,
) -> Operator:
    """Make the operator of the first torch function, answering to all; ``gradient(g, x)`` is its rule.

    Of one that ``has_cuts``, where conj(f'(z)) is not f'(conj z), the gradient is conjugated, and not z.
    """
    compute = torch_functions[0]

    class rule(Policy):
        elementwise = True
        complex_rule = ("analytic" if has_cuts else "reflected") if complex_too else "none"

        forward = calls(compute, "input", saves="inputs")

        def backward(self, grad: Any) -> Any:
            (input,) = self.ctx.release
            return gradient(grad, input)

    return operator(rule, formula, torch_functions, gradient.__module__)


def of_output(
    formula: str,
    gradient: Callable[[Any, Any], Any],
    *torch_functions: Callable[..., Any],
    complex_too: bool = True,
    conjugates: bool = False,
    compute: Callable[..., Any] | None = None,
) -> Operator:
    """Make the operator of the first torch function, answering to all; ``gradient(g, y)`` is its rule.

    One that ``conjugates`` is that of complex numbers too, as it is. It is computed by ``compute``, if that is given.
    """
    computing: Callable[..., Any] = compute or torch_functions[0]

    class rule(Policy):
        elementwise = True
        complex_rule = "own" if conjugates else "reflected" if complex_too else "none"

        forward = calls(computing, "input", saves="output")

        def backward(self, grad: Any) -> Any:
            (out,) = self.ctx.release
            return gradient(grad, out)

    return operator(rule, formula, torch_functions, gradient.__module__)


def operator(
    rule: type[Policy], formula: str, torch_functions: tuple[Callable[..., Any], ...], module: str = __name__
) -> Operator:
    """Make the operator of a rule, named after the first torch function, as if ``module`` had defined it.

    What is called in the place of a kernel of torch's stands for that.
    """
    torch_functions = tuple([getattr(each, "stands_for", each) for each in torch_functions])
    name = torch_functions[0].__name__.split(".")[0]
    rule.__name__ = rule.__qualname__ = name
    rule.__module__ = module
    if inspect.isfunction(rule.__dict__.get("forward")):
        rule.forward.__qualname__ = f"{name}.forward"  # what Python says of a wrong call
    rule.__doc__ = f"{name}:  {formula}"
    made: Operator = implements(*torch_functions)(function(rule))
    return made
