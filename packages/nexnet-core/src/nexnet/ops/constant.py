"""Functions without a gradient: they take LiteTensors and give LiteTensors that no tape tracks, or Python values.

Comparisons, indices, tests, random numbers, and what is constant between its steps. They are torch's own, with
torch's signatures; what is computed from their result is a constant to every derivative.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any

import numpy
import torch
from torch import Tensor

from .._nested import rebuild
from ..engine import TensorBase, is_tracked, this_thread, try_first_of, wrap
from ..errors import InputError, NoGradientRule, message
from ..policy import implements
from ._examples import OF_EXAMPLES
from ._vmap_kernels import is_mapped

__all__ = [
    "all", "allclose", "any", "argmax", "argmin", "argsort", "argwhere", "bernoulli", "bincount", "binomial",
    "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor",
    "bucketize", "can_cast", "ceil", "count_nonzero", "empty_like", "eq", "equal", "fix", "floor", "floor_divide",
    "full_like", "gcd", "ge", "greater", "greater_equal", "gt", "histc", "histogram", "is_complex",
    "is_floating_point", "is_nonzero", "is_signed", "isclose", "isfinite", "isin", "isinf", "isnan", "isneginf",
    "isposinf", "isreal", "lcm", "le", "less", "less_equal", "logical_and", "logical_not", "logical_or",
    "logical_xor", "lt", "multinomial", "ne", "nonzero", "not_equal", "numel", "ones_like", "poisson", "rand_like",
    "randint_like", "randn_like", "result_type", "round", "searchsorted", "sign", "signbit", "trunc", "unique",
    "unique_consecutive", "zeros_like",
]  # fmt: skip


# torch's functions don't tell their signatures: these keywords are handed on, and torch refuses those it does not take.
_KEYWORDS = ("dtype", "layout", "memory_format", "pin_memory", "generator")
_SIGNATURE = Signature(
    [
        Parameter("args", Parameter.VAR_POSITIONAL),
        *[Parameter(name, Parameter.KEYWORD_ONLY, default=None) for name in _KEYWORDS],
        Parameter("kwargs", Parameter.VAR_KEYWORD),
    ]
)


def constant(torch_function: Callable[..., Any], *, varies: bool = False) -> Callable[..., Any]:
    """Make nexnet's form of a torch function that has no gradient, or whose gradient is zero wherever it has one.

    One that ``varies`` with its argument, but has no gradient in torch either, refuses what is being differentiated.
    """
    name = torch_function.__name__
    of_examples = OF_EXAMPLES.get(torch_function, torch_function)

    def call(*args: Any, **kwargs: Any) -> Any:
        if varies and builtins.any(isinstance(x, TensorBase) and is_tracked(x) for x in (*args, *kwargs.values())):
            raise NoGradientRule(
                message(
                    "torch has no gradient for this function, nor has nexnet.",
                    rule=name,
                    remedy="for a constant, call it on nexnet.stop_gradient(x)",
                )
            )
        if kwargs:
            if kwargs.get("out") is not None:
                raise InputError(
                    message(
                        "out= writes into a tensor, and nexnet is functional.",
                        rule=name,
                        remedy="use the value that the function returns",
                    )
                )
            kwargs = {key: _raw(value) for key, value in kwargs.items()}
        given = [_raw(arg) for arg in args]
        thread = this_thread()
        if thread.mapped:
            try_first_of(torch_function, args, kwargs)
        mapped = of_examples is not torch_function and is_mapped(*given, *kwargs.values())
        made = _lite((of_examples if mapped else torch_function)(*given, **kwargs))
        if thread.observers is not None:
            thread.observers.ended(name, args, made)
        return made

    call.__name__ = call.__qualname__ = name
    call.__module__ = __name__
    call.__doc__ = f"torch.{name}, as torch documents it. No gradient: its result is a constant."
    call.__signature__ = _SIGNATURE  # type: ignore[attr-defined]
    return call


def _raw(value: Any) -> Any:
    if isinstance(value, TensorBase):
        return value.data
    if isinstance(value, numpy.ndarray):
        return torch.as_tensor(value)
    return type(value)(map(_raw, value)) if type(value) in (tuple, list) else value


def _lite(out: Any) -> Any:
    if isinstance(out, Tensor):
        return wrap(out.detach() if out.requires_grad else out)
    return rebuild(out, [_lite(each) for each in out]) if isinstance(out, (tuple, list)) else out


def _register(
    torch_function: Callable[..., Any], *same: Callable[..., Any], varies: bool = False
) -> Callable[..., Any]:
    made: Callable[..., Any] = implements(torch_function, *same)(constant(torch_function, varies=varies))
    return made


# Comparisons

eq = _register(torch.eq)
ne = not_equal = _register(torch.ne, torch.not_equal)
lt = less = _register(torch.lt, torch.less)
le = less_equal = _register(torch.le, torch.less_equal)
gt = greater = _register(torch.gt, torch.greater)
ge = greater_equal = _register(torch.ge, torch.greater_equal)
isclose = _register(torch.isclose)
allclose = _register(torch.allclose)
equal = _register(torch.equal)
isin = _register(torch.isin)

# Logic and bits

logical_and = _register(torch.logical_and)
logical_or = _register(torch.logical_or)
logical_xor = _register(torch.logical_xor)
logical_not = _register(torch.logical_not)
bitwise_and = _register(torch.bitwise_and, Tensor.__and__)
bitwise_or = _register(torch.bitwise_or, Tensor.__or__)
bitwise_xor = _register(torch.bitwise_xor, Tensor.__xor__)
bitwise_not = _register(torch.bitwise_not)
bitwise_left_shift = _register(torch.bitwise_left_shift, Tensor.__lshift__)
bitwise_right_shift = _register(torch.bitwise_right_shift, Tensor.__rshift__)

# Tests of values and of kinds

isnan = _register(torch.isnan)
isinf = _register(torch.isinf)
isposinf = _register(torch.isposinf)
isneginf = _register(torch.isneginf)
isfinite = _register(torch.isfinite)
signbit = _register(torch.signbit)
any = _register(torch.any)
all = _register(torch.all)
numel = _register(torch.numel)
is_floating_point = _register(torch.is_floating_point)
is_complex = _register(torch.is_complex)
is_nonzero = _register(torch.is_nonzero)
is_signed = _register(torch.is_signed)
isreal = _register(torch.isreal)
result_type = _register(torch.result_type)
can_cast = _register(torch.can_cast)

for _question in (
    torch._is_all_true, torch._is_any_true, torch.get_device, torch.is_distributed, torch.is_inference,
    torch.is_same_size, Tensor.is_set_to, torch.hash_tensor, torch.nonzero_static, torch.unravel_index,
):  # fmt: skip
    _register(_question)  # asked by torch's own code, and by few users

# Steps: flat between their jumps, where torch's gradient is zero too

sign = _register(torch.sign)
floor = _register(torch.floor)
ceil = _register(torch.ceil)
trunc = fix = _register(torch.trunc, torch.fix)
round = _register(torch.round, torch.special.round)
floor_divide = _register(torch.floor_divide, Tensor.__floordiv__)

gcd = _register(torch.gcd)
lcm = _register(torch.lcm)

#: What has a gradient in torch, which is zero.
STEPS = frozenset({sign, floor, ceil, trunc, round, floor_divide})

# Places and counts

argmax = _register(torch.argmax)
argmin = _register(torch.argmin)
argsort = _register(torch.argsort)
argwhere = _register(torch.argwhere)
nonzero = _register(torch.nonzero)
count_nonzero = _register(torch.count_nonzero)
searchsorted = _register(torch.searchsorted)
bucketize = _register(torch.bucketize)
bincount = _register(torch.bincount)
histc = _register(torch.histc)
histogram = _register(torch.histogram)
unique = _register(torch.unique, torch.Tensor.unique, varies=True)


def _unique_consecutive(
    input: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """Hand the arguments on by keyword: what torch's own takes by position it may forget."""
    return torch.unique_consecutive(input, return_inverse=return_inverse, return_counts=return_counts, dim=dim)


