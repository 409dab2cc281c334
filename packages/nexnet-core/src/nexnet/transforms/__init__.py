"""Functions of functions: gradients, traces, and what cuts them."""

from .cut import no_tape, stop_gradient
from .gradient import grad, value_and_grad
from .graph import ComputationGraph, build_computation_graph
from .product import gnvp, hvp, jvp, linearize, vjp
from .trace import trace
from .vmap import vmap

__all__ = [
    "ComputationGraph",
    "build_computation_graph",
    "gnvp",
    "grad",
    "hvp",
    "jvp",
    "linearize",
    "no_tape",
    "stop_gradient",
    "trace",
    "value_and_grad",
    "vjp",
    "vmap",
]
