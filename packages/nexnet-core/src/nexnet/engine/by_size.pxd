from nexnet.engine.attributes cimport numel_of

cdef class BySize:
    cdef readonly object function, large
    cdef readonly long long least
