"""What fits what: tensors by their names beside those that a model wants, and all that is wrong in one error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from nexnet.errors import message

from .errors import CheckpointError

__all__ = ["check_fit", "kind_of", "shown"]


def kind_of(leaf: Any) -> str:
    """Write what a leaf is: a tensor's shape and dtype, a generator's device, a value's type."""
    if isinstance(leaf, torch.Generator):
        return f"generator {leaf.device.type}"
    if isinstance(leaf, (bool, int, float, str)):
        return type(leaf).__name__
    return f"{tuple(leaf.shape)} {str(leaf.dtype).removeprefix('torch.')}"


def check_fit(wanted: Mapping[str, str], found: Mapping[str, str], what: str, argument: str, remedy: str) -> None:
    """Compare kinds by names.

    Raises:
        CheckpointError: they differ; all that does is named.
    """
    problems = [f"missing    {shown(name)}: {kind}" for name, kind in wanted.items() if name not in found]
    problems += [f"unexpected {shown(name)}: {shown(kind)}" for name, kind in found.items() if name not in wanted]
    problems += [
        f"different  {shown(name)}: {shown(found[name])} where the model has {kind}"
        for name, kind in wanted.items()
        if name in found and found[name] != kind
    ]
    if problems:
        raise CheckpointError(message("\n    ".join([what, *problems]), argument=argument, remedy=remedy))


def shown(text: str) -> str:
    """Give text out of a file for a terminal, which must not obey it: in one line, printable, and not endless."""
    short = text if len(text) <= 200 else f"{text[:200]}..."
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in short)
