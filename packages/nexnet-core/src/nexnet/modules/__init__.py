"""Torch's models as functions of their parameters, without a change to their code."""

from .as_torch import as_torch
from .override import override

__all__ = ["as_torch", "override"]
