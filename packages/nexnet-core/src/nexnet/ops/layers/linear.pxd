cimport cython
from nexnet.engine.attributes cimport length_of, ndim_of, numel_of
from nexnet.engine.key cimport Key
from nexnet.engine.rule cimport Node, product_for, transposed_product_for
from nexnet.engine.tensor cimport TensorBase

@cython.locals(bias=Key, output=Key, with_bias=bint)
cpdef object by_arguments(Node call, object grad, object input, object weight, bint bias_too=*)
@cython.locals(known=Key, output=Key)
cdef bint _is_of_matrices(Node call)
cdef object Tensor, _linear, _sum
cdef object _over_rows(object matrix)
cdef object _gradients(Node call, object grad, object input, object weight, bint with_bias)
@cython.locals(by_grad=Key, by_input=Key, by_weight=Key, need_input=bint, need_weight=bint, of_matrices=bint)
cpdef object second_order(Node call, object p, object q, object r, bint weight_too=*)
cdef object _by_grad(Node call, object grad, object input, object weight, object p, object q, object r)
