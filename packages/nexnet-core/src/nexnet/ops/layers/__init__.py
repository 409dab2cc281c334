"""The functions of layers, as in torch.nn.functional.

``linear`` has the linear layer, ``embedding`` embedding and embedding_bag, ``attention`` scaled_dot_product_attention
and its form of many heads; ``activation`` the smooth activations (gelu, silu), ``rectifier`` the piecewise linear ones
(relu, hardtanh), ``softmax`` softmax and its kin, ``dropout`` dropout in every form; ``normalisation`` layer_norm,
rms_norm and group_norm, ``batch_statistics`` batch_norm and instance_norm, ``local_response`` local_response_norm.

``recurrent`` has lstm, gru, rnn_tanh and rnn_relu, ``recurrent_cells`` one step of each, ``recurrence`` and
``lstm_layer`` the rules of both, ``packing`` sequences of several lengths.
"""

from .activation import *
from .attention import *
from .batch_statistics import *
from .dropout import *
from .embedding import *
from .linear import *
from .local_response import *
from .normalisation import *
from .packing import *
from .rectifier import *
from .recurrent import *
from .recurrent_cells import *
from .softmax import *
