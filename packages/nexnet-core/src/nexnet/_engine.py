"""The engine: a tensor's storage, a rule's context, the tape, the operator call and the backward loop.

Written in Cython's pure-Python mode: compiled when the package is built, and steppable as plain Python when it is not
(the same tests run on both forms). It only moves references and calls rules: its one piece of arithmetic is the sum of
gradients. Objects that can't be in a reference cycle are kept from the garbage collector (``no_gc``): a tape of a
million nodes would otherwise be scanned again and again while it grows.

Who refers to whom, and what therefore stays alive::

    LiteTensor --> data, key
    Tape ------> [Node, ...]    a node is the instance of the rule that was called
    Node ------> what this call of the rule saved
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
from .errors import InputError

if cython.compiled:
    from cython.cimports.cpython.object import PyTypeObject
    from cython.cimports.cpython.pystate import PyThreadState_GetDict

COMPLEX = frozenset({torch.complex64, torch.complex128})
DIFFERENTIABLE = frozenset({torch.float32, torch.float64, torch.float16, torch.bfloat16}) | COMPLEX
_COMPLEX64, _COMPLEX128 = torch.complex64, torch.complex128  # compared by identity: a real tensor pays nothing else
_PLAIN = frozenset({float, int, bool, complex, type(None), type(...), str, slice, torch.dtype, torch.device})
_CONSTANTS = _PLAIN - {float, complex}  # what can't vary smoothly with an input
_TORCH_ALIASES = {  # numpy's names, and the names that torch's parser and its documentation give to one argument
    "axis": "dim", "keepdims": "keepdim", "x": "input", "x1": "input", "x2": "other", "input": "A", "mat2": "other",
    "vec": "other", "tensor": "other", "dim0": "axis0", "dim1": "axis1",
}  # fmt: skip

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
    home = cython.declare(object, visibility="readonly")  # the token of the tape that tracked it first

    def __init__(self, data: Tensor) -> None:
        self.shape = data.shape
        self.dtype = data.dtype
        self.device = _CPU if data.is_cpu else data.device


@cython.no_gc
@cython.cclass
class TensorBase:
    """The storage of a LiteTensor: a detached torch tensor, and a key once a tape has tracked it.

    What rules ask for most stands here, in C, and so does arithmetic; all other methods are LiteTensor's.
    """

    __weakref__ = cython.declare(object)
    data = cython.declare(object, visibility="readonly")
    key = cython.declare(Key, visibility="readonly")

    @property
    def shape(self) -> torch.Size:
        """The size of each dimension."""
        return self.data.shape if self.key is None else self.key.shape

    @property
    def dtype(self) -> torch.dtype:
        """The element type."""
        return self.data.dtype if self.key is None else self.key.dtype

    @property
    def device(self) -> torch.device:
        """Where the storage is."""
        return self.data.device

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.data.ndim

    def __add__(self, other: Any) -> Any:
        return _infix(_arithmetic.add, self, other)

    def __radd__(self, other: Any) -> Any:
        return _infix(_arithmetic.add, other, self)

    def __sub__(self, other: Any) -> Any:
        return _infix(_arithmetic.sub, self, other)

    def __rsub__(self, other: Any) -> Any:
        return _infix(_arithmetic.sub, other, self)

    def __mul__(self, other: Any) -> Any:
        return _infix(_arithmetic.mul, self, other)

    def __rmul__(self, other: Any) -> Any:
        return _infix(_arithmetic.mul, other, self)

    def __truediv__(self, other: Any) -> Any:
        return _infix(_arithmetic.div, self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _infix(_arithmetic.div, other, self)

    def __matmul__(self, other: Any) -> Any:
        return _infix(_arithmetic.matmul, self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return _infix(_arithmetic.matmul, other, self)

    def __neg__(self) -> Any:
        return _arithmetic.neg(self)


@cython.cfunc
def _instance(base: object, cls: object) -> object:
    """Make an instance of a subclass, without its ``__new__`` and in C all the way."""
    if cython.compiled:
        make = cython.cast(cython.pointer(PyTypeObject), base).tp_new
        return make(cython.cast(type, cls), cython.NULL, cython.NULL)
    return base.__new__(cls)  # type: ignore[arg-type]


_tensor_type = cython.declare(type, TensorBase)


def register_tensor_type(cls: type[Any]) -> type[Any]:
    """Name the class (TensorBase with the methods) of which the engine makes its results."""
    global _tensor_type
    _tensor_type = cls
    return cls


@cython.ccall
def wrap(data: object) -> object:
    """Make a LiteTensor around a torch tensor that is known to be detached."""
    tensor: TensorBase = _instance(TensorBase, _tensor_type)
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
        for tape in _this_thread().tapes:
            if tape.tracks(key):
                return True
    return False


def check_may_leave(tensor: TensorBase, method: str, only_in_rules: bool = False) -> None:
    """Refuse to hand a tracked tensor's values to code that nexnet can't see: its gradient would be cut silently.

    ``only_in_rules`` is for ``item()`` and its like, which a user may call freely (to print a loss), but which a rule
    that is itself being differentiated may not.
    """
    if (not only_in_rules or _this_thread().inside_rule) and is_tracked(tensor):
        raise _complaints.leaves_nexnet(method)


# ---------------------------------------------------------------------------------------------------------------------
# Rules


@cython.no_gc
@cython.cclass
class Context:
    """What one call of a rule keeps for its backward."""

    saved = cython.declare(tuple, visibility="readonly")
    parents = cython.declare(tuple, visibility="readonly")
    links = cython.declare(object, visibility="readonly")  # what was saved, as outer tapes see it; None: constants

    def __init__(self) -> None:
        self.saved = ()
        self.parents = ()

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
        parents: tuple[Any, ...] = self.parents
        if len(parents) == 2:
            return (parents[0] is not None, parents[1] is not None)
        if len(parents) == 3:
            return (parents[0] is not None, parents[1] is not None, parents[2] is not None)
        return tuple([key is not None for key in parents])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(saved={self.saved!r}, needs_input_grad={self.needs_input_grad!r})"


@cython.no_gc
@cython.cclass
class Node(Context):
    """One recorded operation, and the compiled base of ``nexnet.Policy``.

    A call of a rule is one object: the rule's instance, which is its own ``ctx``, and the node on the tape once it has
    the keys of its outputs and parents.
    """

    output = cython.declare(object, visibility="readonly")  # the one output's key, or a tuple where a rule has several
    exact = cython.declare(cython.bint, visibility="readonly")  # each gradient is known to fit its argument

    @property
    def ctx(self) -> Any:
        """What this call keeps."""
        return self

    @property
    def outputs(self) -> tuple[Key | None, ...]:
        """The keys of the outputs; None for one that can't carry a gradient."""
        return self.output if type(self.output) is tuple else (self.output,)

    @property
    def bwd_fn(self) -> Callable[..., Any]:
        """The rule's ``backward``, bound to what this call saved."""
        return self.backward

    @property
    def name(self) -> str:
        """The name of the rule."""
        return type(self).__name__

    def __repr__(self) -> str:
        if self.output is None:
            return super().__repr__()
        return f"Node({self.name}, parents={len(self.parents)}, outputs={len(self.outputs)})"


