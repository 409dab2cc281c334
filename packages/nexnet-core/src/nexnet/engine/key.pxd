from nexnet.engine cimport cpython
from nexnet.engine.attributes cimport is_like, is_on_cpu, shape_of

cdef class Key:
    cdef readonly object shape, dtype, device, home
    cdef object maker

cdef object _COMPLEX64, _COMPLEX128, _FLOAT16, _BFLOAT16, _CPU

cpdef Key key_of(object data, object dtype, object home)
cpdef Key key_like(Key other, object home)
cpdef bint are_alike(Key key, Key other)
cpdef bint is_on_device(object data, Key key)
cpdef bint fits(object data, Key key)
cpdef bint is_complex(Key key)
cpdef bint is_half(Key key)
