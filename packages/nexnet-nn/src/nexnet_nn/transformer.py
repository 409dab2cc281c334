"""Torch's transformer: its attention, layers and stacks of them, with its arguments, and its names for its weights.

Dropout draws from the generator that comes with a call; without one nothing is dropped. A boolean mask is True where a
query may *not* see a key, as in torch. ``TransformerBlock`` is the shorter one, for what is new.

Source: Vaswani et al., "Attention Is All You Need", 2017.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, ClassVar

import torch

import nexnet
from nexnet import LiteTensor
from nexnet.errors import message

from . import init as initializers
from ._checks import check_function, check_probability
from .dropout import Dropout
from .errors import ModuleError
from .layers import Linear
from .module import Module, describe_as_its_base
from .normalisation import LayerNorm

__all__ = [
    "MultiheadAttention",
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]

Generator = torch.Generator
_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {"relu": nexnet.relu, "gelu": nexnet.gelu}


class MultiheadAttention(Module):
    """Attention of several heads, with torch's arguments: ``(output, weights) = attention(query, key, value)``.

    Args:
        embed_dim: E, features of the queries and of the output; the heads divide it.
        num_heads: how many heads there are.
        dropout: the probability with which a weight of the attention is dropped, if a generator comes with the call.
        bias: whether the projections have biases; they start at 0.
        add_bias_kv: whether a learned key and value are added to those that are given.
        add_zero_attn: whether a key and a value of zeros are.
        kdim: features of the keys; E by default.
        vdim: features of the values; E by default.
        batch_first: whether shapes are (N, L, E), and not (L, N, E).
        device: of the parameters; torch's default by default.
        dtype: of the parameters; torch's default by default.
        generator: where random numbers come from; torch's global generator by default.

    Attributes:
        in_proj_weight: (3E, E), of queries, keys and values; None where these differ in size.
        q_proj_weight: (E, E), where they do.
        k_proj_weight: (E, kdim), where they do.
        v_proj_weight: (E, vdim), where they do.
        in_proj_bias: (3E,), or None.
        bias_k: (1, 1, E), or None.
        bias_v: (1, 1, E), or None.
        out_proj: the linear layer from the heads' outputs.

    Raises:
        ModuleError: the heads do not divide the features; a dropout that is no probability.
        InputError: when it is called: other features, or a mask of another shape.

    Example::

        >>> x = nexnet.zeros(5, 2, 8)
        >>> output, weights = nn.MultiheadAttention(8, 2)(x, x, x)
        >>> output.shape, weights.shape
        (torch.Size([5, 2, 8]), torch.Size([2, 5, 5]))
    """

    in_proj_weight: LiteTensor | None
    q_proj_weight: LiteTensor | None
    k_proj_weight: LiteTensor | None
    v_proj_weight: LiteTensor | None
    in_proj_bias: LiteTensor | None
    bias_k: LiteTensor | None
    bias_v: LiteTensor | None
    out_proj: Linear
    embed_dim: int
    num_heads: int
    dropout: float
    add_zero_attn: bool
    batch_first: bool

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        generator: Generator | None = None,
    ) -> None:
        if num_heads <= 0 or embed_dim % num_heads:
            got = f"{num_heads} of {embed_dim}"
            raise ModuleError(message("the heads do not divide the features.", argument="num_heads", got=got))
        check_probability("dropout", dropout)
        place: dict[str, Any] = {"dtype": dtype, "device": device}
        sizes = (embed_dim, kdim or embed_dim, vdim or embed_dim)
        together = set(sizes) == {embed_dim}

        def drawn(*shape: int) -> LiteTensor:
            return initializers.xavier_uniform(shape, generator=generator, **place)

        self.in_proj_weight = drawn(3 * embed_dim, embed_dim) if together else None
        q, k, v = (None, None, None) if together else [drawn(embed_dim, size) for size in sizes]
        self.q_proj_weight, self.k_proj_weight, self.v_proj_weight = q, k, v
        self.in_proj_bias = initializers.zeros((3 * embed_dim,), **place) if bias else None
        added = [
            initializers.normal((1, 1, embed_dim), std=embed_dim**-0.5, generator=generator, **place)
            if add_bias_kv
            else None
            for _ in range(2)
        ]
        self.bias_k, self.bias_v = added
        out = Linear(embed_dim, embed_dim, bias, generator=generator, **place)
        self.out_proj = out.replace(bias=initializers.zeros((embed_dim,), **place)) if bias else out
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.add_zero_attn, self.batch_first = add_zero_attn, batch_first

    def __call__(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
        *,
        generator: Generator | None = None,
    ) -> tuple[LiteTensor, LiteTensor | None]:
        """Attend from the queries to the values, as far as the keys are like them.

        Args:
            query: (L, N, E), (N, L, E) if ``batch_first``, or (L, E).
            key: (S, N, kdim), likewise.
            value: (S, N, vdim), likewise.
            key_padding_mask: (N, S) or (S,): True, or -inf, where a key is not seen.
            need_weights: whether the weights are given, and not None.
            attn_mask: (L, S) or (N heads, L, S): True where a query may not see a key, or numbers added to the scores.
            average_attn_weights: whether the weights are the mean of the heads'.
            is_causal: a hint that the mask is causal.
            generator: where dropout draws from; without one nothing is dropped.

        Returns:
            The output, of the queries' shape, and the weights, (N, L, S) or (N, heads, L, S).
        """
        turned = self.batch_first and query.ndim == 3
        if turned:
            query, key, value = (nexnet.transpose(each, 0, 1) for each in (query, key, value))
        out, weights = nexnet.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight, self.in_proj_bias,
            self.bias_k, self.bias_v, self.add_zero_attn, self.dropout, self.out_proj.weight, self.out_proj.bias,
            training=generator is not None, key_padding_mask=key_padding_mask, need_weights=need_weights,
            attn_mask=attn_mask, use_separate_proj_weight=self.in_proj_weight is None,
            q_proj_weight=self.q_proj_weight, k_proj_weight=self.k_proj_weight, v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights, is_causal=is_causal, generator=generator,
        )  # fmt: skip
        return nexnet.transpose(out, 0, 1) if turned else out, weights


class _Layer(Module):
    """What both kinds of layers have beside attention: feedforward layers, and how a part is added.

    Args:
        d_model: E, features of the input and the output; the heads divide it.
        nhead: heads of each attention.
        dim_feedforward: features of the feedforward layers' middle.
        dropout: the probability of each dropout: behind every part, in the middle, and of the attention's weights.
        activation: of the feedforward layers: "relu", "gelu", or a function.
        layer_norm_eps: of the normalisations.
        batch_first: whether shapes are (N, L, E), and not (L, N, E).
        norm_first: whether each part gets its input normalised, and not its sum with that.
        bias: whether linear layers and normalisations have biases.
        device: of the parameters; torch's default by default.
        dtype: of the parameters; torch's default by default.
        generator: where random numbers come from; torch's global generator by default.

    Raises:
        ModuleError: the heads do not divide the features; an activation of another name, or that is no function;
            a dropout that is no probability.
        InputError: when it is called: other features, or a mask of another shape.
    """

    linear1: Linear
    linear2: Linear
    dropout: Dropout
    activation: Callable[[Any], Any]
    norm_first: bool

    attentions: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Any], Any] = nexnet.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        generator: Generator | None = None,
    ) -> None:
        if isinstance(activation, str) and activation not in _ACTIVATIONS:
            raise ModuleError(
                message(
                    "a transformer's layer has no such activation.",
                    argument="activation",
                    expected=f"{' or '.join(map(repr, _ACTIVATIONS))}, or a function",
                    got=repr(activation),
                )
            )
        place: dict[str, Any] = {"dtype": dtype, "device": device}
        names = type(self).attentions
        for name in names:
            attention = MultiheadAttention(
                d_model, nhead, dropout, bias, batch_first=batch_first, generator=generator, **place
            )
            setattr(self, name, attention)
        self.linear1 = Linear(d_model, dim_feedforward, bias, generator=generator, **place)
        self.linear2 = Linear(dim_feedforward, d_model, bias, generator=generator, **place)
        for i in range(len(names) + 1):
            setattr(self, f"norm{i + 1}", LayerNorm(d_model, layer_norm_eps, bias=bias, **place))
        self.dropout = Dropout(dropout)
        self.activation = _ACTIVATIONS[activation] if isinstance(activation, str) else activation
        check_function("activation", self.activation)
        self.norm_first = norm_first

    def _added(self, x: Any, norm: LayerNorm, part: Callable[[Any], Any], generator: Generator | None) -> Any:
        """Add what a part makes of x to x, which is normalised before it or with it."""
        if self.norm_first:
            return x + self.dropout(part(norm(x)), generator)
        return norm(x + self.dropout(part(x), generator))

    def _feedforward(self, x: Any, generator: Generator | None) -> Any:
        return self.linear2(self.dropout(self.activation(self.linear1(x)), generator))


class TransformerEncoderLayer(_Layer, init=False):
    """Attention of a sequence to itself, and feedforward layers, each added to its input, with torch's arguments.

    Example::

        >>> nn.TransformerEncoderLayer(8, 2, 16)(nexnet.zeros(5, 2, 8)).shape
        torch.Size([5, 2, 8])
    """

    self_attn: MultiheadAttention
    norm1: LayerNorm
    norm2: LayerNorm

    attentions = ("self_attn",)

    def __call__(
        self,
        src: Any,
        src_mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool = False,
        *,
        generator: Generator | None = None,
    ) -> LiteTensor:
        """Map ``src`` (L, N, E), (N, L, E) if ``batch_first``, or (L, E), to the same shape."""

        def attended(x: Any) -> Any:
            return self.self_attn(
                x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal, generator=generator
            )[0]

        x = self._added(src, self.norm1, attended, generator)
        return self._added(x, self.norm2, lambda x: self._feedforward(x, generator), generator)  # type: ignore[no-any-return]


class TransformerDecoderLayer(_Layer, init=False):
    """Attention to itself, attention to a memory, and feedforward layers, each added to its input, as torch has it.

    Example::

        >>> nn.TransformerDecoderLayer(8, 2, 16)(nexnet.zeros(5, 2, 8), nexnet.ones(3, 2, 8)).shape
        torch.Size([5, 2, 8])
    """

    self_attn: MultiheadAttention
    multihead_attn: MultiheadAttention
    norm1: LayerNorm
    norm2: LayerNorm
    norm3: LayerNorm

    attentions = ("self_attn", "multihead_attn")

    def __call__(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
        *,
        generator: Generator | None = None,
    ) -> LiteTensor:
        """Map ``tgt`` (T, N, E), looking at ``memory`` (S, N, E), to its own shape; (N, ., E) if ``batch_first``."""

        def attended(x: Any) -> Any:
            return self.self_attn(
                x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal, generator=generator
            )[0]

        def looked_up(x: Any) -> Any:
            return self.multihead_attn(
                x, memory, memory, memory_key_padding_mask, False, memory_mask,
                is_causal=memory_is_causal, generator=generator,
            )[0]  # fmt: skip

        x = self._added(tgt, self.norm1, attended, generator)
        x = self._added(x, self.norm2, looked_up, generator)
        return self._added(x, self.norm3, lambda x: self._feedforward(x, generator), generator)  # type: ignore[no-any-return]


class _Stack(Module):
    """Layers one after the other, and a normalisation behind them.

    Args:
        layer: the layer of which the copies are; they begin with its weights, all of them, as in torch.
        num_layers: how many copies there are.
        norm: what is called behind the last, or None.
    """

    layers: tuple[Module, ...]
    norm: Module | None

    def _init(self, layer: Module, num_layers: int, norm: Module | None) -> None:
        self.layers = tuple([copy.deepcopy(layer) for _ in range(num_layers)])
        self.norm = norm

    def _through(self, x: Any, *args: Any, **options: Any) -> Any:
        for layer in self.layers:
            x = layer(x, *args, **options)  # type: ignore[operator]
        return x if self.norm is None else self.norm(x)  # type: ignore[operator]


class TransformerEncoder(_Stack):
    """Copies of an encoder's layer, one after the other, and a normalisation behind them.

    Args:
        encoder_layer: of which the copies are; all begin with its weights, as in torch.
        num_layers: how many copies there are.
        norm: what is called behind the last, or None.

    Raises:
        InputError: when it is called: an input or a mask of another shape, as torch's layers see it.

    Example::

        >>> layer = nn.TransformerEncoderLayer(8, 2, 16)
        >>> nn.TransformerEncoder(layer, 3)(nexnet.zeros(5, 2, 8)).shape
        torch.Size([5, 2, 8])
    """

    def __init__(self, encoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        self._init(encoder_layer, num_layers, norm)

    def __call__(
        self,
        src: Any,
        mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool = False,
        *,
        generator: Generator | None = None,
    ) -> LiteTensor:
        """Map ``src`` (L, N, E), or (N, L, E), to the same shape; masks as in TransformerEncoderLayer."""
        return self._through(src, mask, src_key_padding_mask, is_causal, generator=generator)  # type: ignore[no-any-return]


class TransformerDecoder(_Stack):
    """Copies of a decoder's layer, one after the other, and a normalisation behind them.

    Args:
        decoder_layer: of which the copies are; all begin with its weights, as in torch.
        num_layers: how many copies there are.
        norm: what is called behind the last, or None.

    Raises:
        InputError: when it is called: an input or a mask of another shape, as torch's layers see it.

    Example::

        >>> layer = nn.TransformerDecoderLayer(8, 2, 16)
        >>> nn.TransformerDecoder(layer, 3)(nexnet.zeros(5, 2, 8), nexnet.ones(3, 2, 8)).shape
        torch.Size([5, 2, 8])
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        self._init(decoder_layer, num_layers, norm)

    def __call__(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
        *,
        generator: Generator | None = None,
    ) -> LiteTensor:
        """Map ``tgt`` (T, N, E), looking at ``memory`` (S, N, E), to its own shape; see TransformerDecoderLayer."""
        return self._through(  # type: ignore[no-any-return]
            tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask,
            tgt_is_causal, memory_is_causal, generator=generator,
        )  # fmt: skip


