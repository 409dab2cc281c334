from nexnet.engine cimport cpython
from nexnet.engine.key cimport Key
from nexnet.engine.products cimport mm, product_of

cdef object Tensor

cdef class Context:
    cdef tuple _saved
    cdef readonly tuple parents
    cdef readonly object links

cdef class Node(Context):
    cdef readonly object output
    cdef readonly bint exact
    cdef bint fuses, multiplies, foreign
    cdef int passes

cdef frozenset _ATOMS
cdef bint _is_atom(object value)
cpdef Node new_node(object policy, tuple parents)
cpdef object product_for(Node node, object a, object b)
cpdef object transposed_product_for(Node node, object a, object b)
cpdef Node make_node(object policy, tuple saved, tuple parents, object links, object output, bint exact=*)
