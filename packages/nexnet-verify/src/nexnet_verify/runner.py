"""Runs cases: draws their examples, checks each, and sums up what was found."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import time
import zlib
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from typing import Any

import hypothesis
import numpy
import optree
import torch
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st

import nexnet

from .cases import Case, Sample, all_cases
from .cases._draw import Draw
from .checker import check_gradients
from .jax_reference import as_jax
from .problem import NAMESPACE, Problem, is_float
from .report import GradientReport
from .torch_reference import as_torch, torch_counterpart

__all__ = ["COLUMNS", "Result", "bind", "draw_samples", "run_case", "run_cases"]

DIRECTIONS = 4
STRIDES_ONLY = ("strided", "expanded")
COLUMNS = ("FD 1st", "FD 2nd", "JAX 1st", "JAX 2nd", "torch 1st", "torch 2nd", "forward", "vmap", "float32")


@dataclass
class Result:
    """What was found for one case: the largest error of each kind over its examples.

    ``remarks`` says why it was not compared with JAX, by vmap or in forward mode, and why a tolerance is its own.
    """

    name: str
    kind: str
    order: int = 2
    examples: int = 0
    inputs: list[str] = field(default_factory=list)
    errors: dict[str, float] = field(default_factory=dict)
    reached: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    remarks: dict[str, str] = field(default_factory=dict)
    failure: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.failure

    def error(self, reference: str, order: int) -> float:
        """Give the largest relative error against a reference at an order; nan if there is none."""
        return self.errors.get(f"{reference} {order}", math.nan)

    def columns(self) -> list[float]:
        """Give the figures of a table: one for each of COLUMNS; nan where nothing was compared."""
        pairs = [(reference, order) for reference in ("finite differences", "JAX", "PyTorch") for order in (1, 2)]
        largest = [
            max((error for name, error in self.errors.items() if name.startswith(reference)), default=math.nan)
            for reference in ("forward mode", "vmap", "float32")
        ]
        return [*(self.error(reference, order) for reference, order in pairs), *largest]

    def unexplained(self) -> list[str]:
        """Name the columns in which there is no figure, and no remark that says why."""
        empty = [name for name, error in zip(COLUMNS, self.columns(), strict=True) if math.isnan(error)]
        empty = [name for name in empty if self.order > 1 or not name.endswith("2nd")]
        told = {"JAX": "JAX", "tor": "PyTorch", "for": "forward mode", "vma": "vmap"}
        return [name for name in empty if told.get(name[:3], "tolerance") not in self.remarks]

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON takes it: no nan."""
        errors = {name: error if math.isfinite(error) else None for name, error in self.errors.items()}
        return {**asdict(self), "errors": errors, "passed": self.passed}


def draw_samples(case: Case, count: int, seed: int) -> Iterator[tuple[str, Sample]]:
    """Draw examples of a case, its layouts by turns; the same ones for the same seed.

    Hypothesis chooses shapes and arguments, the typical ones first. Nothing is shrunk: what it is given is small.
    """
    by_layout = Counter(case.layouts[i % len(case.layouts)] for i in range(count))
    for layout, some in by_layout.items():
        generator = numpy.random.default_rng([seed, zlib.crc32(f"{case.name} {layout}".encode())])
        quiet = hypothesis.settings(
            max_examples=some,
            database=None,
            deadline=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        )
        found = _Collector(case, layout, generator)
        quiet(hypothesis.seed(seed)(hypothesis.given(st.data())(found.collector())))()
        yield from ((layout, sample) for sample in found.samples)


class _Collector:
    """Keeps the samples that Hypothesis leads to, to be checked outside of its run."""

    def __init__(self, case: Case, layout: str, generator: numpy.random.Generator) -> None:
        self.case, self.layout, self.generator = case, layout, generator
        self.samples: list[Sample] = []

    def collector(self) -> Callable[[Any], None]:
        def collect(data: Any) -> None:
            data.draw(st.integers(0, 2**30))  # else Hypothesis stops once all shapes and arguments were tried
            self.samples.append(self.case.inputs(Draw(data.draw, self.layout, self.generator)))

        return collect


def run_case(case: Case, examples: int, seed: int = 0, order: int | None = None) -> Result:
    """Check a case's examples, until one is wrong."""
    start = time.perf_counter()
    result = Result(case.name, case.kind, order or case.order)
    declared = {
        "JAX": case.without_jax,
        "PyTorch": case.without_torch,
        "vmap": "" if case.mapped else case.reason,
        "tolerance": case.reason,
    }
    result.remarks = {what: reason for what, reason in declared.items() if reason}
    counterparts: dict[Any, Any] = {}
    seen: Counter[str] = Counter()
    in_torch = torch_counterpart(case) is not None
    try:
        for layout, sample in draw_samples(case, examples, seed):
            result.inputs.append(f"{layout} {sample}")
            # Compiling for JAX takes most of the time: where PyTorch is asked too, JAX sees every second example, and
            # none that differs from others in its strides alone, which JAX does not have.
            asked = not in_torch or not seen or (seen[layout] % 2 == 0 and layout not in STRIDES_ONLY)
            seen[layout] += 1
            report = check_sample(case, sample, seed, result.order, examples, counterparts, asked)
            result.examples += 1
            for row in report.comparisons:
                name = f"{row.reference} {row.order}"
                if not math.isnan(row.error):
                    result.errors[name] = max(result.errors.get(name, 0.0), row.error)
            result.notes += [each for each in report.notes if each not in result.notes]
            if not report.passed:
                result.failure = f"{report.findings[0]}\n  inputs:    {layout} {sample}"
                break
            if report.singular:
                result.failure = (
                    f"the inputs of the case {case.name} reach a point without a derivative; narrow its domain.\n"
                    f"  found:     {report.singular[0]}\n  inputs:    {layout} {sample}"
                )
                break
            for each in report.obstacles:
                known = case.without_vmap if each.what == "vmap" else ""
                if not known and (each.what == "forward mode" or not each.torchs):
                    result.failure = (
                        f"{each.what} of {case.name} could not be run, and it is not that torch can't.\n"
                        f"  error:     {each.reason}\n  inputs:    {layout} {sample}"
                    )
                result.remarks[each.what] = known or each.reason
            if result.failure:
                break
            result.reached = sorted({*result.reached, *_reached(case, sample, seed, result.order)})
    except Exception as error:
        trouble = f"{type(error).__name__}: {error}"
        result.failure = f"the case {case.name} could not be run.\n  {trouble}\n  inputs:    {result.inputs[-1:]}"
    result.seconds = time.perf_counter() - start
    return result


