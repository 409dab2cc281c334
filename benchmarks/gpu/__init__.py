"""nexnet on an NVIDIA GPU: whether it is right there, and how fast. ``python -m benchmarks.gpu``; see README.md."""

import os

# Before anything imports JAX: it computes on the GPU too, and leaves room there for the others.
os.environ["JAX_PLATFORMS"] = "cuda"
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
