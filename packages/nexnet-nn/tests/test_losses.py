import nexnet
import nexnet_nn as nn


def test_losses_are_the_cores_own_operators():
    for name in nn.losses.__all__:
        assert getattr(nn, name) is getattr(nexnet, name)
