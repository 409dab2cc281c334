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
    """Elements of one value around the last dimension.

    Example::

        >>> nn.ConstantPad1d(1, value=7.0)(nexnet.tensor([[[1.0, 2.0, 3.0]]]))
        LiteTensor([[[7., 1., 2., 3., 7.]]])
    """

    dims = 1


class ConstantPad2d(_Constant, init=False):
    """Elements of one value around the last two dimensions.

    Example::

        >>> nn.ConstantPad2d(1, value=7.0)(nexnet.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 3, 10, 10])
    """

    dims = 2


class ConstantPad3d(_Constant, init=False):
    """Elements of one value around the last three dimensions.

    Example::

        >>> nn.ConstantPad3d(1, value=7.0)(nexnet.zeros(2, 3, 8, 8, 8)).shape
        torch.Size([2, 3, 10, 10, 10])
    """

    dims = 3


class ZeroPad1d(_Pad, init=False):
    """Zeros around the last dimension.

    Example::

        >>> nn.ZeroPad1d(1)(nexnet.tensor([[[1.0, 2.0, 3.0]]]))
        LiteTensor([[[0., 1., 2., 3., 0.]]])
    """

    dims = 1
    mode = "constant"


class ZeroPad2d(_Pad, init=False):
    """Zeros around the last two dimensions.

    Example::

        >>> nn.ZeroPad2d(1)(nexnet.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 3, 10, 10])
    """

    dims = 2
    mode = "constant"


class ZeroPad3d(_Pad, init=False):
    """Zeros around the last three dimensions.

    Example::

        >>> nn.ZeroPad3d(1)(nexnet.zeros(2, 3, 8, 8, 8)).shape
        torch.Size([2, 3, 10, 10, 10])
    """

    dims = 3
    mode = "constant"


class ReflectionPad1d(_Pad, init=False):
    """The last dimension reflected at the edges, which are not repeated.

    Example::

        >>> nn.ReflectionPad1d(1)(nexnet.tensor([[[1.0, 2.0, 3.0]]]))
        LiteTensor([[[2., 1., 2., 3., 2.]]])
    """

    dims = 1
    mode = "reflect"


class ReflectionPad2d(_Pad, init=False):
    """The last two dimensions reflected at the edges, which are not repeated.

    Example::

        >>> nn.ReflectionPad2d(1)(nexnet.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 3, 10, 10])
    """

    dims = 2
    mode = "reflect"


class ReflectionPad3d(_Pad, init=False):
    """The last three dimensions reflected at the edges, which are not repeated.

    Example::

        >>> nn.ReflectionPad3d(1)(nexnet.zeros(2, 3, 8, 8, 8)).shape
        torch.Size([2, 3, 10, 10, 10])
    """

    dims = 3
    mode = "reflect"


class ReplicationPad1d(_Pad, init=False):
    """The last dimension with its edges repeated.

    Example::

        >>> nn.ReplicationPad1d(1)(nexnet.tensor([[[1.0, 2.0, 3.0]]]))
        LiteTensor([[[1., 1., 2., 3., 3.]]])
    """

    dims = 1
    mode = "replicate"


class ReplicationPad2d(_Pad, init=False):
    """The last two dimensions with their edges repeated.

    Example::

        >>> nn.ReplicationPad2d(1)(nexnet.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 3, 10, 10])
    """

    dims = 2
    mode = "replicate"


class ReplicationPad3d(_Pad, init=False):
    """The last three dimensions with their edges repeated.

    Example::

        >>> nn.ReplicationPad3d(1)(nexnet.zeros(2, 3, 8, 8, 8)).shape
        torch.Size([2, 3, 10, 10, 10])
    """

    dims = 3
    mode = "replicate"


class CircularPad1d(_Pad, init=False):
    """The last dimension repeated as if it went round.

    Example::

        >>> nn.CircularPad1d(1)(nexnet.tensor([[[1.0, 2.0, 3.0]]]))
        LiteTensor([[[3., 1., 2., 3., 1.]]])
    """

    dims = 1
    mode = "circular"


class CircularPad2d(_Pad, init=False):
    """The last two dimensions repeated as if they went round.

    Example::

        >>> nn.CircularPad2d(1)(nexnet.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 3, 10, 10])
    """

    dims = 2
    mode = "circular"


class CircularPad3d(_Pad, init=False):
    """The last three dimensions repeated as if they went round.

    Example::

        >>> nn.CircularPad3d(1)(nexnet.zeros(2, 3, 8, 8, 8)).shape
        torch.Size([2, 3, 10, 10, 10])
    """

    dims = 3
    mode = "circular"
