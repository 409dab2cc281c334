"""The engine: a tensor's storage, a rule's context, the tape, the operator call and the backward loop.

Written in Cython's pure-Python mode: compiled when the package is built, and steppable as plain Python when it is not
(the same tests run on both forms). It only moves references and calls rules: its arithmetic is the sum of gradients,
and of products among them. Objects that can't be in a reference cycle are kept from the garbage collector (``no_gc``,
and ``uncollected`` for Python's subclasses of them): a tape of a million nodes would otherwise be scanned again and
again while it grows.

Who refers to whom, and what therefore stays alive::

    LiteTensor --> data, key
    Tape ------> [Node, ...]    a node is the instance of the rule that was called
    Node ------> what this call of the rule saved
         ------> keys of its outputs and parents (shape, dtype and device, but no storage)
"""

from __future__ import annotations

import inspect
import sys
import threading
from ast import literal_eval
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import BuiltinFunctionType, MethodType
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
    from cython.cimports.cpython.mem import PyObject_Free
    from cython.cimports.cpython.object import Py_TPFLAGS_HAVE_GC, PyObject, PyTypeObject
    from cython.cimports.cpython.pystate import PyThreadState_GetDict
    from cython.cimports.nexnet._cpython import (
        PyObject_GC_IsTracked,
        PyObject_GC_Track,
        PyObject_GC_UnTrack,
        PyThreadState_Get,
        PyThreadState_GetID,
        TypeWithSlots,
    )

COMPLEX = frozenset({torch.complex64, torch.complex128})
DIFFERENTIABLE = frozenset({torch.float32, torch.float64, torch.float16, torch.bfloat16}) | COMPLEX
_COMPLEX64, _COMPLEX128 = torch.complex64, torch.complex128  # compared by identity: a real tensor pays nothing else
_PLAIN = frozenset({float, int, bool, complex, type(None), type(...), str, slice, torch.dtype, torch.device})
_CONSTANTS = _PLAIN - {float, complex}  # what can't vary smoothly with an input
_TORCH_ALIASES = {  # numpy's names, and the names that torch's parser and its documentation give to one argument
    "axis": "dim", "keepdims": "keepdim", "x": "input", "x1": "input", "x2": "other", "input": "A", "mat2": "other",
    "vec": "other", "tensor": "other", "dim0": "axis0", "dim1": "axis1",
}  # fmt: skip

_NO_ARGUMENTS = cython.declare(tuple, ())
_CPU = torch.device("cpu")
_NO_TENSOR = "backward returned something that is no tensor."

# Torch's kernels without its autograd dispatch; what they make are ordinary tensors, unlike inference_mode's.
# A private name, measured 0.1 us cheaper per call than no_grad, which serves where a torch does not have it.
kernels_only: Callable[[], AbstractContextManager[Any]] = getattr(torch._C, "_AutoDispatchBelowAutograd", torch.no_grad)


# ---------------------------------------------------------------------------------------------------------------------
# Tensors


@cython.no_gc
@cython.freelist(512)
@cython.cclass
class Key:
    """A tensor's identity on the tapes, with what its gradient is checked against. It holds no storage."""

    shape = cython.declare(object, visibility="readonly")
    dtype = cython.declare(object, visibility="readonly")
    device = cython.declare(object, visibility="readonly")
    home = cython.declare(object, visibility="readonly")  # the token of the tape that tracked it first
    # The backward loop, as a token, that has made its gradient and may add into that. It stays when the gradient has
    # been passed on: none comes to a key again, then, in the same loop.
    maker = cython.declare(object)


@cython.no_gc
@cython.cclass
class TensorBase:
    """The storage of a LiteTensor: a detached torch tensor, and a key once a tape has tracked it.

    What rules ask for most stands here, in C, and so does arithmetic; all other methods are LiteTensor's. (Compiled, a
    sign's method takes the operands in either order, as slots of C do.)
    """

    __weakref__ = cython.declare(object)
    raw = cython.declare(object)  # what ``data`` shows: see _out_of_sight
    key = cython.declare(Key, visibility="readonly")

    @property
    def data(self) -> Tensor:
        """The torch tensor, detached."""
        return _in_sight(self.raw)

    @property
    def shape(self) -> torch.Size:
        """The size of each dimension."""
        return self.raw.shape if self.key is None else self.key.shape

    @property
    def dtype(self) -> torch.dtype:
        """The element type."""
        return self.raw.dtype if self.key is None else self.key.dtype

    @property
    def device(self) -> torch.device:
        """Where the storage is."""
        return self.raw.device

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.raw.ndim

    def __add__(self, other: Any) -> Any:
        return _infix(_arithmetic.add, self, other)

    def __sub__(self, other: Any) -> Any:
        return _infix(_arithmetic.sub, self, other)

    def __mul__(self, other: Any) -> Any:
        return _infix(_arithmetic.mul, self, other)

    def __truediv__(self, other: Any) -> Any:
        return _infix(_arithmetic.div, self, other)

    def __matmul__(self, other: Any) -> Any:
        return _infix(_arithmetic.matmul, self, other)

    def __neg__(self) -> Any:
        return _arithmetic.neg(self)

    def __getattr__(self, name: str) -> Any:
        raise _missing_attribute(name)


@cython.cfunc
def _instance(base: object, cls: object) -> object:
    """Make an instance of a subclass, without its ``__new__`` and in C all the way."""
    if cython.compiled:
        make = cython.cast(cython.pointer(PyTypeObject), base).tp_new
        return make(cython.cast(type, cls), cython.cast(cython.pointer(PyObject), _NO_ARGUMENTS), cython.NULL)
    return base.__new__(cls)  # type: ignore[arg-type]


