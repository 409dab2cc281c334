cimport cython
from nexnet.engine.attributes cimport dtype_of
from nexnet.engine.key cimport Key, are_alike, fits, is_complex, is_half, key_like, key_of
from nexnet.engine.rule cimport Node, make_node
from nexnet.engine.tape cimport TapeBase, active_tapes, those_tracking, tracked_key
from nexnet.engine.tensor cimport TensorBase, wrap

@cython.locals(home=TapeBase, output=tuple)
cpdef object record(Node node, tuple args, object result, list[TapeBase] recorders)
@cython.locals(home=TapeBase, common=Key, tensor=TensorBase)
cpdef bint record_alike(Node node, tuple args, object result, list[TapeBase] recorders)
cdef object _FLOAT16, _BFLOAT16
cpdef bint is_autocast(Key key)
@cython.locals(key=Key, tensor=TensorBase)
cpdef bint may_have_cast(Node node, object result)
@cython.locals(tape=TapeBase)
cpdef object append(Node node, tuple args, object result, list[TapeBase] recorders)
@cython.locals(tapes=list[TapeBase], tensor=TensorBase, fresh=TensorBase, key=Key, recorders=list[TapeBase], home=TapeBase, node=Node)
cpdef list aliases(object tensors, object policy)

cdef Key _identify(TensorBase tensor, Node node, TapeBase home)
@cython.locals(tape=TapeBase)
cdef object _ended_here(Node node, tuple args, object result, list[TapeBase] recorders)
@cython.locals(made=Node)
cdef Node _for_dtypes(Node node)
@cython.locals(key=Key)
cdef bint _has_complex(tuple keys)
@cython.locals(common=Key, key=Key, tensor=TensorBase)
cdef Key _common_key(tuple parents, tuple args)
