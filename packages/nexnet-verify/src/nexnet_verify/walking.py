"""What every listed operator must do, checked on the examples of its case: quickly, and without finite differences."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy
import optree
import torch
from torch import Tensor

import nexnet

from .cases import Case, Sample, all_cases
from .comparing import compare
from .problem import NAMESPACE, Problem, is_float
from .runner import bind, draw_samples
from .torch_reference import TorchReference, as_torch, torch_counterpart

__all__ = [
    "TOLERANCES",
    "against_torch",
    "bad_calls",
    "differentiable_cases",
    "in_dtype",
    "on_meta",
    "outcome",
    "pullbacks_under_vmap",
    "samples",
    "under_vmap",
]

RTOL = 1e-6

#: Of the largest element of the gradient: the rounding of a few operations in each dtype.
TOLERANCES = {torch.float32: 1e-4, torch.bfloat16: 0.06, torch.float16: 0.01}


def differentiable_cases() -> list[Case]:
    """Give the cases of the operators (not those of nexnet_nn), in the order of their kinds."""
    return [case for case in all_cases() if case.kind != "nn"]


@functools.lru_cache(maxsize=1024)
def samples(name: str, kind: str) -> list[tuple[str, Sample]]:
    """Draw an example of each layout of a case."""
    case = next(each for each in all_cases() if (each.name, each.kind) == (name, kind))
    return list(draw_samples(case, len(case.layouts), 1))


def against_torch(case: Case, sample: Sample, order: int = 2) -> Iterator[str]:
    """Compare the value and the derivatives with those of torch's autograd; say what differs, or is missing there."""
    call, _, in_torch, tensors = bind(case, sample)
    assert in_torch is not None
    problem = Problem.of(call, tensors, 0, order)
    reference = TorchReference(in_torch, problem, order)
    orders = [(0, [each.data for each in problem.outputs(problem.leaves)], reference.outputs())]
    for level in range(1, order + 1):
        expected = reference.gradient(level)
        if expected is not None:
            orders.append((level, problem.gradient(level), expected))
    rtol = max(case.torch_rtol or 0.0, RTOL)
    for level, got, expected in orders:
        for gap in compare(got, expected, rtol, None, problem.size(level - 1) if level else 0.0):
            if gap.wrong.any():
                yield f"order {level} is off by {gap.error:.1e} of the largest element: {gap.got} and {gap.expected}"


def on_meta(case: Case, sample: Sample) -> str:
    """Compare shapes and dtypes of outputs and gradients on the meta device with those on the CPU.

    Gives "" where they agree; "refused: ..." where torch's own function has no kernel there either.
    """
    here = [(tuple(each.shape), each.dtype) for each in _values_and_gradients(case, sample, lambda x: x)]
    try:
        found = _values_and_gradients(case, sample, _to_meta)
    except Exception as error:
        text = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        return f"refused: {text}" if _torch_refuses(case, sample, _to_meta) else f"fails: {text}"
    there = [(tuple(each.shape), each.dtype) for each in found]
    return "" if here == there else f"differs: {here} on the CPU, {there} on meta"


