"""Recurrences as rules: a state that goes from step to step, for sequences of any lengths, in either direction.

The inputs' part of every step has been computed before, for all steps at once; it comes as rows, step by step, as
torch packs sequences: ``sizes`` says how many of them each step has, never more than the one before it. Here, only what
has to wait for another step is done step by step; the gradients of the weights are one product over all steps.

What a rule needs backward are its further outputs: the gates, and an LSTM's cells. So the higher orders are those of
the same lines, on LiteTensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ...policy import Policy, function, implements
from .._kernels import kernel_or_rule

__all__: list[str] = []


class _Steps:
    """The steps of a recurrence in the order in which they are taken, and the sequences that each of them has.

    Sequences are sorted by length, the longest first. Forward, those that have ended leave the state; in ``reverse``,
    which begins with the last step, they join it with their initial state.
    """

    def __init__(self, sizes: Sequence[int], reverse: bool) -> None:
        self.sizes = list(sizes)
        self.order = range(len(self.sizes))[:: -1 if reverse else 1]

    def split(self, rows: Any) -> Any:
        """Give the rows of every step."""
        return rows.split(self.sizes)

    def enter(self, step: int, state: Any, initial: Any) -> Any:
        """Give the state before a step of the state after the one before, or of the initial state before the first."""
        size, rows = self.sizes[step], state.shape[0]
        if rows < size:
            return torch.cat([state, initial[rows:size]])
        return state[:size] if rows > size else state

    def before(self, states: Any, initial: Any) -> Any:
        """Give the states before every step, as rows, of those after it."""
        parts, state = self.split(states), initial
        found: list[Any] = [*parts]
        for step in self.order:
            found[step] = self.enter(step, state, initial)
            state = parts[step]
        return torch.cat(found)

    def backward(self, grad: Any, initial: Any) -> _Carried:
        """Give what carries a state's gradient back to its start; ``grad`` is what comes from outside, or None."""
        return _Carried(self, grad, initial)


class _Carried:
    """The gradient of a state on its way back through the steps."""

    def __init__(self, steps: _Steps, grad: Any, initial: Any) -> None:
        self.sizes = steps.sizes
        self.from_outside = None if grad is None else steps.split(grad)
        self.value = initial.new_zeros(steps.sizes[steps.order[-1]], initial.shape[1])
        self.begun: list[Any] = []

    def leave(self, step: int) -> Any:
        """Give the gradient of the state after a step: what comes from the step that follows, and from outside."""
        size, rows = self.sizes[step], self.value.shape[0]
        if rows > size:  # these began with the step that follows
            self.begun.append(self.value[size:])
            self.value = self.value[:size]
        elif rows < size:  # these end here
            self.value = torch.cat([self.value, self.value.new_zeros(size - rows, self.value.shape[1])])
        return self.value if self.from_outside is None else self.value + self.from_outside[step]

    def initial(self) -> Any:
        """Give the gradient of the initial state, when all steps have been left."""
        return torch.cat([self.value, *self.begun[::-1]]) if self.begun else self.value


def _lstm_states(
    gates: Any, hidden: Any, cell: Any, weight: Any, projection: Any, sizes: Sequence[int], reverse: bool
) -> tuple[Any, Any, Any]:
    steps = _Steps(sizes, reverse)
    size = cell.shape[1]
    parts = list(steps.split(gates))
    hiddens, cells = [*parts], [*parts]
    h, c = hidden, cell
    for step in steps.order:
        parts[step] = each = torch.addmm(parts[step], steps.enter(step, h, hidden), weight.t())
        i_and_f, g, o = each.split((2 * size, size, size), 1)
        i, f = i_and_f.sigmoid_().chunk(2, 1)
        cells[step] = c = torch.addcmul(f * steps.enter(step, c, cell), i, g.tanh_())
        h = torch.tanh(c).mul_(o.sigmoid_())
        hiddens[step] = h = h if projection is None else h.mm(projection.t())
    return torch.cat(hiddens), torch.cat(cells), torch.cat(parts)


