"""nexnet_verify: is a gradient right, to which order, and where is it not.

``check_gradients`` is for any function or rule; ``nexnet_verify.cases`` holds a case for every operator of nexnet, and
``python -m nexnet_verify`` runs them.
"""

from .checker import check_gradients
from .errors import Finding, GradientMismatch, NotDifferentiableWarning
from .report import Comparison, GradientReport, Singular

__all__ = [
    "Comparison",
    "Finding",
    "GradientMismatch",
    "GradientReport",
    "NotDifferentiableWarning",
    "Singular",
    "check_gradients",
]

__version__ = "0.1.0"
