"""The fast form of an operator call: a rule whose forward is one call of a function, and what it saves is known.

Such a call steps into no code of Python's: the function is called with the operands, and the node made, if a tape
tracks one of them, with what the rule saves. What outer tapes see of that is known, too.
"""

from __future__ import annotations

import inspect
from ast import literal_eval
from types import MethodType
from typing import Any

from torch import Tensor

from . import autocast, cpython
from .by_size import BySize
from .call import OperatorBase
from .debug import CHECKED
from .direct import OPAQUE, direct
from .first_example import try_first
from .higher_orders import as_linked
from .operands import operand, scalar, wrap_all
from .promises import check_equal
from .rule import Node, new_node
from .tape import Thread, tapes_of, this_thread, those_tracking, tracked_key, tracked_keys
from .tensor import TensorBase, wrap

#: What such a rule may save: nothing, the inputs, the output, or of two operands each for the other's gradient.
SAVES = ("", "others", "inputs", "output")


class KernelCall:
    """A rule's ``forward`` that is one call of a function; ``nexnet.calls`` makes it.

    It does what a method would that calls the function and saves, and takes no frame of Python's for that.
    """

    function: Any
    required: int
    parameters: tuple[str, ...]
    defaults: tuple[Any, ...]  # of the positional parameters that may be left out
    keywords: dict[str, Any]  # and their defaults; they are saved, last
    rest: tuple[Any, ...]  # these defaults alone
    takes_two: bool  # it is a call of two operands, neither of which may be left out
    saves_others: bool
    saves_inputs: bool
    saves_output: bool
    opaque: bool  # torch's own: no code of Python's sees the operands

    def __init__(self, function: Any, parameters: tuple[str, ...], saves: str, keywords: dict[str, Any]) -> None:
        self.function = direct(function)
        self.parameters = parameters
        self.defaults = tuple([literal_eval(each.partition("=")[2]) for each in parameters if "=" in each])
        self.required = len(parameters) - len(self.defaults)
        self.keywords = keywords
        self.rest = tuple(keywords.values())
        self.takes_two = len(parameters) == 2 == self.required
        self.saves_others = saves == "others"
        self.saves_inputs = saves == "inputs"
        self.saves_output = saves == "output"
        self.opaque = type(self.function) in OPAQUE or isinstance(self.function, BySize)

    @property
    def __signature__(self) -> inspect.Signature:
        """Give that of the method it stands for."""
        kind = inspect.Parameter
        found = [kind("self", kind.POSITIONAL_ONLY)]
        for i, each in enumerate(self.parameters):
            default = kind.empty if i < self.required else self.defaults[i - self.required]
            found.append(kind(each.partition("=")[0], kind.POSITIONAL_OR_KEYWORD, default=default))
        found += [kind(name, kind.KEYWORD_ONLY, default=default) for name, default in self.keywords.items()]
        return inspect.Signature(found)

    def __call__(self, node: Node, *data: Any, **kwargs: Any) -> Any:
        """Call the function, and save: forward's plain form."""
        data += self.defaults[len(data) - self.required :] if self.required <= len(data) else ()
        rest = self.rest
        if kwargs and kwargs != self.keywords:
            given = self.keywords | kwargs
            out = self.function(*data, **given)
            rest = tuple(given.values())
        else:
            out = self.compute(data)
            if CHECKED and (self.defaults or self.keywords):
                check_equal(node.name, "defaults", out, self.function(*data, **self.keywords))
        node._saved = self.saves(node.parents, data, out) + rest
        return out

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else MethodType(self, instance)

    def compute(self, data: tuple[Any, ...]) -> Any:
        """Call the function, without what is as it is by default."""
        for i in range(self.required, len(data)):
            if i >= len(self.parameters) or data[i] is not self.defaults[i - self.required]:
                return self.function(*data)
        return self.function(*data[: self.required])

    def saves(self, parents: tuple[Any, ...], data: tuple[Any, ...], out: Any) -> tuple[Any, ...]:
        """Give what the call saves: torch tensors, or what the tapes know in their place."""
        return data if self.saves_inputs else self.kept(parents, data[0], data[1] if len(data) > 1 else None, out)

    def kept(self, parents: tuple[Any, ...], first: Any, second: Any, out: Any) -> tuple[Any, ...]:
        """Give what the call saves of two operands, or of none."""
        if self.saves_others:
            return (second if parents[0] is not None else None, first if parents[1] is not None else None)
        if self.saves_inputs:
            return (first, second)
        return (out,) if self.saves_output else ()


