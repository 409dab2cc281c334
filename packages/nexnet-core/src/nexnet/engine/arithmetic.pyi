"""The engine's tensors, as type checkers see them. Written by tests/typing/stubs.py: do not edit."""

from __future__ import annotations
from typing import Any
from ..errors import InputError
from .call import OperatorBase
from .noted import note
from .tensor import TensorBase
class Signs:
    add: OperatorBase
    sub: OperatorBase
    mul: OperatorBase
    div: OperatorBase
    matmul: OperatorBase
    neg: OperatorBase
_signs: Any
def register_arithmetic(add: OperatorBase, sub: OperatorBase, mul: OperatorBase, div: OperatorBase, matmul: OperatorBase, neg: OperatorBase) -> None:
    ...
class Arithmetic(TensorBase):
    ...
def _infix(operator: OperatorBase, left: Any, right: Any) -> Any:
    ...
