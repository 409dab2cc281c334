"""Which kernel multiplies matrices: the one that torch calls (MKL's, say) or oneDNN's, whichever is faster here.

On some processors oneDNN multiplies float32 matrices twice as fast as what torch.mm calls, on others not at all. So the
first large product of a kind measures both, once per process; ``use_onednn`` or the environment variable
``NEXNET_ONEDNN`` (auto, always or never) decides otherwise. Results are equal but for rounding.
Products for which torch's kernel was found no slower are not looked at again, until ``use_onednn`` is called.
Whatever oneDNN would not take (another dtype, device or layout, a batch of torch.vmap, a small product) is torch's.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..engine.direct import direct
from ..engine.products import mm_by_transposed, mm_transposed
from ..errors import InputError, message
from .measuring import CLEAR, best_times, check_mode, suits

__all__ = ["addmm", "addmm_gradients", "describe", "linear", "linear_gradients", "use_onednn"]

SMALL = 2**22  # multiplications below which calling oneDNN costs more than it can gain
LARGE = 2**25  # multiplications from which the second of SIZES stands for a product
NEVER = float("inf")
SIZES = ((64, 784, 256), (512, 784, 256))  # what is measured: (m, k, n) of an (m, k) by (k, n) product
TURNS = 7

_linear: Callable[..., Tensor] = direct(torch._C._nn.linear)  # what torch.nn.functional.linear is
_mm: Callable[..., Tensor] = direct(torch.mm)
_addmm: Callable[..., Tensor] = direct(torch.addmm)
_relu_into: Callable[..., Tensor] = direct(Tensor.relu_)


@dataclass(frozen=True)
class Choice:
    """What one measurement found: the best of some turns, in seconds. ``kind`` is how the operands lie."""

    kind: str
    size: tuple[int, int, int]
    threads: int
    torch: float
    onednn: float

    @property
    def takes_onednn(self) -> bool:
        """Whether products of this kind and size go to oneDNN."""
        return self.onednn < CLEAR * self.torch

    def __str__(self) -> str:
        who = "oneDNN" if self.takes_onednn else "torch"
        shape = " x ".join(map(str, self.size))
        return f"{self.kind:6} {shape:15} {self.torch * 1e6:8.0f} us {self.onednn * 1e6:8.0f} us  -> {who}"


_choices: dict[tuple[str, bool, int], Choice] = {}
_mode = "auto"
_least: dict[str, float] = {}  # by kind, the multiplications from which a product might go to oneDNN


def use_onednn(mode: str = "auto") -> None:
    """Decide whether large float32 products go to oneDNN: "auto" (where it measures faster), "always" or "never".

    Raises:
        InputError: another mode, or "always" with a torch that was built without oneDNN.

    Example::

        nexnet.kernels.use_onednn("auto")
    """
    global _mode
    check_mode(mode)
    if mode == "always" and not _is_available():
        raise InputError(
            message("this torch has no oneDNN.", argument="mode", got=mode, remedy='use "auto" or "never"')
        )
    _mode = mode
    _choices.clear()
    _least.update(dict.fromkeys(_KINDS, NEVER if mode == "never" or not _is_available() else SMALL))


def describe() -> str:
    """Say which kernel multiplies what, and what was measured for that."""
    if not _is_available():
        return "Products of matrices go to torch's kernels: this torch has no oneDNN."
    if _mode != "auto":
        where = "to oneDNN where they are large, float32 and on the CPU" if _mode == "always" else "to torch's kernels"
        return f"Products of matrices go {where} (use_onednn is {_mode!r})."
    lines = ["Large float32 products on the CPU go to oneDNN where that is clearly faster than torch's kernel:"]
    lines += [f"  {choice}" for choice in _choices.values()] or ["  (none has been measured yet)"]
    return "\n".join(lines)


# The three products of a linear layer. Each is oneDNN's linear of (views of) its operands. That m k n is too small is
# the first thing to see, and all that products which stay with torch pay for the choice.


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None, activation: str = "none") -> Tensor:
    """Give x W^T + b, with the activation "relu" max(x W^T + b, 0): one kernel of oneDNN's, or torch's."""
    try:
        is_large = input.numel() * len(weight) >= _least["x W^T"]
    except (AttributeError, TypeError):
        is_large = False  # torch says what is wrong with it
    if (
        is_large
        and _goes_to_onednn("x W^T", input, weight, 0)
        and input.shape[-1] == weight.shape[1]  # if not, the error is to be torch's
        and (bias is None or (suits(bias) and bias.shape == weight.shape[:1] and bias.is_contiguous()))
    ):
        return _onednn(input, weight, bias, activation, [], "")
    out = _linear(input, weight, bias)
    return _relu_into(out) if activation == "relu" else out


def linear_gradients(
    grad: Tensor,
    input: Tensor | None,
    weight: Tensor | None,
    with_bias: bool,
    product: Callable[[Tensor, Tensor], Any] = _mm,
) -> tuple[Any, Any, Any]:
    """Give (g W, g^T x, sum over rows of g), None for what is not needed; by ``product`` if not by oneDNN."""
    dx = dw = None
    needed = weight if input is None else input
    work = 0 if needed is None else grad.numel() * needed.shape[-1]
    if weight is not None:
        in_onednn = work >= _least["g W"] and _goes_to_onednn("g W", grad, weight, 1)
        dx = _KINDS["g W"].in_onednn(grad, weight) if in_onednn else product(grad, weight)
    if input is not None:
        in_onednn = work >= _least["g^T x"] and _goes_to_onednn("g^T x", grad, input, 1)
        dw = _KINDS["g^T x"].in_onednn(grad, input) if in_onednn else product(grad.t(), input)
    return dx, dw, grad.sum(0) if with_bias else None


def addmm(bias: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Give A B + c, as of a linear layer whose weight lies the other way round: one kernel of oneDNN's, or torch's."""
    if (
        b.ndim == 2
        and a.numel() * b.shape[1] >= _least["g W"]
        and _goes_to_onednn("g W", a, b, 1)
        and a.ndim == 2
        and a.shape[1] == b.shape[0]  # if not, the error is to be torch's
        and suits(bias)
        and bias.shape == b.shape[1:]
        and bias.is_contiguous()
    ):
        return _onednn(a, b.t(), bias, "none", [], "")
    return _addmm(bias, a, b)


