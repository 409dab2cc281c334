"""explain: why a gradient is zero, NaN or huge, and the operation at which it became so."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError, message
from .deaths import FLAT, STEP_FUNCTIONS, why_zero
from .operation import Input, Operation
from .reasons import reason_in_backward
from .source import Source
from .trace import Trace

__all__ = ["Explanation", "Step", "explain"]


@dataclass(frozen=True, slots=True)
class Step:
    """One operation on the way back.

    Attributes:
        operation: the operation.
        argument: the name of the argument through which the way goes on.
        came: the norm of the gradient of its output.
        went: the norm of what its rule returned for that argument.
    """

    operation: Operation
    argument: str
    came: float
    went: float


@dataclass(frozen=True)
class Explanation:
    """Why a gradient is what it is. ``print`` it.

    Attributes:
        name: of what the gradient is.
        verdict: "zero", "nan", "infinite", "huge", "vanishing", "fine"; or "none", where no output depends on it.
        norm: the gradient's norm.
        operation: the one at which it became so; None where there is none.
        reason: why, in words; empty where the gradient is fine.
        remedy: what may be done about it.
        steps: the way from the output, with the norm at each step.
    """

    name: str
    verdict: str
    norm: float
    operation: Operation | None
    reason: str
    remedy: str
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        lines = [f"the gradient of {self.name} is {_WORDS[self.verdict]}" + (f": {self.reason}" if self.reason else "")]
        at = self.operation
        if at is not None:
            facts = {
                "operation": f"{at.label} = {at.called()}",
                "line": f"{at.source}, in {at.source.function}: {at.source.code}" if at.source else "",
                "module": at.module,
                "remedy": self.remedy,
            }
            lines += [f"  {name + ':':<11}{fact}" for name, fact in facts.items() if fact]
        elif self.remedy:
            lines.append(f"  {'remedy:':<11}{self.remedy}")
        if self.steps:
            lines.append(f"  the way back, {len(self.steps)} steps, with the gradient's norm:")
            shown = self.steps if len(self.steps) <= 12 else (*self.steps[:6], None, *self.steps[-6:])
            for each in shown:
                if each is None:
                    lines.append("    ...")
                    continue
                mark = "  <--" if at is not None and each.operation is at else ""
                rule = f"{each.operation.label} {each.operation.rule}"
                lines.append(f"    {rule:<24} {each.came:.3g} -> {each.went:.3g}  by {each.argument}{mark}")
        return "\n".join(lines)

    __repr__ = __str__


_WORDS = {
    "zero": "zero", "nan": "NaN", "infinite": "infinite", "huge": "huge", "vanishing": "vanishing",
    "fine": "as it should be", "none": "not there",
}  # fmt: skip


def explain(tape: Trace, name: str, *, huge: float = 1e4, tiny: float = 1e-7) -> Explanation:
    """Say why the gradient of an input or an intermediate is zero, NaN, huge, or not there.

    It goes the way back along which most of the gradient comes, and finds the operation at which it died, was born as
    a NaN, or grew.

    Args:
        tape: a trace with values and gradients, ``trace(fn, gradients=True)``.
        name: what ``tape[name]`` takes.
        huge: the norm, by that of the output's gradient, above which a gradient is huge.
        tiny: the same, below which it is vanishing.

    Raises:
        InputError: no trace; one without gradients; there is nothing of that name.

    Example::

        _, tape = nexnet.trace(loss, gradients=True)(model, x, y)
        print(nexnet.explain(tape, "layers.0.weight"))
    """
    if not isinstance(tape, Trace):
        raise InputError(
            message(
                "explain reads the tape of a trace.",
                argument="tape",
                got=type(tape).__name__,
                remedy="_, tape = nexnet.trace(fn, gradients=True)(...)",
            )
        )
    target = tape[name]
    onward = _towards_output(tape)
    if target.label not in onward and not set(target.outputs) & onward:
        return _not_there(tape, target)
    if not any(each.gradients for each in tape.operations):
        raise InputError(
            message(
                "the trace has no gradients to explain.",
                argument="tape",
                remedy="nexnet.trace(fn, gradients=True)(...)",
            )
        )
    steps = _way(tape, target, onward)
    norm = _norm(target.gradient)
    seed = next((each.came for each in steps), 1.0) or 1.0
    if math.isnan(norm) or math.isinf(norm):
        return _born(tape, target, norm, steps)
    if norm == 0:
        return _died(target, steps)
    if norm / seed > huge or norm / seed < tiny:
        return _grew(target, norm, norm / seed > huge, steps)
    return Explanation(target.label, "fine", norm, None, "", "", tuple(steps))


def _towards_output(tape: Trace) -> set[str]:
    """Give the labels of all from which a way leads to an output."""
    found = {each for each in tape.outputs if each != "·"}
    for operation in reversed(tape.operations):
        if found.intersection(filter(None, operation.outputs)):
            found.add(operation.label)
            found.update(each.name for each in operation.inputs if each.kind in ("operation", "argument"))
    return found


def _way(tape: Trace, target: Operation, onward: set[str]) -> list[Step]:
    """Give the steps from the output to the target, along which most of the gradient comes."""
    steps: list[Step] = []
    here = target
    while True:
        options = [
            Step(user, given.argument, _norm(user.gradient), _norm(_returned(user, given)))
            for user in tape.users_of(here)
            if user.label in onward
            for given in user.inputs
            if given.name in here.outputs
        ]
        if not options:
            return steps[::-1]
        best = max(options, key=lambda each: (_weight(each.went), _weight(each.came)))
        steps.append(best)
        here = best.operation


def _returned(operation: Operation, given: Input) -> Tensor | None:
    """Give what a rule returned for one of its inputs."""
    names = [each.argument for each in operation.inputs]
    place = names.index(given.argument)
    positions = _positions(operation)
    place = positions[place] if place < len(positions) else place
    return operation.returned[place] if place < len(operation.returned) else None


def _positions(operation: Operation) -> list[int]:
    from .reading import parameters_of

    if operation.policy is None or not operation.inputs or operation.inputs[0].argument.isdigit():
        return list(range(len(operation.inputs)))
    names = parameters_of(operation.policy)
    found = []
    for each in operation.inputs:
        base, _, further = each.argument.rpartition(".")
        if each.argument in names:
            found.append(names.index(each.argument))
        else:
            found.append(names.index(base) + int(further) if base in names else len(found))
    return found


def _norm(value: Tensor | None) -> float:
    if value is None:
        return 0.0
    return float(torch.linalg.vector_norm(value.detach().to(torch.complex128 if value.is_complex() else torch.float64)))


def _weight(norm: float) -> float:
    return math.inf if math.isnan(norm) else norm


# Not there ------------------------------------------------------------------------------------------------------------


def _not_there(tape: Trace, target: Operation) -> Explanation:
    """Say where the way from the target to the output ends."""
    reached = {target.label, *filter(None, target.outputs)}
    ends = {each.label: each for each in tape.ends}
    last = target
    for operation in tape.operations:
        cut = next((each for each in operation.inputs if each.kind == "cut" and each.origin in reached), None)
        if cut is not None:
            at = ends.get(cut.name, operation)
            return Explanation(target.label, "none", 0.0, at, *_why_cut(cut.name.partition("(")[0], cut.name), ())
        if any(each.name in reached for each in operation.inputs):
            reached.update(filter(None, operation.outputs))
            last = operation
    end = next((each for each in tape.ends if any(given.name in reached for given in each.inputs)), None)
    if end is not None:
        return Explanation(target.label, "none", 0.0, end, *_why_cut(end.rule, end.label), ())
    if last is target:
        reason = "no operation takes it, as far as gradients go: it is not used, or as a constant alone"
        remedy = "use it itself; what is computed in no_tape or no_grad is a constant, and so are .data and item()"
    else:
        reason, remedy = "what was computed of it goes into no output", "return it, or leave it out"
    return Explanation(target.label, "none", 0.0, None if last is target else last, reason, remedy, ())


def _why_cut(rule: str, name: str) -> tuple[str, str]:
    """Say why nothing of what a rule gives carries a gradient on, and the remedy."""
    if rule in STEP_FUNCTIONS:
        return FLAT
    if rule in ("stop_gradient", "detach"):
        return (
            f"{name} takes it out, as stop_gradient, detach() and .data do",
            "leave the cut out, or differentiate by something else",
        )
    return (
        f"it goes into {rule}, of which nothing carries a gradient on (an integer, an index or a mask)",
        "differentiate by something else",
    )


# Zero -----------------------------------------------------------------------------------------------------------------


def _died(target: Operation, steps: list[Step]) -> Explanation:
    for step in steps:
        if step.came > 0 and step.went == 0:
            reason, remedy = why_zero(step.operation, step.argument)
            return Explanation(target.label, "zero", 0.0, step.operation, reason, remedy, tuple(steps))
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        came = _norm(target.gradient) if following is None else following.came
        if step.went > 0 and came == 0:
            where = target if following is None else following.operation
            reason = f"what comes to {where.label} from its {len(where.users)} uses adds up to zero"
            return Explanation(
                target.label, "zero", 0.0, where, reason, "the output does not depend on it", tuple(steps)
            )
    reason = "the gradient of the output is zero itself"
    return Explanation(target.label, "zero", 0.0, None, reason, "", tuple(steps))


# NaN, and size --------------------------------------------------------------------------------------------------------


def _born(tape: Trace, target: Operation, norm: float, steps: list[Step]) -> Explanation:
    verdict = "nan" if math.isnan(norm) else "infinite"
    for step in steps:
        if math.isfinite(step.came) and not math.isfinite(step.went):
            operation = step.operation
            masked = any(each.rule.strip("_") in ("where", "masked_fill") for each in tape.users_of(operation))
            values = [
                each
                for each in (*(one.value for one in tape.inputs_of(operation)), operation.value)
                if each is not None
            ]
            grads = [each for each in operation.gradients if each is not None]
            found = reason_in_backward(operation.rule, grads, values, masked)
            bad = next((each for each in values if not bool(each.isfinite().all())), None)
            if found is None and bad is not None:
                found = (
                    "a value that its rule uses is not finite itself, from the forward on",
                    "with nexnet.debug_nans(): ... names the operation that made it",
                )
            reason, remedy = found or (
                f"the rule of {operation.rule} made it",
                "nexnet.debug_nans() shows the elements",
            )
            return Explanation(target.label, verdict, norm, operation, reason, remedy, tuple(steps))
    reason = "gradients that are added up overflow, or the output's gradient is not finite itself"
    return Explanation(target.label, verdict, norm, steps[0].operation if steps else None, reason, "", tuple(steps))


def _grew(target: Operation, norm: float, huge: bool, steps: list[Step]) -> Explanation:
    groups: dict[tuple[str, Source | None], list[tuple[float, Step]]] = {}
    for each in steps:
        ratio = each.went / each.came if each.came else 1.0
        if ratio > 1.2 if huge else ratio < 0.8:
            groups.setdefault((each.operation.rule, each.operation.source), []).append((ratio, each))
    if not groups:
        reason = f"it {'grows' if huge else 'shrinks'} a little at many operations, by nothing much at any of them"
        return Explanation(target.label, "huge" if huge else "vanishing", norm, None, reason, "", tuple(steps))
    choose = max if huge else min
    alike = choose(groups.values(), key=lambda group: math.prod(ratio for ratio, _ in group))
    ratio, step = choose(alike, key=lambda pair: pair[0])
    verb = "grows" if huge else "shrinks"
    whole = math.prod(each for each, _ in alike)
    if len(alike) > 2:
        mean = whole ** (1 / len(alike))
        reason = f"it {verb} {len(alike)} times at {step.operation.rule}, by {mean:.3g} each, {whole:.3g} in all"
        remedy = (
            "smaller weights (an orthogonal start has none of it), normalisation, or clipping the gradient"
            if huge
            else "larger weights, normalisation, residual connections, or an activation that does not saturate"
        )
    else:
        reason = f"it {verb} by {ratio:.3g} at {step.operation.rule}"
        remedy = "look at the numbers that go into it" + (": a division by something small?" if huge else "")
    return Explanation(
        target.label, "huge" if huge else "vanishing", norm, step.operation, reason, remedy, tuple(steps)
    )
