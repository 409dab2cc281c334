"""Trace: the operations of one evaluation, to be asked for by label, name, rule, module and line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from torch import Tensor

from .._storage import memory_of, storage_of
from ..errors import InputError, message
from ..tape import Row, as_table
from .operation import Operation
from .records import Written

if TYPE_CHECKING:
    from .difference import Difference

__all__ = ["Trace"]


class Trace:
    """What one evaluation did, operation by operation.

    ``trace`` gives one that is the evaluation's ``Tape`` as well; ``Trace.load`` gives one from a file.

    Attributes:
        operations: the operations, in order.
        leaves: the inputs of the traced function, as operations of the rule "input".
        ends: operations on tensors of the trace of which nothing carries a gradient on: comparisons, indices, step
            functions. They are on no tape.
        outputs: the label of each tensor that the function returned; ``·`` for one that depends on no input.
    """

    operations: Sequence[Operation]
    leaves: Sequence[Operation]
    ends: Sequence[Operation]
    outputs: Sequence[str]

    @overload
    def __getitem__(self, which: int | str) -> Operation: ...

    @overload
    def __getitem__(self, which: slice) -> Sequence[Operation]: ...

    def __getitem__(self, which: int | str | slice) -> Operation | Sequence[Operation]:
        """Give one operation or input: by number, by label (``"%3"``), by name (``"layers.0.weight"``) or by pattern.

        A slice (``tape[-3:]``) gives several operations.

        Raises:
            InputError: there is none, or more than one that a pattern fits.
        """
        if isinstance(which, int | slice):
            return self.operations[which]
        exact = self._by_label().get(which)
        if exact is not None:
            return exact
        found = self.find(which)
        if len(found) == 1:
            return found[0]
        raise InputError(
            message(
                "the trace has no operation or input of this name." if not found else "the name fits several.",
                argument="which",
                got=which,
                expected=f"one of {_listed([each.label for each in found or (*self.leaves, *self.operations)])}",
                remedy="tape.find(...) gives all that fit; print(tape) shows the labels",
            )
        )

    def find(
        self,
        pattern: str | None = None,
        *,
        rule: str | None = None,
        where: str | None = None,
        line: str | int | None = None,
    ) -> list[Operation]:
        """Give the operations and inputs that fit all that is said. Patterns are those of a shell: ``block.*``.

        Args:
            pattern: of the label, the module's path, the rule, or the line.
            rule: of the rule's name; a leading underscore need not be written.
            where: of the module's path; ``block.*`` is what is in a block, ``block`` what it does itself.
            line: of the line, as ``model.py:12``, its number (in any file), or of its code, as ``*softmax*``.
        """
        if isinstance(line, int):
            line = f"*:{line}"
        everything = [*self.leaves, *self.operations]
        return [
            each
            for each in everything
            if (pattern is None or _fits_any(pattern, each))
            and (rule is None or _fits(rule, each.rule, each.rule.lstrip("_")))
            and (where is None or (each.number >= 0 and _fits(where, each.module)))
            and (line is None or _fits(line, *_lines(each)))
        ]

    def inputs_of(self, which: int | str | Operation) -> list[Operation]:
        """Give the operations and inputs whose outputs an operation takes."""
        known = self._by_label()
        chosen = which if isinstance(which, Operation) else self[which]
        return [known[each.name] for each in chosen.inputs if each.name in known]

    def users_of(self, which: int | str | Operation) -> list[Operation]:
        """Give the operations that take an output of this one."""
        known = self._by_label()
        chosen = which if isinstance(which, Operation) else self[which]
        return [known[each] for each in dict.fromkeys(chosen.users) if each in known]

    @property
    def values(self) -> dict[str, Tensor]:
        """The values that were kept, by label: those of the inputs first."""
        return {
            label: value
            for each in (*self.leaves, *self.operations)
            for label, value in zip(each.outputs, each.values, strict=False)
            if label is not None and value is not None
        }

    @property
    def gradients(self) -> dict[str, Tensor]:
        """The gradients by all inputs and intermediates, by label, of ``trace(..., gradients=True)``."""
        return {
            label: value
            for each in (*self.leaves, *self.operations)
            for label, value in zip(each.outputs, each.gradients, strict=False)
            if label is not None and value is not None
        }

    @property
    def kept(self) -> int:
        """The bytes that the tape keeps for backward, beside the inputs."""
        return sum(each.kept for each in self.operations)

    @property
    def nbytes(self) -> int:
        """The bytes of all tensors that the trace holds, beside the inputs: of a memory that several share, once."""
        inputs = {storage_of(value) for each in self.leaves for value in each.values if value is not None}
        held = {memory for each in self._held() if (memory := memory_of(each)) is not None}
        return sum(memory.nbytes() for memory in held if memory._cdata not in inputs)

    def _held(self) -> Iterator[Tensor]:
        """Give the tensors that it holds: values, gradients, and what rules returned."""
        ahead = [*self.leaves, *self.operations, *self.ends]
        while ahead:
            each = ahead.pop()
            yield from (value for value in (*each.values, *each.gradients, *each.returned) if value is not None)
            ahead += each.body

    def flops(self, *, products: bool = False) -> tuple[int, int]:
        """Give the floating-point operations of the evaluation, and those of its backward.

        Args:
            products: whether to count what is made of products alone, as ``torch.utils.flop_counter`` does.
        """
        from .flops import PRODUCTS

        counted = [each for each in self.flat() if not products or each.rule.lstrip("_") in PRODUCTS]
        return sum(each.flops for each in counted), sum(each.flops_backward for each in counted)

    def flat(self) -> Iterator[Operation]:
        """Give the operations, in the place of each composite one those of its body."""
        ahead = list(reversed(self.operations))
        while ahead:
            operation = ahead.pop()
            if operation.body:
                ahead += reversed(operation.body)
            else:
                yield operation

    def to_records(self) -> list[dict[str, Any]]:
        """Give a dict of plain values per operation, which ``pandas.DataFrame`` takes."""
        from .records import record_of

        return [record_of(each) for each in self.operations]

    def save(self, path: str | Path) -> None:
        """Write the trace to a JSON file, and values and gradients, if it has any, beside it as ``.safetensors``.

        Raises:
            InputError: there are tensors to write, and safetensors is not installed.
        """
        from .records import save

        save(self, Path(path))

    @staticmethod
    def load(path: str | Path) -> Trace:
        """Read what ``save`` has written. Nothing in the files is executed."""
        from .records import load

        return load(Path(path))

    def diff(self, other: Trace, *, rtol: float = 1e-5, atol: float = 1e-8) -> Difference:
        """Compare with another trace: where the two first part ways, and by how much from there on.

        Args:
            other: the trace of another run, dtype, device, or model of the same structure, or what
                ``inside.torch_trace`` gives of PyTorch's own run; both have kept values.
            rtol: differences up to ``atol + rtol * |value|`` are none.
            atol: see ``rtol``.

        Raises:
            InputError: ``other`` is no trace, or one of the two has kept no values.
        """
        from .difference import difference

        if not isinstance(other, Trace):
            raise InputError(
                message(
                    "a trace is compared with another one.",
                    argument="other",
                    expected="what nexnet.trace(fn)(x), Trace.load or inside.torch_trace(fn)(x) gives",
                    got=type(other).__name__,
                )
            )
        return difference(self, other, rtol, atol)

    def to_html(self, path: str | Path | None = None) -> str:
        """Give the trace as a page, one file without a network, and write it to ``path`` if there is one.

        It shows the graph, modules and loops folded or opened, colours by time, bytes, gradient and NaNs; a click on
        a node its values, gradient, line and rule, and lights the path to the output; and a table beside it.
        """
        from .page import to_html

        return to_html(self, path)

    def to_dot(self) -> str:
        """Give the graph in the language of graphviz."""
        from .page import to_dot

        return to_dot(self)

    def to_svg(self) -> str:
        """Give the graph as a drawing: by graphviz where its ``dot`` is installed, in simple layers elsewhere."""
        from .page import to_svg

        return to_svg(self)

    def to_mermaid(self) -> str:
        """Give the graph in the language of mermaid, which Markdown pages draw."""
        from .page import to_mermaid

        return to_mermaid(self)

    def table(self, *columns: str) -> Any:
        """Give a table of rich, which fits a terminal's width: ``rich.print(tape.table("call", "kept"))``.

        Args:
            columns: names of ``to_records``, and "call"; by default what was called, where, and what it cost.

        Raises:
            InputError: rich is not installed, or there is no such column.
        """
        from .terminal import table_of

        return table_of(self, columns)

    def _repr_html_(self) -> str:
        """Show a notebook the table, and the drawing of what is small enough for one."""
        from .page.notebook import html_of

        return html_of(self)

    def __len__(self) -> int:
        return len(self.operations)

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.operations)

    def rows(self) -> list[Row]:
        """Give a row per output of each operation: its label, the rule, the arguments, the shape and the dtype."""
        rows = []
        for each in self.operations:
            given = ", ".join(_shown(each))
            kinds = zip([x for x in each.outputs if x is not None], each.shapes, each.dtypes, strict=False)
            for label, shape, dtype in kinds:
                rows.append((label, each.rule, given, str(shape), str(dtype).removeprefix("torch.")))
        return rows

    def __str__(self) -> str:
        return as_table(self.rows())

    def __repr__(self) -> str:
        return f"<nexnet Trace: {len(self.operations)} operations>"

    def _by_label(self) -> dict[str, Operation]:
        found: dict[str, Operation] = {}
        for each in (*self.leaves, *self.operations):
            _register(found, each)
        return found


def _register(found: dict[str, Operation], operation: Operation) -> None:
    found[operation.label] = operation
    found.update({label: operation for label in operation.outputs if label is not None})
    for each in operation.body:
        _register(found, each)


def _fits_any(pattern: str, operation: Operation) -> bool:
    own = (operation.module, operation.rule) if operation.number >= 0 else ()
    return _fits(pattern, operation.label, *own, *_lines(operation))


def _fits(pattern: str, *names: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in names)


def _lines(operation: Operation) -> tuple[str, ...]:
    source = operation.source
    return () if source is None else (str(source), f"{source.file}:{source.line}", source.code)


def _listed(labels: list[str], most: int = 8) -> str:
    return ", ".join(labels[:most]) + (f", ... ({len(labels)})" if len(labels) > most else "")


def _shown(operation: Operation) -> list[str]:
    inputs = [
        each.name if each.kind != "constant" or not each.name.startswith("·") else "·" for each in operation.inputs
    ]
    return inputs + [f"{name}={_brief(value)}" for name, value in operation.static.items()]


def _brief(value: Any) -> str:
    text = repr(value)
    if len(text) <= 24:
        return text
    return f"<{value.kind if isinstance(value, Written) else type(value).__name__}>"
