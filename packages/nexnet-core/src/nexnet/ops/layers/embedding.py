"""Rows of a table, picked by index: one by one (embedding), or summed up by bags (embedding_bag)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from ...engine import TensorBase, unwrap
from ...errors import InputError, message
from ...policy import Analytic, Policy, function, implements
from .._kernels import kernel_or_rule, overload
from .._names import composite
from .._vmap_kernels import is_mapped
from ._bags_of_examples import bags, by_sample, by_table

__all__ = ["embedding", "embedding_bag"]

_aten = torch.ops.aten
_bags = overload(_aten._embedding_bag.default)
_bags_backward = overload(_aten._embedding_bag_backward.default)
_samples_backward = overload(_aten._embedding_bag_per_sample_weights_backward.default)
_MODES = {"sum": 0, "mean": 1, "max": 2}


def _refuse(rule: str, max_norm: float | None, sparse: bool) -> None:
    if max_norm is not None:
        raise InputError(
            message(
                "max_norm writes into the table, and nexnet is functional.",
                rule=rule,
                argument="max_norm",
                got=max_norm,
                remedy="scale the rows first: weight * (max_norm / norm).clamp(max=1), norm = "
                "weight.norm(dim=1, keepdim=True)",
            )
        )
    if sparse:
        raise InputError(
            message("nexnet's gradients are dense.", rule=rule, argument="sparse", remedy="leave sparse out")
        )


def _row(padding_idx: int | None, rows: int, rule: str) -> int:
    """Give the row without a gradient as torch's kernels want it: -1 for none, and else counted from the front."""
    if padding_idx is None:
        return -1
    if not -rows <= padding_idx < rows:
        raise InputError(
            message(
                "padding_idx is no row of the table.",
                rule=rule,
                argument="padding_idx",
                expected=f"{-rows} to {rows - 1}",
                got=padding_idx,
            )
        )
    return padding_idx % rows


# One by one -----------------------------------------------------------------------------------------------------------


@implements(_aten.embedding_dense_backward.default)
@function
class _embedding_backward(Analytic):
    """The sum, by row, of what g has for it (over their number, if scaled), 0 for the padding:  dg = h of each row."""

    def forward(self, grad: Any, indices: Any, rows: int, padding: int, scaled: bool) -> Any:
        self.ctx.save(indices, rows, padding, scaled)
        return _aten.embedding_dense_backward.default(grad, indices, rows, padding, scaled)

    def backward(self, cotangent: Any) -> Any:
        indices, rows, padding, scaled = self.ctx.release
        if scaled:
            cotangent = cotangent / _counts(indices, rows, cotangent)
        picked = _pick(cotangent, indices)
        return picked if padding < 0 else picked.masked_fill((indices == padding)[..., None], 0)


def _counts(indices: Any, rows: int, like: Any) -> Any:
    """Give how often each row is picked, at least 1, as a column."""
    counts = torch.bincount(unwrap(indices).reshape(-1), minlength=rows).clamp_(min=1)
    return counts.to(like.dtype)[:, None]


_gradient_by_table: Callable[..., Any] = kernel_or_rule(_aten.embedding_dense_backward.default, _embedding_backward)


@implements(_aten.embedding.default)
@function
class _embedding(Analytic):
    """w[i]:  dw = zeros with g's rows added at i."""

    def forward(self, weight: Any, indices: Any, padding: int, scaled: bool) -> Any:
        self.ctx.save(indices, weight.shape[0], padding, scaled)
        return _aten.embedding.default(weight, indices, padding, scaled, False)

    def backward(self, grad: Any) -> Any:
        return _gradient_by_table(grad, *self.ctx.release)


def _pick(weight: Any, indices: Any) -> Any:
    pick = _embedding if isinstance(weight, TensorBase) else _aten.embedding.default
    return pick(weight, indices, -1, False)


@implements(F.embedding)
@composite
def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,  # noqa: ARG001  of max_norm, which is refused
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """Rows of the table ``weight`` (rows, size): indices of any shape (*) give (*, size).

    Args:
        input: integer indices.
        weight: the table.
        padding_idx: a row that gets no gradient.
        max_norm: refused: in torch it writes into the table.
        norm_type: of ``max_norm``.
        scale_grad_by_freq: divide a row's gradient by how often it was picked (at every order; torch forgets it in the
            second).
        sparse: refused: gradients are dense.

    Raises:
        InputError: ``max_norm``, ``sparse``, or a ``padding_idx`` that is no row.
        IndexError: an index that is no row.
    """
    _refuse("embedding", max_norm, sparse)
    return _embedding(weight, input, _row(padding_idx, weight.shape[0], "embedding"), scale_grad_by_freq)