@cython.ccall
def make_node(
    policy: Any, saved: tuple, parents: tuple, links: object, output: object, exact: cython.bint = False
) -> Node:
    """Make a rule's node of its parts."""
    node: Node = _instance(Node, policy)
    node.exact = exact
    node.saved = saved
    node.parents = parents
    node.links = links
    node.output = output
    return node


# ---------------------------------------------------------------------------------------------------------------------
# Tapes


@cython.cclass
class TapeBase:
    """The compiled base of ``nexnet.Tape``: the nodes of one evaluation, in order, and the keys that it tracks.

    With ``keep_values``, as ``trace`` makes it, the inputs and outputs of every operation stay alive beside its node.
    """

    nodes = cython.declare(list, visibility="readonly")
    values = cython.declare(list, visibility="readonly")
    token = cython.declare(object)  # the home of the keys that this tape was the first to track
    tracked = cython.declare(set)  # all other keys that it tracks

    def __init__(self, keep_values: bool = False) -> None:
        self.nodes = []
        self.values = [] if keep_values else None
        self.token = object()
        self.tracked = set()

    def watch(self, tensor: TensorBase) -> None:
        """Differentiate by this very tensor from now on."""
        if tensor.key is None:
            tensor.key = Key(tensor.data)
            tensor.key.home = self.token
        else:
            self.tracked.add(tensor.key)

    def track(self, keys: Any) -> None:
        """Differentiate by the tensors that have these keys from now on."""
        self.tracked.update(keys)

    @cython.ccall
    def tracks(self, key: Key | None) -> cython.bint:
        """Say whether this tape differentiates by the tensor that has the key."""
        return key is not None and _tracks(self, key)

    def forget(self, length: int) -> None:
        """Drop the nodes beyond this length."""
        del self.nodes[length:]
        if self.values is not None:
            del self.values[length:]

    def __len__(self) -> int:
        return len(self.nodes)


