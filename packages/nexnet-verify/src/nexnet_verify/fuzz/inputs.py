"""Arguments of wrong types for every operator: each is taken as torch takes it, or is an error of a sensible class."""

from __future__ import annotations

from collections.abc import Callable

import optree

import nexnet
from nexnet.errors import NexnetError

from ..cases import Case, Sample
from ..problem import NAMESPACE, is_float
from ..torch_reference import as_torch, torch_counterpart
from ..walking import outcome
from .calls import senseless
from .mutations import Mutation, call_text, hostile_types, right_calls
from .outcome import Outcome, Tell
from .sweep import Sweep

__all__ = ["Inputs", "again"]

#: How Python, torch's parser and its kernels say that an argument is of the wrong kind.
SENSIBLE = (NexnetError, TypeError, ValueError, IndexError, RuntimeError, OverflowError)


class Inputs(Sweep):
    """Every wrong type in the place of every argument."""

    def calls(self, name: str, kind: str) -> list[tuple[Sample, Mutation]]:
        """Give an operator's typical call, with every wrong type."""
        _, typical = right_calls(name, kind)[0]
        return [(typical, each) for each in hostile_types(typical)]

    def attempt(self, number: int, tell: Tell) -> Outcome:
        """Make an attempt: the call, and the gradient of what it gives."""
        case, sample, words = self.at(number)
        about = f"{case.kind}.{case.name}, {words}"
        program = (
            "import math, torch, numpy, nexnet\nfrom nexnet_verify.fuzz.inputs import again\n"
            f"again({case.kind!r}, {case.name!r}, lambda call: {call_text(sample)})"
        )
        tell(f"{about}\n{program}")
        got = outcome(_gradient, (case, sample), {})
        if not isinstance(got, Exception):
            return Outcome("fine")
        tell(f"torch's {case.name}\n{program}")
        function = torch_counterpart(case)
        beside = None if function is None else outcome(_in_torch, (function, sample), {})
        if isinstance(got, AttributeError) and not senseless(got, beside):
            return Outcome("unclear")  # 'str' object has no attribute 'ndim': true, but it names no argument
        if senseless(got, beside) or not isinstance(got, (*SENSIBLE, *kind_of(beside))):
            text = f"{about}: {type(got).__name__}: {str(got)[:300]}"
            return Outcome("finding", f"{text}\n{program}", f"{case.name} {type(got).__name__}")
        return Outcome("refused")


def kind_of(beside: object) -> tuple[type, ...]:
    """Give the class of torch's own error, which is as good."""
    return (type(beside),) if isinstance(beside, Exception) else ()


def again(kind: str, name: str, arguments: object) -> object:
    """Make a call, and the gradient of what it gives: what the printed programs do."""
    case = next(each for each in Inputs(0).order if (each.kind, each.name) == (kind, name))
    return _gradient(case, arguments(Sample))  # type: ignore[operator]


def _in_torch(function: Callable[..., object], sample: Sample) -> object:
    return function(*as_torch(sample.args), **as_torch(sample.kwargs))


def _gradient(case: Case, sample: Sample) -> object:
    leaves, treespec = optree.tree_flatten((sample.args, sample.kwargs), none_is_leaf=True, namespace=NAMESPACE)
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, nexnet.LiteTensor) and is_float(leaf)]

    def call(*tensors: object) -> object:
        filled = dict(zip(places, tensors, strict=True))
        args, kwargs = optree.tree_unflatten(treespec, [filled.get(i, leaf) for i, leaf in enumerate(leaves)])
        out = case.operator(*args, **kwargs)
        found = [each for each in optree.tree_leaves(out, namespace=NAMESPACE) if isinstance(each, nexnet.LiteTensor)]
        found = [torch_real(each) for each in found if is_float(each)]
        return sum((each.sum() for each in found), start=nexnet.LiteTensor(0.0))

    if not places:
        return call()
    return nexnet.grad(call, argnums=tuple(range(len(places))))(*[leaves[i] for i in places])


def torch_real(x: nexnet.LiteTensor) -> nexnet.LiteTensor:
    """Give a real tensor: of a complex one its real part."""
    return x.real if x.dtype.is_complex else x