def in_dtype(case: Case, sample: Sample, dtype: torch.dtype) -> str:
    """Compare outputs and gradients in a dtype with those in float64 at the same, rounded point, and torch's dtypes.

    Gives "" where they agree to TOLERANCES; "refused: ..." where torch's own function has no kernel either.
    """

    def rounded(x: Tensor) -> Tensor:
        if x.dtype == torch.complex128 and dtype == torch.float32:
            return x.to(torch.complex64)
        return x.to(dtype) if x.dtype == torch.float64 else x

    def widened(x: Tensor) -> Tensor:
        return rounded(x).to(x.dtype)

    if dtype != torch.float32 and _is_complex(case, sample):
        return "refused: torch has no complex numbers of halves"
    try:
        got = _values_and_gradients(case, sample, rounded)
    except Exception as error:
        text = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        # A counterpart of the case's own is made of other kernels.
        lacking = isinstance(error, NotImplementedError) and (case.draws or case.torch is not None)
        return f"refused: {text}" if lacking or _torch_refuses(case, sample, rounded) else f"fails: {text}"
    expected = _values_and_gradients(case, sample, widened)
    like = outcome(_torch_values_and_gradients, (case, sample, rounded), {})
    if (
        isinstance(like, list)
        and not case.draws
        and case.torch is None
        and [each.dtype for each in got] != [each.dtype for each in like]
    ):
        return f"differs: dtypes {[each.dtype for each in got]}, torch's are {[each.dtype for each in like]}"
    for g, e in zip(got, expected, strict=True):
        scale = max(float(e[e.isfinite()].abs().max()) if e.isfinite().any() else 0.0, 1.0)
        if bool((g.isnan() & e.isfinite()).any()):
            if isinstance(like, list) and any(bool(each.isnan().any()) for each in like):
                return "refused: torch's own is not a number"
            return "differs: not a number where float64 has one"
        both = e.isfinite() & g.isfinite()
        if case.name in ("linalg_eig", "linalg_eigvals"):
            continue  # their order is LAPACK's, and another in another precision
        off = float((g.to(e.dtype) - e)[both].abs().max()) if both.any() and not case.draws else 0.0
        if off > TOLERANCES[dtype] * scale:
            return f"differs: by {off / scale:.1e}"
    return ""


def under_vmap(case: Case, sample: Sample) -> Iterator[str]:
    """Compare values and gradients of two examples under vmap with a loop's: all tensors mapped, then each alone.

    Integers and masks are mapped too. Warnings are errors: torch has one for what it calls example by example.
    """
    leaves, treespec = optree.tree_flatten((sample.args, sample.kwargs), namespace=NAMESPACE)
    tensors = [i for i, leaf in enumerate(leaves) if isinstance(leaf, (nexnet.LiteTensor, Tensor))]
    floats = [i for i in tensors if isinstance(leaves[i], nexnet.LiteTensor) and is_float(leaves[i])]

    def run(mapped: Sequence[int], *examples: Any) -> list[Any]:
        point = {i: leaf for i, leaf in enumerate(leaves) if i not in mapped} | dict(zip(mapped, examples, strict=True))

        def call(*followed: Any) -> list[Any]:
            given = point | dict(zip(floats, followed, strict=True))
            args, kwargs = optree.tree_unflatten(treespec, [given[i] for i in range(len(leaves))])
            return _floating(case.operator(*args, **kwargs), nexnet.LiteTensor)

        inputs = [point[i] for i in floats]
        if not floats:
            return call()
        outs, pullback = nexnet.vjp(lambda *x: call(*x), *inputs)
        return [*outs, *(pullback([nexnet.stop_gradient(each) * 2 for each in outs]) if outs else ())]

    for mapped in [tensors, *([[i] for i in tensors] if len(tensors) > 1 else [])]:
        batches = [_two_examples(leaves[i]) for i in mapped]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                got = nexnet.vmap(functools.partial(run, mapped), randomness="same")(*batches)
            except Exception as error:
                yield f"mapped over arguments {mapped}: {type(error).__name__}: {' '.join(str(error).split())}"
                continue
        alone = [run(mapped, *[each[i] for each in batches]) for i in range(2)]
        for g, *expected in zip(got, *alone, strict=True):
            e = torch.stack([each.data for each in expected])
            if not torch.allclose(g.data, e, rtol=RTOL, atol=RTOL, equal_nan=True):
                yield f"mapped over arguments {mapped}: {g.data}, a loop: {e}"


