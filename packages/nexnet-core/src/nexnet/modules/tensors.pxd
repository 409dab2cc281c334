cimport cython
from nexnet.engine.tape cimport this_thread
from nexnet.engine.tensor cimport TensorBase

cdef object Tensor, _NOTHING, wrap

cdef class Call:
    cdef object __weakref__
    cdef readonly str name
    cdef public bint ended
    cdef readonly list marks, modules, adopted, homes, constants, handed
    cpdef Py_ssize_t recorded(self)

cdef class View

cdef class Stand:
    cdef public object value
    cdef public Call call
    cdef public View view
    cdef public bint is_viewed

@cython.trashcan(True)  # a view of a view of a view ... is freed without a recursion
cdef class View:
    cdef readonly Stand base
    cdef View before
    cdef object function, args, kwargs, pick, kept
    cdef public object made_of
    cdef readonly object cut

cpdef Call running()
cpdef object stand_in(object value, object call, View view=*)
cpdef Stand new_stand(object value, object call, View view)
@cython.locals(stand=Stand, view=View)
cpdef object value_of(object tensor)
@cython.locals(view=View)
cpdef object shown(Stand stand)
cpdef object seen(object value)
@cython.locals(tensor=TensorBase)
cpdef bint may_vary(object values)