def uncollected(cls: type[Any]) -> None:
    """Keep the instances of a Python class from the garbage collector, as those of its compiled base are.

    Python's classes always ask for it. One that adds no member to its base has nothing for it to look at, and CPython
    then makes and frees the instances in half the time, and 16 bytes smaller.
    """
    if cython.compiled:
        made = cython.cast(cython.pointer(PyTypeObject), cls)
        base = cython.cast(cython.pointer(PyTypeObject), cls.__base__)
        adds = made.tp_basicsize != base.tp_basicsize or made.tp_dictoffset != 0
        if not adds and not base.tp_flags & Py_TPFLAGS_HAVE_GC:
            made.tp_flags &= ~Py_TPFLAGS_HAVE_GC
            made.tp_traverse = cython.NULL
            made.tp_clear = cython.NULL
            made.tp_free = PyObject_Free


# A tensor that no code but torch's and the engine's has seen refers to nothing, and so can't be in a cycle. It is kept
# from the garbage collector, which would visit each one on a tape again and again as the tape grows. (A mode
# of torch's, which sees everything, must not tie what it sees into a cycle: that would not be freed.)


@cython.cfunc
@cython.inline
def _out_of_sight(value: object) -> object:
    """Keep a torch tensor, or a tuple that only a node holds, from the garbage collector."""
    if cython.compiled:
        PyObject_GC_UnTrack(cython.cast(cython.pointer(PyObject), value))
    return value


@cython.cfunc
@cython.inline
def _in_sight(value: object) -> object:
    """Give a torch tensor back to the garbage collector, as other code is about to see it; any other value as it is."""
    if cython.compiled and type(value) is Tensor:
        seen = cython.cast(cython.pointer(PyObject), value)
        if not PyObject_GC_IsTracked(seen):
            PyObject_GC_Track(seen)
    return value


_tensor_type = cython.declare(type, TensorBase)
_missing_attribute = cython.declare(object, AttributeError)


def register_tensor_type(missing_attribute: Callable[[str], AttributeError]) -> Callable[[type[Any]], type[Any]]:
    """Name the class (TensorBase with the methods) of which the engine makes its results, and what it says it lacks."""

    def register(cls: type[Any]) -> type[Any]:
        global _tensor_type, _missing_attribute
        _tensor_type = cls
        _missing_attribute = missing_attribute
        uncollected(cls)
        if cython.compiled:  # these go to the compiled methods at once, and not by their names
            base = cython.cast(cython.pointer(TypeWithSlots), TensorBase)
            made = cython.cast(cython.pointer(TypeWithSlots), cls)
            made.tp_getattro = base.tp_getattro
            signs, theirs = made.tp_as_number, base.tp_as_number
            signs.nb_add, signs.nb_subtract, signs.nb_multiply = theirs.nb_add, theirs.nb_subtract, theirs.nb_multiply
            signs.nb_true_divide, signs.nb_matrix_multiply = theirs.nb_true_divide, theirs.nb_matrix_multiply
        return cls

    return register


@cython.ccall
def wrap(data: object) -> object:
    """Make a LiteTensor around a torch tensor that is known to be detached."""
    tensor: TensorBase = _instance(TensorBase, _tensor_type)
    tensor.raw = data
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

    _saved = cython.declare(tuple)
    parents = cython.declare(tuple, visibility="readonly")
    links = cython.declare(object, visibility="readonly")  # what was saved, as outer tapes see it; None: constants

    def __init__(self) -> None:
        self._saved = ()
        self.parents = ()

    def save(self, *values: Any) -> None:
        """Keep values for backward. Tensors come back from ``release`` differentiable, at every order."""
        self._saved = values

    @property
    def release(self) -> tuple[Any, ...]:
        """What ``save`` kept, in its order."""
        return self.saved

    @property
    def saved(self) -> tuple[Any, ...]:
        """What ``save`` kept, whatever form of it the rule releases."""
        for each in self._saved:
            _in_sight(each)
        return self._saved

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
        return f"{type(self).__name__}(saved={self._saved!r}, needs_input_grad={self.needs_input_grad!r})"


# What the loop computes with, called without being looked up by its name each time.
_add_into = cython.declare(object, Tensor.add_)
_multiply_into = cython.declare(object, Tensor.mul_)
_add_product = cython.declare(object, torch.addcmul)
_add_product_into = cython.declare(object, Tensor.addcmul_)


@cython.no_gc
@cython.freelist(16)
@cython.cclass
class Product:
    """A gradient that a rule left to the backward loop to multiply: ``a * b``, or of matrices ``a @ b``."""

    a = cython.declare(object)
    b = cython.declare(object)
    of_matrices = cython.declare(cython.bint)

    @cython.cfunc
    def compute(self) -> object:
        return self.a.mm(self.b) if self.of_matrices else self.a * self.b

    @cython.cfunc
    def suits(self, key: Key) -> cython.bint:
        """Say whether the product has the key's shape, so that it may be added to a sum of that shape."""
        if not self.of_matrices:
            return True  # of an elementwise rule whose operands are alike
        shape = key.shape
        return len(shape) == 2 and self.a.shape[0] == shape[0] and self.b.shape[1] == shape[1]

    @cython.cfunc
    def is_low_rank(self) -> cython.bint:
        """Say whether it is a matrix that has more elements than its factors together."""
        return self.of_matrices and self.a.numel() + self.b.numel() < self.a.shape[0] * self.b.shape[1]

    @cython.cfunc
    def plus(self, total: Any) -> Any:
        if self.of_matrices:
            return torch.addmm(total, self.a, self.b)
        return _add_product(total, self.a, self.b)

    @cython.cfunc
    def add_to(self, total: Any) -> Any:
        return total.addmm_(self.a, self.b) if self.of_matrices else _add_product_into(total, self.a, self.b)