_unique_consecutive.__name__ = "unique_consecutive"
unique_consecutive = implements(torch.unique_consecutive, torch.Tensor.unique_consecutive)(
    constant(_unique_consecutive, varies=True)
)


# Tensors like another, and random draws

zeros_like = _register(torch.zeros_like)
ones_like = _register(torch.ones_like)
empty_like = _register(torch.empty_like)
rand_like = _register(torch.rand_like)
randn_like = _register(torch.randn_like)
randint_like = _register(torch.randint_like)
bernoulli = _register(torch.bernoulli)
multinomial = _register(torch.multinomial)
binomial = _register(torch.binomial)
poisson = _register(torch.poisson)


@implements(torch.full_like)
def full_like(
    input: Any,
    fill_value: Any,
    *,
    dtype: torch.dtype | None = None,
    layout: torch.layout | None = None,
    device: torch.device | str | None = None,
    pin_memory: bool = False,
    memory_format: torch.memory_format = torch.preserve_format,
) -> Any:
    """One value in the shape of another tensor. A LiteTensor without dimensions, as value, has its gradient."""
    options = {"dtype": dtype, "layout": layout, "device": device, "pin_memory": pin_memory}
    zeros = zeros_like(input, memory_format=memory_format, **options)
    return zeros + fill_value if isinstance(fill_value, TensorBase) else wrap(zeros.data.fill_(fill_value))
