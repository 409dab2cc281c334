cimport cython
from nexnet.engine.tensor cimport TensorBase
from nexnet.modules.computing cimport by_rule, constants_in
from nexnet.modules.tensors cimport Stand, View, seen, stand_in, value_of

cdef object Cut, Tensor, LiteTensor, beside, rebuild, is_alias, _getitem, _to, F
cdef frozenset _MAYBE, _TELLING
cdef dict RULES, _DTYPES

cdef bint _is_as_wanted(object function, object data, tuple args, dict kwargs)
@cython.locals(value=TensorBase, rest=tuple, named=dict)
cpdef object take_view(object function, tuple args, dict kwargs, object otherwise)
@cython.locals(stand=Stand, known=View, root=Stand, view=View, cuts=bint)
cdef object _view(object base, TensorBase value, object out, object function, tuple args, dict kwargs, object pick, object otherwise)
