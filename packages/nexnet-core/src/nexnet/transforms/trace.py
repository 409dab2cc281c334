"""trace: the value of a function, and the tape of what it did."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy
import optree
from torch import Tensor

from ..engine import DIFFERENTIABLE, kernels_only
from ..inside.names import names_of
from ..inside.recorder import Recorder
from ..inside.tracing import TracedTape
from ..tensor import LiteTensor
from ._evaluate import NAMESPACE, check_function, fresh_aliases

if TYPE_CHECKING:
    from ._signatures import P, R

__all__ = ["trace"]


def trace(
    fn: Callable[P, R], *, values: bool = True, gradients: bool = False, lines: bool = True
) -> Callable[P, tuple[R, TracedTape]]:
    """Make a function that gives ``(value, tape)``: what ``fn`` returns, and all that led to it.

    Every floating LiteTensor, torch tensor, numpy array and Python float among the positional arguments (pytrees) is
    followed. ``print(tape)`` shows a table. Each operation (``tape[3]``, ``tape["%3"]``, ``tape.find(rule="relu",
    where="block.*")``) knows its rule, inputs, static arguments, the user's line, the module at work, bytes, FLOPs
    and time, and, as asked for, value and gradient. Inputs have the names of the arguments, and in a module or a dict
    of parameters their path: ``tape["layers.0.weight"].gradient``.

    Args:
        fn: any function, of tensors of any shapes; what it calls may be vmap, checkpoint, grad and the like, which are
            looked into.
        values: whether the value of every operation is kept. Values are not copied: what is written into later shows.
        gradients: whether to go back, too, from all that ``fn`` returns, seeded with ones; then the gradient of every
            intermediate, and what each rule returned for each argument, are kept.
        lines: whether the user's line and the module's path are looked up, which takes a few microseconds each.

    Raises:
        InputError: no function.

    Example::

        value, tape = nexnet.trace(lambda x: (x * x).sum(), gradients=True)(nexnet.ones(3))
        print(tape)
        print(tape["x"].gradient)
    """
    check_function(fn, 0, "trace")

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> tuple[Any, TracedTape]:
        leaves, treespec = optree.tree_flatten(args, namespace=NAMESPACE)
        leaves = [LiteTensor(leaf) if isinstance(leaf, (float, numpy.ndarray, Tensor)) else leaf for leaf in leaves]
        followed = [i for i, x in enumerate(leaves) if isinstance(x, LiteTensor) and x.data.dtype in DIFFERENTIABLE]
        inputs = fresh_aliases([leaves[i] for i in followed])
        for i, each in zip(followed, inputs, strict=True):
            leaves[i] = each
        tape = TracedTape(Recorder(values, lines))
        try:
            with kernels_only():
                value = tape.run(inputs, fn, optree.tree_unflatten(treespec, leaves), kwargs)
                names = names_of(fn, args, treespec)
                named = [i for i, leaf in enumerate(leaves) if isinstance(leaf, LiteTensor)]
                tape.name([names[i] for i in named], [leaves[i] for i in named])
                tape.returned(optree.tree_leaves(value, namespace=NAMESPACE))
                if gradients:
                    tape.run_back()
        finally:
            tape.finish()
        return value, tape

    return wrapper
