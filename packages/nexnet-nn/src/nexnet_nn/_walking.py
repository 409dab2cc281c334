"""Going through a tree of modules: what is in it, and by what paths, and the tree with its modules changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import optree

import nexnet

from ._layout import NAMESPACE, Layout, is_module
from ._paths import join

__all__ = ["below", "each_holder", "each_module", "named_leaves", "unflatten"]


def each_module(tree: Any, change: Callable[[Any, str], Any], path: str = "") -> Any:
    """Give a pytree of which each module is changed, inner ones first; a path ends with a dot, or is empty."""
    if not is_module(tree):
        return _in_container(tree, partial(each_module, change=change), path)
    layout, children = tree._layout, tree._children
    changed = [
        each
        if type(each) is nexnet.LiteTensor
        else each_module(each, change, path + "".join([f"{step}." for step in entry]))
        for entry, each in zip(layout.entries, children, strict=True)
    ]
    if any(one is not other for one, other in zip(changed, children, strict=True)):
        tree = unflatten(layout.with_children(tuple(changed)), tuple(changed))
    return change(tree, path)


def each_holder(tree: Any, change: Callable[[Any, str], Any], path: str = "") -> Any:
    """Give a pytree of which each module that has buffers itself is changed, into one that has these buffers too.

    Every step of training comes by twice: the way leads past these modules, and what they stand in, alone.
    """
    layout = getattr(tree, "_layout", None)
    if type(layout) is not Layout:
        return _in_container(tree, partial(each_holder, change=change), path)
    if layout.holding:
        children = [*tree._children]
        changed = False
        for i, name in layout.holding:
            before = children[i]
            children[i] = after = each_holder(before, change, path + name)
            changed = changed or after is not before
        if changed:
            tree = unflatten(layout, tuple(children))
    return change(tree, path) if layout.buffers else tree


def _in_container(tree: Any, change: Callable[..., Any], path: str) -> Any:
    leaves, treespec = optree.tree_flatten(tree, is_leaf=is_module, namespace=NAMESPACE)
    if not any(map(is_module, leaves)):
        return tree
    paths = [f"{path}{each}." for each in nexnet.tree.paths(treespec)]
    leaves = [change(leaf, path=each) for leaf, each in zip(leaves, paths, strict=True)]
    return optree.tree_unflatten(treespec, leaves)


def unflatten(layout: Layout, children: tuple[Any, ...]) -> Any:
    """Make the module of a layout with these children."""
    module = object.__new__(layout.owner)
    fields = module.__dict__
    fields.update(layout.static)
    fields["_layout"], fields["_children"] = layout, children
    values = children + layout.constants
    if layout.in_order:
        fields.update(zip(layout.fields, values, strict=True))
    else:
        for name, take in layout.takes:
            fields[name] = take(values)
    return module


def below(module: Any) -> Iterator[tuple[str, Any]]:
    """Give the modules below one, each with its path, near ones first."""
    near = [(name, getattr(module, name)) for name in module._layout.names]
    while near:
        found = [(name, each) for name, each in near if is_module(each)]
        yield from found
        inside = [(name, _elements(each)) for name, each in near if isinstance(each, (tuple, dict))]
        near = [(f"{name}.{part}", each) for name, parts in inside for part, each in parts.items()]
        near += [(f"{name}.{field}", getattr(each, field)) for name, each in found for field in each._layout.names]


def named_leaves(tree: Any, start: str) -> list[tuple[str, Any]]:
    """Give the leaves of a tree with their paths, behind the tree's own."""
    if type(tree) is nexnet.LiteTensor:
        return [(start, tree)]
    leaves, treespec = nexnet.tree.flatten(tree)
    return [(join(start, each), leaf) for each, leaf in zip(nexnet.tree.paths(treespec), leaves, strict=True)]


def _elements(value: Any) -> dict[Any, Any]:
    """Give what is in a dict or tuple, by key, field or index."""
    if isinstance(value, dict):
        return value
    return value._asdict() if hasattr(value, "_asdict") else dict(enumerate(value))
