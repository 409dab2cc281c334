"""build_computation_graph: run a function once, and keep its value, its gradients and its tape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..engine import evaluate, gradients, kernels_only
from ..errors import InputError, message
from ..tape import Tape
from ..tensor import LiteTensor
from ._evaluate import check_callable, check_output, flatten, ones

__all__ = ["ComputationGraph", "build_computation_graph"]


class ComputationGraph:
    """One evaluation of a function.

    Attributes:
        value: what the function returned.
        grad: the list of gradients, one per input, in their order.
        tape: the recorded operations; ``print(graph.tape)`` shows them.
    """

    def __init__(self, value: LiteTensor, grad: list[LiteTensor], tape: Tape) -> None:
        self.value = value
        self.grad = grad
        self.tape = tape

    def __repr__(self) -> str:
        return f"ComputationGraph(value={self.value!r}, {len(self.grad)} gradients, {len(self.tape)} nodes)"


def build_computation_graph(inputs: Sequence[LiteTensor]) -> Callable[[Callable[..., Any]], ComputationGraph]:
    """Decorate a function to run it once, as ``fn(*inputs)``, and differentiate it by these very tensors.

    Unlike ``value_and_grad`` it watches the objects themselves: a tensor of ``inputs`` counts also where the function
    closes over it. A non-scalar output is seeded with ones.

    Raises:
        InputError: no list; an input that is no LiteTensor of floating dtype; no function; an output that is not one
            floating tensor.

    Example::

        >>> x = nexnet.tensor([1.0, 2.0])
        >>> @nexnet.build_computation_graph(inputs=[x])
        ... def graph(x):
        ...     return (x * x).sum()
        ...
        >>> graph.value, graph.grad
        (LiteTensor(5.), [LiteTensor([2., 4.])])
    """
    if isinstance(inputs, LiteTensor) or not isinstance(inputs, Iterable):
        raise InputError(
            message(
                "build_computation_graph wants a list.",
                argument="inputs",
                got=type(inputs).__name__,
                remedy="inputs=[x]",
            )
        )
    inputs = list(inputs)
    for i, each in enumerate(inputs):
        if not isinstance(each, LiteTensor):
            raise InputError(
                message(
                    "build_computation_graph watches LiteTensors, as the objects that they are.",
                    argument=f"inputs[{i}]",
                    got=type(each).__name__,
                    remedy="make it a nexnet.LiteTensor first",
                )
            )
    flatten(inputs, "inputs")

    def run(fn: Callable[..., Any]) -> ComputationGraph:
        check_callable(fn, "build_computation_graph")
        tape = Tape()
        with kernels_only():
            out = check_output(evaluate(tape, inputs, fn, inputs), "build_computation_graph", tape)
            return ComputationGraph(out, gradients(tape, [out], [ones(out)], inputs, False), tape)

    return run
