"""The mean of gradients over the processes, many tensors in one collective."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

import nexnet
from nexnet import LiteTensor, Policy, function
from nexnet.errors import message

from ..errors import ParallelError
from .processes import failed, size

__all__ = ["average"]

Tree = TypeVar("Tree")

#: How much goes in one collective: torch's own measures. The first is small, for something to be on its way early.
BUCKET_BYTES = 25 << 20
FIRST_BYTES = 1 << 20


def average(tree: Tree, bucket_bytes: int = BUCKET_BYTES) -> Tree:
    """Give the mean over the processes of every tensor in a pytree: of gradients, statistics or losses.

    Every process calls it, with the same structure, shapes and dtypes. It is differentiable, to any order: the total is
    the mean of the processes' losses.

    Args:
        tree: a pytree of floating or complex LiteTensors, of any shapes; the means have the same.
        bucket_bytes: how much goes in one collective.

    Raises:
        ParallelError: a leaf that has no mean; a process has left the run, or does not call this too.

    Example::

        >>> nn.parallel.average({"w": nexnet.ones(2)})
        {'w': LiteTensor([1., 1.])}
    """
    leaves, structure = nexnet.tree.flatten(tree)
    for i, leaf in enumerate(leaves):
        if not isinstance(leaf, LiteTensor) or not (leaf.dtype.is_floating_point or leaf.dtype.is_complex):
            raise ParallelError(
                message(
                    "the mean is that of floating or complex LiteTensors.",
                    argument=structure.accessors()[i].codify("tree"),
                    got=f"dtype {leaf.dtype}" if isinstance(leaf, LiteTensor) else type(leaf).__name__,
                )
            )
    if size() == 1 or not leaves:
        return tree
    means = _average(bucket_bytes, *leaves)
    return nexnet.tree.unflatten(structure, means if isinstance(means, tuple) else [means])  # type: ignore[no-any-return]


@function
class _average(Policy):
    """y = the mean of x over the processes:  dx = the mean of g."""

    def forward(self, bucket_bytes: int, *tensors: Any) -> Any:
        self.ctx.save(bucket_bytes)
        buckets = Buckets(tensors, bucket_bytes)
        for i in reversed(range(len(tensors))):
            buckets.give(i, tensors[i])
        return tuple(buckets.finish())

    def backward(self, *grads: Any) -> Any:
        (bucket_bytes,) = self.ctx.release
        means = _average(bucket_bytes, *grads)
        return None, *(means if isinstance(means, tuple) else (means,))


class Buckets:
    """Tensors on their way to their means: each bucket is sent as soon as it is full, in the same order everywhere.

    The last tensors are expected first, as a backward loop makes them.
    """

    def __init__(self, like: Sequence[Any], bucket_bytes: int) -> None:
        self._shapes = [tuple(each.shape) for each in like]
        self._places: dict[int, tuple[int, int]] = {}  # bucket, and offset in it
        self._flats: list[Tensor] = []
        self._missing: list[int] = []
        self._works: list[Any] = []
        group: list[int] = []
        room = min(FIRST_BYTES, bucket_bytes)
        for i in reversed(range(len(like))):
            each = like[i]
            room -= math.prod(each.shape) * each.dtype.itemsize
            if group and (room < 0 or each.dtype != like[group[0]].dtype or each.device != like[group[0]].device):
                self._open(group, like)
                group = []
                room = bucket_bytes - math.prod(each.shape) * each.dtype.itemsize
            group.append(i)
        if group:
            self._open(group, like)

    def _open(self, group: list[int], like: Sequence[Any]) -> None:
        offset = 0
        for i in group:
            self._places[i] = len(self._flats), offset
            offset += math.prod(self._shapes[i])
        first = like[group[0]]
        self._flats.append(torch.empty(offset, dtype=first.dtype, device=first.device))
        self._missing.append(len(group))

    def give(self, i: int, tensor: Tensor) -> None:
        """Take tensor i, whose memory is not kept; send what is full."""
        bucket, offset = self._places[i]
        self._flats[bucket][offset : offset + tensor.numel()].copy_(tensor.reshape(-1))
        self._missing[bucket] -= 1
        while len(self._works) < len(self._flats) and not self._missing[len(self._works)]:
            try:
                self._works.append(dist.all_reduce(self._flats[len(self._works)], async_op=True))
            except RuntimeError as error:
                raise failed(error) from error

    def finish(self) -> list[Tensor]:
        """Wait for all means, and give them."""
        count = size()
        try:
            for work in self._works:
                work.wait()
        except RuntimeError as error:
            raise failed(error) from error
        for flat in self._flats:
            flat.div_(count)
        found = []
        for i, shape in enumerate(self._shapes):
            bucket, offset = self._places[i]
            found.append(self._flats[bucket][offset : offset + math.prod(shape)].view(shape))
        return found
