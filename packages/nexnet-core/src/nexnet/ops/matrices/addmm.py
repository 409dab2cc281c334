"""The product of two matrices, added to a third: alone, and for batches of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...engine.attributes import length_of, ndim_of, numel_of, shape_of
from ...engine.direct import direct
from ...engine.products import mm_by_transposed, mm_transposed
from ...kernels import products
from ...policy import Analytic, function, implements

__all__ = ["addmm", "baddbmm"]

_addmm = direct(torch.addmm)


def _product(bias: Any, a: Any, b: Any) -> Any:
    """Give A B + c; which kernel multiplies is a question of large products alone."""
    if type(b) is Tensor and ndim_of(b) == 2 and numel_of(a) * shape_of(b)[1] < products.SMALL:
        return _addmm(bias, a, b)
    return products.addmm(bias, a, b)


def _gradients(grad: Any, a: Any, b: Any) -> Any:
    """Give (g B^T, A^T g), None for the one whose other factor is None; the same question."""
    if type(grad) is Tensor and ndim_of(grad) == 2:
        work = numel_of(grad) * (shape_of(a)[1] if b is None else length_of(b)) if a is not b else 0
        if work < products.SMALL:
            return (
                None if b is None else mm_by_transposed(grad, b),
                None if a is None else mm_transposed(a, grad),
            )
    return products.addmm_gradients(grad, a, b)


@implements(torch.addmm)
@function
class addmm(Analytic):
    """y = beta C + alpha A B:  dC = beta g,  dA = alpha g B^T,  dB = alpha A^T g."""

    def forward(self, input: Any, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
        _, need_mat1, need_mat2 = self.ctx.needs_input_grad
        self.ctx.save(mat2 if need_mat1 else None, mat1 if need_mat2 else None, beta, alpha)
        if beta == 1 == alpha:
            return _product(input, mat1, mat2)
        return torch.addmm(input, mat1, mat2, beta=beta, alpha=alpha)

    def backward(self, grad: Any) -> Any:
        mat2, mat1, beta, alpha = self.ctx.release
        need_input = self.ctx.needs_input_grad[0]
        scaled = grad if alpha == 1 else grad * alpha
        da, db = _gradients(scaled, mat1, mat2)
        return (grad if beta == 1 else grad * beta) if need_input else None, da, db


@implements(torch.baddbmm)
@function
class baddbmm(addmm.policy):  # type: ignore[misc,name-defined]
    """y = beta C + alpha A B for batches of matrices."""

    def forward(self, input: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
        _, need_batch1, need_batch2 = self.ctx.needs_input_grad
        self.ctx.save(batch2 if need_batch1 else None, batch1 if need_batch2 else None, beta, alpha)
        return torch.baddbmm(input, batch1, batch2, beta=beta, alpha=alpha)
