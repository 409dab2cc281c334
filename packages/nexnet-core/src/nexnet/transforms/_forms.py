"""What a rule's call on one example is on a whole batch, whose examples lie along a new first dimension.

A form takes a call apart and gives what the call on the batch would have saved; or None, where no one call does it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

from ..engine import Key, Node
from ..ops.elementwise.arithmetic import div, mul, pow
from ..ops.elementwise.selection import clamp, maximum, minimum, where
from ..ops.layers.linear import linear, linear_backward, linear_relu
from ..ops.matrices.matmul import dot, matmul, mm, mv
from ..ops.reductions.sums import mean, sum
from ..ops.shapes.indexing import narrow, select, slicing, slicing_backward
from ..ops.shapes.joining import _cat, _stack, chunk, clone, contiguous, split, to, unbind
from ..ops.shapes.reshaping import _Reshape, transpose, unsqueeze
from ..ops.shapes.views import alias, expand, movedim, mT, permute, t
from ..policy import Policy
from ._linears import EACH

__all__ = ["Call", "Form", "form_of", "shows_its_operands"]


class Call(NamedTuple):
    """A node that a vmap has recorded, what it saved, and which of its parents and of that differ by example."""

    node: Node
    size: int
    saved: tuple[Any, ...]
    mapped: Sequence[bool]
    differs: Sequence[bool]

    @property
    def parents(self) -> tuple[Key | None, ...]:
        """The keys of the arguments."""
        return self.node.parents

    def is_mapped(self, argument: int, place: int) -> bool:
        """Say whether an argument differs by example, which is saved at a place if it is a constant."""
        return self.mapped[argument] or self.differs[place]

    def batch(self, shape: Sequence[int]) -> torch.Size:
        """Give the shape of the batch of what has this shape."""
        return torch.Size((self.size, *shape))


class Form(NamedTuple):
    """What the call is on a batch.

    Attributes:
        saved: gives what it saves of what the call on one example has saved, the tensors in it with their batch; None:
            the same.
        policy: another rule, if it is not the same.
        aligned: operands broadcast, so those that have fewer dimensions than the output get some behind the batch.
        order: which of the parents, if not all in their order; a further one is None.
        fits: the gradient of what is the same for all examples is their sum.
    """

    saved: Callable[..., tuple[Any, ...]] | None = None
    policy: Any = None
    aligned: bool = False
    order: tuple[int, ...] | None = None
    fits: bool = False


_SAVING = {mul.policy, div.policy, pow.policy}  # each operand, or what they come to
_AS_IT_IS, _ALIGNED, _FITS = Form(), Form(aligned=True), Form(fits=True)


def shows_its_operands(node: Node, form: Form) -> bool:
    """Say whether a constant that differs by example would be seen: not every rule saves what it adds."""
    rule: Any = type(node)
    adds = (form.aligned and rule not in _SAVING) or rule in (_stack, _cat)
    return not adds or None not in node.parents


def form_of(rule: type) -> Any:
    """Give the form of a rule's calls, or what gives that of each; None if there is none."""
    if rule not in _FORMS and _is_nexnets(rule):
        kind: Any = rule
        _FORMS[rule] = _ALIGNED if kind.elementwise else _reshape if issubclass(rule, _Reshape) else None
    return _FORMS.get(rule)


def _is_nexnets(rule: type) -> bool:
    """Say whether a rule, and what it is made of, is nexnet's own: if it says so, it works element by element."""
    kinds = rule.__mro__
    return Policy in kinds and all(each.__module__.startswith("nexnet.") for each in kinds[: kinds.index(Policy)])


# Dimensions that a call has named ------------------------------------------------------------------------------------


def _behind(dim: Any) -> Any:
    """Give the place that a dimension of one example, or several, has behind the batch."""
    if isinstance(dim, int):
        return dim + 1 if dim >= 0 else dim
    return tuple([_behind(each) for each in dim])


def _reshape(call: Call) -> Form:
    return Form(lambda shape: (call.batch(shape),))


_DIMS = Form(lambda *dims: tuple([_behind(each) for each in dims]))
_PERMUTED = Form(lambda dims: ((0, *_behind(dims)),))
_PUT_BACK = Form(lambda index: ((slice(None), *index),))


