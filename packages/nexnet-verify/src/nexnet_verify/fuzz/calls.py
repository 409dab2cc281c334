"""One call of an operator in every mode: forward, first and second gradient, forward mode, vmap; beside torch's."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import optree
import torch
from torch import Tensor

import nexnet

from ..cases import Case, Sample
from ..comparing import compare
from ..differences import derivative
from ..problem import NAMESPACE, is_float
from ..runner import bind

__all__ = ["differences_agree", "differs", "modes", "senseless", "torchs"]

#: Errors that say nothing to a user: a fault of nexnet's, unless torch's own function raises the very same.
SENSELESS = (AssertionError, SystemError, NameError, KeyError, RecursionError, MemoryError, ZeroDivisionError)
INTERNAL = ("INTERNAL ASSERT", "please report a bug", "Please report a bug")
RTOL = 1e-6


def modes(case: Case, sample: Sample) -> Iterator[tuple[str, Callable[[], list[Tensor]]]]:
    """Give what can be done with a call, by name."""
    call, _, _, tensors = bind(case, sample)

    def outputs(*leaves: Any) -> list[Any]:
        return _floating(call(*leaves), nexnet.LiteTensor)

    def total(*leaves: Any) -> Any:
        return functools.reduce(lambda a, b: a + b, [each.sum() for each in outputs(*leaves)])

    def all_of(fn: Callable[..., Any]) -> Any:
        return nexnet.grad(fn, argnums=tuple(range(len(tensors))))

    def slope(*leaves: Any) -> Any:
        terms = [(torch.view_as_real(g) if g.dtype.is_complex else g).cos().sum() for g in all_of(total)(*leaves)]
        return functools.reduce(lambda a, b: a + b, terms)

    def twice() -> list[nexnet.LiteTensor]:
        return [nexnet.LiteTensor(torch.stack([each.data, each.data])) for each in tensors]

    yield "forward", lambda: _raw(outputs(*tensors))
    if not tensors:
        return
    yield "gradient", lambda: _raw(all_of(total)(*tensors))
    yield "second gradient", lambda: _raw(all_of(slope)(*tensors))
    yield "jvp", lambda: _raw(nexnet.jvp(outputs, tuple(tensors), tuple(nexnet.ones_like(each) for each in tensors))[1])
    yield "vmap", lambda: _raw(nexnet.vmap(outputs, randomness="same")(*twice()))
    yield "vmap of gradient", lambda: _raw(nexnet.vmap(all_of(total), randomness="same")(*twice()))
    yield "vmap of second gradient", lambda: _raw(nexnet.vmap(all_of(slope), randomness="same")(*twice()))


def torchs(case: Case, sample: Sample, mode: str) -> list[Tensor] | Exception | None:
    """Give what torch's own function does in a mode: its value, its error, or None where it is not asked."""
    _, _, function, tensors = bind(case, sample)
    if function is None or mode not in ("forward", "gradient"):
        return None
    try:
        if mode == "forward":
            return [each.detach() for each in _floating(function(*[each.data for each in tensors]), Tensor)]
        leaves = [each.data.detach().clone().requires_grad_() for each in tensors]
        total = functools.reduce(lambda a, b: a + b, [each.sum() for each in _floating(function(*leaves), Tensor)])
        return list(torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True))
    except Exception as error:
        return error


def differs(got: Sequence[Tensor], expected: Sequence[Tensor], dtypes: Iterable[torch.dtype]) -> str:
    """Say how values differ from torch's, to the precision of both. Where torch has no number, any will do."""
    if len(got) != len(expected):
        return f"{len(got)} tensors, torch gives {len(expected)}"
    kinds = [[(tuple(each.shape), each.dtype) for each in side] for side in (got, expected)]
    if kinds[0] != kinds[1]:
        return f"{kinds[0]}, torch gives {kinds[1]}"
    computed = [*dtypes, *(each.dtype for each in got)]  # of integers in float32
    rtol = max([RTOL, *(1e2 * torch.finfo(each).eps for each in computed if each.is_floating_point or each.is_complex)])
    ours, theirs = [
        [torch.view_as_real(x.resolve_conj()) if x.is_complex() else x for x in side] for side in (got, expected)
    ]
    for i, gap in enumerate(compare(ours, theirs, rtol, None, rtol * 1e14)):
        gap.leave_out(~gap.expected.isfinite())
        if bool(gap.wrong.any()):
            at = gap.worst
            return f"tensor {i} at {at} is {float(gap.got[at]):.9g}, torch gives {float(gap.expected[at]):.9g}"
    return ""


def differences_agree(case: Case, sample: Sample, gradient: Sequence[Tensor]) -> bool:
    """Say whether a gradient is that of the operator's own values, along one direction, by finite differences."""
    call, _, _, tensors = bind(case, sample)
    if any(each.data.is_complex() for each in tensors):
        return False
    point = [each.data.double() for each in tensors]
    direction = [torch.sin(1.0 + torch.arange(x.numel(), dtype=torch.float64)).reshape(x.shape) for x in point]

    def along(t: float) -> float:
        moved = [nexnet.LiteTensor(x + t * d) for x, d in zip(point, direction, strict=True)]
        return float(sum(each.data.double().sum() for each in _floating(call(*moved), nexnet.LiteTensor)))

    scale = max((float(each.abs().max()) for each in gradient if each.numel()), default=0.0)
    estimate = derivative(along, 1e-15 * max(1.0, abs(along(0.0))), scale)
    ours = float(sum((d * g.double()).sum() for d, g in zip(direction, gradient, strict=True)))
    return abs(ours - estimate.value) <= 1e-4 * max(scale, abs(ours)) + 10 * estimate.error


def senseless(error: BaseException, beside: object) -> bool:
    """Say whether an error tells a user nothing; ``beside`` is what torch's own function came to."""
    if any(each in str(error) for each in INTERNAL):  # torch's own function may refuse a call in such words
        return str(error) != str(beside)
    return isinstance(error, SENSELESS) and not isinstance(beside, type(error))


def _raw(tree: Any) -> list[Tensor]:
    found = optree.tree_leaves(tree, namespace=NAMESPACE)
    return [each.data if isinstance(each, nexnet.LiteTensor) else each for each in found]


def _floating(out: Any, kind: type[Any]) -> list[Any]:
    found = [each for each in optree.tree_leaves(out, namespace=NAMESPACE) if isinstance(each, kind) and is_float(each)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [torch.view_as_real(torch.resolve_conj(each)) if each.dtype.is_complex else each for each in found]
