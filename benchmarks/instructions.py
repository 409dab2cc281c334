"""Instructions of whole programs, counted by valgrind's callgrind: no load, clock or cache of a machine blurs them.

    python -m benchmarks.instructions              the table, of this working tree
    python -m benchmarks.instructions --compare    beside the committed one; an error where they are not within 3 %
    python -m benchmarks.instructions --write      writes that one: a change that is meant

Counts hold for one Python and one torch; with others, or without valgrind and a C compiler, nothing is compared.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from .suites import hvp, maml, mlp_step, operator_chain

__all__ = ["PROGRAMS", "TABLE", "compared", "counted", "obstacle", "shown"]

TABLE = Path(__file__).with_name("instructions.json")
TOLERANCE = 0.03
WARM_UP = 5

Counts = dict[str, dict[str, int]]  # of each program, by contender

SWITCH = """
#include <valgrind/callgrind.h>
void start(void) { CALLGRIND_START_INSTRUMENTATION; CALLGRIND_ZERO_STATS; }
void stop(void) { CALLGRIND_DUMP_STATS; CALLGRIND_STOP_INSTRUMENTATION; }
"""


def _of_chain(shape: tuple[int, ...]) -> Any:
    x, w = torch.rand(shape) * 0.1 + 0.9, torch.rand(shape) * 0.1
    return lambda: {"PyTorch": operator_chain.in_torch(x, w), "nexnet": operator_chain.in_nexnet(x, w)}


def _of_mlp(batch: int) -> Any:
    x, y = torch.rand(batch, 784), torch.randint(10, (batch,))
    return lambda: {
        "PyTorch": mlp_step.in_torch(x, y),
        "nexnet": mlp_step.in_nexnet(x, y),
        "nexnet, dense gradients": mlp_step.in_nexnet(x, y, low_rank=False),
    }


def _of_maml(steps: int) -> Any:
    generator = torch.Generator().manual_seed(0)
    start, tasks = maml.parameters(generator), maml.sinusoids(3, generator)
    return lambda: {
        "PyTorch": maml.in_torch(start, tasks, steps),
        "nexnet": maml.in_nexnet(start, tasks, steps, mapped=False),
        "nexnet vmap": maml.in_nexnet(start, tasks, steps, mapped=True),
        "by hand": lambda: maml.by_hand(start, tasks, steps),
    }


def _of_hvp() -> dict[str, Callable[[], Any]]:
    made = hvp.make()
    return {name: made[name] for name in ("PyTorch", "nexnet", "by hand")}


#: What makes the contenders of each program.
PROGRAMS: dict[str, Callable[[], dict[str, Callable[[], Any]]]] = {
    "chain of 400 operators, ()": _of_chain(()),
    "chain of 400 operators, (64,)": _of_chain((64,)),
    "MLP step, batch 8": _of_mlp(8),
    "MAML, 3 tasks, 1 inner step": _of_maml(1),
    "MAML, 3 tasks, 5 inner steps": _of_maml(5),
    "Hessian-vector product": _of_hvp,
}


def versions() -> dict[str, str]:
    """Name what counts depend on."""
    return {"python": platform.python_version(), "torch": torch.__version__, "machine": platform.machine()}


def obstacle() -> str:
    """Say why nothing can be counted here; nothing where it can."""
    if shutil.which("valgrind") is None:
        return "valgrind is not installed"
    if shutil.which("cc") is None:
        return "there is no C compiler (cc)"
    probe = subprocess.run(["cc", "-E", "-x", "c", "-", "-o", os.devnull], input=SWITCH, text=True, capture_output=True)
    return "valgrind's header callgrind.h is not installed" if probe.returncode else ""


def counted() -> Counts:
    """Run every program under callgrind; give the instructions of one call of each contender."""
    with TemporaryDirectory() as folder:
        switch, out = Path(folder, "switch.so"), Path(folder, "out")
        command = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(switch)]
        subprocess.run(command, input=SWITCH, text=True, check=True)
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}",
             sys.executable, "-m", "benchmarks.instructions", "--under", str(switch)],
            env=os.environ | {"OMP_NUM_THREADS": "1", "NEXNET_ONEDNN": "never", "PYTHONHASHSEED": "0"},
            capture_output=True, text=True, cwd=TABLE.parents[1],
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"valgrind ended with {done.returncode}:\n{done.stderr[-2000:]}")
        found: Counts = {}
        for number, line in enumerate(done.stdout.splitlines(), 1):
            program, contender = json.loads(line)
            found.setdefault(program, {})[contender] = total(Path(f"{out}.{number}").read_text())
        return found


def total(dump: str) -> int:
    """Give the instructions of a dump of callgrind's."""
    found = re.search(r"^(?:totals|summary): (\d+)", dump, re.MULTILINE)
    if found is None:
        raise ValueError("a dump of callgrind's without a total")
    return int(found[1])


def run_all(switch: ctypes.CDLL) -> None:
    """Call each contender once with the counting on, within valgrind."""
    torch.set_num_threads(1)
    for program, make in PROGRAMS.items():
        torch.manual_seed(0)
        for contender, call in make().items():
            for _ in range(WARM_UP):
                call()
            gc.collect()
            gc.freeze()
            switch.start()
            call()
            switch.stop()
            print(json.dumps([program, contender]))


def compared(now: Counts, before: Counts) -> list[str]:
    """Say of which of nexnet's programs the counts are not within the tolerance of those before."""
    said = []
    for program, contenders in now.items():
        for contender, count in contenders.items():
            old = before.get(program, {}).get(contender)
            if not contender.startswith("nexnet"):
                continue
            if old is None:
                said.append(f"{program}, {contender}: it is new")
            elif abs(count / old - 1) > TOLERANCE:
                said.append(f"{program}, {contender}: {old:,} -> {count:,} ({count / old - 1:+.1%})")
    return said


def shown(counts: Counts) -> str:
    """Write the table: instructions, and their ratio to PyTorch's."""
    lines = []
    for program, contenders in counts.items():
        for contender, count in contenders.items():
            lines.append(f"{program:32} {contender:24} {count:12,} {count / contenders['PyTorch']:6.3f}")
    return "\n".join(lines)


def main() -> None:
    """Count, and print, write or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compare", action="store_true", help="with the committed table")
    parser.add_argument("--write", action="store_true", help="the committed table")
    parser.add_argument("--under", metavar="SWITCH", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.under:
        run_all(ctypes.CDLL(given.under))
        return
    why = obstacle()
    kept = json.loads(TABLE.read_text()) if TABLE.exists() else {}
    if given.compare and not why and kept.get("versions") != versions():
        why = f"the table is of {kept.get('versions')}, and this is {versions()}"
    if why:
        print(f"Nothing is counted: {why}.")
        return
    counts = counted()
    print(shown(counts))
    if given.write:
        TABLE.write_text(json.dumps({"versions": versions(), "counts": counts}, indent=2) + "\n")
    if given.compare and (said := compared(counts, kept["counts"])):
        sys.exit("\n".join(["", "Not within 3 % of the table (--write, if it is meant):", *said]))


if __name__ == "__main__":
    main()
