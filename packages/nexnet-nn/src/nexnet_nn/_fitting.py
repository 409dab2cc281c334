"""What fits what: the buffers of a tree by their names, tensors beside those that are wanted, and one error for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optree
import torch

import nexnet
from nexnet.errors import message

from ._layout import NAMESPACE, is_module
from ._paths import join
from .errors import CheckpointError

__all__ = ["check_fit", "kind_of", "named_buffers", "shown", "with_buffers"]


def named_buffers(tree: Any) -> list[tuple[str, Any]]:
    """Give the tensors of the tree's modules that are not learned, each with its path."""
    leaves, treespec = optree.tree_flatten(tree, is_leaf=is_module, namespace=NAMESPACE)
    modules = [(path, each) for path, each in zip(nexnet.tree.paths(treespec), leaves, strict=True) if is_module(each)]
    return [(join(path, name), leaf) for path, each in modules for name, leaf in each.named_buffers()]


def with_buffers(tree: Any, new: dict[str, Any]) -> Any:
    """Give the tree with these tensors for its modules' buffers."""
    if not new:
        return tree
    leaves, treespec = optree.tree_flatten(tree, is_leaf=is_module, namespace=NAMESPACE)
    for i, path in enumerate(nexnet.tree.paths(treespec)):
        if is_module(leaves[i]):
            own = {name: new[join(path, name)] for name, _ in leaves[i].named_buffers()}
            leaves[i] = leaves[i].with_buffers(own)
    return optree.tree_unflatten(treespec, leaves)


def kind_of(leaf: Any) -> str:
    """Write what a leaf is: a tensor's shape and dtype, a generator's device, a value's type."""
    if isinstance(leaf, torch.Generator):
        return f"generator {leaf.device.type}"
    if isinstance(leaf, (bool, int, float, str)):
        return type(leaf).__name__
    return f"{tuple(leaf.shape)} {str(leaf.dtype).removeprefix('torch.')}"


def check_fit(wanted: Mapping[str, str], found: Mapping[str, str], what: str, argument: str, remedy: str) -> None:
    """Compare kinds by names.

    Raises:
        CheckpointError: they differ; all that does is named.
    """
    problems = [f"missing    {shown(name)}: {kind}" for name, kind in wanted.items() if name not in found]
    problems += [f"unexpected {shown(name)}: {shown(kind)}" for name, kind in found.items() if name not in wanted]
    problems += [
        f"different  {shown(name)}: {shown(found[name])} where the model has {kind}"
        for name, kind in wanted.items()
        if name in found and found[name] != kind
    ]
    if problems:
        raise CheckpointError(message("\n    ".join([what, *problems]), argument=argument, remedy=remedy))


def shown(text: str) -> str:
    """Give text out of a file for a terminal, which must not obey it: in one line, printable, and not endless."""
    short = text if len(text) <= 200 else f"{text[:200]}..."
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in short)
