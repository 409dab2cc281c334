"""nexnet: eager, functional, reverse-mode automatic differentiation over torch tensors. The gradient is yours.

Example::

    import nexnet as nx

    @nx.function
    class square(nx.Policy):
        def forward(self, x):
            self.ctx.save(x)
            return x * x

        def backward(self, grad):
            (x,) = self.ctx.release
            return 2 * x * grad

    value, gradient = nx.value_and_grad(lambda x: square(x).sum())(nx.tensor([1.0, 2.0]))

The operators have torch's names: ``nx.exp(x)``, ``x.exp()`` and ``torch.exp(x)`` are one. Those whose names Python
uses for its own functions (``sum``, ``max``, ...) are there as ``nx.sum``, and left out by ``from nexnet import *``.
"""

import builtins as _builtins
import os as _os
import typing as _typing

# _loading is the first that imports anything: those after it find their modules made.
from . import (  # noqa: F401
    _distributions,
    _heap,
    _loading,
    _torch_function,
    _tree_arguments,
    autograd,
    creation,
    errors,
    fft,
    functions,
    inside,
    kernels,
    linalg,
    modules,
    ops,
    random,
    special,
    transforms,
    tree,
)
from ._dispatch import missing_function as _missing_function
from .creation import *
from .engine import Node, TapeContext
from .errors import (
    ConstantWarning,
    ConvergenceError,
    GradientError,
    HigherOrderError,
    InputError,
    MissingAttributeError,
    NexnetError,
    NoGradientRule,
    NonFiniteError,
    OverrideWarning,
    ReplayError,
    RuleError,
    TrackedTensorError,
)
from .inside import Trace, debug_nans, explain, step, watch
from .low_rank import LowRank
from .modules import as_torch, functional_call, override, parameters_of, set_gradients
from .ops import *
from .policy import RULES, Operator, Policy, calls, custom_grad, function, implements
from .random import *
from .tape import Tape
from .tensor import LiteTensor
from .transforms import *

tensor = creation.tensor  # the function, where ``from .tensor`` has made type checkers think of the module

__version__ = "0.1.0"

kernels.use_triton(_os.environ.get("NEXNET_TRITON", "never"))
if _os.environ.get("NEXNET_DEBUG_NANS", "0") not in ("", "0"):
    inside.nans.debug_process()

__all__ = [
    "RULES",
    "ConstantWarning",
    "ConvergenceError",
    "GradientError",
    "HigherOrderError",
    "InputError",
    "LiteTensor",
    "LowRank",
    "MissingAttributeError",
    "NexnetError",
    "NoGradientRule",
    "Node",
    "NonFiniteError",
    "Operator",
    "OverrideWarning",
    "Policy",
    "ReplayError",
    "RuleError",
    "Tape",
    "TapeContext",
    "Trace",
    "TrackedTensorError",
    "as_torch",
    "autograd",
    "calls",
    "custom_grad",
    "debug_nans",
    "errors",
    "explain",
    "fft",
    "function",
    "functional_call",
    "functions",
    "implements",
    "inside",
    "kernels",
    "linalg",
    "modules",
    "ops",
    "override",
    "parameters_of",
    "random",
    "set_gradients",
    "special",
    "step",
    "transforms",
    "tree",
    "watch",
]
__all__ += transforms.__all__ + creation.__all__ + random.__all__


if not _typing.TYPE_CHECKING:  # where a type checker would take it for every name

    def __getattr__(name):
        raise _missing_function(name)


_taken = {*__all__, *dir(_builtins)}
__all__ += [name for name in vars(ops)["__all__"] if name not in _taken]
