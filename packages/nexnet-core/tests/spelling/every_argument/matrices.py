"""The rows of ``nexnet.ops.matrices``."""

import torch

from .row import definite, each, of, row, spread, t, x

SQUARE, TALL, BATCH = x(3, 3), x(4, 3), x(2, 3, 3)
SURE = definite(3, 3)
LOWER = of(lambda a: torch.linalg.cholesky(a @ a.mT + torch.eye(3).double()), 3, 3)
PACKED = of(lambda a: torch.linalg.lu_factor(a)[0], 3, 3)
PIVOTS = t([1, 3, 3], torch.int32)
REFLECTORS = of(lambda a: torch.geqrf(a)[0], 4, 3)
TAU = x(3, low=0.5, high=1.5)
HALF, WIDER = x(2, 3, dtype=torch.float32), torch.float64


ONE_TRIANGLE = "by a factor of which one triangle is read"


def sizes(out):
    """Leave out of eigenvectors what is theirs to choose: the phase."""
    return out[0], out[1].abs()


ROWS = {
    **{name: row(input=A, mat1=x(2, 3), mat2=x(3, 2), beta=0.5, alpha=2.5) for name, A in {"addmm": x(2, 2)}.items()},
    **{
        name: row(input=x(*shape), batch1=x(2, 3, 4), batch2=x(2, 4, 3), beta=0.5, alpha=2.5)
        for name, shape in {"addbmm": (3, 3), "baddbmm": (2, 3, 3)}.items()
    },
    **{name: row(A=SQUARE) for name in ("det", "slogdet", "linalg_inv")},
    **{name: row(input=x(3), other=x(3)) for name in ("dot", "inner", "vdot")},
    **{name: row(input=x(2, 3), other=x(3, 2)) for name in ("matmul", "mm")},
    **{name: row(input=SQUARE) for name in ("inverse", "matrix_exp")},
    "addmv": row(input=x(2), mat=x(2, 3), vec=x(3), beta=0.5, alpha=2.5),
    "addr": row(input=x(2, 3), vec1=x(2), vec2=x(3), beta=0.5, alpha=2.5),
    "bilinear": row(input1=x(2, 3), input2=x(2, 4), weight=x(5, 3, 4), bias=x(5)),
    "bmm": row(input=x(2, 2, 3), other=x(2, 3, 2)),
    "chain_matmul": row(matrices=spread(x(2, 3), x(3, 4), x(4, 2))),
    "cholesky": row(input=SURE, upper=True),
    "cholesky_inverse": row(L=LOWER, upper=True).where_torch_is_wrong(ONE_TRIANGLE),
    "cholesky_solve": row(B=x(3, 2), L=LOWER, upper=True).where_torch_is_wrong(ONE_TRIANGLE),
    "cross": row(input=x(3, 3), other=x(3, 3), dim=1),
    "einsum": row(equation="ij,jk->ik", operands=spread(x(2, 3), x(3, 2))),
    "frobenius_norm": row(input=x(2, 3), dim=1, keepdim=True).always(dim=(0, 1)),
    "kron": row(input=x(2, 2), other=x(1, 3)),
    "linalg_cholesky_ex": row(input=SURE, upper=True),
    "linalg_cond": row(A=SQUARE, p=each("fro", 1)),
    "linalg_cross": row(input=x(3, 3), other=x(3, 3), dim=0),
    "linalg_eig": row(A=SQUARE).then(sizes),
    "linalg_eigh": row(A=SURE, UPLO="U"),
    "linalg_eigvals": row(A=SQUARE),
    "linalg_eigvalsh": row(A=SURE, UPLO="U"),
    "linalg_householder_product": row(A=REFLECTORS, tau=TAU),
    "linalg_inv_ex": row(A=SQUARE),
    "linalg_lstsq": row(A=TALL, B=x(4, 2), rcond=1e-6, driver="gelsd"),
    "linalg_lu": row(A=SQUARE, pivot=False).without(pivot="torch has no LU without pivots on a CPU"),
    "linalg_lu_factor": row(A=SQUARE).without(pivot="torch has no LU without pivots on a CPU"),
    "linalg_lu_factor_ex": row(A=SQUARE).without(pivot="torch has no LU without pivots on a CPU"),
    "linalg_lu_solve": row(LU=PACKED, pivots=PIVOTS, B=x(3, 3), left=False, adjoint=True),
    "linalg_matrix_norm": row(A=x(2, 3), ord="nuc", dim=(1, 0), keepdim=True, dtype=WIDER).together("dtype", A=HALF),
    "linalg_multi_dot": row(tensors=[x(2, 3), x(3, 4), x(4, 2)]),
    "linalg_norm": row(A=x(2, 3), ord=1, dim=1, keepdim=True, dtype=WIDER)
    .together("ord", dim=(0, 1))
    .together("dtype", A=HALF),
    "linalg_pinv": row(A=TALL, rcond=0.3, hermitian=True, atol=0.3, rtol=0.3).together("hermitian", A=SURE),
    "linalg_qr": row(A=TALL, mode=each("complete", "r")).together("mode", A=SQUARE),
    "linalg_solve": row(A=SQUARE, B=x(3, 3), left=False),
    "linalg_solve_ex": row(A=SQUARE, B=x(3, 3), left=False),
    "linalg_solve_triangular": row(A=LOWER, B=x(3, 3), upper=False, left=False, unitriangular=True),
    "linalg_svd": row(A=TALL, full_matrices=False)
    .always(full_matrices=False)
    .without(driver="torch takes it for matrices on a GPU alone"),
    "linalg_svdvals": row(A=TALL).without(driver="torch takes it for matrices on a GPU alone"),
    "linalg_tensorinv": row(A=x(2, 2, 4), ind=1).together("ind", A=x(4, 2, 2)),
    "linalg_tensorsolve": row(A=x(2, 2, 4), B=x(2, 2), dims=(0,)).together("dims", A=x(4, 2, 2), B=x(2, 2)),
    "linalg_vander": row(x=x(3), N=4),
    "linalg_vecdot": row(x=x(2, 3), y=x(2, 3), dim=0),
    "logdet": row(input=SURE),
    "lu": row(A=SQUARE, get_infos=True).without(pivot="torch has no LU without pivots on a CPU"),
    "lu_solve": row(b=x(3, 2), LU_data=PACKED, LU_pivots=PIVOTS),
    "lu_unpack": row(LU_data=PACKED, LU_pivots=PIVOTS, unpack_data=False, unpack_pivots=False),
    "matrix_power": row(input=SQUARE, n=3),
    "mv": row(input=x(2, 3), other=x(3)),
    "norm": row(input=x(2, 3), p=each(1, 3.0, "nuc"), dim=1, keepdim=True, dtype=WIDER)
    .together("keepdim", dim=0)
    .together("dtype", input=HALF),
    "norm_except_dim": row(v=x(2, 3), pow=1, dim=1),
    "nuclear_norm": row(input=x(2, 3), dim=(1, 0), keepdim=True),
    "orgqr": row(input=REFLECTORS, tau=TAU),
    "ormqr": row(input=REFLECTORS, tau=TAU, other=x(4, 4), left=False, transpose=True),
    "outer": row(input=x(2), vec2=x(3)),
    "pca_lowrank": row(A=x(5, 4), q=3, center=False, niter=3),
    "pinverse": row(input=TALL, rcond=0.3),
    "qr": row(input=TALL, some=False).together("some", input=SQUARE),
    "svd": row(input=TALL, some=False, compute_uv=False).where_torch_is_wrong("of columns that U has beside V's"),
    "svd_lowrank": row(A=x(5, 4), q=3, niter=3, M=x(5, 4)).always(q=2),
    "tensordot": row(a=x(2, 3), b=x(2, 3), dims=([1], [1])),
    "triangular_solve": row(b=x(3, 2), A=LOWER, upper=False, transpose=True, unitriangular=True),
    "vander": row(x=x(3), N=4, increasing=True),
}
