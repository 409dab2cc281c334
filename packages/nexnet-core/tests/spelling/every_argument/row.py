"""What a row is made of: tensors that are drawn, values that are refused, arguments that go together."""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Drawn:
    """A tensor that is made anew from a generator."""

    make: Callable[[torch.Generator], Tensor]


@dataclass(frozen=True)
class Fresh:
    """A value that is made anew for each call: a generator of random numbers."""

    make: Callable[[], Any]


@dataclass(frozen=True)
class Refused:
    """A value that nexnet does not take, and says so at the call."""

    value: Any


@dataclass(frozen=True)
class Each:
    """Several values, each tried by itself."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Spread:
    """What ``*arguments`` get: each by itself, as one tuple, or by the name that torch has for them."""

    values: tuple[Any, ...]
    keyword: str = ""


def x(*shape: int, low: float = -2.0, high: float = 2.0, dtype: torch.dtype = torch.float64) -> Drawn:
    """Give a tensor of uniform numbers."""

    def make(generator: torch.Generator) -> Tensor:
        if dtype.is_complex:
            parts = [torch.rand(shape, generator=generator, dtype=torch.float64) * 4 - 2 for _ in range(2)]
            return torch.complex(*parts)
        return (low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)).to(dtype)

    return Drawn(make)


def z(*shape: int) -> Drawn:
    """Give a complex tensor."""
    return x(*shape, dtype=torch.complex128)


def positive(*shape: int) -> Drawn:
    """Give a tensor of numbers from 0.2 to 2."""
    return x(*shape, low=0.2)


def unit(*shape: int) -> Drawn:
    """Give a tensor of numbers from 0.1 to 0.9."""
    return x(*shape, low=0.1, high=0.9)


def definite(*shape: int) -> Drawn:
    """Give symmetric positive definite matrices, with different eigenvalues."""
    return of(lambda draw: draw @ draw.mT + torch.diag(torch.arange(1.0, shape[-1] + 1).double()), *shape)


def of(fn: Callable[[Tensor], Tensor], *shape: int) -> Drawn:
    """Give what a function makes of a tensor of uniform numbers."""
    return Drawn(lambda generator: fn(x(*shape).make(generator)))


def t(values: Any, dtype: torch.dtype | None = None) -> Drawn:
    """Give a tensor of these values."""
    return Drawn(lambda _: torch.tensor(values, dtype=dtype))


def each(*values: Any) -> Each:
    """Try each value by itself."""
    return Each(values)


def spread(*values: Any, keyword: str = "") -> Spread:
    """Give ``*arguments``; the ``keyword`` by which torch takes all of them at once."""
    return Spread(values, keyword)


#: Arguments that stand for the same thing in every operator that has them.
EVERYWHERE: dict[str, Any] = {
    "generator": Fresh(lambda: torch.Generator().manual_seed(3)),
    "inplace": Refused(True),
    "memory_format": torch.preserve_format,
    "check_errors": True,
}

#: Arguments that torch's functions do not have.
NEXNETS = {"generator"}


def as_it_is(out: Any) -> Any:
    """Give the output."""
    return out


@dataclass(frozen=True)
class Row:
    """An operator's arguments.

    Attributes:
        arguments: by name, a value for those without a default, another value for those with one.
        base: arguments with a default that the operator can't do without.
        with_: for an argument, which others change with it.
        untried: arguments for which there is no other value, and why.
        own: arguments that torch's functions of that name do not have, or "*": there is none.
        signature: of an operator that does not tell its own.
        through: what is made of the output before it is differentiated.
        constants: arguments of floating tensors that the operator has no gradient by.
        ours: those that torch's function has no gradient by.
        torch_is_wrong: why torch's gradient is another.
        torch_misreads: why torch's value is another by position, and nexnet's is as torch's by keyword.
    """

    arguments: dict[str, Any]
    base: dict[str, Any] = field(default_factory=dict)
    with_: dict[str, dict[str, Any]] = field(default_factory=dict)
    untried: dict[str, str] = field(default_factory=dict)
    own: frozenset[str] = frozenset(NEXNETS)
    signature: Callable[..., Any] | None = None
    through: Callable[[Any], Any] = as_it_is
    constants: frozenset[str] = frozenset()
    ours: frozenset[str] = frozenset()
    torch_is_wrong: str = ""
    torch_misreads: str = ""

    def always(self, **arguments: Any) -> Row:
        """Give these in every call: the operator can't do without."""
        return replace(self, base={**self.base, **arguments})

    def together(self, name: str, **others: Any) -> Row:
        """Change other arguments where this one has its other value."""
        return replace(self, with_={**self.with_, name: others})

    def without(self, **reasons: str) -> Row:
        """Say why an argument has no other value."""
        return replace(self, untried={**self.untried, **reasons})

    def nexnets(self, *names: str) -> Row:
        """Name arguments that torch's function does not have; none: there is no function of torch's to compare with."""
        return replace(self, own=self.own | set(names or "*"))

    def where_torch_is_wrong(self, reason: str) -> Row:
        """Say why torch's gradient is not compared: finite differences side with nexnet."""
        return replace(self, torch_is_wrong=reason)

    def where_torch_misreads_places(self, reason: str) -> Row:
        """Say why torch is asked by keyword where nexnet is called by position, too."""
        return replace(self, torch_misreads=reason)

    def constant(self, *names: str) -> Row:
        """Name arguments that there is no gradient by."""
        return replace(self, constants=self.constants | set(names))

    def without_torchs(self, *names: str) -> Row:
        """Name arguments that torch has no gradient by."""
        return replace(self, ours=self.ours | set(names))

    def like(self, parameters: str) -> Row:
        """Give the parameters of an operator that hands its arguments on."""
        return replace(self, signature=eval(f"lambda {parameters}: None"))

    def then(self, through: Callable[[Any], Any]) -> Row:
        """Make something of the output before it is differentiated."""
        return replace(self, through=through)

    def parameters(self, operator: Callable[..., Any]) -> list[inspect.Parameter]:
        """Give the operator's."""
        return list(inspect.signature(self.signature or operator).parameters.values())

    def values(self, operator: Callable[..., Any]) -> dict[str, Any]:
        """Give the values that are tried, by argument."""
        parameters = self.parameters(operator)
        everywhere = {each.name: EVERYWHERE[each.name] for each in parameters if each.name in EVERYWHERE}
        rest = next((each.name for each in parameters if each.kind is each.VAR_POSITIONAL), "")
        arguments = {rest if isinstance(each, Spread) else key: each for key, each in self.arguments.items()}
        return {key: each for key, each in (everywhere | arguments).items() if key not in self.untried}

    def calls(self, name: str, operator: Callable[..., Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give, in words, each set of arguments that is tried: the defaults, and each other value by itself."""
        parameters = {each.name: each for each in self.parameters(operator)}
        values = self.values(operator)
        required = {key: each for key, each in values.items() if _required(parameters[key])} | self.base
        yield "as by default", _drawn(required, name)
        for key, value in values.items():
            if _required(parameters[key]):
                continue
            for each in value.values if isinstance(value, Each) else (value,):
                given = {**required, key: each, **self.with_.get(key, {})}
                ordered = {k: given[k] for k in parameters if k in given}
                said = "a tensor" if isinstance(each, Drawn) else each
                yield f"{key}={said}", _drawn(ordered, name)


def _required(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD


def _drawn(value: Any, name: str) -> Any:
    """Draw the tensors in a value: the same for the same operator and argument."""
    if isinstance(value, Drawn):
        return value.make(torch.Generator().manual_seed(zlib.crc32(name.encode())))
    if isinstance(value, Spread):
        return Spread(_drawn(value.values, name), value.keyword)
    if isinstance(value, dict):
        return {key: _drawn(each, f"{name} {key}") for key, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_drawn(each, f"{name} {i}") for i, each in enumerate(value))
    return value


def row(**arguments: Any) -> Row:
    """Give an operator's arguments, each by its name."""
    return Row(arguments)
