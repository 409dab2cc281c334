"""override: other rules for nexnet's operators, in a block of code, from outside."""

from __future__ import annotations

import difflib
import fnmatch
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import nn

from .. import ops
from .._resuming import with_overrides
from ..engine.tape import this_thread
from ..errors import InputError, OverrideWarning, message
from ..policy import RULES, Operator, Policy, function
from ._named import named
from ._replacement import Replacement
from .assigning import in_place, pure_of
from .path import continues, current_modules, here

__all__ = ["override"]

_Table = dict[Any, list["_Entry"]]


def override(rules: Mapping[Any, Any], within: Any = None) -> AbstractContextManager[None]:
    """Replace nexnet's rules for the calls of a ``with`` block, in functions and modules alike, at every order.

    What is replaced is the operator, however it is spelled: ``torch.relu``, ``torch.nn.functional.relu``, ``x.relu()``,
    ``nexnet.relu`` and ``torch.nn.ReLU`` are one. It holds for what the block calls on this thread: gradients taken
    later go by the rules that were recorded, and what ``checkpoint`` computes anew is computed with them. Rules have
    their insides to themselves: no override reaches what a ``forward`` or ``backward`` calls.

    Blocks nest; of several that replace an operator the innermost decides. The result is also a decorator.

    Args:
        rules: ``{operator: rule}``. An operator is named by any of its spellings, or by its name in ``nexnet.ops``. A
            rule is a ``Policy`` class or an operator made of one; or any function of the same arguments (a module, a
            ``torch.autograd.Function``), in which the operator is what it was before the block:
            ``lambda x, w, b: linear(quantised(x), quantised(w), b)``. It is called with the operator's arguments by
            position; trailing ones that have their default are left out if it doesn't take them. A keyword-only
            parameter ``module_path`` gets the path of the module that is being called. What it gives has the shapes
            that the operator gives, as far as the code around it needs them. Or ``{within: {operator: rule}, ...}``,
            for several places.
        within: where: a pattern of module paths, as ``"layer4.*"`` or ``"*.attention"``; a class of modules, as
            ``torch.nn.Conv2d``; a module; or several of these. The calls made by such a module, or by anything that it
            calls, are meant. Paths are those of ``named_modules``. None: everywhere.

    Raises:
        InputError: what is to be replaced is no operator of nexnet's; the message says what to name. ``within`` is no
            place, or is empty.

    Warns:
        OverrideWarning: at the end of a block in which a rule has replaced nothing (a pattern fits no module, say).

    Example::

        net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
        passing = nexnet.straight_through(torch.nn.functional.relu)
        with nexnet.override({torch.nn.functional.relu: passing}, within="1"):
            gradient = nexnet.grad(lambda x: nexnet.functional_call(net, {}, (x,)).sum())(x)
    """
    return _in_force(_table(rules, within))


@contextmanager
def _in_force(table: _Table) -> Iterator[None]:
    thread = this_thread()
    with named(table):
        block = thread.overrides = _Block(table, thread.overrides)
        try:
            yield
        finally:
            _end(block, thread)
    unused = [each for entries in table.values() for each in entries if not each.used]
    for each in unused:
        warnings.warn(each.complaint(), OverrideWarning, stacklevel=3)


class _Block:
    """What a block replaces, and the blocks around it."""

    def __init__(self, table: _Table, outer: _Block | None) -> None:
        self.table, self.outer = table, outer

    def replacement(self, target: Any) -> Callable[[tuple[Any, ...], dict[str, Any]], Any] | None:
        """Give what is to be called instead of an operator where the code is, or None."""
        block: _Block | None = self
        modules: Any = None
        while block is not None:
            for entry in block.table.get(target, ()):
                if modules is None:
                    modules = current_modules()
                if entry.within is None or any(_is_meant(path, each, entry.within) for path, each in modules):
                    entry.used = True
                    return _Call(entry.replacement, block, modules)
            block = block.outer
        return None

    def continued(self) -> Callable[..., Any]:
        """Give what calls a function later as it would be called now: see ``as_here``."""
        return _Continued(self, here())

    def names(self, function: Any) -> bool:
        """Say whether it, or a block around it, names a function of torch's."""
        target = RULES.get(function)
        return target is not None and _canonical(target) in self.targets()

    def targets(self) -> Iterator[Any]:
        """Give all that it and the blocks around it replace."""
        yield from self.table
        if self.outer is not None:
            yield from self.outer.targets()


def _end(block: _Block, thread: Any) -> None:
    """Take a block from those in force: the innermost, unless generators end theirs in another order."""
    if thread.overrides is block:
        thread.overrides = block.outer
        return
    inner = thread.overrides
    while inner is not None and inner.outer is not block:
        inner = inner.outer
    if inner is not None:
        inner.outer = block.outer


class _Call:
    """One call that is replaced."""

    def __init__(self, replacement: Replacement, block: _Block, modules: Any) -> None:
        self.replacement, self.block, self.modules = replacement, block, modules

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        made = self.replacement
        args, kwargs = made.fit(args, kwargs, self.modules[-1][0] if self.modules else "")
        around = None if made.is_rule else this_thread().overrides if made.is_parts else self.block.outer
        return with_overrides(around, made, args, kwargs)


