"""Implicit differentiation: the derivative of a solver's result, without a look at the solver's steps.

Where x solves f(x, a) = 0, the implicit function theorem gives dx = -J^-1 df, with J the Jacobian of f by x, and df
what a change of a makes of f at that x. So the solver runs unrecorded, and a gradient g goes back through f, at the
solution, as -w, where w solves the adjoint system J^T w = g. That system is itself a root to find, of J^T w - g, and
is differentiated as one: this gives every order, and forward mode.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import optree
import torch
from torch import Tensor

from .. import tree
from .._resuming import as_here
from ..engine import Key, TapeContext, kernels_only, record_composite, wrap
from ..errors import ConvergenceError, InputError, message
from ..policy import Policy
from ..tensor import LiteTensor
from ._evaluate import check_callable, flatten
from ._segment import Segment, pull_back, sources
from .cut import no_tape, stop_gradient
from .product import fit_tree, vjp
from .vmap import vmap

if TYPE_CHECKING:
    from ._signatures import P, R

__all__ = ["conjugate_gradient_solve", "custom_fixed_point", "custom_root", "dense_solve", "neumann_solve"]

#: Systems of up to so many unknowns are solved by a dense matrix, unless a ``transpose_solve`` is given.
DENSE = 512

Solver = Callable[[Callable[[Any], Any], Any], Any]


def custom_root(fn: Callable[P, R], solve: Solver, transpose_solve: Solver | None = None) -> Callable[P, R]:
    """Make a function ``root(guess, *args)`` that gives the x with ``fn(x, *args) == 0``, differentiated implicitly.

    The derivatives are those of the exact root, by ``args`` and by every tensor that ``fn`` closes over, at any order
    and in every composition; by ``guess`` they are zero. They are as accurate as the root that ``solve`` gives.

    Args:
        fn: a function of x (a tensor or a pytree) and of further arguments, that returns what has to be zero, with
            the structure, shapes and dtypes of x.
        solve: ``solve(residual, guess)`` gives the x with ``residual(x) == 0``, by any means: it is never recorded.
            Under ``vmap`` it sees one example, as every function there, and can't branch on its values.
        transpose_solve: ``transpose_solve(matvec, b)`` gives the x with ``matvec(x) == b`` for a linear function of
            a pytree like b; it is used for the Jacobian at the root, and for its transpose. By default
            ``dense_solve`` for up to 512 unknowns, ``conjugate_gradient_solve`` beyond.

    Raises:
        ConvergenceError: ``solve`` gave numbers that are not finite, or a linear system can't be solved.
        InputError: no function; ``fn`` has returned something that is not like x.

    Example::

        def newton(residual, x):
            for _ in range(20):
                x = x - residual(x) / nexnet.grad(residual)(x)
            return x

        sqrt = nexnet.custom_root(lambda x, a: x * x - a, newton)
        nexnet.grad(lambda a: sqrt(1.0, a))(4.0)  # 0.25
    """
    linear = _dense_or(conjugate_gradient_solve) if transpose_solve is None else transpose_solve
    _check_functions("custom_root", fn, solve, linear)

    @functools.wraps(fn)
    def root(guess: Any, *args: Any, **kwargs: Any) -> Any:
        def residual(x: Any) -> Any:
            return fn(x, *args, **kwargs)

        return _solution(residual, residual, solve, linear, guess)

    return root  # type: ignore[return-value]  # whose first argument is the guess


def custom_fixed_point(
    fn: Callable[P, R],
    solve: Solver | None = None,
    transpose_solve: Solver | None = None,
    *,
    tolerance: float | None = None,
    max_steps: int = 1000,
) -> Callable[P, R]:
    """Make a function ``fixed_point(guess, *args)`` that gives the x with ``x == fn(x, *args)``.

    It is differentiated implicitly: as ``custom_root`` of ``x - fn(x)``, of which everything holds, with solvers of
    its own.

    Args:
        fn: a function of x (a tensor or a pytree) and of further arguments, that returns the next x, with the
            structure, shapes and dtypes of x.
        solve: ``solve(step, guess)`` gives the x with ``x == step(x)``. By default ``step`` is iterated.
        transpose_solve: as in ``custom_root``. By default ``dense_solve`` for up to 512 unknowns; beyond,
            ``neumann_solve``, which converges where the iteration does.
        tolerance: the iteration ends when no element changes by more than this, relative to the largest or to 1,
            whichever is more. By default 2e-12 in float64 and 6e-6 in float32 (the precision to the power 3/4).
        max_steps: of the iteration.

    Raises:
        ConvergenceError: the iteration diverged, or has not ended after ``max_steps``; and as ``custom_root``.

    Example::

        >>> root = nexnet.custom_fixed_point(lambda x, a: (x + a / x) / 2)
        >>> nexnet.value_and_grad(lambda a: root(1.0, a))(4.0)
        (LiteTensor(2.), LiteTensor(0.2500))
    """
    linear = _dense_or(neumann_solve) if transpose_solve is None else transpose_solve
    solver = functools.partial(_iterate, tolerance=tolerance, max_steps=max_steps) if solve is None else solve
    _check_functions("custom_fixed_point", fn, solver, linear)

    @functools.wraps(fn)
    def fixed_point(guess: Any, *args: Any, **kwargs: Any) -> Any:
        def step(x: Any) -> Any:
            return fn(x, *args, **kwargs)

        def residual(x: Any) -> Any:
            return tree.map(lambda before, after: before - after, x, fn(x, *args, **kwargs))

        return _solution(residual, step, solver, linear, guess)

    return fixed_point  # type: ignore[return-value]


def _check_functions(rule: str, fn: Any, solve: Any, linear: Any) -> None:
    for name, given in {"fn": fn, "solve": solve, "transpose_solve": linear}.items():
        check_callable(given, rule, name)


# ---------------------------------------------------------------------------------------------------------------------
# The rule


def _solution(
    residual: Callable[[Any], Any], given: Callable[[Any], Any], solve: Solver, linear: Solver, guess: Any
) -> Any:
    leaves, treespec = flatten(guess, "guess")
    with no_tape():
        found = solve(given, stop_gradient(optree.tree_unflatten(treespec, leaves)))
    leaves, treespec = flatten(found, "solution")
    _refuse_complex(leaves)
    if not all(_everywhere(each.data.isfinite()) for each in leaves):
        raise ConvergenceError(
            message("the solver gave numbers that are not finite.", remedy="try another guess, or another solver")
        )
    return _differentiable(residual, optree.tree_unflatten(treespec, leaves), linear)


def _differentiable(residual: Callable[[Any], Any], solution: Any, linear: Solver) -> Any:
    """Tie the solution, which is a constant so far, to all that the residual depends on."""
    if TapeContext.current() is None:
        return solution
    leaves, treespec = flatten(stop_gradient(solution), "solution")
    with Segment() as segment, kernels_only():
        rest = fit_tree(residual(optree.tree_unflatten(treespec, leaves)), leaves, treespec, "residual", "the solution")
        nodes = segment.nodes()
        concerned = [tape for tape in segment.tapes if any(tape.tracks(each.key) for each in rest)]
    if not concerned:
        return solution
    inputs, closed_over = sources(nodes, rest, residual)
    results = tuple(wrap(each.data) for each in leaves)
    saved = (_Problem(treespec, closed_over, as_here()), tuple(inputs.values()), residual, linear, *results)
    record_composite(implicit, (*inputs, *closed_over), saved, None, results, concerned)
    return optree.tree_unflatten(treespec, results)


class _Problem:
    """What the rule keeps beside tensors; ``closed_over`` is what nobody finds in the residual's closure."""

    def __init__(self, treespec: optree.PyTreeSpec, closed_over: list[Key], again: Callable[..., Any]) -> None:
        self.treespec, self.closed_over, self.again = treespec, closed_over, again