def addmm_gradients(grad: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """Give (g B^T, A^T g), None for the one whose other factor is None."""
    da = db = None
    known = a if b is None else b
    work = 0 if known is None else grad.numel() * known.shape[-1 if b is None else -2]
    of_matrices = grad.ndim == 2
    if b is not None:
        if work >= _least["x W^T"] and _goes_to_onednn("x W^T", grad, b, 0):
            da = _KINDS["x W^T"].in_onednn(grad, b)
        else:
            da = mm_by_transposed(grad, b) if of_matrices else grad.matmul(b.mT)
    if a is not None:
        if work >= _least["g^T x"] and _goes_to_onednn("g^T x", a, grad, 1):
            db = _KINDS["g^T x"].in_onednn(a, grad)
        else:
            db = mm_transposed(a, grad) if of_matrices else a.mT.matmul(grad)
    return da, db


def _product_in_onednn(a: Tensor, b: Tensor) -> Tensor:
    return _onednn(a, b, None, "none", [], "")  # a b^T


class _Kind(NamedTuple):
    """A kind of product of two matrices, as they lie in memory: their shapes, of (m, k, n), and who multiplies."""

    shapes: Callable[[int, int, int], Any]
    in_torch: Callable[[Tensor, Tensor], Tensor]
    in_onednn: Callable[[Tensor, Tensor], Tensor]


_KINDS = {
    "x W^T": _Kind(lambda m, k, n: ((m, k), (n, k)), lambda x, w: _linear(x, w), lambda x, w: _product_in_onednn(x, w)),
    "g W": _Kind(lambda m, k, n: ((m, k), (k, n)), torch.mm, lambda g, w: _product_in_onednn(g, w.t())),
    "g^T x": _Kind(
        lambda m, k, n: ((k, m), (k, n)),
        lambda g, x: torch.mm(g.t(), x),
        lambda g, x: _product_in_onednn(g.t(), x.t()),
    ),
}


def _goes_to_onednn(kind: str, a: Tensor, b: Tensor, dim: int) -> bool:
    """Say whether a product goes to oneDNN. Its operands lie in memory as a and b; it has b's columns or rows (dim)."""
    if b.ndim != 2:
        return False
    work = a.numel() * b.shape[dim]
    if work < SMALL or not (suits(a, b) and a.ndim >= 2 and a.is_contiguous() and b.is_contiguous()):
        return False  # so under autocast, which does not know this kernel of oneDNN's
    return _mode == "always" or _choice(kind, work >= LARGE).takes_onednn


def _choice(kind: str, large: bool) -> Choice:
    """Give what was measured for products of this kind and size, with as many threads; measure it if it was not.

    What torch was found no slower at is not asked about again, with however many threads (see ``_least``).
    """
    threads = torch.get_num_threads()
    key = (kind, large, threads)
    if key not in _choices:
        _choices[key] = _measure(kind, SIZES[large], threads)
        small_stays, large_stays = (
            (kind, size, threads) in _choices and not _choices[kind, size, threads].takes_onednn
            for size in (False, True)
        )
        if small_stays:
            _least[kind] = NEVER if large_stays else LARGE
    return _choices[key]


def _measure(name: str, size: tuple[int, int, int], threads: int) -> Choice:
    kind = _KINDS[name]
    best = best_times({"torch": kind.in_torch, "oneDNN": kind.in_onednn}, kind.shapes(*size), TURNS)
    return Choice(name, size, threads, best["torch"], best["oneDNN"])


def _is_available() -> bool:
    return _onednn is not _linear and torch.backends.mkldnn.is_available()


def _find_onednn() -> Callable[..., Tensor] | None:
    try:
        return torch.ops.mkldnn._linear_pointwise.default._op  # type: ignore[no-any-return]
    except AttributeError:  # a torch without oneDNN, or with another name for this
        return None


_onednn: Callable[..., Tensor] = _find_onednn() or _linear
use_onednn(os.environ.get("NEXNET_ONEDNN", "auto"))
