"""as_torch: a function of LiteTensors as a function of torch tensors, in torch's graph."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import optree
import torch
from torch import Tensor

from .._random_state import RandomState
from .._resuming import as_here
from .._trees import NAMESPACE
from ..engine import DIFFERENTIABLE, is_wrapped, mapping
from ..errors import InputError, TrackedTensorError, message
from ..tape import Tape
from ..tensor import LiteTensor, from_torch
from ..transforms._evaluate import check_callable, path_to
from ..transforms.product import jvp, pullback_of, written_into
from ..transforms.vmap import vmap
from .tensors import ModelTensor
from .writing import storage_of

__all__ = ["as_torch"]

#: Whether a cotangent stands for many: torch.autograd.grad(is_grads_batched=True), which torch.func knows nothing of.
_is_batch: Callable[[Tensor], bool] = torch._C._functorch.is_legacy_batchedtensor

_Tensors = tuple[Any, ...]

#: Whether torch asks what keeps its tensors (as torch.utils.checkpoint does) not to keep them but in its own way.
_keeps_elsewhere: Callable[[bool], Any] = torch._C._autograd._top_saved_tensors_default_hooks


def as_torch(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function of torch tensors, in torch's graph, of an operator or any function of LiteTensors.

    Its gradient is nexnet's, to any order: a rule that is written and verified with nexnet serves in a training of
    torch's, which changes nothing else. ``.backward()``, ``create_graph=True``, torch.func's transforms, forward mode,
    ``torch.utils.checkpoint`` and ``torch.compile`` around it (with a graph break) work as for torch's own functions.

    Args:
        fn: a function of pytrees that returns a pytree of LiteTensors (and what is no tensor, as it is). It gets a
            LiteTensor for every torch tensor. What it closes over is a constant: give it parameters as arguments. It
            must be repeatable: for a second derivative, and within torch.func, it is run again (on the same random
            numbers). A module of torch's is called as ``functional_call(module, parameters, args)`` in it, and
            ``dict(module.named_parameters())`` given as the argument ``parameters``.

    Returns:
        A function of the same arguments, which gives torch tensors for LiteTensors, of the same shapes. Called on
        LiteTensors it is ``fn``.

    Raises:
        InputError: no function; when it is called: ``fn`` has returned a torch tensor, which is a constant to nexnet,
            or it is a module (or calls one) with parameters of its own.
        TrackedTensorError: in the backward: an output, or a value that is saved for it, was written into.

    Example::

        passing = nexnet.straight_through(torch.relu)
        relu = nexnet.as_torch(passing)  # in a module's forward: relu(self.conv(x))
    """
    check_callable(fn, "as_torch")

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        leaves, treespec = optree.tree_flatten((args, kwargs), namespace=NAMESPACE)
        if any(isinstance(leaf, (LiteTensor, ModelTensor)) for leaf in leaves):
            return fn(*args, **kwargs)
        places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]
        again = as_here()
        made: list[Any] = []  # the results' tree, and what in it is no tensor

        def flat(*tensors: LiteTensor) -> _Tensors:
            given = list(leaves)
            for i, tensor in zip(places, tensors, strict=True):
                given[i] = tensor
            inner_args, inner_kwargs = optree.tree_unflatten(treespec, given)
            outs, out_spec = optree.tree_flatten(again(fn, *inner_args, **inner_kwargs), namespace=NAMESPACE)
            made[:] = [out_spec, [None if isinstance(each, LiteTensor) else each for each in outs]]
            for i, each in enumerate(outs):
                if isinstance(each, Tensor):
                    raise _no_lite_tensor(fn, path_to(out_spec, i, "out")())
            return tuple(each for each in outs if isinstance(each, LiteTensor))

        found = iter(_apply(_Flat(flat, fn), *[leaves[i] for i in places]))
        out_spec, rest = made
        return optree.tree_unflatten(out_spec, [next(found) if each is None else each for each in rest])

    return torch.compiler.disable(wrapper)  # type: ignore[no-any-return, no-untyped-call]  # left to Python


class _Flat:
    """A function of tensors alone, that gives a tuple of tensors, always with the same random numbers.

    ``of`` is the user's function that it is made of, which errors name.
    """

    def __init__(self, fn: Callable[..., _Tensors], of: Any, like: _Flat | None = None) -> None:
        self.fn, self.of = fn, of
        self.random_state: RandomState = RandomState(()) if like is None else like.random_state
        self.again: bool = like is not None and like.again  # the next call is not the first
        self.pullback: Callable[[Any], Any] | None = None  # from the call to whoever sets up its context
        self.followed: tuple[int, ...] = ()

    def __call__(self, *tensors: LiteTensor) -> _Tensors:
        if not self.again:
            self.again = True
            found = self.fn(*tensors)
            self.random_state.keep_drawn()
            return found
        with self.random_state.replayed():
            return self.fn(*tensors)

    def pulled_back(self, needed: Sequence[int], used: Sequence[int], count: int) -> _Flat:
        """Give the function of ``count`` tensors, and of cotangents of the outputs used, that gives gradients."""

        def gradients(*values: LiteTensor) -> _Tensors:
            _, pullback = self.followed_by(values[:count], needed, used)
            return tuple(pullback(tuple(values[count:])))

        return _Flat(gradients, self.of)

    def followed_by(self, tensors: Sequence[LiteTensor], needed: Sequence[int], used: Sequence[int] | None) -> Any:
        """Give the outputs, all of them, and the pullback of those used (None: of all that may have a gradient)."""

        def of_needed(*chosen: LiteTensor) -> Any:
            given = list(tensors)
            for i, each in zip(needed, chosen, strict=True):
                given[i] = each
            outs = self(*given)
            places = _differentiable(outs) if used is None else used
            return tuple(outs[i] for i in places), outs

        primals = tuple(tensors[i] for i in needed)
        _, pullback, outs = pullback_of(of_needed, primals, True, Tape(), self._written)
        return outs, pullback

    def _written(self) -> TrackedTensorError:
        return written_into(
            self.of,
            "what a function of as_torch's has returned, or saved for its backward, was written into since",
            "write into a copy, as y.clone().mul_(2), or do not write in place: y * 2",
        )


