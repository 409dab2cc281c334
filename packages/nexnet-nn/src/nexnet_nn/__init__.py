"""Layers, losses, initialisers, optimisers and checkpoints for nexnet: stateless, and pytrees throughout."""

from typing import TYPE_CHECKING, Any

from . import (
    activations,
    attention,
    buffers,
    convolution,
    distances,
    dropout,
    embedding,
    gradients,
    init,
    layers,
    loss_layers,
    losses,
    meta,
    normalisation,
    optim,
    padding,
    parallel,
    parts,
    pooling,
    recurrent,
    schedules,
    shaping,
    transformer,
)
from .activations import *
from .attention import *
from .averaging import EMA
from .buffers import *
from .checkpoint import load, save
from .convolution import *
from .distances import *
from .dropout import *
from .embedding import *
from .errors import (
    CheckpointError,
    FrozenModuleError,
    MissingNameError,
    ModuleError,
    OptimizerError,
    ParallelError,
    SpentModuleError,
)
from .gradients import *
from .interchange import from_torch, to_torch
from .layers import *
from .loss_layers import *
from .losses import *
from .module import Module
from .names import missing
from .normalisation import *
from .operation import Operation
from .optim import *
from .padding import *
from .parts import *
from .pooling import *
from .recurrent import *
from .scaling import LossScale, LossScaleState
from .shaping import *
from .transformer import *

__all__ = [
    "EMA",
    "CheckpointError",
    "FrozenModuleError",
    "LossScale",
    "LossScaleState",
    "MissingNameError",
    "Module",
    "ModuleError",
    "Operation",
    "OptimizerError",
    "ParallelError",
    "SpentModuleError",
    "from_torch",
    "init",
    "load",
    "losses",
    "meta",
    "optim",
    "parallel",
    "save",
    "schedules",
    "to_torch",
    *activations.__all__,
    *attention.__all__,
    *buffers.__all__,
    *convolution.__all__,
    *distances.__all__,
    *dropout.__all__,
    *embedding.__all__,
    *gradients.__all__,
    *layers.__all__,
    *loss_layers.__all__,
    *losses.__all__,
    *normalisation.__all__,
    *optim.__all__,
    *padding.__all__,
    *parts.__all__,
    *pooling.__all__,
    *recurrent.__all__,
    *shaping.__all__,
    *transformer.__all__,
]
__version__ = "0.1.0"

if not TYPE_CHECKING:  # type checkers know what is here

    def __getattr__(name: str) -> Any:
        raise missing(name)
