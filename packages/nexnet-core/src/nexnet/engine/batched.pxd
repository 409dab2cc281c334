cimport cython
from nexnet.engine.key cimport Key, key_like
from nexnet.engine.recording cimport append
from nexnet.engine.rule cimport Node, make_node
from nexnet.engine.tape cimport TapeBase
from nexnet.engine.tensor cimport TensorBase

@cython.locals(made=Key)
cpdef Key key_of_batch(Key key, object shape, TapeBase home)
cpdef object identify(TensorBase tensor, Key key)
@cython.locals(made=Node)
cpdef object append_batched(Node node, object policy, tuple saved, tuple parents, object links, object output, bint exact, bint alike, list[TapeBase] recorders)
