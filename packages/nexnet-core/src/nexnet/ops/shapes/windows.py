"""The windows of a tensor along a dimension: ``Tensor.unfold``."""

from __future__ import annotations

from typing import Any

import torch

from ...policy import Linear, function, implements
from .._transpose import transpose_kernel
from .._vmap_kernels import where_mapped

__all__ = ["unfold_copy"]


@implements(torch.Tensor.unfold, torch.unfold_copy)
@function
class unfold_copy(Linear):
    """The windows of x along a dimension, in a new last one:  dx = the sum of g over the windows of which x is part.

    As ``Tensor.unfold`` it is a view.
    """

    def forward(self, input: Any, dimension: int, size: int, step: int) -> Any:
        self.ctx.save(input.shape, dimension, size, step)
        return input.unfold(dimension, size, step)

    def backward(self, grad: Any) -> Any:
        return unfold_backward(grad, *self.ctx.release)


@where_mapped(torch.ops.aten.unfold_backward.default)
def _kernel(grad: Any, shape: Any, dimension: int, size: int, step: int) -> Any:
    dimension %= max(len(shape), 1)
    starts = torch.arange(grad.shape[dimension], device=grad.device) * step if shape else torch.zeros(1)
    places = starts[:, None] + torch.arange(size, device=grad.device)
    windows = grad.movedim(-1, dimension + 1).flatten(dimension, dimension + 1)
    return grad.new_zeros(shape).index_add(dimension, places.flatten(), windows)


unfold_backward = transpose_kernel(
    _kernel,
    lambda h, _, *options: h.unfold(*options),
    "the transpose of Tensor.unfold:  dg = the windows of h",
)
