"""Functions of functions: gradients, traces, and what cuts them."""

from ._keeping import CheckpointCost
from .budget import MemoryBudget
from .checkpoint import checkpoint
from .cut import no_tape, stop_gradient
from .gradient import grad, value_and_grad
from .graph import ComputationGraph, build_computation_graph
from .implicit import custom_fixed_point, custom_root
from .jacobian import hessian, jacfwd, jacobian, jacrev, value_and_jacobian
from .product import gnvp, hvp, jvp, linearize, vjp
from .replay import replay
from .shaping import clip_gradient, reverse_gradient, scale_gradient, straight_through, surrogate
from .trace import trace
from .vmap import vmap

__all__ = [
    "CheckpointCost",
    "ComputationGraph",
    "MemoryBudget",
    "build_computation_graph",
    "checkpoint",
    "clip_gradient",
    "custom_fixed_point",
    "custom_root",
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
    "replay",
    "reverse_gradient",
    "scale_gradient",
    "stop_gradient",
    "straight_through",
    "surrogate",
    "trace",
    "value_and_grad",
    "value_and_jacobian",
    "vjp",
    "vmap",
]
