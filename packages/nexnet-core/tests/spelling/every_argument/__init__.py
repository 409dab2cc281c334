"""Every operator's arguments, each with a value beside its default, and every way to spell a call with them.

The rows stand in a module for each wing of ``nexnet.ops``. A row names an operator's arguments as its signature does:
those without a default have a value, those with one have *another* value, which is tried alone, over the defaults.
"""

from __future__ import annotations

from . import constant, elementwise, images, layers, losses, matrices, reductions, shapes, signals
from .row import Row

ROWS: dict[str, Row] = {
    name: row
    for wing in (constant, elementwise, images, layers, losses, matrices, reductions, shapes, signals)
    for name, row in wing.ROWS.items()
}
