"""Attention: the weighted mean of values by how well their keys fit a query."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from ...engine import TensorBase, is_tracked, number, unwrap
from ...engine.attributes import shape_of
from ...errors import InputError, message
from ...policy import Policy, function, implements
from .._kernels import overload
from .._names import composite
from ..matrices.matmul import matmul
from ..shapes.joining import cat
from .dropout import dropout
from .linear import linear

__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]

_aten = torch.ops.aten
_flash = _aten._scaled_dot_product_flash_attention_for_cpu.default
_flash_in_c: Any = torch._scaled_dot_product_flash_attention_for_cpu  # the same, without a step into Python
_flash_backward = overload(_aten._scaled_dot_product_flash_attention_for_cpu_backward.default)
_FLASH, _EFFICIENT, _CUDNN = 1, 2, 3  # what torch calls the kernels that never hold the whole matrix of weights


@implements(torch._safe_softmax, _aten._safe_softmax.default)
@function
class _safe_softmax(Policy):
    """softmax, and zeros where all of x is -inf:  dx = y (g - <g, y>),  <,> the sum over dim."""

    def forward(self, input: Any, dim: int, dtype: torch.dtype | None = None) -> Any:
        out = torch._safe_softmax(input, dim, dtype)
        self.ctx.save(out, dim)
        return out

    def backward(self, grad: Any) -> Any:
        out, dim = self.ctx.release
        return torch._softmax_backward_data(grad, out, dim, out.dtype)


def _weights(query: Any, key: Any, mask: Any, is_causal: bool, scale: float) -> Any:
    """P = softmax(s Q K^T + mask): 0 where a boolean mask is False, and everywhere for a query that may see nothing."""
    scores = torch.matmul(query * scale, key.mT)
    if is_causal:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype is torch.bool else scores + mask
    return torch._safe_softmax(scores, -1)


@implements(_flash)
@function
class _flash_attention(Policy):
    """P V, P = softmax(s Q K^T + mask):  dV = P^T g,  dQ = s S K,  dK = s S^T Q,  S = P (g V^T - <g V^T, P>).

    torch's kernels for it compute P block by block, each way. They have no second derivative: for higher orders the
    gradient is computed by its formula, with the whole of P. Source: Dao et al., "FlashAttention", 2022.
    """

    materialize_grads = False

    def forward(self, query: Any, key: Any, value: Any, mask: Any, is_causal: bool, scale: float) -> Any:
        out, lse = _flash_in_c(query, key, value, 0.0, is_causal, attn_mask=mask, scale=scale)
        self.ctx.save(query, key, value, out, lse, mask, is_causal, scale)
        return out, lse

    def backward(self, grad: Any, _: Any) -> Any:
        query, key, value, out, lse, mask, is_causal, scale = self.ctx.release
        if grad is None:
            return None
        if _is_plain(grad):
            return _flash_backward(grad, query, key, value, out, lse, 0.0, is_causal, attn_mask=mask, scale=scale)
        return _by_formula(grad, query, key, value, mask, is_causal, scale)


def _is_plain(grad: Any) -> bool:
    return type(grad) is Tensor and not torch._C._functorch.is_batchedtensor(grad)


def _by_formula(grad: Any, query: Any, key: Any, value: Any, mask: Any, is_causal: bool, scale: float) -> Any:
    weights = _weights(query, key, mask, is_causal, scale)
    through = torch.matmul(grad, value.mT)
    scores = weights * (through - (through * weights).sum(-1, keepdim=True)) * scale
    return torch.matmul(scores, key), torch.matmul(scores.mT, query), torch.matmul(weights.mT, grad)


class _OnGPU(Policy):
    """What the kernels of a GPU share: the gradient is theirs, and at higher orders that of the formula.

    They give the output, the logarithms of the sums of the weights, and then what only their backward understands.
    """

    materialize_grads = False

    def forward(self, query: Any, key: Any, value: Any, is_causal: bool, scale: float) -> Any:
        out, lse, *more = self.kernel(query, key, value, is_causal, scale)
        self.ctx.save(query, key, value, out, lse, tuple(more), is_causal, scale)
        return out, lse

    def backward(self, grad: Any, _: Any) -> Any:
        query, key, value, out, lse, more, is_causal, scale = self.ctx.release
        if grad is None:
            return None
        if _is_plain(grad):
            return self.kernel_backward((grad, query, key, value), (out, lse), more, is_causal, scale)
        return _by_formula(grad, query, key, value, None, is_causal, scale)

    def kernel(self, query: Any, key: Any, value: Any, is_causal: bool, scale: float) -> Any:
        raise NotImplementedError

    def kernel_backward(self, operands: Any, results: Any, more: Any, is_causal: bool, scale: float) -> Any:
        raise NotImplementedError


@function
class _flash_on_gpu(_OnGPU):
    """P V in half precision, as ``_flash_attention``."""

    def kernel(self, query: Any, key: Any, value: Any, is_causal: bool, scale: float) -> Any:
        return _aten._scaled_dot_product_flash_attention.default(query, key, value, 0.0, is_causal, scale=scale)[:8]

    def kernel_backward(self, operands: Any, results: Any, more: Any, is_causal: bool, scale: float) -> Any:
        *sizes, seed, offset = more
        kernel = _aten._scaled_dot_product_flash_attention_backward.default
        return kernel(*operands, *results, *sizes, 0.0, is_causal, seed, offset, scale=scale)


@function
class _efficient_on_gpu(_OnGPU):
    """P V in any precision, as ``_flash_attention``."""

    def kernel(self, query: Any, key: Any, value: Any, is_causal: bool, scale: float) -> Any:
        kernel = _aten._scaled_dot_product_efficient_attention.default
        return kernel(query, key, value, None, True, 0.0, is_causal, scale=scale)

    def kernel_backward(self, operands: Any, results: Any, more: Any, is_causal: bool, scale: float) -> Any:
        kernel = _aten._scaled_dot_product_efficient_attention_backward.default
        wanted = [True, True, True, False]
        return kernel(*operands, None, *results, *more, 0.0, wanted, is_causal, scale=scale)[:3]


@function
class _cudnn_on_gpu(_OnGPU):
    """P V in half precision, as ``_flash_attention``, by cuDNN."""

    def kernel(self, query: Any, key: Any, value: Any, is_causal: bool, scale: float) -> Any:
        kernel = _aten._scaled_dot_product_cudnn_attention.default
        return kernel(query, key, value, None, True, 0.0, is_causal, scale=scale)[:8]

    def kernel_backward(self, operands: Any, results: Any, more: Any, is_causal: bool, scale: float) -> Any:
        *sizes, seed, offset = more
        kernel = _aten._scaled_dot_product_cudnn_attention_backward.default
        return kernel(*operands, *results, seed, offset, None, *sizes, 0.0, is_causal, scale=scale)


for _rule in (_flash_attention, _flash_on_gpu, _efficient_on_gpu, _cudnn_on_gpu):
    _rule.leaf = True  # a kernel that nexnet does not look into
_ON_GPU = {_FLASH: _flash_on_gpu, _EFFICIENT: _efficient_on_gpu, _CUDNN: _cudnn_on_gpu}


@implements(F.scaled_dot_product_attention)
@composite
def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    *,
    generator: Generator | None = None,
) -> Any:
    """softmax(s Q K^T + mask) V, with queries (..., L, E), keys (..., S, E) and values (..., S, D): (..., L, D).

    Args:
        query: Q, of shape (..., heads, L, E).
        key: K, of shape (..., heads, S, E).
        value: V, of shape (..., heads, S, D).
        attn_mask: boolean, True where a query may see a key; or numbers that are added to the scores, by which it is
            differentiable too. It broadcasts to (..., L, S).
        dropout_p: the probability with which a weight is set to 0. It is applied whether in training or not.
        is_causal: let a query see the keys up to its own place only.
        scale: s, by default 1 / sqrt(E).
        enable_gqa: let groups of query heads share the fewer heads of K and V.
        generator: where dropout draws from; torch's default generator by default.

    Corner: a query that may see nothing gets zeros, and passes none on.

    Raises:
        InputError: a mask beside ``is_causal``; heads that do not divide.
    """
    name = "scaled_dot_product_attention"
    if is_causal and attn_mask is not None:
        raise InputError(message("is_causal is a mask already.", rule=name, argument="attn_mask", remedy="give one"))
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1]) if query.shape[-1] else 1.0
    if enable_gqa:
        key, value = (_shared(each, query.shape[-3], name) for each in (key, value))
    dropout_p = number(dropout_p, name, "dropout_p")
    further = [each for each in (attn_mask, scale) if isinstance(each, TensorBase) and is_tracked(each)]
    if dropout_p == 0 and not further:
        scale = number(scale, name, "scale")
        mask = unwrap(attn_mask)
        choice = _fused(unwrap(query), unwrap(key), unwrap(value), mask, is_causal, scale)
        if choice in _ON_GPU and query.device.type == "cuda":
            return _ON_GPU[choice](query, key, value, is_causal, scale)[0]
        if choice == _FLASH:
            if mask is not None and mask.dtype is torch.bool:
                mask = torch.zeros_like(mask, dtype=query.dtype).masked_fill_(~mask, -math.inf)
            return _flash_attention(query, key, value, mask, is_causal, scale)[0]
    weights = _weights(_lite(query), key, attn_mask, is_causal, scale)
    return matmul(dropout(weights, dropout_p, generator=generator) if dropout_p else weights, value)


def _fused(query: Tensor, key: Tensor, value: Tensor, mask: Any, is_causal: bool, scale: float) -> int:
    """Give torch's number of the kernel that computes it block by block; 0 if none here does."""
    is_batched = torch._C._functorch.is_batchedtensor
    if query.ndim != 4 or is_batched(query) or is_batched(key) or is_batched(value):
        return 0
    sizes, of_keys, of_values = shape_of(query), shape_of(key), shape_of(value)
    if of_keys[:-1] != of_values[:-1] or 0 in (*sizes, *of_keys, *of_values):
        return 0  # torch's kernels do not look, and the process would die of it
    if query.is_cuda:
        size = query.shape[-1]  # of others torch makes copies that are padded
        if mask is not None or size % 8 or not size == key.shape[-1] == value.shape[-1]:
            return 0
        if is_causal and query.shape[-2] != key.shape[-2]:  # which corner is masked is each kernel's own
            return 0
    elif not query.is_cpu:
        return 0
    return torch._fused_sdp_choice(query, key, value, mask, 0.0, is_causal, scale=scale)


