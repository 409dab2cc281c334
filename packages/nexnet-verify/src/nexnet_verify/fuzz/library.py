"""What a random program is made of, in nexnet and in torch.func: one text runs on both."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

import nexnet

from ..cases import all_cases
from ..torch_reference import torch_counterpart

__all__ = ["NEXNET", "TORCH", "check_kept", "fit", "near", "probe"]


def fit(v: Any, shape: tuple[int, ...]) -> Any:
    """Give a tensor of a shape made of another's elements, repeated or left out: any step takes any tensor."""
    if tuple(v.shape) == shape:
        return v
    wanted = int(torch.Size(shape).numel())
    if v.numel() == 0:
        return torch.zeros(shape, dtype=torch.float64) + v.sum()
    return v.reshape(-1)[torch.arange(wanted) % v.numel()].reshape(shape)


def near(v: Any, point: Tensor) -> Any:
    """Give a point moved a little by a tensor: an operator's argument stays in its domain."""
    return point + 0.02 * torch.tanh(v)


def probe(v: Any) -> Any:
    """Give a scalar that every element of a tensor has a weight of its own in."""
    if v.dtype.is_complex:
        v = torch.view_as_real(v)
    weights = torch.cos(1.0 + torch.arange(v.numel(), dtype=torch.float64)).reshape(tuple(v.shape))
    return (weights * v).sum()


# Rules of a user's: they alias their arguments, and keep what they see ----------------------------------------------

KEPT: list[tuple[Tensor, Tensor]] = []


def check_kept() -> str:
    """Say whether what the rules have seen was written into since, and forget it."""
    changed = sum(not torch.equal(now.nan_to_num(), before.nan_to_num()) for now, before in KEPT)
    count = len(KEPT)
    KEPT.clear()
    return f"{changed} of {count} tensors that a rule has kept were written into" if changed else ""


def _keep(*values: Any) -> None:
    wrapped = torch._C._functorch.is_functorch_wrapped_tensor
    KEPT.extend((each, each.clone()) for each in values if type(each) is Tensor and not wrapped(each))


@nexnet.function
class same(nexnet.Policy):
    """x itself."""

    def forward(self, x: Any) -> Any:
        return x

    def backward(self, grad: Any) -> Any:
        _keep(grad)
        return grad


@nexnet.function
class flat(nexnet.Policy):
    """A view of x."""

    def forward(self, x: Any) -> Any:
        self.ctx.save(x)
        return x.reshape(-1)

    def backward(self, grad: Any) -> Any:
        (x,) = self.ctx.release
        return grad.reshape(tuple(x.shape))


@nexnet.function
class plus(nexnet.Policy):
    """x + y: one gradient for both."""

    def forward(self, x: Any, y: Any) -> Any:
        return x + y

    def backward(self, grad: Any) -> Any:
        _keep(grad)
        return grad, grad


@nexnet.function
class spread(nexnet.Policy):
    """The sum of x: its gradient is expanded."""

    def forward(self, x: Any) -> Any:
        self.ctx.save(x)
        return x.sum()

    def backward(self, grad: Any) -> Any:
        (x,) = self.ctx.release
        return grad.expand(tuple(x.shape))


@nexnet.function
class wave(nexnet.Policy):
    """sin(x) cos(x), of two intermediates."""

    def forward(self, x: Any) -> Any:
        s, c = torch.sin(x), torch.cos(x)
        self.ctx.save(s, c)
        return s * c

    def backward(self, grad: Any) -> Any:
        s, c = self.ctx.release
        _keep(grad, s, c)
        return grad * (c * c - s * s)


@nexnet.function
class both(nexnet.Policy):
    """exp(-x^2) and x of it: two outputs, saved."""

    def forward(self, x: Any) -> Any:
        e = torch.exp(-x * x)
        out = x * e
        self.ctx.save(x, e, out)
        return e, out

    def backward(self, grad_e: Any, grad_out: Any) -> Any:
        x, e, out = self.ctx.release
        _keep(x, e, out)
        return -2 * x * e * grad_e + (e - 2 * x * out) * grad_out


def _both(x: Tensor) -> tuple[Tensor, Tensor]:
    return torch.exp(-x * x), x * torch.exp(-x * x)


# Both libraries -----------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=4096)
def _op(kind: str, name: str, in_torch: bool) -> Any:
    case = next(each for each in all_cases() if (each.kind, each.name) == (kind, name))
    return torch_counterpart(case) if in_torch else case.operator


def _again(vjp: Callable[..., Any], fn: Callable[..., Any], x: Any) -> Any:
    out, pullback = vjp(fn, x)
    (first,) = pullback(torch.ones_like(out))
    (second,) = pullback(torch.ones_like(out) * 0.5)
    return first + second * torch.cos(out)


NEXNET = SimpleNamespace(
    grad=nexnet.grad, vjp=nexnet.vjp, jvp=nexnet.jvp, vmap=nexnet.vmap, hessian=nexnet.hessian, jacrev=nexnet.jacrev,
    jacfwd=nexnet.jacfwd, checkpoint=nexnet.checkpoint, stop=nexnet.stop_gradient,
    again=functools.partial(_again, nexnet.vjp), op=lambda kind, name: _op(kind, name, False),
    same=same, flat=flat, plus=plus, spread=spread, wave=wave, both=both, tensor=nexnet.LiteTensor,
)  # fmt: skip

TORCH = SimpleNamespace(
    grad=torch.func.grad, vjp=torch.func.vjp, jvp=torch.func.jvp, vmap=torch.func.vmap, hessian=torch.func.hessian,
    jacrev=torch.func.jacrev, jacfwd=torch.func.jacfwd, checkpoint=lambda fn: fn, stop=lambda x: x.detach(),
    again=functools.partial(_again, torch.func.vjp), op=lambda kind, name: _op(kind, name, True),
    same=lambda x: x * 1.0, flat=lambda x: x.reshape(-1), plus=lambda x, y: x + y, spread=lambda x: x.sum(),
    wave=lambda x: torch.sin(x) * torch.cos(x), both=_both, tensor=lambda x: x,
)  # fmt: skip
