import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import nexnet
from nexnet.ops.__main__ import main
from nexnet.ops._listing import Listed, count, table


def record(name):
    (found,) = [each for each in nexnet.ops.listing() if name in (each.name, *each.aliases)]
    return found


WINGS = [each.name for each in pkgutil.iter_modules(nexnet.ops.__path__) if each.ispkg]
MAPPED = [line.split()[0] for line in nexnet.ops.__doc__.splitlines() if line.startswith("    ")]  # in their order


def test_the_map_of_the_wings_is_whole():
    assert sorted(MAPPED) == sorted(WINGS)


@pytest.mark.parametrize("wing", WINGS)
def test_a_wing_says_what_its_modules_have(wing):
    package = importlib.import_module(f"nexnet.ops.{wing}")
    modules = {each.name for each in pkgutil.iter_modules(package.__path__) if not each.name.startswith("_")}
    assert modules <= set(re.findall(r"``(\w+)``", package.__doc__))


@pytest.mark.parametrize("wing", WINGS)
def test_a_wing_builds_only_on_those_above_it(wing):
    allowed = {*MAPPED[: MAPPED.index(wing)], wing}
    for file in (Path(nexnet.ops.__path__[0]) / wing).glob("*.py"):
        for each in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(each, ast.ImportFrom) and each.level == 2 and each.module is not None:
                used = each.module.split(".")[0]
                assert used in allowed or used not in WINGS, f"{file.name}, line {each.lineno}: {used} is below {wing}"


def test_what_makes_operators_builds_on_no_wing():
    for file in Path(nexnet.ops.__path__[0]).glob("*.py"):
        for each in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(each, ast.ImportFrom) and each.level == 1 and file.name != "__init__.py":
                assert (each.module or "").split(".")[0] not in WINGS, f"{file.name}, line {each.lineno}"


def test_every_public_operator_is_listed_once():
    records = nexnet.ops.listing()
    names = [name for each in records for name in (each.name, *each.aliases)]
    assert sorted(names) == sorted(vars(nexnet.ops)["__all__"])
    assert {each.orders for each in records} == {"any", "zero", "none"}


def test_a_record_says_where_torch_has_it():
    found = record("acos")
    assert (found.wing, found.kind, found.aliases) == ("elementwise", "trigonometric", ("arccos",))
    assert found.orders == "any"
    assert {"torch.acos", "torch.arccos", "torch.Tensor.acos", "torch.Tensor.arccos"} == set(found.torch)
    assert {"torch.softmax", "torch.nn.functional.softmax", "torch.special.softmax"} <= set(record("softmax").torch)


def test_what_is_flat_has_a_zero_gradient_and_what_gives_places_none():
    assert record("floor").orders == "zero"
    assert record("argmax").orders == "none"
    assert not record("eq").differentiable


# torch has no derivative of floor_divide; that of div(rounding_mode="floor"), which is the same, is zero.
@pytest.mark.parametrize("name", sorted(each.name for each in nexnet.ops.listing() if each.orders == "zero"))
def test_torch_has_a_zero_gradient_where_the_listing_says_so(name):
    x = torch.tensor([1.5], requires_grad=True)
    out = torch.div(x, 2, rounding_mode="floor") if name == "floor_divide" else getattr(torch, name)(x)
    assert torch.autograd.grad(out, x)[0].item() == 0


def test_the_convention_stands_beside_its_rule():
    assert record("abs").corner == "0 at 0."


def test_names_are_counted_once_and_aliases_by_themselves():
    records = [
        Listed(
            "acos", "elementwise", "trigonometric", "any", (), ("torch.acos", "torch.arccos", "torch.Tensor.acos"), ""
        ),
        Listed("norm", "matrices", "matrix_norm", "any", (), ("torch.norm",), ""),
        Listed("linalg_norm", "matrices", "matrix_norm", "any", (), ("torch.linalg.norm",), ""),
        Listed("det", "matrices", "determinant", "any", (), ("torch.det", "torch.linalg.det"), ""),
        Listed("floor", "constant", "constant", "zero", (), ("torch.floor",), ""),
    ]
    found = count(records)
    assert (found.names, found.paths, found.rules, found.constant) == (5, 7, 4, 1)


def test_the_table_is_plain_text():
    lines = table([record("acos"), record("abs")]).splitlines()
    assert lines[0].split() == ["name", "wing", "kind", "orders", "dtypes", "torch", "corner"]
    assert lines[1].startswith("acos, arccos")
    assert lines[2].endswith("0 at 0.")
    assert lines[-2] == "4 differentiable names of torch (8 with the module of each), by 2 differentiable operators"


def test_the_command_shows_operators_by_name_kind_or_wing(capsys):
    assert main(["arccos"]) == 0
    assert "acos, arccos" in capsys.readouterr().out
    assert main(["selection"]) == 0
    assert "fmax" in capsys.readouterr().out
    assert main(["signals"]) == 0
    assert "istft" in capsys.readouterr().out
    assert main(["no_such_operator"]) == 1
    assert "no operator is named no_such_operator" in capsys.readouterr().err


@pytest.mark.process
def test_python_dash_m_prints_the_table():
    done = subprocess.run([sys.executable, "-m", "nexnet.ops", "exp"], capture_output=True, text=True, check=True)
    assert "torch.exp" in done.stdout
