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

__all__ = ["KINDS", "LAYOUTS", "Case", "Domain", "Draw", "Sample", "all_cases", "binary", "known_reference", "unary"]

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
    "rectifier",
    "softmax",
    "dropout",
    "loss",
    "classification",
    "margin",
    "likelihood",
    "ctc",
    "reduction",
    "cumulative",
    "products",
    "extrema",
    "ordering",
    "normalisation",
    "batch_statistics",
    "norms",
    "linalg",
    "linear",
    "matrix_products",
    "solving",
    "factoring",
    "spectral",
    "determinant",
    "matrix_norm",
    "distance",
    "covariance",
    "einsum",
    "low_rank",
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
