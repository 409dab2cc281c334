"""The operator call: forward on torch tensors, and a node on each tape that tracks an argument."""

from __future__ import annotations

import inspect
from types import MethodType
from typing import Any

import torch

from .. import _complaints
from . import autocast
from .debug import CHECKED
from .first_example import try_first
from .higher_orders import call_nested
from .noted import note
from .operands import MetStandIn, holds_tensors, of_trees, operand, scalar, stand_ins, wrap_all
from .promises import check_elementwise, check_equal
from .recording import may_have_cast, record, record_alike
from .rule import Node, new_node, passes_less, passes_on, times_saved
from .spelling import Spelling
from .tape import TapeBase, tapes_of, this_thread, those_tracking, tracked_keys
from .tensor import TensorBase, is_wrapped, unwrap


class OperatorBase:
    """The compiled base of ``nexnet.functions.Operator``: calls a rule's ``forward`` and records a node."""

    policy: Any
    name: str
    leaf: bool  # for higher orders forward is called, not recorded
    cast: bool  # torch's autocast has cast a call of it
    elementwise: bool
    gradients_fit: bool
    multiplies: bool
    passes: int
    scalars_as_tensors: bool
    overridden: int  # by so many blocks of nexnet.override, on any thread
    foreign: bool  # the user's
    _signature: Any
    _spelling: Any

    def __init__(self, policy: Any) -> None:
        self.policy = policy
        self.name = policy.__name__
        self.leaf = False
        self.cast = False
        self.elementwise = policy.elementwise
        self.gradients_fit = policy.gradients_fit
        self.multiplies = policy.backward is times_saved
        self.passes = 1 if policy.backward is passes_on else -1 if policy.backward is passes_less else 0
        self.foreign = not policy.__module__.startswith("nexnet.")
        # a rule of the user's might write into the scalar that all calls share
        self.scalars_as_tensors = policy.scalars_as_tensors and (CHECKED or not self.foreign)
        self.overridden = 0
        self._signature = None
        self._spelling = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the rule with LiteTensors, constants and what else its forward takes."""
        named = dict(kwargs) if kwargs else kwargs  # a call takes out what is positional
        try:
            return self.call(args, kwargs)
        except MetStandIn as met:
            return stand_ins(self, met, kwargs)
        except Exception as error:
            note(error, self.name, args, named)
            raise

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
        """Call the rule, and record the call on the tapes that track an argument."""
        if self.overridden:
            overrides = this_thread().overrides
            replacement = None if overrides is None else overrides.replacement(self)
            if replacement is not None:
                return replacement(args, kwargs or {})
        args = self.spelled(args, kwargs)
        if self.foreign and holds_tensors(args):
            return of_trees(self, args, kwargs)
        thread = this_thread()
        if thread.mapped and not self.foreign:
            try_first(self, args, kwargs)
        tapes = tapes_of(thread)
        data = tuple([operand(arg, self.name, args) for arg in args])
        node = new_node(self.policy, tracked_keys(args, tapes))
        recorders = those_tracking(node.parents, tapes)
        if self.cast and recorders and autocast.is_on():
            result = autocast.called_as_before(self, args, kwargs or {})
            if result is not None:
                return result
        if self.scalars_as_tensors and len(data) == 2:
            data = self.with_scalars(data)
        writes = writes_into(args, thread.mapped) if self.foreign else 0
        if len(recorders) > 1:
            node, result = call_nested(self, node, args, list(data), kwargs or {}, recorders)
        else:
            out = node.forward(*data, **(kwargs or {}))  # type: ignore[attr-defined]
            result = wrap_all(out, self.name)
        if self.foreign and writes_into(args, thread.mapped) != writes:
            raise _complaints.argument_written(self.name)
        if not recorders:
            return result
        result = self.add_to_tapes(node, args, kwargs, result, recorders)
        if kwargs:
            _tell_keywords(kwargs, recorders)
        return result

    def spelled(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> tuple[Any, ...]:
        """Give every positional argument of forward, numbers as numbers; ``kwargs`` keeps what is keyword-only."""
        spelling: Spelling = self._spelling
        if spelling is None:
            spelling = self._spelling = Spelling(self.signature, not self.foreign)
        if len(args) < spelling.count or kwargs:
            args = spelling.positional(args, kwargs, self.name)
        return spelling.with_numbers(args, self.name) if spelling.numbers else args

    def with_scalars(self, data: tuple[Any, ...]) -> tuple[Any, ...]:
        """Give the two operands with a number among them as a tensor, which torch is faster with."""
        first, second = scalar(data[0], data[1]), scalar(data[1], data[0])
        if first is data[0] and second is data[1]:
            return data
        tensors = (first.clone(), second) if second is data[1] else (first, second.clone())
        if CHECKED:
            forward = self.policy.forward
            found = [forward(new_node(self.policy, (None, None)), *each) for each in (tensors, data)]
            check_equal(self.name, "scalars_as_tensors", *found)
        return tensors

    def add_to_tapes(
        self, node: Node, args: tuple[Any, ...], kwargs: dict[str, Any] | None, result: Any, recorders: list[TapeBase]
    ) -> Any:
        """Append the node to the tapes; give the result."""
        if self.elementwise and CHECKED:
            check_elementwise(self.name, unwrap(result), args)
        node.foreign = self.foreign
        if self.elementwise and record_alike(node, args, result, recorders):
            node.multiplies, node.passes = self.multiplies, self.passes
        else:
            node.exact = self.gradients_fit
            if may_have_cast(node, result):
                if self.foreign:
                    node = autocast.remembering(node, result)
                else:
                    again = autocast.called_again(self, args, kwargs or {}, result)
                    if again is not None:
                        return again
            record(node, args, result, recorders)
        return result

    @property
    def signature(self) -> inspect.Signature:
        """That of the rule's ``forward``, looked up when it is first asked for: an import makes many operators."""
        if self._signature is None:
            if self.policy is None:
                raise _complaints.no_policy(type(self).__name__)
            signature = inspect.signature(self.policy.forward)
            self._signature = signature.replace(parameters=list(signature.parameters.values())[1:])
        return self._signature  # type: ignore[no-any-return]

    def __get__(self, instance: Any, owner: Any) -> Any:
        """Bind as a method, so that a class body can say ``exp = ops.exp``."""
        return self if instance is None else MethodType(self, instance)


def writes_into(args: tuple[Any, ...], mapped: Any) -> int:
    """Say how often the arguments that are LiteTensors have been written into, by torch's count."""
    count = 0
    for each in args:
        if isinstance(each, TensorBase):
            tensor: TensorBase = each
            data = tensor.raw
            while mapped and is_wrapped(data):  # of a vmap torch counts that for the tensor of all examples
                data = torch._C._functorch.get_unwrapped(data)
            try:
                count += data._version
            except RuntimeError:  # one made in inference mode, of which it does not
                continue
    return count


def _tell_keywords(kwargs: dict[str, Any], recorders: list[TapeBase]) -> None:
    """Tell who looks on what the operation recorded last was given by keyword: it is no part of the node."""
    for tape in recorders:
        if tape.observers is not None:
            tape.observers.given(tape, kwargs)
