"""Operators whose forward and backward are kernels written in Triton, by hand, to read and to learn from.

Each file is one operator: its kernels, its rule, and the formula of its gradient, of which the second order is made.
They have the names and meanings of torch's (``matmul`` and ``linear`` also take an activation, in the same kernel),
take float32, float16, bfloat16 and, but for products on a GPU, float64, and sum in float32 (of float64 in float64)::

    from nexnet import triton

    y = triton.softmax(x, -1)
    h = triton.linear(x, weight, bias, "gelu")

They run on NVIDIA's GPUs of compute capability 8.0 (Ampere) or later. With TRITON_INTERPRET=1 in the environment,
before anything imports Triton, they run in its interpreter: on the CPU, slowly, and can be stepped through.
``nexnet.kernels.use_triton`` lets nexnet's own operators take them where they are faster; docs/how-to/triton.md
writes a rule.

Source: P. Tillet, H. T. Kung and D. Cox, "Triton: an intermediate language and compiler for tiled neural network
computations", 2019.
"""

from ..errors import message

try:
    import triton as _triton  # noqa: F401
except ImportError as error:
    raise ImportError(
        message("nexnet.triton needs Triton, which is not installed.", remedy='pip install "nexnet-core[triton]"')
    ) from error

from ._launch import gradient_rule, is_batch
from .attention import scaled_dot_product_attention
from .cross_entropy import cross_entropy
from .layer_norm import layer_norm
from .log_softmax import log_softmax
from .matmul import linear, matmul
from .rms_norm import rms_norm
from .softmax import softmax

__all__ = [
    "cross_entropy",
    "gradient_rule",
    "is_batch",
    "layer_norm",
    "linear",
    "log_softmax",
    "matmul",
    "rms_norm",
    "scaled_dot_product_attention",
    "softmax",
]