def _t(call: Call) -> Form:
    return Form(policy=mT.policy if len(call.node.outputs[0].shape) == 2 else alias.policy)  # type: ignore[union-attr]


def _joined(call: Call) -> Form:
    return Form(lambda shapes, dim: ([call.batch(each) for each in shapes], _behind(dim)), aligned=True)


def _stacked(call: Call) -> Form | None:
    """Stack tensors of one shape; in a batch of batches, one may lack the inner batch: it is the same for all."""
    ndim = len(call.node.outputs[0].shape) - 1  # type: ignore[union-attr]
    return _DIMS if all(key is None or len(key.shape) == ndim for key in call.parents) else None


def _slicing(call: Call) -> Form:
    return Form(lambda shape, index: (call.batch(shape), (slice(None), *index)))


def _reduction(call: Call) -> Form | None:
    shape, dim, _ = call.saved
    if not shape:  # no dimension is left to name: kept, it is a sum of nothing, whose mean would divide
        return Form(lambda *_: (call.batch(()), None, True)) if isinstance(call.node, sum.policy) else None
    every = dim is None or (not isinstance(dim, int) and len(dim) == 0)
    dims = tuple(range(1, len(shape) + 1)) if every else _behind(dim)
    return Form(lambda shape, _, keepdim: (call.batch(shape), dims, keepdim))


# Products -------------------------------------------------------------------------------------------------------------


def _linear(call: Call) -> Form | None:
    weight = call.parents[1] or call.saved[0]
    if weight is not None and len(weight.shape) != 2:
        return None
    if not (any(call.mapped) or any(call.differs)):
        return None  # a constant that it has not saved may differ
    if weight is not None and call.is_mapped(0, 1) and not (call.differs[0] or any(call.mapped[1:])):
        return _FITS
    bias, output = call.parents[2] if len(call.parents) > 2 else None, call.node.outputs[0]
    fits = bias is None or bias.shape == output.shape[-1:]  # type: ignore[union-attr]
    return Form(policy=EACH[type(call.node)]) if fits else None


def _linear_backward(call: Call) -> Form:
    """Of g W alone it is itself; g^T x of one example is a matrix, where that of a batch would be their sum."""
    same = call.saved[2] is not None and not (call.differs[2] or call.mapped[2])
    if same and call.node.outputs[1:] == (None, None):
        return _FITS
    ndim = call.saved[0].ndim
    return Form(lambda *saved: (*saved[:3], ndim), EACH[type(call.node)])


def _product(call: Call) -> Form | None:
    a, b = (call.parents[i] or call.saved[1 - i] for i in (0, 1))
    left, right = call.is_mapped(0, 1), call.is_mapped(1, 0)
    m, n = len(a.shape), len(b.shape)
    if left and right:
        return _matmul(m + 1, n + 1) if m == n >= 2 else None
    if left:
        return _matmul(m + 1, n) if n <= 2 else None
    if n == 1 == m:
        return Form(lambda b, a, *_: (a, b, 2, 1), matmul.policy, order=(1, 0))
    if n == 1:
        return Form(lambda b, a, *_: (a, b), linear.policy, order=(1, 0, 2)) if m == 2 else None
    return _matmul(m, n + 1) if m <= 2 else None


def _matmul(left: int, right: int) -> Form:
    return Form(lambda b, a, *_: (b, a, left, right), matmul.policy)


# ---------------------------------------------------------------------------------------------------------------------

_FORMS: dict[type, Any] = {
    operator.policy: form
    for form, operators in (
        (_AS_IT_IS, (alias, clone, contiguous, to, mT)),
        (_ALIGNED, (expand, where, clamp, maximum, minimum)),
        (_DIMS, (unbind, split, chunk, unsqueeze, transpose, movedim)),
        (_PERMUTED, (permute,)),
        (_t, (t,)),
        (_slicing, (slicing, select, narrow)),
        (_PUT_BACK, (slicing_backward,)),
        (_reduction, (sum, mean)),
        (_linear, (linear, linear_relu)),
        (_linear_backward, (linear_backward,)),
        (_product, (matmul, mm, mv, dot)),
    )
    for operator in operators
} | {_stack: _stacked, _cat: _joined}
