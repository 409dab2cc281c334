"""Connectionist temporal classification: the likelihood of a labelling, whatever its alignment in time.

Source of every formula: Graves et al., "Connectionist Temporal Classification", 2006.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from ...engine import unwrap
from ...errors import InputError, message
from ...policy import Policy, function, implements
from .._folded import folded
from .._names import composite
from .._plain import is_plain
from ..elementwise.arithmetic import div
from ._reduced import _answers, _reduce

__all__ = ["ctc_loss"]

_aten = torch.ops.aten
_FAR = -1e30  # stands for ln 0, whose differences would be NaN
_Lengths = tuple[int, ...]


@implements(_aten._ctc_loss.default)
@function
class _ctc(Policy):
    """-ln p(labels):  dx = -g times the probability, given the labels, that their alignment is at x's class then.

    torch's kernel gives e^x more: it is the gradient by what x is the log_softmax of. It is taken off again, so that
    the gradient is that by x itself; behind log_softmax both are the same. The alphas are a further output, which
    has no gradient. A class of probability 0 (x = -inf) has no part in a loss that is finite, and a gradient of 0:
    torch's is NaN. For higher orders the probabilities are computed by the forward-backward recursion.
    """

    materialize_grads = False

    def forward(
        self, x: Any, targets: Any, lengths: _Lengths, target_lengths: _Lengths, blank: int, zero_infinity: bool
    ) -> Any:
        dims = (2, targets.ndim - 1)  # behind the batch, which torch.vmap's examples are folded into
        options = (lengths, target_lengths, blank, zero_infinity)
        out, alphas = folded(_kernel, dims, x.transpose(0, 1), targets, *options)
        self.ctx.save(x, targets, lengths, target_lengths, out, alphas, blank, zero_infinity)
        return out, alphas

    def backward(self, grad: Any, _: Any) -> Any:
        x, targets, lengths, target_lengths, out, alphas, blank, zero_infinity = self.ctx.release
        if grad is None:
            return None
        if not isinstance(grad, torch.Tensor):
            return _alignment(x, unwrap(targets), lengths, target_lengths, blank, zero_infinity) * -grad[:, None]
        dims = (0, 2, targets.ndim - 1, 0, 2)
        options = (lengths, target_lengths, blank, zero_infinity)
        dx = folded(_kernel_backward, dims, grad, x.transpose(0, 1), targets, out, alphas, *options).transpose(0, 1)
        if zero_infinity:
            grad = torch.where(torch.isinf(out), 0, grad)
        surplus = torch.exp(x)
        if min(lengths, default=0) < x.shape[0]:
            times = torch.arange(x.shape[0], device=x.device)[:, None]
            surplus = surplus.masked_fill((times >= torch.tensor(lengths, device=x.device))[..., None], 0)
        return (dx - surplus * grad[:, None]).masked_fill((x == -math.inf) & torch.isfinite(out)[:, None], 0)


def _kernel(x: Any, targets: Any, lengths: _Lengths, target_lengths: _Lengths, blank: int, zero_infinity: bool) -> Any:
    """Call torch's kernel for x of shape (batch, time, class); the lengths may be those of a part of the batch."""
    times = _times(x, lengths)
    lengths, target_lengths = lengths * times, target_lengths * times
    _check_labels(targets, target_lengths, x.shape[2], blank)
    return _aten._ctc_loss.default(x.transpose(0, 1), targets, lengths, target_lengths, blank, zero_infinity)


def _kernel_backward(
    grad: Any, x: Any, targets: Any, out: Any, alphas: Any,
    lengths: _Lengths, target_lengths: _Lengths, blank: int, zero_infinity: bool,
) -> Any:  # fmt: skip
    times = _times(x, lengths)
    ends = lengths * times, target_lengths * times
    dx = _aten._ctc_loss_backward.default(grad, x.transpose(0, 1), targets, *ends, out, alphas, blank, zero_infinity)
    return dx.transpose(0, 1)


def _times(x: Any, lengths: _Lengths) -> int:
    return x.shape[0] // len(lengths) if lengths else 1


