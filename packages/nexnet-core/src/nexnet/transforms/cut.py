"""Where gradients end: stop_gradient cuts a value, no_tape a block of code."""

from __future__ import annotations

from typing import TypeVar

import optree

from ..engine import Only, TapeContext, cut_off
from ..tensor import LiteTensor
from ._evaluate import NAMESPACE

__all__ = ["no_tape", "stop_gradient"]

_Tree = TypeVar("_Tree")


def stop_gradient(x: _Tree) -> _Tree:
    """Give the same values (of a LiteTensor, or of a pytree of them, of any shapes) as constants: no gradient passes.

    What is no LiteTensor stays as it is.

    Example::

        >>> nexnet.grad(lambda x: x * nexnet.stop_gradient(x))(3.0)
        LiteTensor(3.)
    """
    if isinstance(x, LiteTensor):
        return cut_off(x, "stop_gradient")  # type: ignore[no-any-return]
    return optree.tree_map(  # type: ignore[no-any-return]
        lambda leaf: cut_off(leaf, "stop_gradient") if isinstance(leaf, LiteTensor) else leaf, x, namespace=NAMESPACE
    )


def no_tape() -> Only:
    """Make a context, or a decorator, in which nothing is recorded: what is computed there is a constant outside.

    Decorated generators and coroutines compute constants in each step, and whoever they yield to is recorded. One that
    yields inside of a ``with`` block hides the tapes of others.

    Raises:
        TrackedTensorError: in what is computed with a tensor of a tape that such a generator hides.

    Example::

        with nexnet.no_tape():
            accuracy = (model(x).argmax(1) == y).float().mean()
    """
    return TapeContext.only([])