def _lite(value: Any) -> Any:
    """Let what follows be nexnet's, whichever of the arguments is a LiteTensor."""
    return value if isinstance(value, TensorBase) else torch.as_tensor(value)


def _shared(each: Any, heads: int, rule: str) -> Any:
    """Repeat the heads of keys or values, dimension -3, for the groups of query heads."""
    own = each.shape[-3]
    if own == 0 or heads % own:
        raise InputError(
            message(
                "the heads of keys and values must divide those of the queries.",
                rule=rule,
                expected=f"a divisor of {heads}",
                got=own,
            )
        )
    if own == heads:
        return each
    *batch, _, length, size = each.shape
    spread = each.unsqueeze(-3).expand(*batch, own, heads // own, length, size)
    return spread.reshape(*batch, heads, length, size)


# Several heads --------------------------------------------------------------------------------------------------------


@implements(F.multi_head_attention_forward)
@composite
def multi_head_attention_forward(
    query: Any,
    key: Any,
    value: Any,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Any,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,
    out_proj_bias: Any,
    training: bool = True,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Any = None,
    k_proj_weight: Any = None,
    v_proj_weight: Any = None,
    static_k: Any = None,
    static_v: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
    *,
    generator: Generator | None = None,
) -> tuple[Any, Any]:
    """Attention of several heads, each with projections of its own: ``(output, weights or None)``, as torch has it.

    Queries are (L, N, E) or (L, E), keys and values (S, N, E) or (S, E). The weights are (N, L, S), or (N, heads, L, S)
    without ``average_attn_weights``. Here a boolean mask is True where a query may *not* see a key.

    Source: Vaswani et al., "Attention Is All You Need", 2017. The arguments are described in torch.nn.functional and
    torch.nn.MultiheadAttention.

    Raises:
        InputError: an embedding that the heads do not divide; ``is_causal``, a hint, without the mask; a mask of
            another shape; ``static_k`` or ``static_v``.
    """
    name = "multi_head_attention_forward"

    def complain(what: str, argument: str, got: Any) -> InputError:
        return InputError(message(what, rule=name, argument=argument, got=got))

    if static_k is not None or static_v is not None:
        raise complain("static keys and values have no projections to differentiate.", "static_k", "a tensor")
    batched = query.ndim == 3
    if not batched:
        query, key, value = (each.unsqueeze(1) for each in (query, key, value))
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    (length, batch, size), sources = query.shape, key.shape[0]
    if size != embed_dim_to_check or num_heads < 1 or size % num_heads:
        raise complain(f"the embedding is {embed_dim_to_check}, and {num_heads} heads divide it.", "query", size)
    if is_causal and attn_mask is None:
        raise complain("is_causal says what the mask is, and there is none.", "attn_mask", None)
    if attn_mask is not None and tuple(attn_mask.shape) not in (
        (length, sources),
        (batch * num_heads, length, sources),
    ):
        raise complain("the mask is (L, S) or (N heads, L, S).", "attn_mask", tuple(attn_mask.shape))
    if key_padding_mask is not None and tuple(key_padding_mask.shape) != (batch, sources):
        raise complain("the mask of the padding is (N, S).", "key_padding_mask", tuple(key_padding_mask.shape))

    if use_separate_proj_weight:
        weights = (q_proj_weight, k_proj_weight, v_proj_weight)
        biases = (None, None, None) if in_proj_bias is None else in_proj_bias.chunk(3)
        q, k, v = (linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True))
    elif query is key and key is value:
        q, k, v = linear(query, in_proj_weight, in_proj_bias).chunk(3, -1)
    else:
        weights = in_proj_weight.chunk(3)
        biases = (None, None, None) if in_proj_bias is None else in_proj_bias.chunk(3)
        q, k, v = (linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True))

    added = 0
    if bias_k is not None:
        k, v = cat([k, bias_k.expand(1, batch, size)]), cat([v, bias_v.expand(1, batch, size)])
        added += 1
    if add_zero_attn:
        k, v = (cat([each, torch.zeros(1, batch, size, dtype=query.dtype, device=query.device)]) for each in (k, v))
        added += 1
    mask = _merged(attn_mask, key_padding_mask, (batch, num_heads, length, sources), added, query.dtype)
    if is_causal and key_padding_mask is None and not need_weights:
        mask = None
    else:
        is_causal = False

    q, k, v = (each.reshape(each.shape[0], batch, num_heads, -1).permute(1, 2, 0, 3) for each in (q, k, v))
    dropout_p = dropout_p if training else 0.0
    if need_weights:
        p = _weights(q, k, mask, False, 1 / math.sqrt(size // num_heads))
        p = dropout(p, dropout_p, generator=generator) if dropout_p else p
        out = matmul(p, v)
    else:
        p = None
        out = scaled_dot_product_attention(q, k, v, mask, dropout_p, is_causal, generator=generator)
    out = linear(out.permute(2, 0, 1, 3).reshape(length, batch, size), out_proj_weight, out_proj_bias)
    if p is not None and average_attn_weights:
        p = p.mean(1)
    return (out, p) if batched else (out.squeeze(1), None if p is None else p.squeeze(0))


def _merged(attn_mask: Any, padding: Any, shape: tuple[int, ...], added: int, dtype: torch.dtype) -> Any:
    """Give the sum of the two masks as numbers that broadcast to (N, heads, L, S), 0 for the keys that were added."""
    batch, heads, length, sources = shape
    mask = None
    if attn_mask is not None:
        mask = _as_numbers(attn_mask, dtype)
        mask = mask.reshape(batch, heads, length, sources) if mask.ndim == 3 else mask.reshape(1, 1, length, sources)
    if padding is not None:
        padding = _as_numbers(padding, dtype).reshape(batch, 1, 1, sources)
        mask = padding if mask is None else mask + padding
    if mask is None or not added:
        return mask
    seen = torch.zeros((*mask.shape[:-1], added), dtype=dtype, device=mask.device)
    return cat([mask, seen], -1)


def _as_numbers(mask: Any, dtype: torch.dtype) -> Any:
    """Give a mask that is True where nothing may be seen as numbers to add."""
    if mask.dtype is not torch.bool:
        return mask
    raw = unwrap(mask)
    return torch.zeros(raw.shape, dtype=dtype, device=raw.device).masked_fill_(raw, -math.inf)
