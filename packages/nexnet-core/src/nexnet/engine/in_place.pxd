cimport cython
from nexnet.engine.fitting cimport fitted
from nexnet.engine.key cimport Key
from nexnet.engine.products cimport Product
from nexnet.engine.rule cimport Node
from nexnet.engine.tape cimport TapeBase, tracks

cdef object Tensor
cdef object _plus, _minus, _times, _negative
cdef object _add_into, _subtract_from, _multiply_into, _add_product, _add_product_into

cdef class InPlace:
    cdef object token
    cdef TapeBase tape
    cdef dict grads, products

    cdef bint goes_through(self, Node node, object grad)
    @cython.locals(product=Product)
    cdef object accumulate(self, Key key, object grad, Node node)
    cdef object _add(self, Key key, object total, object grad)
    cdef object _subtract(self, Key key, object total, object grad)
    cdef bint _can_wait(self, Product product, Node node, Key key)
    @cython.locals(key=Key, output=Key, last=Py_ssize_t, j=Py_ssize_t, mine=bint)
    cdef object _multiply(self, Node node, object grad)
    @cython.locals(key=Key, output=Key, only=Key, j=Py_ssize_t, taken=int, mine=bint)
    cdef object _pass_on(self, Node node, object grad)
