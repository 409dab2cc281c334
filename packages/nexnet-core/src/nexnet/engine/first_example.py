"""Under vmap, what a call refuses of one example it refuses of all: the first example is tried alone.

Torch's rules for vmap take kernels apart, and so do nexnet's where torch has none. What stands in a kernel's place may
take dtypes that the kernel does not, and give a value where the call on one example is an error. Whether it takes them
is a matter of dtypes: each kind of call is tried once. Real tensors of one dtype, which all take, are not tried.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack

from .._nested import leaves_of, map_leaves
from .._random_state import RandomState
from .operands import are_alike_reals
from .rule import new_node
from .tensor import TensorBase, is_wrapped, unwrap

_functorch: Any = torch._C._functorch
_taken: set[Any] = set()  # kinds of calls; of nexnet's own operators, so that there are few


def try_first(operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> None:
    """Raise what an operator's rule does, given the first example of each argument."""

    def forward(*data: Any, **options: Any) -> None:
        operator.policy.forward(new_node(operator.policy, (None,) * len(data)), *data, **options)

    _try(operator, forward, args, kwargs or {})


def try_first_of(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raise what a function of torch tensors does, given the first example of each argument."""
    _try(function, function, args, kwargs)


def _try(called: Any, alone: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if are_alike_reals(args) and not kwargs:
        return
    given = (args, kwargs)
    kind = (called, _kind(args), *[(name, _kind(each)) for name, each in kwargs.items()])
    if kind in _taken:
        return
    leaves = [unwrap(each) for each in leaves_of(given)]
    if not any(isinstance(each, Tensor) and is_wrapped(each) for each in leaves):
        return  # it is the same call
    first_args, first_kwargs = map_leaves(given, lambda each: _first(unwrap(each)))
    state = RandomState(leaves)
    try:
        with temporarily_clear_interpreter_stack():
            alone(*first_args, **first_kwargs)
    finally:
        state.restore()
    _taken.add(kind)


def _kind(value: Any) -> Any:
    """Give a tensor's dtype, any other value's type."""
    if isinstance(value, (Tensor, TensorBase)):
        return value.dtype
    return tuple(map(_kind, value)) if isinstance(value, (tuple, list)) else type(value)


def _first(value: Any) -> Any:
    """Give the first example of a tensor, of each vmap that maps it; of a batch without any, zeros like one."""
    while isinstance(value, Tensor) and _functorch.is_batchedtensor(value):
        value, dim = _functorch._unwrap_batched(value, _functorch.maybe_get_level(value))
        shape = list(value.shape)
        value = value.select(dim, 0) if shape.pop(dim) else value.new_zeros(shape)
    return value