class implicit(Policy):
    """x with residual(x; a) = 0:  da = -(the residual's pullback by a, at x)(w), where J^T w = g."""

    def forward(self, *args: Any) -> Any:
        raise NotImplementedError("a solver is recorded as a whole, after it has run")

    def backward(self, *grads: Any) -> Any:
        problem, inputs, residual, linear, *leaves = self.ctx.release
        solution = optree.tree_unflatten(problem.treespec, map(_as_lite, leaves))
        gradient = optree.tree_unflatten(problem.treespec, map(_as_lite, grads))
        again = problem.again

        # It closes over tensors and functions alone, for vmap to look into: no tape, no pullback.
        def adjoint(w: Any) -> Any:
            (product,) = again(vjp, residual, solution)[1](w)
            return tree.map(lambda a, b: a - b, product, gradient)

        with no_tape():
            _, pullback = again(vjp, residual, solution)
            w = linear(lambda v: pullback(v)[0], gradient)
        w = _differentiable(adjoint, w, linear)
        seeds = [-each for each in tree.leaves(w)]
        return pull_back(lambda: tree.leaves(again(residual, solution)), seeds, inputs, problem.closed_over)


implicit.__name__ = "custom_root"


def _as_lite(value: Any) -> LiteTensor:
    return value if isinstance(value, LiteTensor) else wrap(value)


