"""check_gradients: a function's derivatives of each order against finite differences, JAX, PyTorch and themselves."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import torch
from torch import Tensor, nn

import nexnet
from nexnet.errors import InputError, message

from . import consistency, transforms
from .comparing import Gap, compare, hint
from .errors import NotDifferentiableWarning
from .finite import SEARCHED, SMALL, Deviation, Element, FiniteDifferences
from .judge import JAX_RTOL, Judge, Stop, kind_of
from .problem import Problem, in_torch, staying
from .report import GradientReport, Obstacle
from .torch_reference import TorchReference

if TYPE_CHECKING:
    from .jax_reference import JaxReference

__all__ = ["check_gradients"]

FD_RTOL = 1e-6  # along a direction; the extrapolated differences are good to 1e-9 and better
AGAIN_RTOL = 1e-12  # LAPACK rounds by where in memory its arguments happen to lie
SAME_RTOL = 1e-11  # one float64 program, its inputs laid out otherwise
FORWARD_RTOL = 1e-9  # another program for the same number, as JAX's is
FLOAT32_RTOL = 1e-3  # of the largest element: what rounding to 2**-24 may become on the way through a function

T = TypeVar("T")


def check_gradients(
    fn: Callable[..., Any],
    *args: Any,
    order: int = 2,
    modes: Sequence[str] = ("reverse", "forward"),
    expected: Callable[..., Any] | None = None,
    reference: Callable[..., Any] | Literal["known"] | None = None,
    torch_reference: Callable[..., Any] | None = None,
    torch_rtol: float | None = None,
    directions: int = 8,
    seed: int = 0,
    rtol: float | None = None,
    atol: float | None = None,
    strided: bool = True,
    vmap: bool = True,
    float32: bool = True,
    float32_rtol: float | None = None,
    report: bool = False,
    name: str | None = None,
    reproduce: str | None = None,
) -> GradientReport | None:
    """Check that a function's derivatives, up to an order, are right.

    In float64, at the point that the arguments are: against central finite differences whose step chooses itself (of
    the function at order 1, of the gradient at order 2, ...), along seeded directions and with non-uniform cotangents,
    and element by element where small; against JAX, if a counterpart is given; against itself (deterministic, nothing
    written into, two calls at once, any subset of the inputs, strided inputs, forward mode, vmap, float32). Elements at
    which the function is found to have no derivative are left out, and warned about: a convention at a kink is neither
    right nor wrong.

    Args:
        fn: an operator, a ``Policy`` class, any function of pytrees of LiteTensors that returns LiteTensors; a
            ``torch.autograd.Function``, whose derivatives must also be the same in PyTorch, or a ``torch.nn.Module``,
            as they are. A module is a function of its parameters, too: they are ``args[0]``, and what is given comes
            after them.
        args: its arguments, of any shapes. Every floating LiteTensor, torch tensor, numpy array and Python float in
            them is differentiated by, in a float64 copy with the same strides; everything else is passed as it is.
        order: the highest order to check. At order 2 and above also by the cotangents (the incoming gradients).
        modes: "reverse", and "forward" if ``nexnet.jvp`` must give the same derivatives. It is derived from the reverse
            one, which is therefore always checked; a ``jvp`` that a rule has of its own is compared with it, and
            differentiated at order 2.
        expected: the function whose derivatives these are meant to be, of the same arguments, where they are on purpose
            not those of ``fn``: the identity for a rounding that passes its gradient straight through. Finite
            differences are taken of it; all else is checked as ever.
        reference: the counterpart in JAX: it gets the same arguments, with JAX arrays for tensors. "known": that of an
            operator of nexnet.
        torch_reference: the counterpart in PyTorch, differentiated by its autograd: it gets torch tensors for tensors.
        torch_rtol: the relative error allowed against it. None: as against JAX.
        directions: how many random directions to follow where there are more than a few elements.
        seed: of the directions and the cotangents.
        rtol: the relative error allowed. None: 1e-6 against finite differences, along a direction, and 1e-9 against
            JAX and PyTorch, by element. Finite differences are always allowed their own estimated error.
        atol: the absolute error allowed. None: none for finite differences, 1e-12 of the largest element for JAX.
        strided: whether inputs with other strides must give the same derivatives.
        vmap: whether ``nexnet.vmap`` must give the same as a loop. What can't be run so is no error: the report's notes
            say why.
        float32: whether to compare the float32 derivatives with those of float64.
        float32_rtol: the error allowed there, relative to the largest element. None: 1e-3.
        report: give a ``GradientReport`` of all that was compared in place of raising.
        name: what messages call the function. None: its own name.
        reproduce: what messages say to run again. None: a call of this function.

    Raises:
        GradientMismatch: a derivative is wrong; the text names the rule, argument, order, reference and element.
        InputError: there is nothing to differentiate by, or the reference or ``expected`` returns something else.
        RuleError: the rule has called ``sys.exit``.

    Example::

        import jax.numpy as jnp
        from nexnet_verify import check_gradients

        check_gradients(nexnet.exp, nexnet.randn(3, 4), reference=jnp.exp)
    """
    if order < 1:
        raise InputError(message("there is no derivative to check.", argument="order", expected="1, 2, ...", got=order))
    if "reverse" not in modes or not {*modes} <= {"reverse", "forward"}:
        raise InputError(
            message(
                "these modes can't be checked.",
                argument="modes",
                expected='("reverse",) or ("reverse", "forward")',
                got=modes,
                remedy="nexnet derives forward mode from the reverse one: it is checked against that",
            )
        )
    if reference == "known":
        from .cases import known_reference

        reference = known_reference(fn)
    name = name or getattr(fn, "__name__", None) or type(fn).__name__
    if isinstance(fn, nn.Module):
        args = (nexnet.parameters_of(fn), *args)
    with staying(name):
        problem = Problem.of(fn, args, seed, order)
        problem.name = name
        if expected is not None:
            problem.mean(expected)
    found = GradientReport(name)
    check = _Check(problem, found, order, directions, rtol, atol, reproduce)
    if (applied := in_torch(fn)) is not None:
        check.in_torch = TorchReference(applied, problem, order)
    float32_rtol = (FLOAT32_RTOL if float32_rtol is None else float32_rtol) if float32 else None
    with contextlib.suppress(Stop), staying(name):
        check.torch_rtol = torch_rtol
        check.run(reference, torch_reference, strided, "forward" in modes, vmap, float32_rtol)
    if report:
        return found
    found.raise_for_mismatch()
    if found.singular:
        shown = "\n".join(f"  {each}" for each in found.singular[:5])
        warnings.warn(
            f"{len(found.singular)} elements at which {name} is not differentiable were left out:\n{shown}",
            NotDifferentiableWarning,
            stacklevel=2,
        )
    return None


class _Check(Judge):
    """One run of check_gradients.

    ``in_torch``: a ``torch.autograd.Function`` where it is used, which may have other derivatives there.
    """

    in_torch: TorchReference | None = None

    def run(
        self,
        reference: Callable[..., Any] | None,
        torch_fn: Callable[..., Any] | None,
        strided: bool,
        forward: bool,
        vmap: bool,
        float32_rtol: float | None,
    ) -> None:
        """Compare everything, the lowest order first."""
        problem = self.problem
        before = consistency.snapshot(problem)
        values = [out.data for out in problem.outputs(problem.leaves)]
        self.unchanged(before, 0)
        jax_reference = None
        if reference is not None:
            from .jax_reference import JaxReference

            jax_reference = JaxReference(reference, problem, self.order)
            self.compared("JAX", 0, self.gaps(0, values, jax_reference.outputs()))
        torch_reference = None
        if torch_fn is not None:
            torch_reference = TorchReference(torch_fn, problem, self.order)
            self.compared("PyTorch", 0, self.gaps(0, values, torch_reference.outputs(), self.torch_rtol))
        for order in range(1, self.order + 1):
            gradient = problem.gradient(order)
            self.unchanged(before, order)
            self.same(
                order, "determinism", gradient, problem.gradient(order), AGAIN_RTOL, consistency.NOT_DETERMINISTIC
            )
            if order == 1:
                self.same(1, "untouched", *consistency.shared_gradient(problem), 0.0, consistency.WRITES_GRADIENT)
                self.same(1, "untouched", *consistency.kept_outputs(problem), 0.0, consistency.WRITES_OUTPUT)
                names = [f"{path} of the {which} call" for which in ("first", "second") for path in problem.paths]
                self.same(
                    1, "two calls", *consistency.two_calls(problem), SAME_RTOL, consistency.TWO_CALLS, names=names
                )
            self.against_differences(order, gradient)
            if jax_reference is not None:
                self.against_jax(order, jax_reference)
            if torch_reference is not None:
                self.against_torch(order, torch_reference)
            gradient = problem.gradient(order) if self.report.singular else gradient
            expected = None if self.in_torch is None else self.in_torch.gradient(order)
            if expected is not None:
                self.same(order, "the Function in PyTorch", gradient, expected, JAX_RTOL, consistency.IN_TORCH)
            for i, alone, together in consistency.subsets(problem, order):
                self.same(order, "one input alone", [alone], [together], SAME_RTOL, consistency.SUBSET, i)
            if strided:
                self.strided(order, gradient)
            if forward:
                self.forward(order, gradient)
            if vmap:
                self.mapped(order)
            if float32_rtol is not None:
                self.against_float32(order, float32_rtol)
            self.unchanged(before, order)
            if order < self.order and not all(bool(each.isfinite().all()) for each in gradient):
                self.report.notes.append(f"order {order + 1} was left out: the gradient of order {order} is not finite")
                return

    def unchanged(self, before: list[Tensor], order: int) -> None:
        """Fail if the rule has written into its inputs."""
        for i, (old, new) in enumerate(zip(before, consistency.snapshot(self.problem), strict=True)):
            if not torch.equal(old.nan_to_num(), new.nan_to_num()):
                name = self.problem.path(i) if i < len(self.problem.leaves) else "a constant argument"
                self.note(order, "untouched", math.nan, old.numel(), False)
                self.fail(
                    f"{self.problem.name} writes into its input.", order, argument=name, hint=consistency.IN_PLACE
                )

    # Comparisons of whole tensors ------------------------------------------------------------------------------------

    def against_jax(self, order: int, reference: JaxReference) -> None:
        """Compare a derivative with JAX's; what differs at a kink is a convention, and is left out."""
        while True:
            gaps = self.gaps(order, self.problem.gradient(order), reference.gradient(order))
            if not sum(self.drop_singular(gap, i, order) for i, gap in enumerate(gaps)):
                break
        self.compared("JAX", order, gaps)

    def against_torch(self, order: int, reference: TorchReference) -> None:
        """Compare a derivative with PyTorch's, kinks and all: where it has one, nexnet follows it."""
        expected = reference.gradient(order)
        if expected is None:
            reason = f"it has no derivative of order {order}: {reference.missing[order]}"
            return self.report.obstacles.append(Obstacle("PyTorch", order, reason, True))
        rtol = self.torch_rtol or self.rtol or JAX_RTOL
        gaps = compare(self.problem.gradient(order), expected, rtol, self.atol, self.scale(order))
        return self.compared("PyTorch", order, gaps)

    def strided(self, order: int, gradient: Sequence[Tensor]) -> None:
        """Compare with the same inputs in other strides. A function may refuse those, as view does."""
        inputs = consistency.strided(self.problem)
        if inputs is None:
            return
        try:
            found = self.problem.gradient(order, inputs)
        except RuntimeError as error:
            self.report.notes.append(f"strided inputs are refused: {str(error).splitlines()[0]}")
        else:
            self.same(order, "strided", found, gradient, SAME_RTOL, consistency.STRIDED)

    def forward(self, order: int, gradient: Sequence[Tensor]) -> None:
        """Compare forward mode with the gradient: along a direction at order 1, by element above."""
        problem = self.problem
        own = transforms.own_jvps(problem) if order <= 2 else []
        text = transforms.forward_text(own)
        if order > 1:
            runs = [lambda: transforms.forward(problem, order)]
            if own:
                runs.append(lambda: transforms.reverse_over_forward(problem))
            for run in runs:
                found = self.pushed(order, run)
                if found is None:
                    return
                rounding = max(problem.rounding_size(level) for level in range(order))
                gaps = compare(found, gradient[: len(found)], FORWARD_RTOL, None, rounding)
                self.agree(order, "forward mode", self.smooth(gaps), text)
            return
        pushed = self.pushed(1, lambda: transforms.push(problem, gradient))
        if pushed is None:
            return
        if not all(bool(each.isfinite().all()) for each in gradient):
            return self.report.notes.append("forward mode was left out at order 1: the gradient is not finite")
        floor = FORWARD_RTOL * pushed.size + 1e-14 * self.scale(1)
        gaps = compare([pushed.forward], [pushed.reverse], FORWARD_RTOL, floor, 0.0)
        if not gaps[0].wrong.any():
            error = abs(float(pushed.forward - pushed.reverse)) / max(pushed.size, self.scale(1), 1e-300)
            return self.note(1, "forward mode", error, 1)
        names = ["the outputs' tangents, summed with their cotangents"]
        expected = transforms.tangents_by_vjp(problem, pushed.direction)
        if expected is not None:  # show the element
            each = compare(pushed.tangents, expected, FORWARD_RTOL, None, self.scale(1))
            if any(gap.wrong.any() for gap in each):
                gaps, names = each, [f"the tangent of output {i}" for i in range(len(each))]
        return self.agree(1, "forward mode", gaps, text, names=names)

    def pushed(self, order: int, run: Callable[[], T]) -> T | None:
        """Run something in forward mode; what can't be run is noted, and fails if it is a rule's own jvp."""
        found = transforms.attempt("forward mode", order, run)
        if not isinstance(found, Obstacle):
            return found
        if transforms.IN_JVP in found.reason:
            self.note(order, "forward mode", math.nan, 0, False)
            text = f"forward mode of {self.problem.name} can't be run: the jvp of a rule fails."
            self.fail(text, order, reference="forward mode", hint=found.reason)
        self.report.obstacles.append(found)
        return None

    def mapped(self, order: int) -> None:
        """Compare vmap over two examples with a loop."""
        found = transforms.attempt("vmap", order, lambda: transforms.mapped(self.problem, order))
        if isinstance(found, Obstacle):
            return self.report.obstacles.append(found)
        got, expected = found
        outputs = len(self.problem.weights) if order == 1 else 0
        names = [f"output {i}" for i in range(outputs)]
        names += [self.problem.path(i) for i in range(len(got) - outputs)]
        return self.same(order, "vmap", got, expected, SAME_RTOL, transforms.VMAP, names=names)

    def drop_singular(self, gap: Gap, place: int, order: int) -> bool:
        """Mask the wrong elements at which there is no derivative; say whether there were some."""
        wrong = torch.nonzero(gap.wrong.reshape(-1)).reshape(-1).tolist()
        if not wrong or place >= len(self.problem.masks):
            return False
        differences = self.differences(order, self.problem.gradient(order))
        before = len(self.report.singular)
        for j in wrong[:SEARCHED]:
            singular = differences.singular((place, j))
            if singular is None:
                break  # one smooth element that is wrong is enough
            self.report.singular.append(singular)
        return len(self.report.singular) > before

    def against_float32(self, order: int, rtol: float) -> None:
        """Compare the float32 derivative with the float64 one at the same, rounded point."""
        problem = self.problem
        rounded = [leaf.float().double() for leaf in problem.leaves]
        expected = problem.gradient(order, rounded)
        got = problem.gradient(order, rounded, torch.float32)
        numbers = torch.cat([each.double().reshape(-1).abs() for each in (*expected, *rounded, *problem.weights)])
        numbers = numbers[numbers > 0]
        if not numbers.isfinite().all() or (len(numbers) and not 1e-30 < numbers.min() <= numbers.max() < 1e30):
            self.report.notes.append(f"float32 was left out at order {order}: the numbers are beyond its range")
            return
        floor = rtol * max((float(each.abs().max()) for each in expected if each.numel()), default=0.0)
        gaps = self.smooth(compare(got, expected, rtol, max(floor, 1e-6 * problem.rounding_size(order - 1)), 0.0))
        ok = not any(gap.wrong.any() for gap in gaps)
        self.note(order, "float32", max((gap.error for gap in gaps), default=0.0), sum(g.count for g in gaps), ok)
        for i, gap in enumerate(gaps):
            if gap.wrong.any():
                text = f"the gradient of {problem.name} in float32 is not that in float64, at order {order}."
                remedy = (
                    "a constant or a cast that only one dtype can bear; or float32=False, if the function is meant so"
                )
                self.wrong_tensor(text, order, "float64", gap, i, remedy)

    # Finite differences ----------------------------------------------------------------------------------------------

    def differences(self, order: int, gradient: Sequence[Tensor]) -> FiniteDifferences:
        """Give the finite differences of an order."""
        rtol = FD_RTOL if self.rtol is None else max(self.rtol, FD_RTOL)
        return FiniteDifferences(self.problem, order, gradient, rtol, self.atol or 0.0)

    def against_differences(self, order: int, gradient: Sequence[Tensor]) -> None:
        """Compare along directions, and element by element where there are few."""
        differences = self.differences(order, gradient)
        if self.drop_nonfinite(differences):
            differences.refresh()
        elements = differences.elements()
        worst, count = 0.0, 0
        small = len(elements) <= SMALL
        if small:
            for element in elements:
                worst, count = max(worst, self.element(differences, element)), count + 1
        for direction in differences.random_directions(min(self.directions, 2) if small else self.directions):
            if elements:
                worst, count = max(worst, self.direction(differences, direction)), count + 1
        self.note(order, "finite differences", worst if count else math.nan, count)

    def element(self, differences: FiniteDifferences, element: Element) -> float:
        """Check one element; give its error."""
        deviation = differences.along(differences.only(element))
        if deviation.wrong:
            singular = differences.singular(element)
            if singular is None:
                self.wrong_element(differences, element, deviation)
            else:
                self.report.singular.append(singular)
                differences.refresh()
                return 0.0
        return deviation.error

    def direction(self, differences: FiniteDifferences, direction: list[Tensor]) -> float:
        """Check one direction; find the element that is wrong if it is. Give its error."""
        while True:
            direction = differences.unmasked(direction)
            deviation = differences.along(direction)
            if not deviation.wrong:
                return deviation.error
            element = differences.narrow(direction)
            alone = differences.along(differences.only(element))
            singular = differences.singular(element)
            if singular is None:
                self.wrong_element(differences, element, alone if alone.wrong else deviation)
            if self.problem.masks and element[0] >= len(self.problem.masks):
                return 0.0  # not differentiable by a cotangent: order 1 has failed, or the value is not a number
            self.report.singular.append(singular)  # type: ignore[arg-type]
            self.drop_kinks(differences)
            differences.refresh()

    def drop_kinks(self, differences: FiniteDifferences) -> None:
        """After one kink was found, look for all others."""
        for element in differences.elements()[:SEARCHED]:
            if element[0] < len(self.problem.masks):
                singular = differences.singular(element)
                if singular is not None:
                    self.report.singular.append(singular)

    def drop_nonfinite(self, differences: FiniteDifferences) -> bool:
        """Judge the elements for which the rule gives nan or inf; say whether some have no derivative."""
        before = len(self.report.singular)
        for i, each in enumerate(differences.gradient):
            for j in torch.nonzero(~each.reshape(-1).isfinite()).reshape(-1).tolist()[:SEARCHED]:
                if i < len(self.problem.masks) and self.problem.masks[i].reshape(-1)[j]:
                    continue
                singular = differences.singular((i, j))
                if singular is None:
                    self.wrong_element(differences, (i, j), differences.along(differences.only((i, j))))
                self.report.singular.append(singular)  # type: ignore[arg-type]
        return len(self.report.singular) > before

    def wrong_element(self, differences: FiniteDifferences, element: Element, deviation: Deviation) -> None:
        """Fail, showing an element in its own units."""
        unit = differences.unit_of(element)
        place, flat = element
        tensor = differences.followed[place]
        got = float(differences.gradient[place].reshape(-1)[flat])
        expected = deviation.difference.value / unit
        self.note(differences.order, "finite differences", deviation.error, 1, False)
        below = "" if differences.order == 1 else " of the order below"
        meant = "" if self.problem.meant is None else f", of {self.problem.meant.name}, which is expected"
        self.fail(
            f"the gradient of {self.problem.name} is wrong at order {differences.order}.",
            differences.order,
            reference=f"central finite differences{below}{meant}",
            argument=self.problem.path(place),
            kind=kind_of(tensor),
            element=differences.index(element),
            got=got,
            expected=expected,
            allowed=deviation.allowed / unit,
            step=str(deviation.difference),
            hint=hint(*differences.neighbours(element)),
        )
