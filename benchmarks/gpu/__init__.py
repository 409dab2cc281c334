"""nexnet on an NVIDIA GPU: whether it is right there, and how fast. ``python -m benchmarks.gpu``; see README.md."""
