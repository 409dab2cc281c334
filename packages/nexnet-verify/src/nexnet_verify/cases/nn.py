"""The layers of nexnet_nn: differentiated by their input and by each of their parameters."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optree
import torch

import nexnet
import nexnet_nn as nn

from ..problem import NAMESPACE
from ._case import Case, Sample
from ._draw import DISTINCT, REAL, Domain, Draw, generator_beside
from ._windows import adaptive
from .images.convolutions import direct_jax, transposed_jax
from .images.max_pooling import greatest
from .images.pooling import average
from .layers.recurrent import Step, gru_step, lstm_step, one_by_one, relu_step, tanh_step
from .shapes.padding import by_mode_jax

SOLID = ("plain", "strided", "expanded")
ACTIVATIONS = {nexnet.tanh: jnp.tanh, nexnet.silu: lambda x: x / (1 + jnp.exp(-x))}


def filled(d: Draw, module: nn.Module) -> Any:
    """The module with float64 parameters, none of them zero."""
    return optree.tree_map(lambda leaf: d.tensor(tuple(leaf.shape)), module, namespace=NAMESPACE)


def batch(d: Draw, features: int) -> nexnet.LiteTensor:
    return d.tensor((*d.choice((4,), (), (2, 3)), features))


def apply(layer: Any, x: Any) -> Any:
    return layer(x)


def dense(d: Draw) -> Sample:
    layer = nn.Dense(3, 2, bias=d.choice(True, False), generator=torch.Generator().manual_seed(0))
    return Sample(filled(d, layer), batch(d, 3))


def sequential(d: Draw) -> Sample:
    layers = nn.Sequential(nn.Dense(3, 4), nexnet.ops.tanh, nn.Dense(4, 2, bias=False))
    return Sample(filled(d, layers), batch(d, 3))


def mlp(d: Draw) -> Sample:
    model = nn.MLP([3, 4, 2], activation=d.choice(*ACTIVATIONS), bias=d.choice(True, False))
    return Sample(filled(d, model), batch(d, 3))


def dense_jax(layer: Any, x: Any) -> Any:
    return x @ layer.weight.T + (0.0 if layer.bias is None else layer.bias)


def mlp_jax(model: Any, x: Any) -> Any:
    *hidden, last = model.layers
    for layer in hidden:
        x = ACTIVATIONS[model.activation](dense_jax(layer, x))  # type: ignore[no-untyped-call]
    return dense_jax(last, x)


def sequential_jax(model: Any, x: Any) -> Any:
    first, _, last = model.layers
    return dense_jax(last, jnp.tanh(dense_jax(first, x)))


# Convolutions and pooling


def convolution(dims: int) -> Callable[[Draw], Sample]:
    def inputs(d: Draw) -> Sample:
        layer = getattr(nn, f"Conv{dims}d")(
            2,
            4,
            d.choice(2, (1, 3, 2)[:dims]),
            padding=d.choice(1, "valid", "same"),
            groups=d.choice(1, 2),
            bias=d.choice(True, False),
            padding_mode=d.choice("zeros", "zeros", "circular", "replicate"),
        )
        return Sample(filled(d, layer), images(d, dims))

    return inputs


def convolution_call(layer: Any, x: Any) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Using padding='same' with even kernel lengths")
        return layer(x)


def convolution_jax(layer: Any, x: Any) -> Any:
    padding: Any = layer.padding
    if layer.padding_mode != "zeros":
        if padding == "same":
            ends = [((size - 1) // 2, size // 2) for size in layer.weight.shape[2:]]
        else:
            ends = [(each, each) for each in (padding if padding != "valid" else [0] * layer.dims)]
        x, padding = by_mode_jax(x, [side for pair in reversed(ends) for side in pair], layer.padding_mode), 0
    return direct_jax(x, layer.weight, layer.bias, layer.stride, padding, layer.dilation, layer.groups)


def transposed(dims: int) -> Callable[[Draw], Sample]:
    def inputs(d: Draw) -> Sample:
        options = {
            "stride": 2,
            "output_padding": d.choice(0, 1),
            "groups": d.choice(1, 2),
            "bias": d.choice(True, False),
        }
        layer = getattr(nn, f"ConvTranspose{dims}d")(2, 4, d.choice(2, (1, 3, 2)[:dims]), **options)
        return Sample(filled(d, layer), images(d, dims))

    return inputs


def transposed_layer_jax(layer: Any, x: Any) -> Any:
    options = (layer.stride, layer.padding, layer.output_padding, layer.groups, layer.dilation)
    return transposed_jax(x, layer.weight, layer.bias, *options)


def images(d: Draw, dims: int, domain: Domain = REAL) -> nexnet.LiteTensor:
    return d.tensor((*d.choice((2, 2), (2,)), *(4, 3, 3)[:dims]), domain)


def pooled(name: str, dims: int) -> Callable[[Draw], Sample]:
    def inputs(d: Draw) -> Sample:
        layer = getattr(nn, f"{name}{dims}d")
        if name.startswith("Adaptive"):
            return Sample(layer(d.choice(2, (2, None, 1)[:dims])), images(d, dims, DISTINCT))
        options = {"stride": d.choice(None, 1), "padding": d.choice(0, 1), "ceil_mode": d.flag()}
        return Sample(layer(d.choice(2, (2, 3, 2)[:dims]), **options), images(d, dims, DISTINCT))

    return inputs


def pooled_jax(name: str, dims: int) -> Callable[..., Any]:
    if name.startswith("Adaptive"):
        pool = adaptive(dims, jnp.mean if "Avg" in name else jnp.max)
        return lambda layer, x: pool(x, layer.output_size)
    if name == "MaxPool":
        return lambda m, x: greatest(dims)(x, m.kernel_size, m.stride, m.padding, m.dilation, m.ceil_mode)
    return lambda m, x: average(dims)(x, m.kernel_size, m.stride, m.padding, m.ceil_mode, m.count_include_pad)


def flattened(d: Draw) -> Sample:
    return Sample(d.choice(nn.Flatten(), nn.Flatten(0, 1)), d.tensor((2, 3, 2)))


def flattened_jax(layer: Any, x: Any) -> Any:
    return x.reshape(2, 6) if layer.start_dim else x.reshape(6, 2)


def linear(d: Draw) -> Sample:
    return Sample(filled(d, nn.Linear(3, 2, d.choice(True, False))), batch(d, 3))


def bilinear(d: Draw) -> Sample:
    return Sample(filled(d, nn.Bilinear(3, 2, 4, d.choice(True, False))), d.tensor((5, 3)), d.tensor((5, 2)))


def bilinear_jax(layer: Any, x1: Any, x2: Any) -> Any:
    return jnp.einsum("bi,oij,bj->bo", x1, layer.weight, x2) + (0.0 if layer.bias is None else layer.bias)


def sloped(d: Draw) -> Sample:
    return Sample(filled(d, nn.PReLU(d.choice(1, 3))), d.tensor((2, 3, 4), DISTINCT))


def prelu_jax(layer: Any, x: Any) -> Any:
    return jnp.where(x > 0, x, layer.weight[:, None] * x)


def bags(d: Draw) -> Sample:
    return Sample(filled(d, nn.EmbeddingBag(5, 3, d.choice("sum", "mean"))), d.index((2, 4), 5))


def bags_jax(layer: Any, index: Any) -> Any:
    rows = layer.weight[index]
    return rows.sum(1) if layer.mode == "sum" else rows.mean(1)


OPERATORS = "its operators are compared with PyTorch, each by itself"


def positive(module: Any) -> Any:
    """The module with a bound on eps: a variance of 0 is no place to differentiate."""
    return module.replace(eps=0.05)


def normalised(d: Draw) -> Sample:
    layer = positive(d.choice(nn.LayerNorm(4), nn.LayerNorm((3, 4)), nn.LayerNorm(4, bias=False)))
    return Sample(filled(d, layer), d.tensor((2, 3, 4), DISTINCT))


def normal_jax(x: Any, dims: Any, eps: float) -> Any:
    x = x - jnp.mean(x, dims, keepdims=True)
    return x / jnp.sqrt(jnp.mean(x * x, dims, keepdims=True) + eps)


def layer_norm_jax(layer: Any, x: Any) -> Any:
    z = normal_jax(x, tuple(range(-layer.weight.ndim, 0)), layer.eps) * layer.weight
    return z if layer.bias is None else z + layer.bias


def scaled(d: Draw) -> Sample:
    return Sample(filled(d, positive(nn.RMSNorm(4))), d.tensor((2, 3, 4), DISTINCT))


def rms_norm_jax(layer: Any, x: Any) -> Any:
    return x / jnp.sqrt(jnp.mean(x * x, -1, keepdims=True) + layer.eps) * layer.weight


def grouped(d: Draw) -> Sample:
    return Sample(filled(d, positive(nn.GroupNorm(2, 4))), d.tensor((2, 4, 3), DISTINCT))


def group_norm_jax(layer: Any, x: Any) -> Any:
    z = normal_jax(x.reshape(2, layer.groups, -1), (2,), layer.eps).reshape(x.shape)
    return z * layer.weight[:, None] + layer.bias[:, None]


#: Running statistics: the same in all examples, since JAX's compiled functions are found by a module's structure.
MEAN, VAR = (nexnet.LiteTensor(torch.tensor(each, dtype=torch.float64)) for each in ([0.5, -1.0, 0.1], [2.0, 0.5, 1.5]))


def batches(d: Draw) -> Sample:
    layer = filled(d, positive(nn.BatchNorm(3))).replace(running_mean=MEAN, running_var=VAR)
    return Sample(layer.train(d.flag()), d.tensor((2, 3, 4), DISTINCT))


def batch_norm_call(layer: Any, x: Any) -> Any:
    return nn.with_buffers(apply)(layer.to(x.device, x.dtype), x)[0]  # the check has moved and cast its leaves alone


def batch_norm_jax(layer: Any, x: Any) -> Any:
    if layer.training:
        z = normal_jax(x, (0, 2), layer.eps)
    else:
        mean, var = (jnp.asarray(each.numpy())[:, None] for each in (layer.running_mean, layer.running_var))
        z = (x - mean) / jnp.sqrt(var + layer.eps)
    return z * layer.weight[:, None] + layer.bias[:, None]


def instances(d: Draw) -> Sample:
    return Sample(filled(d, positive(nn.InstanceNorm(3, affine=True))), d.tensor((2, 3, 4), DISTINCT))


def instance_norm_jax(layer: Any, x: Any) -> Any:
    return normal_jax(x, (2,), layer.eps) * layer.weight[:, None] + layer.bias[:, None]


def attended(d: Draw) -> Sample:
    layer = filled(d, nn.MultiHeadAttention(4, 2, d.choice(True, False)))
    source = d.choice(None, d.tensor((2, 2, 4)))
    return Sample(layer, d.tensor((2, 3, 4)), source, source is None and d.flag())


def attention_call(layer: Any, x: Any, source: Any, is_causal: bool) -> Any:
    return layer(x, source, is_causal=is_causal)


def attention_jax(layer: Any, x: Any, source: Any, is_causal: bool) -> Any:
    source = x if source is None else source
    weights = jnp.split(layer.project.weight, 3)
    biases = [0.0] * 3 if layer.project.bias is None else jnp.split(layer.project.bias, 3)
    q, k, v = (
        (each @ w.T + b).reshape(*each.shape[:-1], layer.heads, -1).swapaxes(-2, -3)
        for each, w, b in zip((x, source, source), weights, biases, strict=True)
    )
    scores = q @ k.swapaxes(-1, -2) / q.shape[-1] ** 0.5
    if is_causal:
        scores = jnp.where(jnp.tril(jnp.ones(scores.shape[-2:], bool)), scores, -jnp.inf)
    seen = (jax.nn.softmax(scores) @ v).swapaxes(-2, -3).reshape(x.shape)
    return dense_jax(layer.out, seen)


def blocks(d: Draw) -> Sample:
    block = filled(d, nn.TransformerBlock(4, 2, 6))
    return Sample(
        block.replace(norm1=positive(block.norm1), norm2=positive(block.norm2)), d.tensor((2, 3, 4), DISTINCT)
    )


def block_jax(block: Any, x: Any) -> Any:
    x = x + attention_jax(block.attention, layer_norm_jax(block.norm1, x), None, False)
    inner = jax.nn.gelu(dense_jax(block.inner, layer_norm_jax(block.norm2, x)), approximate=False)
    return x + dense_jax(block.outer, inner)


# Torch's transformer


def torchs_attention(d: Draw) -> Sample:
    layer = filled(d, nn.MultiheadAttention(4, 2, bias=d.choice(True, False)))
    return Sample(layer, d.tensor((3, 2, 4)), d.tensor((2, 2, 4)))


def torchs_attention_jax(layer: Any, x: Any, source: Any) -> Any:
    weights = jnp.split(layer.in_proj_weight, 3)
    biases = [0.0] * 3 if layer.in_proj_bias is None else jnp.split(layer.in_proj_bias, 3)
    q, k, v = (
        (each @ w.T + b).reshape(*each.shape[:2], layer.num_heads, -1).transpose(1, 2, 0, 3)
        for each, w, b in zip((x, source, source), weights, biases, strict=True)
    )
    seen = jax.nn.softmax(q @ k.swapaxes(-1, -2) / q.shape[-1] ** 0.5) @ v
    return dense_jax(layer.out_proj, seen.transpose(2, 0, 1, 3).reshape(x.shape))


def added_jax(layer: Any, norm: Any, x: Any, part: Callable[[Any], Any]) -> Any:
    return x + part(layer_norm_jax(norm, x)) if layer.norm_first else layer_norm_jax(norm, x + part(x))


def encoder_layer_jax(layer: Any, x: Any) -> Any:
    x = added_jax(layer, layer.norm1, x, lambda x: torchs_attention_jax(layer.self_attn, x, x))
    return added_jax(layer, layer.norm2, x, lambda x: feedforward_jax(layer, x))


def decoder_layer_jax(layer: Any, x: Any, memory: Any) -> Any:
    x = added_jax(layer, layer.norm1, x, lambda x: torchs_attention_jax(layer.self_attn, x, x))
    x = added_jax(layer, layer.norm2, x, lambda x: torchs_attention_jax(layer.multihead_attn, x, memory))
    return added_jax(layer, layer.norm3, x, lambda x: feedforward_jax(layer, x))


def feedforward_jax(layer: Any, x: Any) -> Any:
    return dense_jax(layer.linear2, jax.nn.gelu(dense_jax(layer.linear1, x), approximate=False))


def transformer_layer(d: Draw, kind: Any) -> Any:
    return kind(4, 2, 3, 0.0, "gelu", norm_first=d.flag())


def encoded(d: Draw) -> Sample:
    return Sample(normed(filled(d, transformer_layer(d, nn.TransformerEncoderLayer))), d.tensor((3, 2, 4), DISTINCT))


def decoded(d: Draw) -> Sample:
    layer = normed(filled(d, transformer_layer(d, nn.TransformerDecoderLayer)))
    return Sample(layer, d.tensor((3, 2, 4), DISTINCT), d.tensor((2, 2, 4)))


def encoders(d: Draw) -> Sample:
    stack = nn.TransformerEncoder(transformer_layer(d, nn.TransformerEncoderLayer), 2, nn.LayerNorm(4))
    return Sample(normed(filled(d, stack)), d.tensor((3, 1, 4), DISTINCT))


def decoders(d: Draw) -> Sample:
    stack = nn.TransformerDecoder(transformer_layer(d, nn.TransformerDecoderLayer), 2)
    return Sample(normed(filled(d, stack)), d.tensor((3, 1, 4), DISTINCT), d.tensor((2, 1, 4)))


def transformers(d: Draw) -> Sample:
    model = nn.Transformer(4, 2, 1, 1, 3, 0.0, "gelu", norm_first=d.flag())
    return Sample(normed(filled(d, model)), d.tensor((2, 1, 4), DISTINCT), d.tensor((3, 1, 4), DISTINCT))


def normed(model: Any) -> Any:
    """The model with normalisations whose weights are positive."""
    for path, each in model.named_parameters():
        if path.rpartition("norm")[2] in ("1.weight", "2.weight", "3.weight", ".weight"):
            model = model.at[path].set(each.abs() + 0.5)
    return model


def stack_jax(layer_jax: Callable[..., Any]) -> Callable[..., Any]:
    def through(stack: Any, x: Any, *memory: Any) -> Any:
        for layer in stack.layers:
            x = layer_jax(layer, x, *memory)
        return x if stack.norm is None else layer_norm_jax(stack.norm, x)

    return through


def transformer_jax(model: Any, source: Any, target: Any) -> Any:
    memory = stack_jax(encoder_layer_jax)(model.encoder, source)
    return stack_jax(decoder_layer_jax)(model.decoder, target, memory)


def with_memory(layer: Any, x: Any, memory: Any) -> Any:
    return layer(x, memory)


def embedded(d: Draw) -> Sample:
    return Sample(filled(d, nn.Embedding(5, 3)), d.index(d.choice((2, 3), (4,)), 5))


def dropped(d: Draw) -> Sample:
    return Sample(nn.Dropout(d.choice(0.5, 0.2)), d.tensor((3, 4)), d.flag())


def dropout_call(layer: Any, x: Any, training: bool) -> Any:
    return layer(x, generator_beside(x, 5) if training else None)


def dropout_jax(layer: Any, x: Any, training: bool) -> Any:
    kept = torch.empty(x.shape, dtype=torch.float64).bernoulli_(1 - layer.p, generator=torch.Generator().manual_seed(5))
    return x * kept.numpy() / (1 - layer.p) if training else x


def layer_case(name: str, inputs: Any, jax_fn: Any, call: Any = apply, **options: Any) -> Case:
    options = {"layouts": ("plain", "strided", "plain"), **options}
    return Case(name=name, call=call, inputs=inputs, jax=jax_fn, without_torch=OPERATORS, **options)


# Recurrent layers


def recurrent(name: str) -> Callable[[Draw], Sample]:
    def inputs(d: Draw) -> Sample:
        options: dict[str, Any] = {"bidirectional": d.flag(), "batch_first": d.flag(), "bias": d.choice(True, False)}
        if name == "RNN":
            options["nonlinearity"] = d.choice("tanh", "relu")
        if name == "LSTM":
            options["proj_size"] = d.choice(0, 1)
        layer = getattr(nn, name)(2, 2, d.choice(1, 2), **options)
        return Sample(filled(d, layer), d.tensor((2, 3, 2), DISTINCT))

    return inputs


def recurrent_jax(step: Step, states: int) -> Callable[..., Any]:
    def call(layer: Any, x: Any) -> Any:
        batch = x.shape[0 if layer.batch_first else 1]
        count = layer.num_layers * (1 + layer.bidirectional)
        sizes = (layer.out_size, layer.hidden_size)[:states]
        hx = tuple(jnp.zeros((count, batch, size)) for size in sizes)
        kind = relu_step if getattr(layer, "nonlinearity", "") == "relu" else step
        options = (layer.bias, layer.num_layers, 0.0, True, layer.bidirectional, layer.batch_first)
        out, *last = one_by_one(kind)(x, hx, layer.weights, *options)
        return out, tuple(last) if states > 1 else last[0]

    return call


def recurrent_cell(name: str) -> Callable[[Draw], Sample]:
    def inputs(d: Draw) -> Sample:
        options = {"nonlinearity": d.choice("tanh", "relu")} if name == "RNNCell" else {}
        return Sample(filled(d, getattr(nn, name)(3, 2, d.choice(True, False), **options)), d.tensor((4, 3)))

    return inputs


def recurrent_cell_jax(step: Step, states: int) -> Callable[..., Any]:
    def call(layer: Any, x: Any) -> Any:
        h = jnp.zeros((x.shape[0], layer.weights[1].shape[1]))
        found = (relu_step if getattr(layer, "nonlinearity", "") == "relu" else step)(x, (h,) * states, layer.weights)
        return found if states > 1 else found[0]

    return call


CASES = [
    Case(name="Dense", call=apply, inputs=dense, jax=dense_jax, layouts=(*SOLID, "plain"), without_torch=OPERATORS),
    Case(
        name="Sequential",
        call=apply,
        inputs=sequential,
        jax=sequential_jax,
        layouts=SOLID,
        without_torch=OPERATORS,
    ),
    Case(name="MLP", call=apply, inputs=mlp, jax=mlp_jax, layouts=SOLID, without_torch=OPERATORS),
    *(
        Case(
            name=f"Conv{n}d",
            call=convolution_call,
            inputs=convolution(n),
            jax=convolution_jax,
            layouts=SOLID,
            without_torch=OPERATORS,
        )
        for n in (1, 2, 3)
    ),
    *(
        Case(
            name=f"ConvTranspose{n}d",
            call=apply,
            inputs=transposed(n),
            jax=transposed_layer_jax,
            layouts=SOLID,
            without_torch=OPERATORS,
        )
        for n in (1, 2, 3)
    ),
    *(
        Case(
            name=f"{name}{n}d",
            call=apply,
            inputs=pooled(name, n),
            jax=pooled_jax(name, n),
            layouts=("plain", "strided"),
            without_torch=OPERATORS,
        )
        for name in ("MaxPool", "AvgPool", "AdaptiveAvgPool", "AdaptiveMaxPool")
        for n in (1, 2, 3)
    ),
    layer_case("LayerNorm", normalised, layer_norm_jax),
    layer_case("RMSNorm", scaled, rms_norm_jax),
    layer_case("GroupNorm", grouped, group_norm_jax),
    layer_case("BatchNorm", batches, batch_norm_jax, batch_norm_call),
    layer_case("InstanceNorm", instances, instance_norm_jax),
    layer_case("Linear", linear, dense_jax),
    layer_case("Bilinear", bilinear, bilinear_jax, lambda layer, x1, x2: layer(x1, x2)),
    layer_case("PReLU", sloped, prelu_jax),
    layer_case("EmbeddingBag", bags, bags_jax),
    layer_case("Embedding", embedded, lambda layer, index: layer.weight[index]),
    layer_case(
        "Dropout",
        dropped,
        dropout_jax,
        dropout_call,
        layouts=("plain", "plain"),
        strided=False,
        reason="torch draws a mask in the order of memory: other strides are another mask",
    ),
    layer_case("MultiHeadAttention", attended, attention_jax, attention_call),
    layer_case("TransformerBlock", blocks, block_jax),
    layer_case(
        "MultiheadAttention",
        torchs_attention,
        torchs_attention_jax,
        lambda layer, x, source: layer(x, source, source)[0],
    ),
    layer_case("TransformerEncoderLayer", encoded, encoder_layer_jax),
    layer_case("TransformerDecoderLayer", decoded, decoder_layer_jax, with_memory),
    *(
        layer_case(name, inputs, jax, call, order=1, reason="it is its layers, which are checked at second order")
        for name, inputs, jax, call in (
            ("TransformerEncoder", encoders, stack_jax(encoder_layer_jax), apply),
            ("TransformerDecoder", decoders, stack_jax(decoder_layer_jax), with_memory),
            ("Transformer", transformers, transformer_jax, with_memory),
        )
    ),
    *(
        layer_case(name + kind, inputs(name + kind), jax(step, states))
        for name, step, states in (("LSTM", lstm_step, 2), ("GRU", gru_step, 1), ("RNN", tanh_step, 1))
        for kind, inputs, jax in (("", recurrent, recurrent_jax), ("Cell", recurrent_cell, recurrent_cell_jax))
    ),
    Case(name="Flatten", call=apply, inputs=flattened, jax=flattened_jax, layouts=SOLID, without_torch=OPERATORS),
]


def layers_and_losses() -> set[str]:
    """Name what nexnet_nn has of its own: modules and losses that are more than one operator of nexnet."""
    classes = {value for name in nn.__all__ if isinstance(value := getattr(nn, name), type)}
    modules = {each.__name__ for each in classes if issubclass(each, nn.Module) and each is not nn.Module}
    modules -= {each.__name__ for each in classes if issubclass(each, nn.Operation)}
    operators = {id(value) for value in vars(nexnet.ops).values()}
    losses = {name for name in nn.losses.__all__ if id(getattr(nn.losses, name)) not in operators}
    return modules | losses
