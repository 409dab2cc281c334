"""A sample of PyTorch's database of layers as a function of its inputs and parameters, the module unmodified."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import optree
import torch
from torch import nn
from torch.nn.parameter import is_lazy

import nexnet

from .problem import Problem

__all__ = ["layer_problems", "layers"]


def layers() -> dict[str, Any]:
    """Give PyTorch's records of layers by name."""
    from torch.testing._internal.common_modules import module_db

    return {each.name: each for each in module_db}


def layer_problems(name: str, record: Any) -> Iterator[Problem]:
    """Give the database's samples of a layer, in training and in evaluation. Those without a gradient are left out."""
    for training in (True, False):
        torch.manual_seed(0)
        samples = record.module_inputs_func(
            record, device="cpu", dtype=torch.float64, requires_grad=True, training=training
        )
        for i, sample in enumerate(samples):
            made, given = sample.constructor_input, sample.forward_input
            torch.manual_seed(0)
            module = record.module_cls(*made.args, **made.kwargs).to(torch.float64).train(training)
            if any(map(is_lazy, module.parameters())):
                module(*given.args, **given.kwargs)
            label = f"{name}, {'training' if training else 'evaluation'}, sample {i}"
            arguments = ((dict(module.named_parameters()), *given.args), dict(given.kwargs))
            found = Problem(label, functools.partial(_call, module), arguments, lambda out: out, record)
            if found.places:
                yield found


def _call(module: nn.Module, parameters: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
    """Call a module with other parameters, nexnet's or torch's, and copies of its buffers."""
    buffers = {name: each.clone() for name, each in module.named_buffers()}
    ours = any(isinstance(each, nexnet.LiteTensor) for each in optree.tree_leaves((parameters, args, kwargs)))
    call = nexnet.functional_call if ours else torch.func.functional_call
    return call(module, parameters | buffers, args, kwargs)
