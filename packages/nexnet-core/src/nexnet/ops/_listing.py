"""What there is: each operator with its torch names, orders, dtypes and conventions, found by looking."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..policy import RULES, Operator
from .constant import STEPS, sign

__all__ = ["PLACES", "Count", "Listed", "count", "listing", "table"]

#: Where torch has functions that nexnet answers to.
PLACES: dict[str, Any] = {
    "torch": torch,
    "torch.nn.functional": torch.nn.functional,
    "torch.linalg": torch.linalg,
    "torch.fft": torch.fft,
    "torch.special": torch.special,
    "torch.Tensor": torch.Tensor,
}

# Undocumented names for products of sparse matrices, which torch lets share the code of mm and addmm.
_SPARSE = frozenset({"dsmm", "hsmm", "hspmm", "saddmm", "smm", "spmm"})

_FULL = ("float64", "float32")
_HALVES = ("bfloat16", "float16")
_COMPLEX = ("complex128", "complex64")

#: Kinds and operators for which torch has no kernels in these dtypes on the CPU.
_WITHOUT = {
    "bfloat16": frozenset({
        "complex_numbers", "fourier", "spectrogram", "solving", "solving_by_factors", "least_squares", "spectral",
        "determinant", "cholesky",
        "linalg_cholesky_ex", "linalg_householder_product", "linalg_lu", "linalg_lu_factor", "linalg_lu_factor_ex",
        "linalg_qr", "lu", "orgqr", "ormqr", "qr", "matrix_power", "linalg_vander", "vander", "linalg_cond",
        "matrix_exp", "cdist", "pdist", "quantile", "nanquantile", "vdot", "avg_pool3d", "lp_pool3d", "special_zeta",
        "special_ndtri", "special_erfcx", "special_log_ndtr", "special_bessel_j0", "special_bessel_j1",
        "special_bessel_y0", "special_bessel_y1", "special_modified_bessel_i0", "special_modified_bessel_i1",
        "special_modified_bessel_k0", "special_modified_bessel_k1", "special_scaled_modified_bessel_k0",
        "special_scaled_modified_bessel_k1", "special_spherical_bessel_j0", "multi_margin_loss",
        "multilabel_margin_loss", "ctc_loss", "low_rank", "nuclear_norm", "mH",
    }),
}  # fmt: skip
#: Functions of several rules that take complex tensors, by kind and by name. A rule says it itself (complex_rule).
_COMPLEX_KINDS = frozenset({
    "arranging", "complex_numbers", "copies", "covariance", "determinant", "differences", "einsum", "factoring",
    "diagonals", "fourier", "gathering", "index_updates", "indexing", "joining", "matmul", "matrix_norm",
    "matrix_products", "placing", "products", "solving", "solving_by_factors", "least_squares", "spectral",
    "spectrogram", "views",
})  # fmt: skip
_COMPLEX_NAMES = frozenset({
    "dist", "dropout1d", "dropout3d", "embedding", "feature_alpha_dropout", "feature_dropout", "float_power",
    "full_like", "l1_loss", "pad", "pairwise_distance", "positive", "rms_norm", "rsub", "scatter", "scatter_add",
    "scatter_reduce", "std", "std_mean", "var", "var_mean",
})  # fmt: skip
_WITHOUT["float16"] = _WITHOUT["bfloat16"] | {"rrelu"}


@dataclass(frozen=True)
class Listed:
    """One operator.

    Attributes:
        name: its name, ``nexnet.<name>``.
        wing: the part of ``nexnet.ops`` that it is in.
        kind: the module that defines it.
        orders: "any" order; "zero": it is flat between its steps; "none": it has no gradient by nature.
        dtypes: in which of these torch has kernels for it (those of "none" are torch's own affair).
        torch: the torch functions and methods that reach it.
        corner: the convention at its kinks, ties and singular points, if it has some.
        aliases: its other names in nexnet.
    """

    name: str
    wing: str
    kind: str
    orders: str
    dtypes: tuple[str, ...]
    torch: tuple[str, ...]
    corner: str
    aliases: tuple[str, ...] = ()

    @property
    def differentiable(self) -> bool:
        """Whether gradients pass through it."""
        return self.orders == "any"


@dataclass(frozen=True)
class Count:
    """How much a listing holds.

    Attributes:
        names: names of torch that reach a differentiable rule. The same name in two modules (torch.relu and
            torch.nn.functional.relu, or the method) is one, unless torch.linalg or torch.fft mean something else by it;
            an alias (arccos and acos) is another name.
        paths: the same, each module's by itself (torch.exp, torch.Tensor.exp).
        rules: distinct differentiable operators.
        constant: operators without a gradient, or whose gradient is zero.
    """

    names: int
    paths: int
    rules: int
    constant: int


def listing() -> list[Listed]:
    """Give a record of each public operator, by wing, kind and name; several names of one are one record.

    Example::

        [each.name for each in nexnet.ops.listing() if each.kind == "selection"]
    """
    paths = _torch_paths()
    names: dict[int, list[str]] = {}
    ops = sys.modules[__package__]
    for name in ops.__all__:
        names.setdefault(id(getattr(ops, name)), []).append(name)
    found = []
    for same in names.values():
        operator = getattr(ops, same[0])
        own = getattr(operator, "__name__", same[0])
        name = own if own in same else same[0]
        home = operator.__module__.split(".")  # nexnet, ops, its wing, and the module in it
        wing, kind = home[2], home[-1]
        found.append(
            Listed(
                name=name,
                wing=wing,
                kind=kind,
                orders=_orders(operator),
                dtypes=_dtypes(operator, name, kind),
                torch=tuple(paths.get(operator, ())),
                corner=_corner(operator),
                aliases=tuple(each for each in same if each != name),
            )
        )
    return sorted(found, key=lambda each: (each.wing, each.kind, each.name))


def count(records: Iterable[Listed]) -> Count:
    """Count the torch names that reach a differentiable rule, and the rules."""
    records = list(records)
    differentiable = [each for each in records if each.differentiable]
    names: dict[str, set[str]] = {}
    for each in differentiable:
        for path in each.torch:
            place, _, name = path.rpartition(".")
            own = place in ("torch.linalg", "torch.fft") and each.name not in names.get(name, ())
            names.setdefault(f"{place}.{name}" if own else name, set()).add(each.name)
    return Count(
        names=len(names),
        paths=sum(len(each.torch) for each in differentiable),
        rules=len(differentiable),
        constant=len(records) - len(differentiable),
    )


def table(records: Sequence[Listed]) -> str:
    """Write records as a table in plain text, and what they come to."""
    rows = [("name", "wing", "kind", "orders", "dtypes", "torch", "corner")]
    rows += [
        (
            ", ".join((each.name, *each.aliases)),
            each.wing,
            each.kind,
            each.orders,
            " ".join(_short(dtype) for dtype in each.dtypes),
            ", ".join(_shortest(each.torch)),
            each.corner,
        )
        for each in records
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    lines = [
        "  ".join((*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[6])).rstrip()
        for row in rows
    ]
    total = count(records)
    return "\n".join(
        [
            *lines,
            "",
            f"{total.names} differentiable names of torch ({total.paths} with the module of each), "
            f"by {total.rules} differentiable operators",
            f"{total.constant} operators without a gradient, or whose gradient is zero",
        ]
    )


def _torch_paths() -> dict[Callable[..., Any], list[str]]:
    """Give, for each rule, the public names of torch that reach it."""
    found: dict[Callable[..., Any], list[str]] = {}
    for place, owner in PLACES.items():
        for name in sorted(dir(owner)):
            value = getattr(owner, name, None)
            if name.startswith("_") or name.endswith("_") or name in _SPARSE or not callable(value):
                continue
            try:
                rule = RULES.get(value)
            except TypeError:  # not hashable
                continue
            if rule is not None and (owner is torch or value is not getattr(torch, name, None)):
                operator = getattr(rule, "stands_for", rule)
                found.setdefault(operator, []).append(f"{place}.{name}")
    return found


def _orders(operator: Callable[..., Any]) -> str:
    if getattr(operator, "__code__", None) is not sign.__code__:
        return "any"
    return "zero" if operator in STEPS else "none"


def _dtypes(operator: Callable[..., Any], name: str, kind: str) -> tuple[str, ...]:
    halves = [each for each in _HALVES if not {name, kind} & _WITHOUT[each]]
    if isinstance(operator, Operator):
        complex_too = operator.policy.complex_rule != "none"
    else:
        complex_too = kind in _COMPLEX_KINDS or name in _COMPLEX_NAMES
    return (*_FULL, *halves, *(_COMPLEX if complex_too else ()))


def _corner(operator: Callable[..., Any]) -> str:
    """Read the sentence, or sentences, that start with ``Corner:``, up to the end of the paragraph."""
    rule = operator.policy if isinstance(operator, Operator) else operator
    found = re.search(r"Corner: +(.*?)(?:\n\s*\n|\Z)", getattr(rule, "__doc__", None) or "", re.DOTALL)
    return " ".join(found[1].split()) if found else ""


def _short(dtype: str) -> str:
    return dtype.replace("bfloat", "bf").replace("float", "f").replace("complex", "c")


def _shortest(paths: Sequence[str]) -> list[str]:
    """Leave out a method that has the name of a function."""
    names = {path.rpartition(".")[2] for path in paths if not path.startswith("torch.Tensor.")}
    return [path for path in paths if not (path.startswith("torch.Tensor.") and path.rpartition(".")[2] in names)]
