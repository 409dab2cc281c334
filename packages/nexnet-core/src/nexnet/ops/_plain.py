"""What may be looked at, and new zeros that may be written into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

_is_batched = torch._C._functorch.is_batchedtensor


def is_plain(*tensors: Any) -> bool:
    """Say whether new zeros may be written into with these: they are torch's own, and of no batch of vmap."""
    for each in tensors:  # noqa: SIM110  any() would make a generator
        if type(each) is not torch.Tensor or _is_batched(each):
            return False
    return True


def zeros_for(x: Any, shape: Sequence[int]) -> Any:
    """Give zeros of a shape, to put x into: by sizes one by one, which torch takes in half the time of a shape."""
    return x.new_zeros(*shape) if shape else x.new_zeros(())


def may_look_at(*tensors: Any) -> bool:
    """Say whether a look at these tensors' values is possible, and may spare work: on the CPU nothing waits for it."""
    return is_plain(*tensors) and all(each.is_cpu and each.numel() > 0 for each in tensors)
