cimport cython
from nexnet.engine.tape cimport this_thread
from nexnet.engine.tensor cimport TensorBase
from nexnet.modules.tensors cimport Call, may_vary, running, seen, stand_in

cdef object Tensor, LiteTensor, DIFFERENTIABLE, call_rule, map_leaves, leaves_of, rebuild, unwrap, is_constant, _Size
cdef dict RULES

@cython.locals(values=tuple, named=dict)
cpdef object computed(object function, tuple args, dict kwargs)
@cython.locals(call=Call)
cdef object _beside_constants(object function, tuple values, dict named)
@cython.locals(tensor=TensorBase)
cpdef object given(object value)
