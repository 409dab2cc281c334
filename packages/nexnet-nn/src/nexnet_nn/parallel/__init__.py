"""Training in several processes, by torch.distributed: functions of pytrees, in each process, under ``torchrun``.

Every process has the model and a part of the batch. ``average`` gives the mean of gradients over the processes,
``value_and_grad`` does so while the backward loop still runs; ``Sharded`` divides an optimiser's state among the
processes, ``shard`` the parameters. Without ``torchrun`` there is one process, and all of this is the identity.
"""

from .averaging import *
from .averaging import __all__ as _averaging
from .checkpoints import *
from .checkpoints import __all__ as _checkpoints
from .overlapping import *
from .overlapping import __all__ as _overlapping
from .processes import *
from .processes import __all__ as _processes
from .sharding import *
from .sharding import __all__ as _sharding

__all__ = [*_averaging, *_checkpoints, *_overlapping, *_processes, *_sharding]
