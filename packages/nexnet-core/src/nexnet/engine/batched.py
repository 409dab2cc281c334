"""A call on one example, as the call on the whole batch: what a vmap has recorded, on the tapes without the vmap."""

from __future__ import annotations

from typing import Any

import torch

from .key import Key, key_like
from .recording import append
from .rule import Node, make_node
from .tape import TapeBase
from .tensor import TensorBase


def key_of_batch(key: Key, shape: torch.Size, home: TapeBase) -> Key:
    """Give a new key, of the dtype and on the device of another, with a shape of its own."""
    made: Key = key_like(key, home.token)
    made.shape = shape
    return made


def identify(tensor: TensorBase, key: Key) -> None:
    """Make a tensor that the tapes don't know the one that has the key."""
    tensor.key = key


def append_batched(
    node: Node | None,
    policy: Any,
    saved: tuple[Any, ...],
    parents: tuple[Any, ...],
    links: Any,
    output: Any,
    exact: bool,
    alike: bool,
    recorders: list[TapeBase],
) -> None:
    """Append what a node is for a batch to the tapes; its operands are ``alike`` if they were for each example."""
    made: Node = make_node(policy, saved, parents, links, output, exact)
    if node is not None and alike:
        made.multiplies, made.passes, made.foreign = node.multiplies, node.passes, node.foreign
    append(made, (), None, recorders)
