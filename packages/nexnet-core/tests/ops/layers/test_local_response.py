"""Normalisation by the neighbouring channels, against torch to second order."""

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

import nexnet as nx
from nexnet.errors import InputError


@pytest.mark.parametrize("shape", [(2, 5, 3), (2, 4, 3, 2), (1, 3, 2, 1, 2)], ids=str)
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_local_response_norm(shape, size, draw, check_against_torch):
    check_against_torch(
        lambda x: nx.local_response_norm(x, size, 0.3, 0.6, 0.9),
        lambda x: F.local_response_norm(x, size, 0.3, 0.6, 0.9),
        draw(*shape),
    )


def test_errors():
    with pytest.raises(InputError, match="not the dimensions of a batch of channels"):
        nx.local_response_norm(nx.zeros(2, 3), 2)


def test_on_the_meta_device():
    x = nx.LiteTensor(torch.empty(4, 3, 2, device="meta"))
    assert nx.grad(lambda x: nx.local_response_norm(x, 3))(x).shape == (4, 3, 2)
