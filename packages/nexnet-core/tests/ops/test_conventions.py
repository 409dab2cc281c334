"""Second derivatives where the first is a choice: NaN or right, never 0 for want of better, and always symmetric."""

import math

import pytest
import torch

import nexnet as nx

F = torch.nn.functional
NAN, INF = math.nan, math.inf


def of_complex(fn):
    return lambda x: fn(torch.complex(x[0], x[1]))


def rows(x):
    return x.reshape(2, -1)


def pairs(fn, *args):
    return lambda x: fn(rows(x)[:1], rows(x)[1:], *args).sum()


ALL_NAN = {
    "norm": (torch.norm, [0.0, 0.0]),
    "norm ** 2": (lambda x: torch.norm(x) ** 2, [0.0, 0.0]),
    "norm 1.5": (lambda x: torch.linalg.vector_norm(x, 1.5), [0.0, 0.0]),
    "norm 3": (lambda x: torch.linalg.vector_norm(x, 3), [0.0, 0.0]),
    "norm -1": (lambda x: torch.linalg.vector_norm(x, -1), [0.0, 0.0]),
    "norm 1, complex": (of_complex(lambda z: torch.linalg.vector_norm(z, 1)), [0.0, 0.0]),
    "norm inf, complex": (of_complex(lambda z: torch.linalg.vector_norm(z, INF)), [0.0, 0.0]),
    "norm 3, complex": (of_complex(lambda z: torch.linalg.vector_norm(z, 3)), [0.0, 0.0]),
    "linalg.norm": (torch.linalg.norm, [0.0, 0.0]),
    "matrix_norm": (lambda x: torch.linalg.matrix_norm(rows(x)), [0.0, 0.0]),
    "nuclear": (lambda x: torch.linalg.matrix_norm(rows(x), "nuc"), [0.0] * 4),
    "dist": (pairs(torch.dist), [1.0, 2.0, 1.0, 2.0]),
    "pairwise_distance": (pairs(F.pairwise_distance, 2.0, 0.0), [1.0, 2.0, 1.0, 2.0]),
    "cdist": (pairs(torch.cdist), [1.0, 2.0, 1.0, 2.0]),
    "cdist 3": (pairs(torch.cdist, 3.0), [1.0, 2.0, 1.0, 2.0]),
    "cdist by products": (pairs(torch.cdist, 2.0, "use_mm_for_euclid_dist"), [1.0, 2.0, 1.0, 2.0]),
    "pdist": (lambda x: torch.pdist(rows(x)).sum(), [1.0, 2.0, 1.0, 2.0]),
    "std": (torch.std, [3.0, 3.0]),
    "std ** 2": (lambda x: torch.std(x) ** 2, [3.0, 3.0]),
    "std_mean": (lambda x: torch.std_mean(x)[0], [3.0, 3.0]),
    "abs": (of_complex(torch.abs), [0.0, 0.0]),
    "angle": (of_complex(torch.angle), [0.0, 0.0]),
    "sgn": (of_complex(lambda z: torch.sgn(z).imag), [0.0, 0.0]),
    "atan2": (lambda x: torch.atan2(x[0], x[1]), [0.0, 0.0]),
    "hypot": (lambda x: torch.hypot(x[0], x[1]), [0.0, 0.0]),
    "lp_pool1d": (lambda x: F.lp_pool1d(x.reshape(1, 1, -1), 2.0, 2).sum(), [0.0, 0.0]),
}

KNOWN = {
    "norm 1.5, a zero element": (lambda x: torch.linalg.vector_norm(x, 1.5), [0.0, 4.0], [[INF, 0.0], [0.0, 0.0]]),
    "norm 3, a zero element": (lambda x: torch.linalg.vector_norm(x, 3), [0.0, 4.0], [[0.0, 0.0], [0.0, 0.0]]),
    "cdist 1.5, an equal coordinate": (
        lambda x: torch.cdist(x[:2].reshape(1, 2), torch.ones(1, 2, dtype=torch.float64), 1.5).sum(),
        [1.0, 5.0],
        [[INF, 0.0], [0.0, 0.0]],
    ),
    "norm_except_dim": (
        lambda x: torch.norm_except_dim(rows(x)).sum(),
        [0.0, 0.0, 3.0, 0.0],
        [[NAN, NAN, 0, 0], [NAN, NAN, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1 / 3]],
    ),
    "x ** n": (lambda x: x[0] ** x[1], [0.0, 1.0], [[0.0, NAN], [NAN, NAN]]),
    "x ** 1.5": (lambda x: (x**1.5).sum(), [0.0], [[INF]]),
    "normalize, shorter than eps": (lambda x: F.normalize(x, 3.0, 0).sum(), [0.0, 0.0], [[0.0, 0.0], [0.0, 0.0]]),
    "renorm, short enough": (
        lambda x: (torch.renorm(x.reshape(1, 2), 3, 0, 1.0) ** 2).sum(),
        [0.0, 0.0],
        [[2.0, 0.0], [0.0, 2.0]],
    ),
    "abs, linear on either side": (lambda x: torch.abs(x).sum(), [0.0], [[0.0]]),
    "norm 1, linear on either side": (lambda x: torch.linalg.vector_norm(x, 1), [0.0, 1.0], [[0.0, 0.0], [0.0, 0.0]]),
}


def check(fn, point, expected):
    x = nx.LiteTensor(torch.tensor(point, dtype=torch.float64))
    for found in (nx.hessian(fn)(x), nx.jacfwd(nx.grad(fn))(x)):
        torch.testing.assert_close(found.data, torch.tensor(expected, dtype=torch.float64), equal_nan=True)


@pytest.mark.parametrize("name", ALL_NAN)
def test_a_hessian_is_unknown(name):
    fn, point = ALL_NAN[name]
    check(fn, point, [[NAN] * len(point)] * len(point))


@pytest.mark.parametrize("name", KNOWN)
def test_a_hessian_is_known_in_part(name):
    check(*KNOWN[name])


@pytest.mark.parametrize("name", [name for name in ALL_NAN if name not in ("hypot", "nuclear")])
def test_the_first_order_is_zero_in_both_modes(name):
    fn, point = ALL_NAN[name]
    x = nx.LiteTensor(torch.tensor(point, dtype=torch.float64))
    assert nx.grad(fn)(x).abs().sum().item() == 0
    assert nx.jvp(fn, (x,), (nx.ones_like(x),))[1].item() == 0


def test_a_norm_with_negative_order_and_a_zero():
    """|x|_-1 = 1 / sum(1 / |x|) is 0 where an element is 0, whatever the others are."""
    x = nx.LiteTensor(torch.tensor([0.0, 2.0], dtype=torch.float64))
    assert nx.grad(lambda x: torch.linalg.vector_norm(x, -1))(x).tolist() == [0.0, 0.0]
