"""scaled_dot_product_attention by the kernels of attention_forward and attention_backward."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from ..engine import TensorBase, is_tracked, is_wrapped, unwrap
from ..errors import InputError, message
from ..ops import scaled_dot_product_attention as ordinary
from ..ops.layers.attention import _shared, _weights
from ..policy import Policy, function, implements
from ._launch import INTERPRETED, gradient_rule, lite, precision_of, takes
from .attention_backward import attention_backward_kernel
from .attention_forward import WIDEST, attention_kernel

__all__ = ["scaled_dot_product_attention"]


def _formula(
    grad: Any, query: Any, key: Any, value: Any, mask: Any, out: Any, lse: Any, is_causal: bool, scale: float, _: str
) -> Any:
    weights = _weights(query, key, mask, is_causal, scale)
    through = torch.matmul(grad, value.mT)
    z = weights * (through - (through * weights).sum(-1, keepdim=True)) * scale
    return torch.matmul(z, key), torch.matmul(z.mT, query), torch.matmul(weights.mT, grad)


_gradient = gradient_rule("attention", 4, attention_backward_kernel, _formula)


@implements()
@function
class _attention(Policy):
    """O = P V, P = softmax(s Q K^T + mask):  dV = P^T g,  dQ = s Z K,  dK = s Z^T Q,  Z = P (g V^T - <g, O>).

    Shapes: (batch, heads, length, size). Beside O come the logarithms of the sums of e^score.
    """

    materialize_grads = False

    def forward(
        self, query: Any, key: Any, value: Any, mask: Any, is_causal: bool, scale: float, precision: str
    ) -> Any:
        out, lse = attention_kernel(query, key, value, mask, is_causal, scale, precision)
        self.ctx.save(query, key, value, mask, out, lse, is_causal, scale, precision)
        return out, lse

    def backward(self, grad: Any, _: Any) -> Any:
        return None if grad is None else _gradient(grad, *self.ctx.release)


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    *,
    allow_tf32: bool | None = None,
) -> Any:
    """softmax(s Q K^T + mask) V, with queries (..., L, E), keys (..., S, E) and values (..., S, D): (..., L, D).

    Args:
        query: Q, of shape (..., heads, L, E).
        key: K, of shape (..., heads, S, E).
        value: V, of shape (..., heads, S, D).
        attn_mask: boolean, True where a query may see a key; or numbers that are added to the scores. It broadcasts to
            (..., L, S).
        is_causal: let a query see the keys up to its own place only.
        scale: s, by default 1 / sqrt(E).
        enable_gqa: let groups of query heads share the fewer heads of K and V.
        allow_tf32: whether float32 is multiplied in TF32; see ``matmul``.

    What the kernels do not do is nexnet's own rule's, with the whole of P: a batch of vmap, a gradient by the mask,
    float64 on a GPU, a query or a value of more than 512 bytes.

    Corner: a query that may see nothing gets zeros, and passes none on.

    Raises:
        InputError: shapes or dtypes that do not go together; a mask beside ``is_causal``.
    """
    name = "scaled_dot_product_attention"
    q, k, v, mask = map(unwrap, (query, key, value, attn_mask))
    if is_causal and mask is not None:
        raise InputError(message("is_causal is a mask already.", rule=name, argument="attn_mask", remedy="give one"))
    if (
        q.dtype is not k.dtype
        or q.dtype is not v.dtype
        or (mask is not None and mask.dtype not in (torch.bool, q.dtype))
    ):
        raise InputError(
            message(
                "queries, keys, values and a mask of numbers have one dtype.",
                rule=name,
                expected=q.dtype,
                got=", ".join(str(each.dtype) for each in (k, v, mask) if each is not None),
            )
        )
    if min(q.ndim, k.ndim, v.ndim) < 2 or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise InputError(
            message(
                "these are not queries, keys and values.",
                rule=name,
                expected="(..., L, E), (..., S, E) and (..., S, D)",
                got=", ".join(str(tuple(each.shape)) for each in (q, k, v)),
            )
        )
    if scale is None:
        scale = 1 / math.sqrt(q.shape[-1]) if q.shape[-1] else 1.0
    if (
        not takes(name, q, k, v, float64=INTERPRETED)
        or (mask is not None and is_wrapped(mask))
        or (isinstance(attn_mask, TensorBase) and is_tracked(attn_mask))
        or max(q.shape[-1], v.shape[-1]) * q.itemsize > WIDEST
    ):
        return ordinary(query, key, value, attn_mask, 0.0, is_causal, scale, enable_gqa)
    if enable_gqa:
        key, value = (_shared(lite(each), q.shape[-3], name) for each in (key, value))
    batch = torch.broadcast_shapes(*(unwrap(each).shape[:-2] for each in (query, key, value)))
    query, key, value = (_as_4d(each, batch) for each in (query, key, value))
    if mask is not None:
        mask = _as_4d(mask, batch, (q.shape[-2], k.shape[-2]))
    out = _attention(query, key, value, mask, is_causal, scale, precision_of(allow_tf32))[0]
    return out if len(batch) == 2 else out.reshape(*batch, *out.shape[-2:])


def _as_4d(each: Any, batch: Sequence[int], matrix: Sequence[int] | None = None) -> Any:
    """See a tensor as (batch, heads, rows, columns), with what was broadcast; of other batches (all, 1, ...)."""
    shape = (*batch, *(each.shape[-2:] if matrix is None else matrix))
    each = each if tuple(each.shape) == shape else lite(each).expand(shape)
    if len(batch) != 2:
        each = each.reshape(math.prod(batch), 1, *shape[-2:])
    return each if matrix is None else unwrap(each)
