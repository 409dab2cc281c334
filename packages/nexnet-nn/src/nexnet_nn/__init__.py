"""Layers, losses, initialisers, optimisers and checkpoints for nexnet: stateless, and pytrees throughout."""

from . import convolution, init, losses, meta, pooling
from .checkpoint import load, save
from .convolution import *
from .errors import CheckpointError, FrozenModuleError, ModuleError, OptimizerError
from .layers import MLP, Dense, Sequential
from .losses import *
from .module import Module
from .optim import SGD, Adam, AdamState, SGDState
from .pooling import *

__all__ = [
    "MLP",
    "SGD",
    "Adam",
    "AdamState",
    "CheckpointError",
    "Dense",
    "FrozenModuleError",
    "Module",
    "ModuleError",
    "OptimizerError",
    "SGDState",
    "Sequential",
    "init",
    "load",
    "losses",
    "meta",
    "save",
    *convolution.__all__,
    *losses.__all__,
    *pooling.__all__,
]
__version__ = "0.1.0"
