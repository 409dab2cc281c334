"""Recurrent layers, as torch.nn.LSTM, GRU and RNN call them: stacked, in one direction or both, and packed.

What does not have to wait for the step before is done for all steps at once; ``recurrence`` has the rest.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Generator

from ...engine import unwrap
from ...errors import InputError, message
from ...policy import implements
from .._names import composite
from ..elementwise.arithmetic import add
from ..shapes.gathering import index_select
from ..shapes.indexing import narrow
from ..shapes.joining import cat, stack, unbind
from ..shapes.reshaping import reshape, transpose
from .dropout import dropout
from .linear import linear
from .lstm_layer import _lstm_by_onednn, takes_onednn
from .recurrence import _gru_through_time, _lstm_through_time, _rnn_through_time

__all__ = ["gru", "lstm", "rnn_relu", "rnn_tanh"]

_Layers = TypeVar("_Layers", bound=Callable[..., Any])


def _or_packed(layers: _Layers) -> _Layers:
    """Let a function take torch's other arguments, too: (data, batch_sizes, hx, params, ..., bidirectional)."""

    @functools.wraps(layers)
    def call(*args: Any, **kwargs: Any) -> Any:
        if "data" in kwargs or (len(args) > 3 and isinstance(args[3], (list, tuple))):
            names = (
                "data",
                "batch_sizes",
                "hx",
                "params",
                "has_biases",
                "num_layers",
                "dropout",
                "train",
                "bidirectional",
            )
            given = dict(zip(names, args, strict=False)) | kwargs
            return layers(given.pop("data", None), **given)
        return layers(*args, **kwargs)

    return call  # type: ignore[return-value]


@implements(torch.lstm)
@composite
@_or_packed
def lstm(
    input: Any,
    hx: Sequence[Any],
    params: Sequence[Any],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool = False,
    batch_sizes: Any = None,
    *,
    generator: Generator | None = None,
) -> tuple[Any, Any, Any]:
    """Layers of an LSTM: ``(output, h_n, c_n)``, of an input (T, B, I), or of a packed one.

    i, f, o = sigmoid and g = tanh of W_ih x + b_ih + W_hh h + b_hh;  c' = f c + i g,  h' = o tanh c', or W_hr of it.

    Args:
        input: x, of shape (T, B, I), or (B, T, I) if ``batch_first``; packed, the rows of all steps, (N, I).
        hx: the initial h and c of all layers and directions, (L D, B, H); h is (L D, B, P) with projections.
        params: for each layer and direction W_ih (4 H, I), W_hh (4 H, H), b_ih and b_hh (4 H,) if ``has_biases``, and
            W_hr (P, H) where h and c differ in size.
        has_biases: whether there are biases.
        num_layers: L.
        dropout: the probability with which an element between two layers is set to 0, if ``train``.
        train: whether there is dropout.
        bidirectional: whether each layer goes backward too, D = 2. Its output then has both, side by side.
        batch_first: whether the batch is the first dimension of input and output.
        batch_sizes: of a packed input, how many sequences have each step; torch's functions take it as the second
            argument, and no ``batch_first`` then.
        generator: where dropout draws from; torch's default generator by default.

    Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997.

    Raises:
        InputError: shapes that do not go together, or no steps.
    """
    if len(hx) != 2:
        raise _complain("lstm", "an LSTM has two initial states.", "hx", "(h_0, c_0)", f"{len(hx)} of them")
    projected = hx[0].shape[-1] != hx[1].shape[-1]
    layers = _Layered(
        "lstm", 4, input, hx, params, has_biases, num_layers, bidirectional, batch_first, batch_sizes, projected
    )
    out, (h, c) = layers(_lstm_direction, dropout if train else 0.0, generator)
    return out, h, c


def _of_one_state(name: str, gates: int, direction: Any, words: str) -> Any:
    """Make a recurrent layer with one state, by what it does in one direction of one layer."""

    def layers(
        input: Any,
        hx: Any,
        params: Sequence[Any],
        has_biases: bool,
        num_layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
        batch_first: bool = False,
        batch_sizes: Any = None,
        *,
        generator: Generator | None = None,
    ) -> tuple[Any, Any]:
        called = _Layered(
            name, gates, input, (hx,), params, has_biases, num_layers, bidirectional, batch_first, batch_sizes
        )
        out, (h,) = called(direction, dropout if train else 0.0, generator)
        return out, h

    layers.__name__ = layers.__qualname__ = name
    layers.__doc__ = f"""Layers of {words}

    Raises:
        InputError: shapes that do not go together, or no steps.
    """
    return composite(_or_packed(layers))


