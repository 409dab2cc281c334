"""Recurrent layers and their cells: LSTM, GRU, RNN, with torch's arguments and torch's weights in torch's order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import torch
from torch.nn.utils.rnn import PackedSequence

import nexnet
from nexnet import LiteTensor
from nexnet.errors import InputError, message

from . import init as initializers
from ._checks import check_probability
from .errors import ModuleError
from .init import Initializer
from .module import Module, describe_as_its_base

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]

_NONLINEARITIES = ("tanh", "relu")


def _weights(
    gates: int, source: int, size: int, out: int, bias: bool, init: Initializer | None, options: dict[str, Any]
) -> list[LiteTensor]:
    """Give the weights of one direction of a layer, in torch's order."""
    wide = gates * size
    shapes: list[tuple[int, ...]] = [(wide, source), (wide, out), *([(wide,), (wide,)] if bias else [])]
    shapes += [(out, size)] if out != size else []
    bound = size**-0.5 if size > 0 else 0.0
    return [
        initializers.uniform(shape, -bound, bound, **options)
        if init is None
        else init(shape, **options)
        if len(shape) > 1
        else initializers.zeros(shape, dtype=options["dtype"], device=options["device"])
        for shape in shapes
    ]


def _names(bias: bool, projected: bool = False, end: str = "") -> list[str]:
    """Give torch's names of the weights of one direction of a layer."""
    found = ["weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] if bias else []), *(["weight_hr"] if projected else [])]
    return [name + end for name in found]


def _check_nonlinearity(nonlinearity: str) -> None:
    if nonlinearity not in _NONLINEARITIES:
        raise ModuleError(
            message(
                "an RNN has no such nonlinearity.",
                argument="nonlinearity",
                expected=" or ".join(_NONLINEARITIES),
                got=repr(nonlinearity),
            )
        )


class _Recurrent(Module):
    """What recurrent layers share; the arguments are described in ``GRU``."""

    gates: ClassVar[int]
    states: ClassVar[int] = 1

    weights: tuple[LiteTensor, ...]
    hidden_size: int
    num_layers: int
    bias: bool
    batch_first: bool
    dropout: float
    bidirectional: bool
    out_size: int

    def _begin(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        out: int,
        *,
        init: Initializer | None = None,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: Any = None,
    ) -> None:
        check_probability("dropout", dropout)
        for name, number in {"hidden_size": hidden_size, "num_layers": num_layers}.items():
            if number < 1:
                raise ModuleError(message("there is nothing in the layer.", argument=name, expected=">= 1", got=number))
        options = {"generator": generator, "dtype": dtype, "device": device}
        directions = 2 if bidirectional else 1
        found: list[LiteTensor] = []
        for layer in range(num_layers):
            source = input_size if layer == 0 else out * directions
            for _ in range(directions):
                found += _weights(self.gates, source, hidden_size, out, bias, init, options)
        self.weights = tuple(found)
        self.hidden_size, self.num_layers, self.bias, self.batch_first = hidden_size, num_layers, bias, batch_first
        self.dropout, self.bidirectional, self.out_size = dropout, bidirectional, out

    def torch_names(self) -> dict[str, str]:
        """Give torch's name of each weight, by our path."""
        ends = [
            f"_l{layer}{end}" for layer in range(self.num_layers) for end in ("", "_reverse")[: 1 + self.bidirectional]
        ]
        names = [name for end in ends for name in _names(self.bias, self.out_size != self.hidden_size, end)]
        return {f"weights.{i}": name for i, name in enumerate(names)}

    def _function(self) -> Callable[..., Any]:
        raise NotImplementedError

    def __call__(self, x: Any, hx: Any = None, *, generator: torch.Generator | None = None) -> Any:
        """Give the outputs of the last layer for all steps, and the last states of all layers.

        Args:
            x: (T, B, I), (B, T, I) if ``batch_first``, or (T, I); or a ``PackedSequence`` (torch.nn.utils.rnn), which
                the output then is too.
            hx: the initial states, (L D, B, H) or (L D, H); zeros by default. An LSTM's are (h, c).
            generator: where dropout draws from; without one nothing is dropped.

        Returns:
            ``(output, h)``, of an LSTM ``(output, (h, c))``; the output has D H features.

        Raises:
            InputError: an input of other dimensions or features than the layer's; initial states of another shape or
                number.
            RuntimeError: torch's: an input of another dtype than the weights.
        """
        packed = isinstance(x, PackedSequence)
        data = x.data if packed else x
        dims = getattr(data, "ndim", None)
        alone = not packed and dims == 2
        if not packed and not alone and dims != 3:
            raise self._no_sequences(x)
        if alone:
            data = nexnet.unsqueeze(data, 0 if self.batch_first else 1)
        batch = int(x.batch_sizes[0]) if packed else data.shape[0 if self.batch_first else 1]
        states = self._initial(data, hx, batch, alone, x.sorted_indices if packed else None)
        out, *last = self._function()(
            data,
            states if self.states > 1 else states[0],
            self.weights,
            self.bias,
            self.num_layers,
            self.dropout,
            generator is not None,
            self.bidirectional,
            self.batch_first and not packed,
            x.batch_sizes if packed else None,
            generator=generator,
        )
        if packed:
            out = PackedSequence(out, *x[1:])
            if x.unsorted_indices is not None:
                last = [nexnet.index_select(each, 1, x.unsorted_indices) for each in last]
        elif alone:
            out = nexnet.squeeze(out, 0 if self.batch_first else 1)
            last = [nexnet.squeeze(each, 1) for each in last]
        return out, tuple(last) if self.states > 1 else last[0]

    def _no_sequences(self, x: Any) -> InputError:
        return InputError(
            message(
                "the input has not the dimensions of sequences.",
                rule=type(self).__name__,
                argument="x",
                expected=f"{'(B, T, I)' if self.batch_first else '(T, B, I)'}, (T, I), or a PackedSequence",
                got=f"shape {tuple(x.shape)}" if hasattr(x, "shape") else type(x).__name__,
            )
        )

    def _initial(self, data: Any, hx: Any, batch: int, alone: bool, order: Any) -> list[Any]:
        count = self.num_layers * (2 if self.bidirectional else 1)
        if hx is None:
            sizes = (self.out_size, self.hidden_size)[: self.states]
            return [torch.zeros(count, batch, size, dtype=data.dtype, device=data.device) for size in sizes]
        if self.states > 1 and not isinstance(hx, Iterable):
            raise InputError(
                message("an LSTM has two initial states.", argument="hx", expected="(h_0, c_0)", got=type(hx).__name__)
            )
        states = list(hx) if self.states > 1 else [hx]
        if alone:
            return [nexnet.unsqueeze(each, 1) for each in states]
        return states if order is None else [nexnet.index_select(each, 1, order) for each in states]


class LSTM(_Recurrent):
    """Layers of an LSTM (``nexnet.lstm``): ``layer(x) -> (output, (h, c))``, with torch.nn.LSTM's arguments.

    ``proj_size``: how many features h has, if not as many as c: W_hr of what it were else. For the other arguments, and
    what a call takes, see ``GRU``.

    Raises:
        ModuleError: a ``proj_size`` that is not below ``hidden_size``.

    Example::

        >>> output, (h, c) = nn.LSTM(3, 4)(nexnet.zeros(5, 2, 3))
        >>> output.shape, h.shape, c.shape
        (torch.Size([5, 2, 4]), torch.Size([1, 2, 4]), torch.Size([1, 2, 4]))
    """

    gates, states = 4, 2

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        **options: Any,
    ) -> None:
        if not 0 <= proj_size < hidden_size:
            raise ModuleError(
                message(
                    "h has fewer features than c.", argument="proj_size", expected=f"< {hidden_size}", got=proj_size
                )
            )
        given = (num_layers, bias, batch_first, dropout, bidirectional, proj_size or hidden_size)
        self._begin(input_size, hidden_size, *given, **options)

    def _function(self) -> Callable[..., Any]:
        return nexnet.lstm


