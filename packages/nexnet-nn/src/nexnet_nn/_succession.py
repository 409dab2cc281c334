"""Who may be used after a write: a model that was written into is spent, and another object takes its place.

``best = model`` would else be a name for what every further ``update_`` writes into.
"""

from __future__ import annotations

from typing import Any, TypeVar

import optree

from nexnet import LiteTensor
from nexnet.errors import message

from ._layout import NAMESPACE, is_module
from .errors import SpentModuleError

__all__ = ["SPENT", "spent", "succeed"]

Tree = TypeVar("Tree")

#: What is left in a module that is spent.
SPENT = "_spent"


def succeed(tree: Tree) -> Tree:
    """Give a tree of the same tensors, with other objects for its modules: the old ones raise when they are used.

    That takes a copy of one ``__dict__`` for each module at the top of the tree: what is below is the same.
    """
    if is_module(tree):
        return _succeed(tree)  # type: ignore[no-any-return]
    if type(tree) in (tuple, list, dict):
        parts: Any = tree.values() if isinstance(tree, dict) else tree
        if set(map(type, parts)) == {LiteTensor}:
            return tree
    leaves, treespec = optree.tree_flatten(tree, is_leaf=is_module, namespace=NAMESPACE)
    if not any(map(is_module, leaves)):
        return tree
    made = [_succeed(each) if is_module(each) else each for each in leaves]
    return optree.tree_unflatten(treespec, made)  # type: ignore[no-any-return]


def _succeed(module: Any) -> Any:
    successor = object.__new__(type(module))
    fields = module.__dict__
    successor.__dict__.update(fields)
    fields.clear()
    fields[SPENT] = True
    return successor


def spent(module: Any) -> SpentModuleError:
    """Make the error for the use of a model that was written into."""
    return SpentModuleError(
        message(
            "the model was written into, by update_, and what that has returned takes its place.",
            argument=type(module).__name__,
            remedy="use what update_ returned; to keep a model as it is: best = copy.deepcopy(model), before the step",
        )
    )
