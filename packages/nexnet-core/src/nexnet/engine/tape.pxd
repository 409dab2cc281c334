cimport cython
from nexnet.engine cimport cpython
from nexnet.engine.attributes cimport dtype_of
from nexnet.engine.key cimport Key, key_of
from nexnet.engine.rule cimport Node
from nexnet.engine.tensor cimport TensorBase

cdef class TapeBase:
    cdef readonly list nodes
    cdef readonly object observers
    cdef object token
    cdef set tracked
    cpdef bint tracks(self, Key key)

cdef class Thread:
    cdef public list tapes
    cdef public bint inside_rule
    cdef public int mapped
    cdef public object overrides
    cdef public object observers
    cdef public object hidden
    cdef public object model

cdef class mapping:
    cdef Thread thread
    cdef int before

cdef Thread _latest
cdef unsigned long long _latest_number
cdef object _anomalies, _when_anomalous

cdef object _observers()

cpdef bint tracks(TapeBase tape, Key key)
cpdef Thread this_thread()
cdef object grad_mode
cdef size_t _grad_mode_in_c
cpdef list active_tapes()
cpdef list tapes_of(Thread thread)
@cython.locals(tensor=TensorBase, key=Key)
cpdef Key tracked_key(object value, list[TapeBase] tapes)
@cython.locals(thread=Thread)
cpdef object check_untracked(Key key)
cpdef tuple tracked_keys(tuple args, list[TapeBase] tapes)
@cython.locals(tape=TapeBase, key=Key)
cpdef list those_tracking(tuple parents, list[TapeBase] tapes)
