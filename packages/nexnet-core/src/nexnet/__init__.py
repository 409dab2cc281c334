"""nexnet."""

from . import autograd, functions
from ._engine import Node, TapeContext
from .policy import Operator, Policy, custom_grad, function, implements
from .ops import *
from .tape import Tape
from .tensor import LiteTensor
from .transforms import *