@cython.no_gc
@cython.cclass
class Node(Context):
    """One recorded operation, and the compiled base of ``nexnet.Policy``.

    A call of a rule is one object: the rule's instance, which is its own ``ctx``, and the node on the tape once it has
    the keys of its outputs and parents.
    """

    output = cython.declare(object, visibility="readonly")  # the one output's key, or a tuple where a rule has several
    exact = cython.declare(cython.bint, visibility="readonly")  # each gradient is known to fit its argument
    fuses = cython.declare(cython.bint)  # the loop that calls backward multiplies and adds in one step
    known = cython.declare(cython.int)  # backward is TIMES_SAVED or PASSES_ON, of operands that are alike

    def product(self, grad: Any, factor: Any) -> Any:
        """``grad * factor``, None without a factor: a gradient for ``backward`` to return.

        Where the backward loop has a sum that this is added to, it does both in one step.
        """
        if factor is None:
            return None
        if self.fuses and self.exact and type(factor) is Tensor:
            return _product(grad, factor, False)
        return grad * factor

    def matrix_product(self, a: Any, b: Any) -> Any:
        """``a.mm(b)``, of two matrices: a gradient for ``backward`` to return, as ``product`` is."""
        return _product(a, b, True) if self.fuses else a.mm(b)

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


# Two backwards that the loop knows: it takes no step into Python for them, and as they keep nothing of the gradient
# that they are given, it may write over one that it has made itself.


def times_saved(self: Node, grad: Any) -> tuple[Any, ...]:
    """The ``backward`` of a product: the gradient times each saved value, None where there is none."""
    return tuple([self.product(grad, each) for each in self.release])


def passes_on(self: Node, grad: Any) -> tuple[Any, ...]:
    """The ``backward`` of x + alpha y: (g, conj(alpha) g); where no alpha is saved, g for every argument."""
    if not self._saved or self._saved[0] == 1:
        return (grad,) * len(self.parents)
    return grad, grad * self._saved[0].conjugate()


times_saved.__name__ = passes_on.__name__ = "backward"  # which is what a node calls it
TIMES_SAVED = cython.declare(cython.int, 1)
PASSES_ON = cython.declare(cython.int, 2)


@cython.cfunc
def _known(backward: object) -> cython.int:
    return TIMES_SAVED if backward is times_saved else PASSES_ON if backward is passes_on else 0


@cython.cfunc
def _product(a: object, b: object, of_matrices: cython.bint) -> Product:
    made: Product = Product.__new__(Product)
    made.a, made.b, made.of_matrices = a, b, of_matrices
    return made


def multiplied(grad: Any) -> Any:
    """Give a gradient that a rule returned as a tensor, if it left that to the loop."""
    return cython.cast(Product, grad).compute() if type(grad) is Product else grad


@cython.ccall
def make_node(
    policy: Any, saved: tuple, parents: tuple, links: object, output: object, exact: cython.bint = False
) -> Node:
    """Make a rule's node of its parts."""
    node: Node = _instance(Node, policy)
    node.exact = exact
    node._saved = saved
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
            tensor.key = _key_of(tensor.raw, tensor.raw.dtype, self.token)
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
@cython.inline
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
_latest = cython.declare(_Thread, None)  # the one that was asked for last
_latest_id = cython.declare(cython.ulonglong, 0)


@cython.cfunc
def _this_thread() -> _Thread:
    """Give the running thread's own; compiled, without threading.local, which takes longer than to record a node."""
    global _latest, _latest_id
    if cython.compiled:
        number: cython.ulonglong = PyThreadState_GetID(PyThreadState_Get())  # never given to a second thread
        if _latest is None or number != _latest_id:
            kept: dict = cython.cast(dict, PyThreadState_GetDict())
            _latest = kept.get(_local)
            if _latest is None:
                _latest = kept[_local] = _Thread()
            _latest_id = number
        return _latest
    return _local.thread


def is_recording() -> bool:
    """Say whether a tape is active on this thread."""
    return len(_this_thread().tapes) > 0


def evaluate(
    tape: TapeBase, inputs: Any, fn: Callable[..., Any], args: Any = (), kwargs: dict[str, Any] | None = None
) -> Any:
    """Call a function with the tape active, which watches the inputs."""
    for each in inputs:
        tape.watch(each)
    tapes: list[TapeBase] = _this_thread().tapes
    depth = len(tapes)
    tapes.append(tape)
    try:
        return fn(*args, **kwargs) if kwargs else fn(*args)
    finally:
        del tapes[depth:]


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
    @contextmanager
    def recording(tape: TapeBase) -> Iterator[TapeBase]:
        """Push the tape for a ``with`` block; it is popped under any exception."""
        tapes = _this_thread().tapes
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
        before = _this_thread().tapes
        _this_thread().tapes = list(tapes)
        try:
            yield
        finally:
            _this_thread().tapes = before


# ---------------------------------------------------------------------------------------------------------------------
# The operator call: forward, and a node on each tape that tracks an argument


SAVES_OTHERS = cython.declare(cython.int, 1)
SAVES_INPUTS = cython.declare(cython.int, 2)
SAVES_OUTPUT = cython.declare(cython.int, 3)
SAVES = {"": 0, "others": SAVES_OTHERS, "inputs": SAVES_INPUTS, "output": SAVES_OUTPUT}  # by their names


