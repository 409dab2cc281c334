"""L-BFGS: steps along Newton's direction, of a Hessian that the last gradients tell of."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
from torch.optim.lbfgs import _strong_wolfe

import nexnet
from nexnet import LiteTensor
from nexnet.engine import unwrap, wrap
from nexnet.errors import InputError, check_count, message

from .._succession import succeed
from ..errors import OptimizerError
from ._shared import Hyperparameter, Model, are_constants, check_hyperparameter, check_model, refuse_tracking

__all__ = ["LBFGS", "LBFGSState"]


class LBFGSState(NamedTuple):
    """What L-BFGS keeps between steps, of a model with n elements; counts are of shape ().

    Attributes:
        step: how many iterations there were.
        evaluations: how many gradients.
        value: the loss with which the last step began.
        direction: the last iteration's, of shape (n,).
        step_size: the last iteration's, of shape ().
        gradient: the last iteration's, of shape (n,).
        gradient_changes: those of the last iterations, oldest first: ``history_size`` tensors of shape (n,).
        moves: as them.
        remembered: how many of these there are; the others are 0.
        scale: that of the initial Hessian's inverse.
    """

    step: LiteTensor
    evaluations: LiteTensor
    value: LiteTensor
    direction: LiteTensor
    step_size: LiteTensor
    gradient: LiteTensor
    gradient_changes: tuple[LiteTensor, ...]
    moves: tuple[LiteTensor, ...]
    remembered: LiteTensor
    scale: LiteTensor


@dataclasses.dataclass(frozen=True, eq=False)
class LBFGS:
    """L-BFGS (D. Liu and J. Nocedal, 1989), step for step that of ``torch.optim.LBFGS``.

    A step takes the loss itself, a function of the model that gives a scalar, which it evaluates several times::

        lbfgs = nn.LBFGS(line_search_fn="strong_wolfe")
        state = lbfgs.init(model)
        for _ in range(10):
            model, state = lbfgs.update(model, lambda model: loss(model, x, y), state)

    ``update`` is pure, and differentiable: how many iterations there are and what a line search finds is taken as
    constant. What it decides it decides by values, which ``nexnet.vmap`` does not have. Models must be small: the
    history is 2 ``history_size`` times as large.

    Args:
        lr: the step size, from which a line search begins.
        max_iter: how many iterations a step has at most.
        max_eval: how many gradients it takes at most; ``max_iter * 5 // 4`` by default.
        tolerance_grad: it ends where no element of the gradient is larger;
        tolerance_change: and where neither the loss nor a parameter changes more.
        history_size: how many iterations are remembered.
        line_search_fn: ``"strong_wolfe"``, or ``None`` for steps of fixed size.
        maximize: whether to climb instead of descending.

    Raises:
        OptimizerError: an option out of its range.
    """

    lr: Hyperparameter = 1
    max_iter: int = 20
    max_eval: int | None = None
    tolerance_grad: float = 1e-7
    tolerance_change: float = 1e-9
    history_size: int = 100
    line_search_fn: Literal["strong_wolfe"] | None = None
    maximize: bool = dataclasses.field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lr", check_hyperparameter("LBFGS", "lr", self.lr))
        if self.line_search_fn not in (None, "strong_wolfe"):
            raise OptimizerError(
                message(
                    "only 'strong_wolfe' is supported.",
                    rule="LBFGS",
                    argument="line_search_fn",
                    got=self.line_search_fn,
                )
            )
        for name in ("max_iter", "max_eval", "history_size"):
            value = getattr(self, name)
            if value is not None:
                check_count(value, OptimizerError, f"invalid {name}.", rule="LBFGS", argument=name)

    def init(self, model: Any) -> LBFGSState:
        """Make the state for the first step.

        Raises:
            OptimizerError: a leaf of the model that is no real LiteTensor, or a tensor that is two leaves at once.
        """
        params, _ = check_model("LBFGS", model)
        if any(each.data.is_complex() for each in params):
            raise OptimizerError(
                message("L-BFGS's parameters are real.", rule="LBFGS", got="a parameter of complex dtype")
            )
        x = nexnet.tree.ravel(model)[0].data
        none = [LiteTensor(torch.zeros((), dtype=torch.int64)) for _ in range(3)]
        vectors = [LiteTensor(torch.zeros_like(x)) for _ in range(2)]
        nothing = LiteTensor(x.new_zeros(1).expand(x.numel()))  # it takes no memory
        history = [(nothing,) * self.history_size for _ in range(2)]
        value, size, scale = (LiteTensor(x.new_zeros(())) for _ in range(3))
        return LBFGSState(
            none[0], none[1], value, vectors[0], size, vectors[1], history[0], history[1], none[2], scale
        )  # fmt: skip

    def update(self, model: Model, loss: Callable[[Model], LiteTensor], state: LBFGSState) -> tuple[Model, LBFGSState]:
        """Give the model and the state after a step down ``loss(model)``. Pure and differentiable.

        Raises:
            OptimizerError: no state; one for a model of another size.
            InputError: no function; a loss of several elements.
        """
        x, unravel = nexnet.tree.ravel(model)
        if not isinstance(state, LBFGSState):
            raise OptimizerError(
                message(
                    "this is no state of L-BFGS.",
                    rule="LBFGS",
                    argument="state",
                    got=type(state).__name__,
                    remedy="begin with the one that init gives of this model",
                )
            )
        if state.direction.shape != x.shape or len(state.moves) != self.history_size:
            raise OptimizerError(
                message(
                    "the state is not that of this model and this history_size.",
                    rule="LBFGS",
                    expected=f"{x.shape[0]} elements, {self.history_size} iterations",
                    got=f"{state.direction.shape[0]} elements, {len(state.moves)} iterations",
                )
            )

        # Where nobody looks on it is torch's arithmetic, in what memory there is.
        plain = are_constants([x, *nexnet.tree.leaves(state)])
        bare: Any = unwrap if plain else _same
        lite: Any = wrap if plain else _same

        def evaluate(x: Any) -> tuple[Any, Any]:
            value, grads = nexnet.value_and_grad(loss)(unravel(lite(x)))
            if value.data.numel() != 1:
                raise InputError(
                    message(
                        "the loss has several elements, and L-BFGS goes down one number.",
                        rule="LBFGS",
                        argument="loss",
                        got=f"shape {tuple(value.shape)}",
                        remedy="give its mean() or sum()",
                    )
                )
            g = bare(nexnet.tree.ravel(grads)[0])
            return (-value, -g) if self.maximize else (value, g)

        step, max_eval = int(state.step.data), self.max_iter * 5 // 4 if self.max_eval is None else self.max_eval
        lr: Any = self.lr(step) if callable(self.lr) and not isinstance(self.lr, LiteTensor) else self.lr
        lr = bare(lr.reshape(())) if isinstance(lr, LiteTensor) else lr
        x = bare(x)
        first, g = evaluate(x)
        value, evaluations, iterations = first, 1, 0
        t: Any = bare(state.step_size)
        d, g_before, scale = bare(state.direction), bare(state.gradient), bare(state.scale)
        known = int(state.remembered.data)
        changes, moves = [*map(bare, state.gradient_changes[:known])], [*map(bare, state.moves[:known])]
        shares = [1 / (y @ s) for y, s in zip(changes, moves, strict=True)]
        while not _largest(g) <= self.tolerance_grad and iterations < self.max_iter:
            iterations, step = iterations + 1, step + 1
            if step == 1:
                d = -g
            else:
                y, s = g - g_before, d * t
                product = y @ s
                if product.data > 1e-10:
                    changes, moves, shares = (
                        [*rows, row][-self.history_size :]
                        for rows, row in ((changes, y), (moves, s), (shares, 1 / product))
                    )
                    scale = product / (y @ y)
                d = _newton(g, changes, moves, shares, scale if moves else 1)
            g_before, value_before = g, float(value.data)
            t = (1 / g.abs().sum()).clamp(max=1) * lr if step == 1 else lr
            slope = g @ d
            if slope.data > -self.tolerance_change:
                break
            if self.line_search_fn:
                value, g, t, taken = _search(evaluate, x, t, d, value, g, slope, max_eval - evaluations)
                evaluations += taken
                x = _moved(x, d, t)
                if nexnet.TapeContext.current() is not None:  # the search's own are constants
                    value, g = evaluate(x)
            else:
                x = _moved(x, d, t)
                if iterations != self.max_iter:
                    value, g = evaluate(x)
                    evaluations += 1
            if iterations == self.max_iter or evaluations >= max_eval:
                break
            if _largest(d) * abs(_number(t)) <= self.tolerance_change:
                break
            if abs(float(value.data) - value_before) < self.tolerance_change:
                break
        x, gone = lite(x), len(moves)
        first = -first if self.maximize else first
        new = LBFGSState(
            LiteTensor(torch.tensor(step)), state.evaluations + evaluations, first, lite(d), _tensor(t, x),
            lite(g_before), (*map(lite, changes), *state.gradient_changes[gone:]),
            (*map(lite, moves), *state.moves[gone:]), LiteTensor(torch.tensor(gone)), _tensor(scale, x),
        )  # fmt: skip
        return unravel(x), new

    def update_(self, model: Model, loss: Callable[[Model], LiteTensor], state: LBFGSState) -> tuple[Model, LBFGSState]:
        """Make a step in the storage of the model's tensors; give the model and the new state. The given one is spent.

        Raises:
            TrackedTensorError: something is being differentiated.
            OptimizerError: a state for a model of another size.
        """
        refuse_tracking("LBFGS")
        new, state = self.update(model, loss, state)
        for p, q in zip(nexnet.tree.leaves(model), nexnet.tree.leaves(new), strict=True):
            p.data.copy_(q.data)
        return succeed(model), state


def _newton(g: Any, changes: list[Any], moves: list[Any], shares: list[Any], scale: Any) -> Any:
    """Give minus the inverse Hessian times the gradient, by the recursion in two loops."""
    q, factors = -g, []
    for y, s, share in zip(reversed(changes), reversed(moves), reversed(shares), strict=True):
        factors.append((s @ q) * share)
        q = _added(q, y, -factors[-1])
    r = q * scale
    for y, s, share, factor in zip(changes, moves, shares, reversed(factors), strict=True):
        r = _added(r, s, factor - (y @ r) * share)
    return r


def _added(x: Any, y: Any, factor: Any) -> Any:
    """Give x + y times a number; a tensor of torch's is written into."""
    return x.add_(y, alpha=factor) if isinstance(x, torch.Tensor) else x + y * factor


