"""Running statistics of torch's normalisations: written as torch writes them, in training, and used in evaluation."""

import pytest
import torch
from torch import nn

LAYERS = {
    "BatchNorm1d": lambda: nn.BatchNorm1d(3),
    "BatchNorm2d, cumulative": lambda: nn.BatchNorm2d(3, momentum=None),
    "InstanceNorm1d": lambda: nn.InstanceNorm1d(3, affine=True, track_running_stats=True),
    "InstanceNorm2d": lambda: nn.InstanceNorm2d(3, affine=True, track_running_stats=True, momentum=0.5),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_they_are_torchs(name, training, compare):
    torch.manual_seed(0)
    layer = LAYERS[name]().double().train(training)
    layer(torch.randn(4, 3, *[5] * (2 if "2d" in name else 1)).double())
    compare.models(layer, torch.randn(4, 3, *[5] * (2 if "2d" in name else 1)).double())
