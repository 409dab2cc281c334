"""A case for every differentiable operator of nexnet, in modules that mirror ``nexnet.ops``."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util

from ._case import Case, Sample, binary, unary
from ._draw import LAYOUTS, Domain, Draw

__all__ = ["KINDS", "LAYOUTS", "Case", "Domain", "Draw", "Sample", "all_cases", "binary", "unary"]

#: The modules of cases, each with its list ``CASES``.
KINDS = (
    "constant",
    "arithmetic",
    "elementwise",
    "piecewise",
    "gamma",
    "special",
    "complex_numbers",
    "fourier",
    "spectrogram",
    "selection",
    "activation",
    "softmax",
    "dropout",
    "loss",
    "margin",
    "likelihood",
    "ctc",
    "reduction",
    "cumulative",
    "products",
    "extrema",
    "ordering",
    "normalisation",
    "norms",
    "linalg",
    "matrix_products",
    "solving",
    "factoring",
    "spectral",
    "determinant",
    "matrix_norm",
    "distance",
    "covariance",
    "einsum",
    "shape",
    "joining",
    "arranging",
    "copies",
    "placing",
    "differences",
    "indexing",
    "gathering",
    "scattering",
    "embedding",
    "attention",
    "local_response",
    "convolutions",
    "padding",
    "pooling",
    "max_pooling",
    "interpolation",
    "pixel",
    "grid",
)


def all_cases() -> list[Case]:
    """Give every case, in the order of KINDS; those of nexnet_nn last, where it is installed."""
    kinds = [*KINDS, "layers"] if importlib.util.find_spec("nexnet_nn") else list(KINDS)
    found = []
    for kind in kinds:
        module = importlib.import_module(f"{__name__}.{kind}")
        found += [dataclasses.replace(case, kind=kind) for case in module.CASES]
    return found
