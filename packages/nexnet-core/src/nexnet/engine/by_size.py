"""A function of one tensor that computes large tensors another way, and asks for no more than their size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .attributes import numel_of
from .direct import direct


class BySize:
    """One of torch's functions, and what stands in for it from some number of elements on.

    Attributes:
        function: torch's.
        large: what computes tensors of ``least`` elements and more.
        least: how many these are.
    """

    function: Any
    large: Any
    least: int

    def __init__(self, function: Callable[..., Any], large: Callable[..., Any], least: int) -> None:
        self.function = direct(function)
        self.large = large
        self.least = least

    def __call__(self, input: Any) -> Any:
        """Give what torch's function gives."""
        return self.large(input) if numel_of(input) >= self.least else self.function(input)
