"""LowRank: a matrix that is a product of two smaller ones, not multiplied, as the gradient of a weight often is."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ._trees import leaf_types
from .engine import is_recording, unwrap
from .engine.tensor import version_of, wrap
from .errors import InputError, TrackedTensorError, message
from .ops import mm
from .tensor import LiteTensor

__all__ = ["LowRank"]


class LowRank:
    """The matrix ``left @ right``, which has more elements than its factors together.

    ``value_and_grad(fn, low_rank=True)`` gives such gradients: that of a weight of shape ``(out, in)``, on ``n``
    examples, is a product of the gradient by the layer's output and the layer's input, ``(out, n) @ (n, in)``. An
    optimiser can add it to the weight without making it; its rank, its norm and what it does to a vector can be had
    from the factors.

    The factors are the very tensors of the evaluation, not copies: an input may be among them. Once one of them has
    been written into, the matrix is lost, and asking for it is an error, as far as torch counts what is written: it
    does not see what numpy writes into memory that it shares, or what is written by way of a tensor's ``.data``.

    Attributes:
        left: of shape ``(m, k)``.
        right: of shape ``(k, n)``.
        shape: the size of each dimension, ``(m, n)``.

    Example::

        >>> dense = nn.Dense(100, 50, bias=False)
        >>> _, gradient = nexnet.value_and_grad(lambda m, x: m(x).sum(), low_rank=True)(dense, nexnet.ones(4, 100))
        >>> gradient.weight
        LowRank(50 x 100, of rank 4 at most, torch.float32, cpu)
    """

    __slots__ = ("_versions", "left", "right", "shape")

    def __init__(self, left: LiteTensor | Tensor, right: LiteTensor | Tensor) -> None:
        self.left = left if isinstance(left, LiteTensor) else LiteTensor(left)
        self.right = right if isinstance(right, LiteTensor) else LiteTensor(right)
        a, b = self.left.data, self.right.data
        if not (a.ndim == b.ndim == 2 and a.shape[1] == b.shape[0] and a.dtype is b.dtype and a.device == b.device):
            raise InputError(
                message(
                    "the factors are two matrices that can be multiplied.",
                    rule="LowRank",
                    got=", ".join(f"{tuple(each.shape)} {each.dtype} {each.device}" for each in (a, b)),
                )
            )
        self.shape = torch.Size((a.shape[0], b.shape[1]))
        self._versions = _versions(a, b)

    def __reduce__(self) -> Any:
        self.factors()
        return LowRank, (self.left, self.right)

    @classmethod
    def _of(cls, left: Tensor, right: Tensor, shape: torch.Size) -> LowRank:
        """Make it of what is known to be two factors of a matrix of that shape."""
        made = object.__new__(cls)
        made.left, made.right, made.shape = wrap(left), wrap(right), shape
        made._versions = _versions(left, right)
        return made

    @property
    def ndim(self) -> int:
        """The number of dimensions: 2."""
        return 2

    @property
    def dtype(self) -> torch.dtype:
        """The element type."""
        return self.left.dtype

    @property
    def device(self) -> torch.device:
        """Where the storage is."""
        return self.left.device

    def to_dense(self) -> LiteTensor:
        """Multiply: a tensor of its own.

        Raises:
            TrackedTensorError: a factor has been written into.
        """
        self.factors()
        return mm(self.left, self.right)  # type: ignore[no-any-return]

    def add_to_(self, out: LiteTensor, *, alpha: float = 1, beta: float = 1) -> LiteTensor:
        """Set ``out = beta out + alpha left @ right`` in its storage, in one kernel (torch's ``addmm_``).

        Raises:
            TrackedTensorError: a factor has been written into, or shares its memory with ``out``; or something is
                being differentiated, by which this would not be.
        """
        if is_recording():
            raise TrackedTensorError(
                message(
                    "add_to_ writes into a tensor while something is being differentiated.",
                    rule="LowRank.add_to_",
                    remedy="out + low_rank.to_dense(), which is differentiable",
                )
            )
        if self.shares_memory(storages([out])):
            raise TrackedTensorError(
                message(
                    "a factor shares its memory with the tensor that the product is to be added to.",
                    rule="LowRank.add_to_",
                    remedy="add its to_dense()",
                )
            )
        left, right = self.factors()
        out.data.addmm_(left, right, alpha=alpha, beta=beta)
        return out

    def factors(self) -> tuple[Tensor, Tensor]:
        """Give the torch tensors of the factors, unless one has been written into.

        Raises:
            TrackedTensorError: it has.
        """
        left, right = self.left.data, self.right.data
        if _versions(left, right) != self._versions:
            raise TrackedTensorError(
                message(
                    "a factor of a low-rank gradient was written into after it was made: the gradient is lost.",
                    rule="LowRank",
                    remedy="use the gradient, or its to_dense(), before its inputs are changed; "
                    "or ask for gradients without low_rank=True",
                )
            )
        return left, right

    def suits(self, out: LiteTensor | Tensor) -> bool:
        """Say whether the product has another tensor's shape, dtype and device."""
        data, left = unwrap(out), self.left.data
        on_one_device = (data.is_cpu and left.is_cpu) or data.device == left.device
        return on_one_device and data.dtype is left.dtype and data.shape == self.shape

    def shares_memory(self, among: set[int]) -> bool:
        """Say whether a factor lies in one of these storages, whose addresses ``storages`` gives."""
        left, right = self.left.data.untyped_storage(), self.right.data.untyped_storage()
        return left.data_ptr() in among or right.data_ptr() in among

    def __repr__(self) -> str:
        (m, k), n = self.left.shape, self.right.shape[1]
        return f"LowRank({m} x {n}, of rank {min(m, k, n)} at most, {self.dtype}, {self.device})"

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise _no_tensor(getattr(func, "__name__", func))

    def _refuse(self, *others: Any) -> Any:
        raise _no_tensor("LowRank")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __matmul__ = __rmatmul__ = _refuse
    __truediv__ = __rtruediv__ = __pow__ = __rpow__ = __neg__ = __array__ = _refuse


def _no_tensor(rule: object) -> InputError:
    return InputError(
        message(
            "operators take tensors, and a low-rank gradient is none.",
            rule=rule,
            got="LowRank",
            remedy="its to_dense(), or its factors left and right; or gradients without low_rank=True",
        )
    )


def storages(tensors: Any) -> set[int]:
    """Give the addresses of the storages in which tensors lie."""
    return {unwrap(each).untyped_storage().data_ptr() for each in tensors}


def _versions(left: Tensor, right: Tensor) -> tuple[int, int]:
    """Say how often the factors have been written into, as far as torch counts that."""
    return version_of(left), version_of(right)


leaf_types.add(LowRank)