class GRU(_Recurrent):
    """Layers of gated recurrent units (``nexnet.gru``): ``layer(x) -> (output, h)``, with torch.nn.GRU's arguments.

    Args:
        input_size: of the features that go in.
        hidden_size: H, of the state.
        num_layers: L, one upon the other.
        bias: whether there are biases.
        batch_first: whether the batch is the first dimension of input and output, (B, T, I), and not the second.
        dropout: the probability with which an element between two layers is dropped, if a generator is given.
        bidirectional: whether each layer goes backward too, D = 2; its output then has both, side by side.
        options: ``init``, what fills the weights, with zeros for the biases (by default all are U(-a, a), a = 1 /
            sqrt(H)); ``generator``, where random numbers come from; ``dtype`` and ``device`` of the parameters.

    Attributes:
        weights: of each layer and direction W_ih, W_hh, b_ih, b_hh (and an LSTM's W_hr): torch's ``_flat_weights``.

    Raises:
        ModuleError: a dropout that is no probability; no layers, or no features of the state.

    Example::

        >>> output, h = nn.GRU(3, 4)(nexnet.zeros(5, 2, 3))
        >>> output.shape, h.shape
        (torch.Size([5, 2, 4]), torch.Size([1, 2, 4]))
    """

    gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        **options: Any,
    ) -> None:
        given = (num_layers, bias, batch_first, dropout, bidirectional, hidden_size)
        self._begin(input_size, hidden_size, *given, **options)

    def _function(self) -> Callable[..., Any]:
        return nexnet.gru


