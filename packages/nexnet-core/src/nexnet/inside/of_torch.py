"""The trace of what PyTorch itself does: a run that nexnet has no part in, to be compared with one that it has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import optree
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from .._nested import leaves_of
from .._trees import NAMESPACE
from ..modules.path import current_modules
from .names import names_of
from .operation import Input, Operation
from .source import here, source_of
from .trace import Trace

__all__ = ["TorchTrace", "torch_trace"]


class TorchTrace(Trace):
    """What PyTorch did, function by function; without what only nexnet's tape knows, as bytes and rules."""


def torch_trace(fn: Callable[..., Any], *, gradients: bool = False) -> Callable[..., tuple[Any, TorchTrace]]:
    """Make a function that gives ``(value, trace)`` of a run of PyTorch's own.

    Its operations are torch's functions, with values (copied), lines and modules. ``tape.diff(trace)`` says where a
    trace of nexnet's and PyTorch first part ways.

    Args:
        fn: a ``torch.nn.Module``, or a function of torch tensors of any shapes. The parameters of a module have their
            names.
        gradients: whether to go back by ``torch.autograd`` from all that ``fn`` returns, seeded with ones, and to keep
            the gradient of what requires one.

    Raises:
        InputError: when it is called: on LiteTensors, which meet the module's own parameters.

    Example::

        net, x = torch.nn.Linear(3, 2), torch.ones(8, 3)
        _, ours = nexnet.trace(lambda p: nexnet.functional_call(net, p, (x,)))(nexnet.parameters_of(net))
        _, theirs = nexnet.inside.torch_trace(net)(x)
        print(ours.diff(theirs))
    """

    def wrapper(*args: Any, **kwargs: Any) -> tuple[Any, TorchTrace]:
        leaves, treespec = optree.tree_flatten(args, namespace=NAMESPACE)
        called = fn.forward if isinstance(fn, nn.Module) else fn
        given = dict(zip(names_of(called, args, treespec), leaves, strict=True))
        if isinstance(fn, nn.Module):
            given |= dict(fn.named_parameters())
        functions = _Functions({name: each for name, each in given.items() if isinstance(each, Tensor)})
        with functions:
            value = fn(*args, **kwargs)
        outs = [each for each in leaves_of(value) if isinstance(each, Tensor)]
        return value, functions.trace(outs, gradients)

    return wrapper


class _Functions(TorchFunctionMode):
    """Takes down each of torch's functions that gives a floating tensor."""

    def __init__(self, leaves: dict[str, Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._leaves = [_leaf(name, each) for name, each in leaves.items()]
        self._operations: list[Operation] = []
        self._tensors = list(leaves.values())  # alive, so that an identity is one tensor's
        self._labels = {id(each): name for name, each in leaves.items()}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function, and take it down."""
        out = func(*args, **(kwargs or {}))
        made = [each for each in leaves_of(out) if isinstance(each, Tensor) and _is_floating(each)]
        if made and func.__name__ != "__get__":
            self._take_down(func.__name__.strip("_"), (args, kwargs or {}), made)
        return out

    def _take_down(self, rule: str, given: Any, made: Sequence[Tensor]) -> None:
        label = f"%{len(self._operations)}"
        inputs = [
            Input(str(i), self._labels[id(each)], "operation", tuple(each.shape), each.dtype)
            for i, each in enumerate(leaves_of(given))
            if id(each) in self._labels
        ]
        outputs: list[str | None] = [label] if len(made) == 1 else [f"{label}.{i}" for i in range(len(made))]
        modules = current_modules()
        path, module = modules[-1] if modules else ("", None)
        self._operations.append(
            Operation(
                len(self._operations), label, rule, inputs=inputs, outputs=outputs,
                shapes=[tuple(each.shape) for each in made], dtypes=[each.dtype for each in made],
                device=str(made[0].device), source=source_of(here(3)), module=path,
                module_type="" if module is None else type(module).__name__, values=[_copy(each) for each in made],
            )
        )  # fmt: skip
        self._tensors += made
        self._labels |= {id(each): name for each, name in zip(made, outputs, strict=True) if name is not None}

    def trace(self, outs: Sequence[Tensor], gradients: bool) -> TorchTrace:
        """Give what was taken down."""
        trace = TorchTrace()
        trace.leaves, trace.operations, trace.ends = self._leaves, self._operations, []
        trace.outputs = [self._labels.get(id(each), "·") for each in outs]
        known = {label: each for each in (*self._leaves, *self._operations) for label in each.outputs if label}
        for each in self._operations:
            for given in each.inputs:
                known[given.name].users.append(each.label)
        if gradients:
            self._go_back([each for each in outs if each.requires_grad], known)
        return trace

    def _go_back(self, outs: Sequence[Tensor], known: dict[str, Operation]) -> None:
        last = {self._labels[id(each)]: each for each in self._tensors if each.requires_grad}
        seeds = [torch.ones_like(each) for each in outs]
        found = torch.autograd.grad(outs, list(last.values()), seeds, allow_unused=True, materialize_grads=False)
        for label, gradient in zip(last, found, strict=True):
            operation = known[label]
            operation.gradients = operation.gradients or [None] * len(operation.outputs)
            operation.gradients[operation.outputs.index(label)] = gradient


def _leaf(name: str, tensor: Tensor) -> Operation:
    return Operation(
        -1, name, "input", outputs=[name], shapes=[tuple(tensor.shape)], dtypes=[tensor.dtype],
        device=str(tensor.device), values=[_copy(tensor)], gradients=[None],
    )  # fmt: skip


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().clone()


def _is_floating(tensor: Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()
