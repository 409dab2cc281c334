"""The engine: a tensor's storage, a rule's context, the tape, the operator call and the backward loop.

Written in Cython's pure-Python mode: compiled when the package is built, and steppable as plain Python when it is not
(the same tests run on both forms). It only moves references and calls rules: its one piece of arithmetic is the sum of
gradients. Objects that can't be in a reference cycle are kept from the garbage collector (``no_gc``): a tape of a
million nodes would otherwise be scanned again and again while it grows.

Who refers to whom, and what therefore stays alive::

    LiteTensor --> data, key
    Tape ------> [Node, ...], {key, ...}
    Node ------> policy (the rule's class), ctx --> what this call of the rule saved
         ------> keys of its outputs and parents (shape, dtype and device, but no storage)
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import MethodType
from typing import Any

import cython
import numpy
import torch
from torch import Tensor

from . import _complaints
from ._complaints import NoLinks
from ._nested import leaves_of, map_leaves, rebuild
from ._random_state import RandomState

COMPLEX = frozenset({torch.complex64, torch.complex128})
DIFFERENTIABLE = frozenset({torch.float32, torch.float64, torch.float16, torch.bfloat16}) | COMPLEX
_COMPLEX64, _COMPLEX128 = torch.complex64, torch.complex128  # compared by identity: a real tensor pays nothing else
_PLAIN = frozenset({float, int, bool, complex, type(None), type(...), str, slice, torch.dtype, torch.device})
_CONSTANTS = _PLAIN - {float, complex}  # what can't vary smoothly with an input
_TORCH_ALIASES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "x1": "input", "x2": "other"}

_CPU = torch.device("cpu")
_NO_TENSOR = "backward returned something that is no tensor."

# Torch's kernels without its autograd dispatch; what they make are ordinary tensors, unlike inference_mode's.
# A private name, measured 0.1 us cheaper per call than no_grad, which serves where a torch does not have it.
kernels_only: Callable[[], AbstractContextManager[Any]] = getattr(torch._C, "_AutoDispatchBelowAutograd", torch.no_grad)


# ---------------------------------------------------------------------------------------------------------------------
# Tensors


@cython.no_gc
@cython.freelist(64)
@cython.cclass
class Key:
    """A tensor's identity on the tapes, with what its gradient is checked against. It holds no storage."""

    shape = cython.declare(object, visibility="readonly")
    dtype = cython.declare(object, visibility="readonly")
    device = cython.declare(object, visibility="readonly")

    def __init__(self, data: Tensor) -> None:
        self.shape = data.shape
        self.dtype = data.dtype
        self.device = _CPU if data.is_cpu else data.device


@cython.no_gc
@cython.cclass
class TensorBase:
    """The storage of a LiteTensor: a detached torch tensor, and a key once a tape has tracked it."""

    __weakref__ = cython.declare(object)
    data = cython.declare(object, visibility="readonly")
    key = cython.declare(Key, visibility="readonly")


_tensor_type: type[Any] = TensorBase


def register_tensor_type(cls: type[Any]) -> type[Any]:
    """Name the class (TensorBase with the methods) of which the engine makes its results."""
    global _tensor_type
    _tensor_type = cls
    return cls


@cython.ccall
def wrap(data: object) -> object:
    """Make a LiteTensor around a torch tensor that is known to be detached."""
    tensor: TensorBase = TensorBase.__new__(_tensor_type)
    tensor.data = data
    return tensor


def unwrap(value: Any) -> Any:
    """Give the torch tensor in a LiteTensor, any other value as it is."""
    return value.data if isinstance(value, TensorBase) else value


def is_tracked(tensor: TensorBase) -> bool:
    """Say whether an active tape of this thread differentiates by the tensor."""
    tape: TapeBase
    key = tensor.key
    if key is not None:
        for tape in _local.tapes:
            if key in tape.tracked:
                return True
    return False


def check_may_leave(tensor: TensorBase, method: str, only_in_rules: bool = False) -> None:
    """Refuse to hand a tracked tensor's values to code that nexnet can't see: its gradient would be cut silently.

    ``only_in_rules`` is for ``item()`` and its like, which a user may call freely (to print a loss), but which a rule
    that is itself being differentiated may not.
    """
    if (not only_in_rules or _local.inside_rule) and is_tracked(tensor):
        raise _complaints.leaves_nexnet(method)


