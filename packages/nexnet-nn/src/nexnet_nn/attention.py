"""What a transformer is made of besides dense layers: attention, and a block of it with feedforward layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

import nexnet
from nexnet import LiteTensor
from nexnet.errors import message

from . import init as initializers
from ._checks import check_function
from .dropout import Dropout
from .errors import ModuleError
from .init import Initializer
from .layers import Dense
from .module import Module
from .normalisation import LayerNorm

__all__ = ["MultiHeadAttention", "TransformerBlock"]


class MultiHeadAttention(Module):
    """Attention of several heads, each with a part of the features: softmax(Q K^T / sqrt(d)) V between projections.

    ``(..., L, features)`` becomes the same shape, by looking at itself or at ``(..., S, features)``.

    Args:
        features: of the input and the output; the heads divide it.
        heads: how many there are.
        bias: whether the projections have biases; they start at 0.
        init: what fills the weights.
        generator: where random numbers come from; torch's global generator by default.
        dtype: of the parameters; torch's default by default.
        device: of the parameters; torch's default by default.

    Attributes:
        project: the dense layer to queries, keys and values, side by side: its weight is
            ``(3 features, features)``, torch's ``in_proj_weight``.
        out: the dense layer from the heads' outputs.

    Raises:
        ModuleError: the heads do not divide the features.
        RuntimeError: torch's, when it is called: an input of other features, a mask that does not broadcast.

    Example::

        >>> nn.MultiHeadAttention(8, 2)(nexnet.zeros(2, 5, 8)).shape
        torch.Size([2, 5, 8])
    """

    project: Dense
    out: Dense
    heads: int

    def __init__(
        self,
        features: int,
        heads: int,
        bias: bool = True,
        *,
        init: Initializer = initializers.xavier_uniform,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: Any = None,
    ) -> None:
        if heads <= 0 or features % heads:
            raise ModuleError(
                message("the heads do not divide the features.", argument="heads", got=f"{heads} of {features}")
            )
        options: dict[str, Any] = {"init": init, "generator": generator, "dtype": dtype, "device": device}
        self.project = Dense(features, 3 * features, bias, **options)
        self.out = Dense(features, features, bias, **options)
        self.heads = heads

    def __call__(
        self,
        x: Any,
        source: Any = None,
        *,
        mask: Any = None,
        is_causal: bool = False,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> LiteTensor:
        """Attend from ``x`` (..., L, features) to ``source`` (..., S, features), or to x itself without one.

        Args:
            x: where the queries come from.
            source: where the keys and values come from.
            mask: boolean, True where a query may see a key, or numbers added to the scores; broadcasts to
                (..., heads, L, S).
            is_causal: let each place see only itself and those before.
            dropout: the probability with which a weight is dropped, if a generator is given.
            generator: where dropout draws from; without one nothing is dropped.

        Returns:
            (..., L, features).
        """
        if source is None:
            q, k, v = nexnet.chunk(self.project(x), 3, -1)
        else:
            weights = nexnet.chunk(self.project.weight, 3)
            biases = (None,) * 3 if self.project.bias is None else nexnet.chunk(self.project.bias, 3)
            places = (x, source, source)
            q, k, v = (nexnet.linear(each, w, b) for each, w, b in zip(places, weights, biases, strict=True))
        q, k, v = (nexnet.reshape(each, (*each.shape[:-1], self.heads, -1)).transpose(-2, -3) for each in (q, k, v))
        p = 0.0 if generator is None else dropout
        seen = nexnet.scaled_dot_product_attention(q, k, v, mask, p, is_causal, generator=generator)
        seen = nexnet.transpose(seen, -2, -3)
        return self.out(nexnet.reshape(seen, (*seen.shape[:-2], -1)))


class TransformerBlock(Module):
    """x + attention(norm(x)), and then x + feedforward(norm(x)): a layer of a transformer, normalised first.

    ``(..., L, features)`` becomes the same shape.

    Args:
        features: of the input and the output; the heads divide it.
        heads: of the attention.
        hidden: features of the feedforward layers' middle; 4 times the features by default.
        dropout: the probability of the dropout behind both parts.
        activation: of the feedforward layers.
        init: what fills the weights.
        generator: where random numbers come from; torch's global generator by default.
        dtype: of the parameters; torch's default by default.
        device: of the parameters; torch's default by default.

    Attributes:
        norm1: before the attention.
        attention: of several heads.
        norm2: before the feedforward layers.
        inner: the dense layer to the middle.
        outer: the dense layer from it.
        dropout: behind both parts.

    Raises:
        ModuleError: the heads do not divide the features; a dropout that is no probability; an activation that is no
            function.
        InputError: when it is called: an input of other features.

    Source: Vaswani et al., "Attention Is All You Need", 2017; normalised first as in Xiong et al., "On Layer
    Normalization in the Transformer Architecture", 2020.

    Example::

        >>> nn.TransformerBlock(8, 2)(nexnet.zeros(2, 5, 8)).shape
        torch.Size([2, 5, 8])
    """

    norm1: LayerNorm
    attention: MultiHeadAttention
    norm2: LayerNorm
    inner: Dense
    outer: Dense
    dropout: Dropout
    activation: Callable[[Any], Any]

    def __init__(
        self,
        features: int,
        heads: int,
        hidden: int | None = None,
        dropout: float = 0.0,
        activation: Callable[[Any], Any] = nexnet.gelu,
        *,
        init: Initializer = initializers.xavier_uniform,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: Any = None,
    ) -> None:
        options: dict[str, Any] = {"init": init, "generator": generator, "dtype": dtype, "device": device}
        hidden = 4 * features if hidden is None else hidden
        self.norm1 = LayerNorm(features, dtype=dtype, device=device)
        self.attention = MultiHeadAttention(features, heads, **options)
        self.norm2 = LayerNorm(features, dtype=dtype, device=device)
        self.inner = Dense(features, hidden, **options)
        self.outer = Dense(hidden, features, **options)
        self.dropout = Dropout(dropout)
        check_function("activation", activation)
        self.activation = activation

    def __call__(
        self, x: Any, *, mask: Any = None, is_causal: bool = False, generator: torch.Generator | None = None
    ) -> LiteTensor:
        """Map ``x`` of shape ``(..., L, features)`` to the same shape; dropout draws from the generator, if given."""
        seen = self.attention(self.norm1(x), mask=mask, is_causal=is_causal)
        x = x + self.dropout(seen, generator)
        return x + self.dropout(self.outer(self.activation(self.inner(self.norm2(x)))), generator)  # type: ignore[no-any-return]
