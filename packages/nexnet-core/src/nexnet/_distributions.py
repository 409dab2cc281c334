"""torch.distributions of LiteTensors: where it asks whether a value is a tensor, a LiteTensor is one.

It asks in two of its modules. ``broadcast_all`` gives numbers that stand beside tensors these tensors' dtype, and else
torch's default one: half of the digits of a ``Chi2`` or ``HalfCauchy`` in float64 would be lost without a word.
``log_prob`` and ``cdf`` refuse a value that is no tensor. In both modules ``isinstance`` is nexnet's; it answers as
Python's for everything but LiteTensors.
"""

from __future__ import annotations

from typing import Any

from torch.distributions import distribution, utils

from .engine import TensorBase

__all__: list[str] = []


def _is_instance(value: Any, kinds: Any) -> bool:
    return isinstance(value.data if isinstance(value, TensorBase) else value, kinds)


for _module in (distribution, utils):
    vars(_module)["isinstance"] = _is_instance
