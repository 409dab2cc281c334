"""value_and_grad and grad: JAX's convention, gradients that mirror the arguments."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, overload

from .. import _trees as trees
from ..engine import evaluate, gradients, kernels_only
from ..low_rank import LowRank
from ..tape import Tape
from ._evaluate import check_function, check_output, flatten, fresh_aliases, ones, places, split_aux

if TYPE_CHECKING:
    from ._signatures import AuxGradient, F, Gradient, P, R, ValueAndGradient

__all__ = ["grad", "value_and_grad"]


@overload
def value_and_grad(  # type: ignore[overload-overlap]
    fn: F, argnums: Literal[0] = 0, has_aux: bool = False
) -> ValueAndGradient[F]: ...
@overload
def value_and_grad(
    fn: Callable[P, R], argnums: int | tuple[int, ...], has_aux: bool = False, *, low_rank: bool = False
) -> Callable[P, tuple[R, Any]]: ...
@overload
def value_and_grad(
    fn: Callable[P, R], argnums: Literal[0] = 0, has_aux: bool = False, *, low_rank: bool
) -> Callable[P, tuple[R, Any]]: ...
def value_and_grad(fn: Any, argnums: Any = 0, has_aux: bool = False, *, low_rank: bool = False) -> Any:
    """Make a function that gives ``fn``'s value and its gradient.

    Args:
        fn: a function that returns one LiteTensor, or ``(LiteTensor, aux)`` with ``has_aux``. A non-scalar output is
            seeded with ones: the gradient is that of its sum.
        argnums: which positional arguments to differentiate by. They are pytrees (nested tuples, lists, dicts,
            modules) of LiteTensors; Python floats, numpy arrays and torch tensors are taken as LiteTensors too.
        has_aux: whether ``fn`` returns something beside the output.
        low_rank: whether a matrix's gradient may come as a ``LowRank``, a product that nobody has multiplied. It does
            where it is one product (``g^T x`` of a linear layer, of fewer examples than features) and no outer tape
            is active. Its factors are tensors of the evaluation, not copies: use it before an input is written into.

    Returns:
        A function of the same arguments that returns ``(value, gradient)`` or ``((value, aux), gradient)``. The
        gradient has the structure of the argument (a tuple of such, if ``argnums`` is a tuple); an argument that was
        not used gets zeros. What ``fn`` closes over is a constant: only arguments are differentiated by.

    Raises:
        InputError: an argument that can't be differentiated by (an integer, say), named by its path; an output that
            is not one floating tensor; no function.
        TrackedTensorError: a Python number was returned that was made of a tensor (``item()``).

    Example::

        >>> value, gradient = nexnet.value_and_grad(lambda x: (x * x).sum())(nexnet.tensor([1.0, 2.0]))
        >>> value, gradient
        (LiteTensor(5.), LiteTensor([2., 4.]))
    """
    check_function(fn, argnums, "value_and_grad")
    make = LowRank._of if low_rank else None

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        chosen = places(argnums, len(args))
        single = isinstance(argnums, int)
        tree = args[chosen[0]] if single else tuple([args[i] for i in chosen])
        leaves, treespec = flatten(tree, "args[0]" if single else "args")
        inputs = fresh_aliases(leaves)
        call = list(args)
        arguments = trees.unflatten(treespec, inputs)
        for i, argument in zip(chosen, (arguments,) if single else arguments, strict=True):
            call[i] = argument
        tape = Tape()
        with kernels_only():
            result = evaluate(tape, inputs, fn, call, kwargs)
            out, aux = split_aux(result) if has_aux else (result, None)
            out = check_output(out, "value_and_grad", tape)
            grads = trees.unflatten(treespec, gradients(tape, [out], [ones(out)], inputs, True, make))
        return ((out, aux) if has_aux else out), grads

    return wrapper


@overload
def grad(fn: F, argnums: Literal[0] = 0, has_aux: Literal[False] = False) -> Gradient[F]: ...
@overload
def grad(fn: F, argnums: Literal[0] = 0, *, has_aux: Literal[True]) -> AuxGradient[F]: ...
@overload
def grad(
    fn: Callable[P, Any], argnums: int | tuple[int, ...], has_aux: bool = False, *, low_rank: bool = False
) -> Callable[P, Any]: ...
@overload
def grad(
    fn: Callable[P, Any], argnums: Literal[0] = 0, has_aux: bool = False, *, low_rank: bool
) -> Callable[P, Any]: ...
def grad(fn: Any, argnums: Any = 0, has_aux: bool = False, *, low_rank: bool = False) -> Any:
    """Make a function that gives ``fn``'s gradient, or ``(gradient, aux)``. See ``value_and_grad``.

    Example::

        >>> nexnet.grad(nexnet.grad(lambda x: x**3))(2.0)
        LiteTensor(12.)
    """
    check_function(fn, argnums, "grad")
    both = value_and_grad(fn, argnums, has_aux, low_rank=low_rank)

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        value, grads = both(*args, **kwargs)
        return (grads, value[1]) if has_aux else grads

    return wrapper
