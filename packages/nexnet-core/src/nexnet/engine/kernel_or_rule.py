"""A kernel of torch's that has a rule: called as it is with torch tensors, as the rule with LiteTensors."""

from __future__ import annotations

from typing import Any

from .tensor import TensorBase


class KernelOrRule:
    """What rules call for gradients: torch tensors are spared the operator, and LiteTensors the way through torch.

    Attributes:
        kernel: a function of torch tensors.
        rule: the operator of LiteTensors that gives the same.
    """

    kernel: Any
    rule: Any

    def __init__(self, kernel: Any, rule: Any) -> None:
        self.kernel = kernel
        self.rule = rule

    def __call__(self, grad: Any, *args: Any, **options: Any) -> Any:
        """Give the gradient, of the kind of g."""
        if isinstance(grad, TensorBase):
            return self.rule(grad, *args, **options)
        return self.kernel(grad, *args, **options)
