"""Layers, losses, initialisers, optimisers and checkpoints for nexnet: stateless, and pytrees throughout."""

from . import attention, convolution, init, losses, meta, normalisation, optim, pooling, recurrent
from .attention import *
from .checkpoint import load, save
from .convolution import *
from .errors import CheckpointError, FrozenModuleError, ModuleError, OptimizerError
from .layers import MLP, Dense, Sequential
from .losses import *
from .module import Module
from .normalisation import *
from .optim import *
from .pooling import *
from .recurrent import *

__all__ = [
    "MLP",
    "CheckpointError",
    "Dense",
    "FrozenModuleError",
    "Module",
    "ModuleError",
    "OptimizerError",
    "Sequential",
    "init",
    "load",
    "losses",
    "meta",
    "optim",
    "save",
    *attention.__all__,
    *convolution.__all__,
    *losses.__all__,
    *normalisation.__all__,
    *optim.__all__,
    *pooling.__all__,
    *recurrent.__all__,
]
__version__ = "0.1.0"