@cython.cfunc
def _tracks(tape: TapeBase, key: Key) -> cython.bint:
    return key.home is tape.token or key in tape.tracked


@cython.cclass
class _Thread:
    """A thread's active tapes, outermost first, and whether a rule's own code is being differentiated."""

    tapes = cython.declare(list, visibility="public")
    inside_rule = cython.declare(cython.bint, visibility="public")
    mapped = cython.declare(cython.int, visibility="public")  # how many vmaps are at work

    def __init__(self) -> None:
        self.tapes = []
        self.inside_rule = False
        self.mapped = 0


class _Local(threading.local):
    def __init__(self) -> None:
        self.thread = _Thread()


_local = _Local()


@cython.cfunc
def _this_thread() -> _Thread:
    """Give the running thread's own; compiled, from CPython's dictionary, at a third of threading.local's price."""
    if cython.compiled:
        kept: dict = cython.cast(dict, PyThreadState_GetDict())
        thread = kept.get(_local)
        if thread is None:
            thread = kept[_local] = _Thread()
        return thread
    return _local.thread


@cython.cclass
class Recording:
    """A ``with`` block for which a tape is active; a class, since a generator would take three times as long."""

    tape = cython.declare(TapeBase)
    tapes = cython.declare(list)
    depth = cython.declare(cython.Py_ssize_t)

    def __init__(self, tape: TapeBase) -> None:
        self.tape = tape

    def __enter__(self) -> TapeBase:
        self.tapes = _this_thread().tapes
        self.depth = len(self.tapes)
        self.tapes.append(self.tape)
        return self.tape

    def __exit__(self, *exception: object) -> None:
        del self.tapes[self.depth :]


class TapeContext:
    """The per-thread stack of active tapes."""

    @staticmethod
    def push(tape: TapeBase) -> None:
        """Make the tape this thread's innermost active one."""
        _this_thread().tapes.append(tape)

    @staticmethod
    def pop() -> TapeBase:
        """Deactivate this thread's innermost tape and give it."""
        return _this_thread().tapes.pop()

    @staticmethod
    def current() -> TapeBase | None:
        """Give this thread's innermost active tape, or None."""
        return _this_thread().tapes[-1] if _this_thread().tapes else None

    @staticmethod
    def active() -> tuple[TapeBase, ...]:
        """Give all of this thread's active tapes, outermost first."""
        return tuple(_this_thread().tapes)

    @staticmethod
    def recording(tape: TapeBase) -> Recording:
        """Push the tape for a ``with`` block; it is popped under any exception."""
        return Recording(tape)

    @staticmethod
    @contextmanager
    def only(tapes: list[TapeBase]) -> Iterator[None]:
        """Make these tapes the active ones for a ``with`` block."""
        before = _this_thread().tapes
        _this_thread().tapes = list(tapes)
        try:
            yield
        finally:
            _this_thread().tapes = before


# ---------------------------------------------------------------------------------------------------------------------
# The operator call: forward, and a node on each tape that tracks an argument


