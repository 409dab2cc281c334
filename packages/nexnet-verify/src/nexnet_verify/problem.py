"""One function at one point, as a chain of scalar functions whose gradients are the derivatives of each order.

With cotangents ``w`` for the outputs and directions ``v``::

    F0(x, w) = <w, f(x)>
    F1(x, w) = <v1, dF0/dx>
    F2(x, w) = <v2, dF1/d(x, w)>   ...

The derivative of order k is the gradient of F(k-1). From order 2 on the cotangents are inputs too: a rule's backward is
a function of the saved values *and* of the incoming gradient, and is differentiated by both.

A complex tensor, argument or output, stands in the chain as the real tensor of its real and imaginary parts, in a last
dimension of size 2. So every number is real, and it does not matter what a library takes a complex gradient to be.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy
import optree
import torch
from torch import Tensor, nn

import nexnet
from nexnet.errors import InputError, RuleError, message

__all__ = [
    "NAMESPACE",
    "Problem",
    "as_rule",
    "copy_layout",
    "draw",
    "from_parts",
    "in_torch",
    "is_float",
    "staying",
    "to_parts",
    "unit",
]

NAMESPACE = "nexnet"
Scalar = Callable[..., nexnet.LiteTensor]


def copy_layout(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Copy a tensor into fresh memory with the strides that it has (also the zero strides of an expanded one)."""
    extent = 1 + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    if tensor.numel() == 0:
        return torch.empty(tensor.shape, dtype=dtype)
    memory = torch.zeros(extent, dtype=dtype)
    copy = memory.as_strided(tensor.shape, tensor.stride())
    source, target = tensor, copy
    for dim, stride in enumerate(tensor.stride()):
        if stride == 0:
            source, target = source.narrow(dim, 0, 1), target.narrow(dim, 0, 1)
    target.copy_(source)
    return copy


def is_float(value: Any) -> bool:
    """Say whether a check differentiates by this leaf of the arguments."""
    if isinstance(value, (nexnet.LiteTensor, Tensor)):
        return bool(value.dtype.is_floating_point or value.dtype.is_complex)
    if isinstance(value, numpy.ndarray):
        return bool(numpy.issubdtype(value.dtype, numpy.inexact))
    return isinstance(value, (float, complex))


