cimport cython
from nexnet.engine.attributes cimport dtype_of
from nexnet.engine.key cimport Key
from nexnet.engine.operands cimport wrap_all
from nexnet.engine.rule cimport Node, make_node
from nexnet.engine.tape cimport TapeBase, Thread, this_thread, tracks
from nexnet.engine.tensor cimport TensorBase, wrap, wrap_constant

cpdef Node differentiable(Node node, TapeBase tape)
@cython.locals(key=Key)
cpdef Node asked_for(Node node, TapeBase tape)
@cython.locals(parents=tuple)
cdef Node _of_tape(Node node, TapeBase tape, tuple saved)
@cython.locals(thread=Thread)
cdef object _trace(object operator, Node node, tuple args, dict kwargs, list[TapeBase] outer, list marks)
cdef object _forget_key(TensorBase tensor)
cdef object _detach_inputs(object out, list data)
cpdef object as_linked(object arg, object data)
cdef object _link_flat(tuple saved, list raws, list lites, bint numbers)
cdef object _link(object value, list raws, list lites)
