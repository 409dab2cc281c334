"""What nexnet differentiates, found by looking, and whether each has a case."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import nexnet
import nexnet.ops
from nexnet.policy import RULES, Operator

from .cases import Case
from .torch_reference import torch_counterpart

__all__ = ["Coverage", "Found", "compare_with_cases", "inner_operators", "public_operators"]

#: Inner operators that no case can reach, where the cases run in float64 on the CPU: the core's tests compare these.
_ELSEWHERE = {
    **dict.fromkeys(("_flash_on_gpu", "_efficient_on_gpu", "_cudnn_on_gpu"), "only on a GPU"),
    **dict.fromkeys(("_gamma", "_gamma_slope", "_dirichlet", "_dirichlet_slope"), "of a draw, by its distribution"),
    "_lstm_by_onednn": "only of float32",
    "_grouped_mm": "only of float32 and halves",
}


@dataclass(frozen=True)
class Found:
    """A differentiable operator: its name, the wing and the module it is defined in, and its other names."""

    name: str
    wing: str
    kind: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Coverage:
    """How the operators and the cases compare.

    Attributes:
        missing: public operators without a case.
        unknown: names of cases that are no operator.
        inner: operators without a public name, and why they have no case of their own; None: no case reaches them.
        alone: cases without a PyTorch counterpart that do not say why.
    """

    missing: tuple[Found, ...]
    unknown: tuple[str, ...]
    inner: dict[str, str | None]
    alone: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every differentiable operator is verified."""
        return not self.missing and not self.unknown and not self.alone and None not in self.inner.values()

    def problems(self) -> list[str]:
        """Say what is not verified, a line each."""
        return [
            *(
                f"{found.kind}.{found.name} has no case: add one to nexnet_verify.cases.{found.wing}.{found.kind}"
                for found in self.missing
            ),
            *(f"the case {name} is for no operator of nexnet" for name in self.unknown),
            *(
                f"the case {name} is compared with no torch function: give one (torch=), or without_torch=, the reason"
                for name in self.alone
            ),
            *(f"the inner operator {name} is reached by no case" for name, why in self.inner.items() if why is None),
        ]


def public_operators() -> list[Found]:
    """Walk ``nexnet.ops``: every public function of its modules, but for the constants, which have no gradient.

    A constant is known by how it is made (``nexnet.ops.constant.constant``), not by a list. Several names of one
    object count once, under the name that it has itself.
    """
    found: dict[int, tuple[str, str, str, list[str]]] = {}
    for module in _modules():
        home = module.__name__.split(".")  # nexnet, ops, its wing, and the module in it
        wing, kind = home[2], home[-1]
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if not callable(value) or isinstance(value, type) or is_constant(value) or _elsewhere(value, module):
                continue
            own = getattr(value, "__name__", name)
            *_, names = found.setdefault(id(value), (own, wing, kind, []))
            names.append(name)
    return [
        Found(name := own if own in names else names[0], wing, kind, tuple(each for each in names if each != name))
        for own, wing, kind, names in found.values()
    ]


def inner_operators() -> dict[str, Operator]:
    """Give the operators that have no public name: kernels used in backward, and steps of public functions."""
    public = {id(getattr(module, name)) for module in _modules() for name in getattr(module, "__all__", ())}
    operators = [value for module in _modules() for value in vars(module).values()] + list(RULES.values())
    return {each.name: each for each in operators if isinstance(each, Operator) and id(each) not in public}


def is_constant(value: Any) -> bool:
    """Say whether a function was made by ``nexnet.ops.constant.constant``: it has no gradient."""
    made_like = importlib.import_module("nexnet.ops.constant").sign
    return getattr(value, "__code__", None) is made_like.__code__


def compare_with_cases(cases: Iterable[Case], reached: dict[str, str], modules: Iterable[str] = ()) -> Coverage:
    """Compare the operators with the cases.

    Args:
        cases: the cases; those of nexnet_nn are compared by ``nexnet_verify.cases.nn`` itself.
        reached: for each rule recorded while a case ran, the name of that case.
        modules: if given, only operators of these kinds or wings.
    """
    cases = [case for case in cases if case.kind != "nn"]
    verified = {name.split(".")[0] for case in cases for name in (case.name, *case.covers)}
    wanted = [each for each in public_operators() if not modules or {each.kind, each.wing} & {*modules}]
    names = {name for each in public_operators() for name in (each.name, *each.aliases)} | {"at"}
    return Coverage(
        missing=tuple(each for each in wanted if not {each.name, *each.aliases} & verified),
        unknown=tuple(sorted(name for name in verified if name not in names)),
        inner={
            name: f"a step of {reached[name]}" if name in reached else _ELSEWHERE.get(name)
            for name in inner_operators()
        },
        alone=tuple(
            each.name for each in cases if each.kind and not each.without_torch and torch_counterpart(each) is None
        ),
    )


def _modules() -> list[Any]:
    found = pkgutil.walk_packages(nexnet.ops.__path__, "nexnet.ops.")
    return [importlib.import_module(each.name) for each in found if not each.ispkg and "._" not in each.name]


def _elsewhere(value: Any, module: Any) -> bool:
    """Say whether a module only passes on what another one defines."""
    home = getattr(value, "__module__", module.__name__)
    return home.startswith("nexnet.ops.") and home != module.__name__ and _exports(home, value)


def _exports(home: str, value: Any) -> bool:
    other = importlib.import_module(home)
    return any(getattr(other, name) is value for name in getattr(other, "__all__", ()))
