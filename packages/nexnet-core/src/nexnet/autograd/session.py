"""value_and_grad as the seed document has it: gradients in a dictionary, by the tensors that were passed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..engine import evaluate, gradients, kernels_only
from ..tape import Tape
from ..tensor import LiteTensor
from ..transforms._evaluate import check_callable, check_output, flatten, fresh_aliases, ones

if TYPE_CHECKING:
    from ..transforms._signatures import P, R

__all__ = ["value_and_grad"]


def value_and_grad(fn: Callable[P, R]) -> Callable[P, tuple[R, dict[LiteTensor, LiteTensor]]]:
    """Make a function that gives ``(out, {input: gradient})``, with an entry for every LiteTensor argument.

    A tensor that is passed twice has one entry, the sum of both. A non-scalar output is seeded with ones. Each gradient
    has the shape of its input.

    Raises:
        InputError: no function; an argument of integers; an output that is not one floating tensor.

    Example::

        >>> x, w = nexnet.tensor(3.0), nexnet.tensor(2.0)
        >>> out, gradients = nexnet.autograd.session.value_and_grad(lambda x, w: w * x * x)(x, w)
        >>> gradients[x], gradients[w]
        (LiteTensor(12.), LiteTensor(9.))
    """
    check_callable(fn, "autograd.session.value_and_grad")

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> tuple[Any, dict[LiteTensor, LiteTensor]]:
        tensors = list(dict.fromkeys(arg for arg in args if isinstance(arg, LiteTensor)))
        inputs = fresh_aliases(flatten(tensors, "args")[0])
        stand_in = dict(zip(tensors, inputs, strict=True))
        call = [stand_in[arg] if isinstance(arg, LiteTensor) else arg for arg in args]
        tape = Tape()
        with kernels_only():
            out = check_output(evaluate(tape, inputs, fn, call, kwargs), "autograd.session.value_and_grad", tape)
            grads = gradients(tape, [out], [ones(out)], inputs)
        return out, dict(zip(tensors, grads, strict=True))

    return wrapper