# ---------------------------------------------------------------------------------------------------------------------
# Rules


@cython.no_gc
@cython.freelist(64)
@cython.cclass
class Context:
    """What one call of a rule keeps for its backward."""

    saved = cython.declare(tuple, visibility="readonly")
    parents = cython.declare(tuple, visibility="readonly")
    links = cython.declare(object, visibility="readonly")  # what was saved, as outer tapes see it; None: constants

    def __init__(self, saved: tuple[Any, ...] = (), parents: tuple[Any, ...] = (), links: Any = None) -> None:
        self.saved = saved
        self.parents = parents
        self.links = links

    def save(self, *values: Any) -> None:
        """Keep values for backward. Tensors come back from ``release`` differentiable, at every order."""
        self.saved = values

    @property
    def release(self) -> tuple[Any, ...]:
        """What ``save`` kept, in its order."""
        return self.saved

    @property
    def needs_input_grad(self) -> tuple[bool, ...]:
        """For each positional argument of forward, whether its gradient is asked for."""
        return tuple([key is not None for key in self.parents])

    def __repr__(self) -> str:
        return f"Context(saved={self.saved!r}, needs_input_grad={self.needs_input_grad!r})"


@cython.no_gc
@cython.cclass
class Rule:
    """The compiled base of ``nexnet.Policy``: holds one call's ``ctx``."""

    ctx = cython.declare(Context, visibility="readonly")  # all that an instance has: see Node.rule

    def __init__(self) -> None:
        self.ctx = Context()


@cython.no_gc
@cython.freelist(64)
@cython.cclass
class Node:
    """One recorded operation: the keys of its outputs and parents, and the rule that leads from one to the other."""

    output = cython.declare(object, visibility="readonly")  # the one output's key, or a tuple where a rule has several
    policy = cython.declare(object, visibility="readonly")
    ctx = cython.declare(Context, visibility="readonly")

    def __init__(self, output: Any, policy: type[Rule], ctx: Context) -> None:
        self.output = output
        self.policy = policy
        self.ctx = ctx

    @property
    def outputs(self) -> tuple[Key | None, ...]:
        """The keys of the outputs; None for one that can't carry a gradient."""
        return self.output if type(self.output) is tuple else (self.output,)

    @property
    def parents(self) -> tuple[Key | None, ...]:
        """The keys of forward's positional arguments; None for one that is not differentiated by."""
        return self.ctx.parents

    @property
    def rule(self) -> Rule:
        """An instance of the rule with this call's ctx. It has no other state, and so need not live until now."""
        rule: Rule = self.policy()
        rule.ctx = self.ctx
        return rule

    @property
    def bwd_fn(self) -> Callable[..., Any]:
        """The rule's ``backward``, bound to what this call saved."""
        return self.rule.backward

    @property
    def name(self) -> str:
        """The name of the rule."""
        return self.policy.__name__

    def __repr__(self) -> str:
        return f"Node({self.name}, parents={len(self.parents)}, outputs={len(self.outputs)})"


# ---------------------------------------------------------------------------------------------------------------------
# Tapes


@cython.cclass
class TapeBase:
    """The compiled base of ``nexnet.Tape``: the nodes of one evaluation, in order, and the keys that it tracks.

    With ``keep_values``, as ``trace`` makes it, the inputs and outputs of every operation stay alive beside its node.
    """

    nodes = cython.declare(list, visibility="readonly")
    tracked = cython.declare(set, visibility="readonly")
    values = cython.declare(list, visibility="readonly")

    def __init__(self, keep_values: bool = False) -> None:
        self.nodes = []
        self.tracked = set()
        self.values = [] if keep_values else None

    def watch(self, tensor: TensorBase) -> None:
        """Differentiate by this very tensor from now on."""
        if tensor.key is None:
            tensor.key = Key(tensor.data)
        self.tracked.add(tensor.key)

    def forget(self, length: int) -> None:
        """Drop the nodes beyond this length."""
        del self.nodes[length:]
        if self.values is not None:
            del self.values[length:]

    def __len__(self) -> int:
        return len(self.nodes)