@cython.cclass
class KernelCall:
    """A rule's ``forward`` that is one call of a function; ``nexnet.calls`` makes it.

    It does what a method would that calls the function and saves, and takes no frame of Python's for that.
    """

    function = cython.declare(object, visibility="readonly")
    fast = cython.declare(object)  # the same for the required operands alone
    required = cython.declare(cython.Py_ssize_t)
    parameters = cython.declare(tuple, visibility="readonly")
    keywords = cython.declare(dict, visibility="readonly")  # and their defaults; they are saved, last
    saves = cython.declare(cython.int)  # one of SAVES
    rest = cython.declare(tuple)  # the defaults alone
    opaque = cython.declare(cython.bint)  # torch's own: no code of Python's sees the operands

    def __init__(
        self, function: Any, parameters: tuple[str, ...], saves: str, fast: Any, keywords: dict[str, Any]
    ) -> None:
        self.function = function
        self.fast = function if fast is None else fast
        self.parameters = parameters
        self.required = len([each for each in parameters if "=" not in each])
        self.saves = SAVES[saves]
        self.keywords = keywords
        self.rest = tuple(keywords.values())
        self.opaque = type(function) is type(self.fast) is BuiltinFunctionType

    @property
    def __signature__(self) -> inspect.Signature:
        """Give that of the method it stands for."""
        kind = inspect.Parameter
        found = [kind("self", kind.POSITIONAL_ONLY)]
        for each in self.parameters:
            name, _, default = each.partition("=")
            value = literal_eval(default) if default else kind.empty
            found.append(kind(name, kind.POSITIONAL_OR_KEYWORD, default=value))
        found += [kind(name, kind.KEYWORD_ONLY, default=default) for name, default in self.keywords.items()]
        return inspect.Signature(found)

    def __call__(self, node: Node, *data: Any, **kwargs: Any) -> Any:
        plain = not kwargs or kwargs == self.keywords
        out = self.fast(*data) if plain and len(data) == self.required else self.function(*data, **kwargs)
        rest = self.rest if plain else tuple((self.keywords | kwargs).values())
        kept = self.kept_of_many(node.parents, data, out)
        node._saved = (*kept[: len(kept) - len(rest)], *rest)
        return out

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else MethodType(self, instance)

    @cython.cfunc
    def kept(
        self, parents: tuple, count: cython.Py_ssize_t, first: object, second: object, third: object, out: object
    ) -> tuple:
        """Give what the call saves of its operands: torch tensors, or what the tapes know in their place."""
        kept: tuple
        if self.saves == SAVES_OTHERS:  # each for the other's gradient
            kept = (second if parents[0] is not None else None, first if parents[1] is not None else None)
        elif self.saves == SAVES_INPUTS:
            kept = (first,) if count == 1 else (first, second) if count == 2 else (first, second, third)
        elif self.saves == SAVES_OUTPUT:
            kept = (out,)
        else:
            return self.rest
        return _out_of_sight(kept + self.rest if self.rest else kept)

    @cython.cfunc
    def kept_of_many(self, parents: tuple, operands: Any, out: object) -> tuple:
        if self.saves == SAVES_INPUTS:
            return (*operands, *self.rest)
        second = operands[1] if len(operands) > 1 else None
        return self.kept(parents, len(operands), operands[0], second, None, out)


@cython.cclass
class OperatorBase:
    """The compiled base of ``nexnet.functions.Operator``: calls a rule's ``forward`` and records a node."""

    policy = cython.declare(object, visibility="readonly")
    _signature = cython.declare(object)
    leaf = cython.declare(cython.bint, visibility="public")
    name = cython.declare(str, visibility="readonly")
    forward = cython.declare(object)
    kernel = cython.declare(KernelCall)
    elementwise = cython.declare(cython.bint)
    gradients_fit = cython.declare(cython.bint)
    known = cython.declare(cython.int)
    scalars_as_tensors = cython.declare(cython.bint)

    def __init__(self, policy: Any) -> None:
        self.policy = policy
        self.name = policy.__name__
        self._signature = None
        self.leaf = isinstance(policy.forward, KernelCall)  # even for higher orders forward is called, not recorded
        self.forward = policy.forward
        self.kernel = policy.forward if isinstance(policy.forward, KernelCall) else None
        self.elementwise = policy.elementwise
        self.gradients_fit = policy.gradients_fit
        self.known = _known(policy.backward)
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
        count: cython.Py_ssize_t = len(args)
        if self.kernel is not None and not kwargs and count > 0:
            return self._call_kernel(args, count)
        node: Node = _instance(Node, self.policy)
        tapes: list[TapeBase] = _this_thread().tapes
        node._saved = ()
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
    def _call_kernel(self, args: tuple, count: cython.Py_ssize_t) -> object:
        """Call a rule whose forward is one kernel: what it saves, and what outer tapes see of that, is known."""
        tapes: list[TapeBase] = _this_thread().tapes
        kernel: KernelCall = self.kernel
        parents: tuple[Any, ...]
        second: Any = None
        third: Any = None
        if count > 3:
            return self._call_kernel_of_many(args, tapes)
        first = self._operand(args[0], args)
        key = _tracked(args[0], tapes)
        tracked = key is not None
        function = kernel.fast if count == kernel.required else kernel.function
        if count == 1:
            out = function(first)
            parents = (key,) if tracked else ()
        else:
            second = self._operand(args[1], args)
            other = _tracked(args[1], tapes)
            tracked = tracked or other is not None
            if count == 2:
                if self.scalars_as_tensors:
                    first, second = scalar(first, second), scalar(second, first)
                out = function(first, second)
                parents = (key, other) if tracked else ()
            else:
                third = self._operand(args[2], args)
                last = _tracked(args[2], tapes)
                tracked = tracked or last is not None
                out = function(first, second, third)
                parents = (key, other, last) if tracked else ()
        result = wrap(out) if type(out) is Tensor else _wrap_all(out, self.name)
        if not tracked:
            return result
        if kernel.opaque and type(out) is Tensor and out is not first and out is not second and out is not third:
            _out_of_sight(out)
        node: Node = _instance(Node, self.policy)
        node.parents = _out_of_sight(parents)
        node._saved = kernel.kept(parents, count, first, second, third, out)
        recorders: list[TapeBase] = tapes if len(tapes) == 1 else _those_tracking(parents, tapes)
        if len(recorders) > 1:
            first = _as_linked(args[0], first)
            second = _as_linked(args[1], second) if count > 1 else None
            third = _as_linked(args[2], third) if count > 2 else None
            node.links = kernel.kept(parents, count, first, second, third, result)
        self._record(node, args, result, recorders)
        return result

    @cython.cfunc
    @cython.inline
    def _operand(self, value: object, args: tuple) -> object:
        """Give what the kernel gets for an argument."""
        if self.kernel.opaque and type(value) is _tensor_type:
            return cython.cast(TensorBase, value).raw
        return _unwrapped(value, self.name, args)

    @cython.cfunc
    def _call_kernel_of_many(self, args: tuple, tapes: list) -> object:
        """Do the same for more than three operands."""
        kernel: KernelCall = self.kernel
        data = [_unwrapped(arg, self.name, args) for arg in args]
        out = kernel.function(*data)
        result = wrap(out) if type(out) is Tensor else _wrap_all(out, self.name)
        parents: tuple[Any, ...] = tuple([_tracked(arg, tapes) for arg in args])
        recorders = _those_tracking(parents, tapes)
        if not recorders:
            return result
        node: Node = _instance(Node, self.policy)
        node.parents = parents
        node._saved = kernel.kept_of_many(parents, data, out)
        if len(recorders) > 1:
            linked = [_as_linked(arg, each) for arg, each in zip(args, data, strict=True)]
            node.links = kernel.kept_of_many(parents, linked, result)
        self._record(node, args, result, recorders)
        return result

    @cython.cfunc
    def _record(self, node: Node, args: tuple, result: Any, recorders: list) -> Any:
        """Append the node to the tapes; an output of an elementwise rule is not asked for what is already known."""
        tensor: TensorBase
        key: Key | None = _common_key(node.parents, args) if self.elementwise else None
        if key is None or _is_complex(key) or type(result) is not _tensor_type:
            node.exact = self.gradients_fit
            _append(node, args, result, recorders)
        else:
            tensor = result
            home: TapeBase = recorders[0]
            tensor.key = node.output = _like(key, home.token)
            node.exact = True
            node.known = self.known
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
                elif name == "out" and kwargs.pop("out") is not None:  # None is what numpy passes
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
        node.links = _link_flat(node._saved, raws, lites, obstacle is None)
        if node.links is None:
            node.links = map_leaves(node._saved, lambda each: _link(each, raws, lites))
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
        node.links = map_leaves(node._saved, lambda each: next((new for old, new in renamed if old is each), each))
        node._saved = map_leaves(node.links, unwrap)
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
    i: cython.Py_ssize_t
    key: Key | None
    if type(value) is _tensor_type or isinstance(value, TensorBase):
        key = cython.cast(TensorBase, value).key
        if key is not None:
            for i in range(len(tapes)):
                if _tracks(cython.cast(TapeBase, tapes[i]), key):
                    return key
    return None


