import pytest
import torch

import nexnet
import nexnet_nn as nn


def test_losses_are_the_cores_own_operators():
    for name in nn.losses.__all__:
        assert getattr(nn, name) is getattr(nexnet, name)


LAYERS = [getattr(nn, name) for name in nn.loss_layers.__all__]


@pytest.mark.parametrize("layer", LAYERS)
def test_a_reduction_that_there_is_not_is_refused_where_the_layer_is_made(layer):
    expected = "'none', 'mean', 'sum' or 'batchmean'" if layer is nn.KLDivLoss else "'none', 'mean' or 'sum'"
    with pytest.raises(
        nn.ModuleError, match=rf"no such reduction(.|\n)*{layer.__name__}\n(.|\n)*{expected}\n.*'average'"
    ):
        layer(reduction="average")


def test_the_divergence_has_a_reduction_of_its_own():
    x, t = nexnet.zeros(2, 3), torch.ones(2, 3)
    batchmean = nn.KLDivLoss(reduction="batchmean")(x, t).item()
    assert batchmean == nn.KLDivLoss(reduction="sum")(x, t).item() / 2
    with pytest.raises(nn.ModuleError, match="no such reduction"):
        nn.MSELoss(reduction="batchmean")


@pytest.mark.parametrize("share", [1.5, -0.5, float("nan"), None])
def test_a_label_smoothing_is_a_share(share):
    with pytest.raises(nn.ModuleError, match=rf"label_smoothing is no probability(.|\n)*<= 1\n.*{share}"):
        nn.CrossEntropyLoss(label_smoothing=share)
