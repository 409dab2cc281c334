"""Types for annotations: what operators take beside LiteTensors, and the forms in which sizes and dimensions are given.

Example::

    from nexnet.typing import TensorLike

    def distance(x: TensorLike, y: TensorLike) -> nexnet.LiteTensor:
        return nexnet.linalg.norm(nexnet.sub(x, y))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from numpy.typing import NDArray

from .tensor import LiteTensor

__all__ = ["Device", "Dims", "Number", "Sizes", "TensorLike"]

#: Any number of Python's: where a complex is taken, so are floats and integers.
Number: TypeAlias = complex

#: What an operator takes for a tensor: all but a LiteTensor are constants to it.
TensorLike: TypeAlias = LiteTensor | torch.Tensor | NDArray[Any] | Number

#: One dimension, several, or all of them.
Dims: TypeAlias = int | Sequence[int] | None

#: One size for all dimensions, or one for each.
Sizes: TypeAlias = int | Sequence[int]


#: A device, its name, or the number of an accelerator.
Device: TypeAlias = torch.device | str | int | None