@cython.cfunc
def _unwrapped(value: object, rule: str, args: tuple) -> object:
    """Give what forward gets for an argument: for a LiteTensor the torch tensor in it."""
    if type(value) is _tensor_type or isinstance(value, TensorBase):
        return _in_sight(cython.cast(TensorBase, value).raw)
    return value if type(value) in _PLAIN or _are_plain(value) else _constant(value, rule, args)


@cython.cfunc
def _are_plain(value: Any) -> cython.bint:
    """Say whether it is a tuple or list of numbers and the like, as sizes are, at which nobody need look further."""
    if not isinstance(value, (tuple, list)):
        return False
    for each in value:  # noqa: SIM110  all() would make a generator
        if type(each) is not int and type(each) not in _PLAIN:
            return False
    return True


is_wrapped: Callable[[Tensor], bool] = torch._C._functorch.is_functorch_wrapped_tensor
_torchs_transform: Callable[[], Any] = torch._C._functorch.peek_interpreter_stack  # None outside of torch.func's
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
        parts = [
            wrap(each) if type(each) is Tensor else None if each is None else _wrap_all(each, rule) for each in out
        ]
        return tuple(parts) if type(out) is tuple else rebuild(out, parts)
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
        fresh = wrap(tensor.raw)
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
    if type(result) is _tensor_type:
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
    return make_node(policy, node._saved, node.parents, node.links, node.output)


@cython.cfunc
@cython.inline
def _is_complex(key: Key) -> cython.bint:
    return key.dtype is _COMPLEX64 or key.dtype is _COMPLEX128


@cython.cfunc
def _has_complex(keys: tuple) -> cython.bint:
    key: Key | None
    for key in keys:  # noqa: SIM110  any() would make a generator
        if key is not None and _is_complex(key):
            return True
    return False


@cython.cfunc
def _append_to(node: Node, args: tuple, result: Any, recorders: list) -> Any:
    i: cython.Py_ssize_t
    tape: TapeBase
    for i in range(len(recorders)):
        tape = cython.cast(TapeBase, recorders[i])
        tape.nodes.append(node)
        if tape.values is not None:
            tape.values.append((args, result))
    if len(recorders) > 1:
        keys = [key for key in node.output if key is not None] if type(node.output) is tuple else [node.output]
        for tape in recorders[1:]:
            tape.tracked.update(keys)
    return None


@cython.cfunc
def _identify(tensor: TensorBase, node: Node, home: TapeBase) -> Any:
    """Give an output its identity, or None to one that can't carry a gradient."""
    key: Key
    parent: Key | None
    dtype = tensor.raw.dtype
    if dtype in DIFFERENTIABLE:
        key = _key_of(tensor.raw, dtype, home.token)
        for parent in node.parents:
            if parent is not None and parent.shape == key.shape:
                key.shape = parent.shape  # one object for both: a tape of many small nodes is that much smaller
                break
        tensor.key = key
        return key
    if dtype.is_complex:
        raise _complaints.not_for_complex(node.name, f"an output of dtype {dtype}")
    return None