class _Local(threading.local):
    """The thread's active tapes, outermost first, and whether a rule's own code is being differentiated."""

    def __init__(self) -> None:
        self.tapes: list[TapeBase] = []
        self.inside_rule = False
        self.mapped = 0  # how many vmaps are at work: in-place sums can't take a batched tensor into a plain one


_local = _Local()


class TapeContext:
    """The per-thread stack of active tapes."""

    @staticmethod
    def push(tape: TapeBase) -> None:
        """Make the tape this thread's innermost active one."""
        _local.tapes.append(tape)

    @staticmethod
    def pop() -> TapeBase:
        """Deactivate this thread's innermost tape and give it."""
        return _local.tapes.pop()

    @staticmethod
    def current() -> TapeBase | None:
        """Give this thread's innermost active tape, or None."""
        return _local.tapes[-1] if _local.tapes else None

    @staticmethod
    def active() -> tuple[TapeBase, ...]:
        """Give all of this thread's active tapes, outermost first."""
        return tuple(_local.tapes)

    @staticmethod
    @contextmanager
    def recording(tape: TapeBase) -> Iterator[TapeBase]:
        """Push the tape for a ``with`` block; it is popped under any exception."""
        tapes = _local.tapes
        depth = len(tapes)
        tapes.append(tape)
        try:
            yield tape
        finally:
            del tapes[depth:]

    @staticmethod
    @contextmanager
    def only(tapes: list[TapeBase]) -> Iterator[None]:
        """Make these tapes the active ones for a ``with`` block."""
        before = _local.tapes
        _local.tapes = list(tapes)
        try:
            yield
        finally:
            _local.tapes = before


# ---------------------------------------------------------------------------------------------------------------------
# The operator call: forward, and a node on each tape that tracks an argument


