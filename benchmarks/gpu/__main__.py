"""One command for an NVIDIA GPU: is nexnet right there, and how fast; see README.md.

Every section checks before it times, says what went wrong in it, and leaves the others alone. What is printed is
printed at once, so that a run that is cut off still shows what it had.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import peers

ROOT = Path(__file__).parents[2]
CORE, NN = ROOT / "packages/nexnet-core/tests", ROOT / "packages/nexnet-nn/tests"

#: What the quick part of the parity section runs: what is about the GPU, and each transform, optimiser and layer.
TESTS = (
    CORE / "test_gpu.py",
    CORE / "transforms",
    CORE / "test_higher_order.py",
    CORE / "ops/layers/test_attention.py",
    NN,
)

NO_GPU = 2  # exit code

logs: Path | None = None  # the folder of the JSON, where what the commands printed is kept too


def say(*what: Any) -> None:
    """Print, and leave nothing in a buffer."""
    print(*what, flush=True)


def main(argv: list[str] | None = None) -> int:
    """Run the sections; give the exit code: 0, 1 if one failed, 2 without a GPU."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--json", type=Path, help="write what was found there")
    parser.add_argument("--quick", action="store_true", help="few rounds, small sizes: whether it all runs")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="sections whose name has this in it"
    )
    parser.add_argument("--budget", type=float, default=270, help="seconds after which no section begins")
    parser.add_argument("--without", action="append", default=[], choices=sorted(peers.PEERS), help="leave a peer out")
    options = parser.parse_args(argv)
    peers.LEFT_OUT.update(options.without)
    os.environ["JAX_PLATFORMS"] = "cuda"  # which nothing has imported yet; it leaves room there for the others
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    start = time.perf_counter()
    global logs
    logs = options.json and options.json.resolve().parent
    import torch

    if not torch.cuda.is_available():
        say("python -m benchmarks.gpu needs an NVIDIA GPU: torch finds none (torch.cuda.is_available() is False).")
        return NO_GPU
    machine = describe_machine()
    say("\n".join(f"{name}: {value}" for name, value in machine.items()))
    found: dict[str, Any] = {"machine": machine, "sections": {}}
    failed: list[str] = []
    for name, section in sections(options.quick).items():
        if options.only and not any(each in name for each in options.only):
            continue
        if time.perf_counter() - start > options.budget:
            say(f"-- {name}: left out, {options.budget:.0f} s are over")
            failed.append(f"{name} (left out)")
            continue
        began = time.perf_counter()
        say(f"-- {name}")
        try:
            found["sections"][name] = section()
        except Exception as error:
            traceback.print_exc(limit=-6)
            sys.stderr.flush()
            found["sections"][name] = {"error": f"{type(error).__name__}: {error}"}
            failed.append(name)
        say(f"   ({time.perf_counter() - began:.1f} s)")
        torch.cuda.empty_cache()
        if options.json:
            options.json.write_text(json.dumps(found, indent=1, default=str))
    say("\n" + table(found["sections"]))
    say(f"{time.perf_counter() - start:.0f} s in all; " + ("failed: " + ", ".join(failed) if failed else "all passed"))
    return 1 if failed else 0


def sections(quick: bool) -> dict[str, Callable[[], Any]]:
    """Give what is run, in order, by name."""
    from . import cases

    rounds = 3 if quick else 15
    compiled = not quick
    made: dict[str, Callable[[], Any]] = {"parity": parity}
    made |= {f"mlp {batch}": lambda batch=batch: shown(cases.mlp(batch, rounds, compiled)) for batch in cases.BATCHES}
    made["chain"] = lambda: shown(cases.chain((64, 64), rounds))
    made["maml"] = lambda: shown(cases.meta_learning(4 if quick else 25, rounds))
    made["lenet"] = lambda: shown(cases.lenet_step(rounds))
    made["block"] = lambda: shown(cases.block(rounds, compiled))
    made["gpt2"] = lambda: shown(cases.gpt2(min(rounds, 8), quick))
    if importlib.util.find_spec("triton") and importlib.util.find_spec("benchmarks.gpu.triton_kernels"):
        made["triton"] = triton_kernels
    return made | {"verify": verify}


