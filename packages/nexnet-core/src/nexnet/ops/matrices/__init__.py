"""Linear algebra: what stands in torch.linalg, and the products.

``matmul`` has matmul and its forms (mm, bmm, dot, outer), ``addmm`` products that are added to something,
``matrix_products`` chains, powers, tensordot, kron and cross, ``_grouped`` those of mixtures of experts, ``einsum``
sums by index letters; ``solving`` solve and inv, ``solving_by_factors`` lu_solve and cholesky_solve, ``least_squares``
pinv and lstsq; ``factoring`` cholesky, lu and qr, ``spectral`` eig, eigh and svd, ``low_rank`` their random forms;
``determinant`` det and slogdet, ``matrix_norm`` norms, condition numbers, ranks and the exponential of a matrix.
"""

from ._grouped import *
from .addmm import *
from .determinant import *
from .einsum import *
from .factoring import *
from .least_squares import *
from .low_rank import *
from .matmul import *
from .matrix_norm import *
from .matrix_products import *
from .solving import *
from .solving_by_factors import *
from .spectral import *