class KernelOperator(OperatorBase):
    """An operator that calls the function of such a rule at once; most of them have two operands."""

    kernel: Any

    def __init__(self, policy: Any) -> None:
        super().__init__(policy)
        self.kernel = None
        forward = policy.forward
        if isinstance(forward, KernelCall):
            self.leaf = True  # even for higher orders forward is called, not recorded
            if not CHECKED:
                self.kernel = forward

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
        """Do what the plain call does."""
        kernel: KernelCall = self.kernel
        if kernel is None or kwargs or self.overridden or (self.cast and autocast.is_on()):
            return OperatorBase.call(self, args, kwargs)
        thread = this_thread()
        if thread.mapped and not self.foreign:
            try_first(self, args)
        if not kernel.takes_two or len(args) != 2:
            return self._of_some(args, thread)
        left, right = args[0], args[1]
        first = self._raw(left, args)
        second = self._raw(right, args)
        if self.scalars_as_tensors:
            first, second = scalar(first, second), scalar(second, first)
        out = kernel.function(first, second)
        result = wrap(out) if type(out) is Tensor else wrap_all(out, self.name)
        tapes = tapes_of(thread)
        key, other = tracked_key(left, tapes), tracked_key(right, tapes)
        if key is None and other is None:
            return result
        if kernel.opaque and type(out) is Tensor and out is not first and out is not second:
            cpython.out_of_sight(out)
        node = new_node(self.policy, cpython.out_of_sight((key, other)))
        kept = kernel.kept(node.parents, first, second, out)
        node._saved = cpython.out_of_sight(kept + kernel.rest if kernel.rest else kept)
        recorders = tapes if len(tapes) == 1 else those_tracking(node.parents, tapes)
        if len(recorders) > 1:
            linked = kernel.kept(node.parents, as_linked(left, first), as_linked(right, second), result)
            node.links = linked + kernel.rest
        return self.add_to_tapes(node, args, None, result, recorders)

    def _of_some(self, args: tuple[Any, ...], thread: Thread) -> Any:
        """Do the same for any number of operands, of which some may be left out."""
        kernel: KernelCall = self.kernel
        left_out = len(args) - kernel.required
        if left_out < 0 or len(args) > len(kernel.parameters) or self.foreign:
            return OperatorBase.call(self, args, None)
        if left_out < len(kernel.defaults):
            args = args + kernel.defaults[left_out:]
        data = tuple([self._raw(each, args) for each in args])
        out = kernel.compute(data)
        result = wrap_all(out, self.name)
        tapes = tapes_of(thread)
        node = new_node(self.policy, tracked_keys(args, tapes))
        recorders = those_tracking(node.parents, tapes)
        if not recorders:
            return result
        node._saved = kernel.saves(node.parents, data, out) + kernel.rest
        if len(recorders) > 1:
            linked = tuple([as_linked(args[i], data[i]) for i in range(len(args))])
            node.links = kernel.saves(node.parents, linked, result) + kernel.rest
        return self.add_to_tapes(node, args, None, result, recorders)

    def _raw(self, value: Any, args: tuple[Any, ...]) -> Any:
        """Give what the kernel gets for an argument."""
        if self.kernel.opaque and isinstance(value, TensorBase):
            tensor: TensorBase = value
            return tensor.raw
        return operand(value, self.name, args)
