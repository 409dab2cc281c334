"""A tree in two parts, of the same structure: what is chosen, and the rest; and both together again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import optree

import nexnet
from nexnet.errors import message

from ._layout import NAMESPACE
from ._paths import matches
from .errors import ModuleError

__all__ = ["combine", "partition"]

Tree = TypeVar("Tree")


def partition(tree: Tree, *where: str | Callable[[str, Any], bool]) -> tuple[Tree, Tree]:
    """Give ``(chosen, rest)``: trees like the given one, with None where a leaf is in the other part.

    ``None`` is an empty tree to every transform and optimiser, so a part can be differentiated by and learned alone::

        head, body = nn.partition(model, "layers.1.*")
        grads = nexnet.grad(lambda head: loss(nn.combine(head, body), x, y))(head)

    Args:
        tree: a module, or any pytree.
        where: which leaves are chosen: patterns of paths, as ``freeze`` takes them, or functions of ``(path, leaf)``.

    Raises:
        ModuleError: a pattern that matches nothing.
    """
    leaves, treespec = optree.tree_flatten(tree, namespace=NAMESPACE)
    names = nexnet.tree.paths(treespec)

    def chosen_by(each: str | Callable[[str, Any], bool]) -> list[bool]:
        if callable(each):
            return [bool(each(name, leaf)) for name, leaf in zip(names, leaves, strict=True)]
        found = [matches(name, each) for name in names]
        if not any(found):
            raise ModuleError(
                message("no leaf has such a path.", argument=each, expected=", ".join(names[:20]) or "no leaves at all")
            )
        return found

    chosen = [any(each) for each in zip(*map(chosen_by, where), strict=True)] if where else [False] * len(leaves)
    parts = (
        [leaf if is_chosen is wanted else None for leaf, is_chosen in zip(leaves, chosen, strict=True)]
        for wanted in (True, False)
    )
    first, second = (optree.tree_unflatten(treespec, part) for part in parts)
    return first, second


def combine(first: Tree, *others: Tree) -> Tree:
    """Put the parts of a tree together: at each place the leaf that is not None. The inverse of ``partition``.

    Raises:
        ModuleError: parts of different structures; a place at which several parts have a leaf.

    Example::

        >>> first, rest = nn.partition(model, "layers.0.*")
        >>> isinstance(nn.combine(first, rest), nn.MLP)
        True
    """
    leaves, treespec = optree.tree_flatten(first, none_is_leaf=True, namespace=NAMESPACE)
    for part in others:
        more, structure = optree.tree_flatten(part, none_is_leaf=True, namespace=NAMESPACE)
        if structure != treespec:
            raise ModuleError(
                message("the parts have different structures.", expected=str(treespec), got=str(structure))
            )
        for i, (one, other) in enumerate(zip(leaves, more, strict=True)):
            if one is not None and other is not None:
                place = treespec.accessors()[i].codify("tree")
                raise ModuleError(message("several parts have a leaf at one place.", argument=place))
        leaves = [other if one is None else one for one, other in zip(leaves, more, strict=True)]
    return optree.tree_unflatten(treespec, leaves)  # type: ignore[no-any-return]