@implements()
@function
class _lstm_through_time(Policy):
    """i, f, o = sigmoid of their part of x + W h, and g = tanh of its;  c' = f c + i g,  r = o tanh c',  h' = R r.

    Args are x, of shape (rows, 4 H), with the gates in torch's order i, f, g, o; h, c, W, and R, which may be None. The
    outputs are, of all steps, h', c' and the gates. Backward, with the gradients of h' and c'::

        dr = dh' R,    dc' += dr o (1 - tanh^2 c'),    dc = f dc',    dh = dx W
        dx = (dc' g i (1 - i),  dc' c f (1 - f),  dc' i (1 - g^2),  dr tanh c' o (1 - o))

    Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997; projections: Sak, Senior and Beaufays, 2014.
    """

    materialize_grads = False

    def forward(
        self, gates: Any, hidden: Any, cell: Any, weight: Any, projection: Any, sizes: Sequence[int], reverse: bool
    ) -> Any:
        out, cells, gates = _lstm_states(gates, hidden, cell, weight, projection, sizes, reverse)
        self.ctx.save(hidden, cell, weight, projection, sizes, reverse, out, cells, gates)
        return out, cells, gates

    def backward(self, grad: Any, grad_cells: Any, grad_gates: Any) -> Any:
        return lstm_gradients(grad, grad_cells, grad_gates, *self.ctx.release)


#: The states of an LSTM, by the rule where they are to be differentiated.
lstm_states = kernel_or_rule(_lstm_states, _lstm_through_time)


def lstm_gradients(
    grad: Any, grad_cells: Any, grad_gates: Any, hidden: Any, cell: Any, weight: Any, projection: Any,
    sizes: Sequence[int], reverse: bool, out: Any, cells: Any, gates: Any,
) -> tuple[Any, ...]:  # fmt: skip
    """Give the gradients by the inputs' part of the gates, the initial states, and the weights."""
    steps = _Steps(sizes, reverse)
    size = cell.shape[1]
    i, f, g, o = gates.chunk(4, 1)
    squashed = torch.tanh(cells)
    slopes = [i * (1 - i), f * (1 - f), 1 - g * g, o * (1 - o)]
    factors = [g * slopes[0], steps.before(cells, cell) * slopes[1], i * slopes[2], squashed * slopes[3]]
    through = steps.split(torch.stack(factors, 1))
    kept, opened = steps.split(f), steps.split(o * (1 - squashed * squashed))
    direct = None if grad_gates is None else steps.split(grad_gates * torch.cat(slopes, 1))
    dh, dc = steps.backward(grad, hidden), steps.backward(grad_cells, cell)
    by_gates, by_hidden = [*kept], [*kept]
    for step in steps.order[::-1]:
        by_hidden[step] = by_h = dh.leave(step)
        dr = by_h if projection is None else by_h.mm(projection)
        by_cell = torch.addcmul(dc.leave(step), dr, opened[step])
        by = (torch.stack([by_cell, by_cell, by_cell, dr], 1) * through[step]).reshape(-1, 4 * size)
        by_gates[step] = by = by if direct is None else by + direct[step]
        dh.value, dc.value = by.mm(weight), by_cell * kept[step]
    by = torch.cat(by_gates)
    by_weight = by.t().mm(steps.before(out, hidden))
    by_projection = None if projection is None else torch.cat(by_hidden).t().mm(o * squashed)
    return by, dh.initial(), dc.initial(), by_weight, by_projection


