"""A mode that sees each of torch's kernels that runs on this thread, and the rule in whose forward it does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ..engine import Node
from .nonfinite import is_number, tensors_of
from .source import is_library

__all__ = ["Kernels", "rule_at_work"]

#: Is told of a kernel's name, the tensors that it was given by name, the numbers, and what it has made.
Saw = Callable[[str, list[tuple[str, Tensor]], list[Any], list[Tensor]], None]

#: Kernels whose results are not computed: memory as it comes.
_UNSET = frozenset(
    ["empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "empty_permuted", "resize_", "set_"]
)
#: Kernels that write over their first argument whatever it held.
_FILLS = frozenset({"copy_", "fill_", "zero_", "normal_", "uniform_", "random_", "bernoulli_", "exponential_"})


class Kernels(TorchDispatchMode):
    """Shows somebody what each of torch's kernels makes of what."""

    def __init__(self, saw: Saw) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._saw = saw

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run a kernel, and look at it."""
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name in _UNSET or func.is_view:
            return out
        outs = [each for each in tensors_of(out) if is_number(each)]
        if outs:
            given = args[1:] if name in _FILLS else args
            inputs, numbers = _inputs(func, given, len(args) - len(given))
            self._saw(name.strip("_"), inputs, numbers, outs)
        return out


def _inputs(func: Any, args: Any, skipped: int) -> tuple[list[tuple[str, Tensor]], list[Any]]:
    names = [each.name for each in func._schema.arguments][skipped:]
    tensors = [
        (name, each) for name, arg in zip(names, args, strict=False) for each in tensors_of(arg) if is_number(each)
    ]
    return tensors, [each for each in args if isinstance(each, (int, float))]


def rule_at_work(depth: int) -> tuple[str, int] | None:
    """Name the rule whose forward, in Python, is running on top of the user's code, and say which call it is."""
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None:
        code = frame.f_code
        if code.co_name in ("forward", "backward", "jvp") and code.co_varnames[:1] == ("self",):
            node = frame.f_locals.get("self")
            if isinstance(node, Node):
                return node.name, id(node)
        if not is_library(frame):
            return None
        frame = frame.f_back
    return None
