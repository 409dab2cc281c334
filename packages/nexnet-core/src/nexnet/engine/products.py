"""A gradient that is a product, left to the backward loop: multiplied and added to a sum in one step."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor

from .attributes import numel_of, shape_of
from .direct import direct, directly
from .key import Key


class Product:
    """A gradient that a rule left to the backward loop to multiply: ``a * b``, or of matrices ``a @ b``.

    Attributes:
        transposed: whether it is ``a.t() @ b``.
    """

    a: Any
    b: Any
    of_matrices: bool
    transposed: bool

    def compute(self) -> Any:
        """Multiply."""
        if self.transposed:
            return mm_transposed(self.a, self.b)
        return _matrix_product(self.a, self.b) if self.of_matrices else _times(self.a, self.b)

    def suits(self, key: Key) -> bool:
        """Say whether the product has the key's shape, so that it may be added to a sum of that shape."""
        if not self.of_matrices:
            return True  # of an elementwise rule whose operands are alike
        shape = key.shape
        return len(shape) == 2 and shape[0] == shape_of(self.a)[self.transposed] and shape[1] == shape_of(self.b)[1]

    def left(self) -> Any:
        """Give the first factor."""
        return self.a.t() if self.transposed else self.a

    def is_low_rank(self) -> bool:
        """Say whether it is a matrix that has more elements than its factors together."""
        a, b = self.a, self.b
        return self.of_matrices and numel_of(a) + numel_of(b) < shape_of(a)[self.transposed] * shape_of(b)[1]

    def plus(self, total: Any) -> Any:
        """Give the sum of a tensor and the product, in one kernel."""
        if self.transposed:
            return _add_transposed(total, self.a, self.b)
        return _add_matrices(total, self.a, self.b) if self.of_matrices else _add_product(total, self.a, self.b)

    def add_to(self, total: Any) -> Any:
        """Add the product into a tensor, in one kernel."""
        if self.transposed:
            return _add_transposed_into(total, self.a, self.b)
        return (
            _add_matrices_into(total, self.a, self.b) if self.of_matrices else _add_product_into(total, self.a, self.b)
        )


_times, _matrix_product = direct(operator.mul), direct(torch.mm)
_add_product, _add_product_into = direct(torch.addcmul), direct(Tensor.addcmul_)
_add_matrices, _add_matrices_into = direct(torch.addmm), direct(Tensor.addmm_)


def product_of(a: Any, b: Any, of_matrices: bool, transposed: bool = False) -> Product:
    """Make a product of its factors."""
    made: Product = Product.__new__(Product)
    made.a, made.b, made.of_matrices, made.transposed = a, b, of_matrices, transposed
    return made


def mm(a: Any, b: Any) -> Any:
    """Give A B of two matrices, torch tensors or LiteTensors."""
    return _matrix_product(a, b) if type(a) is Tensor else a.mm(b)


# Of matrices of which one is transposed, with no Python object for that.


@directly("tTt11", "addmm")
def _add_transposed(total: Any, a: Any, b: Any) -> Any:
    return torch.addmm(total, a.t(), b)


@directly("tTt11_", "addmm_")
def _add_transposed_into(total: Any, a: Any, b: Any) -> Any:
    return total.addmm_(a.t(), b)


@directly("Tt", "mm")
def mm_transposed(a: Any, b: Any) -> Any:
    """Give A^T B."""
    return a.t().mm(b)


@directly("tT", "mm")
def mm_by_transposed(a: Any, b: Any) -> Any:
    """Give A B^T."""
    return a.mm(b.t())


@directly("ttT11_", "addmm_")
def add_by_transposed_into(total: Any, a: Any, b: Any) -> Any:
    """Add A B^T into a matrix."""
    return total.addmm_(a, b.t())


def multiplied(grad: Any) -> Any:
    """Give a gradient that a rule returned as a tensor, if it left that to the loop."""
    if type(grad) is Product:
        left: Product = grad
        return left.compute()
    return grad
