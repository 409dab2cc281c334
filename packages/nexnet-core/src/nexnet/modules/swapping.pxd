cimport cython
from nexnet.engine.tensor cimport TensorBase
from nexnet.modules.tensors cimport Call, Stand, new_stand, stand_in, value_of

cdef object Tensor, ModelTensor, _count, _weak_references, wrap

cdef class Place:
    cdef public dict owner
    cdef public str name, path
    cdef public bint is_buffer
    cdef public object spare

@cython.final
cdef class Places:
    cdef object __weakref__
    cdef readonly dict by_path
    cdef readonly list all, recurrent
    cdef readonly set owners
    cdef list _modules, _numbers
    cdef dict _tied
    @cython.locals(parameters=dict, buffers=dict, children=list, state=dict, count=Py_ssize_t)
    cpdef bint are_current(self)
    @cython.locals(place=Place, numbers=list)
    cpdef dict tied(self)
    @cython.locals(tied=dict, found=dict, place=Place)
    cpdef dict given(self, object values, bint tie_weights)
    @cython.locals(place=Place)
    cpdef object missing(self, dict given)

cdef class Exchange:
    cdef readonly Place place
    cdef public object old, new, value
    cdef readonly object lite

@cython.final
cdef class Swap:
    cdef readonly Places places
    cdef readonly Call call
    cdef readonly bint with_buffers
    cdef readonly list exchanges
    cdef dict _stands
    cdef list _lists
    cpdef object standing(self, object value, Place place=*)
    cdef object _made(self, object lite, Place place)
    @cython.locals(place=Place, stand=Stand)
    cpdef object put(self, dict given)
    cdef object _relist(self, object module)
    @cython.locals(each=Exchange, stand=Stand)
    cpdef object write_back(self)
    @cython.locals(each=Exchange, place=Place)
    cpdef object put_back(self)

@cython.locals(place=Place)
cdef object _spare(Exchange exchange)
cdef int _references(Exchange exchange)
