"""Inputs for the operators' suite that a case can't give at another size: its tensors have to suit its arguments."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

import nexnet

from ..scaled import Sample

__all__ = ["OWN"]

MATRIX = {"small": (4, 16), "large": (512, 512)}
IMAGES = {
    "small": {1: (1, 4, 16), 2: (1, 4, 4, 4), 3: (1, 1, 4, 4, 4)},
    "large": {1: (16, 16, 1024), 2: (16, 16, 32, 32), 3: (4, 8, 8, 32, 32)},
}


def normal(*shape: int) -> nexnet.LiteTensor:
    """Draw a tensor; the generator is seeded anew for each operator."""
    return nexnet.LiteTensor(torch.randn(shape))


def integers(high: int, *shape: int) -> nexnet.LiteTensor:
    """Draw integers."""
    return nexnet.LiteTensor(torch.randint(high, shape))


def rows_normalised(size: str, weights: int) -> Sample:
    """X, the shape of its last dimension, and weights of that shape."""
    rows, columns = MATRIX[size]
    return Sample(normal(rows, columns), (columns,), *[normal(columns) for _ in range(weights)])


def images_normalised(size: str, rest: tuple[Any, ...]) -> Sample:
    """Images, no running statistics, and weights for the channels."""
    shape = IMAGES[size][2]
    return Sample(normal(*shape), None, None, normal(shape[1]), normal(shape[1]), *rest)


def probabilities(size: str) -> nexnet.LiteTensor:
    """Draw numbers between 0 and 1."""
    return nexnet.LiteTensor(torch.rand(MATRIX[size]))


def labelled(size: str) -> Sample:
    """A row of logarithms of probabilities, or so, for each label."""
    rows, columns = MATRIX[size]
    return Sample(normal(rows, columns), integers(columns, rows))


def indexed(size: str, *rest: str) -> Sample:
    """X, dimension 1, indices along it, and further tensors of the shape of x ("x") or of the index."""
    rows, columns = MATRIX[size]
    return Sample(normal(rows, columns), 1, integers(columns, rows, columns), *[normal(rows, columns) for _ in rest])


def columns_indexed(size: str, *rest: str) -> Sample:
    """X, dimension 1, indices of some columns, and further tensors."""
    rows, columns = MATRIX[size]
    return Sample(normal(rows, columns), 1, integers(columns, columns), *[normal(rows, columns) for _ in rest])


def rows_put(size: str) -> Sample:
    """X, new rows, and their places, which do not repeat: torch's ``x[i] += v`` would count one of them."""
    rows, columns = MATRIX[size]
    return Sample(
        normal(rows, columns), normal(rows // 2, columns), nexnet.LiteTensor(torch.randperm(rows)[: rows // 2])
    )


def convolved(size: str, dims: int) -> Sample:
    """Images, kernels of 3 in each dimension, a bias, and a stride and a padding that keep the size."""
    shape = IMAGES[size][dims]
    channels = shape[1]
    return Sample(normal(*shape), normal(channels, channels, *[3] * dims), normal(channels), 1, 1)


def pooled_fractionally(size: str, dims: int) -> Sample:
    """Images, a window, an output of half the size, and the random places of the windows."""
    shape = IMAGES[size][dims]
    places = torch.rand(*shape[:2], dims)
    return Sample(normal(*shape), 2, tuple(n // 2 for n in shape[2:]), None, False, places)


def unpooled(size: str, dims: int) -> Sample:
    """The greatest elements of windows, and where they were."""
    shape = IMAGES[size][dims]
    pool = getattr(torch.nn.functional, f"max_pool{dims}d")
    values, places = pool(torch.randn(shape), 2, return_indices=True)
    return Sample(nexnet.LiteTensor(values), nexnet.LiteTensor(places), 2)


def quantized(size: str) -> Sample:
    """X, and a scale and a zero point for each row."""
    rows, columns = MATRIX[size]
    return Sample(normal(rows, columns), torch.rand(rows) + 0.1, torch.zeros(rows, dtype=torch.int32), 0, -9, 9)


def regular(size: str) -> torch.Tensor:
    """Draw a positive definite matrix, with eigenvalues around 1 to 2 that differ."""
    n = MATRIX[size][1] if size == "large" else 8
    noise = torch.randn(n, n) * (0.1 / n)
    return torch.diag(torch.linspace(2, 1, n)) + noise + noise.mT


def matrix(size: str, *rest: Any, **named: Any) -> Sample:
    """A matrix, and arguments."""
    return Sample(nexnet.LiteTensor(regular(size)), *rest, **named)


def with_sides(size: str, form: str, *rest: Any, **named: Any) -> Sample:
    """Right sides (b), a matrix (a), its factors and pivots (f), small numbers (t), in the letters' order."""
    a = regular(size)
    factors, pivots = torch.linalg.lu_factor(a)
    made = {"a": (a,), "b": (torch.randn_like(a),), "f": (factors, pivots), "t": (torch.full((len(a),), 0.01),)}
    given = [nexnet.LiteTensor(each) if each.is_floating_point() else each for letter in form for each in made[letter]]
    return Sample(*given, *rest, **named)


def folded(size: str, *rest: Any, **named: Any) -> Sample:
    """A matrix with its rows folded into two dimensions, and arguments."""
    a = regular(size)
    n = 2 if size == "small" else 16
    return Sample(nexnet.LiteTensor(a.reshape(n, len(a) // n, len(a))), *rest, **named)


SQUARE = (
    "linalg_inv", "inverse", "linalg_inv_ex", "det", "slogdet", "logdet", "linalg_lu", "linalg_lu_factor_ex",
    "linalg_pinv", "pinverse", "linalg_qr", "qr", "svd", "linalg_svd", "linalg_svdvals", "linalg_eigh",
    "linalg_eigvalsh", "cholesky", "linalg_cholesky_ex", "linalg_matrix_norm", "linalg_norm", "pdist",
)  # fmt: skip
MATRICES: dict[str, Callable[[str], Sample]] = dict.fromkeys(SQUARE, matrix) | {
    "matrix_power": lambda size: matrix(size, 3),
    "renorm": lambda size: matrix(size, 2, 0, 1.0),
    "linalg_solve": partial(with_sides, form="ab"),
    "linalg_solve_ex": partial(with_sides, form="ab"),
    "linalg_lstsq": partial(with_sides, form="ab"),
    "linalg_solve_triangular": lambda size: with_sides(size, "ab", upper=True),
    "triangular_solve": partial(with_sides, form="ba"),
    "cholesky_inverse": lambda size: matrix(size, False),
    "cholesky_solve": lambda size: with_sides(size, "ba", False),
    "linalg_lu_solve": partial(with_sides, form="fb"),
    "lu_solve": partial(with_sides, form="bf"),
    "lu_unpack": partial(with_sides, form="f"),
    "linalg_householder_product": partial(with_sides, form="at"),
    "ormqr": partial(with_sides, form="atb"),
    "linalg_tensorinv": lambda size: folded(size, 2),
}  # fmt: skip

OWN: dict[str, Callable[[str], Sample]] = {
    "layer_norm": partial(rows_normalised, weights=2),
    "rms_norm": partial(rows_normalised, weights=1),
    "batch_norm": partial(images_normalised, rest=(True,)),
    "instance_norm": partial(images_normalised, rest=()),
    "nll_loss": labelled,
    "cross_entropy": labelled,
    "gather": indexed,
    "scatter": lambda size: indexed(size, "x"),
    "scatter_add": lambda size: indexed(size, "x"),
    "index_select": columns_indexed,
    "index_add": lambda size: columns_indexed(size, "x"),
    "kl_div": lambda size: Sample(normal(*MATRIX[size]), probabilities(size), reduction="batchmean"),
    "binary_cross_entropy_with_logits": lambda size: Sample(normal(*MATRIX[size]), probabilities(size)),
    "at.add": rows_put,
    "unflatten": lambda size: Sample(normal(*MATRIX[size]), 1, (-1, 2)),
    "diag_embed": lambda size: Sample(normal(8 if size == "small" else 512)),
    "soft_margin_loss": lambda size: Sample(normal(*MATRIX[size]), torch.randn(MATRIX[size]).sign()),
    "diagflat": lambda size: Sample(normal(8 if size == "small" else 512)),
    "fake_quantize_per_channel_affine": quantized,
    "convolution": lambda size: Sample(*convolved(size, 2).args[:3], (1, 1), (1, 1), (1, 1), False, (0, 0), 1),
    **MATRICES,
    **{f"conv{n}d": partial(convolved, dims=n) for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": partial(convolved, dims=n) for n in (1, 2, 3)},
    **{f"fractional_max_pool{n}d": partial(pooled_fractionally, dims=n) for n in (2, 3)},
    **{f"max_unpool{n}d": partial(unpooled, dims=n) for n in (1, 2, 3)},
}