def _apply(flat: _Flat, *tensors: Tensor) -> _Tensors:
    wants = torch.is_grad_enabled() and _keeps_elsewhere(False) is None and not any(map(is_wrapped, tensors))
    flat.followed = tuple(i for i, each in enumerate(tensors) if each.requires_grad) if wants else ()
    return _InTorch.apply(flat, *tensors)  # type: ignore[no-any-return, no-untyped-call]


class _InTorch(torch.autograd.Function):
    """A flat function in torch's graph. Its gradient is another one, so that every order follows."""

    @staticmethod
    def forward(flat: Any, *tensors: Tensor) -> Any:
        lites = [from_torch(each.detach()) for each in tensors]
        with torch.enable_grad():  # torch has switched it off for forward, not for what is nexnet's
            if flat.followed:
                outs, flat.pullback = flat.followed_by(lites, flat.followed, None)
            else:
                outs, flat.pullback = flat(*lites), None
        return _apart([each.data.detach() for each in outs], tensors)  # no tensor that a rule has saved: else a cycle

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        flat, *tensors = inputs
        ctx.flat, ctx.pullback, ctx.followed = flat, flat.pullback, flat.followed
        flat.pullback = None
        ctx.places = _differentiable(output)
        ctx.mark_non_differentiable(*[each for each in output if each.dtype not in DIFFERENTIABLE])
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        tensors = ctx.saved_tensors  # which says that they were freed, or written into, if so
        needed = [i for i, needs in enumerate(ctx.needs_input_grad[1:]) if needs]
        cotangents = [grads[i] for i in ctx.places]
        if ctx.pullback is not None and not torch.is_grad_enabled() and not any(map(is_wrapped, cotangents)):
            with torch.enable_grad(), mapping() if any(map(_is_batch, cotangents)) else nullcontext():
                found: Sequence[Any] = [each.data for each in ctx.pullback(tuple(map(from_torch, cotangents)))]
            needed = ctx.followed
            if not _keeps_graph():
                ctx.pullback = None
        else:
            found = _apply(ctx.flat.pulled_back(needed, ctx.places, len(tensors)), *tensors, *cotangents)
        by_input: list[Any] = [None] * len(tensors)
        for i, each in zip(needed, found, strict=True):
            by_input[i] = each
        return (None, *by_input)

    @staticmethod
    def jvp(ctx: Any, _: Any, *tangents: Any) -> Any:
        tensors = ctx.saved_tensors
        moved = [i for i, each in enumerate(tangents) if each is not None and each.dtype in DIFFERENTIABLE]
        count, flat = len(tensors), ctx.flat

        def pushed(*values: LiteTensor) -> _Tensors:
            def of_moved(*chosen: LiteTensor) -> _Tensors:
                given = list(values[:count])
                for i, each in zip(moved, chosen, strict=True):
                    given[i] = each
                outs = flat(*given)
                return tuple(outs[i] for i in _differentiable(outs))

            return jvp(of_moved, tuple(values[i] for i in moved), tuple(values[count:]))[1]  # type: ignore[no-any-return]

        found = _apply(_Flat(pushed, flat.of), *tensors, *[tangents[i] for i in moved])
        by_output: list[Any] = [None] * (max(ctx.places, default=-1) + 1)
        for i, each in zip(ctx.places, found, strict=True):
            by_output[i] = each
        return tuple(by_output)

    @staticmethod
    def vmap(info: Any, in_dims: Any, flat: Any, *tensors: Tensor) -> Any:
        mapped = vmap(flat.fn, tuple(in_dims[1:]), randomness=info.randomness)
        found = _apply(_Flat(mapped, flat.of, flat), *tensors)
        flat.again = True
        return found, (0,) * len(found)


def _apart(outs: Sequence[Tensor], tensors: Sequence[Tensor]) -> _Tensors:
    """Give outputs of which none lies in the memory of an argument or another one: torch does not know of that."""
    taken = {storage_of(each) for each in tensors}
    made = []
    for each in outs:
        storage = storage_of(each)
        made.append(each.clone() if storage in taken else each)
        taken.add(storage)
    return tuple(made)


def _differentiable(outs: Sequence[Any]) -> list[int]:
    return [i for i, each in enumerate(outs) if each.dtype in DIFFERENTIABLE]


def _keeps_graph() -> bool:
    """Say whether the backward pass that torch is in leaves its graph for another one."""
    return bool(torch._C._autograd._get_current_graph_task_keep_graph())


def _no_lite_tensor(fn: Callable[..., Any], path: str) -> InputError:
    return InputError(
        message(
            "a function given to as_torch returned a torch tensor: it is a constant to nexnet.",
            rule=getattr(fn, "__name__", "as_torch"),
            argument=path,
            expected="LiteTensors",
            remedy="compute with the LiteTensors that it is given; nexnet.LiteTensor(tensor) gives a constant",
        )
    )