def pullbacks_under_vmap(case: Case, sample: Sample) -> Iterator[str]:
    """Compare the pullbacks of a call, and of its gradient, under vmap with a loop's: only the cotangents are mapped.

    Jacobians and Hessians are made so. Warnings are errors.
    """
    call, _, _, tensors = bind(case, sample)
    problem = Problem.of(call, tensors, 0, 2)
    point, weights = ([nexnet.LiteTensor(each) for each in tensors] for tensors in (problem.leaves, problem.weights))
    everything = tuple(range(len(point)))

    def outputs(*x: Any) -> list[Any]:
        return problem.outputs(x)

    def gradient(*x: Any) -> list[Any]:
        return list(nexnet.grad(problem.scalar(0), everything)(*x, *weights))

    for order, fn in enumerate((outputs, gradient)[: case.order], 1):
        outs, pullback = nexnet.vjp(fn, *point)
        generator = torch.Generator().manual_seed(order)
        drawn = [torch.randn(2, *each.shape, generator=generator, dtype=torch.float64).to(each.dtype) for each in outs]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                got = nexnet.vmap(pullback, randomness="same")([nexnet.LiteTensor(each) for each in drawn])
            except Exception as error:
                yield f"order {order}: {type(error).__name__}: {' '.join(str(error).split())}"
                continue
        for i in range(2):
            for g, alone in zip(got, pullback([nexnet.LiteTensor(each[i]) for each in drawn]), strict=True):
                if not torch.allclose(g.data[i], alone.data, rtol=RTOL, atol=RTOL, equal_nan=True):
                    yield f"order {order}: {g.data[i]}, a loop: {alone.data}"


def _two_examples(x: Any) -> Any:
    """Give a batch of a tensor and, where it is of numbers to compute with, a smaller one."""
    data = x.data if isinstance(x, nexnet.LiteTensor) else x
    batch = torch.stack([data, data * 0.9 if is_float(data) else data])
    return nexnet.LiteTensor(batch) if isinstance(x, nexnet.LiteTensor) else batch


def bad_calls(case: Case, sample: Sample) -> Iterator[tuple[str, tuple[Any, ...], dict[str, Any]]]:
    """Give wrong calls that are made from a right one: what is wrong, and the arguments."""
    args, kwargs = sample.args, sample.kwargs
    tensors = [i for i, arg in enumerate(args) if isinstance(arg, nexnet.LiteTensor) and is_float(arg)]
    yield "a keyword that there is not", args, {**kwargs, "no_such_keyword": 1}
    yield "no argument", (), {}
    if not tensors:
        return
    first = tensors[0]
    yield "text for a tensor", (*args[:first], "text", *args[first + 1 :]), kwargs
    yield "integers", (*args[:first], nexnet.LiteTensor(args[first].data.abs().long()), *args[first + 1 :]), kwargs
    yield "a bool tensor", (*args[:first], nexnet.LiteTensor(args[first].data.abs() > 1), *args[first + 1 :]), kwargs
    if len(tensors) > 1:
        other = nexnet.LiteTensor(torch.ones(7, 11, 5, dtype=torch.float64))
        yield "another shape", (*args[: tensors[1]], other, *args[tensors[1] + 1 :]), kwargs
        other = nexnet.LiteTensor(torch.ones((), dtype=torch.float64))
        yield "no dimensions", (*args[:first], other, *args[first + 1 :]), kwargs
    names = list(inspect.signature(case.operator).parameters)
    for i, name in enumerate(names[: len(args)]):
        if name in ("dim", "dim0", "dim1", "dims", "axis") and isinstance(args[i], int):
            yield f"{name} out of range", (*args[:i], 17, *args[i + 1 :]), kwargs
            yield f"{name} of another type", (*args[:i], "text", *args[i + 1 :]), kwargs
            yield f"{name} a fraction", (*args[:i], 0.5, *args[i + 1 :]), kwargs
    for name, value in kwargs.items():
        if name == "dim" and isinstance(value, int):
            yield "dim out of range", args, {**kwargs, "dim": 17}