@cython.cclass
class OperatorBase:
    """The compiled base of ``nexnet.functions.Operator``: calls a rule's ``forward`` and records a node."""

    policy = cython.declare(object, visibility="readonly")
    signature = cython.declare(object, visibility="readonly")
    leaf = cython.declare(cython.bint, visibility="public")
    name = cython.declare(str, visibility="readonly")

    def __init__(self, policy: type[Rule]) -> None:
        signature = inspect.signature(policy.forward)
        self.policy = policy
        self.name = policy.__name__
        self.signature = signature.replace(parameters=list(signature.parameters.values())[1:])
        self.leaf = False  # forward is a torch kernel: even for higher orders it is called, not recorded

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs:
            args, kwargs = self._bind(args, kwargs)
        return self._call(args, kwargs)

    @cython.cfunc
    def _call(self, args: tuple, kwargs: dict) -> object:
        tensor: TensorBase
        tape: TapeBase
        key: Key | None
        tapes: list[TapeBase] = _local.tapes
        data: list[Any] = list(args)
        parents: list[Any] = [None] * len(data)
        recorders: list[TapeBase] | None = None
        for i in range(len(data)):
            arg = data[i]
            if isinstance(arg, TensorBase):
                tensor = arg
                data[i] = tensor.data
                key = tensor.key
                if key is not None:
                    for tape in tapes:
                        if key in tape.tracked:
                            parents[i] = key
                            recorders = tapes
                            break
            elif type(arg) not in _PLAIN:
                data[i] = _constant(arg, self.name, args)
        if recorders is not None and len(tapes) > 1:
            recorders = _those_tracking(parents, tapes)

        rule: Rule = self.policy()
        rule.ctx.parents = tuple(parents)
        if recorders is not None and len(recorders) > 1:
            return self._call_nested(rule, args, data, kwargs, recorders)
        out = rule.forward(*data, **kwargs) if kwargs else rule.forward(*data)
        result = wrap(out) if type(out) is Tensor else _wrap_all(out, self.name)
        if recorders is not None:
            _record(self.policy, rule.ctx, args, result, recorders)
        return result

    def __get__(self, instance: Any, owner: Any) -> Any:
        """Bind as a method, so that a class body can say ``exp = ops.exp``."""
        return self if instance is None else MethodType(self, instance)

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Rename numpy's keywords to torch's, and move tensors given by keyword to their positions."""
        parameters = self.signature.parameters
        for name in list(kwargs):
            if name not in parameters:
                if _TORCH_ALIASES.get(name) in parameters:
                    kwargs[_TORCH_ALIASES[name]] = kwargs.pop(name)
                elif name == "out":
                    raise _complaints.writes_into_out(self.name)
        for value in kwargs.values():
            if isinstance(value, (TensorBase, Tensor, numpy.ndarray)):
                bound = self.signature.bind(*args, **kwargs)
                bound.apply_defaults()
                for name, each in bound.kwargs.items():
                    if isinstance(each, TensorBase):
                        raise _complaints.static_tensor(self.name, name)
                return bound.args, bound.kwargs
            if type(value) not in _PLAIN:
                _constant(value, self.name, args)
        return args, kwargs

    # Higher orders. Two or more tapes record the call: the outer ones will differentiate the inner one's backward,
    # and so what the rule saves must itself be differentiable.

    def _call_nested(
        self, rule: Rule, args: tuple[Any, ...], data: list[Any], kwargs: dict[str, Any], recorders: list[TapeBase]
    ) -> Any:
        ctx: Context = rule.ctx
        parents = ctx.parents
        obstacle = None
        if not self.leaf:
            outer = recorders[:-1]
            marks = [len(tape.nodes) for tape in outer]
            try:
                out = self._trace(rule, args, kwargs, outer, marks)
            except Exception as error:  # forward on torch tensors will either work or raise it again
                obstacle = error
            else:
                result = self._leave_trace(ctx, args, out, outer, marks)
                _record(self.policy, ctx, args, result, recorders)
                return result
            rule = self.policy()
            ctx = rule.ctx
            ctx.parents = parents

        # Two arguments that share one torch tensor, or an output that is an argument, must be told apart when saved.
        for i in range(1, len(args)):
            if isinstance(args[i], TensorBase):
                for j in range(i):
                    if data[i] is data[j] and args[i] is not args[j]:
                        data[i] = data[i].detach()
                        break
        out = rule.forward(*data, **kwargs)
        out = _detach_inputs(out, data) if type(out) is Tensor else map_leaves(out, lambda o: _detach_inputs(o, data))
        result = _wrap_all(out, self.name)
        known = [
            (raw, arg if isinstance(arg, TensorBase) else _wrap_constant(raw))
            for raw, arg in zip(data, args, strict=True)
        ]
        if type(out) is Tensor:
            known.append((out, result))
        else:
            known += zip(leaves_of(out), leaves_of(result), strict=True)
        ctx.links = _link_flat(ctx.saved, known, obstacle is None)
        if ctx.links is None:
            ctx.links = map_leaves(ctx.saved, lambda each: _link(each, known))
            given = (*args, *kwargs.values())
            unlinked = [each for each in leaves_of(ctx.links) if _may_hide_inputs(each, given, obstacle)]
            if unlinked:
                ctx.links = NoLinks(self.name, unlinked[0], obstacle, self.leaf)
        _record(self.policy, ctx, args, result, recorders)
        return result

    def _trace(
        self, rule: Rule, args: tuple[Any, ...], kwargs: dict[str, Any], outer: list[TapeBase], marks: list[int]
    ) -> Any:
        """Run forward, once, on LiteTensors that the outer tapes record: intermediates are then functions of them."""
        random_state = RandomState((*args, *kwargs.values()))
        before = _local.inside_rule
        _local.inside_rule = True
        try:
            with TapeContext.only(outer):
                inputs = [
                    arg if isinstance(arg, TensorBase) or type(arg) in _PLAIN else _constant(arg, self.name, args)
                    for arg in args
                ]
                return rule.forward(*inputs, **kwargs)
        except BaseException:
            for tape, mark in zip(outer, marks, strict=True):
                tape.forget(mark)
            random_state.restore()
            raise
        finally:
            _local.inside_rule = before

    def _leave_trace(
        self, ctx: Context, args: tuple[Any, ...], out: Any, outer: list[TapeBase], marks: list[int]
    ) -> Any:
        """Give the outputs of a traced forward an identity of their own: from here on their gradient is the rule's."""
        fresh = {key for tape, mark in zip(outer, marks, strict=True) for n in tape.nodes[mark:] for key in n.outputs}
        own = {*fresh, *(arg.key for arg in args if isinstance(arg, TensorBase)), None}
        inside = [node for tape, mark in zip(outer, marks, strict=True) for node in tape.nodes[mark:]]
        if any(not own.issuperset(node.parents) for node in inside):
            raise _complaints.no_output(self.name, None, True)
        renamed: list[tuple[Any, Any]] = []

        def leave(each: Any) -> Any:
            if not isinstance(each, TensorBase):
                return _wrap_all(each, self.name)
            if each.key is not None and each.key in fresh:
                return _forget_key(each)
            alias = wrap(each.data.detach())
            if not any(each is arg for arg in args):
                renamed.append((each, alias))
            return alias

        result = map_leaves(out, leave)
        ctx.links = map_leaves(ctx.saved, lambda each: next((new for old, new in renamed if old is each), each))
        ctx.saved = map_leaves(ctx.links, unwrap)
        kept = leaves_of(ctx.links)
        if not any(callable(each) or (isinstance(each, TensorBase) and each.key in fresh) for each in kept):
            for tape, mark in zip(outer, marks, strict=True):
                tape.forget(mark)  # nothing refers to what forward computed on its way
        return result


