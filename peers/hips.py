"""HIPS autograd's API over nexnet, thin: what its own tests import. ``numpy``'s names are torch's, or are left out.

A function of autograd.numpy calls numpy's where nothing is differentiated, and else torch's of that name, which reaches
nexnet's rule. ``check_grads`` is written anew: pullbacks and tangents against central differences, at each order.
"""

from __future__ import annotations

import functools
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy
import optree
import torch

import nexnet
from nexnet import LiteTensor

__all__ = ["NotHere", "modules_of_autograd"]

#: Torch's name where numpy has another, or where torch's of that name is another function.
RENAMED = {
    "conjugate": "conj", "degrees": "rad2deg", "expand_dims": "unsqueeze", "fabs": "abs", "max": "amax", "min": "amin",
    "mod": "remainder", "partition": "sort", "power": "pow", "radians": "deg2rad", "repeat": "repeat_interleave",
    "split": "tensor_split",
}  # fmt: skip
#: The same of keywords, and of one function's.
KEYWORDS = {
    "axis": "dim", "axes": "dim", "a_min": "min", "a_max": "max", "ddof": "correction", "k": "diagonal",
    "keepdims": "keepdim",
}  # fmt: skip
OF_ONE = {"tensordot": {"axes": "dims"}, "roll": {"axis": "dims"}, "tile": {"reps": "dims"}}


class NotHere(Exception):  # noqa: N818  no error of what is tested
    """Numpy has it, and torch has not, or calls it in another way."""


def _is_ours(tree: Any) -> bool:
    return any(isinstance(each, LiteTensor) for each in optree.tree_leaves(tree))


def _tensor(value: Any) -> Any:
    """Give arrays and numbers as tensors of double precision."""
    if isinstance(value, (numpy.ndarray, numpy.generic)) and value.dtype.kind in "fciub":
        wide = {"f": numpy.float64, "c": numpy.complex128}.get(value.dtype.kind, value.dtype)
        return torch.from_numpy(numpy.array(value, dtype=wide))
    return value


def _plain(tree: Any) -> Any:
    """Give LiteTensors that nobody differentiates by as numpy's."""

    def convert(value: Any) -> Any:
        if not isinstance(value, LiteTensor) or nexnet.engine.is_tracked(value):
            return value
        return value.numpy() if value.ndim else value.item()

    return optree.tree_map(convert, tree)


class _Facade(ModuleType):
    """A module of numpy's, by torch where a LiteTensor is among the arguments."""

    def __init__(self, name: str, numpys: Any, torchs: Sequence[Any]) -> None:
        super().__init__(name)
        self.__path__: list[str] = []
        self._numpys, self._torchs = numpys, torchs

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._numpys, name, None)
        if found is None:
            raise NotHere(f"numpy itself has no {name}")
        if not callable(found) or isinstance(found, type):
            return found

        @functools.wraps(found)
        def call(*args: Any, **kwargs: Any) -> Any:
            if not _is_ours((args, kwargs)):
                return found(*args, **kwargs)
            return self._by_torch(name, *optree.tree_map(_tensor, (args, kwargs)))

        return call

    def _by_torch(self, name: str, args: Any, kwargs: Any) -> Any:
        names = KEYWORDS | OF_ONE.get(name, {})
        name = RENAMED.get(name, name)
        ours = next((getattr(each, name) for each in self._torchs if hasattr(each, name)), None)
        if ours is None:
            raise NotHere(f"torch has no {name}")
        kwargs = {names.get(each, each): value for each, value in kwargs.items()}
        given = {each: value for each, value in kwargs.items() if value is not None}
        try:
            return ours(*args, **(given if name in ("amax", "amin", "sort") else kwargs))
        except (TypeError, AttributeError) as error:
            raise NotHere(f"torch's {name} is called otherwise: {error}") from error


def _as_lite(tree: Any) -> Any:
    """Give the numbers and arrays of a tree as LiteTensors."""

    def convert(value: Any) -> Any:
        if isinstance(value, (float, complex)):
            return LiteTensor(value, dtype=torch.complex128 if isinstance(value, complex) else torch.float64)
        found = _tensor(value)
        floating = isinstance(found, torch.Tensor) and (found.is_floating_point() or found.is_complex())
        return LiteTensor(found) if floating else value

    return optree.tree_map(convert, tree)


def _unary(transform: Callable[[Callable[..., Any], Any], Any]) -> Callable[..., Any]:
    """Let a transform be called as autograd's are: ``grad(fun, argnum)(*args, **kwargs)``."""

    def make(fun: Callable[..., Any], argnum: Any = 0) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            inside = _is_ours((args, kwargs))

            def of(x: Any) -> Any:
                given = list(args)
                if isinstance(argnum, int):
                    given[argnum] = x
                else:
                    for i, each in zip(argnum, x, strict=True):
                        given[i] = each
                return fun(*given, **kwargs)

            x = args[argnum] if isinstance(argnum, int) else tuple(args[i] for i in argnum)
            found = transform(of, _as_lite(x))
            return found if inside else _plain(found)

        return call

    return make


def _elementwise(fun: Callable[[Any], Any], x: Any) -> Any:
    return nexnet.grad(lambda x: fun(x).sum())(x)


