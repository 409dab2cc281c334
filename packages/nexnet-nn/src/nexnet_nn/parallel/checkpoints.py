"""Checkpoints of what is divided among processes, by torch.distributed.checkpoint: read by any number of them."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

import nexnet
from nexnet import LiteTensor
from nexnet.errors import message

from .._fitting import check_fit, kind_of, named_buffers, with_buffers
from .._walking import each_module
from ..errors import CheckpointError
from .processes import rank, size
from .sharding import ShardedParameters

__all__ = ["load", "save"]

Tree = TypeVar("Tree")


def save(tree: Any, folder: str | os.PathLike[str]) -> None:
    """Save a tree of LiteTensors, of which each process has all or a part: every one calls this, and writes its own.

    ``Sharded`` optimisers' states and ``shard``ed parameters are written as what they are parts of. The checkpoint is a
    folder; it is complete when its ``.metadata`` is there, which is written last. ``nn.save`` is for what is whole.

    Args:
        tree: a pytree of LiteTensors of any shapes; a module's buffers are saved with it.
        folder: the same for all processes, on a disk that all see. One that can't be written is an error of
            ``torch.distributed.checkpoint``'s, which names the process.

    Raises:
        CheckpointError: a leaf that is no LiteTensor.

    Example::

        nn.parallel.save(model, "checkpoints/1000")
    """
    from torch.distributed.checkpoint.state_dict_saver import save as save_parts

    named = _shared(tree, lambda leaf: leaf.data)
    with _alone():
        save_parts(named, checkpoint_id=folder, no_dist=size() == 1)


def load(like: Tree, folder: str | os.PathLike[str]) -> Tree:
    """Give a tree as ``like``, of what ``save`` has written, also from another number of processes.

    Args:
        like: of the same structure as what was saved, divided among the processes that there are now.
        folder: where it was saved.

    Raises:
        CheckpointError: tensors that are not there, or have another shape or dtype: all of them are named.
        OSError: there is no checkpoint.

    Example::

        nn.parallel.save(model, "checkpoints/2000")
        model = nn.parallel.load(model, "checkpoints/2000")
    """
    from torch.distributed.checkpoint.filesystem import FileSystemReader
    from torch.distributed.checkpoint.state_dict_loader import load as load_parts

    made: dict[int, Any] = {}

    def blank(leaf: LiteTensor) -> Any:
        return made.setdefault(id(leaf), torch.zeros_like(leaf.data))

    wanted = _shared(like, blank)
    found: dict[str, Any] = FileSystemReader(folder).read_metadata().state_dict_metadata
    check_fit(
        {name: kind_of(_kind(each.shape, each.dtype)) for name, each in wanted.items()},
        {name: kind_of(_kind(each.size, each.properties.dtype)) for name, each in found.items() if name in wanted},
        "the checkpoint does not fit:",
        "folder",
        "a tree like the one that was saved",
    )
    with _alone():
        load_parts(wanted, checkpoint_id=folder, no_dist=size() == 1)
    leaves, treespec = nexnet.tree.flatten(like)
    new: Tree = nexnet.tree.unflatten(treespec, [LiteTensor(made[id(each)]) for each in leaves])
    return with_buffers(new, {name: LiteTensor(made[id(each)]) for name, each in named_buffers(like)})  # type: ignore[no-any-return]


@contextmanager
def _alone() -> Iterator[None]:
    """Let torch not warn that there is one process, of which it was told."""
    with warnings.catch_warnings():
        if size() == 1:
            warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)
        yield


def _shared(tree: Any, data: Callable[[LiteTensor], torch.Tensor]) -> dict[str, Any]:
    """Give this process's tensors by name; those that are parts, as torch.distributed has parts."""
    leaves, treespec = nexnet.tree.flatten(tree)
    counts: dict[str, int] = {}  # of the elements of what is divided

    def note(module: Any, path: str) -> Any:
        if isinstance(module, ShardedParameters):
            names = nexnet.tree.paths(nexnet.tree.flatten(module.parts)[1])
            counts.update(
                {f"{path}parts.{name}": math.prod(shape) for name, shape in zip(names, module.shapes, strict=True)}
            )
        return module

    each_module(tree, note)
    named = {}
    for name, leaf in [*zip(nexnet.tree.paths(treespec), leaves, strict=True), *named_buffers(tree)]:
        if not isinstance(leaf, LiteTensor):
            raise CheckpointError(
                message("what several processes save is LiteTensors.", argument=name, got=type(leaf).__name__,
                        remedy="nn.save, in one of them, takes all else")
            )  # fmt: skip
        named[name] = _part(data(leaf), counts[name]) if name in counts else data(leaf)
    return named


def _part(data: torch.Tensor, count: int) -> Any:
    """Give a process's part of so many elements, without what the last is padded by."""
    own = data[: max(0, min(len(data), count - rank() * len(data)))]
    if size() == 1:
        return own
    from torch.distributed.device_mesh import DeviceMesh
    from torch.distributed.tensor import DTensor, Shard

    mesh = DeviceMesh(data.device.type, list(range(size())))
    return DTensor.from_local(own, mesh, [Shard(0)], run_check=False, shape=torch.Size([count]), stride=(1,))


def _kind(shape: Any, dtype: torch.dtype) -> LiteTensor:
    return LiteTensor(torch.empty(tuple(shape), dtype=dtype, device="meta"))
