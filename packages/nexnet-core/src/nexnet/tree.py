"""Pytrees: nested tuples, lists, dicts, modules and what else optree knows, with tensors at their leaves.

Thin over optree, in the namespace in which nexnet's modules are registered. ``None`` is an empty tree.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any

import numpy
import optree
import torch
from torch import Tensor

from . import _trees, ops
from ._trees import NAMESPACE, Frozen, flatten, paths
from .errors import InputError, message
from .tensor import LiteTensor

__all__ = ["Frozen", "flatten", "leaves", "map", "paths", "ravel", "structure", "unflatten"]


def map(fn: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """Apply ``fn`` to each leaf, and to its counterparts in further trees of which ``tree`` is a prefix.

    Raises:
        InputError: trees that do not match.

    Example::

        gradient = nexnet.grad(loss)(model, x, y)
        updated = nexnet.tree.map(lambda p, g: p - 0.1 * g, model, gradient)
    """
    try:
        return optree.tree_map(fn, tree, *rest, namespace=NAMESPACE)
    except ValueError as error:
        if builtins.all(_is_prefix(tree, each) for each in rest):
            raise  # fn's own
        raise InputError(
            message(
                "the trees do not match.",
                expected=structure(tree),
                got="; ".join(str(structure(each)) for each in rest),
                remedy="map takes trees of one structure (the first may be a prefix of the others)",
            )
        ) from error


def _is_prefix(tree: Any, other: Any) -> bool:
    return bool(structure(tree).is_prefix(structure(other)))


def leaves(tree: Any) -> list[Any]:
    """Give the leaves, in the order of ``flatten``: dicts by sorted key.

    Example::

        >>> nexnet.tree.leaves({"w": 1.0, "b": [2.0, None]})
        [2.0, 1.0]
    """
    found: list[Any] = optree.tree_leaves(tree, namespace=NAMESPACE)
    return found


def structure(tree: Any) -> optree.PyTreeSpec:
    """Give what a tree is beside its leaves. Structures compare with ``==``, and hash.

    Example::

        >>> nexnet.tree.structure({"w": 1.0, "b": [2.0, None]})
        PyTreeSpec({'b': [*, None], 'w': *})
    """
    return optree.tree_structure(tree, namespace=NAMESPACE)


def unflatten(structure: optree.PyTreeSpec, leaves: Iterable[Any]) -> Any:
    """Make the tree of this structure with these leaves.

    Raises:
        InputError: more leaves than the structure has, or fewer.

    Example::

        >>> leaves, structure = nexnet.tree.flatten((1.0, [2.0]))
        >>> nexnet.tree.unflatten(structure, [each * 10 for each in leaves])
        (10.0, [20.0])
    """
    found = list(leaves)
    if len(found) != structure.num_leaves:
        raise InputError(
            message(
                "a tree is made of as many leaves as its structure has.",
                expected=f"{structure.num_leaves} leaves, for {structure}",
                got=f"{len(found)}",
            )
        )
    return _trees.unflatten(structure, found)


def ravel(tree: Any) -> tuple[LiteTensor, Callable[[Any], Any]]:
    """Give all elements of a tree of tensors as one vector, and the function that makes the tree of such a vector.

    Both ways are differentiable, at every order.

    Args:
        tree: a pytree of LiteTensors, torch tensors, numpy arrays or numbers.

    Returns:
        ``(vector, unravel)``: the elements in the order of ``leaves``, shape (n,), of the dtype to which the leaves'
        dtypes promote; ``unravel(vector)``, of any vector of shape (n,), has the tree's structure, shapes and dtypes.

    Raises:
        InputError: a leaf that is no tensor, named by its path; of ``unravel``: a vector of another shape.

    Example::

        >>> flat, unravel = nexnet.tree.ravel({"w": nexnet.ones(2, 2), "b": nexnet.zeros(1)})
        >>> flat
        LiteTensor([0., 1., 1., 1., 1.])
        >>> unravel(2 * flat)["w"]
        LiteTensor([[2., 2.],
                    [2., 2.]])
    """
    parts, treespec = flatten(tree)
    tensors = [each if isinstance(each, LiteTensor) else _to_tensor(each, i, treespec) for i, each in enumerate(parts)]
    shapes = [each.shape for each in tensors]
    dtypes = [each.dtype for each in tensors]
    sizes = [math.prod(shape) for shape in shapes]
    dtype = reduce(torch.promote_types, dtypes) if dtypes else torch.get_default_dtype()
    rows = [_in_form(each, (size,), dtype) for each, size in zip(tensors, sizes, strict=True)]
    vector = ops.cat(rows) if rows else LiteTensor(torch.zeros(0))

    def unravel(vector: Any) -> Any:
        vector = vector if isinstance(vector, LiteTensor) else LiteTensor(vector)
        if vector.shape != (sum(sizes),):
            raise InputError(
                message(
                    "unravel takes a vector with as many elements as the tree has.",
                    argument="vector",
                    expected=f"shape ({sum(sizes)},)",
                    got=f"shape {tuple(vector.shape)}",
                )
            )
        parts = ops.split(vector, sizes) if sizes else []
        made = [_in_form(*each) for each in zip(parts, shapes, dtypes, strict=True)]
        return _trees.unflatten(treespec, made)

    return vector, unravel


def _in_form(tensor: Any, shape: tuple[int, ...], dtype: torch.dtype) -> Any:
    """Give a tensor in a shape and dtype: itself, if it is in them."""
    tensor = tensor if tensor.shape == shape else tensor.reshape(shape)
    return tensor if tensor.dtype is dtype else tensor.to(dtype)


def _to_tensor(leaf: Any, index: int, treespec: optree.PyTreeSpec) -> LiteTensor:
    if not isinstance(leaf, (Tensor, numpy.ndarray, numpy.generic, bool, int, float)):
        raise InputError(
            message(
                "ravel takes a tree of tensors.",
                argument=treespec.accessors()[index].codify("tree"),
                expected="a tensor, array or number",
                got=f"{leaf!r} ({type(leaf).__name__})",
            )
        )
    return LiteTensor(leaf)