@cython.cfunc
def _forget_key(tensor: TensorBase) -> object:
    tensor.key = None
    return tensor


def _constant(value: Any, rule: str, args: tuple[Any, ...]) -> Any:
    """Take an argument that is no LiteTensor: a constant of the operation."""
    if isinstance(value, Tensor):
        if value.requires_grad:
            raise _complaints.requires_grad(rule, value)
        return value
    if isinstance(value, numpy.ndarray):
        device = next((each.data.device for each in args if isinstance(each, TensorBase)), None)
        return torch.as_tensor(value, device=device)
    if isinstance(value, numpy.generic):
        return value.item()
    if any(isinstance(each, TensorBase) for each in leaves_of(value)):
        raise _complaints.tensor_in_container(rule, value)
    return value


def _wrap_all(out: Any, rule: str) -> Any:
    """Make LiteTensors of forward's outputs: a tensor, or a tuple or list of tensors and Nones."""
    if type(out) is Tensor:
        return wrap(out)
    if isinstance(out, (tuple, list)):
        return rebuild(out, [None if each is None else _wrap_all(each, rule) for each in out])
    if isinstance(out, Tensor):
        return wrap(out.detach())
    if isinstance(out, TensorBase) and not is_tracked(out):
        return wrap(out.data)
    raise _complaints.no_output(rule, out, isinstance(out, TensorBase))


def record_composite(
    policy: type[Rule], parents: tuple[Any, ...], saved: tuple[Any, ...], links: Any, result: Any, tapes: list[TapeBase]
) -> None:
    """Append a node for what was computed outside of an operator call, as ``vmap`` does for a whole function."""
    _record(policy, Context(saved, parents, links), (), result, tapes)


@contextmanager
def mapping() -> Iterator[None]:
    """Tell the backward loop that a vmap is at work on this thread."""
    _local.mapped += 1
    try:
        yield
    finally:
        _local.mapped -= 1


@cython.cfunc
def _those_tracking(parents: list, tapes: list) -> list:
    """Give the tapes that track one of the keys."""
    return [tape for tape in tapes if not tape.tracked.isdisjoint([key for key in parents if key is not None])]


@cython.cfunc
def _record(policy: Any, ctx: Context, args: tuple, result: Any, recorders: list) -> Any:
    """Append a node to the tapes, which from now on track the differentiable outputs."""
    tape: TapeBase
    node: Node
    if isinstance(result, TensorBase):
        output = _identify(result, policy, ctx.parents)
        recorded = output is not None
    else:
        output = tuple([None if each is None else _identify(each, policy, ctx.parents) for each in result])
        recorded = output.count(None) < len(output)
    if recorded:
        node = Node(output, _for_dtypes(policy, output, ctx.parents), ctx)
        for tape in recorders:
            tape.nodes.append(node)
            if type(output) is tuple:
                tape.tracked.update([key for key in output if key is not None])
            else:
                tape.tracked.add(output)
            if tape.values is not None:
                tape.values.append((args, result))
    return None


@cython.cfunc
def _for_dtypes(policy: Any, output: Any, parents: tuple) -> Any:
    """Give the rule; if a tensor is complex, in the form that it has for complex tensors."""
    key: Key | None
    if type(output) is tuple:
        gives = _has_complex(output)
    else:
        key = output
        gives = key.dtype is _COMPLEX64 or key.dtype is _COMPLEX128
    return policy.for_complex(gives) if gives or _has_complex(parents) else policy


