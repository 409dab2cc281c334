cimport cython
from nexnet.engine.operands cimport holds_tensors, operand, scalar, wrap_all
from nexnet.engine.recording cimport may_have_cast, record, record_alike
from nexnet.engine.rule cimport Node, new_node
from nexnet.engine.spelling cimport Spelling
from nexnet.engine.tape cimport TapeBase, Thread, tapes_of, this_thread, those_tracking, tracked_keys
from nexnet.engine.tensor cimport TensorBase

cdef bint CHECKED

cdef class OperatorBase:
    cdef readonly object policy
    cdef readonly str name
    cdef public bint leaf, cast
    cdef public int overridden
    cdef bint elementwise, gradients_fit, multiplies, scalars_as_tensors, foreign
    cdef int passes
    cdef object _signature
    cdef Spelling _spelling

    @cython.locals(
        thread=Thread, tapes=list[TapeBase], data=tuple, node=Node, recorders=list[TapeBase], writes=Py_ssize_t
    )
    cdef object call(self, tuple args, dict kwargs)
    @cython.locals(spelling=Spelling)
    cdef tuple spelled(self, tuple args, dict kwargs)
    cdef tuple with_scalars(self, tuple data)
    cdef object add_to_tapes(self, Node node, tuple args, dict kwargs, object result, list[TapeBase] recorders)

@cython.locals(count=Py_ssize_t, tensor=TensorBase)
cdef Py_ssize_t writes_into(tuple args, object mapped) except -1
@cython.locals(tape=TapeBase)
cdef object _tell_keywords(dict kwargs, list[TapeBase] recorders)