@cython.cclass
class OperatorBase:
    """The compiled base of ``nexnet.functions.Operator``: calls a rule's ``forward`` and records a node."""

    policy = cython.declare(object, visibility="readonly")
    _signature = cython.declare(object)
    leaf = cython.declare(cython.bint, visibility="public")
    name = cython.declare(str, visibility="readonly")
    forward = cython.declare(object)
    elementwise = cython.declare(cython.bint)
    scalars_as_tensors = cython.declare(cython.bint)

    def __init__(self, policy: Any) -> None:
        self.policy = policy
        self.name = policy.__name__
        self._signature = None
        self.leaf = False  # forward is a torch kernel: even for higher orders it is called, not recorded
        self.forward = policy.forward
        self.elementwise = policy.elementwise
        self.scalars_as_tensors = policy.scalars_as_tensors

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs:
            args, kwargs = self._bind(args, kwargs)
        return self._call(args, kwargs)

    @cython.cfunc
    def _call(self, args: tuple, kwargs: dict | None) -> object:
        key: Key | None
        first: Any = None
        second: Any = None
        data: list[Any] | None = None
        recorders: list[TapeBase] | None = None
        node: Node = _instance(Node, self.policy)
        tapes: list[TapeBase] = _this_thread().tapes
        count: cython.Py_ssize_t = len(args)
        node.saved = ()
        if count == 1:  # nearly every call has one operand or two: those go without a list of them
            first = _unwrapped(args[0], self.name, args)
            node.parents = (_tracked(args[0], tapes),)
        elif count == 2:
            first = _unwrapped(args[0], self.name, args)
            second = _unwrapped(args[1], self.name, args)
            if self.scalars_as_tensors:
                first, second = scalar(first, second), scalar(second, first)
            node.parents = (_tracked(args[0], tapes), _tracked(args[1], tapes))
        else:
            data = [_unwrapped(arg, self.name, args) for arg in args]
            node.parents = tuple([_tracked(arg, tapes) for arg in args])
        for key in node.parents:
            if key is not None:
                recorders = tapes if len(tapes) == 1 else _those_tracking(node.parents, tapes)
                if len(recorders) > 1:
                    operands = [first] if count == 1 else [first, second] if data is None else data
                    return self._call_nested(node, args, operands, kwargs or {}, recorders)
                break

        if data is not None:
            out = self.forward(node, *data, **kwargs) if kwargs else self.forward(node, *data)
        elif kwargs:
            out = self.forward(node, first, **kwargs) if count == 1 else self.forward(node, first, second, **kwargs)
        else:
            out = self.forward(node, first) if count == 1 else self.forward(node, first, second)
        result = wrap(out) if type(out) is Tensor else _wrap_all(out, self.name)
        if recorders is not None:
            self._record(node, args, result, recorders)
        return result

    @cython.cfunc
    def _record(self, node: Node, args: tuple, result: Any, recorders: list) -> Any:
        """Append the node to the tapes; an output of an elementwise rule is not asked for what is already known."""
        tensor: TensorBase
        key: Key | None = _common_key(node.parents, args) if self.elementwise else None
        if key is None or key.dtype in COMPLEX or not isinstance(result, TensorBase):
            _append(node, args, result, recorders)
        else:
            tensor = result
            home: TapeBase = recorders[0]
            tensor.key = node.output = _like(key, home.token)
            node.exact = True
            _append_to(node, args, result, recorders)
        return None

    @property
    def signature(self) -> inspect.Signature:
        """That of the rule's ``forward``, looked up when it is first asked for: an import makes many operators."""
        if self._signature is None:
            signature = inspect.signature(self.policy.forward)
            self._signature = signature.replace(parameters=list(signature.parameters.values())[1:])
        return self._signature

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
        self, node: Node, args: tuple[Any, ...], data: list[Any], kwargs: dict[str, Any], recorders: list[TapeBase]
    ) -> Any:
        obstacle = None
        if not self.leaf:
            outer = recorders[:-1]
            marks = [len(tape.nodes) for tape in outer]
            try:
                out = self._trace(node, args, kwargs, outer, marks)
            except Exception as error:  # forward on torch tensors will either work or raise it again
                obstacle = error
            else:
                result = self._leave_trace(node, args, out, outer, marks)
                self._record(node, args, result, recorders)
                return result
            node = make_node(self.policy, (), node.parents, None, None)

        # Two arguments that share one torch tensor, or an output that is an argument, must be told apart when saved.
        for i in range(1, len(args)):
            if isinstance(args[i], TensorBase):
                for j in range(i):
                    if data[i] is data[j] and args[i] is not args[j]:
                        data[i] = data[i].detach()
                        break
        out = self.forward(node, *data, **kwargs) if kwargs else self.forward(node, *data)
        if type(out) is Tensor:
            out = _detach_inputs(out, data)
            result = wrap(out)
            raws, lites = [*data, out], [*args, result]
        else:
            out = map_leaves(out, lambda each: _detach_inputs(each, data))
            result = _wrap_all(out, self.name)
            raws, lites = [*data, *leaves_of(out)], [*args, *leaves_of(result)]
        node.links = _link_flat(node.saved, raws, lites, obstacle is None)
        if node.links is None:
            node.links = map_leaves(node.saved, lambda each: _link(each, raws, lites))
            given = (*args, *kwargs.values())
            unlinked = [each for each in leaves_of(node.links) if _may_hide_inputs(each, given, obstacle)]
            if unlinked:
                node.links = NoLinks(self.name, unlinked[0], obstacle, self.leaf)
        self._record(node, args, result, recorders)
        return result

    def _trace(
        self, node: Node, args: tuple[Any, ...], kwargs: dict[str, Any], outer: list[TapeBase], marks: list[int]
    ) -> Any:
        """Run forward, once, on LiteTensors that the outer tapes record: intermediates are then functions of them."""
        random_state = RandomState((*args, *kwargs.values()))
        before = _this_thread().inside_rule
        _this_thread().inside_rule = True
        try:
            with TapeContext.only(outer):
                inputs = [
                    arg if isinstance(arg, TensorBase) or type(arg) in _PLAIN else _constant(arg, self.name, args)
                    for arg in args
                ]
                return self.forward(node, *inputs, **kwargs)
        except BaseException:
            for tape, mark in zip(outer, marks, strict=True):
                tape.forget(mark)
            random_state.restore()
            raise
        finally:
            _this_thread().inside_rule = before

    def _leave_trace(self, node: Node, args: tuple[Any, ...], out: Any, outer: list[TapeBase], marks: list[int]) -> Any:
        """Give the outputs of a traced forward an identity of their own: from here on their gradient is the rule's."""
        fresh = {key for tape, mark in zip(outer, marks, strict=True) for n in tape.nodes[mark:] for key in n.outputs}
        own = {*fresh, *(arg.key for arg in args if isinstance(arg, TensorBase)), None}
        inside = [n for tape, mark in zip(outer, marks, strict=True) for n in tape.nodes[mark:]]
        if any(not own.issuperset(n.parents) for n in inside):
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
        node.links = map_leaves(node.saved, lambda each: next((new for old, new in renamed if old is each), each))
        node.saved = map_leaves(node.links, unwrap)
        kept = leaves_of(node.links)
        if not any(callable(each) or (isinstance(each, TensorBase) and each.key in fresh) for each in kept):
            for tape, mark in zip(outer, marks, strict=True):
                tape.forget(mark)  # nothing refers to what forward computed on its way
        return result


