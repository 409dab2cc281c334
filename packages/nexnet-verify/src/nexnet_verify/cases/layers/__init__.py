"""Cases of the operators in ``nexnet.ops.layers``."""
