"""``python -m nexnet.ops [NAME ...]``: the operators as a table."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence

from . import listing
from ._listing import table


def main(names: Sequence[str]) -> int:
    """Print the operators of these names (nexnet's or torch's), kinds or wings, or all; 1 if there are none."""
    parser = argparse.ArgumentParser(prog="python -m nexnet.ops", description="The operators of nexnet as a table.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="an operator, nexnet's or torch's, a kind, or a wing")
    wanted = set(parser.parse_args(names).names)
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
    with contextlib.suppress(BrokenPipeError):  # whoever reads has seen enough
        print(table(records), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
