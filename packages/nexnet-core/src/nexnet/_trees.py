"""Flatten and unflatten. What most calls have goes no way through optree: a tensor, a few of them, a frozen node."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import optree

from .tensor import LiteTensor

#: Where optree looks for the nodes of nexnet's own kinds, such as modules.
NAMESPACE = "nexnet"

#: What a frozen node may have at its leaves, and be kept flattened: no containers.
leaf_types: set[type] = {LiteTensor}

_FEW = 17
_LEAF = optree.tree_structure(0, namespace=NAMESPACE)
_TUPLES = [optree.tree_structure((0,) * n, namespace=NAMESPACE) for n in range(_FEW)]
_LIST_ALONE = [optree.tree_structure(([0] * n,), namespace=NAMESPACE) for n in range(_FEW)]  # in a tuple of one
_LISTS = [optree.tree_structure([0] * n, namespace=NAMESPACE) for n in range(_FEW)]


class Frozen:
    """The base of a kind of node that never changes once it is made: what it flattens to is kept in it.

    ``is_frozen`` says whether what is below it can't change either. The kind is registered with optree as any other.
    """

    _flat: tuple[tuple[Any, ...], optree.PyTreeSpec] | None = None

    @property
    def is_frozen(self) -> bool:
        """Whether nothing below it can change: there are tensors and frozen nodes alone."""
        raise NotImplementedError

    @property
    def held(self) -> tuple[LiteTensor, ...]:
        """Tensors that belong to its structure: structures are equal in which these are others of their kind."""
        return ()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_flat"}


def flatten(tree: Any) -> tuple[list[Any], optree.PyTreeSpec]:
    """Give ``(leaves, structure)``.

    Example::

        >>> nexnet.tree.flatten({"w": 1.0, "b": [2.0, None]})
        ([2.0, 1.0], PyTreeSpec({'b': [*, None], 'w': *}))
    """
    if type(tree) is LiteTensor:
        return [tree], _LEAF
    if isinstance(tree, Frozen) and tree._flat is not None:
        return [*tree._flat[0]], tree._flat[1]
    if type(tree) in (tuple, list) and _are_tensors(tree):
        count, is_tuple = len(tree), type(tree) is tuple
        return [*tree], (_TUPLES if is_tuple else _LISTS)[count] if count < _FEW else _many(is_tuple, count)
    if type(tree) is tuple and len(tree) == 1 and type(tree[0]) is list:
        (parts,) = tree
        if len(parts) < _FEW and _are_tensors(parts):
            return [*parts], _LIST_ALONE[len(parts)]
    leaves, treespec = optree.tree_flatten(tree, namespace=NAMESPACE)
    _keep(tree, leaves, treespec)
    return leaves, treespec


def unflatten(treespec: optree.PyTreeSpec, leaves: list[Any]) -> Any:
    """Make the tree of this structure with these leaves, as many as it has."""
    if treespec is _LEAF:
        return leaves[0]
    count = len(leaves)
    if count < _FEW:
        if treespec is _TUPLES[count]:
            return tuple(leaves)
        if treespec is _LISTS[count]:
            return [*leaves]
        if treespec is _LIST_ALONE[count]:
            return ([*leaves],)
    tree = optree.tree_unflatten(treespec, leaves)
    _keep(tree, leaves, treespec)
    return tree


def paths(structure: optree.PyTreeSpec) -> list[str]:
    """Give the path of each leaf of a structure: fields, keys and places, with dots between them.

    Example::

        >>> nexnet.tree.paths(nexnet.tree.structure({"layers": [{"weight": 1.0}, {"weight": 2.0}]}))
        ['layers.0.weight', 'layers.1.weight']
    """
    return [".".join(map(str, steps)) for steps in steps_to_leaves(structure)]


def steps_to_leaves(treespec: optree.PyTreeSpec) -> list[list[Any]]:
    """Give the keys, places and fields that lead to each leaf of a structure; a module's entry is several of them."""
    return [[step for entry in path for step in _steps(entry)] for path in treespec.accessors()]


def _steps(entry: Any) -> tuple[Any, ...]:
    if isinstance(entry, optree.NamedTupleEntry):
        return (entry.field,)  # and not its place
    return entry.entry if type(entry.entry) is tuple else (entry.entry,)


def held(tree: Any) -> list[LiteTensor]:
    """Give the tensors that belong to a tree's structure, and are no leaves."""
    nodes = optree.tree_leaves(tree, is_leaf=_is_frozen, namespace=NAMESPACE)
    return [tensor for node in nodes if isinstance(node, Frozen) for tensor in node.held]


def _is_frozen(node: Any) -> bool:
    return isinstance(node, Frozen)


@lru_cache(64)
def _many(is_tuple: bool, count: int) -> optree.PyTreeSpec:
    """Give the structure of a tuple or a list of so many leaves."""
    return optree.tree_structure((0,) * count if is_tuple else [0] * count, namespace=NAMESPACE)


def _keep(tree: Any, leaves: list[Any], treespec: optree.PyTreeSpec) -> None:
    if isinstance(tree, Frozen) and tree.is_frozen and leaf_types.issuperset(map(type, leaves)):
        tree.__dict__["_flat"] = (tuple(leaves), treespec)


def _are_tensors(values: Any) -> bool:
    for each in values:  # noqa: SIM110  all() would make a generator
        if type(each) is not LiteTensor:
            return False
    return True
