"""One step of a recurrent layer, as torch.nn.LSTMCell, GRUCell and RNNCell call it: a sequence of one step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from ...policy import implements
from .._names import composite
from .recurrent import _check_weights, _complain, _gru_direction, _lstm_direction, _rnn_direction

__all__ = ["gru_cell", "lstm_cell", "rnn_relu_cell", "rnn_tanh_cell"]


@implements(torch.lstm_cell)
@composite
def lstm_cell(
    input: Any, hx: Sequence[Any], w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None
) -> tuple[Any, Any]:
    """A step of ``lstm``: ``(h', c')`` of x (B, I) and of hx = (h, c), (B, H) each.

    Raises:
        InputError: shapes that do not go together.
    """
    if len(hx) != 2:
        raise _complain("lstm_cell", "an LSTM has two states.", "hx", "(h, c)", f"{len(hx)} of them")
    h, c = _step("lstm_cell", 4, _lstm_direction, input, hx, w_ih, w_hh, b_ih, b_hh)
    return h, c


@implements(torch.gru_cell)
@composite
def gru_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """A step of ``gru``: h' (B, H) of x (B, I) and h (B, H).

    Raises:
        InputError: shapes that do not go together.
    """
    return _step("gru_cell", 3, _gru_direction, input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


@implements(torch.rnn_tanh_cell)
@composite
def rnn_tanh_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """A step of ``rnn_tanh``: h' (B, H) of x (B, I) and h (B, H).

    Raises:
        InputError: shapes that do not go together.
    """
    return _step("rnn_tanh_cell", 1, partial(_rnn_direction, False), input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


@implements(torch.rnn_relu_cell)
@composite
def rnn_relu_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """A step of ``rnn_relu``: h' (B, H) of x (B, I) and h (B, H). Corner: 0 at 0.

    Raises:
        InputError: shapes that do not go together.
    """
    return _step("rnn_relu_cell", 1, partial(_rnn_direction, True), input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


def _step(
    rule: str, gates: int, direction: Callable[..., Any], input: Any, hx: Sequence[Any], *weights: Any
) -> tuple[Any, ...]:
    if input.ndim != 2:
        raise _complain(rule, "the input is one step of a batch.", "input", "(B, I)", tuple(input.shape))
    batch, source = input.shape
    size = hx[0].shape[-1]
    for state in hx:
        if tuple(state.shape) != (batch, size):
            raise _complain(rule, "a state has another shape.", "hx", (batch, size), tuple(state.shape))
    weights = (*weights, None)
    _check_weights(rule, weights, gates * size, source, size, size)
    _, last = direction(input, hx, weights, (batch,), reverse=False)
    return last  # type: ignore[no-any-return]