@cython.cclass
class _Arithmetic:
    """The operators behind Python's signs."""

    add: OperatorBase
    sub: OperatorBase
    mul: OperatorBase
    div: OperatorBase
    matmul: OperatorBase
    neg: OperatorBase


_arithmetic = cython.declare(_Arithmetic, _Arithmetic())


def register_arithmetic(
    add: OperatorBase, sub: OperatorBase, mul: OperatorBase, div: OperatorBase, matmul: OperatorBase, neg: OperatorBase
) -> None:
    """Name the operators that +, -, *, / and @ of LiteTensors call."""
    _arithmetic.add, _arithmetic.sub, _arithmetic.mul = add, sub, mul
    _arithmetic.div, _arithmetic.matmul, _arithmetic.neg = div, matmul, neg


@cython.cfunc
def _infix(operator: OperatorBase, left: object, right: object) -> object:
    """Call an operator; what it can't take is left to the other operand, as Python asks."""
    try:
        return operator._call((left, right), None)
    except InputError:
        raise
    except TypeError:
        return NotImplemented


@cython.cfunc
def _tracked(value: object, tapes: list) -> object:
    """Give the key of a tensor that one of the tapes differentiates by, else None."""
    tape: TapeBase
    key: Key | None
    if isinstance(value, TensorBase):
        key = cython.cast(TensorBase, value).key
        if key is not None:
            for tape in tapes:
                if _tracks(tape, key):
                    return key
    return None


