"""Special functions of one tensor, by torch's names in ``torch.special``: a formula sheet, like ``exponential``.

g is the gradient that comes in, x the input, y the output. Where a formula divides by x, the neighbourhood of 0 has a
power series in its place (``around_zero``), so that every order is right there too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from ...engine import TensorBase
from ...policy import Operator, Policy, function, implements
from .._folded import folded
from .._formulas import of_input, of_output, operator
from .._plain import may_look_at

__all__ = [
    "erf",
    "erfc",
    "erfinv",
    "i0",
    "sinc",
    "special_bessel_j0",
    "special_bessel_j1",
    "special_bessel_y0",
    "special_bessel_y1",
    "special_entr",
    "special_erfcx",
    "special_i0e",
    "special_i1",
    "special_i1e",
    "special_log_ndtr",
    "special_modified_bessel_i0",
    "special_modified_bessel_i1",
    "special_modified_bessel_k0",
    "special_modified_bessel_k1",
    "special_ndtr",
    "special_ndtri",
    "special_scaled_modified_bessel_k0",
    "special_scaled_modified_bessel_k1",
    "special_spherical_bessel_j0",
    "special_xlog1py",
]

_SQRT_PI, _SQRT_TAU = math.sqrt(math.pi), math.sqrt(2 * math.pi)

_of_input = partial(of_input, complex_too=False)
_of_output = partial(of_output, complex_too=False)


def of_both(
    formula: str,
    gradient: Callable[[Any, Any, Any], Any],
    *torch_functions: Callable[..., Any],
    complex_too: bool = False,
    folds: bool = False,
) -> Operator:
    """Make the operator of the first torch function, answering to all; ``gradient(g, x, y)`` is its rule.

    ``folds`` is for a function that torch.vmap has no rule for.
    """
    compute = partial(folded, torch_functions[0], (0,)) if folds else torch_functions[0]

    class rule(Policy):
        elementwise = True
        complex_rule = "analytic" if complex_too else "none"

        def forward(self, input: Any) -> Any:
            out = compute(input)
            self.ctx.save(input, out)
            return out

        def backward(self, grad: Any) -> Any:
            input, out = self.ctx.release
            return gradient(grad, input, out)

    return operator(rule, formula, torch_functions, __name__)


def around_zero(
    x: Any,
    series: tuple[float, float, float],
    formula: Callable[[Any], Any],
    factor: Callable[[Any], Any] | None = None,
) -> Any:
    """Give ``formula(x)``, and near 0 the polynomial a + b x^2 + c x^4, times ``factor(x)``.

    It is near where a formula with 1 / x^2 in it has lost about as many digits as the polynomial has not.
    """
    threshold = torch.finfo(x.dtype).eps ** 0.125
    size = x.abs()
    if may_look_at(x) and size.amin().item() >= threshold:
        return formula(x)
    near = size < threshold
    square = x * x
    a, b, c = series
    polynomial = (square * c + b) * square + a
    recorded = isinstance(x, TensorBase)  # a mask hides NaN, but not its derivative
    safe = torch.where(near, 1, x) if recorded else x
    return torch.where(near, polynomial if factor is None else polynomial * factor(x), formula(safe))


# ---------------------------------------------------------------------------------------------------------------------
# The error function's family. Phi is the normal distribution's cdf, phi its density.

erf = _of_input(
    "dx = g e^(-x^2) 2 / sqrt(pi)",
    lambda g, x: g * torch.exp(-x * x) * (2 / math.sqrt(math.pi)),
    torch.erf,
    torch.special.erf,
)
erfc = _of_input(
    "1 - erf x,  dx = -g e^(-x^2) 2 / sqrt(pi)",
    lambda g, x: g * torch.exp(-x * x) * (-2 / math.sqrt(math.pi)),
    torch.erfc,
    torch.special.erfc,
)
erfinv = _of_output(
    "erf(y) = x,  dx = g e^(y^2) sqrt(pi) / 2.  Corner: infinite at -1 and 1, NaN beyond.",
    lambda g, y: g * torch.exp(y * y) * (_SQRT_PI / 2),
    torch.erfinv,
    torch.special.erfinv,
)
special_ndtr = _of_input(
    "Phi(x),  dx = g phi(x) = g e^(-x^2/2) / sqrt(2 pi).",
    lambda g, x: g * torch.exp(x * x * -0.5) / _SQRT_TAU,
    torch.special.ndtr,
)
special_ndtri = _of_output(
    "Phi(y) = x,  dx = g e^(y^2/2) sqrt(2 pi).  Corner: infinite at 0 and 1.",
    lambda g, y: g * torch.exp(y * y * 0.5) * _SQRT_TAU,
    torch.special.ndtri,
)


special_erfcx = of_both(
    "e^(x^2) erfc x,  dx = g (2 x y - 2 / sqrt(pi)).",
    lambda g, x, y: g * (2 * x * y - 2 / _SQRT_PI),
    torch.special.erfcx,
)


def _hazard_of(x: Any) -> Any:
    return math.sqrt(2 / math.pi) / torch.special.erfcx(x * -math.sqrt(0.5))


@implements()
@function
class _hazard(Policy):
    """r = phi(x) / Phi(x) = sqrt(2/pi) / erfcx(-x / sqrt 2):  dx = -g r (x + r)."""

    def forward(self, input: Any) -> Any:
        out = _hazard_of(input)
        self.ctx.save(input, out)
        return out

    def backward(self, grad: Any) -> Any:
        input, out = self.ctx.release
        return -grad * out * (input + out)


def _log_ndtr_slope(x: Any, y: Any) -> Any:
    """Give phi(x) / Phi(x): by the logarithm that is at hand where that has all its digits, else by erfcx, slowly."""
    if isinstance(x, TensorBase):
        return _hazard(x)
    if not may_look_at(x) or x.dtype.itemsize < 4:
        return _hazard_of(x)
    slope = torch.exp(x * x * -0.5 - y) * (1 / _SQRT_TAU)
    if not x.amin().item() >= -3:
        far = x < -3
        slope[far] = _hazard_of(x[far])
    return slope


special_log_ndtr = of_both(
    "ln Phi(x),  dx = g phi(x) / Phi(x), which neither overflows nor vanishes far to the left.",
    lambda g, x, y: g * _log_ndtr_slope(x, y),
    torch.special.log_ndtr,
    folds=True,
)

# ---------------------------------------------------------------------------------------------------------------------
# Entropy, x log(1 + y) and sin(pi x) / (pi x)

special_entr = _of_input(
    "-x ln x,  dx = -g (ln x + 1).  Corner: infinite at 0, NaN below.",
    lambda g, x: g * (-1 - torch.log(x)),
    torch.special.entr,
)


@implements(torch.special.xlog1py)
@function
class special_xlog1py(Policy):
    """x ln(1 + y), and 0 for x = 0:  dx = g ln(1 + y),  dy = g x / (1 + y). Either may be a number.

    Corner: at x = 0, y <= -1, dx = 0.
    """

    def forward(self, input: Any, other: Any) -> Any:
        self.ctx.save(input, other)
        return torch.special.xlog1py(input, other)

    def backward(self, grad: Any) -> Any:
        x, y = self.ctx.release
        need_x, need_y = self.ctx.needs_input_grad
        dx = dy = None
        if need_x:
            dx = torch.special.xlog1py(grad, torch.where((x == 0) & (y <= -1), 0, y) if _may_vanish(y) else y)
        if need_y:
            dy = grad * (x / (y + 1))
        return dx, dy


def _may_vanish(y: Any) -> bool:
    return not isinstance(y, (int, float)) or y <= -1


_SPHERICAL_SERIES = (-1 / 3, 1 / 30, -1 / 840)
_SINC_SERIES = (-(math.pi**2) / 3, math.pi**4 / 30, -(math.pi**6) / 840)


def _sinc_slope(x: Any, y: Any) -> Any:
    return around_zero(x, _SINC_SERIES, lambda safe: (torch.cos(x * math.pi) - y) / safe, lambda x: x)


def _spherical_slope(x: Any, y: Any) -> Any:
    return around_zero(x, _SPHERICAL_SERIES, lambda safe: (torch.cos(x) - y) / safe, lambda x: x)


sinc = of_both(
    "sin(pi x) / (pi x), and 1 at 0,  dx = g (cos(pi x) - y) / x.  "
    "Corner: right at every order at 0, where the second derivative is -pi^2 / 3 (NaN in PyTorch).",
    lambda g, x, y: g * _sinc_slope(x, y),
    torch.sinc,
    torch.special.sinc,
    complex_too=True,
)

# ---------------------------------------------------------------------------------------------------------------------
# Bessel functions. I0, I1 and their scaled forms have torch's derivatives; the others are constants to torch, silently.

_I1_SERIES = (1 / 2, 3 / 16, 5 / 384)
_J1_SERIES = (1 / 2, -3 / 16, 5 / 384)


def _i1_slope(x: Any, y: Any) -> Any:
    return around_zero(x, _I1_SERIES, lambda safe: torch.i0(x) - y / safe)


def _i1e_slope(x: Any, y: Any) -> Any:
    slope = around_zero(x, _I1_SERIES, lambda safe: torch.special.i0e(x) - y / safe, lambda x: torch.exp(-x.abs()))
    return slope - torch.sign(x) * y


def _j1_slope(x: Any, y: Any) -> Any:
    return around_zero(x, _J1_SERIES, lambda safe: torch.special.bessel_j0(x) - y / safe)


i0 = _of_input("I0(x),  dx = g I1(x).", lambda g, x: g * torch.special.i1(x), torch.i0, torch.special.i0)
special_i1 = of_both(
    "I1(x),  dx = g (I0(x) - y / x).  Corner: 1/2 at 0, and right at every order there.",
    lambda g, x, y: g * _i1_slope(x, y),
    torch.special.i1,
)
special_i0e = of_both(
    "e^-|x| I0(x),  dx = g (e^-|x| I1(x) - y sign x).  Corner: 0 at its kink, 0.",
    lambda g, x, y: g * (torch.special.i1e(x) - y * torch.sign(x)),
    torch.special.i0e,
)
special_i1e = of_both(
    "e^-|x| I1(x),  dx = g (e^-|x| I1'(x) - y sign x).  Corner: 1/2 at 0.",
    lambda g, x, y: g * _i1e_slope(x, y),
    torch.special.i1e,
)

s = torch.special

special_bessel_j0 = _of_input("J0(x),  dx = -g J1(x).", lambda g, x: -g * s.bessel_j1(x), s.bessel_j0)
special_bessel_j1 = of_both("J1(x),  dx = g (J0(x) - y / x).", lambda g, x, y: g * _j1_slope(x, y), s.bessel_j1)
special_bessel_y0 = _of_input("Y0(x),  dx = -g Y1(x).", lambda g, x: -g * s.bessel_y1(x), s.bessel_y0)
special_bessel_y1 = of_both(
    "Y1(x),  dx = g (Y0(x) - y / x).", lambda g, x, y: g * (s.bessel_y0(x) - y / x), s.bessel_y1
)
special_modified_bessel_i0 = _of_input(
    "I0(x),  dx = g I1(x).", lambda g, x: g * s.modified_bessel_i1(x), s.modified_bessel_i0
)
special_modified_bessel_i1 = of_both(
    "I1(x),  dx = g (I0(x) - y / x).", lambda g, x, y: g * _i1_slope(x, y), s.modified_bessel_i1
)
special_modified_bessel_k0 = _of_input(
    "K0(x),  dx = -g K1(x).", lambda g, x: -g * s.modified_bessel_k1(x), s.modified_bessel_k0
)
special_modified_bessel_k1 = _of_input(
    "K1(x),  dx = -g (K0(x) + K1(x) / x).",
    lambda g, x: -g * (s.modified_bessel_k0(x) + s.modified_bessel_k1(x) / x),
    s.modified_bessel_k1,
)
special_scaled_modified_bessel_k0 = _of_input(
    "k0 = e^x K0(x),  dx = g (k0 - k1).",
    lambda g, x: g * (s.scaled_modified_bessel_k0(x) - s.scaled_modified_bessel_k1(x)),
    s.scaled_modified_bessel_k0,
)
special_scaled_modified_bessel_k1 = _of_input(
    "k1 = e^x K1(x),  dx = g (k1 - k0 - k1 / x).",
    lambda g, x: g * (s.scaled_modified_bessel_k1(x) * (1 - 1 / x) - s.scaled_modified_bessel_k0(x)),
    s.scaled_modified_bessel_k1,
)
special_spherical_bessel_j0 = of_both(
    "j0 = sin(x) / x, and 1 at 0,  dx = g (cos x - j0) / x.  Corner: right at every order at 0.",
    lambda g, x, y: g * _spherical_slope(x, y),
    s.spherical_bessel_j0,
)
