"""One operation of a trace, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .source import Source
from .statistics import Statistics, statistics

__all__ = ["Input", "Operation"]


@dataclass(slots=True)
class Input:
    """What an operation was given as one of its arguments.

    Attributes:
        argument: the name of the parameter of the rule's ``forward``.
        name: the label of the operation that made it, the name of the traced function's argument that it is
            (``layers.0.weight``), or for a constant what it is.
        kind: "operation"; "argument"; "constant": no gradient is asked for; or "cut": a constant that shares its
            memory with a value of the trace, out of which ``stop_gradient``, ``detach`` or the like has taken it.
        origin: of a cut one, the label of that value; of what an integer operation made, of what that was given.
        shape: its shape.
        dtype: its dtype.
    """

    argument: str
    name: str
    kind: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    origin: str = ""


@dataclass(slots=True, eq=False)
class Operation:
    """One operation of a trace, or one of its inputs (whose rule is "input").

    Attributes:
        number: its place on the tape; -1 for an input.
        label: ``%3``; an input's name.
        rule: the name of the rule.
        replaces: the name of the operator in whose place ``override`` has put it, or the function that has called it;
            empty where nothing is replaced.
        inputs: the tensors that it was given.
        static: its other arguments, as far as they are not the rule's defaults.
        outputs: the label of each output, None for one that carries no gradient. ``%3.0``, where there are several.
        shapes: the shape of each output.
        dtypes: the dtype of each output.
        device: the device of the first one.
        source: the user's line.
        module: the path of the module that was at work: ``encoder.layers.0.attention``; empty for the model itself, and
            outside of all modules.
        module_type: the name of that module's class; empty outside of all modules.
        is_view: whether its output lies in the memory of one of its inputs; None where that can't be seen.
        kept: the bytes that it has added to what the tape keeps for backward.
        flops: its floating-point operations; ``flops_backward``: those of its backward.
        seconds: the time from the end of the operation before to the end of this one; on a GPU, that of launching.
        seconds_backward: the time that its rule's backward took, if that has run.
        values: its outputs' values; empty if the trace did not keep them.
        gradients: the gradient by each output, None for one without.
        returned: what its rule's backward gave for each argument, after it was made to fit.
        body: of ``vmap``, ``checkpoint`` and the like, what was done inside.
        forward: of an operation that belongs to a backward, the label of the operation whose rule did it.
        users: the labels of the operations that take one of its outputs.
    """

    number: int
    label: str
    rule: str
    replaces: str = ""
    inputs: list[Input] = field(default_factory=list)
    static: dict[str, Any] = field(default_factory=dict)
    outputs: list[str | None] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    dtypes: list[torch.dtype] = field(default_factory=list)
    device: str = "cpu"
    source: Source | None = None
    module: str = ""
    module_type: str = ""
    is_view: bool | None = None
    kept: int = 0
    flops: int = 0
    flops_backward: int = 0
    seconds: float = 0.0
    seconds_backward: float = 0.0
    values: list[Tensor | None] = field(default_factory=list)
    gradients: list[Tensor | None] = field(default_factory=list)
    returned: list[Tensor | None] = field(default_factory=list)
    body: list[Operation] = field(default_factory=list)
    forward: str = ""
    users: list[str] = field(default_factory=list)
    _policy: Any = None

    @property
    def value(self) -> Tensor | None:
        """Its first output's value, if the trace has kept it."""
        return next((each for each in self.values if each is not None), None)

    @property
    def gradient(self) -> Tensor | None:
        """The gradient by its first output that has one."""
        return next((each for each in self.gradients if each is not None), None)

    @property
    def shape(self) -> tuple[int, ...]:
        """Its first output's shape."""
        return self.shapes[0]

    @property
    def dtype(self) -> torch.dtype:
        """Its first output's dtype."""
        return self.dtypes[0]

    @property
    def statistics(self) -> Statistics | None:
        """Those of its first output's value."""
        return None if self.value is None else statistics(self.value)

    @property
    def gradient_statistics(self) -> Statistics | None:
        """Those of the gradient."""
        return None if self.gradient is None else statistics(self.gradient)

    @property
    def policy(self) -> Any:
        """The rule's class; None in a trace that was loaded from a file."""
        return self._policy

    def __repr__(self) -> str:
        lines = [f"{self.label} = {self.called()}"]
        lines += [
            f"  {name + ':':<10} {fact}"
            for name, fact in (
                ("shape", f"{self.shape}, {str(self.dtype).removeprefix('torch.')}, {self.device}"),
                ("replaces", self.replaces),
                ("module", " ".join(filter(None, (self.module, self.module_type and f"({self.module_type})")))),
                ("line", f"{self.source}, in {self.source.function}: {self.source.code}" if self.source else ""),
                ("value", self.statistics),
                ("gradient", self.gradient_statistics),
                ("forward", self.forward),
                ("body", f"{len(self.body)} operations" if self.body else ""),
            )
            if fact not in ("", None)
        ]
        return "\n".join(lines)

    def called(self) -> str:
        """Write the call: ``sum(%2, dim=1)``."""
        given = [each.name for each in self.inputs] + [f"{name}={value!r}" for name, value in self.static.items()]
        return f"{self.rule}({', '.join(given)})"
