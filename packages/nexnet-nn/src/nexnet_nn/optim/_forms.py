"""The two forms of a step: arithmetic on lists of tensors, pure or in place. A rule that is written with it has both.

``x = form.mul_(x, 0.9)`` gives x after the change: new tensors of nexnet's operators, which can be differentiated
through, or the same tensors, written into by one of torch's kernels for lists. A number is a Python number, or a tensor
of shape (): a hyper-parameter that is differentiated by, or one that stays on its device.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import nexnet
from nexnet import LiteTensor, Policy, function

__all__ = ["Form", "InPlace", "New", "Pure"]

List = list[Any]


@function
class _root(Policy):
    """The square root y of x >= 0:  dx = g / (2 y),  and 0 where y is 0."""

    def forward(self, x: Any) -> Any:
        y = torch.sqrt(x)
        self.ctx.save(y)
        return y

    def backward(self, grad: Any) -> Any:
        (y,) = self.ctx.release
        zero = y == 0
        return torch.where(zero, 0.0, grad / torch.where(zero, 1.0, 2 * y))


class Pure:
    """New tensors, of nexnet's operators."""

    in_place = False

    def number(self, value: Any) -> Any:
        """Give a hyper-parameter, or a tensor of the state, as a number to compute with: one of shape ()."""
        value = LiteTensor(value) if isinstance(value, Tensor) else value
        return value.reshape(()) if isinstance(value, LiteTensor) and value.ndim > 0 else value

    def add_(self, x: List, y: List, alpha: Any = 1) -> List:
        """Give x + alpha y."""
        if isinstance(alpha, LiteTensor):
            return [a + b * alpha for a, b in zip(x, y, strict=True)]
        return [nexnet.add(a, b, alpha=alpha) for a, b in zip(x, y, strict=True)]

    add = add_

    def sub_(self, x: List, y: List, alpha: Any) -> List:
        """Give x - alpha y."""
        return self.add_(x, y, -alpha)

    def mul_(self, x: List, factor: Any) -> List:
        """Give x times a number."""
        return [a * factor for a in x]

    mul = mul_

    def plus_(self, x: List, number: Any) -> List:
        """Give x plus a number."""
        return [a + number for a in x]

    def lerp_(self, x: List, y: List, weight: Any) -> List:
        """Give x + weight (y - x)."""
        if isinstance(weight, LiteTensor):
            return [a + (b - a) * weight for a, b in zip(x, y, strict=True)]
        return [nexnet.lerp(a, b, weight) for a, b in zip(x, y, strict=True)]

    lerp = lerp_

    def addcmul_(self, x: List, y: List, z: List, value: Any) -> List:
        """Give x + value y z."""
        if isinstance(value, LiteTensor):
            return [a + b * c * value for a, b, c in zip(x, y, z, strict=True)]
        return [nexnet.addcmul(a, b, c, value=value) for a, b, c in zip(x, y, z, strict=True)]

    addcmul = addcmul_

    def addcdiv_(self, x: List, y: List, z: List, value: Any = 1) -> List:
        """Give x + value y / z."""
        if isinstance(value, LiteTensor):
            return [a + b * value / c for a, b, c in zip(x, y, z, strict=True)]
        return [nexnet.addcdiv(a, b, c, value=value) for a, b, c in zip(x, y, z, strict=True)]

    def maximum_(self, x: List, y: List) -> List:
        """Give the larger of x and y."""
        return [nexnet.maximum(a, b) for a, b in zip(x, y, strict=True)]

    def neg(self, x: List) -> List:
        """Give -x."""
        return [-a for a in x]

    def sign(self, x: List) -> List:
        """Give the sign of x."""
        return [nexnet.sign(a) for a in x]

    sign_ = sign

    def sqrt(self, x: List) -> List:
        """Give the square root of x, of which the gradient at 0 is 0 and not infinite."""
        return [_root(a) for a in x]

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        """Give the one number or the other."""
        return nexnet.where(condition, *(_exact(each, condition.device) for each in (a, b)))


