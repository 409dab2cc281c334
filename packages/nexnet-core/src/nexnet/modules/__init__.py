"""Torch's models as functions of their parameters, without a change to their code.

What every call goes through is compiled, as the engine is: tensors, computing, views, answers, swapping, leaving.

The files, what others build on first::

    path        where in a model the running code is
    scattering  a write into a part of a tensor, as a value
    tensors     what stands for a LiteTensor inside of a model
    computing   functions that compute: nexnet's rules
    writing     writes, and torch's own tensors that take part in them
    views       which functions give a view
    assigning   functions that write
    special     functions with an answer of their own
    answers     what torch's functions do there: read this second
    methods     the same for methods, signs and attributes
    scripted    torch.jit's functions
    swapping    the places of a module's parameters
    leaving     what becomes of results and state at the end
    calling     functional_call: read this first
    as_torch    the way back: nexnet's functions in torch's graph
    override    other rules for nexnet's operators, in a block of code
"""

from .as_torch import as_torch
from .calling import functional_call, parameters_of, set_gradients
from .override import override
from .path import current_modules, current_path

__all__ = [
    "as_torch",
    "current_modules",
    "current_path",
    "functional_call",
    "override",
    "parameters_of",
    "set_gradients",
]
