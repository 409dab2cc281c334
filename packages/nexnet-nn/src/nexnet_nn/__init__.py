"""Layers, losses, initialisers, optimisers and checkpoints for nexnet: stateless, and pytrees throughout."""

from . import attention, convolution, gradients, init, losses, meta, normalisation, optim, pooling, recurrent, schedules
from .attention import *
from .averaging import EMA
from .checkpoint import load, save
from .convolution import *
from .errors import CheckpointError, FrozenModuleError, ModuleError, OptimizerError
from .gradients import *
from .interchange import from_torch, to_torch
from .layers import MLP, Dense, Sequential
from .losses import *
from .module import Module
from .normalisation import *
from .optim import *
from .pooling import *
from .recurrent import *
from .scaling import LossScale, LossScaleState

__all__ = [
    "EMA",
    "MLP",
    "CheckpointError",
    "Dense",
    "FrozenModuleError",
    "LossScale",
    "LossScaleState",
    "Module",
    "ModuleError",
    "OptimizerError",
    "Sequential",
    "from_torch",
    "init",
    "load",
    "losses",
    "meta",
    "optim",
    "save",
    "schedules",
    "to_torch",
    *attention.__all__,
    *convolution.__all__,
    *gradients.__all__,
    *losses.__all__,
    *normalisation.__all__,
    *optim.__all__,
    *pooling.__all__,
    *recurrent.__all__,
]
__version__ = "0.1.0"
