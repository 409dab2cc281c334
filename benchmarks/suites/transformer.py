"""One training step of a transformer block: 128 dimensions, 4 heads, 64 tokens, a batch of 8, mean squared error.

A. Vaswani et al., "Attention is all you need" (2017), with the layers normalised before, and GELU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

import nexnet

from .. import peers
from ..interleaved import Case
from . import _step

BATCH, TOKENS, WIDTH, HEADS = 8, 64, 128, 4
EPS = 1e-5


class Block(torch.nn.Module):
    """PyTorch's block."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = torch.nn.LayerNorm(WIDTH)
        self.qkv = torch.nn.Linear(WIDTH, 3 * WIDTH)
        self.project = torch.nn.Linear(WIDTH, WIDTH)
        self.norm2 = torch.nn.LayerNorm(WIDTH)
        self.widen = torch.nn.Linear(WIDTH, 4 * WIDTH)
        self.narrow = torch.nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Compute it for x of shape (batch, tokens, width)."""
        heads = self.qkv(self.norm1(x)).view(BATCH, TOKENS, 3, HEADS, WIDTH // HEADS)
        q, k, v = heads.permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(q, k, v)
        x = x + self.project(attended.transpose(1, 2).reshape(BATCH, TOKENS, WIDTH))
        return x + self.narrow(functional.gelu(self.widen(self.norm2(x))))


def module() -> torch.nn.Module:
    """Make the block, always with the same weights."""
    torch.manual_seed(0)
    return Block()


def nexnet_loss(params: list[Any], x: Any, y: Any) -> Any:
    """Compute the loss in nexnet."""
    n1, m1, w_qkv, b_qkv, w_out, b_out, n2, m2, w1, b1, w2, b2 = params
    heads = nexnet.linear(nexnet.layer_norm(x, (WIDTH,), n1, m1), w_qkv, b_qkv)
    q, k, v = heads.view(BATCH, TOKENS, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4).unbind()
    attended = nexnet.scaled_dot_product_attention(q, k, v)
    x = x + nexnet.linear(attended.transpose(1, 2).reshape(BATCH, TOKENS, WIDTH), w_out, b_out)
    inner = nexnet.gelu(nexnet.linear(nexnet.layer_norm(x, (WIDTH,), n2, m2), w1, b1))
    return nexnet.mse_loss(x + nexnet.linear(inner, w2, b2), y)


def jax_loss(params: list[Any], x: Any, y: Any) -> Any:
    """Compute the loss in JAX."""
    import jax
    import jax.numpy as jnp

    def normalised(x: Any, weight: Any, bias: Any) -> Any:
        centred = x - x.mean(-1, keepdims=True)
        return centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + EPS) * weight + bias

    n1, m1, w_qkv, b_qkv, w_out, b_out, n2, m2, w1, b1, w2, b2 = params
    heads = (normalised(x, n1, m1) @ w_qkv.T + b_qkv).reshape(BATCH, TOKENS, 3, HEADS, WIDTH // HEADS)
    q, k, v = jnp.moveaxis(heads, 2, 0)
    attended = jax.nn.dot_product_attention(q, k, v)
    x = x + attended.reshape(BATCH, TOKENS, WIDTH) @ w_out.T + b_out
    inner = jax.nn.gelu(normalised(x, n2, m2) @ w1.T + b1, approximate=False)
    return jnp.mean((x + inner @ w2.T + b2 - y) ** 2)


def by_hand(x: Tensor, y: Tensor) -> Callable[[], Any]:
    """Make the step in torch's kernels and nothing else, the gradients written out; the limit."""
    params = _step.copies(module())
    n1, m1, w_qkv, b_qkv, w_out, b_out, n2, m2, w1, b1, w2, b2 = params
    aten = torch.ops.aten
    rows = BATCH * TOKENS
    flat, target = x.view(rows, WIDTH), y.view(rows, WIDTH)

    def linear_grads(grad: Tensor, h: Tensor) -> list[Tensor]:
        return [torch.mm(grad.t(), h), grad.sum(0)]

    def unnormalised(grad: Tensor, h: Tensor, statistics: list[Tensor], w: Tensor, b: Tensor, by_input: bool) -> Any:
        return aten.native_layer_norm_backward(grad, h, [WIDTH], *statistics, w, b, [by_input, True, True])

    @torch.inference_mode()
    def step() -> Any:
        h1, *statistics1 = torch.native_layer_norm(flat, [WIDTH], n1, m1, EPS)
        heads = torch.addmm(b_qkv, h1, w_qkv.t()).view(BATCH, TOKENS, 3, HEADS, WIDTH // HEADS)
        q, k, v = heads.permute(2, 0, 3, 1, 4)
        attended, logsumexp = aten._scaled_dot_product_flash_attention_for_cpu(q, k, v)
        joined = attended.transpose(1, 2).reshape(rows, WIDTH)
        x2 = torch.addmm(b_out, joined, w_out.t()).add_(flat)
        h2, *statistics2 = torch.native_layer_norm(x2, [WIDTH], n2, m2, EPS)
        wide = torch.addmm(b1, h2, w1.t())
        inner = functional.gelu(wide)
        error = torch.addmm(b2, inner, w2.t()).add_(x2).sub_(target)
        loss = torch.dot(error.view(-1), error.view(-1)).div_(error.numel())
        g_out = error.mul_(2 / error.numel())
        g_wide = aten.gelu_backward(torch.mm(g_out, w2), wide)
        g_x2, g_n2, g_m2 = unnormalised(torch.mm(g_wide, w1), x2, statistics2, n2, m2, True)
        g_x2.add_(g_out)
        g_attended = torch.mm(g_x2, w_out).view(BATCH, TOKENS, HEADS, WIDTH // HEADS).transpose(1, 2)
        g_heads = torch.stack(
            aten._scaled_dot_product_flash_attention_for_cpu_backward(
                g_attended, q, k, v, attended, logsumexp, 0.0, False
            )
        )
        g_qkv = g_heads.permute(1, 3, 0, 2, 4).reshape(rows, 3 * WIDTH)
        _, g_n1, g_m1 = unnormalised(torch.mm(g_qkv, w_qkv), flat, statistics1, n1, m1, False)
        dense = [*linear_grads(g_qkv, h1), *linear_grads(g_x2, joined)]
        _step.descend(params, [g_n1, g_m1, *dense, g_n2, g_m2, *linear_grads(g_wide, h2), *linear_grads(g_out, inner)])
        return loss, params

    return step


def make() -> dict[str, Callable[[], Any]]:
    """Make the contenders: the loss, and the parameters after the step."""
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(BATCH, TOKENS, WIDTH, generator=generator) for _ in range(2))
    made = {
        "PyTorch": _step.in_torch(module(), functional.mse_loss, x, y),
        "nexnet": _step.in_nexnet(_step.lite(module()), nexnet_loss, x, y),
        "torch.func": _step.in_torch_func(module(), functional.mse_loss, x, y),
    }
    if peers.have("jax"):
        made["JAX jit"] = _step.in_jax(module(), jax_loss, x, y)
    return made | {"by hand": by_hand(x, y)}


def cases() -> list[Case]:
    """Give the one case."""
    return [Case("transformer block step", f"batch {BATCH}", make, aims={"nexnet": 0.97})]
