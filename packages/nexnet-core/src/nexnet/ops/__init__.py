"""The operators, by kind. Each is a rule and its convention at kinks; names, signatures and defaults are torch's.

A wing is a sub-package, whose own docstring says what is in which module. Each builds only on those above it::

    elementwise    exp, add, where, erf, conj: what each element becomes by itself
    shapes         reshape, cat, getitem, gather: where elements stand
    reductions     sum, max, cumsum, sort, cdist: what becomes of many
    matrices       matmul, solve, svd, det
    signals        fft, stft
    layers         linear, relu, softmax, dropout, layer_norm, attention
    images         conv2d, max_pool2d, interpolate
    losses         mse_loss, cross_entropy, ctc_loss

``constant`` has the functions without a gradient, of every kind: comparisons, places, counts, roundings. It builds on
no wing, nor do the tools that make operators (the modules with an underscore).
"""

from ._listing import Listed as Listed
from ._listing import listing as listing
from .constant import *
from .elementwise import *
from .images import *
from .layers import *
from .losses import *
from .matrices import *
from .reductions import *
from .shapes import *
from .signals import *

# As an item, out of the sight of type checkers: they would take a computed __all__ for an empty one.
globals()["__all__"] = [
    name
    for name in dir()
    if not name.startswith("_") and callable(globals()[name]) and name not in {"Listed", "listing"}
]
