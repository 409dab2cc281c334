"""What all optimisers are: hyper-parameters, their check, groups of parameters, and the way of a step round a rule."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar, cast

import torch

import nexnet
from nexnet import LiteTensor
from nexnet.engine import unwrap, wrap
from nexnet.errors import message

from .._succession import succeed
from ..errors import OptimizerError
from ._forms import Form, InPlace, New, Pure
from ._shared import (
    Model,
    are_constants,
    are_large,
    check_hyperparameter,
    check_model,
    check_shapes,
    copied,
    flatten_gradients,
    flatten_like,
    is_used,
    number_at,
    places_of,
    refuse_tracking,
)

__all__ = ["Optimizer"]

State = TypeVar("State", bound=tuple[Any, ...])


class _Known:
    """What an optimiser knows of itself from the beginning, for its steps to be quick."""

    _varying: list[str]  # the hyper-parameters that are no numbers
    _members: list[tuple[str, Any]]  # each group's pattern and optimiser
    _slots: dict[str, float]  # with the groups'
    _counts: bool
    _needed: list[str]  # of a state


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Optimizer(_Known, Generic[State]):
    """The base of the optimisers: hyper-parameters, and no state.

    A model is a pytree of LiteTensors of any shapes; gradients have its structure and shapes, and so have the trees of
    a state.

    One of these, a frozen dataclass, states its hyper-parameters as fields, their bounds, the trees that its state has
    beside the step, and its ``rule``: new parameters and a new state of the old ones and the gradients, all of them
    lists of tensors, in the arithmetic of the form that it is given. By that it has ``update``, which is pure and can
    be differentiated through at every order, and ``update_``, which writes into the tensors::

        from dataclasses import dataclass
        from typing import Any, NamedTuple


        class SignState(NamedTuple):
            step: nexnet.LiteTensor
            momentum: Any


        @dataclass(frozen=True, eq=False, repr=False)
        class Sign(nn.Optimizer[SignState]):
            lr: float = 1e-3
            bounds = {"lr": (False, None)}  # whether it may be negative, and what it is below
            state_class = SignState

            def slots(self):
                return {"momentum": 0}

            def rule(self, form, p, g, state, t):
                m = form.lerp_(state.momentum, g, 0.1)
                return form.sub_(p, form.sign(m), self.lr), state._replace(momentum=m)

    All numbers may be LiteTensors of one element, and be differentiated by, or schedules: functions of the number of
    steps that were made (see ``nexnet_nn.schedules``).

    Args:
        maximize: whether to climb instead of descending.
        groups: hyper-parameters of some of the parameters: ``{"*.bias": {"weight_decay": 0}}``. A parameter takes
            those of the first pattern (as in file names) that its path matches, as ``layers.0.bias``.
        capturable: whether the number of steps is kept where the parameters are, and numbers that are tensors stay
            there: nothing waits for a value, which ``nexnet.replay`` can record. On a GPU that takes some small
            kernels more.

    Raises:
        OptimizerError: a hyper-parameter out of its range; groups that are no dicts; a group with a hyper-parameter
            that there isn't.
    """

    maximize: bool = dataclasses.field(default=False, kw_only=True)
    groups: Mapping[str, Mapping[str, Any]] | None = dataclasses.field(default=None, kw_only=True)
    capturable: bool = dataclasses.field(default=False, kw_only=True)

    #: The numbers: whether they may be negative, and what they are below.
    bounds: ClassVar[Mapping[str, tuple[bool, float | None]]] = {}
    state_class: ClassVar[type[Any]]
    takes_complex: ClassVar[bool] = False
    takes_each_alone: ClassVar[bool] = False  # the rule of many tensors is that of each of them

    def __post_init__(self) -> None:
        name = type(self).__name__
        varying = []
        for field, (negative, below) in self.bounds.items():
            value = getattr(self, field)
            if isinstance(value, (tuple, list)):
                parts = [(f"{field}[{i}]", each) for i, each in enumerate(value)]
                value = tuple(check_hyperparameter(name, label, each, negative, below) for label, each in parts)
                changes = any(isinstance(each, LiteTensor) or callable(each) for each in value)
            else:
                value = check_hyperparameter(name, field, value, negative, below)
                changes = isinstance(value, LiteTensor) or callable(value)
            object.__setattr__(self, field, value)
            if changes:
                varying.append(field)
        object.__setattr__(self, "_varying", varying)
        groups = {} if self.groups is None else self.groups
        if not isinstance(groups, Mapping) or not all(isinstance(each, Mapping) for each in groups.values()):
            raise OptimizerError(
                message(
                    "groups are dicts of hyper-parameters, by the paths that they are for.",
                    rule=name,
                    argument="groups",
                    expected='as {"*.bias": {"weight_decay": 0}}',
                    got=repr(groups),
                )
            )
        members = [self._member(*group) for group in groups.items()]
        slots = dict(self.slots())
        for _, member in members:
            slots |= member._slots
        counts = self.counts or any(member._counts for _, member in members)
        object.__setattr__(self, "_members", members)
        object.__setattr__(self, "_slots", slots)
        object.__setattr__(self, "_counts", counts)
        object.__setattr__(self, "_needed", [*slots, "step"] if counts else [*slots])

    # What an optimiser says of itself

    @property
    def decoupled(self) -> bool:
        """Whether the weight decay shrinks the parameters themselves, and is no penalty's gradient."""
        return False

    @property
    def counts(self) -> bool:
        """Whether the state counts the steps."""
        return True

    def slots(self) -> Mapping[str, float]:
        """Name the state's trees that are like the model, each with what its tensors begin as."""
        return {}

    def rule(self: Any, form: Form, p: list[Any], g: list[Any], state: Any, t: Any) -> tuple[list[Any], Any]:
        """Make step number t, counted from 1, of parameters and gradients; ``state`` has lists for its trees."""
        raise NotImplementedError

    def fused(self: Any, p: list[Any], g: list[Any], state: Any, t: Any) -> bool:
        """Make the whole step in place by one kernel of torch's, decay and all, and say whether there is one."""
        return False

    # What everybody calls

    def init(self, model: Any) -> State:
        """Make the state for the first step.

        Raises:
            OptimizerError: a leaf of the model that is no LiteTensor, or is complex (``SGD`` takes these), or a tensor
                that is two leaves at once: after a step these would be two tensors. A group that matches no parameter.
        """
        params, treespec = check_model(type(self).__name__, model)
        self.check_parameters(params)
        device = params[0].device if self.capturable and params else "cpu"
        begins: dict[int, Mapping[str, float]] = {}
        for member, places in self._parts(treespec):
            begins |= dict.fromkeys(places, member.slots())
        trees: dict[str, Any] = {
            name: nexnet.tree.unflatten(
                treespec,
                [LiteTensor(torch.full_like(each.data, begins[i].get(name, 0))) for i, each in enumerate(params)],
            )
            for name in self._slots
        }
        if self._counts:  # as exact as the numbers that torch computes with
            trees["step"] = LiteTensor(torch.zeros((), dtype=torch.float64, device=device))
        return cast(State, self.state_class(**trees))

    def update(self, model: Model, grads: Model, state: State) -> tuple[Model, State]:
        """Give the model and the state after a step. Pure, and differentiable by everything that goes in.

        Where nothing is being differentiated it is a step in place, of copies.

        Raises:
            OptimizerError: gradients, or a state, of another structure or of other shapes than the model; a state that
                lacks a tree.
        """
        params, treespec = nexnet.tree.flatten(model)
        slopes: list[Any] = flatten_gradients(type(self).__name__, grads, treespec)
        lists = self._flatten_state(state, treespec)
        check_shapes(type(self).__name__, params, slopes, lists, self._slots, treespec)
        if params and not self._varying and are_constants([*params, *slopes]):
            slopes = [*map(unwrap, slopes)]
            lists = type(lists)(*map(copied, lists))
            form: Form = InPlace(capturable=True) if self._slots else New(capturable=True)
            made = self._on_storages(form, copied(params) if self._slots else params, slopes, lists, treespec)
            params = [*map(wrap, made)]
        else:
            form = Pure()
            if lists.step is not None:
                lists = lists._replace(step=lists.step + 1)
            lists = self.advance(form, lists, lists.step)
            params, lists = self._in_groups(form, params, slopes, lists, lists.step, treespec)
        trees = {name: nexnet.tree.unflatten(treespec, getattr(lists, name)) for name in self._slots}
        return nexnet.tree.unflatten(treespec, params), lists._replace(**trees)

    def update_(self, model: Model, grads: Model, state: State) -> tuple[Model, State]:
        """Make a step in the storage of the model's tensors and of the state; give the model and the state.

        A module that was given is spent: it raises when it is used, since its tensors are not what they were. What is
        given takes its place. To keep a model as it is, copy it before the step: ``best = copy.deepcopy(model)``.

        Raises:
            TrackedTensorError: something is being differentiated: what its rules have saved would be overwritten.
            OptimizerError: as ``update``.
        """
        refuse_tracking(type(self).__name__)
        params, treespec = nexnet.tree.flatten(model)
        slopes = self.slopes(grads, treespec)
        lists = self._flatten_state(state, treespec)
        check_shapes(type(self).__name__, params, slopes, lists, self._slots, treespec)
        if not params:  # torch's kernels take no empty lists
            return model, state
        self._on_storages(InPlace(self.capturable), params, slopes, lists, treespec)
        return succeed(model), state

    # The way of a step

    def _on_storages(
        self, form: Form, params: list[LiteTensor], slopes: list[Any], lists: Any, treespec: Any
    ) -> list[Any]:
        """Make a step of the torch tensors in parameters and state, which is written into; give the parameters'."""
        if self._slots:
            lists = lists._replace(**{name: [each.data for each in getattr(lists, name)] for name in self._slots})
        t = None if lists.step is None else form.number(lists.step.data.add_(1))
        lists = self.advance(form, lists, t)
        return self._in_groups(form, [each.data for each in params], slopes, lists, t, treespec)[0]

    def check_parameters(self, params: list[LiteTensor]) -> None:
        """Refuse parameters that the rule is not made for."""
        if not self.takes_complex and any(each.data.is_complex() for each in params):
            raise OptimizerError(
                message(
                    f"{type(self).__name__}'s rule is one of real parameters.",
                    rule=type(self).__name__,
                    got="a parameter of complex dtype",
                    remedy="keep real and imaginary parts as parameters, and use nexnet.view_as_complex of them",
                )
            )

    def slopes(self, grads: Any, treespec: Any) -> list[Any]:
        """Flatten the gradients for a step in place."""
        return [each.data for each in flatten_gradients(type(self).__name__, grads, treespec)]

    def advance(self, form: Form, state: Any, t: Any) -> Any:
        """Bring the state's numbers to step t, which are one for all parameters."""
        return state

    def step(self: Any, form: Form, p: list[Any], g: list[Any], state: Any, t: Any) -> tuple[list[Any], Any]:
        """Make a step of parameters that have the same hyper-parameters, by one kernel or by the rule."""
        takes_numbers = not (self.capturable and set(self._varying) - {"lr"})
        if form.in_place and takes_numbers and self.fused(p, g, state, t):
            return p, state
        if not (form.in_place and self.takes_each_alone and are_large(p)):
            return self._by_rule(form, p, g, state, t)  # type: ignore[no-any-return]
        for i in range(len(p)):  # one after the other: what a kernel has written is in the cache for the next
            own = state._replace(**{name: [getattr(state, name)[i]] for name in self._slots})
            self._by_rule(form, [p[i]], [g[i]], own, t)
        return p, state

    def _by_rule(self: Any, form: Form, p: list[Any], g: list[Any], state: Any, t: Any) -> tuple[list[Any], Any]:
        """Make a step by the rule, the decay before it."""
        if self.maximize:
            g = form.neg(g)
        weight_decay = getattr(self, "weight_decay", 0)
        if is_used(weight_decay) and self.decoupled:
            p = form.mul_(p, 1 - self.lr * weight_decay)
        elif is_used(weight_decay):
            g = form.add(g, p, weight_decay)
        new: tuple[list[Any], Any] = self.rule(form, p, g, state, t)
        return new

    def _in_groups(
        self, form: Form, params: list[Any], slopes: list[Any], state: Any, t: Any, treespec: Any
    ) -> tuple[list[Any], Any]:
        """Make the step of each group of parameters."""
        if not self.groups:
            now: Optimizer[Any] = self._at(form, t)
            return now.step(form, params, slopes, state, t)
        names = self._slots
        lists = {name: [*getattr(state, name)] for name in names}
        params = [*params]
        for member, places in self._parts(treespec):
            some = state._replace(**{name: [lists[name][i] for i in places] for name in names})
            p, some = member._at(form, t).step(form, [params[i] for i in places], [slopes[i] for i in places], some, t)
            for j, i in enumerate(places):
                params[i] = p[j]
                for name in names:
                    lists[name][i] = getattr(some, name)[j]
        return params, state._replace(**lists)

    def _at(self, form: Form, t: Any) -> Any:
        """Give this optimiser with the numbers that its hyper-parameters are at step t."""
        if not self._varying:
            return self
        now = copy.copy(self)
        for name in self._varying:
            value = getattr(self, name)
            many = isinstance(value, tuple)
            numbers = tuple(number_at(form, each, t) for each in (value if many else (value,)))
            object.__setattr__(now, name, numbers if many else numbers[0])
        return now

    def _member(self, pattern: str, options: Mapping[str, Any]) -> tuple[str, Any]:
        """Give a group's optimiser."""
        fields = {field.name for field in dataclasses.fields(self)} - {"groups", "capturable"}
        if strangers := [name for name in options if name not in fields]:
            raise OptimizerError(
                message(
                    "a group has a hyper-parameter that there isn't.",
                    rule=type(self).__name__,
                    argument=f"groups[{pattern!r}]",
                    expected=", ".join(sorted(fields)),
                    got=", ".join(strangers),
                )
            )
        return pattern, dataclasses.replace(self, groups=None, **options)

    def _parts(self, treespec: Any) -> list[tuple[Any, list[int]]]:
        """Give each group's optimiser and the places of its parameters among the leaves; what is left is this one's."""
        patterns = tuple(self.groups or ())
        members = [*(member for _, member in self._members), self]
        places = places_of(treespec, patterns)
        for pattern, some in zip(patterns, places, strict=False):
            if not some:
                raise OptimizerError(
                    message(
                        "a group matches no parameter.",
                        rule=type(self).__name__,
                        argument=f"groups[{pattern!r}]",
                        expected=f"a pattern of one of the paths {', '.join(nexnet.tree.paths(treespec)[:8])}, ...",
                        remedy="remember that a parameter goes into the first group that it matches",
                    )
                )
        return [(member, some) for member, some in zip(members, places, strict=True) if some]

    def _flatten_state(self, state: Any, treespec: Any) -> Any:
        """Give the state with lists for its trees; one that has not what this optimiser needs is refused."""
        name = type(self).__name__
        missing = [each for each in self._needed if getattr(state, each, None) is None]
        if missing:
            raise OptimizerError(
                message(
                    f"the state has no {missing[0]}, which {name} needs.",
                    rule=name,
                    got=f"a state with {', '.join(each for each in state._fields if getattr(state, each) is not None)}"
                    if hasattr(state, "_fields")
                    else type(state).__name__,
                    remedy="begin with the init of this very optimiser",
                )
            )
        if not self._slots:
            return state
        lists = {each: flatten_like(name, "state", getattr(state, each), treespec) for each in self._slots}
        return state._replace(**lists)

    def __repr__(self) -> str:
        shared = {field.name for field in dataclasses.fields(Optimizer)}
        own = [field.name for field in dataclasses.fields(self) if field.name not in shared]
        shown = [*own, "maximize", *(["groups"] if self.groups else []), *(["capturable"] if self.capturable else [])]
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"
