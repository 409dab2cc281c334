"""What the optimisers share: checks, hyper-parameters that are numbers or tensors, trees that must belong together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from operator import attrgetter
from typing import Any, TypeVar

import torch
from torch import Tensor

import nexnet
from nexnet import LiteTensor, LowRank
from nexnet.engine import is_recording, is_tracked, this_thread, wrap
from nexnet.errors import TrackedTensorError, message

from .._checks import is_in_range
from .._paths import matches
from ..errors import OptimizerError

Model = TypeVar("Model")
_shape_of = attrgetter("shape")
Schedule = Callable[[Any], Any]
Hyperparameter = float | LiteTensor | Tensor | Schedule


def check_hyperparameter(rule: str, name: str, value: Any, negative: bool = False, below: float | None = None) -> Any:
    """Take a number, or a tensor of one element: no NaN, at least 0 unless ``negative``, and below a bound.

    A schedule is taken as it is.
    """
    if callable(value) and not isinstance(value, LiteTensor):
        return value
    if isinstance(value, Tensor):
        value = LiteTensor(value)
    if isinstance(value, LiteTensor) and value.data.numel() != 1:
        raise OptimizerError(
            message(f"a tensor {name} must have one element.", rule=rule, got=f"shape {tuple(value.shape)}")
        )
    if not is_in_range(value, negative=negative, below=below):
        bounds = ("" if negative else " of at least 0") + ("" if below is None else f", below {below}")
        raise OptimizerError(
            message(f"invalid {name}.", rule=rule, argument=name, expected=f"a number{bounds}", got=repr(value))
        )
    return value


def check_model(rule: str, model: Any) -> tuple[list[LiteTensor], Any]:
    """Flatten a model that is to be optimised.

    Raises:
        OptimizerError: a leaf of the model that is no LiteTensor, or a tensor that is two leaves at once: after a
            step these would be two tensors.
    """
    seen: dict[int, int] = {}
    leaves, treespec = nexnet.tree.flatten(model)
    for i, leaf in enumerate(leaves):
        if not isinstance(leaf, LiteTensor) or id(leaf) in seen:
            paths = [accessor.codify("model") for accessor in treespec.accessors()]
            shared = id(leaf) in seen
            raise OptimizerError(
                message(
                    "an optimiser takes a model whose leaves are LiteTensors, each of them once.",
                    rule=rule,
                    argument=paths[i],
                    got=f"the tensor that is also {paths[seen[id(leaf)]]}" if shared else type(leaf).__name__,
                    remedy="keep a shared tensor in one place of the model, and use it from there"
                    if shared
                    else "make a LiteTensor of each: nexnet.tree.map(nexnet.LiteTensor, model)",
                )
            )
        seen[id(leaf)] = i
    return leaves, treespec


def refuse_tracking(rule: str) -> None:
    """Refuse to write into tensors while something is being differentiated."""
    if is_recording():
        raise TrackedTensorError(
            message(
                "update_ writes into tensors while something is being differentiated: saved values would be lost.",
                rule=rule,
                remedy="use update, which is pure, inside of a differentiated function",
            )
        )


def are_constants(tensors: list[LiteTensor]) -> bool:
    """Say whether nobody looks on at what is computed with these: no tape, vmap, transform of torch's or override.

    Raises:
        TrackedTensorError: one is being differentiated on another thread.
    """
    thread = this_thread()
    return not (
        is_recording()
        or thread.mapped
        or thread.overrides is not None
        or thread.model is not None
        or torch._C._functorch.peek_interpreter_stack() is not None
        or any(map(is_tracked, tensors))
    )


def copied(value: Any) -> Any:
    """Give a tensor, or those in a list, in memory of its own; any other value as it is."""
    if isinstance(value, list):
        return [*map(copied, value)]
    return wrap(value.data.clone()) if isinstance(value, LiteTensor) else value


def flatten_gradients(rule: str, grads: Any, treespec: Any) -> list[LiteTensor]:
    """Flatten gradients; those of low rank are multiplied.

    Raises:
        OptimizerError: they have another structure than the model.
    """
    leaves = flatten_like(rule, "gradients", grads, treespec)
    if LowRank not in set(map(type, leaves)):
        return leaves
    return [each.to_dense() if isinstance(each, LowRank) else each for each in leaves]


def flatten_like(rule: str, what: str, tree: Any, treespec: Any) -> list[Any]:
    """Flatten a tree that must have the model's structure.

    Raises:
        OptimizerError: it has another.
    """
    leaves: list[Any]
    leaves, got = nexnet.tree.flatten(tree)
    if got is not treespec and got != treespec:
        raise OptimizerError(
            message(
                f"the {what} and the model have different structures.",
                rule=rule,
                expected=treespec,
                got=got,
                remedy="pass the gradient by this very model, and the state that came with it",
            )
        )
    return leaves


def check_shapes(
    rule: str, params: list[Any], slopes: list[Any], state: Any, slots: Iterable[str], treespec: Any
) -> None:
    """Refuse what has another shape than its parameter: kernels would broadcast it, or not even look.

    Raises:
        OptimizerError: a gradient, or a tensor of the state, has.
    """
    shapes = [*map(_shape_of, params)]
    for what, tensors in [("gradient", slopes), *((name, getattr(state, name)) for name in slots)]:
        found = [*map(_shape_of, tensors)]
        if found != shapes:
            i = next(i for i, each in enumerate(found) if each != shapes[i])
            raise OptimizerError(
                message(
                    f"a {what} has another shape than its parameter.",
                    rule=rule,
                    argument=nexnet.tree.paths(treespec)[i],
                    expected=tuple(shapes[i]),
                    got=tuple(found[i]),
                    remedy="pass the gradient by this very model, and the state that came with it",
                )
            )


def is_used(value: Any) -> bool:
    """Say whether a hyper-parameter has an effect: 0 has none, but a tensor of value 0 may be differentiated by."""
    return value != 0 if isinstance(value, (int, float)) else isinstance(value, (LiteTensor, Tensor)) or value != 0


def are_alike(*lists: list[Tensor]) -> bool:
    """Say whether torch's fused kernels take these: contiguous, of one floating dtype, on one CPU or CUDA device."""
    first = lists[0][0]
    dtype, device = first.dtype, None if first.is_cpu else first.device
    if not dtype.is_floating_point or not (device is None or device.type == "cuda"):
        return False
    for tensors in lists:
        for each in tensors:
            is_there = each.is_cpu if device is None else each.device == device
            if not is_there or each.dtype is not dtype or not each.is_contiguous():
                return False
    return True


