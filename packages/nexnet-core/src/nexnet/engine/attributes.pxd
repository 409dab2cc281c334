from nexnet.engine cimport cpython

cdef size_t _SHAPE, _DTYPE, _NUMEL, _NDIM, _LENGTH, _ON_CPU, _LIKE
cdef bint _CHECKED
cdef object _shape, _dtype, _ndim, _is_cpu, _numel

cpdef object shape_of(object tensor)
cpdef object dtype_of(object tensor)
cpdef long long numel_of(object tensor)
cpdef long long ndim_of(object tensor)
cpdef long long length_of(object tensor)
cpdef bint is_on_cpu(object tensor)
cpdef bint is_like(object tensor, object shape, object dtype)
