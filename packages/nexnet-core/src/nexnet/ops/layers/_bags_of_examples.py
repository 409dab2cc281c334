"""torch's kernels for embedding_bag by operators, for the examples of a vmap: torch.vmap has no rule for them.

They take what the kernels take, and give what these give. A bag sums s_i w[k_i], or takes their mean or maximum.
"""

from __future__ import annotations

import math
from typing import Any

import torch

__all__ = ["bags", "by_sample", "by_table"]

_MEAN, _MAX = 1, 2


def bags(
    weight: Any, indices: Any, offsets: Any, _: bool, mode: int, __: bool, samples: Any, with_last: bool, padding: int
) -> tuple[Any, Any, Any, Any]:
    """Give the bags, and the bag of each index, the size of each bag, and the rows of the greatest elements."""
    offsets = offsets[:-1] if with_last else offsets
    bag_of, kept = _bag_of(indices, offsets), indices != padding
    sizes = torch.zeros_like(offsets).index_add(0, bag_of, kept.to(offsets.dtype))
    rows = weight[indices]
    if mode == _MAX:
        largest = _largest(rows, indices, bag_of, kept, len(offsets))
        return weight.gather(0, largest).masked_fill((sizes == 0)[:, None], 0), bag_of, sizes, largest
    factor = (kept if samples is None else torch.where(kept, samples, 0)).to(rows.dtype)
    zeros = torch.zeros(len(offsets), weight.shape[1], dtype=weight.dtype, device=weight.device)
    out = zeros.index_add(0, bag_of, rows * factor[:, None])
    return out / sizes.clamp(min=1)[:, None] if mode == _MEAN else out, bag_of, sizes, sizes


def by_table(
    grad: Any, indices: Any, offsets: Any, sizes: Any, largest: Any, rows: int, scaled: bool, mode: int, samples: Any,
    padding: int,
) -> Any:  # fmt: skip
    """Give the gradient by the table: zeros with s_i g_bag added at k_i."""
    zeros = torch.zeros(rows, grad.shape[1], dtype=grad.dtype, device=grad.device)
    if mode == _MAX:
        return zeros.scatter_add(0, largest.clamp(min=0), grad.masked_fill((sizes == 0)[:, None], 0))
    grad = grad / sizes.clamp(min=1)[:, None] if mode == _MEAN else grad
    factor = (indices != padding).to(grad.dtype)
    factor = factor if samples is None else factor * samples
    if scaled:
        factor = factor / (indices[:, None] == indices).sum(1)
    return zeros.index_add(0, indices, grad[_bag_of(indices, offsets)] * factor[:, None])


def by_sample(grad: Any, weight: Any, indices: Any, offsets: Any, padding: int) -> Any:
    """Give the gradient by the factors: <g_bag, w[k_i]>."""
    products = (grad[_bag_of(indices, offsets)] * weight[indices]).sum(1)
    return products.masked_fill(indices == padding, 0)


def _bag_of(indices: Any, offsets: Any) -> Any:
    place = torch.arange(len(indices), device=indices.device)
    return (place[:, None] >= offsets).sum(1) - 1


def _largest(rows: Any, indices: Any, bag_of: Any, kept: Any, count: int) -> Any:
    """Give, for each bag and column, the index whose row is the greatest there: the first of equals."""
    values = torch.where(kept[:, None], rows, -math.inf)
    where = bag_of[:, None].expand(values.shape)
    none = torch.full((count, values.shape[1]), -math.inf, dtype=rows.dtype, device=rows.device)
    largest = none.scatter_reduce(0, where, values, "amax")
    place = torch.arange(len(indices), device=indices.device)[:, None]
    is_largest = ((values == largest.gather(0, where)) | values.isnan()) & kept[:, None]
    first = torch.full_like(none, len(indices), dtype=torch.long).scatter_reduce(
        0, where, torch.where(is_largest, place, len(indices)), "amin"
    )
    return indices[first.masked_fill(first == len(indices), 0)]
