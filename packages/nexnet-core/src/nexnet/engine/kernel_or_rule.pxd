from nexnet.engine.tensor cimport TensorBase

cdef class KernelOrRule:
    cdef readonly object kernel, rule
