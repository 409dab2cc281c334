cimport cython
from nexnet.engine.tensor cimport TensorBase
from nexnet.modules.tensors cimport value_of

cdef object Tensor, ModelTensor, wrap
cdef tuple _KEPT
cdef frozenset _MOST

cpdef object _converted(object value, object convert, dict memo)
@cython.locals(parts=list)
cdef object _converted_items(object value, object convert, dict memo)
cdef object _converted_dict(object value, object convert, dict memo)
@cython.locals(found=dict)
cdef dict _changes(object fields, object convert, dict memo)
