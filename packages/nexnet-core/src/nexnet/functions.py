"""Operators from rules: ``function``, ``custom_grad``, and ``implements`` for torch.<fn>."""

from .policy import Operator, custom_grad, function, implements

__all__ = ["Operator", "custom_grad", "function", "implements"]
