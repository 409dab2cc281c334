"""The kernels that rules call by these names: torch's, until ``use_triton`` puts nexnet.triton's in their place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ..engine.direct import direct
from .measuring import check_mode

__all__ = ["describe", "use_triton"]

_layer_norm_backward = torch.ops.aten.native_layer_norm_backward.default
TORCHS: dict[str, Callable[..., Any]] = {
    "softmax": torch.softmax,
    "softmax_backward": torch._softmax_backward_data,
    "log_softmax": torch.log_softmax,
    "log_softmax_backward": torch._log_softmax_backward_data,
    "layer_norm": torch.native_layer_norm,
    "layer_norm_backward": direct(
        getattr(_layer_norm_backward, "_op", _layer_norm_backward)  # without the Python call around it
    ),
}
softmax, softmax_backward, log_softmax, log_softmax_backward, layer_norm, layer_norm_backward = TORCHS.values()
_triton_mode = "never"


def use_triton(mode: str = "auto") -> None:
    """Decide whether softmax, log_softmax and layer_norm go to nexnet.triton's kernels on a GPU.

    "auto": where they measure faster than torch's, once for each function, dtype and class of sizes; "always": wherever
    they can; "never", as it is at first: nothing then is looked at, and nothing imported.

    Raises:
        InputError: another mode.
        ImportError: Triton is not installed.

    Example::

        nexnet.kernels.use_triton("never")  # the kernels of torch
    """
    global _triton_mode
    check_mode(mode)
    found = TORCHS
    if mode != "never":
        from ..triton import choice  # which stands on all the rest

        choice.forget()
        found = choice.slots(always=mode == "always")
    globals().update(found)
    _triton_mode = mode


def describe() -> str:
    """Say what goes to Triton's kernels, and what was measured for that: lines, the first of them empty."""
    if _triton_mode == "never":
        return ""
    if _triton_mode == "always":
        return "\nsoftmax, log_softmax and layer_norm go to Triton's kernels on a GPU (use_triton is 'always')."
    from ..triton import choice

    lines = [f"  {each}" for each in choice.describe()] or ["  (none has been measured yet)"]
    return "\n".join(["\nOn a GPU these go to Triton's kernels where they are faster than torch's:", *lines])