class RNN(_Recurrent):
    """Layers of h' = tanh(W_ih x + b_ih + W_hh h + b_hh): ``layer(x) -> (output, h)``, with torch.nn.RNN's arguments.

    ``nonlinearity``: "tanh" or "relu". For the other arguments, and what a call takes, see ``GRU``.

    Raises:
        ModuleError: a ``nonlinearity`` that there isn't.

    Example::

        >>> output, h = nn.RNN(3, 4)(nexnet.zeros(5, 2, 3))
        >>> output.shape, h.shape
        (torch.Size([5, 2, 4]), torch.Size([1, 2, 4]))
    """

    gates = 1
    nonlinearity: str

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        **options: Any,
    ) -> None:
        _check_nonlinearity(nonlinearity)
        given = (num_layers, bias, batch_first, dropout, bidirectional, hidden_size)
        self._begin(input_size, hidden_size, *given, **options)
        self.nonlinearity = nonlinearity

    def _function(self) -> Callable[..., Any]:
        return nexnet.rnn_tanh if self.nonlinearity == "tanh" else nexnet.rnn_relu


class _Cell(Module):
    """``weights`` are W_ih (gates H, I), W_hh (gates H, H), b_ih and b_hh (gates H,), in torch's order.

    Raises:
        InputError: when it is called: an input or a state of another shape.
        ModuleError: a ``nonlinearity`` of RNNCell that there isn't.
    """

    gates: ClassVar[int]

    weights: tuple[LiteTensor, ...]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        describe_as_its_base(cls)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        init: Initializer | None = None,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: Any = None,
    ) -> None:
        options = {"generator": generator, "dtype": dtype, "device": device}
        self.weights = tuple(_weights(self.gates, input_size, hidden_size, hidden_size, bias, init, options))

    def torch_names(self) -> dict[str, str]:
        """Give torch's name of each weight, by our path."""
        return {f"weights.{i}": name for i, name in enumerate(_names(len(self.weights) > 2))}

    def _zeros(self, x: Any) -> Any:
        if getattr(x, "ndim", None) != 2:
            raise InputError(
                message(
                    "the input is one step of a batch.",
                    rule=type(self).__name__,
                    argument="x",
                    expected="(B, I)",
                    got=f"shape {tuple(x.shape)}" if hasattr(x, "shape") else type(x).__name__,
                )
            )
        return torch.zeros(x.shape[0], self.weights[1].shape[1], dtype=x.dtype, device=x.device)


class LSTMCell(_Cell):
    """A step of an LSTM: ``cell(x, (h, c)) -> (h', c')``, of shapes (B, I) and (B, H); without states: zeros.

    Example::

        >>> h, c = nn.LSTMCell(3, 4)(nexnet.zeros(2, 3))
        >>> h.shape, c.shape
        (torch.Size([2, 4]), torch.Size([2, 4]))
    """

    gates = 4

    def __call__(self, x: Any, hx: Any = None) -> tuple[LiteTensor, LiteTensor]:
        """Take a step."""
        return nexnet.lstm_cell(x, (self._zeros(x),) * 2 if hx is None else hx, *self.weights)  # type: ignore[no-any-return]


class GRUCell(_Cell):
    """A step of a gated recurrent unit: ``cell(x, h) -> h'``, of shapes (B, I) and (B, H); without h: zeros.

    Example::

        >>> nn.GRUCell(3, 4)(nexnet.zeros(2, 3)).shape
        torch.Size([2, 4])
    """

    gates = 3

    def __call__(self, x: Any, hx: Any = None) -> LiteTensor:
        """Take a step."""
        return nexnet.gru_cell(x, self._zeros(x) if hx is None else hx, *self.weights)  # type: ignore[no-any-return]


class RNNCell(_Cell):
    """A step of h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or "relu": ``cell(x, h) -> h'``.

    x is of shape (B, I), h of shape (B, H), or zeros.

    Example::

        >>> nn.RNNCell(3, 4)(nexnet.zeros(2, 3)).shape
        torch.Size([2, 4])
    """

    gates = 1
    nonlinearity: str

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", **options: Any
    ) -> None:
        _check_nonlinearity(nonlinearity)
        super().__init__(input_size, hidden_size, bias, **options)
        self.nonlinearity = nonlinearity

    def __call__(self, x: Any, hx: Any = None) -> LiteTensor:
        """Take a step."""
        step = nexnet.rnn_tanh_cell if self.nonlinearity == "tanh" else nexnet.rnn_relu_cell
        return step(x, self._zeros(x) if hx is None else hx, *self.weights)  # type: ignore[no-any-return]
