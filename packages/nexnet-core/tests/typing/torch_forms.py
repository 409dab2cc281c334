"""How torch's own functions are called: read from the annotations of the torch that is installed."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch

LITE = "LiteTensor"


class Parameter(NamedTuple):
    """A parameter as it is written: its name with stars, its type, its default (nothing, if there is none)."""

    name: str
    type: str
    default: str = ""

    def __str__(self) -> str:
        if self.name in ("*", "/"):
            return self.name
        return f"{self.name}: {self.type}" + (f" = {self.default}" if self.default else "")


STAR = Parameter("*", "")


class Form(NamedTuple):
    """One way to call an operator."""

    parameters: str
    result: str


def listed(parameters: Iterable[Parameter]) -> str:
    """Write parameters in a row."""
    return ", ".join(map(str, parameters))


#: Nexnet's types for torch's. (torch's Number, a real one, and _complex are any number here.)
_NAMES = {
    "Tensor": "TensorLike", "_size": "Sequence[int]", "_int": "int", "_bool": "bool", "_float": "float",
    "_complex": "Number", "SymInt": "int", "_dtype": "torch.dtype", "_layout": "torch.layout",
    "DeviceLikeType": "Device", "Generator": "torch.Generator", "memory_format": "torch.memory_format",
}  # fmt: skip


#: A form's parameters: the name, the type and the default of each, and whether it is given by name alone.
_Parameters = list[tuple[str, str, str, bool]]


class _Translation(ast.NodeTransformer):
    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.parse(_NAMES.get(node.id, node.id), mode="eval").body


def _translated(annotation: ast.expr) -> str:
    return ast.unparse(_Translation().visit(annotation))


def torchs_forms(name: str) -> list[Form]:
    """Read the ways to call a torch function from torch's annotations; those that give the same become one."""
    by_result: dict[str, list[_Parameters]] = {}
    for each in _torchs_functions()[name]:
        taken = [*_parameters(each)]
        if "Ellipsis" in ast.unparse(each.args) or {*taken[0][1].split(" | ")} == {
            "Number"
        }:  # named dimensions; a number first
            continue
        assert each.returns is not None
        gives = ast.unparse(each.returns)
        gives = f"_{name}" if "return_types" in gives else _translated(each.returns)
        by_result.setdefault(gives.replace("TensorLike", LITE), []).append(taken)
    return [Form(each, gives) for gives, taken in by_result.items() for each in _merged(taken)]


@cache
def _torchs_functions() -> dict[str, list[ast.FunctionDef]]:
    text = Path(torch.__file__).with_name("_C").joinpath("_VariableFunctions.pyi").read_text(encoding="utf-8")
    found: dict[str, list[ast.FunctionDef]] = {}
    for each in ast.parse(text).body:
        if isinstance(each, ast.FunctionDef):
            found.setdefault(each.name, []).append(each)
    return found


def _parameters(function: ast.FunctionDef) -> Iterator[tuple[str, str, str, bool]]:
    """Give each parameter's name, type, default, and whether it is given by name alone."""
    args = function.args
    positional = [*args.posonlyargs, *args.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(args.defaults)) + [*args.defaults]
    everything = [
        *((each, default, False) for each, default in zip(positional, defaults, strict=True)),
        *((each, default, True) for each, default in zip(args.kwonlyargs, args.kw_defaults, strict=True)),
    ]
    for each, default, by_name in everything:
        if each.arg not in ("out", "requires_grad"):
            assert each.annotation is not None
            yield (
                "input" if each.arg == "self" else each.arg,
                _translated(each.annotation),
                ast.unparse(default) if default else "",
                by_name,
            )


def _merged(forms: list[_Parameters]) -> list[str]:
    """Write forms as one, of which each parameter takes what it takes in any; or those alike, where that can't be."""
    whole = _merge(forms)
    if whole is not None:
        return [whole]
    alike: dict[tuple[str, ...], list[_Parameters]] = {}
    for form in forms:
        alike.setdefault(tuple(name for name, _, _, by_name in form if not by_name), []).append(form)
    return [each for each in map(_merge, alike.values()) if each is not None]


def _merge(forms: list[_Parameters]) -> str | None:
    found: dict[str, list[tuple[str, str, bool]]] = {}
    for form in sorted(forms, key=len, reverse=True):
        for name, type_, default, by_name in form:
            found.setdefault(name, []).append((type_, default, by_name))
    positional: list[Parameter] = []
    by_name_alone: list[Parameter] = []
    for name, seen in found.items():
        types = list(dict.fromkeys(part for type_, _, _ in seen for part in type_.split(" | ")))
        if "TensorLike" in types and "Number" in types:
            types.remove("Number")
        types.sort(key=lambda each: each == "None")
        optional = len(seen) < len(forms) or any(default for _, default, _ in seen)
        default = next((default for _, default, _ in seen if default), "...") if optional else ""
        alone = all(by_name for _, _, by_name in seen)
        (by_name_alone if alone else positional).append(Parameter(name, " | ".join(types), default))
    optional_ones = [bool(each.default) for each in positional]
    if optional_ones != sorted(optional_ones):  # one that has to be given, after one that need not be
        return None
    return listed([*positional, *([STAR] if by_name_alone else []), *by_name_alone])
