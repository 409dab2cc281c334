"""The stubs are what is generated from the sources; and they promise no name that is not there."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import nexnet
from nexnet import ops

pytestmark = pytest.mark.process

STUB = Path(nexnet.__file__).with_name("ops") / "__init__.pyi"
RELEASE = ".".join(torch.__version__.split(".")[:2])


@pytest.mark.skipif(f"(torch {RELEASE})" not in STUB.read_text(encoding="utf-8"), reason="written by another torch")
def test_the_stubs_are_those_that_are_generated():
    compared = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("stubs.py"))], capture_output=True, text=True, check=False
    )
    assert compared.returncode == 0, compared.stdout + compared.stderr


def test_the_operators_stub_has_every_operator_and_no_other():
    told = {each.name for each in ast.parse(STUB.read_text(encoding="utf-8")).body if isinstance(each, ast.FunctionDef)}
    assert told == set(vars(ops)["__all__"])


def test_what_the_public_types_name_can_be_had_and_is_not_loaded_by_nexnet():
    import nexnet.typing as types

    assert nexnet.LiteTensor in types.TensorLike.__args__
    loaded = subprocess.run(
        [sys.executable, "-c", "import nexnet, sys; print('nexnet.typing' in sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert loaded.stdout == "False\n"
