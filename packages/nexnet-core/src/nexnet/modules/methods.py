"""What a ModelTensor is asked for: torch's methods, signs and attributes, with nexnet's answers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .._methods import OperatorMethods
from ..engine import check_may_leave, is_tracked
from ..errors import InputError, MissingAttributeError, message
from .answers import answer, as_method, as_sign, torch_function
from .tensors import ModelTensor, value_of
from .views import take_view

__all__: list[str] = []


def _give(name: str) -> Callable[[Any], Any]:
    """Put a method or an attribute into the class."""

    def put(value: Any) -> Any:
        setattr(ModelTensor, name, value)
        return value

    return put


_give("__torch_function__")(classmethod(torch_function))

for _name in vars(OperatorMethods):
    if not _name.startswith("_") and callable(getattr(Tensor, _name, None)):
        setattr(ModelTensor, _name, as_method(getattr(Tensor, _name)))
for _name, _function in (
    ("add", torch.add), ("sub", torch.sub), ("mul", torch.mul), ("truediv", torch.div), ("matmul", torch.matmul),
    ("pow", torch.pow), ("eq", torch.eq), ("ne", torch.ne), ("lt", torch.lt), ("le", torch.le), ("gt", torch.gt),
    ("ge", torch.ge),
):  # fmt: skip
    setattr(ModelTensor, f"__{_name}__", as_sign(_function))
ModelTensor.__radd__ = ModelTensor.__add__  # type: ignore[assignment]
ModelTensor.__rmul__ = ModelTensor.__mul__  # type: ignore[assignment]
ModelTensor.__neg__ = as_method(torch.neg)  # type: ignore[assignment]
ModelTensor.__hash__ = Tensor.__hash__  # type: ignore[assignment]


@_give("__getitem__")
def _getitem(self: Any, index: Any) -> Any:
    return answer(Tensor.__getitem__, (self, index), {})


@_give("__iter__")
def _iterate(self: Any) -> Any:
    return iter(self.unbind(0))


# What it is -----------------------------------------------------------------------------------------------------------


def _attribute(name: str) -> property:
    return property(lambda self: getattr(value_of(self), name))


for _name in ("shape", "dtype", "device", "ndim"):
    setattr(ModelTensor, _name, _attribute(_name))

_give("requires_grad")(property(lambda self: is_tracked(value_of(self)), lambda _self, _value: None))
_give("is_leaf")(property(lambda self: not is_tracked(value_of(self))))
_give("grad")(property(lambda _self: None))
_give("T")(property(lambda self: self.permute(*range(self.ndim)[::-1])))
_give("mT")(property(lambda self: self.transpose(-2, -1)))
_give("H")(property(lambda self: self.T.conj()))
_give("mH")(property(lambda self: self.mT.conj()))
for _name in ("real", "imag"):

    def _parts(self: Any, _name: str = _name) -> Any:
        return take_view(getattr(torch, _name), (self,), {}, None)

    def _set_parts(self: Any, value: Any, _name: str = _name) -> None:
        getattr(self, _name).copy_(value)

    setattr(ModelTensor, _name, property(_parts, _set_parts))
_give("data")(property(lambda self: self.detach(), lambda self, value: answer(Tensor.data.__set__, (self, value), {})))  # type: ignore[attr-defined]


@_give("size")
def _size(self: Any, dim: int | None = None) -> Any:
    value = value_of(self)
    return value.shape if dim is None else value.data.size(dim)


@_give("dim")
def _dim(self: Any) -> int:
    return value_of(self).ndim  # type: ignore[no-any-return]


@_give("new_tensor")
def _new_tensor(self: Any, data: Any, **kwargs: Any) -> Any:
    return value_of(self).data.new_tensor(data, **kwargs)


for _name in ("new_zeros", "new_ones", "new_full", "new_empty"):

    def _new(self: Any, *args: Any, _name: str = _name, **kwargs: Any) -> Any:
        data = value_of(self).data  # of a vmap, perhaps: what is new is the same for every example
        return getattr(torch.empty(0, dtype=data.dtype, device=data.device), _name)(*args, **kwargs)

    setattr(ModelTensor, _name, _new)
for _name in ("stride", "storage_offset", "is_contiguous", "numel"):

    def _of_data(self: Any, *args: Any, _name: str = _name, **kwargs: Any) -> Any:
        return getattr(value_of(self).data, _name)(*args, **kwargs)

    setattr(ModelTensor, _name, _of_data)
ModelTensor.nelement = ModelTensor.numel  # type: ignore[method-assign]
ModelTensor.ndimension = ModelTensor.dim  # type: ignore[method-assign]


@_give("__len__")
def _len(self: Any) -> int:
    return len(value_of(self))


@_give("__repr__")
def _repr(self: Any) -> str:
    return f"Model{repr(value_of(self)).removeprefix('Lite')}"


@_give("__deepcopy__")
def _deepcopy(self: Any, memo: dict[int, Any]) -> Any:
    memo[id(self)] = copied = self.clone()
    return copied


@_give("__reduce_ex__")
def _reduce(self: Any, protocol: Any) -> Any:
    check_may_leave(value_of(self), "pickle")
    return value_of(self).data.__reduce_ex__(protocol)


@_give("data_ptr")
def _data_ptr(self: Any) -> int:
    check_may_leave(value_of(self), "data_ptr()")
    return value_of(self).data.data_ptr()  # type: ignore[no-any-return]


@_give("__lite__")
def _lite(self: Any) -> Any:
    return value_of(self)


@_give("as_subclass")
def _as_subclass(self: Any, cls: type) -> Any:
    if not issubclass(ModelTensor, cls):
        raise InputError(
            message(
                "inside of a model that nexnet evaluates a tensor is of no other class.",
                got=f"as_subclass({cls.__name__})",
                remedy="give the model's own functions a plain tensor, x.as_subclass(torch.Tensor)",
            )
        )
    return self


def _refused(name: str, remedy: str) -> None:
    def refuse(_self: Any, *_args: Any, **_kwargs: Any) -> Any:
        raise MissingAttributeError(
            message(f"inside of a model that nexnet evaluates a tensor has no {name}.", remedy=remedy)
        )

    setattr(ModelTensor, name, refuse)


_refused("backward", "nexnet.value_and_grad around nexnet.functional_call gives gradients as values")
_refused("retain_grad", "return the tensor from the model, and differentiate by it with nexnet.value_and_grad")
_refused("register_hook", "a rule of your own (nexnet.custom_grad) sees and changes the gradient")
_refused("set_", "x = source, or x.copy_(source), has its elements")


def _grad_fn(self: Any) -> None:
    """None: a tensor has no graph. A module asks whose backward hook would be called with the gradient there."""
    if is_tracked(value_of(self)) and sys._getframe(1).f_globals.get("__name__") in _WITH_HOOKS:
        raise InputError(
            message(
                "a module's backward hook follows torch's graph, and a model that nexnet evaluates makes none.",
                remedy="remove the hook; nexnet.override replaces gradients where a module computes, and "
                "nexnet.trace(fn, gradients=True) shows those of every module",
            )
        )


_give("grad_fn")(property(_grad_fn))

#: Where torch asks what a tensor was made by, to have a module's backward hooks called.
_WITH_HOOKS = ("torch.nn.modules.module", "torch.utils.hooks")
