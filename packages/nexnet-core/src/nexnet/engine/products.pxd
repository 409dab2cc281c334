from nexnet.engine.attributes cimport numel_of, shape_of
from nexnet.engine.key cimport Key

cdef class Product:
    cdef object a, b
    cdef bint of_matrices, transposed
    cdef object left(self)
    cdef object compute(self)
    cdef bint suits(self, Key key)
    cdef bint is_low_rank(self)
    cdef object plus(self, object total)
    cdef object add_to(self, object total)

cdef object _times, _matrix_product, _add_product, _add_product_into, _add_matrices, _add_matrices_into

cpdef Product product_of(object a, object b, bint of_matrices, bint transposed=*)
cpdef object mm(object a, object b)
