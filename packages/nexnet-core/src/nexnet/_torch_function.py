"""torch.autograd.Function on LiteTensors: its backward is the rule, at every order, with a ctx of its own.

``Function.apply`` is a name of torch's that nexnet puts its own under (modules/scripted.py and _distributions.py have
the others).
Torch asks nobody else about it: apply would call ``forward`` on LiteTensors, whose operations would be differentiated
in place of what ``backward`` says. A call without a LiteTensor goes to torch's own.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from . import _complaints
from ._nested import leaves_of, map_leaves
from .engine import DIFFERENTIABLE, MetStandIn, TensorBase, is_wrapped, stand_ins, wrap
from .policy import Operator, Policy, function
from .transforms.checkpoint import checkpoint

__all__: list[str] = []

_Function = torch.autograd.Function
_apply_in_torch: Any = vars(_Function)["apply"]
_ONCE = once_differentiable(len).__code__  # type: ignore[attr-defined]


class FunctionContext:
    """The ``ctx`` that a Function's methods get: what is set on it in forward is there in backward."""

    __slots__ = (
        "__dict__",
        "for_backward",
        "for_forward",
        "materialize",
        "needs_input_grad",
        "saved_tensors",
        "silent",
    )

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self.saved_tensors: tuple[Any, ...] = ()
        self.for_backward: tuple[Any, ...] = ()
        self.for_forward: tuple[Any, ...] = ()
        self.silent: tuple[Any, ...] = ()
        self.materialize = True

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors for ``backward``, where they are ``ctx.saved_tensors``."""
        self.for_backward = tensors

    def save_for_forward(self, *tensors: Any) -> None:
        """Keep tensors for ``jvp``."""
        self.for_forward = tensors

    def mark_non_differentiable(self, *outputs: Any) -> None:
        """Make constants of outputs."""
        self.silent = outputs

    def set_materialize_grads(self, value: bool) -> None:
        """Say whether ``backward`` gets zeros, or else None, for an output that was not used."""
        self.materialize = value

    def mark_dirty(self, *inputs: Any) -> None:
        """Refuse: nexnet is functional."""
        raise _complaints.writes_into_argument()


class _Call:
    """What one call has beside tensors: how its arguments and outputs are told apart, and what ``ctx`` was told."""

    def __init__(self, kwargs: dict[str, Any]) -> None:
        self.kwargs = kwargs
        self.arguments: list[Any] = []  # for each argument that is a tensor its shape, dtype and device, else None
        self.outputs: list[Any] = []  # the same for each output
        self.others: list[Any] = []  # what the outputs that are no tensors are
        self.several = False
        self.silent: list[bool] = []
        self.names: list[str] = []  # of the attributes that were set on ctx
        self.saved = 0  # how many tensors were saved for backward
        self.materialize = True


class _Rule(Policy):
    """A Function as a rule; each has a subclass of its own."""

    materialize_grads = False
    takes_trees = False  # torch's engine sees no tensors inside of containers
    wrapped: Any = None

    def forward(self, call: _Call, *args: Any) -> Any:
        ctx = FunctionContext(self.ctx.needs_input_grad[1:])
        if any(isinstance(each, TensorBase) for each in args):
            out = _run(self.wrapped, ctx, args, call.kwargs)
        else:
            out = _run_as_in_torch(self.wrapped, ctx, args, call.kwargs)
        call.several = isinstance(out, tuple)
        outs = out if call.several else (out,)
        attributes = ctx.__dict__
        saved = (*attributes.values(), *ctx.for_backward, *ctx.for_forward)
        if any(isinstance(each, TensorBase) for each in args):
            _check_followed((outs, saved), args)
        call.arguments = [_kind(each) for each in args]
        call.outputs = [_kind(each) for each in outs]
        call.others = [None if _is_tensor(each) else each for each in outs]
        call.silent = [any(each is other for other in ctx.silent) for each in outs]
        call.names, call.saved, call.materialize = list(attributes), len(ctx.for_backward), ctx.materialize
        self.ctx.save(call, *saved)
        return tuple([each for each in outs if _is_tensor(each)])

    def backward(self, *grads: Any) -> Any:
        call, ctx = self.restored(False)
        recorded = any(isinstance(each, TensorBase) for each in grads)
        if recorded and getattr(self.wrapped.backward, "__code__", None) is _ONCE:
            raise _complaints.once_differentiable(self.name)
        given = _spread(grads, call.outputs, call.materialize, recorded)
        try:
            result = self.wrapped.backward(ctx, *given)
        except RuntimeError as error:
            if "does not require grad" in str(error):
                raise _complaints.asks_torchs_graph(self.name) from error
            raise
        found = tuple(result) if isinstance(result, (tuple, list)) else (result,)
        count = len(call.arguments)
        if len(found) < count or any(each is not None for each in found[count:]):
            raise _complaints.wrong_number_of_gradients(self.name, count, len(found))
        return None, *found[:count]

    def restored(self, forward: bool) -> tuple[_Call, FunctionContext]:
        """Give the call, and a ctx with what was set on it and saved, for jvp if so it is said, else for backward."""
        call: _Call
        call, *values = self.ctx.release
        count = len(call.names)
        ctx = FunctionContext(self.ctx.needs_input_grad[1:])
        ctx.__dict__.update(zip(call.names, values, strict=False))
        for_backward, for_forward = values[count : count + call.saved], values[count + call.saved :]
        ctx.saved_tensors = tuple(for_forward if forward and for_forward else for_backward)
        return call, ctx


def _jvp(self: Any, *tangents: Any) -> Any:
    """Push tangents by the Function's own ``jvp``."""
    call, ctx = self.restored(True)
    recorded = any(isinstance(each, TensorBase) for each in tangents)
    given = [
        _zeros(kind, recorded) if each is None and _has_tangents(kind) and call.materialize else each
        for each, kind in zip(tangents[1:], call.arguments, strict=True)
    ]
    result = self.wrapped.jvp(ctx, *given)
    found = result if isinstance(result, tuple) else (result,)
    return tuple([each for each, kind in zip(found, call.outputs, strict=True) if kind is not None])


