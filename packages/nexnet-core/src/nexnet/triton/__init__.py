"""try"""
from .softmax import softmax
from .log_softmax import log_softmax
from .cross_entropy import cross_entropy
from .layer_norm import layer_norm
from .rms_norm import rms_norm
from .matmul import matmul, linear
from .attention import scaled_dot_product_attention
