"""One step of a recurrent layer, with biases and without."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._case import Case, Sample
from .._draw import Draw
from .recurrent import Step, gru_step, lstm_step, relu_step, tanh_step

BATCH, SOURCE, SIZE = 2, 3, 2


def cells(gates: int, states: int) -> Callable[[Draw], Sample]:
    def inputs(d: Draw) -> Sample:
        hx = tuple([d.tensor((BATCH, SIZE)) for _ in range(states)])
        wide = gates * SIZE
        biases = (d.tensor((wide,)), d.tensor((wide,))) if d.choice(True, False) else (None, None)
        weights = (d.tensor((wide, SOURCE)), d.tensor((wide, SIZE)))
        return Sample(d.tensor((BATCH, SOURCE)), hx if states == 2 else hx[0], *weights, *biases)

    return inputs


def by_step(step: Step) -> Callable[..., Any]:
    def call(x: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
        biases = () if b_ih is None else (b_ih, b_hh)
        found = step(x, hx if isinstance(hx, tuple) else (hx,), (w_ih, w_hh, *biases))
        return found if len(found) > 1 else found[0]

    return call


def case(name: str, gates: int, states: int, step: Step) -> Case:
    return Case(name=name, inputs=cells(gates, states), jax=by_step(step), layouts=("plain", "strided", "expanded"))


CASES = [
    case("lstm_cell", 4, 2, lstm_step),
    case("gru_cell", 3, 1, gru_step),
    case("rnn_tanh_cell", 1, 1, tanh_step),
    case("rnn_relu_cell", 1, 1, relu_step),
]
