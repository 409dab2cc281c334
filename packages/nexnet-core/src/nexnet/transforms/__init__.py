"""Functions of functions: gradients, traces, and what cuts them."""

from .cut import no_tape, stop_gradient
from .gradient import grad, value_and_grad
from .graph import ComputationGraph, build_computation_graph
from .trace import trace

__all__ = [
    "ComputationGraph",
    "build_computation_graph",
    "grad",
    "no_tape",
    "stop_gradient",
    "trace",
    "value_and_grad",
]
