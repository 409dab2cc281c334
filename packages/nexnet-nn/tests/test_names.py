"""The names that a user of torch.nn types: each is there, or an error says what to write."""

import pytest
import torch

import nexnet_nn as nn

CLASSES = [name for name, value in vars(torch.nn).items() if isinstance(value, type)]


@pytest.mark.parametrize("name", [*CLASSES, "functional", "utils"])
def test_a_name_of_torchs_is_there_or_says_what_to_write(name):
    if name in nn.__all__:
        assert callable(getattr(nn, name))
    else:
        with pytest.raises(nn.MissingNameError, match=rf"no \w+, which torch.nn has[\s\S]*{name[-4:]}[\s\S]*remedy"):
            getattr(nn, name)


def test_what_the_errors_name_is_there():
    with pytest.raises(nn.MissingNameError, match=r"nn\.BatchNorm\(channels\)"):
        _ = nn.SyncBatchNorm
    with pytest.raises(nn.MissingNameError, match=r"nn\.Conv2d with its sizes given"):
        _ = nn.LazyConv2d
    with pytest.raises(nn.MissingNameError, match=r"functional_call\(torch\.nn\.AdaptiveLogSoftmaxWithLoss\("):
        _ = nn.AdaptiveLogSoftmaxWithLoss


def test_any_other_name_is_an_ordinary_error():
    with pytest.raises(AttributeError, match=r"module 'nexnet_nn' has no attribute 'Lin'"):
        _ = nn.Lin
    assert not hasattr(nn, "Lin")


def test_what_is_exported_is_there_once():
    assert len(nn.__all__) == len(set(nn.__all__))
    assert all(getattr(nn, name).__doc__ for name in nn.__all__)
