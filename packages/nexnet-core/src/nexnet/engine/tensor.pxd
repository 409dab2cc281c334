from nexnet.engine cimport cpython

cdef class Key:
    cdef readonly object shape, dtype, device, home
    cdef object maker

cdef class TensorBase:
    cdef object __weakref__
    cdef object raw
    cdef readonly Key key

cdef object _COMPLEX64, _COMPLEX128, _FLOAT16, _BFLOAT16, _CPU
cdef object _tensor_type
cdef object _missing_attribute

cpdef object wrap(object data)
cpdef object wrap_constant(object value)
cpdef object version_of(object tensor)
cpdef Key key_of(object data, object dtype, object home)
cpdef Key key_like(Key other, object home)
cpdef bint are_alike(Key key, Key other)
cpdef bint fits(object data, Key key)
cpdef bint is_complex(Key key)
cpdef bint is_half(Key key)