# ---------------------------------------------------------------------------------------------------------------------
# Solvers. They run unrecorded, on one example or, under vmap, on all at once: then they go on until each has converged.


def _dense_or(iterative: Solver) -> Solver:
    def solve(matvec: Callable[[Any], Any], b: Any) -> Any:
        size = sum(each.numel() for each in tree.leaves(b))
        return (dense_solve if size <= DENSE else iterative)(matvec, b)

    return solve


def dense_solve(matvec: Callable[[Any], Any], b: Any) -> Any:
    """Solve ``matvec(x) == b`` by the matrix of the linear function, whose columns are computed at once by vmap."""
    vector, product, unravel = _as_vectors(matvec, b)
    if vector.numel() == 0:
        return b
    exact = torch.promote_types(vector.dtype, torch.float32)  # torch has no solve in half precision
    basis = torch.eye(vector.numel(), dtype=vector.dtype, device=vector.device)
    matrix = vmap(product)(basis).data.mT
    try:
        solution = torch.linalg.solve(matrix.to(exact), vector.data.to(exact))
    except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]
        raise ConvergenceError(
            message(
                "the Jacobian at the solution is singular: the solution is no smooth function of the arguments there.",
                got=str(error).splitlines()[0],
                remedy="look for equations that say the same, or for a double root",
            )
        ) from error
    return unravel(wrap(solution.to(vector.dtype)))


def neumann_solve(
    matvec: Callable[[Any], Any], b: Any, *, tolerance: float | None = None, max_steps: int = 1000
) -> Any:
    """Solve ``matvec(x) == b`` by the iteration x <- x + b - matvec(x).

    For matvec = I - J this is the series b + J b + J J b + ..., which converges if J has a spectral radius below 1.
    """
    vector, product, unravel = _as_vectors(matvec, b)
    return unravel(_iterate(lambda x: x + vector - product(x), vector, tolerance=tolerance, max_steps=max_steps))