def _moved(x: Any, d: Any, t: Any) -> Any:
    """Give x + d t. A loss may have kept what it was given: nothing is written into."""
    return x.add(d, alpha=t) if isinstance(x, torch.Tensor) else x + d * t


def _same(value: Any) -> Any:
    return value


def _search(evaluate: Any, x: Any, t: Any, d: Any, value: Any, g: Any, slope: Any, left: int) -> tuple[Any, ...]:
    """Find a step size by torch's line search: give value and gradient there, the size, and how many were taken."""
    lite: Any = LiteTensor if isinstance(x, LiteTensor) else _same

    def at(x: Any, t: Any, d: Any) -> tuple[float, torch.Tensor]:
        value, g = evaluate(lite(x.add(d, alpha=t)))
        return float(value.data), g.data

    recording = nexnet.TapeContext.current() is not None
    with nexnet.no_tape() if recording else contextlib.nullcontext():
        found, slopes, size, taken = _strong_wolfe(
            at, x.data, _number(t), d.data, float(value.data), g.data, slope.data, max_ls=left
        )
    return LiteTensor(found, dtype=x.dtype), lite(slopes), float(size), taken


def _largest(vector: Any) -> float:
    """Give the largest absolute value, or NaN."""
    low, high = vector.data.aminmax()  # one pass, of vectorised code
    return max(-float(low), float(high))


def _number(t: Any) -> float:
    return float(t.data if isinstance(t, LiteTensor) else t)


def _tensor(number: Any, like: Any) -> LiteTensor:
    """Give a number as a tensor of shape ()."""
    if isinstance(number, torch.Tensor):
        return LiteTensor(number)
    return number if isinstance(number, LiteTensor) else LiteTensor(torch.tensor(float(number), dtype=like.dtype))
