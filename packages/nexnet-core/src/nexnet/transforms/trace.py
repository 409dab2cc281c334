"""trace: the value of a function, and the tape of what it did."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy
import optree
from torch import Tensor

from ..engine import DIFFERENTIABLE, evaluate, kernels_only
from ..tape import Tape
from ..tensor import LiteTensor
from ._evaluate import NAMESPACE, fresh_aliases

if TYPE_CHECKING:
    from ._signatures import P, R

__all__ = ["trace"]


def trace(fn: Callable[P, R]) -> Callable[P, tuple[R, Tape]]:
    """Make a function that gives ``(value, tape)``: what ``fn`` returns, and the operations that led to it.

    Every floating LiteTensor, torch tensor, numpy array and Python float among the positional arguments (pytrees) is
    followed. The tape prints as a table; ``tape.values`` keeps the inputs and outputs of each node.

    Example::

        value, tape = nexnet.trace(lambda x: (x * x).sum())(nexnet.ones(3))
        print(tape)
    """

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> tuple[Any, Tape]:
        leaves, treespec = optree.tree_flatten(args, namespace=NAMESPACE)
        leaves = [LiteTensor(leaf) if isinstance(leaf, (float, numpy.ndarray, Tensor)) else leaf for leaf in leaves]
        followed = [i for i, x in enumerate(leaves) if isinstance(x, LiteTensor) and x.data.dtype in DIFFERENTIABLE]
        inputs = fresh_aliases([leaves[i] for i in followed])
        for i, each in zip(followed, inputs, strict=True):
            leaves[i] = each
        tape = Tape(keep_values=True)
        with kernels_only():
            value = evaluate(tape, inputs, fn, optree.tree_unflatten(treespec, leaves), kwargs)
        return value, tape

    return wrapper
