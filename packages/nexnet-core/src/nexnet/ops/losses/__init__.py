"""Losses, with the signatures of torch.nn.functional.

``regression`` has those of a difference (mse_loss, l1_loss), ``probabilities`` binary cross entropies and kl_div,
``classification`` cross_entropy and nll_loss, ``margin`` hinges, triplets and rankings, ``likelihood`` Poisson's and
the normal distribution's, ``ctc`` ctc_loss.
"""

from .classification import *
from .ctc import *
from .likelihood import *
from .margin import *
from .probabilities import *
from .regression import *
