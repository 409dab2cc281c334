"""Padding as layers: the last one, two or three dimensions made larger at their edges, or smaller by negative sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import nexnet
from nexnet import LiteTensor
from nexnet.errors import message

from .errors import ModuleError
from .operation import Operation

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _Pad(Operation):
    """``x`` of shape ``(..., *sizes)`` with more elements before and after its last dimensions.

    Args:
        padding: how many: one number for all sides; or of each dimension, the last one first, before and after.

    Raises:
        ModuleError: not as many numbers as there are sides.
    """

    padding: tuple[int, ...]

    dims: ClassVar[int]
    mode: ClassVar[str]

    def __init__(self, padding: int | Sequence[int]) -> None:
        self.padding = (padding,) * (2 * self.dims) if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != 2 * self.dims:
            raise ModuleError(
                message(
                    "padding has a number for each side.",
                    rule=type(self).__name__,
                    argument="padding",
                    expected=f"1 or {2 * self.dims} numbers",
                    got=padding,
                )
            )

    def __call__(self, x: Any) -> LiteTensor:
        """Pad ``x``."""
        return nexnet.pad(x, self.padding, self.mode)  # type: ignore[no-any-return]


class _Constant(_Pad):
    """``x`` of shape ``(..., *sizes)`` with more elements, of one value, before and after its last dimensions.

    Args:
        padding: how many: one number for all sides; or of each dimension, the last one first, before and after.
        value: theirs.

    Raises:
        ModuleError: not as many numbers as there are sides.
    """

    value: float

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def __call__(self, x: Any) -> LiteTensor:
        """Pad ``x``."""
        return nexnet.pad(x, self.padding, "constant", self.value)  # type: ignore[no-any-return]


class ConstantPad1d(_Constant, init=False):
    """Elements of one value around the last dimension."""

    dims = 1


class ConstantPad2d(_Constant, init=False):
    """Elements of one value around the last two dimensions."""

    dims = 2


class ConstantPad3d(_Constant, init=False):
    """Elements of one value around the last three dimensions."""

    dims = 3


class ZeroPad1d(_Pad, init=False):
    """Zeros around the last dimension."""

    dims = 1
    mode = "constant"


class ZeroPad2d(_Pad, init=False):
    """Zeros around the last two dimensions."""

    dims = 2
    mode = "constant"


class ZeroPad3d(_Pad, init=False):
    """Zeros around the last three dimensions."""

    dims = 3
    mode = "constant"


class ReflectionPad1d(_Pad, init=False):
    """The last dimension reflected at the edges, which are not repeated."""

    dims = 1
    mode = "reflect"


class ReflectionPad2d(_Pad, init=False):
    """The last two dimensions reflected at the edges, which are not repeated."""

    dims = 2
    mode = "reflect"


class ReflectionPad3d(_Pad, init=False):
    """The last three dimensions reflected at the edges, which are not repeated."""

    dims = 3
    mode = "reflect"


class ReplicationPad1d(_Pad, init=False):
    """The last dimension with its edges repeated."""

    dims = 1
    mode = "replicate"


class ReplicationPad2d(_Pad, init=False):
    """The last two dimensions with their edges repeated."""

    dims = 2
    mode = "replicate"


class ReplicationPad3d(_Pad, init=False):
    """The last three dimensions with their edges repeated."""

    dims = 3
    mode = "replicate"


class CircularPad1d(_Pad, init=False):
    """The last dimension repeated as if it went round."""

    dims = 1
    mode = "circular"


class CircularPad2d(_Pad, init=False):
    """The last two dimensions repeated as if they went round."""

    dims = 2
    mode = "circular"


class CircularPad3d(_Pad, init=False):
    """The last three dimensions repeated as if they went round."""

    dims = 3
    mode = "circular"
