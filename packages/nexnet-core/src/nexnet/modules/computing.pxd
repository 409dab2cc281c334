cimport cython
from nexnet.engine.call cimport OperatorBase
from nexnet.engine.tape cimport this_thread
from nexnet.engine.tensor cimport TensorBase
from nexnet.modules.tensors cimport Call, may_vary, running, seen, stand_in

cdef object Tensor, LiteTensor, DIFFERENTIABLE, call_rule, map_leaves, leaves_of, rebuild, unwrap, is_constant, is_on, keywords_of, _Size
cdef dict RULES, FORGOTTEN

@cython.locals(values=tuple, named=dict)
cpdef object computed(object function, tuple args, dict kwargs)
cpdef list constants_in(object values, list found=*)
@cython.locals(tensor=TensorBase)
cpdef object given(object value)
@cython.locals(known=frozenset)
cpdef object by_rule(object function, tuple args, dict kwargs)