def _check(fun: Callable[..., Any], order: int, modes: Sequence[str], generator: torch.Generator) -> None:
    """Check a function of tensors, given with them as a partial."""
    fn, points = fun.func, list(fun.args)  # type: ignore[attr-defined]

    def outs(*leaves: Any) -> list[Any]:
        found = optree.tree_leaves(_as_lite(fn(*leaves)))
        return [each for each in found if isinstance(each, LiteTensor) and _floats(each)]

    def random(like: LiteTensor) -> LiteTensor:
        return LiteTensor(torch.randn(like.shape, dtype=like.dtype, generator=generator))

    values, pullback = nexnet.vjp(outs, *points)
    cotangents, directions = [random(each) for each in values], [random(each) for each in points]

    def along(t: float) -> float:
        moved = [LiteTensor(p.data + t * d.data) for p, d in zip(points, directions, strict=True)]
        return _dot(outs(*moved), cotangents)

    h = 1e-6  # autograd's own
    slope = (8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h)
    exact = _dot(pullback(cotangents), directions)
    assert abs(slope - exact) <= 1e-6 * max(1.0, abs(slope), abs(exact)), f"{exact}, and by differences {slope}"
    if "fwd" in modes:
        _, tangents = nexnet.jvp(outs, tuple(points), tuple(directions))
        assert abs(_dot(tangents, cotangents) - exact) <= 1e-8 * max(1.0, abs(exact)), "jvp is not vjp's transpose"
    if order > 1:

        def gradient(*leaves: Any) -> Any:
            return nexnet.vjp(outs, *leaves)[1](cotangents)

        _check(functools.partial(gradient, *points), order - 1, modes, generator)


def _floats(x: LiteTensor) -> bool:
    return x.dtype.is_floating_point or x.dtype.is_complex


def _dot(a: Sequence[LiteTensor], b: Sequence[LiteTensor]) -> float:
    return float(sum((x.data * y.data.conj()).sum().real for x, y in zip(a, b, strict=True)))


def check_grads(
    fun: Callable[..., Any], argnum: Any = None, modes: Sequence[str] = ("fwd", "rev"), order: int = 2
) -> Callable[..., None]:
    """Check the derivatives by all arguments, or by some, up to an order."""

    def check(*args: Any, **kwargs: Any) -> None:
        places = range(len(args)) if argnum is None else [argnum] if isinstance(argnum, int) else argnum
        trees = _as_lite([args[i] for i in places])
        leaves, treespec = optree.tree_flatten(trees)
        varying = [i for i, each in enumerate(leaves) if isinstance(each, LiteTensor)]

        def of(*points: Any) -> Any:
            filled = list(leaves)
            for i, point in zip(varying, points, strict=True):
                filled[i] = point
            given = list(args)
            for i, each in zip(places, optree.tree_unflatten(treespec, filled), strict=True):
                given[i] = each
            return fun(*given, **kwargs)

        _check(functools.partial(of, *[leaves[i] for i in varying]), order, modes, torch.Generator().manual_seed(0))

    return check


def combo_check(fun: Callable[..., Any], *args: Any, **options: Any) -> Callable[..., None]:
    """Check all combinations of arguments."""

    def check(*choices: Any, **kwargs: Any) -> None:
        for given in itertools.product(*choices):
            for values in itertools.product(*kwargs.values()):
                check_grads(fun, *args, **options)(*given, **dict(zip(kwargs, values, strict=True)))

    return check


@contextmanager
def modules_of_autograd() -> Iterator[None]:
    """Let ``import autograd`` and its parts find these, and not another's."""
    linear = _Facade("autograd.numpy.linalg", numpy.linalg, [torch.linalg])
    fourier = _Facade("autograd.numpy.fft", numpy.fft, [torch.fft])
    arrays = _Facade("autograd.numpy", numpy, [torch, torch.special])
    arrays.__dict__.update(linalg=linear, fft=fourier, random=numpy.random, array=_array, dot=_dot_product)
    top, util, builtins = (ModuleType(f"autograd{each}") for each in ("", ".test_util", ".builtins"))
    top.__path__ = []
    builtins.__dict__.update(dict=dict, list=list, tuple=tuple, isinstance=isinstance)
    util.__dict__.update(check_grads=check_grads, combo_check=combo_check)
    top.__dict__.update(
        numpy=arrays, grad=_unary(lambda f, x: nexnet.grad(f)(x)), elementwise_grad=_unary(_elementwise),
        deriv=_unary(lambda f, x: nexnet.jvp(f, (x,), (nexnet.ones_like(x),))[1]),
        jacobian=_unary(lambda f, x: nexnet.jacrev(f)(x)), hessian=_unary(lambda f, x: nexnet.hessian(f)(x)),
        value_and_grad=_unary(lambda f, x: nexnet.value_and_grad(f)(x)),
        holomorphic_grad=_unary(lambda f, x: nexnet.grad(lambda x: f(x).real)(x).conj()),
        dict=dict, list=list, tuple=tuple, isinstance=isinstance,
    )  # fmt: skip
    made = {each.__name__: each for each in (top, arrays, linear, fourier, util, builtins)}
    made["autograd.numpy.random"] = numpy.random
    before = {name: each for name, each in sys.modules.items() if name.partition(".")[0] == "autograd"}
    for name in before:
        del sys.modules[name]
    sys.modules.update(made)
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "autograd"]:
            del sys.modules[name]
        sys.modules.update(before)


def _array(values: Any, *args: Any, **kwargs: Any) -> Any:
    """Numpy's array of numbers, some of which are differentiated by."""
    if not _is_ours(values):
        return numpy.array(values, *args, **kwargs)
    if isinstance(values, LiteTensor):
        return values
    parts = [_array(each) if isinstance(each, (list, tuple)) else each for each in values]
    return torch.stack(_as_lite(list(parts)))


def _dot_product(a: Any, b: Any) -> Any:
    """Numpy's dot: a product of matrices, and the second to last dimension of b."""
    if not _is_ours((a, b)):
        return numpy.dot(a, b)
    a, b = _as_lite((a, b))
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    return torch.tensordot(a, b, dims=([a.ndim - 1], [max(b.ndim - 2, 0)]))