def conjugate_gradient_solve(
    matvec: Callable[[Any], Any], b: Any, *, tolerance: float | None = None, max_steps: int | None = None
) -> Any:
    """Solve ``matvec(x) == b`` by conjugate gradients on the normal equations: any matrix that is not singular.

    It ends when the residual is ``tolerance`` times as long as b (by default the precision to the power 3/4). The
    steps that it needs grow with the condition number; ``max_steps`` is by default ten times the number of unknowns.
    """
    vector, product, unravel = _as_vectors(matvec, b)
    _, pullback = vjp(product, vector)
    tolerance = _tolerance(tolerance, vector.dtype)
    max_steps = max_steps or 10 * vector.numel()
    x, residual = torch.zeros_like(vector.data), vector.data
    direction = slope = pullback(vector)[0].data
    before = slope.dot(slope)
    goal = tolerance * residual.norm()
    for _ in range(max_steps):
        if _everywhere(residual.norm() <= goal):
            break
        image = product(wrap(direction)).data
        step = _ratio(before, image.dot(image))
        x, residual = x + step * direction, residual - step * image
        slope = pullback(wrap(residual))[0].data
        now = slope.dot(slope)
        direction, before = slope + _ratio(now, before) * direction, now
    if not _everywhere(residual.norm() <= goal):
        raise ConvergenceError(
            message(
                "conjugate gradients have not solved the linear system of implicit differentiation.",
                expected=f"a residual of at most {tolerance:.1e} times the right hand side",
                got=f"{_largest(residual.norm() / vector.data.norm()):.1e} after {max_steps} steps",
                remedy="pass a transpose_solve that suits the problem, such as nexnet.transforms.implicit.dense_solve",
            )
        )
    return unravel(wrap(x))


def _iterate(step: Callable[[Any], Any], guess: Any, *, tolerance: float | None, max_steps: int) -> Any:
    """Repeat x <- step(x) until x stays."""
    x = guess
    leaves, treespec = flatten(x, "guess")
    limits = [_tolerance(tolerance, each.dtype) for each in leaves]
    change = float("inf")
    for taken in range(1, max_steps + 1):  # noqa: B007  (the error names it)
        after = fit_tree(step(x), leaves, treespec, "next x", "the guess")
        moves = [_longest(new.data - old.data) for new, old in zip(after, leaves, strict=True)]
        scales = [_longest(new.data) for new in after]
        leaves, x = after, optree.tree_unflatten(treespec, after)
        change = max(map(_largest, moves), default=0.0)
        if not change < float("inf"):
            break
        if all(
            _everywhere(move <= limit * scale.clamp(min=1))
            for move, scale, limit in zip(moves, scales, limits, strict=True)
        ):
            return x
    raise ConvergenceError(
        message(
            "the fixed-point iteration has not converged.",
            expected=f"a change of at most {max(limits):.1e}",
            got=f"a change of {change:.1e} after {taken} steps",
            remedy="make fn a contraction (damp it, say), raise max_steps or tolerance, or pass a solver of your own",
        )
    )


def _as_vectors(matvec: Callable[[Any], Any], b: Any) -> tuple[LiteTensor, Callable[[Any], Any], Callable[[Any], Any]]:
    """Give the linear system for vectors: the right hand side, the product, and the way back."""
    _refuse_complex(tree.leaves(b))
    vector, unravel = tree.ravel(b)

    def product(x: Any) -> LiteTensor:
        return tree.ravel(matvec(unravel(x)))[0]

    return vector, product, unravel


def _refuse_complex(unknowns: list[Any]) -> None:
    if any(each.dtype.is_complex for each in unknowns):
        raise InputError(
            message(
                "the unknowns must be real: a linear function of complex ones need be no complex matrix.",
                got="an unknown of complex dtype",
                remedy="solve for real and imaginary parts: nexnet.view_as_complex(x) in the function",
            )
        )


def _tolerance(given: float | None, dtype: torch.dtype) -> float:
    return float(torch.finfo(dtype).eps ** 0.75) if given is None else given


def _ratio(a: Tensor, b: Tensor) -> Tensor:
    return a / torch.where(b == 0, torch.ones_like(b), b)


def _everywhere(condition: Tensor) -> bool:
    """Say whether a condition holds for every element, of every example if a vmap is at work."""
    return bool(_plain(condition).all())


def _largest(value: Tensor) -> float:
    return float(_plain(value).max())


def _longest(data: Tensor) -> Tensor:
    return data.abs().amax() if data.numel() else data.new_zeros(())


def _plain(data: Tensor) -> Tensor:
    while torch._C._functorch.is_batchedtensor(data):
        data = torch._C._functorch.get_unwrapped(data)
    return data
