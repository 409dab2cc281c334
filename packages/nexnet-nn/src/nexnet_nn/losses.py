"""Losses: nexnet's own operators, under one roof with the layers."""

from __future__ import annotations

from nexnet import cross_entropy, mse_loss

__all__ = ["cross_entropy", "mse_loss"]