def outcome(function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Give what a call returns, or the exception that it raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*args, **kwargs)
    except Exception as error:
        return error


def _to_meta(x: Tensor) -> Tensor:
    return x.to("meta")


def _converted(sample: Sample, convert: Callable[[Tensor], Tensor]) -> tuple[list[Any], Any, list[int]]:
    """Give the leaves of a sample's arguments with their tensors converted, and the places of what is followed."""
    leaves, treespec = optree.tree_flatten(sample.args, namespace=NAMESPACE)
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, nexnet.LiteTensor) and is_float(leaf)]
    return [_convert(leaf, convert) for leaf in leaves], treespec, places


def _convert(leaf: Any, convert: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(leaf, nexnet.LiteTensor):
        return nexnet.LiteTensor(convert(leaf.data))
    if isinstance(leaf, numpy.ndarray):
        return convert(torch.as_tensor(leaf))
    return convert(leaf) if isinstance(leaf, Tensor) else leaf


def _values_and_gradients(case: Case, sample: Sample, convert: Callable[[Tensor], Tensor]) -> list[Tensor]:
    """Give the floating outputs of a call whose tensors were converted, and the gradients of their sum."""
    leaves, treespec, places = _converted(sample, convert)
    kwargs = {name: _convert(value, convert) for name, value in sample.kwargs.items()}

    def call(*tensors: Any) -> list[Any]:
        filled = dict(zip(places, tensors, strict=True))
        args = [filled.get(i, leaf) for i, leaf in enumerate(leaves)]
        return _floating(case.operator(*optree.tree_unflatten(treespec, args), **kwargs), nexnet.LiteTensor)

    def total(*tensors: Any) -> Any:
        return functools.reduce(lambda a, b: a + b, [each.sum() for each in call(*tensors)])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inputs = [leaves[i] for i in places]
        gradient = nexnet.grad(total, argnums=tuple(range(len(inputs))))(*inputs)
        return [each.data for each in (*call(*inputs), *gradient)]


def _torch_values_and_gradients(case: Case, sample: Sample, convert: Callable[[Tensor], Tensor]) -> list[Tensor] | None:
    """Give the same of the torch function; None where the case has none."""
    function = torch_counterpart(case)
    if function is None:
        return None
    leaves, treespec, places = _converted(sample, convert)
    leaves = [as_torch(leaf) for leaf in leaves]
    for i in places:
        leaves[i] = leaves[i].detach().requires_grad_()
    kwargs = {name: as_torch(_convert(value, convert)) for name, value in sample.kwargs.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outputs = _floating(function(*optree.tree_unflatten(treespec, leaves), **kwargs), Tensor)
        total = functools.reduce(lambda a, b: a + b, [each.sum() for each in outputs])
        inputs = [leaves[i] for i in places]
        gradient = torch.autograd.grad(total, inputs, allow_unused=True, materialize_grads=True)
    return [*outputs, *gradient]


def _is_complex(case: Case, sample: Sample) -> bool:
    out = case.operator(*sample.args, **sample.kwargs)
    leaves = optree.tree_leaves((sample.args, out), namespace=NAMESPACE)
    return any(isinstance(each, (nexnet.LiteTensor, Tensor)) and each.dtype.is_complex for each in leaves)


def _torch_refuses(case: Case, sample: Sample, convert: Callable[[Tensor], Tensor]) -> bool:
    try:
        return _torch_values_and_gradients(case, sample, convert) is None
    except Exception:
        return True


def _floating(out: Any, kind: type[Any]) -> list[Any]:
    """Give the floating tensors of an output, complex ones as real and imaginary parts."""
    found = [each for each in optree.tree_leaves(out, namespace=NAMESPACE) if isinstance(each, kind)]
    found = [torch.view_as_real(torch.resolve_conj(each)) if each.dtype.is_complex else each for each in found]
    return [each for each in found if each.dtype.is_floating_point]
