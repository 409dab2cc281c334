from nexnet.modules.answers cimport answer
from nexnet.modules.tensors cimport value_of
