"""A direction of a layer of an LSTM in one call of oneDNN's, where torch takes it too: float32, on the CPU.

oneDNN's kernels for its gradient have no derivative: at higher orders the gradient is that of the recurrence.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from ...policy import Policy, function, implements
from .._kernels import overload
from .._plain import is_plain
from .recurrence import lstm_gradients, lstm_states

__all__: list[str] = []

_kernel = overload(torch.ops.aten.mkldnn_rnn_layer.default)
_kernel_backward = overload(torch.ops.aten.mkldnn_rnn_layer_backward.default)
_LSTM = 2  # what oneDNN calls it


def takes_onednn(*tensors: Any) -> bool:
    """Say whether oneDNN has kernels for a layer of these tensors, none of them a LiteTensor."""
    return (
        torch.backends.mkldnn.is_available()
        and is_plain(*tensors)
        and all(each.is_cpu and each.dtype is torch.float32 and each.numel() for each in tensors)
    )


@implements()
@function
class _lstm_by_onednn(Policy):
    """An LSTM's layer of rows (N, I), N = T B, for B sequences of T steps: see ``_lstm_through_time``.

    The outputs are h' of all steps, as rows, the last h' and c', and what only its backward understands.
    """

    materialize_grads = False

    def forward(
        self, input: Any, hidden: Any, cell: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, reverse: bool
    ) -> Any:
        given = _as_memory(input, hidden, cell, w_ih, w_hh, b_ih, b_hh)
        out, h, c, workspace = _kernel(*given, reverse, [], _LSTM, cell.shape[1], 1, True, False, False, True)
        out = out.reshape(-1, cell.shape[1])
        self.ctx.save(input, hidden, cell, w_ih, w_hh, b_ih, b_hh, reverse, out, h, c, workspace)
        return out, h, c, workspace

    def backward(self, grad: Any, grad_hidden: Any, grad_cell: Any, _: Any) -> Any:
        input, hidden, cell, w_ih, w_hh, b_ih, b_hh, reverse, out, h, c, workspace = self.ctx.release
        grads = [each for each in (grad, grad_hidden, grad_cell) if each is not None]
        if not grads:
            return None
        if not is_plain(*grads):
            return _by_formula(grad, grad_hidden, grad_cell, *self.ctx.release[:8])
        given = _as_memory(input, hidden, cell, w_ih, w_hh, b_ih, b_hh)
        outs = (out.reshape(-1, *hidden.shape), h, c)
        cotangents = [
            torch.zeros_like(each) if by is None else by.reshape(each.shape).contiguous()
            for each, by in zip(outs, (grad, grad_hidden, grad_cell), strict=True)
        ]
        dx, dw_ih, dw_hh, db_ih, db_hh, dh, dc = _kernel_backward(
            *given, *outs, *cotangents, reverse, _LSTM, cell.shape[1], 1, True, True, False, [], False, workspace
        )
        return dx.reshape(input.shape), dh, dc, dw_ih, dw_hh, db_ih, db_hh


def _as_memory(input: Any, hidden: Any, cell: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> tuple[Any, ...]:
    """Give the tensors as oneDNN reads them: x by steps, then the weights, with zeros for missing biases."""
    no_bias: Any = None if b_ih is not None else w_ih.new_zeros(w_ih.shape[0])
    input = input.reshape(-1, hidden.shape[0], input.shape[1])
    given = (input, w_ih, w_hh, no_bias if b_ih is None else b_ih, no_bias if b_hh is None else b_hh, hidden, cell)
    return tuple([each.contiguous() for each in given])


def _by_formula(
    grad: Any, grad_hidden: Any, grad_cell: Any, input: Any, hidden: Any, cell: Any, w_ih: Any, w_hh: Any, b_ih: Any,
    b_hh: Any, reverse: bool,
) -> Any:  # fmt: skip
    """Give the gradients by the recurrence, whose states are functions of the inputs again."""
    sizes = (hidden.shape[0],) * (input.shape[0] // hidden.shape[0])
    gates = F.linear(input, w_ih, None if b_ih is None else b_ih + b_hh)
    states = lstm_states(gates, hidden, cell, w_hh, None, sizes, reverse)
    grad, grad_cells = _with_last(grad, grad_hidden, input, reverse), _with_last(None, grad_cell, input, reverse)
    by, dh, dc, dw_hh, _ = lstm_gradients(grad, grad_cells, None, hidden, cell, w_hh, None, sizes, reverse, *states)
    db = by.sum(0)
    return by.mm(w_ih), dh, dc, by.t().mm(input), dw_hh, db, db


def _with_last(grad: Any, by_last: Any, rows: Any, reverse: bool) -> Any:
    """Give the gradient by all states, of those by them and by the state after the last step."""
    if by_last is None:
        return grad
    others = rows.shape[0] - by_last.shape[0]
    by_last = F.pad(by_last, (0, 0, 0, others) if reverse else (0, 0, others, 0))
    return by_last if grad is None else grad + by_last
