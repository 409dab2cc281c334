"""A process that makes the attempts of one fuzzer, and may die of them: ``command`` reads what it writes."""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import warnings
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any

__all__ = ["FUZZERS", "main"]

#: Where each fuzzer is.
FUZZERS = {
    "programs": "nexnet_verify.fuzz.programs:Programs",
    "interrupts": "nexnet_verify.fuzz.interrupts:Interrupts",
    "inputs": "nexnet_verify.fuzz.inputs:Inputs",
    "processes": "nexnet_verify.fuzz.processes:Processes",
}
MEMORY = 24 * 2**30  # bytes of addresses: a size of 8 billion is an error, and does not take the machine down


class PlainEngine:
    """Finds the compiled modules of ``nexnet`` as their source files."""

    def find_spec(self, name: str, path: Any, target: object = None) -> ModuleSpec | None:
        """Give the source of a module that has a compiled form beside it."""
        if not name.startswith("nexnet.") or path is None:
            return None
        source = Path(next(iter(path)), f"{name.rpartition('.')[2]}.py")
        compiled = any(source.parent.glob(f"{source.stem}.*.so")) or any(source.parent.glob(f"{source.stem}.*.pyd"))
        return spec_from_file_location(name, source) if compiled and source.exists() else None


def main(name: str, seed: int, first: int, engine: str) -> None:
    """Make attempts from number ``first`` on, of a fuzzer of FUZZERS, or of package.module:Class."""
    if engine == "python":
        sys.meta_path.insert(0, PlainEngine())  # type: ignore[arg-type]
    out = os.fdopen(os.dup(1), "w", buffering=1)  # the operators' own output is nobody's concern
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def say(**words: Any) -> None:
        out.write(json.dumps(words) + "\n")

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import torch

    torch.set_num_threads(1)
    torch._C._functorch._set_vmap_fallback_warning_enabled(False)  # type: ignore[attr-defined]
    warnings.simplefilter("ignore")
    module, _, kind = FUZZERS.get(name, name).partition(":")
    fuzzer = getattr(importlib.import_module(module), kind)(seed)
    for number in fuzzer.numbers(first):
        outcome = fuzzer.attempt(number, lambda doing, number=number: say(number=number, doing=doing))
        say(number=number, kind=outcome.kind, text=outcome.text, group=outcome.group)
    say(kind="end")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
