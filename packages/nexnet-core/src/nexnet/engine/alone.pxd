cimport cython
from nexnet.engine.tape cimport this_thread
from nexnet.engine.tensor cimport TensorBase, wrap

@cython.locals(tensor=TensorBase)
cdef object _references(list tensors, Py_ssize_t i)
cpdef bint is_exclusive(list tensors, Py_ssize_t i)
cpdef object private(list tensors)
