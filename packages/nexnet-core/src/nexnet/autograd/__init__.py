"""The seed document's names: ``autograd.Policy`` and ``autograd.session``."""

from ..policy import Policy
from . import session

__all__ = ["Policy", "session"]
