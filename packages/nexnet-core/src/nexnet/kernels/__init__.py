"""Which kernel computes what, where there is a choice; ``describe`` says what was chosen and why.

The modules, which rules call on plain tensors::

    products      products of matrices: torch's kernel, or oneDNN's
    convolutions  convolutions that torch is slow at, in the form of others
    pooling       max pooling, with the channels last
    elementwise   tanh, by oneDNN
    forms         which of these forms are taken
    replaceable   softmax, log_softmax and layer_norm: torch's kernels, or nexnet.triton's on a GPU
    measuring     how kernels are compared
"""

from __future__ import annotations

from ..engine.direct import describe as _of_calls
from . import forms, products, replaceable
from .forms import use_forms
from .products import use_onednn
from .replaceable import use_triton

__all__ = ["describe", "use_forms", "use_onednn", "use_triton"]


def describe() -> str:
    """Say how torch's functions are called, which kernel computes what, and what was measured for that.

    Example::

        print(nexnet.kernels.describe())
    """
    return "\n".join([_of_calls(), products.describe(), forms.describe()]) + replaceable.describe()