def _alignment(
    x: Any, targets: Any, lengths: _Lengths, target_lengths: _Lengths, blank: int, zero_infinity: bool
) -> Any:
    """Give, for each time and class, the probability that the alignment is there: sums of e^(alpha + beta - x) / p.

    States are the labels with a blank before, between and after them. alpha is ln of the probability of the labels up
    to a state and a time, beta that of those from there on; both count x at that time.
    """
    steps, batch, classes = x.shape
    x = torch.where(x == -math.inf, _FAR, x)
    states = _states(targets, target_lengths, blank)
    count = states.shape[1]
    ends = torch.tensor(target_lengths, device=states.device) * 2
    durations = torch.tensor(lengths, device=states.device)
    place = torch.arange(count, device=states.device)
    last = (place == ends[:, None]) | (place == ends[:, None] - 1)
    first = (place < 2) & (place <= ends[:, None])
    differs = torch.zeros_like(states, dtype=torch.bool)
    differs[:, 2:] = (states[:, 2:] != blank) & (states[:, 2:] != states[:, :-2])
    by_state = torch.gather(x, 2, states.expand(steps, batch, count))
    far = x.new_full((batch, 2), _FAR)

    def step(previous: Any, forward: bool) -> Any:
        """Add what leads to each state: itself, its neighbour, and the one beyond where a blank may be left out."""
        if forward:
            padded = torch.cat([far, previous], 1)
            beyond = torch.where(differs, padded[:, :-2], _FAR)
            ways = [previous, padded[:, 1:-1], beyond]
        else:
            padded = torch.cat([previous, far], 1)
            skips = torch.cat([differs[:, 2:], torch.zeros_like(differs[:, :2])], 1)
            ways = [previous, padded[:, 1:-1], torch.where(skips, padded[:, 2:], _FAR)]
        return torch.logsumexp(torch.stack(ways), 0)

    alphas = [torch.where(first, by_state[0], _FAR)]
    for t in range(1, steps):
        alphas.append(step(alphas[-1], True) + by_state[t])
    beta = x.new_full((batch, count), _FAR)
    betas = []
    for t in reversed(range(steps)):
        start = torch.where(last, 0.0, _FAR).to(x.dtype)
        inner = step(beta, False) if t < steps - 1 else start
        beta = torch.where((durations == t + 1)[:, None], start, inner) + by_state[t]
        beta = torch.where((durations > t)[:, None], beta, _FAR)
        betas.append(beta)
    together = torch.stack(alphas) + torch.stack(betas[::-1]) - by_state
    total = torch.logsumexp(together[0], 1)
    possible = total > _FAR / 2
    share = torch.exp(together - torch.where(possible, total, 0.0)[:, None])
    share = torch.where(possible[:, None], share, 0.0 if zero_infinity else torch.nan)
    inside = (torch.arange(steps, device=states.device)[:, None] < durations)[..., None]
    share = torch.where(inside, share, 0.0)
    return torch.zeros((steps, batch, classes), dtype=x.dtype, device=x.device).scatter_add(
        2, states.expand(steps, batch, count), share
    )


def _states(targets: Any, target_lengths: _Lengths, blank: int) -> Any:
    """Give the labels of each example with blanks around them, (N, 2 S + 1), filled up with blanks."""
    longest = max(target_lengths, default=0)
    place = torch.full((len(target_lengths), 2 * longest + 1), -1)  # of each label in the targets' memory
    start = 0
    for i, length in enumerate(target_lengths):
        first = i * targets.shape[1] if targets.ndim == 2 else start
        place[i, 1 : 2 * length : 2] = torch.arange(first, first + length)
        start += length
    if not longest:
        return place.fill_(blank).to(targets.device)
    place = place.to(targets.device)
    return torch.where(place < 0, blank, targets.reshape(-1)[place.clamp(min=0)].long())


@_answers(
    torch.ctc_loss,
    "log_probs", "targets", "input_lengths", "target_lengths", "blank", "reduction", "zero_infinity",
)  # fmt: skip
@implements(F.ctc_loss)
@composite
def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Any:
    """-ln p(labels), summed over every alignment of the labels in time, with blanks between them.

    Args:
        log_probs: (T, N, C), or (T, C) for one example: the logarithms of the classes' probabilities.
        targets: the labels: (N, S), (S,), or those of all examples one after the other.
        input_lengths: how long each example is: (N,) or a sequence of numbers, or one number.
        target_lengths: how many labels each has.
        blank: the class that is no label.
        reduction: "none", "mean" (each loss over its number of labels, then the mean) or "sum".
        zero_infinity: 0 for labels that an example is too short for, which else cost infinity.

    The gradient is that by ``log_probs`` itself. PyTorch's is e^log_probs larger; behind log_softmax both give the
    same. Differentiable to any order, which PyTorch's is not.

    Raises:
        InputError: shapes that do not go together; a label that is no class, at which torch's kernel reads and writes
            outside of its memory.
    """
    alone = log_probs.ndim == 2
    if alone:
        log_probs = log_probs.unsqueeze(1)
    lengths, labels = _as_numbers(input_lengths), _as_numbers(target_lengths)
    if log_probs.ndim != 3 or not len(lengths) == len(labels) == log_probs.shape[1]:
        raise InputError(
            message(
                "each example has a length and a number of labels.",
                rule="ctc_loss",
                expected="log_probs (T, N, C), and N of both",
                got=f"log_probs of shape {tuple(log_probs.shape)}, {len(lengths)} and {len(labels)}",
            )
        )
    losses = _ctc(log_probs, unwrap(targets), lengths, labels, blank, zero_infinity)[0]
    if alone:
        losses = losses.squeeze(0)
    if reduction == "mean":
        counts = torch.tensor(labels, dtype=losses.dtype, device=losses.device).clamp_(min=1)
        losses = div(losses, counts.reshape(losses.shape))
    return _reduce(losses, reduction, "ctc_loss")


def _check_labels(targets: Any, lengths: _Lengths, classes: int, blank: int) -> None:
    """Refuse a label that is no class; what pads the labels may be anything."""
    if not is_plain(targets) or targets.is_meta or targets.numel() == 0:
        return
    low, high = targets.aminmax()
    if low >= 0 and high < classes:
        return
    used = _states(targets, lengths, blank)[:, 1::2]
    wrong = used[(used < 0) | (used >= classes)]
    if wrong.numel():
        raise InputError(
            message(
                "a label is no class.",
                rule="ctc_loss",
                argument="targets",
                expected=f"from 0 to {classes - 1}, of log_probs' last dimension",
                got=wrong[0].item(),
            )
        )


def _as_numbers(lengths: Any) -> _Lengths:
    raw = unwrap(lengths)
    if isinstance(raw, torch.Tensor):
        return tuple(raw.reshape(-1).tolist())
    return (raw,) if isinstance(raw, int) else tuple(int(each) for each in raw)
