"""nexnet.triton on an NVIDIA GPU: whether its kernels are right there, and how fast beside torch's and the limits.

``check()`` compares values and gradients with torch's, in every dtype; ``measure()`` times. The card's limits are
measured too: the memory's speed by torch's copy of a large tensor, that of multiplying by torch's product of matrices.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  torch's own name for it
from torch.nn.attention import SDPBackend, sdpa_kernel

import nexnet
import nexnet.triton as kernels
from nexnet.triton import _launch
from nexnet.triton.attention_backward import attention_backward_kernel
from nexnet.triton.attention_forward import attention_kernel
from nexnet.triton.cross_entropy import cross_entropy_backward_kernel, cross_entropy_kernel
from nexnet.triton.layer_norm import layer_norm_backward_kernel, layer_norm_kernel
from nexnet.triton.log_softmax import log_softmax_backward_kernel, log_softmax_kernel
from nexnet.triton.matmul import product_kernel
from nexnet.triton.rms_norm import rms_norm_backward_kernel, rms_norm_kernel
from nexnet.triton.softmax import softmax_backward_kernel, softmax_kernel

__all__ = ["Row", "check", "measure", "milliseconds"]

DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
#: How far a result may be from torch's in float64, as a part of the largest element.
TOLERANCES = {torch.float64: 1e-9, torch.float32: 2e-5, torch.float16: 4e-3, torch.bfloat16: 5e-2}
TF32 = 3e-3  # a product in TF32 has 10 bits of the fraction

GB, TERA = 1e9, 1e12


@dataclass(frozen=True)
class Row:
    """One measurement: milliseconds of nexnet's kernel and of torch's, and what part of the card's limit that is."""

    name: str
    shape: str
    dtype: str
    ms: float
    torch_ms: float
    rate: float
    unit: str
    share: float

    def __str__(self) -> str:
        ratio = f"{self.torch_ms / self.ms:5.2f} of torch's speed" if self.torch_ms else " " * 21
        return (
            f"{self.name:44} {self.shape:24} {self.dtype:9} {self.ms:8.4f} ms  {ratio}  "
            f"{self.rate:7.1f} {self.unit:7} {self.share:5.2f} of the limit"
        )


# Whether they are right -----------------------------------------------------------------------------------------------


def check() -> list[tuple[str, bool, str]]:
    """Compare every kernel with torch in float64: (name, whether it is right, what differs most). Nothing is tuned."""
    before, _launch.tuning = _launch.tuning, False
    try:
        return [_checked(*case) for case in _cases()]
    finally:
        _launch.tuning = before


def _cases() -> Iterator[tuple[str, Callable[..., Any], Callable[..., Any], list[Tensor], torch.dtype, float]]:
    generator = torch.Generator("cuda").manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device="cuda", dtype=torch.float64)

    target = torch.randint(1000, (33,), generator=generator, device="cuda")
    target[3] = -100
    mask = torch.rand(70, 130, generator=generator, device="cuda") > 0.4
    mask[5] = False
    attend, attend_torch = kernels.scaled_dot_product_attention, F.scaled_dot_product_attention
    for dtype in DTYPES:
        rtol = TOLERANCES[dtype]
        yield "softmax", lambda x: kernels.softmax(x, -1), lambda x: torch.softmax(x, -1), [draw(33, 1000)], dtype, rtol
        yield (
            "log_softmax, long rows", lambda x: kernels.log_softmax(x, -1), lambda x: torch.log_softmax(x, -1),
            [draw(3, 20000)], dtype, rtol,
        )  # fmt: skip
        yield (
            "cross_entropy", lambda x: kernels.cross_entropy(x, target), lambda x: F.cross_entropy(x, target),
            [draw(33, 1000)], dtype, rtol,
        )  # fmt: skip
        yield (
            "layer_norm", lambda x, w, b: kernels.layer_norm(x, (777,), w, b),
            lambda x, w, b: F.layer_norm(x, (777,), w, b), [draw(900, 777), draw(777), draw(777)], dtype, rtol,
        )  # fmt: skip
        yield (
            "rms_norm", lambda x, w: kernels.rms_norm(x, (777,), w, 1e-6), lambda x, w: F.rms_norm(x, (777,), w, 1e-6),
            [draw(900, 777), draw(777)], dtype, rtol,
        )  # fmt: skip
        if dtype is torch.float64:
            continue  # of products, nexnet's own rule
        yield (
            "linear and gelu", lambda x, w, b: kernels.linear(x, w, b, "gelu", allow_tf32=False),
            lambda x, w, b: F.gelu(F.linear(x, w, b)), [draw(200, 130), draw(150, 130) / 11, draw(150)], dtype, rtol,
        )  # fmt: skip
        yield (
            "causal attention", lambda q, k, v: attend(q, k, v, is_causal=True, allow_tf32=False),
            lambda q, k, v: attend_torch(q, k, v, is_causal=True), [draw(2, 3, 200, 32) for _ in range(3)], dtype, rtol,
        )  # fmt: skip
    yield (
        "attention, a mask, odd sizes", lambda q, k, v: attend(q, k, v, mask),
        lambda q, k, v: attend_torch(q, k, v, mask), [draw(2, 3, 70, 40), draw(2, 3, 130, 40), draw(2, 3, 130, 24)],
        torch.bfloat16, TOLERANCES[torch.bfloat16],
    )  # fmt: skip
    yield (
        "linear in TF32", lambda x, w: kernels.linear(x, w, allow_tf32=True), F.linear,
        [draw(200, 130), draw(150, 130) / 11], torch.float32, TF32,
    )  # fmt: skip
    for name, mine in (("relu", torch.relu), ("silu", F.silu)):
        yield (
            f"linear and {name}", lambda x, w, name=name: kernels.linear(x, w, None, name),
            lambda x, w, mine=mine: mine(F.linear(x, w)), [draw(70, 64), draw(80, 64) / 8],
            torch.bfloat16, TOLERANCES[torch.bfloat16],
        )  # fmt: skip


