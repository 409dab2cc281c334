"""Every differentiable operator by itself, forward and backward, beside PyTorch's: on small and on large tensors.

The operators, and the torch functions that they stand for, are those of nexnet_verify's cases; so are their inputs, at
a benchmark's size (``benchmarks.scaled``), but for those of ``OWN``.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import optree
import torch
from torch.profiler import ProfilerActivity, profile

import nexnet
from nexnet_verify import cases as verified
from nexnet_verify.torch_reference import PLACES, as_torch, torch_counterpart

from ..interleaved import Case
from ..scaled import SIZES, Sample, sample

ROUNDS = 15
MATRIX = {"small": (4, 16), "large": (512, 512)}
IMAGES = {
    "small": {1: (1, 4, 16), 2: (1, 4, 4, 4), 3: (1, 1, 4, 4, 4)},
    "large": {1: (16, 16, 1024), 2: (16, 16, 32, 32), 3: (4, 8, 8, 32, 32)},
}

# Inputs that a case can't give at another size, since its tensors have to suit its other arguments ------------------


def normal(*shape: int) -> nexnet.LiteTensor:
    """Draw a tensor; the generator is seeded anew by ``arguments``."""
    return nexnet.LiteTensor(torch.randn(shape))


def integers(high: int, *shape: int) -> nexnet.LiteTensor:
    """Draw integers."""
    return nexnet.LiteTensor(torch.randint(high, shape))


def rows_normalised(size: str, weights: int) -> Sample:
    """X, the shape of its last dimension, and weights of that shape."""
    rows, columns = MATRIX[size]
    return Sample(normal(rows, columns), (columns,), *[normal(columns) for _ in range(weights)])


def images_normalised(size: str, rest: tuple[Any, ...]) -> Sample:
    """Images, no running statistics, and weights for the channels."""
    shape = IMAGES[size][2]
    return Sample(normal(*shape), None, None, normal(shape[1]), normal(shape[1]), *rest)


def probabilities(size: str) -> nexnet.LiteTensor:
    """Draw numbers between 0 and 1."""
    return nexnet.LiteTensor(torch.rand(MATRIX[size]))


def labelled(size: str) -> Sample:
    """A row of logarithms of probabilities, or so, for each label."""
    rows, columns = MATRIX[size]
    return Sample(normal(rows, columns), integers(columns, rows))


def indexed(size: str, *rest: str) -> Sample:
    """X, dimension 1, indices along it, and further tensors of the shape of x ("x") or of the index."""
    rows, columns = MATRIX[size]
    return Sample(normal(rows, columns), 1, integers(columns, rows, columns), *[normal(rows, columns) for _ in rest])


def columns_indexed(size: str, *rest: str) -> Sample:
    """X, dimension 1, indices of some columns, and further tensors."""
    rows, columns = MATRIX[size]
    return Sample(normal(rows, columns), 1, integers(columns, columns), *[normal(rows, columns) for _ in rest])


def rows_put(size: str) -> Sample:
    """X, new rows, and their places, which do not repeat: torch's ``x[i] += v`` would count one of them."""
    rows, columns = MATRIX[size]
    return Sample(
        normal(rows, columns), normal(rows // 2, columns), nexnet.LiteTensor(torch.randperm(rows)[: rows // 2])
    )


def convolved(size: str, dims: int) -> Sample:
    """Images, kernels of 3 in each dimension, a bias, and a stride and a padding that keep the size."""
    shape = IMAGES[size][dims]
    channels = shape[1]
    return Sample(normal(*shape), normal(channels, channels, *[3] * dims), normal(channels), 1, 1)


def pooled_fractionally(size: str, dims: int) -> Sample:
    """Images, a window, an output of half the size, and the random places of the windows."""
    shape = IMAGES[size][dims]
    places = torch.rand(*shape[:2], dims)
    return Sample(normal(*shape), 2, tuple(n // 2 for n in shape[2:]), None, False, places)


def unpooled(size: str, dims: int) -> Sample:
    """The greatest elements of windows, and where they were."""
    shape = IMAGES[size][dims]
    pool = getattr(torch.nn.functional, f"max_pool{dims}d")
    values, places = pool(torch.randn(shape), 2, return_indices=True)
    return Sample(nexnet.LiteTensor(values), nexnet.LiteTensor(places), 2)


def quantized(size: str) -> Sample:
    """X, and a scale and a zero point for each row."""
    rows, columns = MATRIX[size]
    return Sample(normal(rows, columns), torch.rand(rows) + 0.1, torch.zeros(rows, dtype=torch.int32), 0, -9, 9)


OWN: dict[str, Callable[[str], Sample]] = {
    "layer_norm": partial(rows_normalised, weights=2),
    "rms_norm": partial(rows_normalised, weights=1),
    "batch_norm": partial(images_normalised, rest=(True,)),
    "instance_norm": partial(images_normalised, rest=()),
    "nll_loss": labelled,
    "cross_entropy": labelled,
    "gather": indexed,
    "scatter": lambda size: indexed(size, "x"),
    "scatter_add": lambda size: indexed(size, "x"),
    "index_select": columns_indexed,
    "index_add": lambda size: columns_indexed(size, "x"),
    "kl_div": lambda size: Sample(normal(*MATRIX[size]), probabilities(size), reduction="batchmean"),
    "binary_cross_entropy_with_logits": lambda size: Sample(normal(*MATRIX[size]), probabilities(size)),
    "at.add": rows_put,
    "unflatten": lambda size: Sample(normal(*MATRIX[size]), 1, (-1, 2)),
    "diag_embed": lambda size: Sample(normal(8 if size == "small" else 512)),
    "fake_quantize_per_channel_affine": quantized,
    "convolution": lambda size: Sample(*convolved(size, 2).args[:3], (1, 1), (1, 1), (1, 1), False, (0, 0), 1),
    **{f"conv{n}d": partial(convolved, dims=n) for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": partial(convolved, dims=n) for n in (1, 2, 3)},
    **{f"fractional_max_pool{n}d": partial(pooled_fractionally, dims=n) for n in (2, 3)},
    **{f"max_unpool{n}d": partial(unpooled, dims=n) for n in (1, 2, 3)},
}

#: What draws random numbers, from torch's own generator if no other is given, as torch's functions do.
RANDOM = ("rrelu", "gumbel_softmax", "dropout", "alpha_dropout", "feature_dropout", "feature_alpha_dropout",
          "dropout1d", "dropout2d", "dropout3d")  # fmt: skip

#: Those of which the sum of all outputs is constant: of its gradient, rounding is left.
CONSTANT_SUMS = ("instance_norm",)

#: What torch has as an attribute, and no function.
ATTRIBUTES = ("mT",)


# The contenders ------------------------------------------------------------------------------------------------------


def floating(out: Any) -> list[Any]:
    """Give the outputs that have a gradient."""
    leaves = (
        [out] if isinstance(out, (torch.Tensor, nexnet.LiteTensor)) else optree.tree_leaves(out, namespace="nexnet")
    )
    return [each for each in leaves if is_differentiable(each)]


def is_differentiable(leaf: Any) -> bool:
    """Say whether a leaf is a tensor that has a gradient."""
    return isinstance(leaf, (torch.Tensor, nexnet.LiteTensor)) and (
        leaf.dtype.is_floating_point or leaf.dtype.is_complex
    )


def in_torch(function: Callable[..., Any], arguments: Sample) -> Callable[[], Any]:
    """Make PyTorch's outputs and gradients, seeded with ones."""
    args, kwargs = as_torch(arguments.args), as_torch(arguments.kwargs)
    leaves: list[torch.Tensor] = []
    called: list[Any] = []
    for arg, given in zip(args, arguments.args, strict=True):
        found, treespec = optree.tree_flatten(arg, namespace="nexnet", none_is_leaf=True)
        if any(isinstance(each, nexnet.LiteTensor) for each in optree.tree_leaves(given, namespace="nexnet")):
            found = [each.clone().requires_grad_() if is_differentiable(each) else each for each in found]
            leaves += [each for each in found if is_differentiable(each)]
        called.append(optree.tree_unflatten(treespec, found))

    def call() -> Any:
        out = function(*called, **kwargs)
        if isinstance(out, torch.Tensor):
            return out, torch.autograd.grad(out, leaves, torch.ones_like(out))
        outs = floating(out)
        return outs, torch.autograd.grad(outs, leaves, [torch.ones_like(each) for each in outs])

    return call


def in_nexnet(operator: Callable[..., Any], arguments: Sample) -> Callable[[], Any]:
    """Make nexnet's: by value_and_grad where there is one output, as a user would, and else by vjp."""
    args, kwargs = arguments.args, arguments.kwargs
    trees = [optree.tree_leaves(arg, namespace="nexnet", none_is_leaf=True) for arg in args]
    lite = [[each for each in leaves if isinstance(each, nexnet.LiteTensor)] for leaves in trees]
    argnums = tuple(i for i, leaves in enumerate(lite) if leaves and all(map(is_differentiable, leaves)))
    out = operator(*args, **kwargs)
    if isinstance(out, nexnet.LiteTensor) and not out.dtype.is_complex:
        both = nexnet.value_and_grad(operator, argnums)
        return lambda: both(*args, **kwargs)

    def outputs(*primals: Any) -> list[Any]:
        filled = list(args)
        for i, primal in zip(argnums, primals, strict=True):
            filled[i] = primal
        return floating(operator(*filled, **kwargs))

    chosen = [args[i] for i in argnums]

    def call() -> Any:
        outs, pullback = nexnet.vjp(outputs, *chosen)
        return outs, pullback([nexnet.LiteTensor(torch.ones_like(each.data)) for each in outs])

    return call


def at_first_seeded(call: Callable[[], Any]) -> Callable[[], Any]:
    """Let the first call, whose results are compared, draw the same random numbers as any other's."""
    calls = 0

    def seeded() -> Any:
        nonlocal calls
        if not calls:
            torch.manual_seed(0)
        calls += 1
        return call()

    return seeded


def run(function: Callable[..., Any], drawn: Sample, raw: bool) -> list[Any]:
    """Give the outputs of one call, of torch's function on raw tensors or of nexnet's operator."""
    torch.manual_seed(0)
    out = function(*as_torch(drawn.args), **as_torch(drawn.kwargs)) if raw else function(*drawn.args, **drawn.kwargs)
    return [each.data for each in floating(out)]


def operator_of(case: verified.Case) -> Callable[..., Any]:
    """Give nexnet's operator: that of the case, unless the case would give it a generator, or other arguments."""
    bare = getattr(nexnet, case.name, None) if case.name in (*RANDOM, *OWN) else None
    return bare or case.operator


def counterpart(case: verified.Case, drawn: Sample) -> Callable[..., Any]:
    """Give torch's function of that name if it takes these very arguments, and else the one that the case has.

    (A case's own may be a torch function written out, which is slower than the one that a user calls.)
    """
    if case.name in ATTRIBUTES:
        return lambda x: getattr(x, case.name)
    expected = run(operator_of(case), drawn, raw=False)
    for place in PLACES:
        function = getattr(place, case.name, None)
        if callable(function):
            try:
                got = run(function, drawn, raw=True)
                torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-3, equal_nan=True)
            except (RuntimeError, TypeError, ValueError, AssertionError):
                continue
            return function
    found = torch_counterpart(case)
    assert found is not None, f"{case.name}: no function of torch gives the same"
    return found


def arguments(case: verified.Case, size: str) -> Sample:
    """Give the arguments that both get."""

    def works(drawn: Sample) -> int:
        return max((each.numel() for each in run(operator_of(case), drawn, raw=False)), default=0)

    torch.manual_seed(0)
    return OWN[case.name](size) if case.name in OWN else sample(case, size, works)


def make(case: verified.Case, size: str) -> dict[str, Callable[[], Any]]:
    """Make the contenders: the outputs, and their sum's gradients."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's remarks on what it is given
        drawn = arguments(case, size)
        made = {"PyTorch": in_torch(counterpart(case, drawn), drawn), "nexnet": in_nexnet(operator_of(case), drawn)}
    return {who: at_first_seeded(call) for who, call in made.items()} if case.name in RANDOM else made


def cases() -> list[Case]:
    """Give a case for each operator that PyTorch differentiates too, at each size."""
    found = []
    for case in verified.all_cases():
        if case.kind in ("layers", "constant") or (case.without_torch and case.name not in RANDOM):
            continue
        for size in SIZES:
            name = f"{case.kind}.{case.name}, {size}"
            limits = {"rtol": 1e-3, "rounds": ROUNDS, "aims": {"nexnet": 1.3}}
            if case.name in CONSTANT_SUMS:
                limits["atol"] = 1e-3
            found.append(Case("operator", name, partial(make, case, size), **limits))
    return found


# Why -----------------------------------------------------------------------------------------------------------------


def explain(case: Case, calls: int = 20) -> str:
    """Say which kernels nexnet runs that PyTorch does not, and how much of either's time is in kernels."""
    made = case.make()
    ran, inside = {}, {}
    for who, call in made.items():
        call()
        with profile(activities=[ProfilerActivity.CPU]) as profiled:
            for _ in range(calls):
                call()
        kernels = [each for each in profiled.key_averages() if each.key.startswith("aten::")]
        ran[who] = Counter({each.key.removeprefix("aten::"): round(each.count / calls) for each in kernels})
        inside[who] = sum(each.self_cpu_time_total for each in kernels) / calls
    more, fewer = ran["nexnet"] - ran["PyTorch"], ran["PyTorch"] - ran["nexnet"]
    kernels_of = [", ".join(f"{name} x{n}" if n > 1 else name for name, n in each.items()) for each in (more, fewer)]
    return (
        f"in kernels, while profiled: {inside['nexnet']:.0f} µs (PyTorch {inside['PyTorch']:.0f} µs); "
        f"only nexnet: {kernels_of[0] or 'none'}; only PyTorch: {kernels_of[1] or 'none'}"
    )
