"""A trace as a table of rich, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import InputError, message
from .records import record_of

if TYPE_CHECKING:
    from .trace import Trace

__all__ = ["table_of"]

_COLUMNS = ("label", "call", "shape", "dtype", "module", "line", "kept", "flops")


def table_of(trace: Trace, columns: tuple[str, ...]) -> Any:
    """Give the table."""
    try:
        from rich.table import Table
    except ImportError:
        raise InputError(
            message("rich is not installed.", remedy="pip install 'nexnet-core[inside]', or print(tape)")
        ) from None
    chosen = columns or _COLUMNS
    table = Table(*chosen)
    for each in trace.operations:
        record = record_of(each) | {"call": each.called()}
        missing = [name for name in chosen if name not in record]
        if missing:
            raise InputError(
                message(
                    "the trace has no such column.",
                    argument="columns",
                    got=", ".join(missing),
                    expected=", ".join(record),
                    remedy="statistics are there where values, or gradients, were kept",
                )
            )
        table.add_row(*[_text(record[name]) for name in chosen])
    return table


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