def _checked(
    name: str, fn: Callable[..., Any], reference: Callable[..., Any], inputs: list[Tensor], dtype: torch.dtype,
    rtol: float,
) -> tuple[str, bool, str]:  # fmt: skip
    """Compare value, gradients and a product with the Hessian."""
    name = f"{name}, {str(dtype).removeprefix('torch.')}"
    given = [each.to(dtype) for each in inputs]
    leaves = [each.double().requires_grad_() for each in given]
    try:
        with sdpa_kernel(SDPBackend.MATH):  # the others have no second derivative
            out = reference(*leaves)
        w = torch.linspace(-1, 1, out.numel(), device="cuda", dtype=torch.float64).reshape(out.shape) + 0.1
        first = torch.autograd.grad((out * w).sum(), leaves, create_graph=True)
        second = torch.autograd.grad(
            sum((each * each.detach()).sum() for each in first), leaves, materialize_grads=True
        )

        def loss(*args: Any) -> Any:
            return (fn(*args) * nexnet.LiteTensor(w.to(dtype))).sum()

        places = tuple(range(len(given)))
        gradient = nexnet.grad(loss, places)
        lite = [nexnet.LiteTensor(each) for each in given]
        mine = [fn(*lite), *gradient(*lite)]
        if dtype in (torch.float32, torch.float64):  # in half precision the sums themselves are too coarse to compare
            directions = [nexnet.LiteTensor(each.detach().to(dtype)) for each in first]

            def along(*args: Any) -> Any:
                terms = [(g * v).sum() for g, v in zip(gradient(*args), directions, strict=True)]
                return sum(terms[1:], terms[0])

            mine += nexnet.grad(along, places)(*lite)
        worst = 0.0
        for got, expected in zip(mine, (out, *first, *second), strict=False):
            size = expected.abs().max().clamp(min=1e-6)
            difference = ((got.data.double() - expected).abs().max() / size).item()
            worst = max(worst, difference if difference == difference else float("inf"))
    except Exception as error:
        return name, False, f"{type(error).__name__}: {str(error)[:600]}"
    return name, worst <= rtol, f"differs by {worst:.1e} of the largest element, {rtol:.0e} is allowed"


# How fast they are ----------------------------------------------------------------------------------------------------


def milliseconds(call: Callable[[], Any], rounds: int = 20) -> float:
    """Give the median time of a call on the GPU, each after a reduction that leaves other, clean lines in the L2 cache.

    The reduction takes longer than the host needs to launch what is timed: no time of the host's is counted.
    """
    cold = torch.zeros(2**28, dtype=torch.float32, device="cuda")
    for _ in range(3):
        call()
    times = []
    for _ in range(rounds):
        cold.sum()
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        end.record()
        times.append((start, end))
    torch.cuda.synchronize()
    return statistics.median(start.elapsed_time(end) for start, end in times)