@cython.cfunc
def _unwrapped(value: object, rule: str, args: tuple) -> object:
    """Give what forward gets for an argument: for a LiteTensor the torch tensor in it."""
    if isinstance(value, TensorBase):
        return cython.cast(TensorBase, value).data
    return value if type(value) in _PLAIN else _constant(value, rule, args)


is_wrapped: Callable[[Tensor], bool] = torch._C._functorch.is_functorch_wrapped_tensor
# Torch wraps a Python number anew whenever it meets a tensor, which takes longer than to multiply by it.
_scalars = cython.declare(dict, {torch.float32: {}, torch.float64: {}})


@cython.ccall
def scalar(value: object, beside: object) -> object:
    """Give a number that is met again and again as a tensor of what stands beside it, any other value as it is."""
    if (type(value) is not float and type(value) is not int) or type(beside) is not Tensor:
        return value
    known: dict | None = _scalars.get(beside.dtype)
    if known is None or not beside.is_cpu or not 1e-30 < abs(value) < 1e30:
        return value
    if value not in known:
        if len(known) >= 1000:
            known.clear()
        known[value] = None
        return value
    tensor = known[value]
    if tensor is None:
        tensor = torch.tensor(value, dtype=beside.dtype, device=_CPU)
        if type(tensor) is not Tensor or tensor.is_inference() or is_wrapped(tensor):
            return value  # some mode or transform of torch's is on, and would be kept with it
        known[value] = tensor
    return tensor


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
    policy: type[Node], parents: tuple[Any, ...], saved: tuple[Any, ...], links: Any, result: Any, tapes: list[TapeBase]
) -> None:
    """Append a node for what was computed outside of an operator call, as ``vmap`` does for a whole function."""
    _append(make_node(policy, saved, parents, links, None), (), result, tapes)


def aliases(tensors: Any, policy: type[Node]) -> list[Any]:
    """Give new tensors of the same values, linked by the rule to the old ones on the tapes that track those."""
    tensor: TensorBase
    fresh: TensorBase
    home: TapeBase
    key: Key | None
    tapes: list[TapeBase] = _this_thread().tapes
    found = []
    for tensor in tensors:
        fresh = wrap(tensor.data)
        key = _tracked(tensor, tapes)
        if key is not None:
            recorders = _those_tracking((key,), tapes)
            home = recorders[0]
            fresh.key = _like(key, home.token)
            _append_to(make_node(policy, (), (key,), None, fresh.key, True), (tensor,), fresh, recorders)
        found.append(fresh)
    return found


@contextmanager
def mapping() -> Iterator[None]:
    """Tell the backward loop that a vmap is at work on this thread."""
    thread: _Thread = _this_thread()
    thread.mapped += 1
    try:
        yield
    finally:
        thread.mapped -= 1


@cython.cfunc
def _those_tracking(parents: tuple, tapes: list) -> list:
    """Give the tapes that track one of the keys."""
    tape: TapeBase
    key: Key | None
    found = []
    for tape in tapes:
        for key in parents:
            if key is not None and _tracks(tape, key):
                found.append(tape)
                break
    return found


