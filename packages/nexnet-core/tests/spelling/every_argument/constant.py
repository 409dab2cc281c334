"""The rows of ``nexnet.ops.constant``, of functions that hand on what they are given; the signatures are torch's."""

import torch

from .row import Fresh, of, positive, row, t, unit, x

A, B = x(2, 3), x(3)
WHOLE = t([[6, 4, 9], [1, 0, 5]])
BOOLS = of(lambda a: a > 0, 2, 3)

LIKE = {"dtype": torch.float32, "layout": torch.strided, "device": "cpu", "pin_memory": False, "requires_grad": False}


ONE, TWO, OVER = "input", "input, other", "input, dim=None, keepdim=False"
KIND = "input, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False"

ROWS = {
    **{
        name: row(input=A).like(ONE)
        for name in [
            "argwhere",
            "ceil",
            "floor",
            "is_complex",
            "is_conj",
            "is_floating_point",
            "is_neg",
            "is_signed",
            "isfinite",
            "isinf",
            "isnan",
            "isneginf",
            "isposinf",
            "isreal",
            "numel",
            "sign",
            "signbit",
            "trunc",
        ]
    },
    **{
        name: row(input=A, other=B).like(TWO)
        for name in [
            "eq",
            "equal",
            "floor_divide",
            "ge",
            "gt",
            "le",
            "logical_and",
            "logical_or",
            "logical_xor",
            "lt",
            "ne",
        ]
    },
    **{
        name: row(input=WHOLE, other=t([1, 2, 3])).like(TWO)
        for name in [
            "bitwise_and",
            "bitwise_left_shift",
            "bitwise_or",
            "bitwise_right_shift",
            "bitwise_xor",
            "gcd",
            "lcm",
        ]
    },
    **{name: row(input=A, **LIKE).like(KIND) for name in ("ones_like", "rand_like", "randn_like", "zeros_like")},
    **{name: row(input=A, dim=1, keepdim=True).together("keepdim", dim=0).like(OVER) for name in ("argmax", "argmin")},
    **{name: row(input=BOOLS, dim=1, keepdim=True).together("keepdim", dim=0).like(OVER) for name in ("all", "any")},
    "allclose": row(input=A, other=B, rtol=2.0, atol=9.0, equal_nan=True).like(
        "input, other, rtol=1e-05, atol=1e-08, equal_nan=False"
    ),
    "argsort": row(input=A, dim=0, descending=True, stable=True).like(
        "input, *, dim=-1, descending=False, stable=False"
    ),
    "bernoulli": row(input=unit(2, 3), generator=Fresh(lambda: torch.Generator().manual_seed(3))).like(
        "input, *, generator=None"
    ),
    "bincount": row(input=t([0, 2, 2]), weights=B, minlength=5).like("input, weights=None, minlength=0"),
    "binomial": row(count=t([4.0, 9.0, 20.0]), prob=t([0.2, 0.5, 0.7])).like("count, prob, generator=None"),
    "bitwise_not": row(input=WHOLE).like(ONE),
    "bucketize": row(input=A, boundaries=t([-1.0, 0.0, 1.0], torch.float64), out_int32=True, right=True).like(
        "input, boundaries, *, out_int32=False, right=False"
    ),
    "can_cast": row(from_=torch.float64, to=torch.float32).like("from_, to"),
    "count_nonzero": row(input=WHOLE, dim=1).like("input, dim=None"),
    "empty_like": row(input=A, **LIKE).like(KIND).then(torch.zeros_like),
    "full_like": row(input=A, fill_value=2.5, **{key: each for key, each in LIKE.items() if key != "requires_grad"}),
    "histc": row(input=A, bins=3, min=-1, max=1)
    .together("min", max=1)
    .together("max", min=-1)
    .like("input, bins=100, min=0, max=0"),
    "histogram": row(input=A, bins=3, range=(-1.0, 1.0), weight=x(2, 3), density=True).like(
        "input, bins, *, range=None, weight=None, density=False"
    ),
    "is_nonzero": row(input=x(1)).like(ONE),
    "isclose": row(input=A, other=B, rtol=2.0, atol=9.0, equal_nan=True).like(
        "input, other, rtol=1e-05, atol=1e-08, equal_nan=False"
    ),
    "isin": row(elements=WHOLE, test_elements=t([1, 4]), assume_unique=True, invert=True).like(
        "elements, test_elements, *, assume_unique=False, invert=False"
    ),
    "linalg_matrix_rank": row(input=x(3, 3), hermitian=True, atol=1.0, rtol=1.0).like(
        "input, *, hermitian=False, atol=None, rtol=None"
    ),
    "logical_not": row(input=BOOLS).like(ONE),
    "multinomial": row(
        input=unit(2, 3), num_samples=2, replacement=True, generator=Fresh(lambda: torch.Generator().manual_seed(3))
    ).like("input, num_samples, replacement=False, *, generator=None"),
    "nonzero": row(input=WHOLE, as_tuple=True).like("input, *, as_tuple=False"),
    "poisson": row(input=positive(2, 3)).like("input, generator=None"),
    "randint_like": row(input=A, high=9, **LIKE).like(KIND.replace("*", "high, *")),
    "result_type": row(tensor=A, other=WHOLE).like("tensor, other"),
    "round": row(input=A, decimals=1).like("input, *, decimals=0"),
    "searchsorted": row(
        sorted_sequence=t([-1.0, 0.0, 1.0], torch.float64),
        input=A,
        out_int32=True,
        right=True,
        side="right",
        sorter=t([0, 1, 2]),
    ).like("sorted_sequence, input, *, out_int32=False, right=False, side=None, sorter=None"),
    "unique": row(input=WHOLE, sorted=False, return_inverse=True, return_counts=True, dim=0).like(
        "input, sorted=True, return_inverse=False, return_counts=False, dim=None"
    ),
    "unique_consecutive": row(input=WHOLE, return_inverse=True, return_counts=True, dim=0)
    .like("input, return_inverse=False, return_counts=False, dim=None")
    .where_torch_misreads_places("it takes the second for return_counts, and gives no inverse"),
}
