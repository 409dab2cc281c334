cimport cython
from nexnet.engine.attributes cimport dtype_of, shape_of
from nexnet.engine.key cimport Key, fits, is_on_device
from nexnet.engine.products cimport Product
from nexnet.engine.rule cimport Node
from nexnet.engine.tensor cimport TensorBase, version_of, wrap

cdef object Tensor, _sum
cdef bint CHECKED

@cython.locals(count=Py_ssize_t)
cpdef tuple call_backward(Node node, object grad, bint fuses)
cpdef object fitted(object grad, Node node, Key key, bint recorded)
cdef object _computed(Product product, Node node)
cdef object _as_kind(object grad, Node node, Key key, bint recorded)
cdef object _fit(object grad, object data, Node node, Key key)
@cython.locals(extra=Py_ssize_t, i=Py_ssize_t)
cdef object _broadcast_dims(object shape, object came)
