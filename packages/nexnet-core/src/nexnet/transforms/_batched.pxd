cimport cython
from nexnet.engine.batched cimport identify, key_of_batch
from nexnet.engine.key cimport Key
from nexnet.engine.rule cimport Node
from nexnet.engine.tensor cimport wrap

cdef class Batched:
    cdef public object level, segment, size
    cdef public dict keys, tensors, recorders, shapes, plain, reshaped
    cdef public list calls
    cdef public set entered

    @cython.locals(node=Node, forms=list, i=Py_ssize_t)
    cpdef bint holds(self, list[Node] nodes, object outs, object results)
    cpdef object record(self)
    @cython.locals(saved=tuple, mapped=list, values=list, differs=list, parents=list, keys=dict, ndim=Py_ssize_t, i=Py_ssize_t, same=bint)
    cdef bint take(self, Node node, object form, list tapes)
    cdef object output(self, Node node, list tapes)
    @cython.locals(made=Key)
    cdef Key batch_of(self, Key key, list tapes)
    @cython.locals(batch=Key, made=Key)
    cdef Key parent(self, Key key, Py_ssize_t ndim)
    cdef object value(self, object data)
    cdef object aligned(self, object data, Py_ssize_t ndim)
    cdef object link(self, object link, object value, bint differs, Py_ssize_t ndim)
