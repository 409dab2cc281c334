"""What the operators' stub tells is so: it takes the arguments of each case, and names the kind of its result."""

import ast
import inspect
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

import nexnet
import nexnet.typing
from nexnet_verify.cases import all_cases
from nexnet_verify.runner import draw_samples

BODY = ast.parse(Path(nexnet.__file__).with_name("ops").joinpath("__init__.pyi").read_text(encoding="utf-8")).body
FORMS = {each.name: [form for form in BODY if getattr(form, "name", "") == each.name] for each in BODY
         if isinstance(each, ast.FunctionDef)}  # fmt: skip
FIELDS = {each.name: [ast.unparse(field.target) for field in each.body] for each in BODY
          if isinstance(each, ast.ClassDef)}  # fmt: skip
NAMES = {
    "Any": Any, "Callable": Callable, "LiteTensor": nexnet.LiteTensor, "Literal": typing.Literal, "Sequence": Sequence,
    "torch": torch, **{name: getattr(nexnet.typing, name) for name in nexnet.typing.__all__},
}  # fmt: skip
NUMBERS = {float: (int, float), complex: (int, float, complex)}  # as type checkers take them


def fits(value: Any, told: Any) -> bool:
    """Say whether a value is of a type."""
    kind, parts = typing.get_origin(told), typing.get_args(told)
    if told is Any:
        return True
    if kind in (typing.Union, types.UnionType):
        return any(fits(value, each) for each in parts)
    if kind is typing.Literal:
        return value in parts
    if kind is tuple and parts[-1] is not ...:
        return isinstance(value, tuple) and len(value) == len(parts) and all(map(fits, value, parts))
    if kind in (tuple, Sequence):
        return isinstance(value, kind) and all(fits(each, parts[0]) for each in value)
    return isinstance(value, NUMBERS.get(told, kind or told or types.NoneType))


def signature(form: ast.FunctionDef) -> inspect.Signature:
    """Make of a form what Python knows of a function."""
    made: dict[str, Any] = {}
    exec(ast.unparse(form).replace("@overload\n", ""), NAMES | FIELDS, made)
    return inspect.signature(made[form.name])


def takes(form: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Say whether a form takes these arguments: by number, by name, and by type."""
    try:
        given = form.bind(*args, **kwargs).arguments
    except TypeError:
        return False
    for name, value in given.items():
        parameter = form.parameters[name]
        values = [value]
        if parameter.kind is parameter.VAR_POSITIONAL:
            values = [*value]
        elif parameter.kind is parameter.VAR_KEYWORD:
            values = [*value.values()]
        if not all(fits(each, parameter.annotation) for each in values):
            return False
    return True


def gives(form: inspect.Signature, result: Any) -> bool:
    """Say whether a result is what the form tells; of a named tuple, whether it has these fields."""
    told = form.return_annotation
    if not isinstance(told, list):
        return fits(result, told)
    return isinstance(result, tuple) and all(isinstance(getattr(result, each), nexnet.LiteTensor) for each in told)


@pytest.mark.parametrize("case", [each for each in all_cases() if each.call is None], ids=lambda case: case.name)
def test_the_stub_takes_what_an_operator_takes_and_tells_what_it_gives(case):
    forms = [signature(each) for each in FORMS[case.name]]
    for _, sample in draw_samples(case, 4, seed=0):
        form = next((each for each in forms if takes(each, sample.args, sample.kwargs)), None)
        assert form is not None, f"no form takes {sample}"
        result = getattr(nexnet.ops, case.name)(*sample.args, **sample.kwargs)
        assert gives(form, result), f"{sample}: {type(result).__name__}, not {form.return_annotation}"


def test_a_stub_that_is_wrong_would_be_found():
    (exp,) = (signature(each) for each in FORMS["exp"])
    assert not takes(exp, ("x",), {})
    assert not takes(exp, (1.0, 1.0), {})
    assert not gives(exp, (nexnet.ones(1),))