class InPlace:
    """The same tensors, torch's, written into; a name without underscore makes new ones.

    Args:
        capturable: whether a number that is a tensor stays one, so that nothing waits for its value.
    """

    in_place = True

    def __init__(self, capturable: bool) -> None:
        self.capturable = capturable

    def number(self, value: Any) -> Any:
        """Give a hyper-parameter, or a tensor of the state, as a number to compute with."""
        if isinstance(value, (LiteTensor, Tensor)):
            return value.data.reshape(()) if self.capturable else value.data.item()
        return value

    def add(self, x: List, y: List, alpha: Any = 1) -> List:
        """Give x + alpha y, in new tensors."""
        if isinstance(alpha, Tensor):
            return torch._foreach_add(x, torch._foreach_mul(y, alpha))  # type: ignore[return-value]
        return torch._foreach_add(x, y, alpha=alpha)  # type: ignore[return-value]

    def add_(self, x: List, y: List, alpha: Any = 1) -> List:
        """Set x = x + alpha y."""
        if isinstance(alpha, Tensor):
            torch._foreach_add_(x, torch._foreach_mul(y, alpha))
        else:
            torch._foreach_add_(x, y, alpha=alpha)
        return x

    def sub_(self, x: List, y: List, alpha: Any) -> List:
        """Set x = x - alpha y."""
        return self.add_(x, y, -alpha)

    def mul(self, x: List, factor: Any) -> List:
        """Give x times a number, in new tensors."""
        return torch._foreach_mul(x, _operand(factor, x))  # type: ignore[return-value]

    def mul_(self, x: List, factor: Any) -> List:
        """Set x = x times a number."""
        torch._foreach_mul_(x, _operand(factor, x))
        return x

    def plus_(self, x: List, number: Any) -> List:
        """Set x = x plus a number."""
        torch._foreach_add_(x, _operand(number, x))
        return x

    def lerp(self, x: List, y: List, weight: Any) -> List:
        """Give x + weight (y - x), in new tensors."""
        if isinstance(weight, Tensor):
            return self.add(x, torch._foreach_sub(y, x), weight)  # type: ignore[arg-type]
        return torch._foreach_lerp(x, y, weight)  # type: ignore[return-value]

    def lerp_(self, x: List, y: List, weight: Any) -> List:
        """Set x = x + weight (y - x)."""
        if isinstance(weight, Tensor):
            return self.add_(x, torch._foreach_sub(y, x), weight)  # type: ignore[arg-type]
        torch._foreach_lerp_(x, y, weight)
        return x

    def addcmul(self, x: List, y: List, z: List, value: Any) -> List:
        """Give x + value y z, in new tensors."""
        return torch._foreach_addcmul(x, y, z, value)  # type: ignore[return-value]

    def addcmul_(self, x: List, y: List, z: List, value: Any) -> List:
        """Set x = x + value y z."""
        if isinstance(value, Tensor):
            return self.add_(x, torch._foreach_mul(y, z), value)  # type: ignore[arg-type]
        torch._foreach_addcmul_(x, y, z, value)
        return x

    def addcdiv_(self, x: List, y: List, z: List, value: Any = 1) -> List:
        """Set x = x + value y / z."""
        if isinstance(value, Tensor):
            return self.add_(x, torch._foreach_div(y, z), value)  # type: ignore[arg-type]
        torch._foreach_addcdiv_(x, y, z, value)
        return x

    def maximum_(self, x: List, y: List) -> List:
        """Set x to the larger of x and y."""
        torch._foreach_maximum_(x, y)
        return x

    def neg(self, x: List) -> List:
        """Give -x, in new tensors."""
        return torch._foreach_neg(x)  # type: ignore[return-value]

    def sign(self, x: List) -> List:
        """Give the sign of x, in new tensors."""
        return torch._foreach_sign(x)  # type: ignore[return-value]

    def sign_(self, x: List) -> List:
        """Set x to its sign."""
        torch._foreach_sign_(x)
        return x

    def sqrt(self, x: List) -> List:
        """Give the square root of x, in new tensors."""
        return torch._foreach_sqrt(x)  # type: ignore[return-value]

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        """Give the one number or the other."""
        if isinstance(condition, Tensor):
            return torch.where(condition, *(_exact(each, condition.device) for each in (a, b)))
        return a if condition else b


class New(InPlace):
    """New tensors, torch's, of one kernel for a list each: where nobody looks on, and there is no state to copy."""

    in_place = False
    add_, mul_, lerp_, addcmul_, sign_ = InPlace.add, InPlace.mul, InPlace.lerp, InPlace.addcmul, InPlace.sign

    def plus_(self, x: List, number: Any) -> List:
        """Give x plus a number."""
        return torch._foreach_add(x, _operand(number, x))  # type: ignore[return-value]

    def addcdiv_(self, x: List, y: List, z: List, value: Any = 1) -> List:
        """Give x + value y / z."""
        return self.add(x, torch._foreach_div(y, z), value)  # type: ignore[arg-type]

    def maximum_(self, x: List, y: List) -> List:
        """Give the larger of x and y."""
        return torch._foreach_maximum(x, y)  # type: ignore[return-value]


Form = Pure | InPlace


def _operand(number: Any, x: List) -> Any:
    """Give a number as torch's kernels for lists take it quickest, and none the less exact.

    On a CPU they make a tensor of a Python number for each of theirs, in three times the time of what is to be done.
    """
    dtype = x[0].dtype
    if isinstance(number, Tensor) or dtype not in (torch.float32, torch.float64) or not x[0].is_cpu:
        return number
    return torch.tensor(number, dtype=dtype) if {each.dtype for each in x} == {dtype} else number


def _exact(number: Any, device: torch.device) -> Any:
    """Give a number as a tensor that is as exact."""
    return (
        number if isinstance(number, (LiteTensor, Tensor)) else torch.tensor(number, dtype=torch.float64, device=device)
    )
