cimport cython
from nexnet.engine cimport cpython
from nexnet.engine.call cimport OperatorBase
from nexnet.engine.higher_orders cimport as_linked
from nexnet.engine.key cimport Key
from nexnet.engine.operands cimport operand, scalar, wrap_all
from nexnet.engine.rule cimport Node, new_node
from nexnet.engine.tape cimport Thread, tapes_of, this_thread, those_tracking, tracked_key, tracked_keys
from nexnet.engine.tensor cimport TensorBase, wrap

cdef object Tensor

cdef class KernelCall:
    cdef readonly object function
    cdef Py_ssize_t required
    cdef readonly tuple parameters
    cdef tuple defaults, rest
    cdef readonly dict keywords
    cdef bint takes_two, saves_others, saves_inputs, saves_output, opaque
    cdef object compute(self, tuple data)
    cdef tuple saves(self, tuple parents, tuple data, object out)
    cdef tuple kept(self, tuple parents, object first, object second, object out)

cdef class KernelOperator(OperatorBase):
    cdef KernelCall kernel
    @cython.locals(kernel=KernelCall, thread=Thread, tapes=list, key=Key, other=Key, recorders=list, node=Node, kept=tuple)
    cdef object call(self, tuple args, dict kwargs)
    @cython.locals(kernel=KernelCall, left_out=Py_ssize_t, data=tuple, linked=tuple, tapes=list, node=Node, recorders=list)
    cdef object _of_some(self, tuple args, Thread thread)
    @cython.locals(tensor=TensorBase)
    cdef object _raw(self, object value, tuple args)
