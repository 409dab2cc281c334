from nexnet.engine.attributes cimport length_of, ndim_of, numel_of, shape_of

cdef object Tensor, _addmm
cdef object _product(object bias, object a, object b)
cdef object _gradients(object grad, object a, object b)