@cython.cfunc
@cython.inline
def _key_of(data: object, dtype: object, home: object) -> Key:
    """Give a new key for a torch tensor, of which the dtype is known."""
    key: Key = Key.__new__(Key)
    key.shape, key.dtype, key.home = data.shape, dtype, home
    key.device = _CPU if data.is_cpu else data.device
    return key


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
    for i in range(len(parents)):
        key = cython.cast(Key, parents[i])
        if key is not None:
            if common is None:
                common = key
            elif not _are_alike(key, common):
                return None
    for i in range(len(args)):
        if parents[i] is None:
            arg = args[i]
            if type(arg) is _tensor_type or isinstance(arg, TensorBase):
                if not _fits(cython.cast(TensorBase, arg).raw, common):
                    return None
            elif type(arg) is not float and type(arg) is not int and arg is not None:
                return None
    return common


@cython.cfunc
@cython.inline
def _are_alike(key: Key, other: Key) -> cython.bint:
    """Say whether two keys have one shape, dtype and device; shapes that are equal become one object."""
    if key.dtype is not other.dtype or (key.device is not other.device and key.device != other.device):
        return False
    if key.shape is not other.shape:
        if key.shape != other.shape:
            return False
        key.shape = other.shape
    return True


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


@cython.cfunc
def _as_linked(arg: object, data: object) -> object:
    """Give what outer tapes know an operand by: a LiteTensor as itself, a torch tensor as a constant."""
    return arg if isinstance(arg, TensorBase) else _wrap_constant(data)


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
    _go_back(tape, grads, consume, None)
    return grads


@cython.cfunc
def _go_back(tape: TapeBase, grads: dict, consume: cython.bint, products: dict | None) -> object:
    """Go through the tape as ``backward`` does; give the token that marks the keys whose gradients the loop has made.

    Of each key in ``products``, one product of low rank is put there, and not into ``grads``.
    """
    thread: _Thread = _this_thread()
    before = thread.inside_rule
    recorded = len(thread.tapes) > 0
    if recorded:
        thread.inside_rule = True
    try:
        return _backward_loop(tape, grads, consume, recorded, products)
    finally:
        thread.inside_rule = before


def saved_versions(tape: TapeBase) -> list[int]:
    """Give how often each tensor that the tape's rules saved has been written into, in the order of the nodes."""
    node: Node
    versions: list[int] = []
    for node in tape.nodes:
        versions += [each._version for each in node._saved if type(each) is Tensor]
    return versions


@cython.cfunc
def _backward_loop(
    tape: TapeBase, grads: dict, consume: cython.bint, recorded: cython.bint, products: dict | None
) -> object:
    nodes: list[Node] = tape.nodes
    node: Node
    key: Key | None
    product: Product | None
    i: cython.Py_ssize_t
    j: cython.Py_ssize_t
    me = object()  # marks the keys whose gradient this loop has made, and may add into
    in_place: cython.bint = not recorded and _this_thread().mapped == 0 and _torchs_transform() is None
    mine: cython.bint
    for i in range(len(nodes) - 1, -1, -1):
        node = cython.cast(Node, nodes.pop() if consume else nodes[i])
        incoming: tuple[Any, ...] | None = None
        if type(node.output) is tuple:
            incoming = _incoming(node, grads, recorded)
            grad = incoming
        else:
            key = cython.cast(Key, node.output)
            grad = grads.pop(key, None)
            mine = key.maker is me
            if grad is not None and node.known and in_place:
                if node.known == TIMES_SAVED:
                    _multiply(node, grad, mine, tape, grads, me)
                    continue
                if not node._saved or node._saved[0] == 1:
                    _pass_on(node, grad, mine, tape, grads, me)
                    continue
        if grad is None:
            continue
        if recorded:
            node = _differentiable(node, tape)
        node.fuses = in_place
        try:
            result = node.backward(grad) if incoming is None else node.backward(*incoming)
        except Exception as error:
            error.add_note(f"(in the backward of the nexnet rule {node.name})")
            raise
        finally:
            node.fuses = False
        if type(result) is not tuple:
            result = tuple(result) if type(result) is list else (result,)
        parents: tuple[Any, ...] = node.parents
        results: tuple[Any, ...] = result
        if len(results) > len(parents) and leaves_of(results[len(parents) :]):
            raise _complaints.too_many_gradients(node.name, len(parents), len(results))
        for j in range(min(len(parents), len(results))):  # trailing Nones may be left out
            key = cython.cast(Key, parents[j])
            grad = results[j]
            if key is None or grad is None or not _tracks(tape, key):
                continue
            total = grads.get(key)
            if type(grad) is Product:
                product = cython.cast(Product, grad)
                if total is not None and in_place and (node.exact or product.suits(key)):
                    if key.maker is me:
                        product.add_to(total)
                    else:
                        grads[key] = product.plus(total)
                        key.maker = me
                    continue
                if products is not None and _can_wait(product, node, key, products, in_place):
                    products[key] = product
                    continue
                grad = _computed(product, node)
                if in_place and total is None:
                    key.maker = me
            if type(grad) is not Tensor or recorded:
                grad = _gradient(grad, node, key, recorded)
            if not node.exact:
                data = cython.cast(TensorBase, grad).raw if recorded else grad
                if not _fits(data, key):
                    grad = _fit(grad, data, node, key)
            if total is None:
                grads[key] = grad
            elif in_place:
                _add(grads, key, total, grad, me)
            else:
                grads[key] = total + grad
        result = results = _NO_ARGUMENTS  # what came and what was made of it is not kept while the next rule works
        product = grad = total = data = None
    return me


@cython.cfunc
@cython.inline
def _add(grads: dict, key: Key, total: Any, grad: Any, me: object) -> Any:
    """Add a gradient to the sum of those that have come to a key, in place once that is the loop's own."""
    if key.maker is me:
        _add_into(total, grad)
    else:
        grads[key] = total + grad
        key.maker = me
    return None