# One direction of one layer: the states of all steps, as rows, and those after its last step --------------------------


def _lstm_direction(
    rows: Any, states: Sequence[Any], weights: Sequence[Any], sizes: tuple[int, ...], reverse: bool
) -> tuple[Any, tuple[Any, Any]]:
    (hidden, cell), (w_ih, w_hh, b_ih, b_hh, w_hr) = states, weights
    given = [each for each in (rows, hidden, cell, w_ih, w_hh, b_ih, b_hh) if each is not None]
    if len(sizes) > 1 and sizes[0] == sizes[-1] and w_hr is None and takes_onednn(*map(unwrap, given)):
        out, h, c, _ = _lstm_by_onednn(rows, hidden, cell, w_ih, w_hh, b_ih, b_hh, reverse)
        return out, (h, c)
    gates = linear(rows, w_ih, _both(b_ih, b_hh))
    out, cells, _ = _lstm_through_time(gates, hidden, cell, w_hh, w_hr, sizes, reverse)
    return out, (_last(out, sizes, reverse), _last(cells, sizes, reverse))


def _gru_direction(
    rows: Any, states: Sequence[Any], weights: Sequence[Any], sizes: tuple[int, ...], reverse: bool
) -> tuple[Any, tuple[Any]]:
    w_ih, w_hh, b_ih, b_hh, _ = weights
    out, _, _ = _gru_through_time(linear(rows, w_ih, b_ih), states[0], w_hh, b_hh, sizes, reverse)
    return out, (_last(out, sizes, reverse),)


def _rnn_direction(
    relu: bool, rows: Any, states: Sequence[Any], weights: Sequence[Any], sizes: tuple[int, ...], reverse: bool
) -> tuple[Any, tuple[Any]]:
    w_ih, w_hh, b_ih, b_hh, _ = weights
    inputs = linear(rows, w_ih, _both(b_ih, b_hh))
    out = _rnn_through_time(inputs, states[0], w_hh, sizes, reverse, relu)
    return out, (_last(out, sizes, reverse),)


def _both(b_ih: Any, b_hh: Any) -> Any:
    """Give the sum of two biases, each of which may be None."""
    return b_hh if b_ih is None else b_ih if b_hh is None else add(b_ih, b_hh)


def _last(states: Any, sizes: tuple[int, ...], reverse: bool) -> Any:
    """Give each sequence's state after its last step, of the states of all steps."""
    batch = sizes[0]
    if len(sizes) == 1:
        return states
    if reverse:
        return narrow(states, 0, 0, batch)
    if sizes[-1] == batch:
        return narrow(states, 0, states.shape[0] - batch, batch)
    places: list[int] = []
    end = sum(sizes)
    for size in reversed(sizes):
        end -= size
        places += range(end + len(places), end + size)
    return index_select(states, 0, torch.tensor(places, device=unwrap(states).device))


# All layers and directions --------------------------------------------------------------------------------------------


