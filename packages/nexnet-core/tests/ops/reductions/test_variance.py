"""Variances and standard deviations beside torch, in every form, and where they have no slope."""

import math

import pytest
import torch

import nexnet as nx


@pytest.mark.parametrize("name", ["var", "std", "var_mean", "std_mean"])
@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {}),
        ((False,), {}),
        ((1,), {}),
        (((0, 2), False), {}),
        ((1, True, True), {}),
        ((), {"dim": 1, "correction": 0, "keepdim": True}),
        ((), {"correction": 1.5}),
        ((None,), {"correction": 2}),
    ],
)
def test_variance_in_every_form(name, args, kwargs, check_against_torch, draw):
    check_against_torch(
        lambda x: getattr(nx, name)(x, *args, **kwargs),
        lambda x: getattr(torch, name)(x, *args, **kwargs),
        draw(2, 3, 4),
    )


def test_std_of_constants_has_gradient_zero_and_no_second_one():
    x = nx.tensor([2.0, 2.0, 2.0])
    assert nx.grad(nx.std)(x).tolist() == [0.0, 0.0, 0.0]
    assert nx.grad(lambda x: nx.grad(nx.std)(x)[0])(x).isnan().all()


@pytest.mark.filterwarnings("ignore:.*degrees of freedom is <= 0")
def test_variance_of_one_element_is_nan():
    value, gradient = nx.value_and_grad(nx.var)(nx.tensor([2.0]))
    assert math.isnan(value.item())
    assert math.isnan(gradient.item())
    assert nx.grad(lambda x: nx.var(x, correction=0))(nx.tensor([2.0])).tolist() == [0.0]