def as_rule(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Give what is called: the operator of a ``Policy``, the ``apply`` of torch's kind of a rule, a module's function.

    A ``torch.autograd.Function`` is taken as it is: nexnet calls its backward as a rule's.
    """
    if isinstance(fn, type) and issubclass(fn, nexnet.Policy):
        return nexnet.function(fn)
    if isinstance(fn, type) and issubclass(fn, torch.autograd.Function):
        return _applied(fn)
    return of_module(fn) if isinstance(fn, nn.Module) else fn


def _applied(rule: Any) -> Callable[..., Any]:
    def apply(*args: Any) -> Any:
        return rule.apply(*args)

    apply.__name__ = rule.__name__
    apply.of = rule  # type: ignore[attr-defined]
    return apply


def in_torch(fn: Callable[..., Any]) -> Callable[..., Any] | None:
    """Give what a ``torch.autograd.Function`` (or its ``apply``) is to PyTorch; None for what is none."""
    rule = fn if isinstance(fn, type) else getattr(fn, "of", getattr(fn, "__self__", None))
    return rule.apply if isinstance(rule, type) and issubclass(rule, torch.autograd.Function) else None


def of_module(module: nn.Module) -> Callable[..., Any]:
    """Give a module as a function of its parameters (a dict) and its arguments, that leaves it as it is.

    Floating buffers take on the parameters' dtype; what the module writes into them is dropped.
    """

    def call(parameters: dict[str, Any], *args: Any) -> Any:
        dtype = next((each.dtype for each in parameters.values()), None)
        buffers = {
            name: each.detach().to(dtype) if dtype is not None and each.is_floating_point() else each.detach()
            for name, each in module.named_buffers()
        }
        return nexnet.functional_call(module, {**parameters, **buffers}, args, with_buffers=True)[0]

    call.__name__ = type(module).__name__
    return call


@contextlib.contextmanager
def staying(name: str) -> Iterator[None]:
    """Make an error of a rule's wish to end the process: a check that ends early is not one that has passed.

    Raises:
        RuleError: the code in the block has called ``sys.exit``.
    """
    try:
        yield
    except SystemExit as error:
        raise RuleError(
            message(
                "a rule has called sys.exit: its gradients were not checked.",
                rule=name,
                got=f"SystemExit({error.code!r})",
                remedy="raise an error that says what is wrong",
            )
        ) from error


@dataclass
class Problem:
    """A function of a list of tensors, a point, and the seeded cotangents and directions of its chain.

    Attributes:
        fn: the function, of the original arguments.
        name: what messages call it.
        treespec, constants: how the tensors go back into the arguments.
        leaves: the float64 tensors that are differentiated by.
        paths: their places in the arguments, as Python.
        complex_leaves: which of the leaves are the parts of a complex tensor.
        masks: for each leaf, True where the function was found not to be differentiable.
        meant: the same problem of the function whose gradient this one's is meant to be; None: its own.
    """

    fn: Callable[..., Any]
    name: str
    treespec: Any
    constants: dict[int, Any]
    leaves: list[Tensor]
    paths: list[str]
    seed: int
    complex_leaves: tuple[bool, ...]
    masks: list[Tensor] = field(default_factory=list)
    weights: list[Tensor] = field(default_factory=list)
    directions: list[list[Tensor]] = field(default_factory=list)
    meant: Problem | None = None

    @classmethod
    def of(cls, fn: Callable[..., Any], args: Sequence[Any], seed: int, order: int) -> Problem:
        """Take the arguments apart, copy every floating leaf to float64, and draw cotangents and directions.

        Raises:
            InputError: there is nothing to differentiate by, or the function returns no floating tensor.
        """
        fn = as_rule(fn)
        name = getattr(fn, "__name__", None) or type(fn).__name__
        found, treespec = optree.tree_flatten(tuple(args), namespace=NAMESPACE)
        accessors = treespec.accessors()
        places = [i for i, leaf in enumerate(found) if is_float(leaf)]
        if not places:
            raise InputError(
                message(
                    "there is nothing to differentiate by in these arguments.",
                    rule=name,
                    expected="at least one LiteTensor, torch tensor, numpy array or number of floating dtype",
                    got=", ".join(type(leaf).__name__ for leaf in found) or "no arguments",
                )
            )
        given = [_raw(found[i]) for i in places]
        problem = cls(
            fn=fn,
            name=name,
            treespec=treespec,
            constants={i: leaf for i, leaf in enumerate(found) if i not in places},
            leaves=[copy_layout(to_parts(each), torch.float64) for each in given],
            paths=[
                accessors[i].codify("args") + (" (its real and imaginary parts)" if each.is_complex() else "")
                for i, each in zip(places, given, strict=True)
            ],
            seed=seed,
            complex_leaves=tuple(each.is_complex() for each in given),
        )
        problem.masks = [torch.zeros(leaf.shape, dtype=torch.bool) for leaf in problem.leaves]
        generator = torch.Generator().manual_seed(seed)
        outputs = problem.outputs(problem.leaves)
        if not outputs:
            raise InputError(
                message("the function returns no floating tensor.", rule=name, expected="LiteTensors of float dtype")
            )
        problem.weights = [draw(out.data, generator).to(out.dtype) for out in outputs]
        for level in range(1, order):
            followed = problem.leaves if level == 1 else problem.leaves + problem.weights
            problem.directions.append([draw(each, generator) for each in followed])
        return problem

    def mean(self, fn: Callable[..., Any]) -> None:
        """Let the derivatives be meant to be those of another function of the same arguments.

        Raises:
            InputError: its outputs have other shapes.
        """
        meant = replace(self, fn=as_rule(fn), name=getattr(fn, "__name__", None) or type(fn).__name__)
        shapes = [[tuple(out.shape) for out in each.outputs(self.leaves)] for each in (self, meant)]
        if shapes[0] != shapes[1]:
            raise InputError(
                message(
                    "the function whose gradient is expected returns something else.",
                    rule=self.name,
                    argument="expected",
                    expected=f"outputs of shapes {shapes[0]}",
                    got=shapes[1],
                )
            )
        self.meant = meant

    # What nexnet gives -----------------------------------------------------------------------------------------------

    def arguments(self, leaves: Sequence[Any], constants: Callable[[Any], Any] = lambda x: x) -> tuple[Any, ...]:
        """Put tensors (LiteTensors, or JAX arrays) back into the structure of the arguments."""
        rest = map(from_parts, leaves, self.complex_leaves)
        count = len(self.leaves) + len(self.constants)
        filled = [constants(self.constants[i]) if i in self.constants else next(rest) for i in range(count)]
        return tuple(optree.tree_unflatten(self.treespec, filled))

    def outputs(self, leaves: Sequence[Any]) -> list[nexnet.LiteTensor]:
        """Call the function; give the floating tensors among what it returns."""
        lite = [leaf if isinstance(leaf, nexnet.LiteTensor) else nexnet.LiteTensor(leaf) for leaf in leaves]
        found = optree.tree_leaves(self.fn(*self.arguments(lite)), namespace=NAMESPACE)
        found = [nexnet.LiteTensor(each) if isinstance(each, (float, Tensor)) else each for each in found]
        return [to_parts(each) for each in found if isinstance(each, nexnet.LiteTensor) and is_float(each)]

    def followed(self, order: int) -> list[Tensor]:
        """Give what the derivative of this order is taken by: the leaves, and from order 2 on the cotangents."""
        return self.leaves if order == 1 else self.leaves + self.weights

    def path(self, index: int) -> str:
        """Name one of ``followed``."""
        if index < len(self.paths):
            return self.paths[index]
        return f"the cotangent of output {index - len(self.paths)}"

    def scalar(self, level: int) -> Scalar:
        """Give F(level), a function of the leaves and the cotangents."""
        count = len(self.leaves)
        if level == 0:
            return lambda *all_: _dot(all_[count:], self.outputs(all_[:count]))
        gradient = nexnet.grad(self.scalar(level - 1), argnums=tuple(range(len(self.followed(level)))))
        directions = [nexnet.LiteTensor(each) for each in self.direction(level)]
        return lambda *all_: _dot(directions, gradient(*all_))

    def direction(self, level: int) -> list[Tensor]:
        """Give v(level), which is zero where the function was found not to be differentiable."""
        drawn = self.directions[level - 1]
        masked = [v.masked_fill(mask, 0.0) for v, mask in zip(drawn, self.masks, strict=False)]
        return masked + drawn[len(masked) :]

    def value(self, level: int, followed: Sequence[Tensor]) -> float:
        """Evaluate F(level), or the one that is meant, at other leaves (and cotangents, if they are given too)."""
        everything = [*followed, *self.weights] if len(followed) == len(self.leaves) else list(followed)
        return float((self.meant or self).scalar(level)(*map(nexnet.LiteTensor, everything)).data)

    def size(self, level: int) -> float:
        """Give the sum of the sizes of the terms of F(level), from which its rounding error is estimated."""
        if level == 0:
            pairs = zip(self.weights, [each.data for each in self.outputs(self.leaves)], strict=True)
        else:
            pairs = zip(self.direction(level), self.gradient(level), strict=True)
        return float(sum((v.double() * g.double()).abs().sum() for v, g in pairs))

    def rounding_size(self, level: int) -> float:
        """Give the size of what is rounded in F(level): its terms, or the values that a gradient has come from."""
        if level == 0:
            return self.size(0)
        units = torch.cat([unit(leaf).reshape(-1) for leaf in self.leaves])
        return max(self.size(level), self.size(level - 1) / (float(units.mean()) if units.numel() else 1.0))

    def gradient(self, order: int, leaves: Sequence[Tensor] | None = None, dtype: Any = None) -> list[Tensor]:
        """Give the derivative of an order as nexnet computes it: one tensor for each of ``followed(order)``."""
        point = [*(self.leaves if leaves is None else leaves), *self.weights]
        point = point if dtype is None else [each.to(dtype) for each in point]
        places = tuple(range(len(self.followed(order))))
        found = nexnet.grad(self.scalar(order - 1), argnums=places)(*map(nexnet.LiteTensor, point))
        return [each.data for each in found]


def from_parts(leaf: Any, is_complex: bool) -> Any:
    """Give what the function gets for a leaf: of parts, the complex tensor (in the strides that they are in)."""
    if not is_complex:
        return leaf
    if not isinstance(leaf, (nexnet.LiteTensor, Tensor)):
        return leaf[..., 0] + 1j * leaf[..., 1]
    *strides, last = leaf.stride()
    if last == 1 and not any(stride % 2 for stride in strides):
        return torch.view_as_complex(leaf)  # type: ignore[arg-type]
    return torch.complex(leaf[..., 0], leaf[..., 1])  # type: ignore[arg-type]


def to_parts(tensor: Any) -> Any:
    """Give a complex tensor's real and imaginary parts in a last dimension, any other tensor as it is."""
    if not tensor.dtype.is_complex:
        return tensor
    return torch.view_as_real(tensor.resolve_conj())


def unit(tensor: Tensor) -> Tensor:
    """Give each element's size: that of the element, or of its neighbours where it is zero, or one."""
    size = tensor.abs().double()
    inside = size[(size > 0) & size.isfinite()]
    typical = float(inside.mean()) if len(inside) else 1.0
    return torch.where((size > 0) & size.isfinite(), size, typical)


def _raw(leaf: Any) -> Tensor:
    return leaf.data if isinstance(leaf, nexnet.LiteTensor) else torch.as_tensor(leaf).detach()


def draw(like: Tensor, generator: torch.Generator) -> Tensor:
    """Draw numbers of size 0.5 to 1.5 and either sign: no element may hide behind a weight of zero, or of one."""
    size = (0.5 + torch.rand(like.shape, generator=generator)).double()  # float32 holds it exactly
    sign = torch.randint(0, 2, like.shape, generator=generator) * 2 - 1
    return size * sign


def _dot(left: Sequence[Any], right: Sequence[Any]) -> nexnet.LiteTensor:
    total: Any = None
    for a, b in zip(left, right, strict=True):
        term = (b * a).sum()
        total = term if total is None else total + term
    return total  # type: ignore[no-any-return]
