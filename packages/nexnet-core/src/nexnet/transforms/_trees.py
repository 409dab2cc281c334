"""Flatten and unflatten: what most calls have, a tensor or a tuple of tensors, without the way through optree."""

from __future__ import annotations

from typing import Any

import optree

from ..tensor import LiteTensor
from ..tree import NAMESPACE

_LEAF = optree.tree_structure(0, namespace=NAMESPACE)
_TUPLES = [optree.tree_structure((0,) * n, namespace=NAMESPACE) for n in range(9)]


def flatten_tree(tree: Any) -> tuple[list[Any], optree.PyTreeSpec]:
    """Give a pytree's leaves and its structure."""
    if type(tree) is LiteTensor:
        return [tree], _LEAF
    if type(tree) is tuple and len(tree) < len(_TUPLES):
        for each in tree:
            if type(each) is not LiteTensor:
                break
        else:
            return [*tree], _TUPLES[len(tree)]
    leaves, treespec = optree.tree_flatten(tree, namespace=NAMESPACE)
    return leaves, treespec


def unflatten_tree(treespec: optree.PyTreeSpec, leaves: list[Any]) -> Any:
    """Give the pytree of a structure and its leaves."""
    if treespec is _LEAF:
        return leaves[0]
    if len(leaves) < len(_TUPLES) and treespec is _TUPLES[len(leaves)]:
        return tuple(leaves)
    return optree.tree_unflatten(treespec, leaves)
