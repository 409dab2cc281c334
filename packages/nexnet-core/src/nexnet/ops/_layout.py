"""Tensors in a layout that torch's kernels for gradients read as it is meant.

torch's own graph hands these kernels what its forward kernels made. A gradient of nexnet's may have any strides, and
some kernels then read other elements, and say nothing.
"""

from __future__ import annotations

from typing import Any


def plain_layout(each: Any) -> Any:
    """Give a tensor (or None) as it is where it is contiguous, or channels-last in every stride; else a copy.

    The strides of sizes of 1 are looked at too: (4, 1, 8, 4) for (1, 4, 2, 2) is channels-last to one half of torch's
    kernel for batch norm, and contiguous to the other.
    """
    if each is None or each.is_contiguous() or _is_channels_last(each):
        return each
    return each.contiguous()


def plain_layouts(*tensors: Any) -> list[Any]:
    """Give each as ``plain_layout`` does."""
    return [each if each is None or each.is_contiguous() else plain_layout(each) for each in tensors]


def _is_channels_last(each: Any) -> bool:
    if each.ndim not in (4, 5):
        return False
    _, channels, *places = each.shape
    strides, step = [], channels
    for size in reversed(places):
        strides.append(step)
        step *= size
    return bool(each.stride() == (step, 1, *reversed(strides)))