class _Continued:
    """Calls code again later, with the overrides and the place in the model that it had."""

    def __init__(self, block: _Block, place: Any) -> None:
        self.block, self.place = block, place

    def __call__(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with named(self.block.targets()):
            return _go_on(self.place, self.block, fn, args, kwargs)


@continues("place")
def _go_on(place: Any, block: _Block, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:  # noqa: ARG001
    return with_overrides(block, fn, args, kwargs)


# What is replaced, by what, and where --------------------------------------------------------------------------------


class _Entry:
    """One rule of a block."""

    def __init__(self, name: str, replacement: Replacement, within: Any, used: bool = False) -> None:
        self.name, self.replacement, self.within = name, replacement, within
        self.used = used  # or nobody has asked for it

    def complaint(self) -> str:
        """Say that it has replaced nothing."""
        where = "" if self.within is None else f" within {', '.join(map(_shown, self.within))}"
        return message(
            f"an override has replaced nothing: {self.name} was not called{where}.",
            rule=self.replacement.name,
            remedy="see nexnet.trace(fn)(x) for what is called, and model.named_modules() for the paths",
        )


def _table(rules: Mapping[Any, Any], within: Any) -> _Table:
    if not isinstance(rules, Mapping):
        raise InputError(
            message("override takes a dict.", argument="rules", expected="{operator: rule}", got=type(rules).__name__)
        )
    if rules and all(isinstance(each, Mapping) for each in rules.values()):
        if within is not None:
            raise InputError(
                message(
                    "override was told twice where its rules hold.",
                    argument="within",
                    got=f"{within!r}, and by `rules`",
                )
            )
        places = {place: _table(below, place) for place, below in rules.items()}
        table: _Table = {}
        for below in places.values():
            for target, entries in below.items():
                table.setdefault(target, []).extend(entries)
        return table
    where = None if within is None else _places(within)
    table = {}
    for key, rule in rules.items():
        target = _target(key)
        table[target] = [_Entry(_name(target), Replacement(target, _rule(key, rule)), where)]
    for fused, (parts, apart) in _FUSED.items():
        if fused not in table and not table.keys().isdisjoint(parts):
            table[fused] = [_Entry(_name(fused), Replacement(fused, apart, is_parts=True), None, used=True)]
    return table


def _linear_relu(input: Any, weight: Any, bias: Any = None) -> Any:
    return ops.relu(ops.linear(input, weight, bias))


#: Operators that nexnet itself chooses in place of several: these are what the user knows of.
_FUSED: dict[Any, tuple[tuple[Any, ...], Callable[..., Any]]] = {
    ops.linear_relu: ((ops.linear, ops.relu), _linear_relu)
}


def _target(key: Any) -> Any:
    """Give the operator (or the function of nexnet's that is made of several) that a key names."""
    name = key if isinstance(key, str) else getattr(key, "__name__", "")
    if name.endswith("_") and in_place(name):  # x.relu_() is a call of relu
        key = pure_of(name) or key
    if isinstance(key, str):
        found = getattr(ops, key, None)
    else:
        found = key if isinstance(key, Operator) or key in RULES.values() else RULES.get(key)
    if found is None:
        close = difflib.get_close_matches(name.rpartition(".")[2], ops.__all__, cutoff=0.8)
        is_module = isinstance(key, nn.Module) or (isinstance(key, type) and issubclass(key, nn.Module))
        raise InputError(
            message(
                "override replaces operators, and this is none of nexnet's.",
                argument="rules",
                got=repr(key),
                remedy="name the function that it calls (torch.nn.functional.relu for torch.nn.ReLU), "
                f"and the module by within={getattr(key, '__name__', 'module')}"
                if is_module
                else f"did you mean {' or '.join(map(repr, close))}?"
                if close
                else "give the function a rule first, with nexnet.implements; python -m nexnet.ops lists what there is",
            )
        )
    return _canonical(found)


def _canonical(target: Any) -> Any:
    """Give the function of nexnet's own order of arguments: torch.layer_norm has another one than F.layer_norm."""
    name = getattr(target, "__name__", "")
    return getattr(ops, name.removeprefix("_torch_")) if name.startswith("_torch_") else target


def _rule(key: Any, rule: Any) -> Callable[..., Any]:
    """Give what is to be called."""
    if isinstance(rule, type) and issubclass(rule, Policy):
        return function(rule)
    if isinstance(rule, type) and issubclass(rule, torch.autograd.Function):
        rule = rule.apply
    if callable(rule) and not isinstance(rule, type):
        known = RULES.get(rule) if not isinstance(rule, Operator) else None
        return known if isinstance(known, Operator) else rule
    raise InputError(
        message(
            f"override can't put this in the place of {_name(key)}.",
            argument="rules",
            expected="a Policy, an operator, a torch.autograd.Function, or a function of the same arguments",
            got=repr(rule),
        )
    )


_PLACES = 'a pattern of module paths ("layer4.*"), a class of modules, a module, or several of them'


def _places(within: Any) -> tuple[Any, ...]:
    places = tuple(within) if isinstance(within, Iterable) and not isinstance(within, (str, nn.Module)) else (within,)
    if not places:
        raise InputError(
            message(
                "override was told of no place where its rules hold.",
                argument="within",
                expected=_PLACES,
                got=repr(within),
                remedy="leave `within` out (None) for everywhere; for nowhere, don't open the block",
            )
        )
    for each in places:
        if not isinstance(each, (str, type, nn.Module)):
            raise InputError(
                message(
                    "override does not know this place.",
                    argument="within",
                    expected=_PLACES,
                    got=repr(each),
                )
            )
    return places


def _is_meant(path: str, module: Any, places: tuple[Any, ...]) -> bool:
    """Say whether a module is one of those whose calls are meant."""
    for each in places:
        if isinstance(each, str):
            if fnmatch.fnmatchcase(path, each):
                return True
        elif isinstance(module, each) if isinstance(each, type) else module is each:
            return True
    return False


def _name(target: Any) -> str:
    return getattr(target, "__name__", None) or repr(target)


def _shown(place: Any) -> str:
    return repr(place) if isinstance(place, str) else getattr(place, "__name__", None) or type(place).__name__
