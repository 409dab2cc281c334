"""Products with the Jacobian: vjp and jvp, linearize, and the Hessian's and Gauss-Newton's product with a vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy
import optree
from torch import Tensor

from .. import _trees as trees
from .._forward_mode import Linearization
from ..engine import evaluate, gradients, kernels_only, saved_versions, wrap, zeros_like
from ..errors import InputError, TrackedTensorError, message
from ..tape import Tape
from ..tensor import LiteTensor
from ._evaluate import (
    NAMESPACE,
    check_callable,
    check_output,
    check_outputs,
    flatten,
    fresh_aliases,
    ones,
    path_to,
    split_aux,
)

if TYPE_CHECKING:
    from ._signatures import Aux, R

__all__ = ["gnvp", "hvp", "jvp", "linearize", "pullback_of", "vjp", "written_into"]


@overload
def vjp(
    fn: Callable[..., R], *primals: Any, has_aux: Literal[False] = False
) -> tuple[R, Callable[[Any], tuple[Any, ...]]]: ...
@overload
def vjp(
    fn: Callable[..., tuple[R, Aux]], *primals: Any, has_aux: Literal[True]
) -> tuple[R, Callable[[Any], tuple[Any, ...]], Aux]: ...
def vjp(fn: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Give ``fn``'s value at the primals, and its pullback.

    Args:
        fn: a function of pytrees that returns a pytree of floating LiteTensors, or ``(out, aux)`` with ``has_aux``.
        primals: the positional arguments; all are differentiated by.
        has_aux: whether ``fn`` returns something beside the output.

    Returns:
        ``(out, pullback)`` or ``(out, pullback, aux)``. ``pullback(cotangent)``, with a cotangent of ``out``'s
        structure, shapes and dtypes, gives the tuple of gradients, one per primal. It may be called many times, and
        be differentiated itself.

    Raises:
        InputError: no function; a primal that can't be differentiated by, or a cotangent that does not fit, named by
            its path.
        TrackedTensorError: what the pullback needs was written into since (by an optimiser's ``update_``, say).

    Example::

        >>> out, pullback = nexnet.vjp(lambda x: x * x, nexnet.tensor([1.0, 2.0]))
        >>> pullback(nexnet.tensor([1.0, 10.0]))
        (LiteTensor([ 2., 40.]),)
    """
    check_callable(fn, "vjp")
    return pullback_of(fn, primals, has_aux, Tape(), lambda: _written_since(fn, "pullback"))


def written_into(fn: Any, problem: str, remedy: str) -> TrackedTensorError:
    """What a backward needs was written into after it was made: say it of the user's function."""
    name = getattr(fn, "__name__", None) or type(fn).__name__
    return TrackedTensorError(message(f"{problem}: gradients would be wrong.", rule=name, remedy=remedy))


def _written_since(fn: Callable[..., Any], what: str) -> TrackedTensorError:
    return written_into(
        fn,
        f"a tensor that the {what} needs was written into after it was made",
        f"call the {what} before an in-place update (update_), or use the pure one (update)",
    )


def pullback_of(
    fn: Callable[..., Any],
    primals: tuple[Any, ...],
    has_aux: bool,
    tape: Tape,
    written: Callable[[], TrackedTensorError],
) -> Any:
    """Do what ``vjp`` does, with this tape, and this error where what the pullback needs was written into."""
    leaves, treespec = flatten(primals, "primals")
    inputs = fresh_aliases(leaves)
    with kernels_only():
        result = evaluate(tape, inputs, fn, trees.unflatten(treespec, inputs))
    out, aux = split_aux(result) if has_aux else (result, None)
    outs, out_spec = check_outputs(out, "vjp")
    out = trees.unflatten(out_spec, outs)
    versions = saved_versions(tape)

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        if saved_versions(tape) != versions:
            raise written()
        seeds = fit_tree(cotangent, outs, out_spec, "cotangent", "the function's output")
        del cotangent  # if its caller has not kept it either, a gradient that is a view of it needs no copy
        with kernels_only():
            grads: tuple[Any, ...] = trees.unflatten(treespec, gradients(tape, outs, seeds, inputs, False))
        return grads

    return (out, pullback, aux) if has_aux else (out, pullback)