@cython.cfunc
def _append(node: Node, args: tuple, result: Any, recorders: list) -> Any:
    """Identify the differentiable outputs, and append the node to the tapes, which from now on track them."""
    home: TapeBase = recorders[0]
    if isinstance(result, TensorBase):
        node.output = _identify(result, node, home)
        if node.output is None:
            return None
    else:
        output = tuple([None if each is None else _identify(each, node, home) for each in result])
        if output.count(None) == len(output):
            return None
        node.output = output
    _append_to(_for_dtypes(node), args, result, recorders)
    return None


@cython.cfunc
def _for_dtypes(node: Node) -> Node:
    """Give the node; if a tensor is complex, as one of the form that its rule has for complex tensors."""
    gives = _has_complex(node.outputs)
    if not gives and not _has_complex(node.parents):
        return node
    policy = type(node).for_complex(gives)
    return make_node(policy, node.saved, node.parents, node.links, node.output)


@cython.cfunc
def _has_complex(keys: tuple) -> cython.bint:
    key: Key | None
    for key in keys:  # noqa: SIM110  any() would make a generator
        if key is not None and (key.dtype is _COMPLEX64 or key.dtype is _COMPLEX128):
            return True
    return False


@cython.cfunc
def _append_to(node: Node, args: tuple, result: Any, recorders: list) -> Any:
    tape: TapeBase
    for tape in recorders:
        tape.nodes.append(node)
        if tape.values is not None:
            tape.values.append((args, result))
    if len(recorders) > 1:
        for tape in recorders[1:]:
            tape.tracked.update([key for key in node.outputs if key is not None])
    return None


@cython.cfunc
def _identify(tensor: TensorBase, node: Node, home: TapeBase) -> Any:
    """Give an output its identity, or None to one that can't carry a gradient."""
    key: Key = Key(tensor.data)
    parent: Key | None
    if key.dtype in DIFFERENTIABLE:
        for parent in node.parents:
            if parent is not None and parent.shape == key.shape:
                key.shape = parent.shape  # one object for both: a tape of many small nodes is that much smaller
                break
        key.home = home.token
        tensor.key = key
        return key
    if key.dtype.is_complex:
        raise _complaints.not_for_complex(node.name, f"an output of dtype {key.dtype}")
    return None


@cython.cfunc
def _like(key: Key, home: object) -> Key:
    """Give a new key of the same shape, dtype and device."""
    own: Key = Key.__new__(Key)
    own.shape, own.dtype, own.device, own.home = key.shape, key.dtype, key.device, home
    return own


@cython.cfunc
def _common_key(parents: tuple, args: tuple) -> object:
    """Give a key with the shape, dtype and device of all operands of an elementwise rule, if they are alike."""
    key: Key | None
    common: Key | None = None
    i: cython.Py_ssize_t
    for key in parents:
        if key is not None:
            if common is None:
                common = key
            elif not (
                (key.shape is common.shape or key.shape == common.shape)
                and key.dtype is common.dtype
                and (key.device is common.device or key.device == common.device)
            ):
                return None
    for i in range(len(args)):
        if parents[i] is None:
            arg = args[i]
            if isinstance(arg, TensorBase):
                if not _fits(cython.cast(TensorBase, arg).data, common):
                    return None
            elif type(arg) is not float and type(arg) is not int and arg is not None:
                return None
    return common


@cython.cfunc
def _fits(data: object, key: Key) -> cython.bint:
    """Say whether a tensor has the key's shape, dtype and device."""
    return (
        data.shape == key.shape
        and data.dtype is key.dtype
        and (data.is_cpu if key.device is _CPU else data.device == key.device)
    )


@cython.cfunc
def _detach_inputs(out: Any, data: list) -> Any:
    """Give an output that is an argument's own tensor as another tensor of the same storage."""
    for each in data:
        if each is out:
            return out.detach()
    return out


@cython.cfunc
def _link_flat(saved: tuple, raws: list, lites: list, numbers: cython.bint) -> Any:
    """Link what rules usually save, inputs, outputs and constants; give None if there is anything else."""
    links = []
    for value in saved:
        if type(value) is Tensor:
            link = _link(value, raws, lites)
            if link is value:
                return None
            links.append(link)
        elif type(value) in (_PLAIN if numbers else _CONSTANTS) or type(value) is torch.Size:
            links.append(value)
        else:
            return None
    return tuple(links)


