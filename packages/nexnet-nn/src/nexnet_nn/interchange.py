"""Parameters from PyTorch, and to it: a state dict's tensors by name, renamed where the names differ."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import torch

import nexnet
from nexnet import LiteTensor
from nexnet.errors import message

from ._fitting import check_fit, kind_of, named_buffers, shown, with_buffers
from ._walking import each_module
from .errors import CheckpointError

__all__ = ["from_torch", "to_torch"]

Tree = TypeVar("Tree")


def from_torch(state_dict: Mapping[str, Any], into: Tree, rename: Mapping[str, str | None] | None = None) -> Tree:
    """Give a model like ``into``, with the tensors of a state dict of torch's; ``into`` itself is not changed.

    Tensors are copied, to the devices of the model's, and floating ones to their dtypes.

    Example::

        torchs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
        rename = {"0.*": "layers.0.*", "2.*": "layers.1.*", "*.num_batches_tracked": None}
        model = nn.from_torch(torchs.state_dict(), into=model, rename=rename)

    Args:
        state_dict: tensors by name, as ``module.state_dict()``, or ``safetensors.torch.load_file(path)``.
        into: a model, or any pytree of LiteTensors; their names, and its buffers', are paths as ``layers.0.weight``.
        rename: their names as patterns, and what they are here. Each ``*`` here is what that ``*`` stood for there;
            ``None`` leaves a tensor out. The first pattern that a whole name matches counts.

    Raises:
        CheckpointError: tensors that are missing, unexpected, or of another shape or kind, or two with one name: all of
            them are named.
    """
    ours = {theirs: mine for mine, theirs in _torch_names(into).items()}
    found = {ours.get(name, name): each for name, each in _renamed(state_dict, rename or {}).items()}
    leaves, treespec = nexnet.tree.flatten(into)
    paths, buffers = nexnet.tree.paths(treespec), named_buffers(into)
    wanted = dict([*zip(paths, leaves, strict=True), *buffers])
    kinds = {name: kind_of(each) for name, each in wanted.items()}
    check_fit(
        kinds,
        {name: kinds[name] if _can_become(each, wanted.get(name)) else kind_of(each) for name, each in found.items()},
        "the state dict does not fit the model:",
        "state_dict",
        "rename={their pattern: ours, or None to leave it out}",
    )
    made = {
        name: LiteTensor(found[name].detach().to(leaf.device, leaf.dtype, copy=True).contiguous())
        for name, leaf in wanted.items()
    }
    new: Tree = nexnet.tree.unflatten(treespec, [made[name] for name in paths])
    new = with_buffers(new, {name: made[name] for name, _ in buffers})
    return new


def to_torch(model: Any, rename: Mapping[str, str | None] | None = None) -> dict[str, torch.Tensor]:
    """Give a model's tensors and buffers by name, for ``module.load_state_dict``: the tensors themselves, not copies.

    Each has the shape that it has in the model: layers of torch's names have torch's shapes.

    Args:
        model: a model, or any pytree of LiteTensors.
        rename: our names as patterns (of a recurrent layer's weights torch's), and what they are there: see
            ``from_torch``.

    Raises:
        CheckpointError: two tensors with one name.

    Example::

        >>> {name: tuple(each.shape) for name, each in nn.to_torch(nn.Dense(3, 2)).items()}
        {'weight': (2, 3), 'bias': (2,)}
    """
    leaves, treespec = nexnet.tree.flatten(model)
    named = [*zip(nexnet.tree.paths(treespec), leaves, strict=True), *named_buffers(model)]
    theirs = _torch_names(model)
    return _renamed({theirs.get(name, name): leaf.data for name, leaf in named}, rename or {})


def _torch_names(tree: Any) -> dict[str, str]:
    """Give the paths of tensors that torch calls otherwise, as a recurrent layer's, and what it calls them."""
    found: dict[str, str] = {}

    def note(module: Any, path: str) -> Any:
        names = module.torch_names() if hasattr(module, "torch_names") else {}
        found.update({path + mine: path + theirs for mine, theirs in names.items()})
        return module

    each_module(tree, note)
    return found


def _can_become(tensor: torch.Tensor, leaf: LiteTensor | None) -> bool:
    """Say whether a tensor has a leaf's shape, and a dtype that may be converted to the leaf's."""
    if leaf is None or tensor.shape != leaf.shape:
        return False
    return tensor.dtype is leaf.dtype or (tensor.dtype.is_floating_point and leaf.dtype.is_floating_point)


def _renamed(tensors: Mapping[str, Any], rename: Mapping[str, str | None]) -> dict[str, torch.Tensor]:
    """Give tensors by their new names."""
    patterns = [(re.compile(re.escape(old).replace(r"\*", "(.*?)")), new) for old, new in rename.items()]
    made: dict[str, torch.Tensor] = {}
    origin: dict[str, str] = {}
    for old, tensor in tensors.items():
        name: str | None = old
        for pattern, new in patterns:
            if match := pattern.fullmatch(old):
                name = None if new is None else _filled(new, match.groups())
                break
        if name is None:
            continue
        if name in made:
            raise CheckpointError(
                message(
                    "two tensors would have one name.",
                    argument=shown(name),
                    got=f"{shown(origin[name])}, and {shown(old)}",
                    remedy="let rename tell them apart",
                )
            )
        made[name], origin[name] = tensor, old
    return made


def _filled(pattern: str, parts: tuple[str, ...]) -> str:
    """Put what the stars of the old pattern stood for in the place of those of the new one."""
    stars = iter(parts)
    if pattern.count("*") > len(parts):
        raise CheckpointError(
            message(
                "a new name has more stars than the pattern that it is for.",
                argument=f"rename: {pattern!r}",
                expected=f"at most {len(parts)}",
            )
        )
    return re.sub(r"\*", lambda _: next(stars), pattern)