@cython.cfunc
def _has_complex(keys: tuple) -> cython.bint:
    key: Key | None
    found = False
    for key in keys:
        if key is not None and (key.dtype is _COMPLEX64 or key.dtype is _COMPLEX128):
            found = True
    return found


@cython.cfunc
def _identify(tensor: TensorBase, policy: Any, parents: tuple) -> Any:
    """Give an output its identity, or None to one that can't carry a gradient."""
    key: Key = Key(tensor.data)
    parent: Key | None
    if key.dtype in DIFFERENTIABLE:
        for parent in parents:
            if parent is not None and parent.shape == key.shape:
                key.shape = parent.shape  # one object for both: a tape of many small nodes is that much smaller
                break
        tensor.key = key
        return key
    if key.dtype.is_complex:
        raise _complaints.not_for_complex(policy.__name__, f"an output of dtype {key.dtype}")
    return None


@cython.cfunc
def _detach_inputs(out: Any, data: list) -> Any:
    """Give an output that is an argument's own tensor as another tensor of the same storage."""
    for each in data:
        if each is out:
            return out.detach()
    return out


@cython.cfunc
def _link_flat(saved: tuple, known: list, numbers: cython.bint) -> Any:
    """Link what rules usually save, inputs, outputs and constants; give None if there is anything else."""
    links = []
    for value in saved:
        if type(value) is Tensor:
            link = _link(value, known)
            if link is value:
                return None
            links.append(link)
        elif type(value) in (_PLAIN if numbers else _CONSTANTS) or type(value) is torch.Size:
            links.append(value)
        else:
            return None
    return tuple(links)


@cython.ccall
def _link(value: Any, known: list) -> Any:
    """Give the LiteTensor that a saved torch tensor is; a tensor that can't carry a gradient is a constant."""
    for raw, tensor in known:
        if raw is value:
            return tensor
    return wrap(value) if isinstance(value, Tensor) and value.dtype not in DIFFERENTIABLE else value


def _may_hide_inputs(value: Any, given: tuple[Any, ...], obstacle: Exception | None) -> bool:
    """Say whether a saved value may be a function of the inputs that nexnet can't see."""
    if isinstance(value, TensorBase) or type(value) in _CONSTANTS or any(value is each for each in given):
        return False
    # A number may have come from item(): then forward, when it was traced, met an obstacle.
    return obstacle is not None or not isinstance(value, (float, complex))


# ---------------------------------------------------------------------------------------------------------------------
# The backward loop


def backward(tape: TapeBase, grads: dict[Any, Any], consume: bool = True) -> dict[Any, Any]:
    """Go through the tape in reverse; give the gradients, by key, of the tensors that no node of it has made.

    ``grads`` holds the seeds, ``{key: gradient}``, and is used up. While another tape is active the gradients are
    LiteTensors and each rule's backward is itself recorded; otherwise they are torch tensors. ``consume`` drops each
    node as the loop passes it.
    """
    before = _local.inside_rule
    recorded = len(_local.tapes) > 0
    if recorded:
        _local.inside_rule = True
    try:
        _backward_loop(tape, grads, consume, recorded)
    finally:
        _local.inside_rule = before
    return grads


def saved_versions(tape: TapeBase) -> list[int]:
    """Give how often each tensor that the tape's rules saved has been written into, in the order of the nodes."""
    node: Node
    versions: list[int] = []
    for node in tape.nodes:
        versions += [each._version for each in node.ctx.saved if type(each) is Tensor]
    return versions


