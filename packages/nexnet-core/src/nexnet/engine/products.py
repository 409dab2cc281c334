"""A gradient that is a product, left to the backward loop: multiplied and added to a sum in one step."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor

from .direct import direct
from .key import Key


class Product:
    """A gradient that a rule left to the backward loop to multiply: ``a * b``, or of matrices ``a @ b``."""

    a: Any
    b: Any
    of_matrices: bool

    def compute(self) -> Any:
        """Multiply."""
        return _matrix_product(self.a, self.b) if self.of_matrices else _times(self.a, self.b)

    def suits(self, key: Key) -> bool:
        """Say whether the product has the key's shape, so that it may be added to a sum of that shape."""
        if not self.of_matrices:
            return True  # of an elementwise rule whose operands are alike
        shape = key.shape
        return len(shape) == 2 and self.a.shape[0] == shape[0] and self.b.shape[1] == shape[1]

    def is_low_rank(self) -> bool:
        """Say whether it is a matrix that has more elements than its factors together."""
        return self.of_matrices and self.a.numel() + self.b.numel() < self.a.shape[0] * self.b.shape[1]

    def plus(self, total: Any) -> Any:
        """Give the sum of a tensor and the product, in one kernel."""
        return _add_matrices(total, self.a, self.b) if self.of_matrices else _add_product(total, self.a, self.b)

    def add_to(self, total: Any) -> Any:
        """Add the product into a tensor, in one kernel."""
        return (
            _add_matrices_into(total, self.a, self.b) if self.of_matrices else _add_product_into(total, self.a, self.b)
        )


_times, _matrix_product = direct(operator.mul), direct(torch.mm)
_add_product, _add_product_into = direct(torch.addcmul), direct(Tensor.addcmul_)
_add_matrices, _add_matrices_into = direct(torch.addmm), direct(Tensor.addmm_)


def product_of(a: Any, b: Any, of_matrices: bool) -> Product:
    """Make a product of its factors."""
    made: Product = Product.__new__(Product)
    made.a, made.b, made.of_matrices = a, b, of_matrices
    return made


def multiplied(grad: Any) -> Any:
    """Give a gradient that a rule returned as a tensor, if it left that to the loop."""
    if type(grad) is Product:
        left: Product = grad
        return left.compute()
    return grad
