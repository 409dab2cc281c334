"""Checkpoints: a model's tensors in a safetensors file, by their paths. Never pickles: loading runs no code."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
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

    The file appears under its name only when it is complete and on the disk; one that was there is replaced, and its
    permissions are kept (a link stays one). Threads and processes may save to one path: the last to finish stays.

    Raises:
        CheckpointError: two tensors with one path.
        OSError: there is no such folder, the disk is full, the path is a folder or a device, ...
    """
    tensors: dict[str, torch.Tensor] = {}
    for name, leaf in model.named_parameters():
        if name in tensors:
            raise CheckpointError(message("two tensors of the model have the same path.", argument=_shown(name)))
        tensors[name] = leaf.data.clone(memory_format=torch.contiguous_format)  # the format has no shared storage
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise _os_error(errno.EISDIR if target.is_dir() else errno.EINVAL, path)
    partial = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # less what the umask takes
        mode = (target if target.exists() else partial).stat().st_mode
        save_file(tensors, partial, metadata={"format": "nexnet_nn"})  # may itself make another file, in the mode 0600
        partial.chmod(mode & 0o7777)
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, target)
    except (OSError, SafetensorError) as error:
        code = error.errno if isinstance(error, OSError) else _system_code(error)
        if code is None:
            raise
        raise _os_error(code, path) from error  # of the path that the user knows
    finally:
        with contextlib.suppress(OSError):  # where it could not be made, it can't be unlinked
            partial.unlink()


def load(model_template: AnyModule, path: str | os.PathLike[str]) -> AnyModule:
    """Read a file that ``save`` has written: give a model like the template, with the tensors of the file.

    The template gives the structure, the shapes, dtypes and devices; its own values are not used, and not changed.

    Raises:
        CheckpointError: no safetensors file; tensors that are missing, unexpected, or of another shape or dtype: all of
            them are named.
        FileNotFoundError: there is no such file.
        OSError: it may not be read.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no checkpoint at {os.fspath(path)}")
    with open(path, "rb"):  # an OSError where it may not be read: safetensors has an error of its own
        pass
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise CheckpointError(
            message("the file is not a complete safetensors file.", argument=os.fspath(path), got=_shown(str(error)))
        ) from error
    wanted = dict(model_template.named_parameters())
    problems = [f"missing    {_shown(name)}: {_kind(leaf)}" for name, leaf in wanted.items() if name not in tensors]
    problems += [f"unexpected {_shown(name)}: {_kind(each)}" for name, each in tensors.items() if name not in wanted]
    problems += [
        f"different  {_shown(name)}: {_kind(tensors[name])} where the model has {_kind(leaf)}"
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


def _shown(text: str) -> str:
    """Give text out of a file for a terminal, which must not obey it: in one line, printable, and not endless."""
    short = text if len(text) <= 200 else f"{text[:200]}..."
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in short)


def _system_code(error: SafetensorError) -> int | None:
    """Find what the system said, of which safetensors has the text alone."""
    code = re.search(r"\(os error (\d+)\)", str(error))
    return None if code is None else int(code[1])


def _os_error(code: int, path: str | os.PathLike[str]) -> OSError:
    return OSError(code, os.strerror(code), os.fspath(path))
