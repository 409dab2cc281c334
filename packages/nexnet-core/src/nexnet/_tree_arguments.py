"""Rules of modules and other pytrees: a call with tensors inside of its arguments is one of all of these tensors.

The rule's ``forward`` gets its arguments with torch tensors at their leaves, and its ``backward`` returns, for each, a
tree of gradients, a dict of them by path, or None. What the tapes see is another rule, made of this one: its arguments
are the leaves.
"""

from __future__ import annotations

from typing import Any

import optree

from . import _complaints
from ._trees import NAMESPACE, Frozen, paths
from .engine import Context, register_nodes, register_trees
from .engine.operands import holds_tensors
from .errors import RuleError, message
from .policy import Operator, Policy, _PolicyType

__all__: list[str] = []


def _of_trees(operator: Operator, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
    """Call an operator of whose arguments some are trees."""
    if not operator.policy.takes_trees:
        raise _complaints.tensor_in_container(operator.name, next(each for each in args if holds_tensors((each,))))
    leaves, treespec = optree.tree_flatten(args, namespace=NAMESPACE)
    flat: Operator | None = operator.policy.__dict__.get("_of_trees")
    if flat is None:
        flat = Operator(_flattened(operator.policy))
        flat.leaf = operator.leaf
        operator.policy._of_trees = flat  # type: ignore[attr-defined]
    return flat(treespec, *leaves, **(kwargs or {}))


def _flattened(policy: type[Policy]) -> type[Policy]:
    """Make the rule whose arguments are a structure and the leaves of the given rule's arguments."""

    def forward(self: Any, treespec: Any, *leaves: Any, **kwargs: Any) -> Any:
        Context.save(self, treespec)
        return policy.forward(self, *optree.tree_unflatten(treespec, leaves), **kwargs)

    def backward(self: Any, *grads: Any) -> Any:
        treespec = self.saved[0]
        result = policy.backward(self, *grads)
        trees = result if type(result) is tuple else (result,)
        parts = treespec.children()
        if len(trees) > len(parts):
            raise _no_such_trees(policy, f"{len(parts)} gradients", f"{len(trees)}")
        found: list[Any] = []
        for i, part in enumerate(parts):
            tree = trees[i] if i < len(trees) else None
            try:
                found += [None] * part.num_leaves if tree is None else _leaves_like(part, tree)
            except ValueError:
                wanted = f"for argument {i} a tree like it, a dict by path ({', '.join(paths(part)[:8])}), or None"
                raise _no_such_trees(policy, wanted, f"{tree!r}") from None
        return None, *found

    def save(self: Any, *values: Any) -> None:
        Context.save(self, self.saved[0], *values)

    def needs_input_grad(self: Any) -> tuple[bool, ...]:
        asked = [key is not None for key in self.parents[1:]]
        counts = [each.num_leaves for each in self.saved[0].children()]
        return tuple([any(asked[sum(counts[:i]) : sum(counts[: i + 1])]) for i in range(len(counts))])

    made: Any = _PolicyType(
        policy.__name__,
        (policy,),
        {
            "__module__": policy.__module__,
            "forward": forward,
            "backward": backward,
            "elementwise": False,
            "gradients_fit": False,
            "scalars_as_tensors": False,
        },
    )
    made.save = save
    made.release = property(lambda self: self.saved[1:])
    made.needs_input_grad = property(needs_input_grad)
    return made  # type: ignore[no-any-return]


def _leaves_like(part: optree.PyTreeSpec, tree: Any) -> list[Any]:
    """Give what a tree has at the leaves of a structure, or a dict by their paths.

    Raises:
        ValueError: it is neither.
    """
    names = paths(part)
    if isinstance(tree, dict) and tree.keys() <= {*names}:
        return [tree.get(name) for name in names]
    return part.flatten_up_to(tree)  # type: ignore[no-any-return]


def _no_such_trees(policy: type[Policy], expected: str, got: str) -> RuleError:
    return RuleError(
        message("backward gives a gradient for each argument.", rule=policy.__name__, expected=expected, got=got)
    )


register_trees(_of_trees)
register_nodes(Frozen, lambda node, fn: optree.tree_map(fn, node, namespace=NAMESPACE))
