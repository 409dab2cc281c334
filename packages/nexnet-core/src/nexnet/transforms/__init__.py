"""Functions of functions: gradients, traces, and what cuts them."""

from .checkpoint import checkpoint
from .cut import no_tape, stop_gradient
from .gradient import grad, value_and_grad
from .graph import ComputationGraph, build_computation_graph
from .jacobian import hessian, jacfwd, jacobian, jacrev, value_and_jacobian
from .product import gnvp, hvp, jvp, linearize, vjp
from .trace import trace
from .vmap import vmap

__all__ = [
    "ComputationGraph",
    "build_computation_graph",
    "checkpoint",
    "gnvp",
    "grad",
    "hessian",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jvp",
    "linearize",
    "no_tape",
    "stop_gradient",
    "trace",
    "value_and_grad",
    "value_and_jacobian",
    "vjp",
    "vmap",
]
