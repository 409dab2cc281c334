"""Contenders that need a process of their own: to be imported afresh, to be weighed, or to run on another engine.

Nothing here imports torch or nexnet before a process has chosen how.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy

__all__ = ["InChild", "report", "use_plain_engine"]

ROOT = Path(__file__).parents[1]


class InChild:
    """A contender that is a piece of Python, run by a new process; ``seconds`` and ``bytes`` are what it reported."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.seconds = self.bytes = 0.0

    def __call__(self) -> Any:
        """Run the code, and give its results."""
        # Bytecode is written, as Python does by itself: an import from source is nothing that a user waits for twice.
        env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        done = subprocess.run([sys.executable, "-c", self.code], cwd=ROOT, env=env, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"the child ended with {done.returncode}:\n{done.stderr}")
        told = json.loads(done.stdout.splitlines()[-1])
        self.seconds, self.bytes = told["seconds"], told["bytes"]
        return [numpy.asarray(each, dtype=numpy.float32) for each in told["results"]]


def report(results: list[Any], seconds: float = 0.0, bytes: float = 0.0) -> None:
    """Tell the parent, from within a child: lists of numbers, and the figures."""
    print(json.dumps({"results": results, "seconds": seconds, "bytes": bytes}))


def use_plain_engine() -> None:
    """Let this process import the engine as Python, uncompiled: in the way that the core's tests do."""
    tests = spec_from_file_location("core_conftest", ROOT / "packages/nexnet-core/tests/conftest.py")
    assert tests is not None
    assert tests.loader is not None
    conftest = module_from_spec(tests)
    tests.loader.exec_module(conftest)
    sys.meta_path.insert(0, conftest.PlainEngine())
