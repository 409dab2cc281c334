"""The errors of nexnet_nn; ``nexnet.errors.message`` writes their text."""

from __future__ import annotations

from nexnet.errors import NexnetError

__all__ = [
    "CheckpointError",
    "FrozenModuleError",
    "MissingNameError",
    "ModuleError",
    "OptimizerError",
    "ParallelError",
    "SpentModuleError",
]


class ModuleError(NexnetError, TypeError):
    """A module was given a field, or an argument, that it cannot hold."""


class FrozenModuleError(NexnetError, AttributeError):
    """A field of a finished module was assigned to: modules are immutable."""


class MissingNameError(NexnetError, AttributeError):
    """A name of torch.nn that nexnet_nn does not have: the error says what to write."""


class OptimizerError(NexnetError, ValueError):
    """An optimiser was given a hyper-parameter out of its range, or trees that do not belong together."""


class CheckpointError(NexnetError, ValueError):
    """A file does not hold what the model needs."""


class ParallelError(NexnetError, RuntimeError):
    """A process has left a run of several, or was given what they cannot share."""


class SpentModuleError(NexnetError, RuntimeError):
    """A model was used that ``update_`` has written into: what it returned is to be used."""
