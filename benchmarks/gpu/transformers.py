"""A block of a transformer, and GPT-2 small made of twelve: in PyTorch, nexnet_nn and JAX, with the same parameters.

A. Radford et al., "Language models are unsupervised multitask learners" (2019): layers normalised first, causal
attention, GELU by tanh, the embedding of the tokens shared with the output. nexnet's is written in nexnet_nn's layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

import nexnet
import nexnet_nn as nn


@dataclass(frozen=True)
class Size:
    """How large a transformer and its batch are; without a vocabulary it maps vectors to vectors."""

    layers: int
    features: int
    heads: int
    batch: int
    tokens: int
    vocabulary: int = 0


BLOCK = Size(layers=1, features=512, heads=8, batch=16, tokens=512)
GPT2_SMALL = Size(layers=12, features=768, heads=12, batch=8, tokens=1024, vocabulary=50257)


class TorchBlock(torch.nn.Module):
    """PyTorch's block; its parameters come in the order of nexnet_nn's."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        d = size.features
        self.heads = size.heads
        self.norm1 = torch.nn.LayerNorm(d)
        self.project = torch.nn.Linear(d, 3 * d)
        self.out = torch.nn.Linear(d, d)
        self.norm2 = torch.nn.LayerNorm(d)
        self.inner = torch.nn.Linear(d, 4 * d)
        self.outer = torch.nn.Linear(4 * d, d)

    def forward(self, x: Tensor) -> Tensor:
        """Map x of shape (batch, tokens, features)."""
        parts = self.project(self.norm1(x)).chunk(3, -1)
        q, k, v = (each.view(*each.shape[:-1], self.heads, -1).transpose(1, 2) for each in parts)
        seen = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).reshape(x.shape))
        return x + self.outer(functional.gelu(self.inner(self.norm2(x)), approximate="tanh"))


class TorchTransformer(torch.nn.Module):
    """PyTorch's model."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        if size.vocabulary:
            self.tokens = torch.nn.Embedding(size.vocabulary, size.features)
            self.places = torch.nn.Embedding(size.tokens, size.features)
        self.blocks = torch.nn.ModuleList(TorchBlock(size) for _ in range(size.layers))
        if size.vocabulary:
            self.norm = torch.nn.LayerNorm(size.features)
        for each in self.parameters():
            if each.ndim == 2:
                torch.nn.init.normal_(each, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Map vectors (batch, tokens, features), or tokens (batch, tokens) to logits."""
        if self.size.vocabulary:
            x = functional.embedding(x, self.tokens.weight) + self.places.weight
        for block in self.blocks:
            x = block(x)
        return functional.linear(self.norm(x), self.tokens.weight) if self.size.vocabulary else x


class Transformer(nn.Module):
    """nexnet's model."""

    tokens: nn.Embedding | None
    places: nn.Embedding | None
    blocks: tuple[nn.TransformerBlock, ...]
    norm: nn.LayerNorm | None

    def __init__(self, size: Size) -> None:
        d = size.features
        self.tokens = nn.Embedding(size.vocabulary, d) if size.vocabulary else None
        self.places = nn.Embedding(size.tokens, d) if size.vocabulary else None
        gelu = partial(nexnet.gelu, approximate="tanh")
        self.blocks = tuple(nn.TransformerBlock(d, size.heads, activation=gelu) for _ in range(size.layers))
        self.norm = nn.LayerNorm(d) if size.vocabulary else None

    def __call__(self, x: Any) -> Any:
        """Map vectors (batch, tokens, features), or tokens (batch, tokens) to logits."""
        if self.tokens is not None and self.places is not None:
            x = self.tokens(x) + self.places.weight
        for block in self.blocks:
            x = block(x, is_causal=True)
        if self.norm is None or self.tokens is None:
            return x
        return nexnet.linear(self.norm(x), self.tokens.weight)


def module(size: Size) -> torch.nn.Module:
    """Make PyTorch's model, always with the same weights."""
    torch.manual_seed(0)
    return TorchTransformer(size)


def model(size: Size, params: Sequence[nexnet.LiteTensor]) -> Transformer:
    """Make nexnet's model of PyTorch's parameters."""
    with torch.device("meta"):
        structure = nexnet.tree.structure(Transformer(size))
    made: Transformer = nexnet.tree.unflatten(structure, params)
    return made


def torch_loss(model: torch.nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Compute the mean squared error, or of logits the mean cross-entropy."""
    out = model(x)
    if y.is_floating_point():
        return functional.mse_loss(out, y)
    return functional.cross_entropy(out.view(-1, out.shape[-1]), y.view(-1))


def nexnet_loss(model: Transformer, x: Any, y: Any) -> Any:
    """Compute the same in nexnet."""
    out = model(x)
    if y.dtype.is_floating_point:
        return nn.mse_loss(out, y)
    return nn.cross_entropy(out.reshape(-1, out.shape[-1]), y.reshape(-1))


def jax_loss(size: Size, params: list[Any], x: Any, y: Any) -> Any:
    """Compute the same in JAX, of a block or blocks without a vocabulary."""
    import jax
    import jax.numpy as jnp

    def normalised(x: Any, weight: Any, bias: Any) -> Any:
        exact = x.astype(jnp.float32)
        centred = exact - exact.mean(-1, keepdims=True)
        scaled = centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return (scaled * weight + bias).astype(x.dtype)

    for i in range(0, len(params), 12):
        n1, m1, w_qkv, b_qkv, w_out, b_out, n2, m2, w1, b1, w2, b2 = params[i : i + 12]
        parts = jnp.split(normalised(x, n1, m1) @ w_qkv.T + b_qkv, 3, -1)
        q, k, v = (each.reshape(*each.shape[:-1], size.heads, -1) for each in parts)
        seen = jax.nn.dot_product_attention(q, k, v, is_causal=True, implementation="cudnn")
        x = x + seen.reshape(x.shape) @ w_out.T + b_out
        x = x + jax.nn.gelu(normalised(x, n2, m2) @ w1.T + b1, approximate=True) @ w2.T + b2
    return jnp.mean((x - y).astype(jnp.float32) ** 2).astype(x.dtype)


def data(size: Size) -> tuple[Tensor, Tensor]:
    """Draw inputs and targets."""
    generator = torch.Generator().manual_seed(0)
    if size.vocabulary:
        x, y = torch.randint(size.vocabulary, (2, size.batch, size.tokens), generator=generator)
        return x, y
    x, y = torch.randn(2, size.batch, size.tokens, size.features, generator=generator)
    return x, y
