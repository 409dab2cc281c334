from nexnet.engine cimport cpython
from nexnet.engine.attributes cimport dtype_of, ndim_of, shape_of
from nexnet.engine.key cimport Key

cdef class TensorBase:
    cdef object __weakref__
    cdef object raw
    cdef readonly Key key

cdef object _tensor_type
cdef object _missing_attribute

cpdef object wrap(object data)
cpdef object wrap_constant(object value)
cpdef object version_of(object tensor)