def are_large(tensors: list[Tensor]) -> bool:
    """Say whether these are on a CPU, and together do not stay in its cache from one kernel to the next."""
    return len(tensors) > 1 and tensors[0].is_cpu and sum(map(Tensor.numel, tensors)) >= 2**18 * len(tensors)


def counters(params: list[Tensor], t: Any) -> list[Tensor]:
    """Give the number of the step as torch's fused kernels take it: a float32 tensor for each parameter."""
    step = torch.as_tensor(t, dtype=torch.float32, device=params[0].device)
    return [step] * len(params)


def number_at(form: Any, value: Any, t: Any) -> Any:
    """Give the number that a hyper-parameter is at step t: a schedule is asked with the number of steps before it."""
    if callable(value) and not isinstance(value, LiteTensor):
        value = value(LiteTensor(t) - 1 if isinstance(t, torch.Tensor) else t - 1)
    return form.number(value)


@lru_cache(16)
def places_of(treespec: Any, patterns: tuple[str, ...]) -> list[list[int]]:
    """Give the leaves that belong to each pattern, and last those that belong to none."""
    places: list[list[int]] = [[] for _ in range(len(patterns) + 1)]
    for i, path in enumerate(nexnet.tree.paths(treespec)):
        found = (j for j, pattern in enumerate(patterns) if matches(path, pattern))
        places[next(found, len(patterns))].append(i)
    return places
