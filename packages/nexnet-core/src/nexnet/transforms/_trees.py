"""Flatten and unflatten: what most calls have, a tensor or a few in a tuple or list, without the way through optree."""

from __future__ import annotations

from typing import Any

import optree

from ..tensor import LiteTensor
from ..tree import NAMESPACE

_LEAF = optree.tree_structure(0, namespace=NAMESPACE)
_FEW = 17
_TUPLES = [optree.tree_structure((0,) * n, namespace=NAMESPACE) for n in range(_FEW)]
_LISTS = [optree.tree_structure([0] * n, namespace=NAMESPACE) for n in range(_FEW)]
_LIST_IN_TUPLE = [optree.tree_structure(([0] * n,), namespace=NAMESPACE) for n in range(_FEW)]  # one argument


def flatten_tree(tree: Any) -> tuple[list[Any], optree.PyTreeSpec]:
    """Give a pytree's leaves and its structure."""
    if type(tree) is LiteTensor:
        return [tree], _LEAF
    known = _TUPLES
    parts = tree
    if type(tree) is list:
        known = _LISTS
    elif type(tree) is tuple and len(tree) == 1 and type(tree[0]) is list:
        parts, known = tree[0], _LIST_IN_TUPLE
    elif type(tree) is not tuple:
        parts = None
    if parts is not None and len(parts) < _FEW:
        for each in parts:
            if type(each) is not LiteTensor:
                break
        else:
            return [*parts], known[len(parts)]
    leaves, treespec = optree.tree_flatten(tree, namespace=NAMESPACE)
    return leaves, treespec


def unflatten_tree(treespec: optree.PyTreeSpec, leaves: list[Any]) -> Any:
    """Give the pytree of a structure and its leaves."""
    if treespec is _LEAF:
        return leaves[0]
    count = len(leaves)
    if count < _FEW:
        if treespec is _TUPLES[count]:
            return tuple(leaves)
        if treespec is _LISTS[count]:
            return [*leaves]
        if treespec is _LIST_IN_TUPLE[count]:
            return ([*leaves],)
    return optree.tree_unflatten(treespec, leaves)
