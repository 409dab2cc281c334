"""LiteTensor: a torch tensor without torch's autograd, and the methods that make it feel like one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy
import torch
from torch import Tensor

from . import ops
from ._engine import TensorBase, check_may_leave, is_tracked, register_tensor_type, wrap
from .errors import InputError, NoGradientRule, message
from .policy import RULES

__all__ = ["LiteTensor"]


@register_tensor_type
class LiteTensor(TensorBase):
    """A tensor: anything that ``torch.as_tensor`` takes, and nothing about gradients.

    ``LiteTensor(data, dtype=None, device=None)`` shares memory with ``data`` where ``torch.as_tensor`` does.
    Operators return new tensors; there are no in-place operations. ``.data`` is the torch tensor inside, detached.
    Two tensors are equal elementwise (``==``), and hash by identity.

    Raises:
        InputError: ``data`` is, or contains, a LiteTensor that is being differentiated: a new tensor would be cut off.
    """

    __slots__ = ()

    def __new__(cls, data: Any, dtype: torch.dtype | None = None, device: Any = None) -> LiteTensor:
        if isinstance(data, (TensorBase, list, tuple)):
            data = _plain(data)
        return wrap(torch.as_tensor(data, dtype=dtype, device=device).detach())  # type: ignore[no-any-return]

    __array_ufunc__ = None  # numpy's operators leave array * LiteTensor to __rmul__ below
    __hash__ = TensorBase.__hash__

    # What it is ------------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> torch.Size:
        """The size of each dimension."""
        return self.data.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> torch.dtype:
        """The element type."""
        return self.data.dtype  # type: ignore[no-any-return]

    @property
    def device(self) -> torch.device:
        """Where the storage is."""
        return self.data.device  # type: ignore[no-any-return]

    __add__ = __radd__ = ops.add
    __sub__ = ops.sub
    __rsub__ = ops.rsub
    __mul__ = __rmul__ = ops.mul
    __neg__ = ops.neg
    sum = ops.sum
    reshape = ops.reshape
    expand = ops.expand
    to = ops.to
    clone = ops.clone


    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Answer ``torch.<fn>(lite)`` with nexnet's rule for it."""
        rule = RULES.get(func)
        if rule is None:
            raise NoGradientRule(getattr(func, "__name__", repr(func)))
        return rule(*args, **kwargs) if kwargs else rule(*args)


def _plain(data: Any) -> Any:
    """Take the torch tensors out of nested lists, refusing those that are being differentiated."""
    if isinstance(data, TensorBase):
        if is_tracked(data):
            raise InputError(
                message(
                    "a LiteTensor that is being differentiated can't be copied into a new one: its gradient would be "
                    "lost silently.",
                    remedy="use it as it is, join tensors with nexnet.stack, or say nexnet.stop_gradient(x)",
                )
            )
        return data.data
    return [_plain(each) for each in data] if isinstance(data, (list, tuple)) else data