def _backward_loop(tape: TapeBase, grads: dict[Any, Any], consume: bool, recorded: bool) -> None:
    nodes: list[Node] = tape.nodes
    tracked: set[Any] = tape.tracked
    node: Node
    key: Key | None
    tensor: TensorBase
    owned = set()  # keys whose gradient is a sum that this loop has made, and may add into
    in_place = not recorded and _local.mapped == 0
    for i in range(len(nodes) - 1, -1, -1):
        node = nodes.pop() if consume else nodes[i]
        incoming: tuple[Any, ...] | None = None
        if type(node.output) is tuple:
            incoming = _incoming(node, grads, recorded)
            grad = incoming
        else:
            grad = grads.pop(node.output, None)
        if grad is None:
            continue
        rule: Rule = node.policy()
        rule.ctx = _differentiable(node, tracked) if recorded else node.ctx
        try:
            result = rule.backward(grad) if incoming is None else rule.backward(*incoming)
        except Exception as error:
            error.add_note(f"(in the backward of the nexnet rule {node.name})")
            raise
        if type(result) is not tuple:
            result = tuple(result) if type(result) is list else (result,)
        parents: tuple[Any, ...] = node.ctx.parents
        results: tuple[Any, ...] = result
        if len(results) > len(parents) and leaves_of(results[len(parents) :]):
            raise _complaints.too_many_gradients(node.name, len(parents), len(results))
        for j in range(min(len(parents), len(results))):  # trailing Nones may be left out
            key = parents[j]
            grad = results[j]
            if key is None or grad is None or key not in tracked:
                continue
            if recorded:
                if not isinstance(grad, TensorBase):
                    if not isinstance(grad, Tensor):
                        raise _complaints.wrong_gradient(_NO_TENSOR, grad, node, key)
                    grad = wrap(grad)
                tensor = grad
                data = tensor.data
            else:
                if type(grad) is not Tensor:
                    grad = unwrap(grad)
                    if not isinstance(grad, Tensor):
                        raise _complaints.wrong_gradient(_NO_TENSOR, grad, node, key)
                data = grad
            if (
                data.shape != key.shape
                or data.dtype is not key.dtype
                or not (data.is_cpu if key.device is _CPU else data.device == key.device)
            ):
                grad = _fit(grad, data, node, key)
            total = grads.get(key)
            if total is None:
                grads[key] = grad
            elif in_place and key in owned:
                total.add_(grad)
            else:
                grads[key] = total + grad
                if in_place:
                    owned.add(key)


def _incoming(node: Node, grads: dict[Any, Any], recorded: bool) -> tuple[Any, ...] | None:
    """Give one gradient per output of a node that has several: zeros, or None, for an output that was not used."""
    incoming = [None if key is None else grads.pop(key, None) for key in node.output]
    if all(grad is None for grad in incoming):
        return None
    if node.policy.materialize_grads:
        for i, key in enumerate(node.output):
            if incoming[i] is None and key is not None:
                zeros = torch.zeros(key.shape, dtype=key.dtype, device=key.device)
                incoming[i] = wrap(zeros) if recorded else zeros
    return tuple(incoming)


def _differentiable(node: Node, tracked: set[Any]) -> Context:
    """Give what the node saved as LiteTensors, so that the active tapes record its backward."""
    ctx: Context = node.ctx
    links = ctx.links
    if isinstance(links, NoLinks):
        raise links.error()
    saved = map_leaves(ctx.saved, _wrap_constant) if links is None else links
    return Context(saved, tuple([key if key in tracked else None for key in ctx.parents]))


def _wrap_constant(value: Any) -> Any:
    return wrap(value) if isinstance(value, Tensor) else value


def _fit(grad: Any, data: Tensor, node: Node, key: Key) -> Any:
    """Undo broadcasting and dtype promotion: the one place where a gradient is summed or cast to its argument's kind.

    The same lines serve torch tensors and LiteTensors, so that the sum is itself differentiable.
    """
    if data.device != key.device:
        raise _complaints.wrong_gradient("backward returned a gradient on another device.", grad, node, key)
    if data.dtype not in DIFFERENTIABLE:
        raise _complaints.wrong_gradient("backward returned a gradient of a dtype that can't be one.", grad, node, key)
    if data.dtype in COMPLEX and key.dtype not in COMPLEX:
        grad = grad.real  # of dL/d(re) + i dL/d(im), what a real argument can move by
    shape = key.shape
    if data.shape != shape:
        extra = data.ndim - len(shape)
        if extra >= 0 and all(size == 1 or size == came for size, came in zip(shape, data.shape[extra:], strict=True)):
            dims = [i for i in range(data.ndim) if i < extra or shape[i - extra] != data.shape[i]]
            grad = grad.sum(dims, keepdim=True).reshape(shape)
        elif [size for size in shape if size != 1] == [size for size in data.shape if size != 1]:
            grad = grad.reshape(shape)
        else:
            raise _complaints.wrong_gradient("backward returned a gradient of the wrong shape.", grad, node, key)
    return grad if grad.dtype is key.dtype else grad.to(key.dtype)