def check_sample(
    case: Case,
    sample: Sample,
    seed: int,
    order: int,
    examples: int = 0,
    counterparts: dict[Any, Any] | None = None,
    in_jax: bool = True,
) -> GradientReport:
    """Check one call of a case, with JAX or without.

    ``counterparts`` keeps JAX's, so that equal shapes and options are compiled once.
    """
    fn, reference, torch_reference, tensors = bind(case, sample)
    if counterparts is not None and not _has_constant_tensors(sample):
        structure = optree.tree_structure(sample.args, namespace=NAMESPACE)
        reference = counterparts.setdefault((structure, str(sample)), reference)
    report = check_gradients(
        fn,
        *tensors,
        order=order,
        reference=reference if in_jax else None,
        torch_reference=torch_reference,
        torch_rtol=case.torch_rtol,
        directions=DIRECTIONS,
        seed=seed,
        rtol=case.rtol,
        strided=case.strided,
        vmap=case.mapped,
        float32_rtol=case.float32_rtol,
        report=True,
        name=case.name,
        reproduce=f"nexnet-verify --op {case.name} --seed {seed} --examples {examples}",
    )
    assert report is not None
    return report


def bind(
    case: Case, sample: Sample
) -> tuple[Callable[..., Any], Callable[..., Any] | None, Callable[..., Any] | None, list[nexnet.LiteTensor]]:
    """Give the call, and its counterparts in JAX and PyTorch, as functions of the floating tensors alone."""
    leaves, treespec = optree.tree_flatten(sample.args, namespace=NAMESPACE)
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, nexnet.LiteTensor) and is_float(leaf)]
    operator, counterpart, torch_function = case.operator, case.jax, torch_counterpart(case)

    def call(*tensors: Any) -> Any:
        filled = dict(zip(places, tensors, strict=True))
        args = [filled.get(i, leaf) for i, leaf in enumerate(leaves)]
        return operator(*optree.tree_unflatten(treespec, args), **sample.kwargs)

    def reference(*arrays: Any) -> Any:
        assert counterpart is not None
        filled = dict(zip(places, arrays, strict=True))
        args = [filled[i] if i in filled else as_jax(leaf) for i, leaf in enumerate(leaves)]
        return counterpart(*optree.tree_unflatten(treespec, args), **sample.kwargs)

    def in_torch(*tensors: torch.Tensor) -> Any:
        assert torch_function is not None
        filled = dict(zip(places, tensors, strict=True))
        args = [filled[i] if i in filled else as_torch(leaf) for i, leaf in enumerate(leaves)]
        return torch_function(*optree.tree_unflatten(treespec, args), **as_torch(sample.kwargs))

    return (
        call,
        reference if counterpart else None,
        in_torch if torch_function else None,
        [leaves[i] for i in places],
    )


def _has_constant_tensors(sample: Sample) -> bool:
    leaves = optree.tree_leaves((sample.args, sample.kwargs), namespace=NAMESPACE)
    tensors = [leaf for leaf in leaves if isinstance(leaf, (nexnet.LiteTensor, torch.Tensor, numpy.ndarray))]
    return any(not (isinstance(leaf, nexnet.LiteTensor) and is_float(leaf)) for leaf in tensors)


def _reached(case: Case, sample: Sample, seed: int, order: int) -> set[str]:
    """Name the rules that are recorded where the derivative below the highest order is itself differentiated."""
    level = max(order - 2, 0)
    call, _, _, tensors = bind(case, sample)
    problem = Problem.of(call, tensors, seed, level + 1)
    gradient = nexnet.grad(problem.scalar(level), argnums=tuple(range(len(problem.followed(level + 1)))))
    _, tape = nexnet.trace(gradient)(*problem.leaves, *problem.weights)
    return {node.name for node in tape.nodes}


# Many cases, in several processes ------------------------------------------------------------------------------------


def _start_worker() -> None:
    torch.set_num_threads(1)


def _run_named(name: str, kind: str, examples: int, seed: int, order: int | None) -> Result:
    case = next(each for each in all_cases() if (each.name, each.kind) == (name, kind))
    return run_case(case, examples, seed, order)


def run_cases(
    cases: Sequence[Case], examples: int, seed: int = 0, order: int | None = None, jobs: int = 1
) -> Generator[Result, None, None]:
    """Run cases, in this process or in several, each result as it comes. Closing the iterator stops the rest."""
    if jobs <= 1 or len(cases) <= 1:
        for case in cases:
            yield run_case(case, examples, seed, order)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(jobs, len(cases)), context, _start_worker)
    try:
        waiting: set[Future[Result]] = {
            pool.submit(_run_named, case.name, case.kind, examples, seed, order) for case in cases
        }
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from (each.result() for each in done)
    finally:
        with contextlib.suppress(Exception):
            pool.shutdown(wait=True, cancel_futures=True)
