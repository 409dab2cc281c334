from nexnet.engine.call cimport OperatorBase
from nexnet.engine.tensor cimport TensorBase

cdef class Signs:
    cdef OperatorBase add, sub, mul, div, matmul, neg

cdef Signs _signs

cdef class Arithmetic(TensorBase):
    pass

cdef object _infix(OperatorBase operator, object left, object right)