@overload
def linearize(fn: Callable[..., R], *primals: Any, has_aux: Literal[False] = False) -> tuple[R, Callable[..., R]]: ...
@overload
def linearize(
    fn: Callable[..., tuple[R, Aux]], *primals: Any, has_aux: Literal[True]
) -> tuple[R, Callable[..., R], Aux]: ...
def linearize(fn: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Give ``fn``'s value at the primals, and the linear function that pushes tangents forward from there.

    The pullback is linear in its cotangent, so its own pullback is the pushforward (J. Townsend, "A new trick for
    calculating Jacobian vector products", 2017). It is recorded once, and needs no second rule from anybody; where a
    rule has one, its ``jvp``, tangents are pushed by that.

    Args:
        fn: a function of pytrees that returns a pytree of floating LiteTensors, or ``(out, aux)`` with ``has_aux``.
        primals: the positional arguments.
        has_aux: whether ``fn`` returns something beside the output.

    Returns:
        ``(out, pushforward)`` or ``(out, pushforward, aux)``; ``pushforward(*tangents)``, with one tangent per primal,
        of its structure, shapes and dtypes, gives the tangent of ``out``, which has those of ``out``.

    Raises:
        InputError: no function; a primal that can't be differentiated by, an output that is no floating tensor, or a
            tangent that does not fit, each named by its path.

    Example::

        >>> out, pushforward = nexnet.linearize(lambda x: x * x, nexnet.tensor([1.0, 2.0]))
        >>> pushforward(nexnet.tensor([1.0, 10.0]))
        LiteTensor([ 2., 40.])
    """
    check_callable(fn, "linearize")
    leaves, treespec = flatten(primals, "primals")

    def written() -> TrackedTensorError:
        return _written_since(fn, "pushforward")

    out, pullback, *aux = pullback_of(fn, primals, has_aux, Tape(), written)
    dummy = optree.tree_map(lambda each: wrap(zeros_like(each)), out, namespace=NAMESPACE)
    _, transposed = pullback_of(pullback, (dummy,), False, Linearization(), written)

    def pushforward(*tangents: Any) -> Any:
        fitted = fit_tree(tuple(tangents), leaves, treespec, "tangents", "the primals")
        return transposed(optree.tree_unflatten(treespec, fitted))[0]

    return (out, pushforward, *aux)


@overload
def jvp(fn: Callable[..., R], primals: Any, tangents: Any, has_aux: Literal[False] = False) -> tuple[R, R]: ...
@overload
def jvp(fn: Callable[..., tuple[R, Aux]], primals: Any, tangents: Any, has_aux: Literal[True]) -> tuple[R, R, Aux]: ...
def jvp(fn: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    """Give ``fn``'s value and its derivative along the tangents.

    Args:
        fn: a function of pytrees that returns a pytree of floating LiteTensors, or ``(out, aux)`` with ``has_aux``.
        primals: the tuple of positional arguments.
        tangents: a tuple of the same structure, shapes and dtypes.
        has_aux: whether ``fn`` returns something beside the output.

    Returns:
        ``(out, tangent)``, or ``(out, tangent, aux)``; the tangent has the shapes of ``out``.

    Raises:
        InputError: primals or tangents that are no tuple; and as ``linearize``.

    Example::

        >>> nexnet.jvp(lambda x: x * x, (nexnet.tensor([1.0, 2.0]),), (nexnet.tensor([1.0, 10.0]),))
        (LiteTensor([1., 4.]), LiteTensor([ 2., 40.]))
    """
    check_callable(fn, "jvp")
    out, pushforward, *aux = linearize(fn, *_as_tuple(primals, "primals"), has_aux=has_aux)  # type: ignore[call-overload]
    return (out, pushforward(*_as_tuple(tangents, "tangents")), *aux)


def hvp(fn: Callable[..., Any], primals: Any, vectors: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Give the gradient of ``fn`` (a scalar function) and the product of its Hessian with the vectors.

    Args:
        fn: a function of pytrees that returns one tensor (of a larger one the sum is meant).
        primals: the tuple of positional arguments.
        vectors: a tuple of the same structure, shapes and dtypes.

    Returns:
        ``(gradient, product)``, each a tuple of the primals' structure. Reverse over reverse: the gradient's pullback
        at the vectors, which is the product since a Hessian is symmetric.

    Raises:
        InputError: no function; primals or vectors that are no tuple; vectors that do not fit the primals; an output
            that is not one floating tensor.

    Example::

        >>> nexnet.hvp(lambda x: (x**3).sum(), (nexnet.tensor([1.0, 2.0]),), (nexnet.tensor([1.0, 0.0]),))
        ((LiteTensor([ 3., 12.]),), (LiteTensor([6., 0.]),))
    """
    check_callable(fn, "hvp")
    leaves, treespec = flatten(_as_tuple(primals, "primals"), "primals")
    along = fit_tree(_as_tuple(vectors, "vectors"), leaves, treespec, "vectors", "the primals")
    inputs = fresh_aliases(leaves)
    outer, inner = Tape(), Tape()

    def slope() -> list[LiteTensor]:
        # Nobody else holds the inputs: both tapes may watch them, without a second set of aliases between.
        out = check_output(evaluate(inner, inputs, fn, trees.unflatten(treespec, inputs)), "hvp", inner)
        return gradients(inner, [out], [ones(out)], inputs)

    with kernels_only():
        slopes = evaluate(outer, inputs, slope)
        products = gradients(outer, slopes, along, inputs)
    return trees.unflatten(treespec, slopes), trees.unflatten(treespec, products)


def gnvp(inner: Callable[..., Any], outer: Callable[[Any], R], primals: Any, vectors: Any) -> tuple[R, tuple[Any, ...]]:
    """Give the value of ``outer(inner(*primals))`` and the Gauss-Newton product J^T H J v.

    J is the Jacobian of ``inner`` (a model: parameters to predictions) and H the Hessian of ``outer`` (a loss:
    predictions to one tensor). Positive semi-definite where ``outer`` is convex, unlike the Hessian (Schraudolph 2002).

    Args:
        inner: a function of pytrees that returns a pytree of floating LiteTensors.
        outer: a function of what ``inner`` returns, that returns one tensor (of a larger one the sum is meant).
        primals: the tuple of ``inner``'s positional arguments.
        vectors: a tuple of the same structure, shapes and dtypes; so is the product.

    Raises:
        InputError: no functions; primals or vectors that are no tuple; vectors that do not fit the primals; outputs
            that are no floating tensors.

    Example::

        >>> points, target = nexnet.tensor([1.0, 2.0]), nexnet.tensor([2.0, 2.0])
        >>> line = lambda w: w * points
        >>> error = lambda out: (out - target).square().sum()
        >>> nexnet.gnvp(line, error, (nexnet.tensor(1.0),), (nexnet.tensor(1.0),))
        (LiteTensor(1.), (LiteTensor(10.),))
    """
    check_callable(inner, "gnvp", "inner")
    check_callable(outer, "gnvp", "outer")
    out, pushforward = linearize(inner, *_as_tuple(primals, "primals"))
    _, product = hvp(outer, (out,), (pushforward(*_as_tuple(vectors, "vectors")),))
    _, pullback = vjp(inner, *_as_tuple(primals, "primals"))
    return outer(out), pullback(product[0])


def fit_tree(tree: Any, like: list[LiteTensor], treespec: optree.PyTreeSpec, name: str, model: str) -> list[LiteTensor]:
    """Flatten a tree of vectors, whose structure, shapes and dtypes must be those of the tensors in ``like``."""
    leaves: list[Any]
    leaves, found = trees.flatten(tree)
    if found is not treespec and found != treespec:
        raise InputError(
            message(
                f"the {name} must have the structure of {model}.",
                argument=name,
                expected=treespec,
                got=found,
                remedy=f"give a tensor for each tensor of {model}, zeros for one that has no part in it",
            )
        )
    for i, other in enumerate(like):
        each = leaves[i]
        if type(each) is LiteTensor and each.data.shape == other.data.shape and each.data.dtype is other.data.dtype:
            continue
        is_tensor = isinstance(each, LiteTensor)
        if not is_tensor and isinstance(each, (float, complex, int, numpy.ndarray, numpy.generic, Tensor)):
            each = leaves[i] = LiteTensor(each)
            is_tensor = True
        if not is_tensor or each.shape != other.shape or each.dtype != other.dtype:
            raise InputError(
                message(
                    f"a tensor of the {name} must have the shape and dtype of its counterpart in {model}.",
                    argument=path_to(treespec, i, name)(),
                    expected=f"shape {tuple(other.shape)}, {other.dtype}",
                    got=f"shape {tuple(each.shape)}, {each.dtype}"
                    if is_tensor
                    else f"{each!r} ({type(each).__name__})",
                    remedy="nothing is broadcast or promoted here: use expand and to; for many at once, nexnet.vmap",
                )
            )
    return leaves


def _as_tuple(value: Any, name: str) -> tuple[Any, ...]:
    if not isinstance(value, (tuple, list)):
        raise InputError(
            message(
                f"{name} must be a tuple, with one entry per positional argument.",
                argument=name,
                got=type(value).__name__,
                remedy=f"write ({name},) for a single one",
            )
        )
    return tuple(value)
