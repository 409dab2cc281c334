"""scaled_dot_product_attention: torch's at both orders, with masks, groups of heads and any batch."""

import importlib
import math

import pytest
import torch
from torch.nn import functional as F  # noqa: N812  torch's own name for it
from torch.nn.attention import SDPBackend, sdpa_kernel

import nexnet as nx
from nexnet.errors import InputError

INF = math.inf


@pytest.fixture
def attend():
    return importlib.import_module("nexnet.triton").scaled_dot_product_attention


def by_formula(query, key, value, mask=None, is_causal=False, **options):
    with sdpa_kernel(SDPBackend.MATH):  # the others have no second derivative
        if mask is not None and mask.dtype is not torch.bool:
            mask = mask.to(query.dtype)
        return F.scaled_dot_product_attention(query, key, value, mask, 0.0, is_causal, **options)


def mask_of(draw, length, sources, dtype):
    kind = draw.choice(("none", "causal", "bool", "added"))
    mask = None
    if kind == "bool":
        mask = draw.tensor(*draw.choice(((length, sources), (1, sources), (2, 1, length, sources)))) > -0.3
    elif kind == "added":
        mask = draw.tensor(*draw.choice(((length, sources), (1, length, sources))), dtype=dtype)
        mask = mask.masked_fill(mask > 1.5, -INF)
    return {"attn_mask": mask, "is_causal": kind == "causal"}


def test_of_drawn_shapes_is_torchs(attend, check, drawn):
    for draw in drawn:
        length, sources, e, d, dtype = (
            draw.size(40),
            draw.randint(1, 40),
            draw.randint(1, 20),
            draw.randint(1, 20),
            draw.dtype(),
        )
        if draw.random() < 0.1:
            length, sources = draw.randint(60, 140), draw.randint(30, 140)  # more than one tile
        batch = draw.choice(((1, 2), (2, 1), (2,), ()))
        how = mask_of(draw, length, sources, dtype)
        if how["attn_mask"] is not None:  # a mask may have fewer dimensions than the scores, and no more elements
            batch = {3: (1, 2), 4: (2, 1)}.get(how["attn_mask"].ndim, batch)
        args, options = tuple(how.values()), {"scale": draw.choice((None, 0.3))}
        shapes = ((length, e), (sources, e), (sources, d))
        check(
            lambda q, k, v, how=how, options=options: attend(q, k, v, **how, **options),
            lambda q, k, v, args=args, options=options: by_formula(q, k, v, *args, **options),
            *[draw.tensor(*batch, *shape, dtype=dtype) for shape in shapes],
        )  # fmt: skip


def test_a_query_that_may_see_nothing_gets_zeros_and_passes_none_on(attend, check):
    q, k, v = (torch.randn(1, 1, 5, 4, dtype=torch.float64) for _ in range(3))
    mask = torch.ones(5, 5, dtype=torch.bool)
    mask[2] = False
    check(lambda q, k, v: attend(q, k, v, mask), lambda q, k, v: by_formula(q, k, v, mask), q, k, v)
    assert attend(*map(nx.LiteTensor, (q, k, v)), mask).data[0, 0, 2].eq(0).all()


def test_of_nothing(attend, check):
    for length, sources in ((0, 3), (3, 0)):
        tensors = [torch.randn(1, 2, n, 4, dtype=torch.float64) for n in (length, sources, sources)]
        out = attend(*map(nx.LiteTensor, tensors)).data
        assert out.shape == (1, 2, length, 4)
        assert out.eq(0).all()
        grads = nx.grad(attend, argnums=(0, 1, 2))(*tensors)
        assert all(g.data.eq(0).all() and g.shape == t.shape for g, t in zip(grads, tensors, strict=True))


def test_nan_stays_in_its_row(attend):
    q, k, v = (torch.randn(1, 1, 5, 4) for _ in range(3))
    q[0, 0, 1, 2] = math.nan
    out = attend(*map(nx.LiteTensor, (q, k, v))).data
    torch.testing.assert_close(out, by_formula(q, k, v), equal_nan=True)
    assert out.isnan().any(-1).flatten().tolist() == [False, True, False, False, False]


def test_groups_of_queries_share_heads(attend, check):
    q, k, v = torch.randn(2, 4, 5, 3), torch.randn(2, 2, 6, 3), torch.randn(2, 2, 6, 3)
    check(
        lambda q, k, v: attend(q, k, v, enable_gqa=True), lambda q, k, v: by_formula(q, k, v, enable_gqa=True), q, k, v
    )


def test_batches_are_broadcast(attend, check):
    q, k, v = torch.randn(2, 3, 5, 3), torch.randn(3, 6, 3), torch.randn(2, 1, 6, 3)
    check(attend, by_formula, q, k, v)


def test_a_gradient_by_the_mask_is_the_ordinary_rules(attend, check):
    q, k, v, mask = (torch.randn(1, 1, 5, 5, dtype=torch.float64) for _ in range(4))
    check(attend, by_formula, q, k, v, mask)


def test_of_a_batch_of_vmap_is_that_of_each(attend):
    q, k, v = (torch.randn(2, 1, 2, 5, 4) for _ in range(3))

    def loss(q, k, v):
        return attend(q, k, v, is_causal=True).square().sum()

    mapped = nx.vmap(nx.grad(loss))(*map(nx.LiteTensor, (q, k, v))).data
    torch.testing.assert_close(mapped, torch.stack([nx.grad(loss)(*each).data for each in zip(q, k, v, strict=True)]))


def test_what_does_not_go_together_is_an_error(attend):
    x = nx.zeros(1, 1, 5, 4)
    with pytest.raises(InputError, match="is_causal is a mask already"):
        attend(x, x, x, torch.ones(5, 5, dtype=torch.bool), is_causal=True)
    with pytest.raises(InputError, match=r"have one dtype(.|\n)*float64"):
        attend(x, x, nx.zeros(1, 1, 5, 4, dtype=torch.float64))
    with pytest.raises(InputError, match=r"not queries, keys and values(.|\n)*\(1, 1, 5, 3\)"):
        attend(x, nx.zeros(1, 1, 5, 3), x)