@cython.cfunc
def _multiply(node: Node, grad: Any, mine: cython.bint, tape: TapeBase, grads: dict, me: object) -> Any:
    """Do what ``times_saved`` and the loop do; the last product is written over a gradient that is the loop's own."""
    key: Key | None
    j: cython.Py_ssize_t
    last: cython.Py_ssize_t = -1
    for j in range(len(node.parents)):
        key = cython.cast(Key, node.parents[j])
        if last < 0 and key is not None and _tracks(tape, key):
            last = j
    for j in range(len(node.parents) - 1, -1, -1):
        key = cython.cast(Key, node.parents[j])
        factor = node._saved[j]
        if key is None or factor is None or not _tracks(tape, key):
            continue
        total = grads.get(key)
        if total is None:
            grads[key] = _multiply_into(grad, factor) if mine and j == last else grad * factor
        elif type(factor) is not Tensor:
            grads[key] = total + grad * factor
        elif key.maker is me:
            _add_product_into(total, grad, factor)
        else:
            grads[key] = _add_product(total, grad, factor)
        key.maker = me
    return None


@cython.cfunc
def _pass_on(node: Node, grad: Any, mine: cython.bint, tape: TapeBase, grads: dict, me: object) -> Any:
    """Do what ``passes_on`` and the loop do; what was the loop's own remains so if one argument alone gets it."""
    i: cython.Py_ssize_t
    key: Key | None
    only: Key | None = None
    taken: cython.int = 0
    for i in range(len(node.parents)):
        key = cython.cast(Key, node.parents[i])
        if key is None or not _tracks(tape, key):
            continue
        total = grads.get(key)
        if total is None:
            grads[key] = grad
            only = key
            taken += 1
        else:
            _add(grads, key, total, grad, me)
    if only is not None and mine and taken == 1:
        only.maker = me
    return None


@cython.cfunc
def _can_wait(product: Product, node: Node, key: Key, products: dict, in_place: cython.bint) -> cython.bint:
    """Say whether a product may be left to who has asked for the gradients: the first of its key, of low rank."""
    return in_place and node.exact and key in products and products[key] is None and product.is_low_rank()


@cython.cfunc
def _computed(product: Product, node: Node) -> object:
    """Multiply what a rule left to the loop; what is wrong about it is the rule's error."""
    try:
        return product.compute()
    except Exception as error:
        error.add_note(f"(in the backward of the nexnet rule {node.name})")
        raise


@cython.cfunc
def _gradient(grad: object, node: Node, key: Key, recorded: cython.bint) -> object:
    """Take what backward returned as a LiteTensor if the loop is recorded, else as a torch tensor."""
    if recorded and (type(grad) is _tensor_type or isinstance(grad, TensorBase)):
        return grad
    grad = unwrap(grad)
    if not isinstance(grad, Tensor):
        raise _complaints.wrong_gradient(_NO_TENSOR, grad, node, key)
    return wrap(grad) if recorded else grad


@cython.cfunc
def _incoming(node: Node, grads: dict, recorded: cython.bint) -> Any:
    """Give one gradient per output of a node that has several: zeros, or None, for an output that was not used."""
    i: cython.Py_ssize_t
    outputs: tuple[Any, ...] = node.output
    incoming = []
    used = False
    for key in outputs:
        grad = None if key is None else grads.pop(key, None)
        used = used or grad is not None
        incoming.append(grad)
    if not used:
        return None
    if node.materialize_grads:
        for i in range(len(outputs)):
            key = outputs[i]
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
    saved = map_leaves(node._saved, _wrap_constant) if links is None else links
    parents = tuple([key if tape.tracks(key) else None for key in node.parents])
    return make_node(type(node), saved, parents, None, node.output, node.exact)


def _wrap_constant(value: Any) -> Any:
    return wrap(value) if isinstance(value, Tensor) else value


def _fit(grad: Any, data: Tensor, node: Node, key: Key) -> Any:
    """Undo broadcasting and dtype promotion: the one place where a gradient is summed or cast to its argument's kind.

    The same lines serve torch tensors and LiteTensors, so that the sum is itself differentiable.
    """
    if data.device != key.device and key.shape:  # a number may stand beside tensors of any device, as in torch
        raise _complaints.wrong_gradient("backward returned a gradient on another device.", grad, node, key)
    if data.dtype not in DIFFERENTIABLE:
        raise _complaints.wrong_gradient("backward returned a gradient of a dtype that can't be one.", grad, node, key)
    if data.dtype in COMPLEX and key.dtype not in COMPLEX:
        grad = grad.real  # of dL/d(re) + i dL/d(im), what a real argument can move by
    shape = key.shape
    if data.shape != shape:
        dims = _broadcast_dims(shape, data.shape)
        if dims is not None:
            extra = data.ndim - len(shape)
            if len(dims) == extra:
                grad = grad.sum(dims)
            else:
                grad = grad.sum(dims, keepdim=True)
                grad = grad if extra == 0 else grad.reshape(shape)
        elif [size for size in shape if size != 1] == [size for size in data.shape if size != 1]:
            grad = grad.reshape(shape)
        else:
            raise _complaints.wrong_gradient("backward returned a gradient of the wrong shape.", grad, node, key)
    if data.device != key.device:
        grad = grad.to(key.device)
    return grad if grad.dtype is key.dtype else grad.to(key.dtype)


@cython.cfunc
def _broadcast_dims(shape: Any, came: Any) -> Any:
    """Give the dimensions that broadcasting a shape to another has added or made larger; None if it can't."""
    i: cython.Py_ssize_t
    extra: cython.Py_ssize_t = len(came) - len(shape)
    if extra < 0:
        return None
    dims = list(range(extra))
    for i in range(len(shape)):
        if shape[i] != came[extra + i]:
            if shape[i] != 1:
                return None
            dims.append(extra + i)
    return dims


