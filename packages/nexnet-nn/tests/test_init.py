import functools

import pytest
import torch

import nexnet_nn as nn
from nexnet.errors import InputError
from nexnet_nn import init

CASES = [
    (init.xavier_uniform, torch.nn.init.xavier_uniform_, {}),
    (init.xavier_uniform, torch.nn.init.xavier_uniform_, {"gain": 2.0}),
    (init.xavier_normal, torch.nn.init.xavier_normal_, {"gain": 0.5}),
    (init.kaiming_uniform, torch.nn.init.kaiming_uniform_, {}),
    (init.kaiming_uniform, torch.nn.init.kaiming_uniform_, {"nonlinearity": "relu", "mode": "fan_out"}),
    (init.kaiming_normal, torch.nn.init.kaiming_normal_, {"a": 0.3}),
    (init.normal, torch.nn.init.normal_, {"mean": 1.0, "std": 2.0}),
    (init.uniform, torch.nn.init.uniform_, {}),
]


@pytest.mark.parametrize(("mine", "theirs", "options"), CASES)
@pytest.mark.parametrize("shape", [(5, 3), (4, 2, 3, 3)])
def test_the_numbers_are_torchs(mine, theirs, options, shape):
    expected = theirs(torch.empty(shape, dtype=torch.float64), generator=torch.Generator().manual_seed(3), **options)
    got = mine(shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64, **options)
    assert torch.equal(got.data, expected)


def test_the_formulas_hold():
    generator = torch.Generator().manual_seed(0)
    weight = init.xavier_uniform((200, 300), generator=generator).data
    bound = (6 / 500) ** 0.5
    assert weight.abs().max() <= bound
    assert weight.std() == pytest.approx(bound / 3**0.5, rel=0.02)
    weight = init.kaiming_normal((200, 300), nonlinearity="relu", generator=generator).data
    assert weight.std() == pytest.approx((2 / 300) ** 0.5, rel=0.02)


def test_without_a_generator_torchs_global_one_is_used():
    torch.manual_seed(5)
    a = init.normal((3,))
    torch.manual_seed(5)
    assert torch.equal(init.normal((3,)).data, a.data)


def test_constants():
    assert init.zeros((2,)).tolist() == [0.0, 0.0]
    assert init.ones((2,), dtype=torch.float64).dtype is torch.float64
    assert init.constant((2, 1), 3).tolist() == [[3.0], [3.0]]
    assert init.constant((2, 1), 3).dtype is torch.float32


def test_device_and_dtype():
    weight = init.normal((2, 2), generator=torch.Generator().manual_seed(0), dtype=torch.bfloat16, device="meta")
    assert (weight.dtype, weight.device.type) == (torch.bfloat16, "meta")


@pytest.mark.parametrize("initializer", [init.xavier_uniform, init.xavier_normal, init.kaiming_uniform])
def test_fans_need_two_dimensions(initializer):
    with pytest.raises(InputError, match=rf"two dimensions[\s\S]*{initializer.__name__}[\s\S]*\(3,\)"):
        initializer((3,))


def test_a_bound_initializer_fits_a_layer():
    generator = torch.Generator().manual_seed(1)
    layer = nn.Dense(3, 2, init=functools.partial(init.constant, value=0.5), generator=generator)
    assert layer.weight.tolist() == [[0.5] * 3] * 2