@implements(torch.embedding)
def _torch_embedding(
    weight: Any, indices: Any, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Any:
    _refuse("embedding", None, sparse)
    return _embedding(weight, indices, padding_idx, scale_grad_by_freq)


# By bags --------------------------------------------------------------------------------------------------------------
#
# A bag sums s_i w[k_i] (or takes their mean or maximum). The sum is linear in the table and in s: the gradient by the
# table, that by s, and the sum itself are each other's rules. ``bags`` holds what the kernels want to know of the
# indices: (indices, offsets, offset2bag, bag_size, maximum_indices).


@implements()
@function
class _embedding_bag(Policy):
    """The sum of s_i w[k_i] by bag:  dw = zeros with s_i g_bag added at k_i,  ds_i = <g_bag, w[k_i]>.

    Or the mean of w[k_i]; or the maximum of each column, whose row gets g: the first of equals.
    """

    materialize_grads = False

    def forward(
        self,
        weight: Any,
        indices: Any,
        offsets: Any,
        scaled: bool,
        mode: int,
        per_sample_weights: Any,
        include_last_offset: bool,
        padding: int,
    ) -> Any:
        kernel = bags if is_mapped(weight, indices, offsets, per_sample_weights) else _bags
        out, bag_of, sizes, largest = kernel(
            weight, indices, offsets, scaled, mode, False, per_sample_weights, include_last_offset, padding
        )
        if include_last_offset:
            offsets = offsets[:-1]
        self.ctx.save(weight, indices, offsets, bag_of, sizes, largest, scaled, mode, per_sample_weights, padding)
        return out

    def backward(self, grad: Any) -> Any:
        weight, indices, offsets, bag_of, sizes, largest, scaled, mode, samples, padding = self.ctx.release
        needs = self.ctx.needs_input_grad
        dw = ds = None
        if needs[0]:
            dw = _bags_by_table(grad, indices, offsets, bag_of, sizes, largest, weight.shape[0], scaled, mode, samples,
                                padding)  # fmt: skip
        if needs[5]:
            ds = _bags_by_sample(grad, weight, indices, offsets, bag_of, sizes, largest, padding)
        return dw, None, None, None, None, ds


@implements()
@function
class _bags_by_table_rule(Policy):
    """The gradient of a bag by the table, linear in g and in s:  dg is the bags of h,  ds_i = <g_bag, h[k_i]>."""

    def forward(
        self,
        grad: Any,
        indices: Any,
        offsets: Any,
        bag_of: Any,
        sizes: Any,
        largest: Any,
        rows: int,
        scaled: bool,
        mode: int,
        samples: Any,
        padding: int,
    ) -> Any:
        self.ctx.save(grad, indices, offsets, bag_of, sizes, largest, rows, scaled, mode, samples, padding)
        return _table_kernel(grad, indices, offsets, bag_of, sizes, largest, rows, scaled, mode, samples, padding)

    def backward(self, cotangent: Any) -> Any:
        grad, indices, offsets, bag_of, sizes, largest, rows, scaled, mode, samples, padding = self.ctx.release
        if mode == 2:
            picked = torch.gather(cotangent, 0, torch.clamp(largest, min=0))
            return picked.masked_fill((sizes == 0)[:, None], 0)
        if scaled:
            cotangent = cotangent / _counts(indices, rows, cotangent)
        dg = _embedding_bag(cotangent, indices, offsets, False, mode, samples, False, padding)
        ds = None
        if self.ctx.needs_input_grad[9]:
            ds = _bags_by_sample(grad, cotangent, indices, offsets, bag_of, sizes, largest, padding)
        return dg, *[None] * 8, ds


@implements()
@function
class _bags_by_sample_rule(Policy):
    """<g_bag, w[k_i]>, bilinear:  dg is the bags of w with weights u,  dw = zeros with u_i g_bag added at k_i."""

    def forward(
        self,
        grad: Any,
        weight: Any,
        indices: Any,
        offsets: Any,
        bag_of: Any,
        sizes: Any,
        largest: Any,
        padding: int,
    ) -> Any:
        self.ctx.save(grad, weight, indices, offsets, bag_of, sizes, largest, padding)
        return _sample_kernel(grad, weight, indices, offsets, bag_of, sizes, largest, padding)

    def backward(self, u: Any) -> Any:
        grad, weight, indices, offsets, bag_of, sizes, largest, padding = self.ctx.release
        dg = _embedding_bag(weight, indices, offsets, False, 0, u, False, padding)
        rows = weight.shape[0]
        dw = _bags_by_table(grad, indices, offsets, bag_of, sizes, largest, rows, False, 0, u, padding)
        return dg, dw


# ``bag_of`` may be empty, where the kernel's fast way left it out: these then make it of the offsets.


def _table_kernel(
    grad: Any, indices: Any, offsets: Any, bag_of: Any, sizes: Any, largest: Any, rows: int, scaled: bool, mode: int,
    samples: Any, padding: int,
) -> Any:  # fmt: skip
    if is_mapped(grad, indices, offsets, largest, samples):
        return by_table(grad, indices, offsets, sizes, largest, rows, scaled, mode, samples, padding)
    return _bags_backward(
        grad.contiguous(), indices, offsets, bag_of, sizes, largest, rows, scaled, mode, False, samples, padding
    )


def _sample_kernel(
    grad: Any, weight: Any, indices: Any, offsets: Any, bag_of: Any, _: Any, __: Any, padding: int
) -> Any:
    if is_mapped(grad, weight, indices, offsets):
        return by_sample(grad, weight, indices, offsets, padding)
    return _samples_backward(grad, weight, indices, offsets, bag_of, 0, padding)


_bags_by_table: Callable[..., Any] = kernel_or_rule(_table_kernel, _bags_by_table_rule)
_bags_by_sample: Callable[..., Any] = kernel_or_rule(_sample_kernel, _bags_by_sample_rule)


@implements(F.embedding_bag)
@composite
def embedding_bag(
    input: Any,
    weight: Any,
    offsets: Any = None,
    max_norm: float | None = None,
    norm_type: float = 2,  # noqa: ARG001  of max_norm, which is refused
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Any:
    """The sum, mean or maximum of the table's rows by bags: (bags, size).

    Args:
        input: integer indices: (bags, n), or (total,) with ``offsets``.
        weight: the table (rows, size).
        offsets: where each bag of a one-dimensional input starts.
        max_norm: refused: in torch it writes into the table.
        norm_type: of ``max_norm``.
        scale_grad_by_freq: divide a row's gradient by how often it was picked; not for "max".
        mode: "sum", "mean" or "max".
        sparse: refused: gradients are dense.
        per_sample_weights: a factor for each index, of the input's shape, for "sum"; it has a gradient.
        include_last_offset: whether ``offsets`` ends with the input's length.
        padding_idx: a row that is left out of every bag, and gets no gradient.

    Corner: an empty bag gives zeros.

    Raises:
        InputError: what is refused; an unknown mode; shapes that do not go together.
    """
    name = "embedding_bag"
    _refuse(name, max_norm, sparse)

    def complain(what: str, argument: str, got: Any) -> InputError:
        return InputError(message(what, rule=name, argument=argument, got=got))

    if mode not in _MODES:
        raise complain("mode is sum, mean or max.", "mode", mode)
    if weight.ndim != 2:
        raise complain("the table has two dimensions.", "weight", tuple(weight.shape))
    if mode == "max" and scale_grad_by_freq:
        raise complain("max has no gradient scaled by frequency.", "scale_grad_by_freq", scale_grad_by_freq)
    if per_sample_weights is not None:
        if mode != "sum":
            raise complain("per_sample_weights are for mode='sum'.", "mode", mode)
        if per_sample_weights.shape != input.shape:
            raise complain("each index has one weight.", "per_sample_weights", tuple(per_sample_weights.shape))
    if input.ndim == 2:
        if offsets is not None:
            raise complain("an input (bags, n) needs no offsets.", "offsets", tuple(offsets.shape))
        raw = unwrap(input)
        offsets = torch.arange(0, raw.numel(), raw.shape[1] or 1, dtype=raw.dtype, device=raw.device)
        if raw.shape[1] == 0:
            offsets = raw.new_zeros(raw.shape[0])
        include_last_offset = False
        input = raw.reshape(-1)
        if per_sample_weights is not None:
            per_sample_weights = per_sample_weights.reshape(-1)
    elif input.ndim != 1 or offsets is None or offsets.ndim != 1:
        raise complain(
            "an input (total,) needs offsets (bags,).", "offsets", None if offsets is None else tuple(offsets.shape)
        )
    return _embedding_bag(
        weight,
        input.contiguous(),  # torch's kernels read it, and the offsets, as memory
        offsets.contiguous(),
        scale_grad_by_freq,
        _MODES[mode],
        per_sample_weights,
        include_last_offset,
        _row(padding_idx, weight.shape[0], name),
    )
