"""softmax, its logarithm, and what is made of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from ...engine import unwrap, wrap
from ...kernels import replaceable
from ...policy import Policy, function, implements
from .._names import composite

__all__ = ["gumbel_softmax", "log_softmax", "softmax", "softmin"]


@implements(torch._softmax_backward_data)
@function
class _softmax_backward(Policy):
    """k = y (g - <g, y>):  dg = k(h, y),  dy = h g - h <g, y> - g <h, y>,  <,> the sum over dim."""

    def forward(self, grad: Any, output: Any, dim: int, dtype: torch.dtype) -> Any:
        self.ctx.save(grad, output, dim, dtype)
        return replaceable.softmax_backward(grad, output, dim, dtype)

    def backward(self, cotangent: Any) -> Any:
        grad, output, dim, dtype = self.ctx.release
        sums = [torch.sum(each * output, dim, keepdim=True) for each in (grad, cotangent)]
        dy = cotangent * (grad - sums[0]) - grad * sums[1]
        return torch._softmax_backward_data(cotangent, output, dim, dtype), dy


@implements(torch._log_softmax_backward_data)
@function
class _log_softmax_backward(Policy):
    """k = g - e^y <g>:  dg = h - <h e^y>,  dy = -h e^y <g>,  <> the sum over dim."""

    def forward(self, grad: Any, output: Any, dim: int, dtype: torch.dtype) -> Any:
        self.ctx.save(grad, output, dim)
        return replaceable.log_softmax_backward(grad, output, dim, dtype)

    def backward(self, cotangent: Any) -> Any:
        grad, output, dim = self.ctx.release
        weighted = cotangent * torch.exp(output)
        return cotangent - torch.sum(weighted, dim, keepdim=True), -weighted * torch.sum(grad, dim, keepdim=True)


@implements(torch.softmax, torch.special.softmax, F.softmax)
@function
class softmax(Policy):
    """y = e^x / sum e^x over dim:  dx = y (g - <g, y>).

    ``dtype`` is what x is converted to first.

    Corner: NaN where every element is -inf; one of them among numbers gets 0.
    """

    def forward(self, input: Any, dim: int, dtype: torch.dtype | None = None) -> Any:
        out = replaceable.softmax(input, dim, dtype=dtype)
        self.ctx.save(out, dim)
        return out

    def backward(self, grad: Any) -> Any:
        out, dim = self.ctx.release
        return replaceable.softmax_backward(grad, out, dim, out.dtype)


@implements(torch.log_softmax, torch.special.log_softmax, F.log_softmax)
@function
class log_softmax(Policy):
    """y = x - ln sum e^x over dim:  dx = g - e^y <g>.

    ``dtype`` is what x is converted to first.

    Corner: NaN where every element is -inf.
    """

    def forward(self, input: Any, dim: int, dtype: torch.dtype | None = None) -> Any:
        out = replaceable.log_softmax(input, dim, dtype=dtype)
        self.ctx.save(out, dim)
        return out

    def backward(self, grad: Any) -> Any:
        out, dim = self.ctx.release
        return replaceable.log_softmax_backward(grad, out, dim, out.dtype)


@implements(F.softmin)
@composite
def softmin(input: Any, dim: int, dtype: torch.dtype | None = None) -> Any:
    """softmax(-x)."""
    return softmax(-input, dim, dtype)


@implements(F.gumbel_softmax)
@composite
def gumbel_softmax(
    logits: Any,
    tau: float = 1,
    hard: bool = False,
    eps: float = 1e-10,  # noqa: ARG001  it does nothing in torch either
    dim: int = -1,
    *,
    generator: Generator | None = None,
) -> Any:
    """softmax((x + n) / tau), n drawn of Gumbel(0, 1) once, from ``generator`` (torch's default one without it).

    ``hard``: the one-hot vector of the largest element, with the soft one's gradient.
    Source: Jang, Gu and Poole, "Categorical Reparameterization with Gumbel-Softmax", 2016.
    """
    raw = unwrap(logits)
    noise = -torch.empty_like(raw, memory_format=torch.legacy_contiguous_format).exponential_(generator=generator).log()
    soft = softmax((logits + wrap(noise)) / tau, dim)
    if not hard:
        return soft
    values = unwrap(soft)
    largest = torch.zeros_like(values).scatter_(dim, values.max(dim, keepdim=True)[1], 1.0)
    return wrap(largest - values) + soft
