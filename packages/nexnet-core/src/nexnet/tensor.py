"""LiteTensor: a torch tensor without torch's autograd, and the methods that make it feel like one."""

from __future__ import annotations

import builtins
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data._utils.collate import default_collate_fn_map

from . import _complaints, ops
from ._dispatch import call_rule, call_sign, missing_attribute
from ._methods import OperatorMethods
from ._questions import Questions, attribute
from .engine import (
    DIFFERENTIABLE,
    Arithmetic,
    TapeContext,
    check_may_leave,
    cut_off,
    is_tracked,
    register_tensor_type,
    wrap,
)
from .engine.tape import this_thread
from .errors import ConstantWarning, InputError, message
from .ops.shapes.index_updates import Indexer
from .policy import implements
from .tape import Tape

__all__ = ["LiteTensor"]


def _converts(dtype: torch.dtype) -> Callable[[Any], LiteTensor]:
    """Make a method that gives the tensor in a dtype."""

    def method(self: Any, memory_format: torch.memory_format = torch.preserve_format) -> LiteTensor:
        return ops.to(self, dtype, memory_format=memory_format)

    method.__doc__ = f"The values as {dtype}."
    return method


class LiteTensor(Arithmetic, OperatorMethods, Questions):
    """A tensor: anything that ``torch.as_tensor`` takes, and nothing about gradients.

    ``LiteTensor(data, dtype=None, device=None)`` shares memory with ``data`` where ``torch.as_tensor`` does.
    Operators return new tensors; there are no in-place operations. ``.data`` is the torch tensor inside, detached.
    Two tensors are equal elementwise (``==``), and hash by identity.

    Methods have the names, signatures and defaults of torch's, and ``torch.<fn>(x)`` calls nexnet's rule for it.

    Raises:
        InputError: ``data`` is, or contains, a LiteTensor that is being differentiated: a new tensor would be cut off.

    Example::

        >>> x = nexnet.LiteTensor([[1.0, 2.0], [3.0, 4.0]])
        >>> x.at[0].set(0.0)
        LiteTensor([[0., 0.],
                    [3., 4.]])
        >>> torch.sum(x * x, dim=1)
        LiteTensor([ 5., 25.])
    """

    __slots__ = ()
    if TYPE_CHECKING:

        def __init__(self, data: Any, dtype: torch.dtype | None = None, device: Any = None) -> None: ...

    else:
        __init__ = object.__init__  # of which C knows that nothing is to be done

    def __new__(cls, data: Any, dtype: torch.dtype | None = None, device: Any = None) -> LiteTensor:  # noqa: D102
        if isinstance(data, (LiteTensor, list, tuple)) or hasattr(data, "__lite__"):
            data = plain(data)
        return from_torch(torch.as_tensor(data, dtype=dtype, device=device).detach())

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Answer ``array * lite``; numpy's other functions of elements are an error that says what to call."""
        return call_sign(ufunc, method, inputs, kwargs)

    def __init_subclass__(cls) -> None:
        raise InputError(
            message(
                "LiteTensor can't be subclassed: what operators give would be LiteTensors again.",
                got=cls.__name__,
                remedy="a class with a LiteTensor in it; or functions of LiteTensors",
            )
        )

    __hash__ = object.__hash__

    # What it is ------------------------------------------------------------------------------------------------------

    def __len__(self) -> builtins.int:
        if self.data.ndim == 0:
            raise InputError(
                message(
                    "a tensor without dimensions has no len().",
                    got=repr(self),
                    remedy="x.numel() is 1; for a tensor made of tensors, nexnet.stack([x, y]) in the place of "
                    "torch.tensor([x, y])",
                )
            )
        return len(self.data)

    def _repr_html_(self) -> str:
        """Show a notebook the shape, statistics and a small heat map."""
        from .inside.page.notebook import tensor_html

        return tensor_html("LiteTensor", self.data)

    def __repr__(self) -> str:
        text = repr(self.data)
        return "LiteT" + text[1:].replace("\n ", "\n     ") if text.startswith("tensor(") else f"LiteTensor({text})"

    def __str__(self) -> str:
        if self.data.is_meta or self.data.dtype is torch.bfloat16 or torch._C._functorch.is_batchedtensor(self.data):
            return repr(self)
        return str(_as_numpy(self.data))  # the values alone, as numpy prints them and the seed document shows

    def __format__(self, spec: str) -> str:
        if torch._C._functorch.is_batchedtensor(self.data):
            return str(self)  # of a value for each example there is no number
        if self.data.ndim == 0 and not self.data.is_meta:
            return format(self.data.item(), spec)
        return str(self) if not spec else object.__format__(self, spec)

    # Its values, elsewhere -------------------------------------------------------------------------------------------

    def item(self) -> Any:
        """The only element, as a Python number: a constant to every derivative (a warning, once per line, says so)."""
        _as_number(self, "item()")
        return self.data.item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        _as_number(self, "tolist()")
        return self.data.tolist()

    def __bool__(self) -> builtins.bool:
        check_may_leave(self, "bool()", only_in_rules=True)
        return builtins.bool(self.data)

    def __float__(self) -> builtins.float:
        _as_number(self, "float()")
        return builtins.float(self.data)

    def __int__(self) -> builtins.int:
        check_may_leave(self, "int()", only_in_rules=True)
        return builtins.int(self.data)

    def __index__(self) -> builtins.int:
        check_may_leave(self, "int()", only_in_rules=True)
        return self.data.__index__()  # type: ignore[no-any-return]

    __trunc__ = __int__

    def __round__(self, ndigits: builtins.int | None = None) -> LiteTensor:
        return ops.round(self, decimals=ndigits or 0)  # type: ignore[no-any-return]

    def __divmod__(self, other: Any) -> tuple[LiteTensor, LiteTensor]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[LiteTensor, LiteTensor]:
        return other // self, other % self

    def __complex__(self) -> complex:
        _as_number(self, "complex()")
        return complex(self.data)

    def __contains__(self, element: Any) -> builtins.bool:
        return builtins.bool((self == element).any())

    def numpy(self) -> NDArray[Any]:
        """A copy as a numpy array, from any device; read-only in a rule, where a torch tensor's is no copy."""
        check_may_leave(self, "numpy()")
        array = numpy.array(_as_numpy(self.data))
        array.flags.writeable = not this_thread().inside_rule
        return array

    def __array__(self, dtype: Any = None, copy: builtins.bool | None = None) -> NDArray[Any]:
        check_may_leave(self, "numpy.asarray")
        array = self.data.numpy() if copy is False else self.numpy()
        return array if dtype is None else array.astype(dtype, copy=False)

    def __dlpack__(self, **kwargs: Any) -> Any:
        check_may_leave(self, "__dlpack__")
        return self.data.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return self.data.__dlpack_device__()

    def __copy__(self) -> LiteTensor:
        return ops.alias(self)  # type: ignore[no-any-return]

    def __deepcopy__(self, memo: dict[builtins.int, Any]) -> LiteTensor:
        memo[id(self)] = copied = ops.clone(self)
        return copied  # type: ignore[no-any-return]

    def __reduce__(self) -> Any:
        check_may_leave(self, "pickle")
        return LiteTensor, (self.data,)

    @implements(torch.detach)
    def detach(self) -> LiteTensor:
        """The same values as a constant: no gradient passes."""
        return cut_off(self, "detach")  # type: ignore[no-any-return]

    # Other dtypes and devices ----------------------------------------------------------------------------------------

    to = ops.to

    def type(self, dtype: Any = None, non_blocking: builtins.bool = False) -> Any:
        """The tensor in another dtype, which torch's name of a kind of tensor may say; without one, that name."""
        if dtype is None:
            return self.data.type()
        if not isinstance(dtype, torch.dtype):  # "torch.FloatTensor", or torch.FloatTensor
            like = self.data.new_empty(0).type(dtype)
            return ops.to(self, like.device, like.dtype, non_blocking)
        return ops.to(self, dtype, non_blocking)

    type_as = ops.type_as
    double = _converts(torch.float64)
    float = _converts(torch.float32)
    half = _converts(torch.float16)
    bfloat16 = _converts(torch.bfloat16)
    cdouble = _converts(torch.complex128)
    cfloat = _converts(torch.complex64)
    chalf = _converts(torch.complex32)
    long = _converts(torch.int64)
    int = _converts(torch.int32)
    short = _converts(torch.int16)
    byte = _converts(torch.uint8)
    char = _converts(torch.int8)
    bool = _converts(torch.bool)

    def cpu(self, memory_format: torch.memory_format = torch.preserve_format) -> LiteTensor:
        """The tensor in host memory."""
        return ops.to(self, "cpu", memory_format=memory_format)  # type: ignore[no-any-return]

    def cuda(
        self,
        device: Any = None,
        non_blocking: builtins.bool = False,
        memory_format: torch.memory_format = torch.preserve_format,
    ) -> LiteTensor:
        """The tensor on a CUDA device, the current one unless it is named."""
        device = "cuda" if device is None else torch.device("cuda", device) if type(device) is builtins.int else device
        return ops.to(self, device, non_blocking=non_blocking, memory_format=memory_format)  # type: ignore[no-any-return]

    def new_zeros(self, *size: Any, **kwargs: Any) -> LiteTensor:
        """Zeros of a shape, in this tensor's dtype and on its device unless others are given."""
        return from_torch(self.data.new_zeros(*size, **kwargs))

    def new_ones(self, *size: Any, **kwargs: Any) -> LiteTensor:
        """Ones of a shape, in this tensor's dtype and on its device unless others are given."""
        return from_torch(self.data.new_ones(*size, **kwargs))

    @implements(Tensor.new_full)
    def new_full(self, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> LiteTensor:
        """A constant of a shape, in this tensor's dtype and on its device unless others are given."""
        dtype, device = dtype or self.dtype, device or self.device
        if isinstance(fill_value, LiteTensor):
            size = (size,) if isinstance(size, builtins.int) else size
            return ops.clone(ops.expand(ops.to(fill_value, dtype=dtype, device=device), size))  # type: ignore[no-any-return]
        return from_torch(torch.full(size, fill_value, dtype=dtype, device=device))

    def new_empty(self, *size: Any, **kwargs: Any) -> LiteTensor:
        """Uninitialised values of a shape, in this tensor's dtype and on its device unless others are given."""
        return from_torch(self.data.new_empty(*size, **kwargs))

    def new(self, *size: Any) -> Tensor:
        """A torch tensor of a shape, uninitialised, to be written into; torch.distributions draws so."""
        return self.data.new_empty(*size)

    def new_tensor(self, data: Any, dtype: torch.dtype | None = None, device: Any = None) -> LiteTensor:
        """A copy of some data, in this tensor's dtype and on its device unless others are given."""
        return from_torch(torch.tensor(plain(data), dtype=dtype or self.dtype, device=device or self.device))

    # Views of it, and its parts ---------------------------------------------------------------------------------------

    @implements(Tensor.where)
    def where(self, condition: Any, other: Any) -> LiteTensor:
        """These elements where the condition holds, those of ``other`` elsewhere."""
        return ops.where(condition, self, other)  # type: ignore[no-any-return]

    T = attribute(lambda self: ops.t(self) if self.data.ndim < 3 else ops.permute(self, *range(self.data.ndim)[::-1]))
    mT = attribute(ops.mT)  # noqa: N815  torch's name
    H = attribute(lambda self: ops.conj(self.T))
    mH = attribute(ops.mH)  # noqa: N815
    real = attribute(ops.real)
    imag = attribute(ops.imag)
    at = attribute(Indexer)

    def __iter__(self) -> Iterator[LiteTensor]:
        if self.data.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter(ops.unbind(self))

    __getitem__ = ops.getitem

    def __setitem__(self, index: Any, value: Any) -> None:
        raise _complaints.assigned_to()

    # torch.<fn>(lite) ------------------------------------------------------------------------------------------------

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Answer ``torch.<fn>(lite)`` with nexnet's rule for it."""
        return call_rule(func, args, kwargs)


register_tensor_type(missing_attribute)(LiteTensor)


def _collated(batch: list[Any], *, collate_fn_map: Any = None) -> LiteTensor:  # noqa: ARG001  torch's name
    """Make a DataLoader's batch of LiteTensors."""
    return ops.stack(batch)  # type: ignore[no-any-return]


default_collate_fn_map[LiteTensor] = _collated


def from_torch(data: Tensor) -> LiteTensor:
    """Make a LiteTensor of a torch tensor without autograd, as it is."""
    return wrap(data)  # type: ignore[no-any-return]


def _as_number(tensor: LiteTensor, method: str) -> None:
    """Warn that a number is a constant, once for each line that reads one; what is logged is none of a gradient's."""
    check_may_leave(tensor, method, only_in_rules=True)
    if not is_tracked(tensor) or sys._getframe(2).f_code.co_filename == logging.__file__:
        return
    for tape in TapeContext.active():
        if isinstance(tape, Tape) and tape.tracks(tensor.key):
            tape.was_read = True
    if tensor.data.dtype in DIFFERENTIABLE:
        warnings.warn(_complaints.read_as_number(method), ConstantWarning, stacklevel=3)


def _as_numpy(data: Tensor) -> NDArray[Any]:
    return data.cpu().resolve_conj().resolve_neg().numpy()


def plain(data: Any, nested: builtins.bool = False) -> Any:
    """Take the torch tensors out of nested lists, refusing those that are being differentiated."""
    if hasattr(data, "__lite__"):  # a torch tensor that stands for a LiteTensor
        data = data.__lite__()
    if isinstance(data, LiteTensor):
        if is_tracked(data):
            raise InputError(
                message(
                    "a LiteTensor that is being differentiated can't be copied into a new one: its gradient would be "
                    "lost silently.",
                    remedy="use it as it is, join tensors with nexnet.stack, or say nexnet.stop_gradient(x)",
                )
            )
        if nested and data.data.numel() != 1:
            raise InputError(
                message(
                    "a LiteTensor is made of numbers, and this is a list of tensors.",
                    got=f"one of shape {tuple(data.shape)}",
                    remedy="nexnet.stack(tensors), which is differentiable in each of them",
                )
            )
        return data.data
    return [plain(each, True) for each in data] if isinstance(data, (list, tuple)) else data
