cimport cython
from nexnet.engine.alone cimport private
from nexnet.engine.fitting cimport call_backward, fitted
from nexnet.engine.higher_orders cimport asked_for, differentiable
from nexnet.engine.in_place cimport InPlace
from nexnet.engine.key cimport Key
from nexnet.engine.rule cimport Node
from nexnet.engine.tape cimport TapeBase, Thread, active_tapes, this_thread, tracks
from nexnet.engine.tensor cimport version_of, wrap

@cython.locals(thread=Thread, before=bint, recorded=bint, own=InPlace)
cpdef object go_back(TapeBase tape, dict grads, bint consume, dict products)
@cython.locals(nodes=list, node=Node, result=tuple, key=Key, i=Py_ssize_t, j=Py_ssize_t)
cdef object _loop(TapeBase tape, dict grads, bint consume, bint recorded, InPlace own)
@cython.locals(outputs=tuple, found=list, used=bint, lends=bint, i=Py_ssize_t)
cdef object _incoming(Node node, dict grads, bint recorded)
cpdef object incoming_of(Node node, dict grads, bint recorded)
@cython.locals(node=Node, versions=list)
cpdef list saved_versions(TapeBase tape)
