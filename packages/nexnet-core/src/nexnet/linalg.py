"""Linear algebra under the names of torch.linalg: ``nexnet.linalg.svd``, ``nexnet.linalg.solve``, ..."""

from .ops import cholesky, det, matmul, matrix_exp, matrix_power, slogdet, vector_norm
from .ops import linalg_cholesky_ex as cholesky_ex
from .ops import linalg_cond as cond
from .ops import linalg_cross as cross
from .ops import linalg_diagonal as diagonal
from .ops import linalg_eig as eig
from .ops import linalg_eigh as eigh
from .ops import linalg_eigvals as eigvals
from .ops import linalg_eigvalsh as eigvalsh
from .ops import linalg_householder_product as householder_product
from .ops import linalg_inv as inv
from .ops import linalg_inv_ex as inv_ex
from .ops import linalg_lstsq as lstsq
from .ops import linalg_lu as lu
from .ops import linalg_lu_factor as lu_factor
from .ops import linalg_lu_factor_ex as lu_factor_ex
from .ops import linalg_lu_solve as lu_solve
from .ops import linalg_matrix_norm as matrix_norm
from .ops import linalg_matrix_rank as matrix_rank
from .ops import linalg_multi_dot as multi_dot
from .ops import linalg_norm as norm
from .ops import linalg_pinv as pinv
from .ops import linalg_qr as qr
from .ops import linalg_solve as solve
from .ops import linalg_solve_ex as solve_ex
from .ops import linalg_solve_triangular as solve_triangular
from .ops import linalg_svd as svd
from .ops import linalg_svdvals as svdvals
from .ops import linalg_tensorinv as tensorinv
from .ops import linalg_tensorsolve as tensorsolve
from .ops import linalg_vander as vander
from .ops import linalg_vecdot as vecdot

__all__ = [
    "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh",
    "householder_product", "inv", "inv_ex", "lstsq", "lu", "lu_factor", "lu_factor_ex", "lu_solve", "matmul",
    "matrix_exp", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet",
    "solve", "solve_ex", "solve_triangular", "svd", "svdvals", "tensorinv", "tensorsolve", "vander", "vecdot",
    "vector_norm",
]  # fmt: skip