class Transformer(Module):
    """An encoder, and a decoder that looks at what it gives, with torch's arguments. Matrices are xavier-uniform.

    Args:
        d_model: E, features of the input and the output; the heads divide it.
        nhead: heads of each attention.
        num_encoder_layers: of the encoder.
        num_decoder_layers: of the decoder.
        dim_feedforward: features of the feedforward layers' middle.
        dropout: the probability of each dropout.
        activation: of the feedforward layers: "relu", "gelu", or a function.
        custom_encoder: an encoder in place of torch's.
        custom_decoder: a decoder in place of torch's.
        layer_norm_eps: of the normalisations.
        batch_first: whether shapes are (N, L, E), and not (L, N, E).
        norm_first: whether each part gets its input normalised, and not its sum with that.
        bias: whether linear layers and normalisations have biases.
        device: of the parameters; torch's default by default.
        dtype: of the parameters; torch's default by default.
        generator: where random numbers come from; torch's global generator by default.

    Attributes:
        encoder: of the source.
        decoder: of the target.

    Raises:
        ModuleError: the heads do not divide the features; an activation of another name, or that is no function;
            a dropout that is no probability.
        InputError: when it is called: other features, or a mask of another shape.

    Example::

        >>> source, target = nexnet.zeros(7, 2, 8), nexnet.zeros(5, 2, 8)
        >>> nn.Transformer(8, 2, 1, 1, 16)(source, target).shape
        torch.Size([5, 2, 8])
    """

    encoder: Module
    decoder: Module

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Any], Any] = nexnet.relu,
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        generator: Generator | None = None,
    ) -> None:
        place: dict[str, Any] = {"device": device, "dtype": dtype}
        arguments: Any = (
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias
        )  # fmt: skip

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, **place)

        def redrawn(module: Module) -> Module:
            leaves, structure = nexnet.tree.flatten(module)
            options: dict[str, Any] = {"generator": generator, **place}
            new = [each if each.ndim < 2 else initializers.xavier_uniform(each.shape, **options) for each in leaves]
            return nexnet.tree.unflatten(structure, new)  # type: ignore[no-any-return]

        self.encoder = custom_encoder or redrawn(
            TransformerEncoder(TransformerEncoderLayer(*arguments, **place), num_encoder_layers, norm())
        )
        self.decoder = custom_decoder or redrawn(
            TransformerDecoder(TransformerDecoderLayer(*arguments, **place), num_decoder_layers, norm())
        )

    def __call__(
        self,
        src: Any,
        tgt: Any,
        src_mask: Any = None,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        src_key_padding_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        src_is_causal: bool = False,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
        *,
        generator: Generator | None = None,
    ) -> LiteTensor:
        """Map the source (S, N, E) and the target (T, N, E) to (T, N, E); (N, ., E) if ``batch_first``."""
        encoder: Any = self.encoder
        decoder: Any = self.decoder
        memory = encoder(src, src_mask, src_key_padding_mask, src_is_causal, generator=generator)
        return decoder(  # type: ignore[no-any-return]
            tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask,
            tgt_is_causal, memory_is_causal, generator=generator,
        )  # fmt: skip

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: torch.dtype | None = None) -> torch.Tensor:
        """Give the causal mask (sz, sz): -inf where a place would see a later one, else 0."""
        return torch.nn.Transformer.generate_square_subsequent_mask(sz, device, dtype)


for _kind in (TransformerEncoderLayer, TransformerDecoderLayer):
    describe_as_its_base(_kind)