@implements()
@function
class _gru_through_time(Policy):
    """r, z = sigmoid of their part of x + W h + b;  m = W_n h + b_n,  n = tanh(x_n + r m);  h' = n + z (h - n).

    Args are x, of shape (rows, 3 H), with the gates in torch's order r, z, n; h, W, and b, which may be None. The
    outputs are, of all steps, h', the gates, and m. Backward, with the gradient of h'::

        dn = dh' (1 - z) (1 - n^2),    dm = r dn,    dh = z dh' + (dx_r, dx_z, dm) W
        dx = (dn m r (1 - r),  dh' (h - n) z (1 - z),  dn)

    Source: Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", 2014.
    """

    materialize_grads = False

    def forward(self, gates: Any, hidden: Any, weight: Any, bias: Any, sizes: Sequence[int], reverse: bool) -> Any:
        steps = _Steps(sizes, reverse)
        size = hidden.shape[1]
        parts = list(steps.split(gates))
        hiddens, inner = [*parts], [*parts]
        h = hidden
        for step in steps.order:
            h = steps.enter(step, h, hidden)
            own = torch.nn.functional.linear(h, weight, bias)
            inner[step] = m = own[:, 2 * size :]
            r_and_z = (parts[step][:, : 2 * size] + own[:, : 2 * size]).sigmoid_()
            r, z = r_and_z.chunk(2, 1)
            n = torch.addcmul(parts[step][:, 2 * size :], r, m).tanh()
            parts[step] = torch.cat([r_and_z, n], 1)
            alike = n.dtype is h.dtype  # autocast casts what comes from a product, and not the state
            hiddens[step] = h = torch.lerp(n, h, z) if alike else n + z * (h - n)
        out, gates, own = torch.cat(hiddens), torch.cat(parts), torch.cat(inner)
        self.ctx.save(hidden, weight, bias, sizes, reverse, out, gates, own)
        return out, gates, own

    def backward(self, grad: Any, grad_gates: Any, grad_inner: Any) -> Any:
        hidden, weight, bias, sizes, reverse, out, gates, inner = self.ctx.release
        steps = _Steps(sizes, reverse)
        size = hidden.shape[1]
        r, z, n = gates.chunk(3, 1)
        before = steps.before(out, hidden)
        slopes = [r * (1 - r), z * (1 - z), 1 - n * n]
        by_n = (1 - z) * slopes[2]
        by_m = inner * slopes[0]
        through = steps.split(torch.stack([by_n * by_m, (before - n) * slopes[1], by_n * r], 1))
        kept = steps.split(z)
        direct = None
        if grad_gates is not None or grad_inner is not None:
            by_inner = torch.zeros_like(inner) if grad_inner is None else grad_inner
            more = by_inner.new_zeros(gates.shape) if grad_gates is None else grad_gates * torch.cat(slopes, 1)
            more_r, more_z, more_n = more.chunk(3, 1)
            direct = steps.split(torch.cat([more_r + more_n * by_m, more_z, more_n * r + by_inner], 1))
        dh = steps.backward(grad, hidden)
        own, by_hidden = [*kept], [*kept]
        for step in steps.order[::-1]:
            by_hidden[step] = by_h = dh.leave(step)
            by = (by_h.unsqueeze(1) * through[step]).reshape(-1, 3 * size)
            own[step] = by = by if direct is None else by + direct[step]
            dh.value = torch.addmm(by_h * kept[step], by, weight)
        by = torch.cat(own)
        by_candidate = torch.cat(by_hidden) * by_n
        if grad_gates is not None:
            by_candidate = by_candidate + more_n
        by_gates = torch.cat([by[:, : 2 * size], by_candidate], 1)
        return by_gates, dh.initial(), by.t().mm(before), None if bias is None else by.sum(0)


@implements()
@function
class _rnn_through_time(Policy):
    """h' = tanh(x + W h), or max(x + W h, 0):  dx = dh' (1 - h'^2), or dh' where h' > 0;  dh = dx W.  Corner: 0 at 0.

    Source: Elman, "Finding Structure in Time", 1990.
    """

    def forward(self, inputs: Any, hidden: Any, weight: Any, sizes: Sequence[int], reverse: bool, relu: bool) -> Any:
        steps = _Steps(sizes, reverse)
        hiddens = list(steps.split(inputs))
        h = hidden
        for step in steps.order:
            h = torch.addmm(hiddens[step], steps.enter(step, h, hidden), weight.t())
            hiddens[step] = h = h.relu_() if relu else h.tanh_()
        out = torch.cat(hiddens)
        self.ctx.save(hidden, weight, sizes, reverse, relu, out)
        return out

    def backward(self, grad: Any) -> Any:
        hidden, weight, sizes, reverse, relu, out = self.ctx.release
        steps = _Steps(sizes, reverse)
        through = steps.split((~(out <= 0)).to(out.dtype) if relu else 1 - out * out)
        dh = steps.backward(grad, hidden)
        found = [*through]
        for step in steps.order[::-1]:
            found[step] = by = dh.leave(step) * through[step]
            dh.value = by.mm(weight)
        by = torch.cat(found)
        return by, dh.initial(), by.t().mm(steps.before(out, hidden))
