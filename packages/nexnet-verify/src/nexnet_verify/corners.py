"""Kinks, ties, zeros and infinities: what nexnet does there, as a table.

These points are compared with the table, never with finite differences. PyTorch's and JAX's conventions stand beside
nexnet's where the two differ.
"""

from __future__ import annotations

import math
from typing import Any

import torch

import nexnet

from .corner import AnyOf, Corner

__all__ = ["CORNERS"]

INF, NAN = math.inf, math.nan

o: Any = nexnet.ops

#: Where PyTorch and JAX differ, and then where they agree.
CORNERS = [
    Corner("abs", "abs(0)", lambda x: o.abs(x), [0.0], [0.0], torch="0", jax="1"),
    Corner("vector_norm", "norm 1 at 0", lambda x: o.vector_norm(x, 1), [[0.0, 2.0]], [[0.0, 1.0]], torch="0", jax="1"),
    Corner(
        "l1_loss",
        "l1_loss where x = t",
        lambda x, t: o.l1_loss(x, t),
        [[1.0], [1.0]],
        [[0.0], [0.0]],
        torch="0",
        jax="1",
    ),
    Corner("leaky_relu", "leaky_relu(0)", lambda x: o.leaky_relu(x), [0.0], [0.01], torch="0.01", jax="1"),
    Corner("hardtanh", "hardtanh(+-1)", lambda x: o.hardtanh(x), [[-1.0, 1.0]], [[0.0, 0.0]], torch="0", jax="1"),
    Corner(
        "clamp",
        "clamp at scalar bounds",
        lambda x: o.clamp(x, -1.0, 1.0),
        [[-1.0, 1.0]],
        [[1.0, 1.0]],
        torch="1",
        jax="0.5",
    ),
    Corner(
        "clamp",
        "clamp, tie with a tensor bound",
        lambda x, low: o.clamp(x, low),
        [[1.0], [1.0]],
        [[1.0], [0.0]],
        torch="1, 0",
        jax="0.5, 0.5",
    ),
    Corner(
        "max",
        "max(dim) of a tie",
        lambda x: o.max(x, 0)[0],
        [[2.0, 2.0, 1.0]],
        [AnyOf(([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]))],
        torch="one index",
        jax="even split",
    ),
    Corner(
        "min",
        "min(dim) of a tie",
        lambda x: o.min(x, 0)[0],
        [[1.0, 1.0, 2.0]],
        [AnyOf(([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]))],
        torch="one index",
        jax="even split",
    ),
    Corner(
        "median",
        "median of 4",
        lambda x: o.median(x),
        [[4.0, 1.0, 3.0, 2.0]],
        [[0.0, 0.0, 0.0, 1.0]],
        torch="lower element",
        jax="0.5, 0.5",
    ),
    Corner("fmax", "fmax of a tie", lambda x, y: o.fmax(x, y), [1.0, 1.0], [1.0, 0.0], torch="1, 0", jax="0, 1"),
    Corner("fmin", "fmin of a tie", lambda x, y: o.fmin(x, y), [1.0, 1.0], [1.0, 0.0], torch="1, 0", jax="0, 1"),
    Corner(
        "cummax",
        "cummax of a tie",
        lambda x: o.cummax(x, 0)[0],
        [[2.0, 2.0, 1.0]],
        [[1.0, 2.0, 0.0]],
        torch="1, 2, 0",
        jax="2, 1, 0",
    ),
    *[
        Corner("norm", f"norm {p} at 0", lambda x, p=p: o.norm(x, p), [[0.0, 0.0]], [[0.0, 0.0]], torch="0", jax="nan")
        for p in (2, 3, "fro")
    ],
    Corner("std", "std of constants", lambda x: o.std(x), [[1.0, 1.0]], [[0.0, 0.0]], torch="0", jax="nan"),
    Corner("hypot", "hypot(0, 0)", lambda x, y: o.hypot(x, y), [0.0, 0.0], [NAN, NAN], torch="nan", jax="0.5"),
    Corner("atan2", "atan2(0, 0)", lambda x, y: o.atan2(x, y), [0.0, 0.0], [0.0, 0.0], torch="0", jax="nan"),
    Corner("pow", "pow(0, 0) by the base", lambda x: o.pow(x, 0.0), [0.0], [0.0], torch="0", jax="nan"),
    Corner("pow", "x**1.0 at 0, second order", lambda x: o.pow(x, 1.0), [0.0], [0.0], order=2, torch="0", jax="nan"),
    Corner("pow", "pow(0, -1) by the exponent", lambda n: o.pow(0.0, n), [-1.0], [-INF], torch="-inf", jax="nan"),
    Corner("xlogy", "xlogy(0, 0) by x", lambda x: o.xlogy(x, torch.zeros(())), [0.0], [0.0], torch="0", jax="-inf"),
    Corner(
        "sinc",
        "sinc(0), second order",
        lambda x: o.sinc(x),
        [0.0],
        [-(math.pi**2) / 3],
        order=2,
        torch="nan",
        jax="-pi^2/3",
    ),
    Corner(
        "heaviside",
        "heaviside(0), by x",
        lambda x: o.heaviside(x, torch.ones((), dtype=x.dtype)),
        [0.0],
        [0.0],
        torch="none",
    ),
    Corner("nan_to_num", "nan_to_num(inf)", lambda x: o.nan_to_num(x), [[INF, NAN, 1.0]], [[0.0, 0.0, 1.0]]),
    Corner(
        "ldexp",
        "ldexp by a negative integer",
        lambda x: o.ldexp(x, torch.tensor(-2)),
        [1.0],
        [0.25],
        torch="0",
    ),
    Corner("median", "median over all, a tie", lambda x: o.median(x), [[2.0, 2.0, 1.0]], [[0.5, 0.5, 0.0]]),
    Corner("nanmean", "nanmean with a NaN", lambda x: o.nanmean(x), [[1.0, NAN, 3.0]], [[0.5, 0.0, 0.5]]),
    Corner(
        "scatter_reduce",
        "scattered amax, a tie",
        lambda x, s: o.scatter_reduce(x, 0, torch.tensor([0, 0]), s, "amax"),
        [[2.0], [2.0, 1.0]],
        [[0.5], [0.5, 0.0]],
    ),
    Corner("quantile", "quantile with a NaN", lambda x: o.quantile(x, 0.0), [[1.0, NAN]], [[0.0, 1.0]]),
    Corner("special_i1", "i1(0)", lambda x: o.special_i1(x), [0.0], [0.5], torch="0.5", jax="0.5"),
    Corner("special_i0e", "i0e(0), a kink", lambda x: o.special_i0e(x), [0.0], [0.0]),
    Corner("special_i1e", "i1e(0)", lambda x: o.special_i1e(x), [0.0], [0.5]),
    Corner("special_entr", "entr(0)", lambda x: o.special_entr(x), [0.0], [INF]),
    Corner("special_xlog1py", "xlog1py(0, -1) by x", lambda x: o.special_xlog1py(x, -torch.ones(())), [0.0], [0.0]),
    Corner(
        "logaddexp",
        "logaddexp(inf, 1)",
        lambda x, y: o.logaddexp(x, y),
        [INF, 1.0],
        [1.0, 0.0],
        torch="1, 0",
        jax="1, 2.718",
    ),
    Corner(
        "logcumsumexp",
        "logcumsumexp([-inf, 1])",
        lambda x: o.logcumsumexp(x, 0),
        [[-INF, 1.0]],
        [[1.0, 1.0]],
        torch="nan, 1",
        jax="1, 1",
    ),
    Corner(
        "det",
        "det of a matrix of rank n - 1",
        lambda x: o.det(x),
        [[[1.0, 2.0], [2.0, 4.0]]],
        [[[4.0, -2.0], [-2.0, 1.0]]],
        torch="0",
        jax="the adjugate",
    ),
    Corner(
        "index_put",
        "indexed set with equal indices, by the values",
        lambda v: o.index_put(torch.zeros(3, dtype=torch.float64), (torch.tensor([1, 1]),), v),
        [[2.0, 3.0]],
        [[1.0, 1.0]],
        torch="1, 1",
        jax="0, 1",
    ),
    Corner("copysign", "copysign(0, 1)", lambda x: o.copysign(x, torch.ones(())), [0.0], [0.0], torch="0", jax="1"),
    Corner(
        "heaviside",
        "heaviside(0)",
        lambda x, v: o.heaviside(x, v),
        [0.0, 2.0],
        [0.0, 1.0],
        torch="unimplemented",
        jax="0",
    ),
    Corner(
        "mul", "an input that is not used", lambda x, _: o.mul(x, 2.0), [1.0, 1.0], [2.0, 0.0], torch="None", jax="0"
    ),
    Corner(
        "mul", "a linear function, second order", lambda x: o.mul(x, 2.0), [1.0], [0.0], order=2, torch="error", jax="0"
    ),
    # They agree: kinks and ties
    Corner("relu", "relu(0)", lambda x: o.relu(x), [0.0], [0.0]),
    Corner(
        "linear_relu",
        "linear_relu at 0",
        lambda x, w: o.linear_relu(x, w),
        [[0.0, 1.0], [[2.0, 0.0]]],
        [[0.0, 0.0], [[0.0, 0.0]]],
    ),
    Corner("hardshrink", "hardshrink at its bounds", lambda x: o.hardshrink(x), [[-0.5, 0.5]], [[0.0, 0.0]]),
    Corner("softshrink", "softshrink at its bounds", lambda x: o.softshrink(x), [[-0.5, 0.5]], [[0.0, 0.0]]),
    Corner("prelu", "prelu(0)", lambda x, w: o.prelu(x, w), [[0.0], [0.3]], [[0.3], [0.0]]),
    Corner("normalize", "normalize of zeros", lambda x: o.normalize(x, eps=0.5), [[[0.0, 0.0]]], [[[2.0, 2.0]]]),
    Corner("relu6", "relu6 at its bounds", lambda x: o.relu6(x), [[0.0, 6.0]], [[0.0, 0.0]]),
    Corner("hardsigmoid", "hardsigmoid at its bounds", lambda x: o.hardsigmoid(x), [[-3.0, 3.0]], [[0.0, 0.0]]),
    Corner("elu", "elu(0)", lambda x: o.elu(x), [0.0], [1.0]),
    Corner("maximum", "maximum of a tie", lambda x, y: o.maximum(x, y), [1.0, 1.0], [0.5, 0.5]),
    Corner("minimum", "minimum of a tie", lambda x, y: o.minimum(x, y), [1.0, 1.0], [0.5, 0.5]),
    Corner("max", "max over all, a tie", lambda x: o.max(x), [[2.0, 2.0, 1.0]], [[0.5, 0.5, 0.0]]),
    Corner("amax", "amax, a tie", lambda x: o.amax(x, 0), [[2.0, 2.0, 1.0]], [[0.5, 0.5, 0.0]]),
    Corner("amin", "amin, a tie of three", lambda x: o.amin(x, 0), [[2.0, 2.0, 2.0]], [[1 / 3, 1 / 3, 1 / 3]]),
    Corner("vector_norm", "inf-norm, a tie", lambda x: o.vector_norm(x, INF), [[2.0, -2.0, 1.0]], [[0.5, -0.5, 0.0]]),
    Corner("sign", "sign(0), a constant", lambda x: o.add(o.sign(x), o.mul(x, 0.0)), [0.0], [0.0]),
    Corner("round", "round(0.5), a constant", lambda x: o.add(o.round(x), o.mul(x, 0.0)), [0.5], [0.0]),
    Corner("softplus", "softplus(0): smooth", lambda x: o.softplus(x), [0.0], [0.5]),
    Corner("softplus", "softplus(0), second order", lambda x: o.softplus(x), [0.0], [0.25], order=2),
    # Singular points
    Corner("sqrt", "sqrt(0)", lambda x: o.sqrt(x), [0.0], [INF]),
    Corner("sqrt", "sqrt(x x) at 0", lambda x: o.sqrt(o.mul(x, x)), [0.0], [NAN]),
    Corner("pow", "x**0 at 0, a number", lambda x: o.pow(x, 0), [0.0], [0.0]),
    Corner("pow", "pow(0, 0.5)", lambda x: o.pow(x, 0.5), [0.0], [INF]),
    Corner("pow", "pow(-2, 2.) by the exponent", lambda n: o.pow(-2.0, n), [2.0], [NAN]),
    Corner("var", "var of one element", lambda x: o.var(x), [[1.0]], [[NAN]]),
    # Infinities
    Corner("logsumexp", "logsumexp of all -inf", lambda x: o.logsumexp(x, 0), [[-INF, -INF]], [[NAN, NAN]]),
    Corner("logsumexp", "logsumexp with one -inf", lambda x: o.logsumexp(x, 0), [[-INF, 1.0]], [[0.0, 1.0]]),
    Corner("softmax", "softmax of all -inf", lambda x: o.softmax(x, 0)[0], [[-INF, -INF]], [[NAN, NAN]]),
    Corner("softmax", "softmax with one -inf", lambda x: o.softmax(x, 0)[1], [[-INF, 1.0]], [[0.0, 0.0]]),
    Corner("log_softmax", "log_softmax of all -inf", lambda x: o.log_softmax(x, 0)[0], [[-INF, -INF]], [[NAN, NAN]]),
    Corner(
        "log_softmax",
        "log_softmax with one -inf",
        lambda x: o.log_softmax(x, 0)[1],
        [[-INF, 1.0, 1.0]],
        [[0.0, 0.5, -0.5]],
    ),
    Corner("where", "the trap of where", lambda x: o.where(x > 0, o.sqrt(x), 0.0), [0.0], [NAN]),
    Corner(
        "where",
        "where with a safe argument",
        lambda x: o.where(x > 0, o.sqrt(o.where(x > 0, x, 1.0)), 0.0),
        [0.0],
        [0.0],
    ),
    # Order
    Corner("topk", "topk takes the first of a tie", lambda x: o.topk(x, 1)[0], [[2.0, 2.0, 1.0]], [[1.0, 0.0, 0.0]]),
    Corner(
        "sort",
        "a stable sort keeps the order of a tie",
        lambda x: o.mul(o.sort(x, stable=True)[0], torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)),
        [[2.0, 1.0, 2.0]],
        [[2.0, 1.0, 3.0]],
    ),
    # Windows
    Corner("max_pool1d", "ties in a window", lambda x: o.max_pool1d(x, 3), [[[2.0, 1.0, 2.0]]], [[[1.0, 0.0, 0.0]]]),
    Corner("max_pool1d", "NaN in a window", lambda x: o.max_pool1d(x, 3), [[[2.0, NAN, 3.0]]], [[[0.0, 1.0, 0.0]]]),
    Corner(
        "max_pool2d",
        "ties in a window, in rows",
        lambda x: o.max_pool2d(x, 2),
        [[[[1.0, 2.0], [2.0, 2.0]]]],
        [[[[0.0, 1.0], [0.0, 0.0]]]],
    ),
    Corner(
        "adaptive_max_pool1d",
        "ties in an adaptive window",
        lambda x: o.adaptive_max_pool1d(x, 1),
        [[[2.0, 1.0, 2.0]]],
        [[[1.0, 0.0, 0.0]]],
    ),
    Corner("lp_pool1d", "power mean of zeros", lambda x: o.lp_pool1d(x, 2, 2), [[[0.0, 0.0]]], [[[0.0, 0.0]]]),
    Corner(
        "grid_sample",
        "a sample on an element: the slope to the right",
        lambda x, u: o.grid_sample(x, o.stack([u, u * 0], -1), align_corners=True),
        [[[[[1.0, 2.0, 5.0]]]], [[[0.0]]]],
        [[[[[0.0, 1.0, 0.0]]]], [[[3.0]]]],
    ),
    Corner(
        "grid_sample",
        "a sample on the edge, with padding by the border",
        lambda x, u: o.grid_sample(x, o.stack([u, u * 0], -1), "bilinear", "border", True),
        [[[[[1.0, 2.0, 5.0]]]], [[[1.0]]]],
        [[[[[0.0, 0.0, 1.0]]]], [[[0.0]]]],
    ),
    # Complex numbers, as real and imaginary parts
    Corner(
        "abs",
        "complex |z|^2 at 1 + 2i: dL/d(re) + i dL/d(im)",
        lambda x: o.abs(o.view_as_complex(x)) ** 2,
        [[1.0, 2.0]],
        [[2.0, 4.0]],
        torch="2 + 4i",
        jax="2 - 4i",
    ),
    Corner("abs", "complex |z| at 0", lambda x: o.abs(o.view_as_complex(x)), [[0.0, 0.0]], [[0.0, 0.0]]),
    Corner(
        "angle",
        "the angle of 0",
        lambda x: o.angle(o.view_as_complex(x)),
        [[0.0, 0.0]],
        [[0.0, 0.0]],
        torch="0",
        jax="NaN",
    ),
    Corner("sgn", "z / |z| at 0", lambda x: o.sgn(o.view_as_complex(x)).imag, [[0.0, 0.0]], [[0.0, 0.0]]),
    Corner(
        "polar",
        "radius 0",
        lambda r, t: o.polar(r, t).imag,
        [[0.0], [math.pi / 2]],
        [[1.0], [0.0]],
        torch="0, 0",
        jax="1, 0",
    ),
    Corner(
        "polar",
        "a negative radius",
        lambda r, t: o.polar(r, t).imag,
        [[-2.0], [math.pi / 2]],
        [[1.0], [-2 * math.cos(math.pi / 2)]],
        torch="-1, 0",
        jax="1, 0",
    ),
    # Products
    Corner("prod", "prod with one zero", lambda x: o.prod(x), [[0.0, 2.0, 3.0]], [[6.0, 0.0, 0.0]]),
    Corner("prod", "prod with two zeros", lambda x: o.prod(x), [[0.0, 0.0, 3.0]], [[0.0, 0.0, 0.0]]),
    Corner(
        "prod", "prod with one zero, second order", lambda x: o.prod(x), [[0.0, 2.0, 3.0]], [[5.0, 3.0, 2.0]], order=2
    ),
    Corner(
        "prod", "prod with two zeros, second order", lambda x: o.prod(x), [[0.0, 0.0, 3.0]], [[3.0, 3.0, 0.0]], order=2
    ),
    Corner("cumprod", "cumprod with a zero", lambda x: o.cumprod(x, 0), [[2.0, 0.0, 3.0]], [[1.0, 8.0, 0.0]]),
    # Linear algebra
    Corner(
        "det",
        "det of a matrix of rank n - 1, second order",
        lambda x: o.det(x),
        [[[1.0, 2.0], [2.0, 4.0]]],
        [[[1.0, -1.0], [-1.0, 1.0]]],
        order=2,
        torch="0",
        jax="right",
    ),
    Corner(
        "det",
        "det of zeros, second order",
        lambda x: o.det(x),
        [[[0.0, 0.0], [0.0, 0.0]]],
        [[[1.0, -1.0], [-1.0, 1.0]]],
        order=2,
        torch="nan",
        jax="nan",
    ),
    Corner(
        "slogdet",
        "slogdet of a singular matrix",
        lambda x: o.slogdet(x)[1],
        [[[1.0, 2.0], [2.0, 4.0]]],
        [[[-INF, INF], [INF, -INF]]],
    ),
    Corner(
        "linalg_eigvalsh",
        "eigenvalues that are equal",
        lambda x: o.linalg_eigvalsh(x),
        [[[2.0, 0.0], [0.0, 2.0]]],
        [[[1.0, 0.0], [0.0, 1.0]]],
    ),
    Corner(
        "linalg_eigh",
        "vectors of equal eigenvalues",
        lambda x: o.linalg_eigh(x)[1],
        [[[2.0, 0.0], [0.0, 2.0]]],
        [[[NAN, NAN], [NAN, NAN]]],
    ),
    Corner(
        "linalg_eigvals",
        "eigenvalues that are equal, by the real part",
        lambda x: o.real(o.linalg_eigvals(x)),
        [[[2.0, 0.0], [0.0, 2.0]]],
        [[[1.0, 0.0], [0.0, 1.0]]],
    ),
    Corner(
        "linalg_svdvals",
        "singular values that are equal",
        lambda x: o.linalg_svdvals(x),
        [[[2.0, 0.0], [0.0, 2.0]]],
        [[[1.0, 0.0], [0.0, 1.0]]],
    ),
    Corner(
        "cholesky",
        "cholesky's gradient is symmetric",
        lambda x: o.cholesky(x)[1, 0],
        [[[4.0, 2.0], [2.0, 5.0]]],
        [[[-0.125, 0.25], [0.25, 0.0]]],
    ),
    Corner(
        "linalg_solve_triangular",
        "solve_triangular reads one triangle",
        lambda a, b: o.linalg_solve_triangular(a, b, upper=True),
        [[[2.0, 1.0], [5.0, 2.0]], [[1.0], [1.0]]],
        [[[-0.125, -0.25], [0.0, -0.125]], [[0.5], [0.25]]],
    ),
    Corner(
        "cholesky_solve",
        "cholesky_solve reads one triangle",
        lambda b, t: o.cholesky_solve(b, t),
        [[[1.0], [0.0]], [[1.0, 7.0], [0.0, 1.0]]],
        [[[1.0], [1.0]], [[-2.0, 0.0], [-1.0, 0.0]]],
        torch="by the other, too",
        jax="one triangle",
    ),
    Corner(
        "linalg_matrix_norm",
        "columns that tie",
        lambda x: o.linalg_matrix_norm(x, 1),
        [[[1.0, -1.0], [1.0, 1.0]]],
        [[[0.5, -0.5], [0.5, 0.5]]],
    ),
    Corner(
        "linalg_matrix_norm",
        "the largest singular values tie",
        lambda x: o.linalg_matrix_norm(x, 2),
        [[[2.0, 0.0], [0.0, 2.0]]],
        [[[0.5, 0.0], [0.0, 0.5]]],
    ),
    *[
        Corner(
            "cdist",
            f"points that are equal, p = {p}",
            lambda x, y, p=p: o.cdist(x, y, p),
            [[[1.0, 2.0]]] * 2,
            [[[0.0, 0.0]]] * 2,
        )
        for p in (1.0, 2.0, 3.0, INF)
    ],
    Corner(
        "cdist",
        "inf-norm, a tie",
        lambda x, y: o.cdist(x, y, INF),
        [[[1.0, 2.0]], [[2.0, 3.0]]],
        [[[-1.0, -1.0]], [[1.0, 1.0]]],
        torch="1, 1",
        jax="0.5, 0.5",
    ),
    Corner("pdist", "points that are equal", lambda x: o.pdist(x), [[[1.0, 2.0]] * 2], [[[0.0, 0.0]] * 2]),
    Corner("dist", "tensors that are equal", lambda x, y: o.dist(x, y), [[1.0, 2.0]] * 2, [[0.0, 0.0]] * 2),
    Corner("normalize", "normalize of 0", lambda x: o.normalize(x, dim=0, eps=0.5), [[0.0, 0.0]], [[2.0, 2.0]]),
    Corner("linalg_vander", "a power of 0", lambda x: o.linalg_vander(x, N=3), [[0.0, 2.0]], [[1.0, 5.0]]),
    Corner(
        "einsum",
        "a repeated index is the diagonal",
        lambda x: o.einsum("ii->i", x),
        [[[1.0, 2.0], [3.0, 4.0]]],
        [[[1.0, 0.0], [0.0, 1.0]]],
    ),
    # Second order, where the first derivative is a choice: NaN, or the limit
    *[
        Corner(
            name,
            f"{point}, second order",
            fn,
            inputs,
            [torch.full_like(torch.tensor(x), NAN).tolist() for x in inputs],
            2,
        )
        for name, point, fn, inputs in (
            ("norm", "norm squared at 0", lambda x: o.norm(x) ** 2, [[0.0, 0.0]]),
            ("vector_norm", "norm 3 at 0", lambda x: o.vector_norm(x, 3), [[0.0, 0.0]]),
            ("linalg_matrix_norm", "fro at 0", lambda x: o.linalg_matrix_norm(x), [[[0.0, 0.0]]]),
            ("norm_except_dim", "a row of zeros", lambda x: o.norm_except_dim(x), [[[0.0, 0.0]]]),
            ("std", "std of constants", lambda x: o.std(x), [[1.0, 1.0]]),
            ("std_mean", "std of constants", lambda x: o.std_mean(x)[0], [[1.0, 1.0]]),
            ("dist", "dist of equal tensors", lambda x: o.dist(x, torch.ones(2).double()), [[1.0, 1.0]]),
            ("cdist", "cdist of equal points", lambda x: o.cdist(x, torch.ones(1, 2).double()), [[[1.0, 1.0]]]),
            ("atan2", "atan2(0, 0)", lambda y, x: o.atan2(y, x), [0.0, 0.0]),
            ("abs", "abs of complex 0", lambda x, y: o.abs(o.complex(x, y)), [0.0, 0.0]),
            ("angle", "angle of 0", lambda x, y: o.angle(o.complex(x, y)), [0.0, 0.0]),
            ("sgn", "sgn of complex 0", lambda x, y: o.real(o.sgn(o.complex(x, y))), [0.0, 0.0]),
            ("lp_pool1d", "a window of zeros", lambda x: o.lp_pool1d(x, 2.0, 2), [[[0.0, 0.0]]]),
        )
    ],
    Corner("pow", "0^1, by both, second order", lambda x, n: o.pow(x, n), [0.0, 1.0], [NAN, NAN], order=2),
    Corner(
        "vector_norm",
        "norm 1.5, an element 0, second order",
        lambda x: o.vector_norm(x, 1.5),
        [[0.0, 4.0]],
        [[INF, 0.0]],
        order=2,
        torch="nan, nan",
    ),
    Corner("vector_norm", "norm -1, an element 0", lambda x: o.vector_norm(x, -1), [[0.0, 2.0]], [[0.0, 0.0]]),
    Corner("abs", "abs(0), second order", lambda x: o.abs(x), [0.0], [0.0], order=2),
    Corner(
        "normalize", "normalize of 0, second order", lambda x: o.normalize(x, 3.0, 0), [[0.0, 0.0]], [[0.0, 0.0]], 2
    ),
    # Shapes
    Corner("add", "(4, 0) + (4, 1)", lambda x, y: o.add(x, y), [[[]] * 4, [[1.0]] * 4], [[[]] * 4, [[0.0]] * 4]),
    Corner("expand", "expand sums back", lambda x: o.expand(x, 3, 2), [[[1.0], [2.0], [3.0]]], [[[2.0]] * 3]),
    Corner("max", "max of nothing", lambda x: o.max(x), [[]], [], raises=RuntimeError),
    Corner("amax", "amax of nothing", lambda x: o.amax(x, 0), [[]], [], raises=IndexError),
    Corner("sum", "sum of nothing", lambda x: o.sum(x), [[]], [[]]),
    Corner("mean", "mean of nothing", lambda x: o.mean(x), [[]], [[]]),
    Corner("prod", "prod of nothing", lambda x: o.prod(x), [[]], [[]]),
    Corner(
        "gather", "gather twice the same", lambda x: o.gather(x, 0, torch.tensor([1, 1])), [[1.0, 2.0]], [[0.0, 2.0]]
    ),
]
