from nexnet.engine.attributes cimport shape_of

cdef object Tensor, _reshape, _view, _transpose
cdef tuple _sizes(tuple given)
