"""A sample of PyTorch's operator database as a function of the tensors that are differentiated by."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import FunctionType, MethodDescriptorType, WrapperDescriptorType
from typing import Any

import optree
import torch
from torch import Tensor

from nexnet import LiteTensor

__all__ = ["Problem", "database", "problems"]

Function = Callable[..., Any]


def database() -> dict[str, Any]:
    """Give PyTorch's records by name, those of floating or complex tensors that its autograd can differentiate."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the CSR layout, and of an old qr
        from torch.testing._internal.autograd_function_db import autograd_function_db
        from torch.testing._internal.common_methods_invocations import op_db
    wanted = {torch.float64, torch.complex128}
    return {
        ".".join(filter(None, (each.name, each.variant_test_name))): each
        for each in (*op_db, *autograd_function_db)
        if each.supports_autograd and wanted & each.supported_dtypes("cpu")
    }


@dataclass
class Problem:
    """An operator at a sample.

    Attributes:
        label: the operator, the dtype, and the sample's number.
        function: torch's.
        arguments: a tree of all its arguments, ``(args, kwargs)``.
        record: the database's.
        process: what the database does with the output before it is differentiated (signs of eigenvectors and such).
        leaves: the leaves of the tree.
        places: at which of them the tensors stand that are differentiated by.
        outs: which of the tensors that come out have a gradient; known once torch has run.
    """

    label: str
    function: Function
    arguments: tuple[tuple[Any, ...], dict[str, Any]]
    process: Function
    record: Any
    leaves: list[Any] = field(init=False)
    places: list[int] = field(init=False)
    outs: list[int] = field(init=False, default_factory=list)
    arguments_that_vary: list[Tensor] = field(init=False)

    def __post_init__(self) -> None:
        """Take the tree apart."""
        self.leaves, self._treespec = optree.tree_flatten(self.arguments, none_is_leaf=True)
        self.places = [i for i, each in enumerate(self.leaves) if isinstance(each, Tensor) and each.requires_grad]
        self.arguments_that_vary = [self.leaves[i] for i in self.places]
        self.leaves = [each.detach() if isinstance(each, Tensor) else each for each in self.leaves]

    @property
    def points(self) -> list[Tensor]:
        """The tensors that are differentiated by."""
        return [self.leaves[i] for i in self.places]

    def __call__(self, *points: Any) -> list[Any]:
        """Give the tensors that come out at other points, torch's or nexnet's."""
        leaves = list(self.leaves)
        for i, point in zip(self.places, points, strict=True):
            leaves[i] = point
        args, kwargs = optree.tree_unflatten(self._treespec, leaves)
        torch.manual_seed(0)
        out = self.process(self.function(*args, **kwargs))
        return [each for each in optree.tree_leaves(out) if isinstance(each, (Tensor, LiteTensor))]

    def differentiable(self, *points: Any) -> list[Any]:
        """Give the tensors that come out and have a gradient."""
        found = self(*points)
        return [found[i] for i in self.outs]

    def replaced(self, leaves: Sequence[Any]) -> Problem:
        """Give the same call with other leaves, the tensors of them in another layout."""
        found = Problem(self.label, self.function, self.arguments, self.process, self.record)
        found.leaves, found.places, found.outs = list(leaves), self.places, self.outs
        return found

    def by_keyword(self) -> Problem | None:
        """Give the same call with its arguments by their names in torch; None where it takes them by place alone."""
        args, kwargs = self.arguments
        for names in _names(self.record):
            named = dict(zip(names, args, strict=False))
            if len(named) < len(args) or {*named} & {*kwargs}:
                continue
            found = Problem(self.label, self.record.op, ((), named | kwargs), self.process, self.record)
            try:
                outs = found(*found.points)
            except (TypeError, RuntimeError):
                continue
            found.outs = self.outs
            if [each.shape for each in outs] == [each.shape for each in self(*self.points)]:
                return found
        return None


def problems(name: str, record: Any, dtype: torch.dtype) -> Iterator[Problem]:
    """Give the database's samples of one operator; the same at every call. Those without a gradient are left out."""
    torch.manual_seed(0)
    function = _function(record)
    for i, sample in enumerate(record.sample_inputs("cpu", dtype, requires_grad=True)):
        label = f"{name}, {str(dtype).removeprefix('torch.')}, sample {i}"
        arguments = ((sample.input, *sample.args), dict(sample.kwargs))
        found = Problem(label, function, arguments, sample.output_process_fn_grad, record)
        if found.places:
            yield found


def _function(record: Any) -> Function:
    """Give the function that torch differentiates; a method that torch.Tensor has in C is called as one."""
    op = record.op
    if isinstance(op, (WrapperDescriptorType, MethodDescriptorType)):
        return lambda x, *args, **kwargs: getattr(x, op.__name__)(*args, **kwargs)
    wrapper = record.gradcheck_wrapper
    plain = getattr(wrapper, "__name__", "") == "<lambda>"  # the default one hands everything on
    return op if plain else functools.partial(wrapper, op)


def _names(record: Any) -> list[list[str]]:
    """Give the names of an operator's arguments, by overload."""
    op, wrapper = record.op, record.gradcheck_wrapper
    if record.name.startswith("__"):
        return []
    if getattr(wrapper, "__name__", "") != "<lambda>" or getattr(op, "__name__", "<lambda>") == "<lambda>":
        return []
    if isinstance(op, FunctionType):
        if not op.__module__.startswith("torch.") or op.__module__.startswith("torch.testing"):
            return []
        parameters = inspect.signature(op).parameters.values()
        return [[each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]]
    schemas = torch._C._jit_get_schemas_for_operator(f"aten::{record.aten_name}")
    found = [[each.name for each in schema.arguments if not each.kwarg_only] for schema in schemas]
    return [["input" if name == "self" else name for name in names] for names in found]
