"""Every differentiable operator by itself, forward and backward, beside PyTorch's: on small and on large tensors.

The operators, and the torch functions that they stand for, are those of nexnet_verify's cases; so are their inputs, at
a benchmark's size (``benchmarks.scaled``), but for those in ``_operator_inputs``.
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
from ._operator_inputs import OWN

ROUNDS = 15

#: What draws random numbers, from torch's own generator if no other is given, as torch's functions do.
RANDOM = ("rrelu", "gumbel_softmax", "dropout", "alpha_dropout", "feature_dropout", "feature_alpha_dropout",
          "dropout1d", "dropout2d", "dropout3d")  # fmt: skip

#: Those of which the sum of all outputs is constant: of its gradient, rounding is left.
CONSTANT_SUMS = ("instance_norm",)

#: Those of which torch gives a gradient by the triangle that is not read: the case cuts that off.
ONE_TRIANGLE = ("cholesky_solve", "cholesky_inverse")

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


def in_torch(function: Callable[..., Any], arguments: Sample) -> tuple[Callable[[], Any], list[int]]:
    """Make PyTorch's outputs and gradients, seeded with ones; and say which of its floating outputs have gradients.

    By ``backward`` into ``.grad``, as its users call it, and as its optimisers need it: these gradients are the
    user's own memory, as nexnet's are, where ``torch.autograd.grad`` may give an expanded view of one number.
    """
    args, kwargs = as_torch(arguments.args), as_torch(arguments.kwargs)
    leaves: list[torch.Tensor] = []
    called: list[Any] = []
    for arg, given in zip(args, arguments.args, strict=True):
        found, treespec = optree.tree_flatten(arg, namespace="nexnet", none_is_leaf=True)
        if any(isinstance(each, nexnet.LiteTensor) for each in optree.tree_leaves(given, namespace="nexnet")):
            found = [each.clone().requires_grad_() if is_differentiable(each) else each for each in found]
            leaves += [each for each in found if is_differentiable(each)]
        called.append(optree.tree_unflatten(treespec, found))

    followed = [i for i, each in enumerate(floating(function(*called, **kwargs))) if each.requires_grad]

    def call() -> Any:
        out = function(*called, **kwargs)
        if isinstance(out, torch.Tensor):
            out.backward(torch.ones_like(out))
        else:
            outs = floating(out)
            out = [outs[i] for i in followed]
            torch.autograd.backward(out, [torch.ones_like(each) for each in out])
        grads = [each.grad for each in leaves]
        for each in leaves:
            each.grad = None
        return out, grads

    return call, followed


def in_nexnet(operator: Callable[..., Any], arguments: Sample, followed: list[int]) -> Callable[[], Any]:
    """Make nexnet's: by value_and_grad where there is one output, as a user would, else by vjp of those followed."""
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
        outs = floating(operator(*filled, **kwargs))
        return [outs[i] for i in followed]

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
    public = case.name.removeprefix("linalg_")  # torch.linalg.inv implements what torch itself calls linalg_inv
    for function in (*(getattr(place, case.name, None) for place in PLACES), getattr(torch.linalg, public, None)):
        if callable(function) and case.name not in ONE_TRIANGLE:
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
        torchs, followed = in_torch(counterpart(case, drawn), drawn)
        made = {"PyTorch": torchs, "nexnet": in_nexnet(operator_of(case), drawn, followed)}
    return {who: at_first_seeded(call) for who, call in made.items()} if case.name in RANDOM else made


def cases() -> list[Case]:
    """Give a case for each operator that PyTorch differentiates too, at each size."""
    found = []
    for case in verified.all_cases():
        if case.kind in ("nn", "constant") or (case.without_torch and case.name not in RANDOM):
            continue
        for size in SIZES:
            if case.kind == "recurrent" and size == "large":
                continue  # of weights that are not scaled, so many steps are chaotic: no two libraries agree
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
        + ("; clone: gradients are contiguous and share no memory with another or with a seed" if more["clone"] else "")
    )