def describe_machine() -> dict[str, Any]:
    """Name the card, its clocks as they are, and the versions."""
    import torch

    fields = "name,driver_version,clocks.sm,clocks.max.sm,clocks.mem,power.draw,temperature.gpu,memory.total"
    query = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, timeout=20).stdout.strip().split("\n")[0]
    except (OSError, subprocess.TimeoutExpired) as error:
        told = f"{torch.cuda.get_device_name()} ({error})"
    versions = {"torch": torch.__version__, "CUDA": torch.version.cuda, "python": sys.version.split()[0]}
    for name in ("jax", "triton"):
        if importlib.util.find_spec(name):
            versions[name] = importlib.import_module(name).__version__
    return {fields: told, "versions": versions, "cores": os.cpu_count()}


def parity() -> dict[str, Any]:
    """Run the quick part of the suites on the GPU.

    Raises:
        AssertionError: a test failed, or none of them ran.
    """
    command = [
        sys.executable, "-m", "pytest", "-q", "--device=cuda", "--tb=short",
        "-p", "no:cacheprovider", "-p", "no:benchmark",
        *(["-n", "8"] if importlib.util.find_spec("xdist") else []), *map(str, TESTS),
    ]  # fmt: skip
    lines = run(command, 110)
    counts = {name: int(number) for number, name in re.findall(r"(\d+) (passed|failed|skipped|error)", lines[-1])}
    assert counts.get("passed"), "no test ran"
    return counts


def verify() -> dict[str, Any]:
    """Compare every case's values and derivatives with those of the CPU.

    Raises:
        AssertionError: some differ.
    """
    command = [sys.executable, "-m", "nexnet_verify", "--device=cuda", "--examples=1", "--jobs=8"]
    return {"told": run(command, 90)[-1]}


def run(command: list[str], seconds: float) -> list[str]:
    """Run a command, print its last line, or if it fails what failed, and give all lines.

    Raises:
        AssertionError: it failed, or was cut off.
    """
    with tempfile.TemporaryFile("w+") as told:
        process = subprocess.Popen(command, cwd=ROOT, stdout=told, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            code: int | str = process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = f"{seconds:.0f} s, and was cut off"
        told.seek(0)
        lines = [line for line in told.read().split("\n") if line.strip()] or ["(nothing was printed)"]
    if logs is not None:
        (logs / f"{command[2]}.txt").write_text("\n".join(lines))
    told = [line for line in lines if line.startswith(("FAILED", "ERROR"))] or lines
    say("\n".join(f"   {line[:250]}" for line in (lines[-1:] if code == 0 else [*told[-60:], lines[-1]])))
    assert code == 0, f"{command[2]} ended with {code}"
    return lines


def triton_kernels() -> dict[str, Any]:
    """Check and measure the kernels written in Triton.

    Raises:
        AssertionError: one of them is wrong.
    """
    from . import triton_kernels as kernels

    checks = list(kernels.check())
    for name, ok, detail in checks:
        say(f"   {'right' if ok else 'WRONG'}  {name}  {detail}")
    wrong = [name for name, ok, _ in checks if not ok]
    rows = list(kernels.measure())
    for row in rows:
        say("  ", row)
    assert not wrong, f"wrong: {', '.join(wrong)}"
    return {"checks": len(checks), "rows": [str(row) for row in rows]}


def shown(timed: Any) -> dict[str, Any]:
    """Print what was found of a case, and give it for the JSON."""
    say("\n".join(rows(timed.as_json())))
    for who, why in timed.failures.items():
        say(f"   {who} could not run: {why}")
    found: dict[str, Any] = timed.as_json()
    return found


HEAD = (
    "| case | contender | time of a step | ratio to PyTorch | aim | kernels | their time | before the first timing |",
    "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
)


def rows(case: dict[str, Any]) -> list[str]:
    """Write a case as rows of a Markdown table."""
    made = []
    what = case["name"]
    for who, found in case["contenders"].items():
        aim = "" if found["aim"] is None else f"{found['aim']:.2f}"
        count = "" if found["kernels"] is None else str(found["kernels"])
        busy = "" if found["kernel_seconds"] is None else f"{found['kernel_seconds'] * 1e6:,.0f} µs"
        seconds, first = f"{found['median_seconds'] * 1e6:,.0f} µs", f"{found['first_calls_seconds']:.1f} s"
        made.append(f"| {what} | {who} | {seconds} | {found['ratio']:.3f} | {aim} | {count} | {busy} | {first} |")
        what = ""
    return made


def table(found: dict[str, Any]) -> str:
    """Write all cases as one Markdown table."""
    return "\n".join([*HEAD, *(row for each in found.values() if "contenders" in each for row in rows(each))])


if __name__ == "__main__":
    sys.exit(main())
