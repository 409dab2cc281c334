"""Python's signs: +, -, *, / and @ of LiteTensors go to their operators at once."""

from __future__ import annotations

from typing import Any

from ..errors import InputError
from .call import OperatorBase
from .noted import note
from .tensor import TensorBase


class Signs:
    """The operators behind Python's signs."""

    add: OperatorBase
    sub: OperatorBase
    mul: OperatorBase
    div: OperatorBase
    matmul: OperatorBase
    neg: OperatorBase


_signs = Signs()


def register_arithmetic(
    add: OperatorBase, sub: OperatorBase, mul: OperatorBase, div: OperatorBase, matmul: OperatorBase, neg: OperatorBase
) -> None:
    """Name the operators that +, -, *, / and @ of LiteTensors call."""
    _signs.add, _signs.sub, _signs.mul = add, sub, mul
    _signs.div, _signs.matmul, _signs.neg = div, matmul, neg


class Arithmetic(TensorBase):
    """A tensor with the signs; compiled, a sign's method takes the operands in either order, as C's slots do."""

    def __add__(self, other: Any) -> Any:
        return _infix(_signs.add, self, other)

    def __sub__(self, other: Any) -> Any:
        return _infix(_signs.sub, self, other)

    def __mul__(self, other: Any) -> Any:
        return _infix(_signs.mul, self, other)

    def __truediv__(self, other: Any) -> Any:
        return _infix(_signs.div, self, other)

    def __matmul__(self, other: Any) -> Any:
        return _infix(_signs.matmul, self, other)

    def __neg__(self) -> Any:
        return _signs.neg(self)


def _infix(operator: OperatorBase, left: Any, right: Any) -> Any:
    """Call an operator; what it can't take is left to the other operand, as Python asks."""
    try:
        return operator.call((left, right), None)
    except Exception as error:
        if isinstance(error, TypeError) and not isinstance(error, InputError):
            return NotImplemented
        note(error, operator.name, (left, right), {})
        raise
