"""A rule's call: what it keeps for its backward, and the node that it becomes on the tapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .. import _complaints
from .._nested import refers_to
from . import cpython
from .key import Key
from .products import mm, mm_transposed, product_of


class Context:
    """What one call of a rule keeps for its backward."""

    _saved: tuple[Any, ...]
    parents: tuple[Any, ...]  # for each positional argument of forward, its key, or None
    links: Any  # what was saved, as outer tapes see it; None: constants

    def __init__(self) -> None:
        self._saved = ()
        self.parents = ()

    def save(self, *values: Any) -> None:
        """Keep values for backward. Tensors come back from ``release`` differentiable, at every order."""
        for each in values:
            if not _is_atom(each) and refers_to(each, self):
                raise _complaints.saves_itself(type(self).__name__)
        self._saved = values

    @property
    def release(self) -> tuple[Any, ...]:
        """What ``save`` kept, in its order."""
        return self.saved

    @property
    def saved(self) -> tuple[Any, ...]:
        """What ``save`` kept, whatever form of it the rule releases."""
        for each in self._saved:
            if type(each) is Tensor:
                cpython.in_sight(each)
        return self._saved

    @property
    def needs_input_grad(self) -> tuple[bool, ...]:
        """For each positional argument of forward, whether its gradient is asked for."""
        return tuple([key is not None for key in self.parents])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(saved={self._saved!r}, needs_input_grad={self.needs_input_grad!r})"


_ATOMS = frozenset({Tensor, int, float, bool, str, type(None), torch.Size, torch.dtype, torch.device})


def _is_atom(value: Any) -> bool:
    """Say whether a value refers to nothing that could refer to a rule, or is a tuple or list of such."""
    kind = type(value)
    if kind is tuple or kind is list:
        for each in value:  # noqa: SIM110  all() would make a generator
            if type(each) not in _ATOMS:
                return False
        return True
    return kind in _ATOMS


class Node(Context):
    """One recorded operation, and the compiled base of ``nexnet.Policy``.

    A call of a rule is one object: the rule's instance, which is its own ``ctx``, and the node on the tape once it has
    the keys of its outputs and parents.

    Attributes:
        output: the one output's key, or a tuple of keys where a rule has several.
        exact: each gradient is known to fit its argument (see ``Policy.gradients_fit`` and ``Policy.elementwise``).
        fuses: the loop that calls backward multiplies and adds in one step.
        multiplies: backward is ``times_saved``, of operands that are alike, and the loop knows it.
        passes: the same for ``passes_on`` (1) and ``passes_less`` (-1).
        foreign: the rule is the user's, and might write into the gradients that it gets.
    """

    output: Any
    exact: bool
    fuses: bool
    multiplies: bool
    passes: int
    foreign: bool

    @property
    def ctx(self) -> Any:
        """What this call keeps."""
        return self

    @property
    def outputs(self) -> tuple[Key | None, ...]:
        """The keys of the outputs; None for one that can't carry a gradient."""
        return self.output if type(self.output) is tuple else (self.output,)

    @property
    def bwd_fn(self) -> Callable[..., Any]:
        """The rule's ``backward``, bound to what this call saved."""
        return self.backward  # type: ignore[attr-defined, no-any-return]

    @property
    def name(self) -> str:
        """The name of the rule."""
        return type(self).__name__

    def product(self, grad: Any, factor: Any) -> Any:
        """``grad * factor``, None without a factor: a gradient for ``backward`` to return.

        Where the backward loop has a sum that this is added to, it does both in one step.
        """
        if factor is None:
            return None
        if self.fuses and self.exact and type(factor) is Tensor:
            return product_of(grad, factor, False)
        return grad * factor

    def matrix_product(self, a: Any, b: Any) -> Any:
        """``a.mm(b)``, of two matrices: a gradient for ``backward`` to return, as ``product`` is."""
        return product_for(self, a, b)

    def __repr__(self) -> str:
        if self.output is None:
            return super().__repr__()
        return f"Node({self.name}, parents={len(self.parents)}, outputs={len(self.outputs)})"


cpython.blank((Context, Node))


def uncollected(policy: type[Any]) -> None:
    """Keep the calls of a rule from the garbage collector: they have no member but a node's."""
    cpython.uncollected(policy)


def new_node(policy: Any, parents: tuple[Any, ...]) -> Node:
    """Make a rule's instance for one call."""
    node: Node = cpython.instance(Node, policy)
    node._saved = ()
    node.parents = parents
    return node


def product_for(node: Node | None, a: Any, b: Any) -> Any:
    """Multiply two matrices; a gradient for this node's ``backward`` to return is left to the loop where that may."""
    return product_of(a, b, True) if node is not None and node.fuses else mm(a, b)


def transposed_product_for(node: Node | None, a: Any, b: Any) -> Any:
    """Do the same for A^T B."""
    return product_of(a, b, True, True) if node is not None and node.fuses else mm_transposed(a, b)


def make_node(
    policy: Any, saved: tuple[Any, ...], parents: tuple[Any, ...], links: Any, output: Any, exact: bool = False
) -> Node:
    """Make a rule's node of its parts."""
    node = new_node(policy, parents)
    node._saved = saved
    node.links = links
    node.output = output
    node.exact = exact
    return node


# Three backwards that rules share. The loop knows them, too: it takes no step into Python for them.


def times_saved(self: Any, grad: Any) -> tuple[Any, ...]:
    """The ``backward`` of a product: the gradient times each saved value, None where there is none."""
    saved, parents = self.release, self.parents
    return tuple([None if parents[i] is None else self.product(grad, saved[i]) for i in range(len(parents))])


def passes_on(self: Any, grad: Any) -> tuple[Any, ...]:
    """The ``backward`` of x + alpha y: (g, conj(alpha) g); where no alpha is saved, g for every argument."""
    saved = self.release
    if not saved or saved[0] == 1:
        return (grad,) * len(self.parents)
    return grad, grad * saved[0].conjugate()


def passes_less(self: Any, grad: Any) -> tuple[Any, ...]:
    """The ``backward`` of x - alpha y: (g, -conj(alpha) g)."""
    (alpha,) = self.release
    if self.parents[1] is None:
        return (grad,)
    return grad, -grad if alpha == 1 else grad * -alpha.conjugate()


times_saved.__name__ = passes_on.__name__ = passes_less.__name__ = "backward"  # which is what a node calls it
