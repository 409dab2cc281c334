"""A case on another device: its values and derivatives there are those of the CPU, which other checks have judged.

On ``cuda`` numbers are compared. On ``meta``, where tensors have a kind and no values, it is the kinds: shape, dtype,
device. An operator that looks at values, or makes a tensor on the CPU by name, fails there, and no GPU is needed to see
it.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import numpy
import optree
import torch
from torch import Tensor

import nexnet

from .cases import Case, Sample, all_cases
from .comparing import compare
from .problem import NAMESPACE, Problem
from .runner import bind, draw_samples

__all__ = ["WITHOUT_META", "difference_on", "differences_of", "moved"]

RTOL = 1e-6  # of float64: the devices' algorithms sum in other orders, and factor matrices by other steps

_NO_KERNEL = "torch has no kernel for it on meta"
_SIZES = "the sizes of its results depend on values"
#: What can't run without values, and why: it is left out on meta.
WITHOUT_META = {
    "at.add": f"with a mask {_SIZES}",
    "at.set": f"with a mask {_SIZES}",
    "combinations": _SIZES,
    "ctc_loss": _NO_KERNEL,
    "fake_quantize_per_channel_affine": _NO_KERNEL,
    "fake_quantize_per_tensor_affine": _NO_KERNEL,
    "fractional_max_pool3d": _NO_KERNEL,
    "gumbel_softmax": "torch draws its noise on meta without a generator only",
    "linalg_lstsq": _NO_KERNEL,
    "masked_select": _SIZES,
    "multi_margin_loss": _NO_KERNEL,
    "multilabel_margin_loss": _NO_KERNEL,
    "repeat_interleave": _SIZES,
    "take": "torch takes an index of no dimensions by its value",
}

#: Parts of the names of cases that draw random numbers: other ones on another device, whose kinds alone are compared.
RANDOM = ("dropout", "rrelu", "gumbel", "Dropout")


def differences_of(case: Case, device: str, examples: int, seed: int = 0) -> Iterator[str]:
    """Say where a case's examples differ on a device: a line for each that does."""
    for layout, sample in draw_samples(case, examples, seed):
        found = difference_on(case, sample, device, seed)
        if found:
            yield f"{layout} {sample}: {found}"


def run_elsewhere(
    cases: Sequence[Case], device: str, examples: int, seed: int = 0, jobs: int = 1
) -> Iterator[tuple[Case, list[str]]]:
    """Compare cases, in this process or in several; give each, in order, with the lines of ``differences_of``."""
    if jobs <= 1 or len(cases) <= 1:
        for case in cases:
            yield case, list(differences_of(case, device, examples, seed))
        return
    names = [(case.name, case.kind) for case in cases]
    with ProcessPoolExecutor(min(jobs, len(cases)), multiprocessing.get_context("spawn")) as pool:
        work = partial(_named, device=device, examples=examples, seed=seed)
        yield from zip(cases, pool.map(work, names, chunksize=4), strict=True)


def _named(name_and_kind: tuple[str, str], device: str, examples: int, seed: int) -> list[str]:
    torch.set_num_threads(1)
    case = next(each for each in all_cases() if (each.name, each.kind) == name_and_kind)
    return list(differences_of(case, device, examples, seed))


def difference_on(case: Case, sample: Sample, device: str, seed: int = 0) -> str:
    """Say what of one call is otherwise on a device than on the CPU; nothing if it is the same."""
    here, _, _, tensors = bind(case, sample)
    there, _, _, _ = bind(case, moved(sample, device))
    problem = Problem.of(here, tensors, seed, case.order)
    other = _moved_problem(problem, there, device)
    for what, get in _results(case.order):
        expected = get(problem)
        try:
            got = get(other)
        except Exception as error:
            return f"{what}: {type(error).__name__}: {str(error).strip().splitlines()[0]}"
        for i, (mine, theirs) in enumerate(zip(got, expected, strict=True)):
            kind, wanted = (mine.shape, mine.dtype, mine.device.type), (theirs.shape, theirs.dtype, device)
            if kind != wanted:
                return f"{what} {i} is {kind}, not {wanted}"
        if device != "meta" and not any(each in case.name for each in RANDOM):
            gaps = compare([each.cpu() for each in got], expected, RTOL, None, 1.0)
            worst = max((gap for gap in gaps if gap.wrong.any()), key=lambda gap: gap.error, default=None)
            if worst is not None:
                return f"{what}: {worst.error:.1e} of the largest, {int(worst.wrong.sum())} of {worst.count} elements"
    return ""


def moved(sample: Sample, device: str) -> Sample:
    """Give a sample with its tensors on a device; a generator becomes one of that device, of the same seed."""
    return Sample(*_map(sample.args, device), **_map(sample.kwargs, device))


def _map(tree: Any, device: str) -> Any:
    return optree.tree_map(lambda leaf: _leaf(leaf, device), tree, namespace=NAMESPACE)


def _leaf(leaf: Any, device: str) -> Any:
    if isinstance(leaf, nexnet.LiteTensor):
        return nexnet.LiteTensor(_placed(leaf.data, device))
    if isinstance(leaf, numpy.ndarray):
        return torch.as_tensor(leaf).to(device)
    return _placed(leaf, device) if isinstance(leaf, Tensor) else leaf


def _placed(tensor: Tensor, device: str) -> Tensor:
    """Copy a tensor to a device in the strides that it has."""
    if tensor.numel() == 0 or tensor.is_conj() or tensor.is_neg():
        return tensor.to(device)
    extent = 1 + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    memory = tensor.as_strided((extent,), (1,)).to(device)
    return memory.as_strided(tensor.shape, tensor.stride())


def _moved_problem(problem: Problem, fn: Callable[..., Any], device: str) -> Problem:
    return dataclasses.replace(
        problem,
        fn=fn,
        leaves=[_placed(each, device) for each in problem.leaves],
        masks=[each.to(device) for each in problem.masks],
        weights=[each.to(device) for each in problem.weights],
        directions=[[each.to(device) for each in level] for level in problem.directions],
    )


def _results(order: int) -> Iterator[tuple[str, Callable[[Problem], Sequence[Tensor]]]]:
    yield "output", lambda problem: [each.data for each in problem.outputs(problem.leaves)]
    for k in range(1, order + 1):
        yield f"derivative of order {k}", lambda problem, k=k: problem.gradient(k)  # type: ignore[misc]
