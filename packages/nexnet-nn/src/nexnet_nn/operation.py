"""Operation: an operator of nexnet with its options, as a layer without parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

from .module import Module, describe_as_its_base

__all__ = ["Operation"]


class Operation(Module):
    """An operator of nexnet with its options: its fields are the operator's keywords, its inputs come with the call.

    A class that calls its operator in another way has a ``__call__`` of its own. Shapes and errors are the operator's.

    Raises:
        TypeError: an option that there isn't, or one too few.

    Example::

        class Power(nn.Operation):
            exponent: float = 2.0

            operator = nexnet.pow

        nn.Sequential(nn.Dense(3, 2), Power(3.0))
    """

    operator: ClassVar[Callable[..., Any]]
    _options: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        describe_as_its_base(cls)
        if "operator" in vars(cls):  # fields of classes below are theirs
            cls._options = tuple(each.name for each in dataclasses.fields(cls))

    def __call__(self, *inputs: Any, **others: Any) -> Any:
        """Call the operator with the inputs and the options; other keywords are the operator's too."""
        return type(self).operator(*inputs, **{name: getattr(self, name) for name in self._options}, **others)
