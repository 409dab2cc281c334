cimport cython
from nexnet.engine.alone cimport is_exclusive
from nexnet.engine.backward cimport go_back
from nexnet.engine.key cimport Key
from nexnet.engine.products cimport Product
from nexnet.engine.tape cimport TapeBase, tracks
from nexnet.engine.tensor cimport TensorBase, wrap

@cython.locals(key=Key, grads=dict, products=dict, product=Product, tensor=TensorBase, mine=list, recorded=bint, i=Py_ssize_t)
cpdef list gradients(TapeBase tape, list outs, list seeds, list inputs, bint consume=*, object low_rank=*)
cpdef object zeros_like(TensorBase tensor)
cdef object _copied(list tensors, Py_ssize_t i, bint recorded)
