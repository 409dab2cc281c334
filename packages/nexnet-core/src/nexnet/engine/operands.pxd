from nexnet.engine cimport cpython
from nexnet.engine.attributes cimport dtype_of, is_on_cpu
from nexnet.engine.tensor cimport TensorBase, wrap

cdef object Tensor

cpdef object operand(object value, str rule, tuple args)
cdef bint _are_plain(object value)
cpdef bint are_alike_reals(tuple args)
cpdef bint holds_tensors(tuple args)
cpdef object scalar(object value, object beside)
cpdef object wrap_all(object out, str rule)
