"""Dropout: one draw at every order, torch's numbers, and what each form leaves unchanged."""

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

import nexnet as nx
from nexnet.errors import InputError


class TestDropout:
    def test_zeroes_some_and_scales_the_others(self):
        x = torch.ones(1000)
        out = nx.dropout(nx.LiteTensor(x), 0.25, generator=torch.Generator().manual_seed(0)).data
        assert set(out.tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
        assert 0.7 < (out != 0).float().mean() < 0.8

    def test_the_gradient_has_the_mask_of_the_value(self):
        value, gradient = nx.value_and_grad(nx.dropout)(nx.LiteTensor(torch.ones(100)))
        assert torch.equal(value.data, gradient.data)

    def test_the_mask_is_drawn_once_at_every_order(self):
        generator = torch.Generator().manual_seed(0)
        x = nx.LiteTensor(torch.full((100,), 2.0))

        def cube(x):
            dropped = nx.dropout(x, generator=generator)
            return dropped * dropped * dropped

        second = nx.grad(nx.grad(cube))(x).data
        after = generator.get_state()
        generator.manual_seed(0)
        kept = nx.dropout(x, generator=generator).data != 0
        assert torch.equal(generator.get_state(), after)
        assert torch.equal(second, torch.where(kept, 6 * 2.0 * 8, 0.0))

    def test_draws_as_torch_does(self):
        x = torch.randn(50)
        torch.manual_seed(1)
        expected = F.dropout(x, 0.3)
        torch.manual_seed(1)
        torch.testing.assert_close(nx.dropout(nx.LiteTensor(x), 0.3).data, expected)

    def test_is_nothing_when_not_training(self):
        x = nx.LiteTensor(torch.randn(3))
        for fn in (lambda x: nx.dropout(x, training=False), lambda x: nx.dropout(x, 0.0)):
            value, gradient = nx.value_and_grad(fn)(x)
            assert torch.equal(value.data, x.data)
            assert gradient.data.tolist() == [1.0, 1.0, 1.0]

    def test_of_everything(self):
        value, gradient = nx.value_and_grad(lambda x: nx.dropout(x, 1.0))(nx.LiteTensor(torch.ones(3)))
        assert value.data.tolist() == gradient.data.tolist() == [0.0, 0.0, 0.0]

    def test_p_is_a_probability(self):
        with pytest.raises(InputError, match="p is no probability"):
            nx.dropout(nx.LiteTensor(1.0), 1.5)


FAMILY = {
    "alpha_dropout": (4, 5),
    "feature_alpha_dropout": (4, 5, 3),
    "feature_dropout": (4, 5, 3),
    "dropout1d": (4, 5, 3),
    "dropout2d": (4, 5, 3, 2),
    "dropout3d": (4, 5, 3, 2, 2),
}


@pytest.mark.parametrize("name", FAMILY)
class TestFamily:
    def test_draws_as_torch_does(self, name, draw):
        x = draw(*FAMILY[name])
        theirs = getattr(F, name, None) or getattr(torch, name)
        torch.manual_seed(1)
        expected = theirs(x, 0.4, True)
        torch.manual_seed(1)
        out = theirs(nx.LiteTensor(x), 0.4, True)
        torch.testing.assert_close(out.data, expected)

    def test_the_gradient_is_what_it_multiplied_by(self, name, draw):
        x, generator = draw(*FAMILY[name]), torch.Generator()
        fn = getattr(nx, name)
        _, gradient = nx.value_and_grad(lambda x: fn(x, 0.4, True, generator=generator.manual_seed(0)))(
            nx.LiteTensor(x)
        )
        step = fn(nx.LiteTensor(x + 1), 0.4, True, generator=generator.manual_seed(0))
        here = fn(nx.LiteTensor(x), 0.4, True, generator=generator.manual_seed(0))
        torch.testing.assert_close(gradient.data, (step - here).data)
        assert 0 < (gradient.data == 0).double().mean() < 1

    def test_without_training(self, name, draw):
        x = nx.LiteTensor(draw(*FAMILY[name]))
        assert torch.equal(getattr(nx, name)(x, 0.4, False).data, x.data)

    def test_in_place_is_refused(self, name):
        if name == "feature_dropout":
            pytest.skip("it has no such argument in torch either")
        with pytest.raises(InputError, match="inplace=True writes into a tensor"):
            getattr(nx, name)(nx.zeros(*FAMILY[name]), 0.4, True, True)


class TestFamilyAtLarge:
    def test_whole_channels_are_dropped(self):
        out = nx.dropout2d(nx.ones(8, 16, 3, 3)).data.flatten(2)
        assert torch.equal(out.amin(2), out.amax(2))
        assert set(out.flatten().tolist()) == {0.0, 2.0}

    def test_without_a_batch(self):
        for fn, shape in ((nx.dropout1d, (16, 3)), (nx.dropout3d, (16, 2, 2, 2))):
            out = fn(nx.ones(*shape)).data.flatten(1)
            assert torch.equal(out.amin(1), out.amax(1))
            assert set(out.flatten().tolist()) == {0.0, 2.0}

    def test_alpha_dropout_keeps_mean_and_variance(self):
        x = torch.randn(100000, generator=torch.Generator().manual_seed(0))
        out = nx.alpha_dropout(nx.LiteTensor(x), 0.3, True, generator=torch.Generator().manual_seed(1)).data
        assert abs(out.mean().item()) < 0.02
        assert abs(out.std().item() - 1) < 0.02

    def test_dimensions(self):
        with pytest.raises(InputError, match="not the dimensions of this dropout"):
            nx.dropout1d(nx.zeros(3))
        with pytest.raises(InputError, match="wants an input with channels"):
            nx.feature_dropout(nx.zeros(3), 0.5, True)
        with pytest.warns(UserWarning, match=r"dropout2d is for \(N, C, H, W\)"):
            nx.dropout2d(nx.zeros(2, 3, 4))

    def test_the_mask_of_each_example(self):
        """Under vmap as torch has it: different or the same."""
        x = nx.ones(5, 100)
        drop = nx.vmap(nx.dropout, randomness="different")
        assert nx.grad(lambda x: drop(x))(x).data.unique(dim=0).shape[0] == 5


def test_dropout_in_place_is_refused():
    with pytest.raises(InputError, match="inplace=True writes into a tensor"):
        nx.dropout(nx.LiteTensor(torch.ones(3)), inplace=True)