class _Layered:
    """The arguments of one call, looked at: rows, states and weights of every layer and direction."""

    def __init__(
        self,
        rule: str,
        gates: int,
        input: Any,
        hx: Sequence[Any],
        params: Sequence[Any],
        has_biases: bool,
        num_layers: int,
        bidirectional: bool,
        batch_first: bool = False,
        batch_sizes: Any = None,
        projected: bool = False,
    ) -> None:
        self.batch_first = batch_first
        self.directions = 2 if bidirectional else 1
        self.packed = batch_sizes is not None
        if input.ndim != (2 if self.packed else 3):
            shape = "(N, I), packed" if self.packed else "(T, B, I)"
            raise _complain(rule, "the input has not the dimensions of sequences.", "input", shape, tuple(input.shape))
        if self.packed:
            self.sizes = tuple(unwrap(batch_sizes).tolist())
            if list(self.sizes) != sorted(self.sizes, reverse=True) or sum(self.sizes) != input.shape[0]:
                what = "no more of them at a step than at the one before, and as many rows in all"
                raise _complain(rule, "these are no packed sequences.", "batch_sizes", what, self.sizes)
        else:
            input = transpose(input, 0, 1) if batch_first else input
            self.sizes = (input.shape[1],) * input.shape[0]
        if not self.sizes:
            raise _complain(rule, "there are no steps.", "input", "at least one", tuple(input.shape))
        self.rows = input if self.packed else reshape(input, (sum(self.sizes), input.shape[2]))
        count = num_layers * self.directions
        each = 2 + 2 * has_biases + projected
        if len(params) != count * each:
            what = f"{each} of each layer and direction, {count * each} in all"
            raise _complain(rule, "this is not the number of weights.", "params", what, len(params))
        self.weights = [
            [
                *params[i : i + 2],
                *(params[i + 2 : i + 4] if has_biases else (None, None)),
                params[i + each - 1] if projected else None,
            ]
            for i in range(0, count * each, each)
        ]
        self._check(rule, gates, hx, count)
        self.states = [unbind(state) for state in hx]

    def _check(self, rule: str, gates: int, hx: Sequence[Any], count: int) -> None:
        """Refuse shapes that torch's kernels would not look at."""
        out, size = hx[0].shape[-1], hx[-1].shape[-1]
        for state in hx:
            expected = (count, self.sizes[0], state.shape[-1])
            if tuple(state.shape) != expected:
                raise _complain(rule, "an initial state has another shape.", "hx", expected, tuple(state.shape))
        for i, weights in enumerate(self.weights):
            source = self.rows.shape[1] if i < self.directions else out * self.directions
            _check_weights(rule, weights, gates * size, source, out, size, i < self.directions)

    def __call__(
        self, direction: Callable[..., Any], dropout_p: float, generator: Generator | None
    ) -> tuple[Any, list[Any]]:
        """Compute the output of the last layer, and the last states of all."""
        rows, ended = self.rows, []
        for layer in range(0, len(self.weights), self.directions):
            if layer and dropout_p:
                rows = dropout(rows, dropout_p, generator=generator)
            found = []
            for i in range(layer, layer + self.directions):
                states = [each[i] for each in self.states]
                out, last = direction(rows, states, self.weights[i], self.sizes, reverse=i > layer)
                found.append(out)
                ended.append(last)
            rows = found[0] if len(found) == 1 else cat(found, 1)
        if not self.packed:
            rows = reshape(rows, (len(self.sizes), self.sizes[0], rows.shape[1]))
            rows = transpose(rows, 0, 1) if self.batch_first else rows
        return rows, [stack(each) for each in zip(*ended, strict=True)]


def _check_weights(
    rule: str, weights: Sequence[Any], wide: int, source: int, out: int, size: int, is_input: bool = True
) -> None:
    for each, expected in zip(weights, ((wide, source), (wide, out), (wide,), (wide,), (out, size)), strict=True):
        if each is not None and tuple(each.shape) != expected:
            if each is weights[0] and each.ndim == 2 and each.shape[0] == wide and is_input:
                what = "the input has other features than the weights take."
                raise _complain(rule, what, "input", f"(..., {each.shape[1]})", f"(..., {source})")
            raise _complain(rule, "a weight has another shape.", "params", expected, tuple(each.shape))


def _complain(rule: str, what: str, argument: str, expected: Any, got: Any) -> InputError:
    return InputError(message(what, rule=rule, argument=argument, expected=expected, got=got))


# The layers of one state ----------------------------------------------------------------------------------------------

gru = implements(torch.gru)(
    _of_one_state(
        "gru",
        3,
        _gru_direction,
        """gated recurrent units: ``(output, h_n)``. As ``lstm``, of one state, with 3 H for 4 H.

    r, z = sigmoid of W_ih x + b_ih + W_hh h + b_hh;  n = tanh(W_in x + b_in + r (W_hn h + b_hn));  h' = n + z (h - n).

    Source: Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", 2014.""",
    )
)
rnn_tanh = implements(torch.rnn_tanh)(
    _of_one_state(
        "rnn_tanh",
        1,
        functools.partial(_rnn_direction, False),
        "h' = tanh(W_ih x + b_ih + W_hh h + b_hh): ``(output, h_n)``. As ``lstm``, of one state, with H for 4 H.",
    )
)
rnn_relu = implements(torch.rnn_relu)(
    _of_one_state(
        "rnn_relu",
        1,
        functools.partial(_rnn_direction, True),
        "h' = max(W_ih x + b_ih + W_hh h + b_hh, 0): ``(output, h_n)``. As ``rnn_tanh``. Corner: 0 at 0.",
    )
)