# ---------------------------------------------------------------------------------------------------------------------
# What is handed out


def gradients(
    tape: TapeBase,
    outs: list[Any],
    seeds: list[Any],
    inputs: list[Any],
    consume: bool = True,
    low_rank: Callable[[Tensor, Tensor], Any] | None = None,
) -> list[Any]:
    """Go back through the tape; give the gradient of each input as a tensor that is the user's alone.

    ``seeds`` is used up: a gradient that is a view of its seed is alone with its memory if nobody else holds the seed.
    ``low_rank`` makes a gradient of the factors of one that is a product with more elements than these.
    """
    tensor: TensorBase
    i: cython.Py_ssize_t
    recorded = is_recording()
    grads: dict[Any, Any] = {}
    for i in range(len(outs)):
        tensor = outs[i]
        key = tensor.key
        if key is not None and _tracks(tape, key):
            seed = seeds[i] if recorded else unwrap(seeds[i])
            grads[key] = grads[key] + seed if key in grads else seed
    seeds.clear()
    seed = None
    products: dict[Any, Any] | None = None
    if low_rank is not None:
        products = {cython.cast(TensorBase, each).key: None for each in inputs}
    loop = _go_back(tape, grads, consume, products)
    mine: list[Any] = [grads.get(cython.cast(TensorBase, each).key) for each in inputs]
    grads.clear()
    for i in range(len(mine)):
        tensor = inputs[i]
        product = None if products is None else products[tensor.key]
        if product is not None and mine[i] is None:
            mine[i] = low_rank(cython.cast(Product, product).a, cython.cast(Product, product).b)  # type: ignore[misc]
            continue
        if product is not None:
            mine[i] = cython.cast(Product, product).plus(mine[i])
            tensor.key.maker = loop
        if mine[i] is None:
            mine[i] = zeros(tensor)
        elif not is_exclusive(mine, i, tensor.key.maker is loop):
            mine[i] = _copied(mine, i, recorded)
        if type(mine[i]) is not _tensor_type:
            mine[i] = wrap(mine[i])
    return mine


def zeros(like: TensorBase) -> Tensor:
    """Give zeros of a tensor's kind, contiguous whatever the tensor's strides."""
    return torch.zeros(like.raw.shape, dtype=like.raw.dtype, device=like.raw.device)


def _copied(tensors: list[Any], i: int, recorded: bool) -> Any:
    if recorded:
        return tensors[i].clone()
    if is_exclusive_view(tensors, i):
        data = tensors[i].data
        return data.conj().conj_physical_().data if data.is_conj() else data  # conjugated at last, and in its place
    return tensors[i].clone(memory_format=torch.contiguous_format)


# A gradient may be handed out as it is if nobody else can see its memory: one reference to the Python object, one
# tensor on the storage. Both counts are compared with those of a tensor that is known to be alone. A view keeps the
# tensor that it is a view of; if nothing else keeps that, it is handed out, without the memory of having been a view.

_storage_uses: Callable[[int], int] | None = getattr(torch._C, "_storage_Use_Count", None)  # without: all are copied


@cython.cfunc
def _references(tensors: list, i: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Count the references to the tensor in the list, and to the torch tensor in it, in one number."""
    tensor = tensors[i]
    if type(tensor) is not _tensor_type:
        return sys.getrefcount(tensor)
    data = cython.cast(TensorBase, tensor).raw
    return 1000 * min(sys.getrefcount(tensor), 999) + min(sys.getrefcount(data), 999)


def _tensors_on(data: Tensor) -> int:
    """Count the tensors of torch's that lie in this one's memory."""
    return _storage_uses(data.untyped_storage()._cdata)  # type: ignore[misc]


@cython.ccall
def is_exclusive(tensors: list, i: cython.Py_ssize_t, is_new: cython.bint = False) -> cython.bint:
    """Say whether the tensor in the list shares its memory with nothing else, and is contiguous.

    ``is_new`` says that its memory is known to be its own.
    """
    lite = type(tensors[i]) is _tensor_type
    if _storage_uses is None or _references(tensors, i) != (_ALONE_IN_LITE if lite else _ALONE):
        return False
    data = tensors[i].data if lite else tensors[i]
    if not data.is_contiguous():
        return False
    if is_new:
        return True
    if data._base is not None and (data.is_conj() or data.is_neg()):  # a view whose values wait to be computed
        return False
    try:
        return _tensors_on(data) == _USES_ALONE
    except (NotImplementedError, RuntimeError):  # a tensor without a storage of its own, as inside of torch.vmap
        return False


def is_exclusive_view(tensors: list[Any], i: int) -> bool:
    """Say whether the tensor in the list is contiguous, and a view that alone keeps what it is a view of.

    A part of it, which would keep the whole, does not count; nor do few elements, which take less time to copy.
    """
    if tensors[i].numel() < 4096 or _storage_uses is None or _references(tensors, i) != _ALONE:
        return False
    data = tensors[i]
    if data._base is None or data.is_neg() or not data.is_contiguous():
        return False
    if data.untyped_storage().nbytes() > 2 * data.nbytes:
        return False
    return (_base_references(data), _tensors_on(data)) == _ALONE_AS_VIEW


def _base_references(view: Tensor) -> int:
    return sys.getrefcount(view._base)


_ALONE = _references([torch.zeros(2)], 0)
_ALONE_IN_LITE = _references([wrap(torch.zeros(2))], 0)
_USES_ALONE = 0 if _storage_uses is None else _tensors_on(torch.zeros(2))
_ALONE_AS_VIEW = (0, 0)
if _storage_uses is not None:
    _view = torch.zeros(2)[:]
    _ALONE_AS_VIEW = (_base_references(_view), _tensors_on(_view))
