"""A case for every differentiable operator of nexnet, in modules that mirror ``nexnet.ops``."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

from nexnet.errors import InputError, message
from nexnet.policy import RULES

from ._case import Case, Sample, binary, unary
from ._draw import LAYOUTS, Domain, Draw

__all__ = ["LAYOUTS", "WINGS", "Case", "Domain", "Draw", "Sample", "all_cases", "binary", "known_reference", "unary"]

#: The modules of cases, each with its list ``CASES``, by the wing of ``nexnet.ops`` whose operators they are for.
WINGS: dict[str, tuple[str, ...]] = {
    "elementwise": (
        "arithmetic", "exponential", "trigonometric", "piecewise", "selection", "complex_numbers", "special",
        "gamma",
    ),
    "shapes": (
        "reshaping", "views", "diagonals", "windows", "copies", "joining", "arranging", "padding", "indexing",
        "index_updates", "gathering", "scattering", "placing",
    ),
    "reductions": (
        "sums", "variance", "products", "extrema", "norms", "cumulative", "ordering", "differences",
        "distance", "covariance",
    ),
    "matrices": (
        "addmm", "matmul", "matrix_products", "einsum", "solving", "solving_by_factors", "least_squares",
        "factoring", "spectral", "determinant", "matrix_norm", "low_rank",
    ),
    "signals": (
        "fourier", "spectrogram",
    ),
    "layers": (
        "linear", "activation", "rectifier", "softmax", "dropout", "embedding", "attention", "normalisation",
        "batch_statistics", "local_response", "recurrent", "recurrent_cells",
    ),
    "images": (
        "convolutions", "pooling", "max_pooling", "interpolation", "pixel", "grid",
    ),
    "losses": (
        "regression", "probabilities", "classification", "margin", "likelihood", "ctc",
    ),
}  # fmt: skip


def all_cases() -> list[Case]:
    """Give every case, in the order of WINGS; those of nexnet_nn last, where it is installed."""
    found = _cases("constant")
    for wing, kinds in WINGS.items():
        for kind in kinds:
            found += _cases(wing, kind)
    return found + (_cases("nn") if importlib.util.find_spec("nexnet_nn") else [])


def _cases(*place: str) -> list[Case]:
    module = importlib.import_module(".".join((__name__, *place)))
    return [dataclasses.replace(case, wing=place[0], kind=place[-1]) for case in module.CASES]


def known_reference(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Give the counterpart in JAX of an operator of nexnet, or of the torch function that it stands for.

    Raises:
        InputError: there is no case for it, or JAX has nothing like it.
    """
    operator = RULES.get(fn, fn)
    why = "no case of nexnet_verify is for it"
    for case in all_cases():
        if case.call is None and case.operator is operator:
            if case.jax is not None:
                return case.jax
            why = case.without_jax
    raise InputError(
        message(
            "no counterpart in JAX is known.",
            rule=getattr(fn, "__name__", fn),
            got=why,
            remedy="name one: reference=a function of JAX arrays",
        )
    )
