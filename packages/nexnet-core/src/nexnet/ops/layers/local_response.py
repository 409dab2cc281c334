"""Local response normalisation: by the neighbouring channels."""

from __future__ import annotations

from typing import Any

from torch.nn import functional as F  # noqa: N812  torch's own name for it

from ...errors import InputError, message
from ...policy import Policy, function, implements
from .._names import composite
from ..elementwise.arithmetic import div, mul, pow
from ..shapes.views import alias

__all__ = ["local_response_norm"]


@implements()
@function
class _window_mean(Policy):
    """The mean of a channel, some before it and some after it (0 beyond the ends):  dx = the same, turned around."""

    def forward(self, input: Any, before: int, after: int) -> Any:
        self.ctx.save(before, after)
        shape = input.shape
        flat = F.pad(input.reshape(shape[0], 1, shape[1], -1), (0, 0, before, after))
        return F.avg_pool2d(flat, (before + after + 1, 1), stride=1).reshape(shape)

    def backward(self, grad: Any) -> Any:
        before, after = self.ctx.release
        return _window_mean(grad, after, before)


@implements(F.local_response_norm)
@composite
def local_response_norm(input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Any:
    """X / (k + alpha m)^beta, m the mean square of ``size`` neighbouring channels (dimension 1).

    Source: Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", 2012.

    Raises:
        InputError: fewer than three dimensions.
    """
    if input.ndim < 3:
        raise InputError(
            message(
                "the input has not the dimensions of a batch of channels.",
                rule="local_response_norm",
                expected="(N, C, ...) with at least 3 dimensions",
                got=tuple(input.shape),
            )
        )
    if 0 in input.shape:
        return alias(input)
    means = _window_mean(mul(input, input), size // 2, (size - 1) // 2)
    return div(input, pow(means * alpha + k, beta))