def measure(time_fn: Callable[[Callable[[], Any]], float] = milliseconds) -> Iterator[Row]:
    """Time the kernels and torch's, and the limits; ``time_fn`` gives the milliseconds of a call."""
    source = torch.empty(2**28, dtype=torch.float32, device="cuda")
    copy = torch.empty_like(source)
    ms = time_fn(lambda: copy.copy_(source))
    speed = 2 * source.nbytes / ms * 1e3
    yield Row("limit: torch's copy", "2^28", "float32", ms, 0.0, speed / GB, "GB/s", 1.0)
    yield from _rows_of_memory(time_fn, speed)
    yield from _rows_of_products(time_fn)


def _rows_of_memory(time_fn: Callable[[Callable[[], Any]], float], speed: float) -> Iterator[Row]:
    def row(name: str, x: Tensor, mine: Callable[[], Any], theirs: Callable[[], Any], moved: int) -> Row:
        ms, torch_ms = time_fn(mine), time_fn(theirs)
        rate = moved / ms * 1e3
        shape, dtype = " x ".join(map(str, x.shape)), str(x.dtype).removeprefix("torch.")
        return Row(name, shape, dtype, ms, torch_ms, rate / GB, "GB/s", rate / speed)

    x = torch.randn(4096, 4096, device="cuda")
    y, g = torch.softmax(x, -1), torch.randn_like(x)
    log_y = torch.log_softmax(x, -1)
    for warps in (4, 8, 16):
        yield row(
            f"softmax, {warps} warps", x, lambda warps=warps: softmax_kernel(x, -1, num_warps=warps),
            lambda: torch.softmax(x, -1), 2 * x.nbytes,
        )  # fmt: skip
    for warps in (4, 8, 16):
        yield row(
            f"softmax, backward, {warps} warps", x,
            lambda warps=warps: softmax_backward_kernel(g, y, -1, num_warps=warps),
            lambda: torch._softmax_backward_data(g, y, -1, x.dtype), 3 * x.nbytes,
        )  # fmt: skip
    yield row("log_softmax", x, lambda: log_softmax_kernel(x, -1), lambda: torch.log_softmax(x, -1), 2 * x.nbytes)
    yield row(
        "log_softmax, backward", x, lambda: log_softmax_backward_kernel(g, log_y, -1),
        lambda: torch._log_softmax_backward_data(g, log_y, -1, x.dtype), 3 * x.nbytes,
    )  # fmt: skip
    wide = torch.randn(1024, 65536, device="cuda")
    yield row(
        "softmax, rows read twice", wide, lambda: softmax_kernel(wide, -1), lambda: torch.softmax(wide, -1),
        2 * wide.nbytes,
    )  # fmt: skip

    x, g = (torch.randn(8192, 4096, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    w, b = (torch.randn(4096, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    aten, shape = torch.ops.aten, (4096,)
    _, mean, rstd = layer_norm_kernel(x, w, b, 1, 1e-5)
    theirs = torch.native_layer_norm(x, shape, w, b, 1e-5)[1:]
    everything = [True, True, True]
    yield row(
        "layer_norm", x, lambda: layer_norm_kernel(x, w, b, 1, 1e-5), lambda: F.layer_norm(x, shape, w, b),
        2 * x.nbytes,
    )  # fmt: skip
    for warps in (4, 8, 16):
        yield row(
            f"layer_norm, backward, {warps} warps", x,
            lambda warps=warps: layer_norm_backward_kernel(
                g, x, w, mean, rstd, everything, 1, 1e-5, num_warps=warps
            ),
            lambda: aten.native_layer_norm_backward(g, x, shape, *theirs, w, b, everything), 3 * x.nbytes,
        )  # fmt: skip
    _, rstd = rms_norm_kernel(x, w, 1, 1e-6)
    yield row(
        "rms_norm", x, lambda: rms_norm_kernel(x, w, 1, 1e-6), lambda: F.rms_norm(x, shape, w, 1e-6), 2 * x.nbytes
    )
    rms_leaves = [x.clone().requires_grad_(), w.clone().requires_grad_()]
    out = F.rms_norm(rms_leaves[0], shape, rms_leaves[1], 1e-6)
    yield row(
        "rms_norm, backward", x, lambda: rms_norm_backward_kernel(g, x, w, rstd, (True, True), 1, 1e-6),
        lambda: torch.autograd.grad(out, rms_leaves, g, retain_graph=True), 3 * x.nbytes,
    )  # fmt: skip

    x = torch.randn(8192, 32000, device="cuda", dtype=torch.bfloat16)
    target = torch.randint(32000, (8192,), device="cuda")
    _, lse = cross_entropy_kernel(x, target, -100)
    ones = torch.full((8192,), 1 / 8192, device="cuda")
    leaf = x.clone().requires_grad_()
    loss = F.cross_entropy(leaf, target)
    for warps in (8, 16):
        yield row(
            f"cross_entropy, {warps} warps", x,
            lambda warps=warps: cross_entropy_kernel(x, target, -100, num_warps=warps),
            lambda: F.cross_entropy(x, target), x.nbytes,
        )  # fmt: skip
    yield row(
        "cross_entropy, backward", x, lambda: cross_entropy_backward_kernel(ones, x, target, lse, -100),
        lambda: torch.autograd.grad(loss, leaf, retain_graph=True), 2 * x.nbytes,
    )  # fmt: skip


def _rows_of_products(time_fn: Callable[[Callable[[], Any]], float]) -> Iterator[Row]:
    a, b = (torch.randn(4096, 4096, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    bias = torch.randn(4096, device="cuda", dtype=torch.bfloat16)
    work = 2 * 4096**3
    limit_ms = time_fn(lambda: a @ b)
    limit = work / limit_ms * 1e3
    size = "4096 x 4096 x 4096"
    yield Row("limit: torch's product", size, "bfloat16", limit_ms, 0.0, limit / TERA, "TFLOP/s", 1.0)

    def row(name: str, shape: str, mine: Callable[[], Any], theirs: Callable[[], Any], work: float) -> Row:
        ms, torch_ms = time_fn(mine), time_fn(theirs)
        rate = work / ms * 1e3
        return Row(name, shape, "bfloat16", ms, torch_ms, rate / TERA, "TFLOP/s", rate / limit)

    yield row(
        "matmul" + _chosen("matmul", lambda: product_kernel(a, b, None, "none", "ieee")), size,
        lambda: product_kernel(a, b, None, "none", "ieee"), lambda: a @ b, work,
    )  # fmt: skip
    yield row(
        "matmul, the second transposed", size, lambda: product_kernel(a, b.t(), None, "none", "ieee"),
        lambda: a @ b.t(), work,
    )  # fmt: skip
    yield row(
        "linear and gelu", size, lambda: product_kernel(a, b.t(), bias, "gelu", "ieee"),
        lambda: F.gelu(F.linear(a, b, bias)), work,
    )  # fmt: skip
    for heads, length, d in ((16, 2048, 64), (16, 4096, 128)):
        yield from _rows_of_attention(row, heads, length, d)


def _rows_of_attention(row: Callable[..., Row], heads: int, length: int, d: int) -> Iterator[Row]:
    batch, scale = 4, d**-0.5
    q, k, v, g = (torch.randn(batch, heads, length, d, device="cuda", dtype=torch.bfloat16) for _ in range(4))
    shape = f"{batch} x {heads} x {length} x {d}, causal"
    work = 4 * batch * heads * length * length * d / 2
    aten = torch.ops.aten
    flash, flash_backward = aten._scaled_dot_product_flash_attention, aten._scaled_dot_product_flash_attention_backward
    results = flash(q, k, v, 0.0, True, scale=scale)
    theirs, their_lse, *sizes = results[:6]
    seed, offset = results[6:8]
    out, lse = attention_kernel(q, k, v, None, True, scale, "ieee")

    def mine() -> Any:
        return attention_kernel(q, k, v, None, True, scale, "ieee")

    def mine_back() -> Any:
        return attention_backward_kernel(g, q, k, v, None, out, lse, True, scale, "ieee")

    yield row(
        "attention" + _chosen("attention_forward", mine), shape, mine,
        lambda: flash(q, k, v, 0.0, True, scale=scale), work,
    )  # fmt: skip
    yield row(
        "attention, backward" + _chosen("attention_backward", mine_back), shape, mine_back,
        lambda: flash_backward(
            g, q, k, v, theirs, their_lse, *sizes, 0.0, True, seed, offset, scale=scale
        ), 2.5 * work,
    )  # fmt: skip


def _chosen(module: str, call: Callable[[], Any]) -> str:
    """Run a tuned kernel for the first time, and say which configurations were found best, and print all times."""
    import sys

    call()
    told = []
    for kernel in vars(sys.modules[f"nexnet.triton.{module}"]).values():
        if isinstance(kernel, _launch.Autotuner) and getattr(kernel, "configs_timings", None):
            for config, times in kernel.configs_timings.items():
                tile = ", ".join(f"{name} {size}" for name, size in config.kwargs.items())
                best = " <- best" if config == kernel.best_config else ""
                ms = times[0] if isinstance(times, (list, tuple)) else times
                told.append(f"      {kernel.base_fn.__name__}: {tile}, {config.num_warps} warps, "
                            f"{config.num_stages} stages: {ms:.4f} ms{best}")  # fmt: skip
    print("\n".join(told), flush=True)
    return ""
