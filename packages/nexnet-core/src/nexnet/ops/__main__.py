"""``python -m nexnet.ops [NAME ...]``: the operators as a table."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from . import listing
from ._listing import table


def main(names: Sequence[str]) -> int:
    """Print the operators of these names (nexnet's or torch's), kinds or wings, or all; 1 if there are none."""
    wanted = set(names)
    records = [
        each
        for each in listing()
        if not wanted
        or wanted & {each.name, each.kind, each.wing, *each.aliases}
        or wanted & {*each.torch, *(path.rpartition(".")[2] for path in each.torch)}
    ]
    if not records:
        print(f"no operator is named {' or '.join(names)}", file=sys.stderr)
        return 1
    print(table(records))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
