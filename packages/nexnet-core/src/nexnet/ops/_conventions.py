"""Where a derivative is a convention: what is differentiated out of it again is unknown, and not 0.

At a kink with curvature around it (the tip of |x|, the origin of an angle) a rule gives a value that torch gives, too.
It is a choice: the second derivative there is NaN, unless the rule has the right one. Where the function is linear on
every side of its kink (abs of real numbers, relu, a maximum) the second derivative is 0, as on every side.
"""

from __future__ import annotations

from typing import Any

import torch

from ..engine import TensorBase
from ..policy import Linear, function

__all__ = ["chosen"]

_UNKNOWN = complex(float("nan"), float("nan"))


@function
class _chosen(Linear):
    """A gradient d:  dd = h, and for each operand NaN where the mask holds and h asks for what is there, else 0."""

    def forward(self, grad: Any, mask: Any, always: bool, *operands: Any) -> Any:
        self.ctx.save(mask.reshape([1] * grad.ndim) if mask.ndim == 0 else mask, always, *operands)
        return grad.view_as(grad)

    def backward(self, h: Any) -> Any:
        mask, always, *operands = self.ctx.release
        asked = mask if always else _of_group(h, mask)
        return h, None, None, *[_filled(torch.zeros_like(h, dtype=x.dtype), asked) for x in operands]

    def jvp(self, grad: Any, _: Any, __: Any, *operands: Any) -> Any:
        mask, always, *_ = self.ctx.release
        for tangent in operands:
            if tangent is not None:
                moved = mask if always else _of_group(tangent, mask)
                grad = _filled(torch.zeros_like(tangent) if grad is None else grad, moved)
        return grad


_chosen.leaf = True


def _of_group(h: Any, mask: Any) -> Any:
    """Say where the mask holds and h is not 0: of a group, of which the mask says it once, all or none."""
    asked = (h != 0) & mask
    parts = [i for i in range(mask.ndim) if mask.shape[i] == 1]
    return asked.any(parts, keepdim=True).expand(asked.shape) if parts else asked


def _filled(x: Any, where: Any) -> Any:
    return torch.where(where, _UNKNOWN if x.dtype.is_complex else _UNKNOWN.real, x)


def chosen(grad: Any, mask: Any, *operands: Any, always: bool = False) -> Any:
    """Give a rule's gradient that is a choice where ``mask`` holds: differentiated again, by the operands, it is NaN.

    The mask has the gradient's dimensions, with a size of 1 (or is one number) where it is that of a group. In a
    backward that is not itself differentiated this is the gradient, and takes no time. ``always``: also where nothing
    is asked there, or nothing moves (as a sum of squares does not move at 0, of which this is a root).
    """
    if not isinstance(grad, TensorBase):
        return grad
    return _chosen(grad, mask, always, *[each for each in operands if isinstance(each, TensorBase)])
