"""Torch's functions that have an answer of their own inside of a model: they write into what they are given beside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from .._dispatch import no_rule
from ..engine import unwrap, wrap
from ..ops import batch_norm_with_statistics, instance_norm
from .assigning import copied, lite
from .computing import computed, given
from .tensors import ModelTensor, seen, value_of
from .writing import write

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
    out, mean, var = batch_norm_with_statistics(input, mean, var, *values[3:5], *values[6:])
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
    out = instance_norm(lite(values[0]), mean, var, *values[3:])
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


def _detach_in_place(self: Any) -> Any:
    self._stand.value = wrap(value_of(self).data)
    return self


def _set_data(self: Any, value: Any) -> None:
    with torch.no_grad():
        write(self, copied(self, value), "copy_")


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
    Tensor.detach_: _detach_in_place,
    Tensor.requires_grad_: _as_it_is,
    Tensor.data.__set__: _set_data,  # type: ignore[attr-defined]
    Tensor.share_memory_: _as_it_is,
    torch.autograd.backward: _of_graph(torch.autograd.backward),
    torch.autograd.grad: _of_graph(torch.autograd.grad),
}
