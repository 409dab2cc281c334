cimport cython
from nexnet.engine.rule cimport Node, make_node
from nexnet.engine.tape cimport TapeBase, active_tapes, those_tracking, tracked_key
from nexnet.engine.tensor cimport Key, TensorBase, are_alike, fits, is_complex, key_like, key_of, wrap

@cython.locals(home=TapeBase, output=tuple)
cpdef object record(Node node, tuple args, object result, list[TapeBase] recorders)
@cython.locals(home=TapeBase, common=Key, tensor=TensorBase)
cpdef bint record_alike(Node node, tuple args, object result, list[TapeBase] recorders)
@cython.locals(tape=TapeBase)
cpdef object append(Node node, tuple args, object result, list[TapeBase] recorders)
@cython.locals(tapes=list[TapeBase], tensor=TensorBase, fresh=TensorBase, key=Key, recorders=list[TapeBase], home=TapeBase)
cpdef list aliases(object tensors, object policy)

@cython.locals(key=Key, parent=Key)
cdef Key _identify(TensorBase tensor, Node node, TapeBase home)
cdef Node _for_dtypes(Node node)
@cython.locals(key=Key)
cdef bint _has_complex(tuple keys)
@cython.locals(common=Key, key=Key, tensor=TensorBase)
cdef Key _common_key(tuple parents, tuple args)