def _apply(cls: Any, *args: Any, **kwargs: Any) -> Any:
    if any(hasattr(each, "__lite__") for each in (*args, *kwargs.values())):  # inside of a model of torch's
        if _is_checkpoint(cls):  # whose parameters are others when the gradients are asked for
            return args[0](*args[2:], **kwargs)
        return stand_ins(functools.partial(_apply, cls), MetStandIn(args), kwargs)
    if not any(_has_lite(each) for each in (*args, *kwargs.values())):
        return _apply_in_torch.__get__(None, cls)(*args, **kwargs)
    if _is_checkpoint(cls):
        return checkpoint(args[0])(*args[2:], **kwargs)  # torch's would ask torch's graph for the gradients
    args, kwargs = _bound(cls, args, kwargs)
    call = _Call(kwargs)
    tensors = iter(_operator_of(cls)(call, *args))
    outs: list[Any] = []
    for other, kind, silent in zip(call.others, call.outputs, call.silent, strict=True):
        each = other if kind is None else next(tensors)
        outs.append(wrap(each.data) if silent and kind is not None else each)
    return tuple(outs) if call.several else outs[0]


def _is_checkpoint(cls: Any) -> bool:
    return bool(cls.__name__ == "CheckpointFunction" and cls.__module__ == "torch.utils.checkpoint")


def _operator_of(cls: Any) -> Operator:
    """Give the operator that stands for a Function, made when it first meets a LiteTensor; the class keeps it."""
    found: Operator | None = cls.__dict__.get("_nexnet_operator")
    if found is None:
        own = {"wrapped": cls, "__module__": cls.__module__, "__doc__": cls.__doc__}
        if cls.jvp is not _Function.jvp:
            own["jvp"] = _jvp
        made: Any = type(_Rule)
        found = cls._nexnet_operator = function(made(cls.__name__, (_Rule,), own))
    return found


def _bound(cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Bring arguments by keyword, and those left out, to their places."""
    with_context = cls.setup_context is _Function.setup_context
    if not kwargs and with_context:
        return args, kwargs
    bound = inspect.signature(cls.forward).bind(*((None,) if with_context else ()), *args, **kwargs)
    bound.apply_defaults()
    return bound.args[1:] if with_context else bound.args, bound.kwargs


def _run(cls: Any, ctx: FunctionContext, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call forward, in either of the two forms that torch has for it."""
    if cls.setup_context is _Function.setup_context:
        return cls.forward(ctx, *args, **kwargs)
    out = cls.forward(*args, **kwargs)
    cls.setup_context(ctx, args, out)
    return out


def _run_as_in_torch(cls: Any, ctx: FunctionContext, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call forward on tensors that say, as torch's do there, whether a gradient by them is asked for."""
    asked: dict[int, tuple[Tensor, Tensor]] = {}
    given = list(args)
    for i, (each, needed) in enumerate(zip(args, ctx.needs_input_grad, strict=False)):
        if needed and isinstance(each, Tensor) and not is_wrapped(each):
            given[i] = each.detach().requires_grad_()
            asked[id(given[i])] = (given[i], each)

    def own(value: Any) -> Any:
        return map_leaves(value, lambda each: asked[id(each)][1] if id(each) in asked else each)

    try:
        with torch.no_grad():
            out = _run(cls, ctx, tuple(given), kwargs)
    finally:
        for each, _ in asked.values():
            each.requires_grad_(False)
    ctx.for_backward, ctx.for_forward, ctx.silent = own(ctx.for_backward), own(ctx.for_forward), own(ctx.silent)
    for name, each in ctx.__dict__.items():
        ctx.__dict__[name] = own(each)
    return own(out)


def _check_followed(made: Any, args: tuple[Any, ...]) -> None:
    """Refuse what a forward on LiteTensors made elsewhere: outer tapes would take it for a constant."""
    for each in leaves_of(made):
        if isinstance(each, Tensor) and each.dtype in DIFFERENTIABLE and not any(each is arg for arg in args):
            raise _complaints.leaves_in_forward()


def _spread(grads: tuple[Any, ...], kinds: list[Any], materialize: bool, recorded: bool) -> list[Any]:
    """Give one gradient per output, as torch does: None for one that is no tensor."""
    rest = iter(grads)
    found: list[Any] = []
    for kind in kinds:
        grad = None if kind is None else next(rest)
        found.append(_zeros(kind, recorded) if grad is None and kind is not None and materialize else grad)
    return found


def _has_tangents(kind: Any) -> bool:
    return kind is not None and kind[1] in DIFFERENTIABLE


def _zeros(kind: Any, recorded: bool) -> Any:
    shape, dtype, device = kind
    made = torch.zeros(shape, dtype=dtype, device=device)
    return wrap(made) if recorded else made


def _is_tensor(value: Any) -> bool:
    return isinstance(value, (Tensor, TensorBase))


def _kind(value: Any) -> Any:
    return (value.shape, value.dtype, value.device) if _is_tensor(value) else None


def _has_lite(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(isinstance(each, TensorBase) for each in value)
    return isinstance(value, TensorBase)


_Function.apply = classmethod(functools.wraps(_Function.apply)(_apply))  # type: ignore[assignment, method-assign]
