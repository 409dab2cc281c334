"""Checkpoints: a model's tensors in a safetensors file, by their paths. Never pickles: loading runs no code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeVar

import optree
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from nexnet import LiteTensor
from nexnet.errors import message

from ._layout import NAMESPACE
from .errors import CheckpointError
from .module import Module

__all__ = ["load", "save"]

AnyModule = TypeVar("AnyModule", bound=Module)


def save(model: Module, path: str | os.PathLike[str]) -> None:
    """Write the model's tensors to a safetensors file, by the paths of ``model.named_parameters()``.

    The file appears under its name only when it is complete; one that was there is replaced.

    Raises:
        CheckpointError: two tensors with one path.
    """
    tensors: dict[str, torch.Tensor] = {}
    for name, leaf in model.named_parameters():
        if name in tensors:
            raise CheckpointError(message("two tensors of the model have the same path.", argument=name))
        tensors[name] = leaf.data.clone(memory_format=torch.contiguous_format)  # the format has no shared storage
    target = Path(path)
    partial = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        save_file(tensors, partial, metadata={"format": "nexnet_nn"})
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def load(model_template: AnyModule, path: str | os.PathLike[str]) -> AnyModule:
    """Read a file that ``save`` has written: give a model like the template, with the tensors of the file.

    The template gives the structure, the shapes, dtypes and devices; its own values are not used, and not changed.

    Raises:
        CheckpointError: no safetensors file; tensors that are missing, unexpected, or of another shape or dtype: all of
            them are named.
        FileNotFoundError: there is no such file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no checkpoint at {os.fspath(path)}")
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise CheckpointError(
            message("the file is not a complete safetensors file.", argument=os.fspath(path), got=error)
        ) from error
    wanted = dict(model_template.named_parameters())
    problems = [f"missing    {name}: {_kind(leaf)}" for name, leaf in wanted.items() if name not in tensors]
    problems += [f"unexpected {name}: {_kind(each)}" for name, each in tensors.items() if name not in wanted]
    problems += [
        f"different  {name}: {_kind(tensors[name])} where the model has {_kind(leaf)}"
        for name, leaf in wanted.items()
        if name in tensors and _kind(tensors[name]) != _kind(leaf)
    ]
    if problems:
        raise CheckpointError(
            message(
                "\n    ".join(["the checkpoint does not fit the model:", *problems]),
                argument=os.fspath(path),
                remedy="build the template as the model was when it was saved (for another dtype: model.to(dtype))",
            )
        )
    leaves = [LiteTensor(tensors[name].to(leaf.device)) for name, leaf in wanted.items()]
    treespec = optree.tree_structure(model_template, namespace=NAMESPACE)
    return optree.tree_unflatten(treespec, leaves)  # type: ignore[no-any-return]


def _kind(tensor: Any) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
