"""The operators, by kind. Each is a rule and its convention at kinks; names, signatures and defaults are torch's.

The modules, what others build on first::

    element by element    elementwise piecewise arithmetic selection complex_numbers special gamma constant
    over dimensions       reduction products extrema norms cumulative ordering differences
    shapes and places     shape copies joining arranging indexing placing gathering scattering padding
    matrices              linalg matrix_products einsum solving factoring spectral determinant matrix_norm low_rank
    vectors and signals   distance covariance fourier spectrogram
    layers                linear activation rectifier softmax dropout embedding attention
                          normalisation batch_statistics local_response
    images                convolutions pooling max_pooling interpolation pixel grid
    losses                loss classification margin likelihood ctc
"""

from ._listing import Listed as Listed
from ._listing import listing as listing
from .activation import *
from .arithmetic import *
from .arranging import *
from .attention import *
from .batch_statistics import *
from .classification import *
from .complex_numbers import *
from .constant import *
from .convolutions import *
from .copies import *
from .covariance import *
from .ctc import *
from .cumulative import *
from .determinant import *
from .differences import *
from .distance import *
from .dropout import *
from .einsum import *
from .elementwise import *
from .embedding import *
from .extrema import *
from .factoring import *
from .fourier import *
from .gamma import *
from .gathering import *
from .grid import *
from .indexing import *
from .interpolation import *
from .joining import *
from .likelihood import *
from .linalg import *
from .linear import *
from .local_response import *
from .loss import *
from .low_rank import *
from .margin import *
from .matrix_norm import *
from .matrix_products import *
from .max_pooling import *
from .normalisation import *
from .norms import *
from .ordering import *
from .padding import *
from .piecewise import *
from .pixel import *
from .placing import *
from .pooling import *
from .products import *
from .rectifier import *
from .reduction import *
from .scattering import *
from .selection import *
from .shape import *
from .softmax import *
from .solving import *
from .special import *
from .spectral import *
from .spectrogram import *

# As an item, out of the sight of type checkers: they would take a computed __all__ for an empty one.
globals()["__all__"] = [
    name
    for name in dir()
    if not name.startswith("_") and callable(globals()[name]) and name not in {"Listed", "listing"}
]
