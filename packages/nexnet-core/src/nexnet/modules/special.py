"""Torch's functions that have an answer of their own inside of a model: they write into what they are given beside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from .._dispatch import no_rule
from ..engine import unwrap, wrap
from ..errors import InputError, message
from ..ops import batch_norm_with_statistics, instance_norm
from .assigning import copied, lite
from .computing import beside, computed, given
from .scattering import Part, in_base, replaced
from .tensors import ModelTensor, new_stand, seen, stand_in, value_of
from .views import take_view
from .writing import adopt, is_alias, write

__all__ = ["OWN"]


def _batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Answer batch_norm: running statistics that stand for LiteTensors are written into, as torch's are."""
    args = (input, running_mean, running_var, weight, bias, training, momentum, eps)
    if not training or not (isinstance(running_mean, ModelTensor) or isinstance(running_var, ModelTensor)):
        return given(computed(F.batch_norm, args, {}))
    values = [seen(each) for each in args]
    input, mean, var = [lite(each) for each in values[:3]]
    given_too = (*values[3:5], *values[6:])
    out, mean, var = beside([values[0], *given_too], batch_norm_with_statistics, input, mean, var, *given_too)
    _keep((running_mean, mean.data), (running_var, var.data))
    return given(out)


def _instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Answer instance_norm, as batch_norm: it updates copies of the running statistics."""
    args = (input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)
    if not use_input_stats or not isinstance(running_mean, ModelTensor):
        return given(computed(F.instance_norm, args, {}))
    values = [seen(each) for each in args]
    mean, var = [lite(each).data.clone() for each in values[1:3]]
    out = beside(values, instance_norm, lite(values[0]), mean, var, *values[3:])
    _keep((running_mean, mean), (running_var, var))
    return given(out)


def _keep(*statistics: tuple[Tensor, Tensor]) -> None:
    with torch.no_grad():
        for target, value in statistics:
            if isinstance(target, ModelTensor):
                write(target, wrap(value), "batch_norm")
            else:
                target.copy_(value)


def _embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """Answer embedding: with ``max_norm`` the rows that it takes are first made that short, in the weight itself."""
    if max_norm is not None and isinstance(weight, ModelTensor):
        rows = unwrap(seen(input)).contiguous()
        with torch.no_grad():
            shorter = torch.embedding_renorm_(value_of(weight).data.clone(), rows, max_norm, norm_type)
            write(weight, wrap(shorter), "embedding")
        max_norm = None
    args = (input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    return given(computed(F.embedding, args, {}))


def _as_it_is(self: Any, requires_grad: bool = True) -> Any:  # noqa: ARG001  torch's argument
    return self


def _set_data(self: Any, value: Any) -> None:
    """Answer ``x.data = v``: the tensor has the memory of v from then on, and its views stay with what it had."""
    if isinstance(value, ModelTensor):
        if _are_one(value_of(value).data, value_of(self).data):
            return
        raise InputError(
            message(
                "x.data = v lets x share the memory of v, which nexnet does not follow for this v.",
                got="what stands for a LiteTensor, or a view of that",
                remedy="x.data = v.detach().clone()",
            )
        )
    now, new = value_of(self), copied(self, value)
    if (new.shape, new.dtype) != (now.shape, now.dtype):
        raise InputError(
            message(
                "x.data = v gives a tensor another shape or dtype, which nexnet does not follow.",
                expected=f"{now.dtype} of shape {tuple(now.shape)}",
                got=f"{new.dtype} of shape {tuple(new.shape)}",
                remedy="make a new tensor: x = v",
            )
        )
    if now.key is not None:
        with torch.enable_grad():
            new = replaced(now, wrap(new.data), Part((), now.data.stride(), now.dtype))
    call = self._stand.call
    self._stand = new_stand(new, call, None)
    if isinstance(value, Tensor):
        whole = stand_in(new, call)
        whole._stand = self._stand
        adopt(value, "data")._stand = take_view(Tensor.detach, (whole,), {}, given)._stand


def _are_one(a: Tensor, b: Tensor) -> bool:
    """Say whether two tensors are the same places of one memory: module.to(dtype) sets what has that dtype already."""
    lies = in_base(a, b)
    return lies is not None and lies == in_base(b, b) and is_alias(a, b)


def _clone(input: Any, *, memory_format: Any = torch.preserve_format) -> Any:
    """Answer clone, whose strides are its argument's, as torch's are."""
    return given(computed(torch.clone, (input,), {"memory_format": memory_format}))


def _as_numpy(function: Callable[..., Any]) -> Callable[..., Any]:
    """Answer a function that gives numpy an array in the memory of a constant."""

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        stand = self._stand
        array = computed(function, (self, *args), kwargs)
        stand.call.handed.append(stand if stand.view is None else stand.view.base)
        return array

    return call


def _of_graph(function: Callable[..., Any]) -> Callable[..., Any]:
    """Answer a function that follows torch's graph, in which what stands for a LiteTensor is not."""

    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return given(computed(function, args, kwargs))
        except RuntimeError as error:
            raise no_rule(function) from error

    return call


OWN: dict[Any, Callable[..., Any]] = {
    F.batch_norm: _batch_norm,
    F.embedding: _embedding,
    F.instance_norm: _instance_norm,
    Tensor.__array__: _as_numpy(Tensor.__array__),
    Tensor.clone: _clone,
    Tensor.numpy: _as_numpy(Tensor.numpy),
    Tensor.requires_grad_: _as_it_is,
    Tensor.data.__set__: _set_data,  # type: ignore[attr-defined]
    Tensor.share_memory_: _as_it_is,
    torch.clone: _clone,
    torch.autograd.backward: _of_graph(torch.autograd.backward),
    torch.autograd.grad: _of_graph(torch.autograd.grad),
}
