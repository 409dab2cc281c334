"""Products of groups of rows, each with a matrix of its own: what mixtures of experts are made of."""

from __future__ import annotations

from typing import Any

import torch

from ...policy import Analytic, function, implements

__all__: list[str] = []

_kernel: Any = getattr(torch, "_grouped_mm", None)  # which torch 2.5 does not have


@function
class _grouped_mm(Analytic):
    """y_i = A_i B_i for each group i:  dA = the products of g_i and B_i^T,  dB = those of A_i^T and g_i.

    Beneath torch.nn.functional.grouped_mm. ``offs`` says where the groups end in the dimension that a matrix shares.
    """

    def forward(self, mat_a: Any, mat_b: Any, offs: Any = None, bias: Any = None, out_dtype: Any = None) -> Any:
        self.ctx.save(mat_a, mat_b, offs)
        return _kernel(mat_a, mat_b, offs, bias, out_dtype)

    def backward(self, grad: Any) -> Any:
        a, b, offs = self.ctx.release
        need_a, need_b = self.ctx.needs_input_grad[:2]
        grad = grad.contiguous()  # the kernel takes rows or columns that lie together
        return (
            _kernel(grad, b.mT, offs) if need_a else None,
            _kernel(a.mT, grad, offs) if need_b else None,
        )


if _kernel is not None:
    implements(_kernel)(_grouped_mm)
