"""Recurrent layers: of one layer or two, of one direction or both, of sequences of one length or of several."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import torch

from .._case import Case, Sample
from .._draw import DISTINCT, Draw

SIZE = 2  # of the input and of the states
Step = Callable[[Any, Sequence[Any], Sequence[Any]], tuple[Any, ...]]


def layers(gates: int, states: int) -> Callable[[Draw], Sample]:
    """Draw the arguments of a recurrent layer whose weights have so many gates."""

    def inputs(d: Draw) -> Sample:
        count, both, biases, packed = d.choice(1, 2), d.flag(), d.choice(True, True, False), d.flag()
        projected = 1 if states == 2 and d.choice(False, False, True) else SIZE
        directions = 2 if both else 1
        batch = 2
        hx = [d.tensor((count * directions, batch, projected if i == 0 else SIZE)) for i in range(states)]
        params = []
        for layer in range(count):
            for _ in range(directions):
                source = SIZE if layer == 0 else directions * projected
                params += [d.tensor((gates * SIZE, source)), d.tensor((gates * SIZE, projected))]
                params += [d.tensor((gates * SIZE,)), d.tensor((gates * SIZE,))] if biases else []
                params += [d.tensor((projected, SIZE))] if projected != SIZE else []
        rest = (params, biases, count, 0.0, True, both)
        hx = tuple(hx) if states == 2 else hx[0]  # type: ignore[assignment]
        if packed:
            return Sample(d.tensor((3, SIZE), DISTINCT), torch.tensor([2, 1]), hx, *rest)
        return Sample(d.tensor((2, batch, SIZE), DISTINCT), hx, *rest, d.flag())

    return inputs


def products(x: Any, h: Any, weights: Sequence[Any]) -> tuple[Any, Any]:
    w_ih, w_hh, *biases = weights
    b_ih, b_hh = biases[:2] if len(biases) > 1 else (0.0, 0.0)
    return x @ w_ih.T + b_ih, h @ w_hh.T + b_hh


def lstm_step(x: Any, states: Sequence[Any], weights: Sequence[Any]) -> tuple[Any, Any]:
    h, c = states
    own, inner = products(x, h, weights)
    i, f, g, o = jnp.split(own + inner, 4, -1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return h @ weights[-1].T if len(weights) % 2 else h, c


def gru_step(x: Any, states: Sequence[Any], weights: Sequence[Any]) -> tuple[Any]:
    (h,) = states
    own, inner = (jnp.split(each, 3, -1) for each in products(x, h, weights))
    r, z = (jax.nn.sigmoid(own[i] + inner[i]) for i in range(2))
    n = jnp.tanh(own[2] + r * inner[2])
    return ((1 - z) * n + z * h,)


def tanh_step(x: Any, states: Sequence[Any], weights: Sequence[Any]) -> tuple[Any]:
    return (jnp.tanh(sum(products(x, states[0], weights))),)


def relu_step(x: Any, states: Sequence[Any], weights: Sequence[Any]) -> tuple[Any]:
    return (jax.nn.relu(sum(products(x, states[0], weights))),)


def one_by_one(step: Step) -> Callable[..., Any]:
    """Give the reference: every sequence alone, step by step."""

    def call(input: Any, *rest: Any) -> Any:
        if isinstance(rest[2], bool):
            hx, params, _, count, _, _, both, first = rest
            x = jnp.swapaxes(input, 0, 1) if first else input
            sequences = [([*x], slice(None))]
        else:
            _, hx, params, _, count, _, _, both = rest  # of sequences of 2 and of 1 step
            sequences = [([input[0:1], input[2:3]], slice(0, 1)), ([input[1:2]], slice(1, 2))]
        states = hx if isinstance(hx, tuple) else (hx,)
        directions = 2 if both else 1
        each = len(params) // (count * directions)
        found = [
            through(step, xs, [s[:, rows] for s in states], params, each, count, directions) for xs, rows in sequences
        ]
        ended = [jnp.concatenate(parts, 1) for parts in zip(*[last for _, last in found], strict=True)]
        if isinstance(rest[2], bool):
            out = jnp.stack(found[0][0])
            out = jnp.swapaxes(out, 0, 1) if first else out
        else:
            (one, three), (two,) = (outs for outs, _ in found)
            out = jnp.concatenate([one, two, three])
        return (out, *ended)

    return call


def through(
    step: Step, xs: list[Any], states: list[Any], params: Any, each: int, count: int, directions: int
) -> tuple[list[Any], list[Any]]:
    ended: list[Any] = []
    for layer in range(count):
        outs = []
        for i in range(layer * directions, (layer + 1) * directions):
            now: Any = [s[i] for s in states]
            hidden = []
            for x in xs[::-1] if i % directions else xs:
                now = step(x, now, params[i * each : (i + 1) * each])
                hidden.append(now[0])
            outs.append(hidden[::-1] if i % directions else hidden)
            ended.append(now)
        xs = [jnp.concatenate(parts, -1) for parts in zip(*outs, strict=True)]
    return xs, [jnp.stack(parts) for parts in zip(*ended, strict=True)]


def case(name: str, gates: int, states: int, step: Step) -> Case:
    return Case(name=name, inputs=layers(gates, states), jax=one_by_one(step), layouts=("plain", "strided"))


CASES = [
    case("lstm", 4, 2, lstm_step),
    case("gru", 3, 1, gru_step),
    case("rnn_tanh", 1, 1, tanh_step),
    case("rnn_relu", 1, 1, relu_step),
]
