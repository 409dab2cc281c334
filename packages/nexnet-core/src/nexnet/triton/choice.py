"""Whether nexnet's own softmax, log_softmax and layer_norm take the kernels written here; see ``kernels.use_triton``.

The rules stay what they are, at every order and under every transform: what is chosen is the kernel that they call of
torch's on plain tensors. It is measured once for a function, a dtype and a class of sizes, each way by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..engine import is_wrapped
from ..kernels import replaceable
from ._launch import INTERPRETED, is_new_enough
from .layer_norm import layer_norm_backward_kernel, layer_norm_kernel
from .log_softmax import log_softmax_backward_kernel, log_softmax_kernel
from .softmax import softmax_backward_kernel, softmax_kernel

__all__ = ["Found", "describe", "forget", "slots"]

CLEAR = 0.95  # Triton's kernel is chosen if its time is below this part of torch's: a close call stays with torch
TURNS, CALLS = 5, 10
DTYPES = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}  # how far results may differ from torch's


@dataclass(frozen=True)
class Found:
    """What one measurement found: the best of some turns, in seconds a call; whether the results agreed."""

    function: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    torch: float
    triton: float
    agrees: bool

    @property
    def takes_triton(self) -> bool:
        """Whether calls of this kind go to Triton's kernel."""
        return self.agrees and self.triton < CLEAR * self.torch

    def __str__(self) -> str:
        who = "Triton" if self.takes_triton else "torch" if self.agrees else "torch: Triton's result is another"
        shape, dtype = " x ".join(map(str, self.shape)), str(self.dtype).removeprefix("torch.")
        times = f"{self.torch * 1e6:8.0f} us {self.triton * 1e6:8.0f} us"
        return f"{self.function:22} {dtype:9} {shape:20} {times}  -> {who}"


_found: dict[tuple[Any, ...], Found] = {}


def slots(always: bool) -> dict[str, Callable[..., Any]]:
    """Give what ``nexnet.kernels`` is to call in the place of torch's kernels, by name."""
    return {name: _choosing(name, replaceable.TORCHS[name], mine, always) for name, mine in _KERNELS.items()}


def forget() -> None:
    """Measure anew."""
    _found.clear()


def describe() -> list[str]:
    """Give a line for each measurement."""
    return [str(each) for each in _found.values()]


def _choosing(name: str, torchs: Callable[..., Any], mine: Callable[..., Any], always: bool) -> Callable[..., Any]:
    def choose(*args: Any, **options: Any) -> Any:
        first = args[0]
        if type(first) is Tensor and _suits(args, options) and (always or _is_faster(name, torchs, mine, args)):
            return mine(*args)
        return torchs(*args, **options)

    return choose


def _suits(args: tuple[Any, ...], options: dict[str, Any]) -> bool:
    """Say whether a kernel takes the tensors: of one dtype, in one place, no batch of vmap, and something in them."""
    first = args[0]
    if first.dtype not in DTYPES or not (first.is_cuda or INTERPRETED) or not first.numel() or not first.ndim:
        return False
    if first.is_cuda and not is_new_enough(first.get_device()):
        return False
    given = [each for each in args if isinstance(each, Tensor)]
    dtypes = {each for each in (*args, *options.values()) if isinstance(each, torch.dtype)}
    statistics = {torch.float32, first.dtype}
    return (
        dtypes <= {first.dtype}
        and all(each.device == first.device and not is_wrapped(each) and each.dtype in statistics for each in given)
        and all(each.dtype is first.dtype for each in given[:2])
    )


def _is_faster(name: str, torchs: Callable[..., Any], mine: Callable[..., Any], args: tuple[Any, ...]) -> bool:
    first = args[0]
    sizes = (first.numel().bit_length(), first.shape[-1].bit_length())
    rest = tuple(type(each) if isinstance(each, Tensor) else each for each in args)
    key = (name, first.dtype, first.device, sizes, rest)
    if key not in _found:
        if first.is_cuda and torch.cuda.is_current_stream_capturing():
            return False  # nothing may be waited for now, and so nothing be measured
        _found[key] = _measure(name, torchs, mine, args)
    return _found[key].takes_triton


def _measure(name: str, torchs: Callable[..., Any], mine: Callable[..., Any], args: tuple[Any, ...]) -> Found:
    first = args[0]
    contenders = {"torch": torchs, "triton": mine}
    results = {who: call(*args) for who, call in contenders.items()}  # and compiles
    best = dict.fromkeys(contenders, float("inf"))
    for _ in range(TURNS):
        for who, call in contenders.items():
            _wait(first)
            start = time.perf_counter()
            for _ in range(CALLS if first.is_cuda else 1):
                call(*args)
            _wait(first)
            best[who] = min(best[who], (time.perf_counter() - start) / (CALLS if first.is_cuda else 1))
    pairs = zip(_tensors(results["triton"]), _tensors(results["torch"]), strict=True)
    agrees = all(
        (a is None and b is None)
        or torch.allclose(a.float(), b.float(), rtol=DTYPES[first.dtype], atol=DTYPES[first.dtype], equal_nan=True)
        for a, b in pairs
    )
    return Found(name, first.dtype, tuple(first.shape), best["torch"], best["triton"], agrees)


def _wait(tensor: Tensor) -> None:
    if tensor.is_cuda:
        torch.cuda.synchronize(tensor.device)


def _tensors(result: Any) -> tuple[Any, ...]:
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


# The kernels, with the arguments of torch's


def _layer_norm(x: Tensor, shape: Any, weight: Tensor | None, bias: Tensor | None, eps: float) -> Any:
    count = len(shape)
    out, mean, rstd = layer_norm_kernel(x, weight, bias, count, eps)
    kept = (*x.shape[:-count], *[1] * count)
    return out, mean.reshape(kept), rstd.reshape(kept)


def _layer_norm_backward(
    grad: Tensor, x: Tensor, shape: Any, mean: Tensor, rstd: Tensor, weight: Tensor | None, _: Any, mask: Any
) -> Any:
    flat_mean, flat_rstd = (each.reshape(-1).contiguous() for each in (mean, rstd))
    return layer_norm_backward_kernel(grad, x, weight, flat_mean, flat_rstd, mask, len(shape), 0.0)


_KERNELS: dict[str, Callable[..., Any]] = {
    "softmax": softmax_kernel,
    "softmax_backward": lambda grad, out, dim, _: softmax_backward_kernel(grad, out, dim),
    "log_softmax": log_softmax_kernel,
    "log_softmax_backward": lambda grad, out, dim, _: log_softmax_backward_kernel(grad, out, dim),
    "layer_norm": _layer_norm,
    "layer_norm_backward": _layer_norm_backward,
}
