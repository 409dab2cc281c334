"""torch.jit's functions, given a tensor of a model's: what they were made of is called, which nexnet follows.

TorchScript's interpreter asks no tensor what it is: of what stands for a LiteTensor it would find no elements. So
nexnet puts its own under ``ScriptFunction.__call__``, and under that of a scripted module's methods, which do not say
what they were made of. A call without such a tensor goes to torch's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .._nested import leaves_of
from ..engine import TensorBase
from ..errors import InputError, message
from .tensors import ModelTensor

__all__: list[str] = []


def _follow(kind: Any) -> None:
    """Let a kind of torch.jit's callables be what they were made of for tensors of a model's."""
    call_in_torch: Callable[..., Any] = kind.__call__

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not any(isinstance(each, (ModelTensor, TensorBase)) for each in leaves_of((args, kwargs))):
            return call_in_torch(self, *args, **kwargs)
        source = getattr(self, "_torchdynamo_inline", None)  # torch.jit keeps it for torch.compile
        if source is None:
            raise InputError(
                message(
                    "TorchScript does not tell what it computes: nexnet can't follow it.",
                    rule=self.name,
                    got="a method of a scripted module",
                    remedy="call the Python module that it was made of",
                )
            )
        return source(*args, **kwargs)

    kind.__call__ = call


for _kind in (torch.jit.ScriptFunction, torch._C.ScriptMethod):
    _follow(_kind)
