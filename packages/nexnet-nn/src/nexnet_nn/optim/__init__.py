"""Optimisers: objects with hyper-parameters and no state, which give a new model and a new state.

``update`` is pure and made of nexnet's operators: it can be differentiated through, also by a hyper-parameter that is a
LiteTensor. ``update_`` writes into the storage of the parameters and of the state, at the speed of torch's kernels.
"""

from ._optimizer import Optimizer
from .adagrad import Adagrad, AdagradState
from .adam import Adam, AdamState, AdamW
from .by_path import ByPath
from .lbfgs import LBFGS, LBFGSState
from .lion import Lion, LionState
from .muon import Muon, MuonState
from .nadam import NAdam, NAdamState
from .radam import RAdam
from .rmsprop import RMSprop, RMSpropState
from .sgd import SGD, SGDState

__all__ = [
    "LBFGS",
    "SGD",
    "Adagrad",
    "AdagradState",
    "Adam",
    "AdamState",
    "AdamW",
    "ByPath",
    "LBFGSState",
    "Lion",
    "LionState",
    "Muon",
    "MuonState",
    "NAdam",
    "NAdamState",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "RMSpropState",
    "SGDState",
]
