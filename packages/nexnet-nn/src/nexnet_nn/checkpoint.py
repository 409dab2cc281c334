"""Checkpoints: all of a training run's state in a safetensors file. Never pickles: loading runs no code.

The file holds the tensors by their paths, which any program reads that knows safetensors; its metadata hold, as JSON,
the tree's structure, with the numbers and strings that are in it.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, TypeVar

import optree
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

import nexnet
from nexnet import LiteTensor
from nexnet.errors import message

from ._atomic import os_error, replacing
from ._fitting import check_fit, kind_of, named_buffers, shown, with_buffers
from ._layout import NAMESPACE
from .errors import CheckpointError

__all__ = ["load", "save"]

Tree = TypeVar("Tree")


def save(tree: Any, path: str | os.PathLike[str]) -> None:
    """Write a model, or any pytree of a run's state, to a safetensors file, by the paths of its leaves.

    ``{"model": model, "optimiser": state, "generator": generator, "epoch": 3}`` is all that a run needs to go on.
    Leaves are LiteTensors and torch tensors of any shapes, ``torch.Generator`` (their states), numbers, booleans and
    strings. Optimisers and schedules have no state beside these.

    The file appears under its name only when it is complete and on the disk; one that was there is replaced, and its
    permissions are kept (a link stays one). A process that is killed leaves the old file or the new, and perhaps a
    hidden ``.part`` beside it, which the next to save there removes. Threads and processes may save to one path: the
    last to finish stays.

    Raises:
        CheckpointError: two leaves with one path; a leaf of another kind.
        OSError: there is no such folder, the disk is full, the path is a folder or a device, ...

    Example::

        nn.save({"model": model, "step": 100}, "run.safetensors")
    """
    tensors: dict[str, torch.Tensor] = {}
    names: set[str] = set()
    same: dict[str, str] = {}  # an optimiser's state, of trees like the model, has the model's own buffers
    first: dict[int, str] = {}
    leaves, buffers = _named_leaves(tree), named_buffers(tree)
    for name, buffer in buffers:
        if (other := first.setdefault(id(buffer), name)) != name:
            same[name] = other
    for name, leaf in [*leaves, *((name, each) for name, each in buffers if name not in same)]:
        if name in names:
            raise CheckpointError(message("two tensors of the model have the same path.", argument=shown(name)))
        names.add(name)
        if isinstance(leaf, torch.Generator):
            tensors[name] = leaf.get_state()
        elif not isinstance(leaf, _VALUES):  # the format has no shared storage
            tensors[name] = leaf.data.clone(memory_format=torch.contiguous_format)
    metadata = {"structure": json.dumps(_structure(tree)), "same": json.dumps(same)}
    _write(tensors, {"format": "nexnet_nn", **metadata}, path)


def load(like: Tree, path: str | os.PathLike[str]) -> Tree:
    """Read a file that ``save`` has written: give a tree like the one that is given, with what is in the file.

    ``like`` gives the structure, the shapes, dtypes and devices: what a run begins with. Its own values are not used,
    and not changed: generators are new ones, too.

    Raises:
        CheckpointError: no safetensors file; leaves that are missing, unexpected, or of another shape, dtype or kind:
            all of them are named.
        FileNotFoundError: there is no such file.
        OSError: it may not be read.

    Example::

        nn.save({"model": model, "step": 100}, "run.safetensors")
        found = nn.load({"model": model, "step": 0}, "run.safetensors")
        model, step = found["model"], found["step"]
    """
    tensors, values = _read(path)
    found = {name: values[name] if name in values else kind_of(each) for name, each in tensors.items()}
    found |= {name: kind_of(value) for name, value in values.items() if name not in tensors}
    wanted, buffers = _named_leaves(like), named_buffers(like)
    check_fit(
        {name: kind_of(leaf) for name, leaf in wanted + buffers},
        found,
        "the checkpoint does not fit the model:",
        os.fspath(path),
        "build the template as the model was when it was saved (for another dtype: model.to(dtype))",
    )
    leaves = [_restored(leaf, tensors[name] if name in tensors else values[name]) for name, leaf in wanted]
    loaded: Tree = nexnet.tree.unflatten(nexnet.tree.structure(like), leaves)
    new = {name: _restored(leaf, tensors[name]) for name, leaf in buffers}
    loaded = with_buffers(loaded, new)
    return loaded


_VALUES = (bool, int, float, str)


def _named_leaves(tree: Any) -> list[tuple[str, Any]]:
    """Give each leaf with its path.

    Raises:
        CheckpointError: a leaf that a file can't hold.
    """
    leaves, treespec = nexnet.tree.flatten(tree)
    named = list(zip(nexnet.tree.paths(treespec), leaves, strict=True))
    for name, leaf in named:
        if not isinstance(leaf, (LiteTensor, torch.Tensor, torch.Generator, *_VALUES)):
            raise CheckpointError(
                message(
                    "a checkpoint holds tensors, generators, numbers and strings.",
                    argument=shown(name),
                    got=type(leaf).__name__,
                    remedy="leave it out, and make it anew when the run goes on",
                )
            )
    return named


def _restored(leaf: Any, value: Any) -> Any:
    """Give what the file has for a leaf, as that leaf is."""
    if isinstance(leaf, torch.Generator):
        generator = torch.Generator(leaf.device)
        return generator.set_state(value)
    if isinstance(leaf, _VALUES):
        return value
    return LiteTensor(value.to(leaf.device)) if isinstance(leaf, LiteTensor) else value.to(leaf.device)


# The structure, beside the tensors


def _structure(tree: Any) -> Any:
    """Describe a tree for JSON: a node is ``{"kind": ..., "children": {...}}``, a leaf its value, or what it is."""
    if optree.tree_is_leaf(tree, namespace=NAMESPACE):
        return {"value": tree} if isinstance(tree, _VALUES) else {"leaf": kind_of(tree)}
    children, treespec = optree.tree_flatten(tree, is_leaf=lambda each: each is not tree, namespace=NAMESPACE)
    described = {name: _structure(child) for name, child in zip(nexnet.tree.paths(treespec), children, strict=True)}
    return {"kind": type(tree).__name__, "children": described}


def _values_in(structure: Any, path: str = "") -> dict[str, Any]:
    """Give what a structure says of leaves that are no tensors, by their paths: values, and a generator's kind."""
    if "value" in structure:
        return {path: structure["value"]}
    if "leaf" in structure:
        return {path: structure["leaf"]} if structure["leaf"].startswith("generator") else {}
    found: dict[str, Any] = {}
    for name, child in structure["children"].items():
        found |= _values_in(child, f"{path}.{name}" if path else name)
    return found


# The file


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Give the tensors of a file, and what its structure says beside them."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"no checkpoint at {os.fspath(path)}")
    with open(path, "rb"):  # an OSError where it may not be read: safetensors has an error of its own
        pass
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no dict
            metadata = file.metadata() or {}
        for name, other in json.loads(metadata.get("same", "{}")).items():
            tensors[name] = tensors[other]
        return tensors, _values_in(json.loads(metadata.get("structure", '{"children": {}}')))
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            message("the file is not a complete safetensors file.", argument=os.fspath(path), got=shown(str(error)))
        ) from error


def _write(tensors: dict[str, torch.Tensor], metadata: dict[str, str], path: str | os.PathLike[str]) -> None:
    """Write a file so that it has its name when it is complete and on the disk."""
    with replacing(path) as partial:
        try:
            save_file(tensors, partial, metadata=metadata)
        except SafetensorError as error:
            code = _system_code(error)
            if code is None:
                raise
            raise os_error(code, path) from error


def _system_code(error: SafetensorError) -> int | None:
    """Find what the system said, of which safetensors has the text alone."""
    code = re.search(r"\(os error (\d+)\)", str(error))
    return None if code is None else int(code[1])
