"""The libraries that stand beside nexnet where they are installed: JAX and HIPS autograd, on one thread as all are.

``nox -s bench`` installs both. HIPS autograd computes with numpy, whose BLAS takes the number of its threads from
OMP_NUM_THREADS when it is loaded, before any module of the benchmarks: nox sets it.
"""

import importlib.util
import os

__all__ = ["LEFT_OUT", "PEERS", "have"]

#: What is imported, and what it is called.
PEERS = {"jax": "JAX", "autograd": "HIPS autograd"}

#: Those that shall not take part: compiling for a GPU, JAX takes minutes.
LEFT_OUT: set[str] = set()

# XLA reads these when JAX computes for the first time, which is after this module is imported.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
os.environ.setdefault("NPROC", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")


def have(name: str) -> bool:
    """Say whether this peer is installed, and wanted."""
    return name not in LEFT_OUT and importlib.util.find_spec(name) is not None