@cython.ccall
def _link(value: Any, raws: list, lites: list) -> Any:
    """Give the LiteTensor that a saved torch tensor is; a tensor that can't carry a gradient is a constant."""
    i: cython.Py_ssize_t
    for i in range(len(raws)):
        if raws[i] is value:
            return lites[i] if isinstance(lites[i], TensorBase) else _wrap_constant(value)
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
    before = _this_thread().inside_rule
    recorded = len(_this_thread().tapes) > 0
    if recorded:
        _this_thread().inside_rule = True
    try:
        _backward_loop(tape, grads, consume, recorded)
    finally:
        _this_thread().inside_rule = before
    return grads


def saved_versions(tape: TapeBase) -> list[int]:
    """Give how often each tensor that the tape's rules saved has been written into, in the order of the nodes."""
    node: Node
    versions: list[int] = []
    for node in tape.nodes:
        versions += [each._version for each in node.saved if type(each) is Tensor]
    return versions


def _backward_loop(tape: TapeBase, grads: dict[Any, Any], consume: bool, recorded: bool) -> None:
    nodes: list[Node] = tape.nodes
    node: Node
    key: Key | None
    i: cython.Py_ssize_t
    j: cython.Py_ssize_t
    owned = set()  # keys whose gradient is a sum that this loop has made, and may add into
    in_place = not recorded and _this_thread().mapped == 0
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
        if recorded:
            node = _differentiable(node, tape)
        try:
            result = node.backward(grad) if incoming is None else node.backward(*incoming)
        except Exception as error:
            error.add_note(f"(in the backward of the nexnet rule {node.name})")
            raise
        if type(result) is not tuple:
            result = tuple(result) if type(result) is list else (result,)
        parents: tuple[Any, ...] = node.parents
        results: tuple[Any, ...] = result
        if len(results) > len(parents) and leaves_of(results[len(parents) :]):
            raise _complaints.too_many_gradients(node.name, len(parents), len(results))
        for j in range(min(len(parents), len(results))):  # trailing Nones may be left out
            key = parents[j]
            grad = results[j]
            if key is None or grad is None or not _tracks(tape, key):
                continue
            if type(grad) is not Tensor or recorded:
                grad = _gradient(grad, node, key, recorded)
            if not node.exact:
                data = cython.cast(TensorBase, grad).data if recorded else grad
                if not _fits(data, key):
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


@cython.cfunc
def _gradient(grad: object, node: Node, key: Key, recorded: cython.bint) -> object:
    """Take what backward returned as a LiteTensor if the loop is recorded, else as a torch tensor."""
    if recorded and isinstance(grad, TensorBase):
        return grad
    grad = unwrap(grad)
    if not isinstance(grad, Tensor):
        raise _complaints.wrong_gradient(_NO_TENSOR, grad, node, key)
    return wrap(grad) if recorded else grad


def _incoming(node: Node, grads: dict[Any, Any], recorded: bool) -> tuple[Any, ...] | None:
    """Give one gradient per output of a node that has several: zeros, or None, for an output that was not used."""
    incoming = [None if key is None else grads.pop(key, None) for key in node.output]
    if all(grad is None for grad in incoming):
        return None
    if node.materialize_grads:
        for i, key in enumerate(node.output):
            if incoming[i] is None and key is not None:
                zeros = torch.zeros(key.shape, dtype=key.dtype, device=key.device)
                incoming[i] = wrap(zeros) if recorded else zeros
    return tuple(incoming)


@cython.cfunc
def _differentiable(node: Node, tape: TapeBase) -> Node:
    """Give the node with what it saved as LiteTensors, so that the active tapes record its backward."""
    links = node.links
    if isinstance(links, NoLinks):
        raise links.error()
    saved = map_leaves(node.saved, _wrap_constant) if links is None else links
    parents = tuple([key if tape.tracks(key) else None for key in node.parents])
    return make_node(type(node), saved, parents, None, node.output, node.exact)


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
