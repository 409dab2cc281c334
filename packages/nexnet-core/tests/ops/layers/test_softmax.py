"""softmax and its family: against torch to third order, infinities, and the random one."""

import math

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

import nexnet as nx


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
class TestSoftmax:
    def test_against_torch(self, name, draw, check_against_torch):
        ours, theirs = getattr(nx, name), getattr(F, name)
        for shape, dim in (((3, 4), 1), ((3, 4), 0), ((3, 4), -1), ((2, 3, 4), 1), ((5,), 0), ((), 0), ((0, 3), 1)):
            check_against_torch(lambda x, d=dim: ours(x, d), lambda x, d=dim: theirs(x, dim=d), draw(*shape), order=3)

    def test_non_contiguous_and_expanded(self, name, draw, check_against_torch):
        ours, theirs = getattr(nx, name), getattr(F, name)
        for x in (draw(3, 4).T[::2], draw(3).expand(2, 3)):
            check_against_torch(lambda x: ours(x, dim=0), lambda x: theirs(x, dim=0), x)

    def test_in_another_dtype(self, name, draw, check_against_torch):
        ours, theirs = getattr(nx, name), getattr(F, name)
        check_against_torch(
            lambda x: ours(x, 1, dtype=torch.float64),
            lambda x: theirs(x, 1, dtype=torch.float64),
            draw(3, 4, dtype=torch.float32),
        )

    def test_one_infinity_is_fine_and_all_are_nan(self, name, check_against_torch):
        ours, theirs = getattr(nx, name), getattr(F, name)
        sign = -1 if name == "softmin" else 1
        x = torch.tensor([[0.0, -math.inf, 1.0], [-math.inf, -math.inf, -math.inf]], dtype=torch.float64) * sign
        check_against_torch(lambda x: ours(x, 1), lambda x: theirs(x, 1), x, order=1)
        assert ours(nx.LiteTensor(x), 1).data.isnan().tolist() == [[False] * 3, [True] * 3]

    def test_large_logits_do_not_overflow(self, name):
        x = nx.LiteTensor(torch.tensor([1000.0, -1000.0, 0.0]))
        assert nx.grad(nx.grad(lambda x: getattr(nx, name)(x, 0)))(x).data.isfinite().all()

    def test_on_the_meta_device(self, name):
        x = nx.LiteTensor(torch.empty(2, 3, device="meta"))
        assert nx.grad(lambda x: getattr(nx, name)(x, 1))(x).shape == (2, 3)


class TestGumbelSoftmax:
    def test_draws_as_torch_does(self, draw):
        x = draw(4, 5)
        for options in ({}, {"tau": 0.5, "dim": 0}, {"hard": True}):
            torch.manual_seed(1)
            expected = F.gumbel_softmax(x, **options)
            torch.manual_seed(1)
            torch.testing.assert_close(nx.gumbel_softmax(nx.LiteTensor(x), **options).data, expected)

    def test_the_hard_one_has_the_soft_ones_gradient(self, draw):
        x, c = nx.LiteTensor(draw(4, 5)), draw(4, 5)

        def drawn(hard):
            def loss(x):
                noise = torch.Generator().manual_seed(0)
                return (nx.gumbel_softmax(x, hard=hard, generator=noise) * c).sum()

            return nx.grad(loss)(x).data

        torch.testing.assert_close(drawn(True), drawn(False))
        hard = nx.gumbel_softmax(x, hard=True).data
        assert set(hard.flatten().round(decimals=9).tolist()) == {0.0, 1.0}

    def test_second_order(self, draw, check_against_torch):
        def torchs(x):
            noise = torch.empty_like(x).exponential_(generator=torch.Generator().manual_seed(0))
            return torch.softmax((x - noise.log()) / 0.7, -1)

        def ours(x):
            return nx.gumbel_softmax(x, 0.7, generator=torch.Generator().manual_seed(0))

        check_against_torch(ours, torchs, draw(3, 4))
