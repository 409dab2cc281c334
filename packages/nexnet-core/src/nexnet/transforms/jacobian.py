"""Whole Jacobians and Hessians, row by row or column by column, all at once by vmap."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, overload

import optree
import torch

from ..engine import wrap
from ..errors import InputError, message
from ..tensor import LiteTensor
from ._evaluate import NAMESPACE, check_function, check_outputs, flatten, places, split_aux
from .product import linearize, vjp
from .vmap import vmap

if TYPE_CHECKING:
    from ._signatures import Aux, F, Jacobian, P, R

__all__ = ["hessian", "jacfwd", "jacobian", "jacrev", "value_and_jacobian"]


@overload
def jacobian(
    fn: F,
    argnums: Literal[0] = 0,
    has_aux: Literal[False] = False,
    *,
    mode: str | None = None,
    chunk_size: int | None = None,
) -> Jacobian[F]: ...
@overload
def jacobian(
    fn: Callable[P, Any],
    argnums: int | tuple[int, ...],
    has_aux: bool = False,
    *,
    mode: str | None = None,
    chunk_size: int | None = None,
) -> Callable[P, Any]: ...
@overload
def jacobian(
    fn: Callable[P, tuple[Any, Aux]],
    argnums: Literal[0] = 0,
    *,
    has_aux: Literal[True],
    mode: str | None = None,
    chunk_size: int | None = None,
) -> Callable[P, tuple[Any, Aux]]: ...
def jacobian(
    fn: Callable[..., Any],
    argnums: Any = 0,
    has_aux: bool = False,
    *,
    mode: str | None = None,
    chunk_size: int | None = None,
) -> Any:
    """Make a function that gives the Jacobian of ``fn``.

    Args:
        fn: a function of pytrees that returns a pytree of tensors, or ``(out, aux)`` with ``has_aux``.
        argnums: which positional arguments to differentiate by.
        has_aux: whether ``fn`` returns something beside the output; then ``(jacobian, aux)`` is returned.
        mode: "reverse", a row at a time, "forward", a column at a time, or None: whichever has fewer to do.
        chunk_size: how many rows or columns at once, to bound memory; None for all.

    Returns:
        A function of the same arguments. Its result has ``out``'s structure, and at each of its leaves the structure
        of the argument (a tuple of such, if ``argnums`` is a tuple), with tensors of shape ``(*out, *argument)``. Of a
        real function of complex arguments each row is a gradient, dL/d(re) + i dL/d(im).

    Raises:
        InputError: complex outputs of complex arguments: their Jacobian is no matrix of complex numbers; an argument
            that can't be differentiated by, or an output that is no floating tensor; no function, no such ``mode``, or
            a chunk of nothing.

    Example::

        >>> nexnet.jacobian(lambda x: nexnet.stack([x[0] * x[1], x[0]]))(nexnet.tensor([2.0, 3.0]))
        LiteTensor([[3., 2.],
                    [1., 0.]])
    """
    both = value_and_jacobian(fn, argnums, has_aux, mode=mode, chunk_size=chunk_size)

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        value, found = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return wrapper


@overload
def jacrev(fn: F, argnums: Literal[0] = 0) -> Jacobian[F]: ...
@overload
def jacrev(fn: Callable[P, Any], argnums: int | tuple[int, ...] = 0, **options: Any) -> Callable[P, Any]: ...
def jacrev(fn: Any, argnums: Any = 0, **options: Any) -> Any:
    """Make a function that gives the Jacobian of ``fn`` by reverse mode. See ``jacobian``.

    Example::

        >>> nexnet.jacrev(lambda x: x * x)(nexnet.tensor([1.0, 2.0]))
        LiteTensor([[2., 0.],
                    [0., 4.]])
    """
    return jacobian(fn, argnums, mode="reverse", **options)


@overload
def jacfwd(fn: F, argnums: Literal[0] = 0) -> Jacobian[F]: ...
@overload
def jacfwd(fn: Callable[P, Any], argnums: int | tuple[int, ...] = 0, **options: Any) -> Callable[P, Any]: ...
def jacfwd(fn: Any, argnums: Any = 0, **options: Any) -> Any:
    """Make a function that gives the Jacobian of ``fn`` by forward mode. See ``jacobian``.

    Example::

        >>> nexnet.jacfwd(lambda x: x * x)(nexnet.tensor([1.0, 2.0]))
        LiteTensor([[2., 0.],
                    [0., 4.]])
    """
    return jacobian(fn, argnums, mode="forward", **options)


@overload
def hessian(
    fn: F, argnums: Literal[0] = 0, has_aux: Literal[False] = False, *, chunk_size: int | None = None
) -> Jacobian[F]: ...
@overload
def hessian(
    fn: Callable[P, Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False, *, chunk_size: int | None = None
) -> Callable[P, Any]: ...
def hessian(fn: Any, argnums: Any = 0, has_aux: bool = False, *, chunk_size: int | None = None) -> Any:
    """Make a function that gives the Hessian of ``fn``: the Jacobian of its Jacobian, reverse over reverse.

    For a scalar ``fn`` the result has the argument's structure twice over, with tensors of shape
    ``(*argument, *argument)``; with ``has_aux`` it is ``(hessian, aux)``. See ``jacobian`` for the rest.

    Example::

        >>> nexnet.hessian(lambda x: x[0] * x[1] ** 2)(nexnet.tensor([2.0, 3.0]))
        LiteTensor([[0., 6.],
                    [6., 4.]])
    """
    slopes = jacrev(fn, argnums, has_aux=has_aux, chunk_size=chunk_size)
    return jacrev(slopes, argnums, has_aux=has_aux, chunk_size=chunk_size)


def value_and_jacobian(
    fn: Callable[P, R],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    *,
    mode: str | None = None,
    chunk_size: int | None = None,
) -> Callable[P, tuple[R, Any]]:
    """Make a function that gives ``(value, jacobian)``, or ``((value, aux), jacobian)``. See ``jacobian``.

    Example::

        >>> nexnet.value_and_jacobian(lambda x: x * x)(nexnet.tensor([1.0, 2.0]))
        (LiteTensor([1., 4.]), LiteTensor([[2., 0.],
                    [0., 4.]]))
    """
    if mode not in ("reverse", "forward", None):
        raise InputError(
            message("jacobian does not know this mode.", argument="mode", expected="'reverse', 'forward' or None",
                    got=repr(mode))
        )  # fmt: skip
    check_function(fn, argnums, "jacobian")

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        chosen = places(argnums, len(args))
        primals = tuple(args[i] for i in chosen)
        kept: list[Any] = []

        def of_primals(*primals: Any) -> Any:
            call = list(args)
            for i, primal in zip(chosen, primals, strict=True):
                call[i] = primal
            out = fn(*call, **kwargs)
            if has_aux:
                out, aux = split_aux(out)
                kept[:] = [aux]
            return out

        leaves, treespec = flatten(primals, "args")
        out, pullback = vjp(of_primals, *primals)
        outs, out_spec = check_outputs(out, "jacobian")
        if _mode(mode, leaves, outs) == "reverse":
            table = _by_rows(pullback, outs, out_spec, chunk_size)  # [out][leaf] of shape (*out, *leaf)
        else:
            out, pushforward = linearize(of_primals, *primals)
            table = _by_columns(pushforward, leaves, treespec, outs, chunk_size)
        per_out = [optree.tree_unflatten(treespec, row) for row in table]
        found = optree.tree_unflatten(out_spec, [row[0] if isinstance(argnums, int) else row for row in per_out])
        return ((out, kept[0]) if has_aux else out), found

    return wrapper


def _mode(mode: str | None, leaves: list[LiteTensor], outs: list[LiteTensor]) -> str:
    """Choose whichever has fewer rows or columns to do; by complex arguments rows, of complex outputs columns."""
    complex_in, complex_out = (any(each.dtype.is_complex for each in some) for some in (leaves, outs))
    possible = [name for name, not_for in (("reverse", complex_out), ("forward", complex_in)) if not not_for]
    if not possible or mode not in (None, *possible):
        raise InputError(
            message(
                "there is no complex Jacobian of complex outputs by complex arguments, nor of such outputs in reverse "
                "or by such arguments in forward mode.",
                argument="mode",
                got=f"{mode!r}, complex " + " and ".join(["arguments"] * complex_in + ["outputs"] * complex_out),
                remedy="differentiate a function of real and imaginary parts: nexnet.view_as_complex(x) of the "
                "argument, nexnet.view_as_real(y) of the output",
            )
        )
    rows, columns = sum(each.numel() for each in outs), sum(each.numel() for each in leaves)
    return mode or (possible[0] if len(possible) == 1 or rows <= columns else possible[1])


def _basis(tensors: list[LiteTensor], which: int) -> list[LiteTensor]:
    """Give a batch of lists of tensors: in each exactly one element of tensor ``which`` is one, all others zero."""
    count = tensors[which].numel()
    made = []
    for i, each in enumerate(tensors):
        kind: dict[str, Any] = {"dtype": each.dtype, "device": each.device}
        flat = torch.eye(count, **kind) if i == which else torch.zeros(count, each.numel(), **kind)
        made.append(wrap(flat.reshape(count, *each.shape)))
    return made


def _by_rows(
    pullback: Callable[..., Any], outs: list[LiteTensor], out_spec: optree.PyTreeSpec, chunk_size: int | None
) -> list[list[Any]]:
    def row(*cotangents: LiteTensor) -> list[Any]:
        found: list[Any] = optree.tree_leaves(
            pullback(optree.tree_unflatten(out_spec, cotangents)), namespace=NAMESPACE
        )
        return found

    table = []
    for i, out in enumerate(outs):
        stacked = _mapped(row, _basis(outs, i), chunk_size)
        table.append([each.reshape((*out.shape, *each.shape[1:])) for each in stacked])
    return table


def _by_columns(
    pushforward: Callable[..., Any],
    leaves: list[LiteTensor],
    treespec: optree.PyTreeSpec,
    outs: list[LiteTensor],
    chunk_size: int | None,
) -> list[list[Any]]:
    def column(*tangents: LiteTensor) -> list[Any]:
        found: list[Any] = optree.tree_leaves(
            pushforward(*optree.tree_unflatten(treespec, tangents)), namespace=NAMESPACE
        )
        return found

    table: list[list[Any]] = [[] for _ in outs]
    for i, leaf in enumerate(leaves):
        stacked = _mapped(column, _basis(leaves, i), chunk_size)
        for j, each in enumerate(stacked):
            table[j].append(each.movedim(0, -1).reshape((*outs[j].shape, *leaf.shape)))
    return table


def _mapped(fn: Callable[..., list[Any]], basis: list[LiteTensor], chunk_size: int | None) -> list[Any]:
    if basis[0].shape[0] == 0:  # nothing to map over: an empty batch of the right shapes
        return [each[None][:0] for each in fn(*[wrap(torch.zeros_like(each.data[:0].sum(0))) for each in basis])]
    # "same": what a checkpointed function draws anew when it is run again is no matter of rows and columns.
    found: list[Any] = vmap(fn, randomness="same", chunk_size=chunk_size)(*basis)
    return found
