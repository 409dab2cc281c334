from nexnet.engine.tape cimport this_thread
from nexnet.engine.tensor cimport TensorBase
from nexnet.modules.computing cimport computed, given
from nexnet.modules.tensors cimport seen, value_of
from nexnet.modules.views cimport take_view

cdef object Tensor, ModelTensor, is_overridden, write_in_place, write_result, _Getter, _Wrapper
cdef dict _KINDS, OWN

cpdef object answer(object function, tuple args, dict kwargs)
