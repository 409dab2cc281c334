import pytest
import torch

import nexnet
import nexnet_nn as nn
from nexnet import LiteTensor


def model():
    return nn.MLP([3, 4, 2], generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("method", ["update", "update_"])
def test_each_optimiser_moves_its_own_parameters(method):
    m, grads = model(), model()
    optimizer = nn.ByPath({"*.bias": nn.SGD(1.0, momentum=0.9), "layers.0.*": nn.Muon(0.1), "*": nn.Adam(0.01)})
    alone = {"0": nn.Muon(0.1), "1": nn.Adam(0.01)}
    state = optimizer.init(m)
    expected = {}
    for i, other in alone.items():
        part, slope = [m.layers[int(i)].weight], [grads.layers[int(i)].weight]
        (expected[i],), _ = other.update(part, slope, other.init(part))
    biases = [layer.bias.data - layer.bias.data for layer in grads.layers]
    m, state = getattr(optimizer, method)(m, grads, state)
    assert isinstance(m, nn.MLP)
    for i in (0, 1):
        torch.testing.assert_close(m.layers[i].weight.data, expected[str(i)].data, rtol=1e-12, atol=0)
        torch.testing.assert_close(m.layers[i].bias.data, biases[i])
    m, state = getattr(optimizer, method)(m, grads, state)
    assert [type(each) for each in state] == [nn.SGDState, nn.MuonState, nn.AdamState]
    assert state[2].step.item() == 2


def test_it_is_differentiable_and_takes_gradients_of_low_rank():
    m, x = model(), LiteTensor(torch.ones(1, 3, dtype=torch.float64))
    optimizer = nn.ByPath({"*.weight": nn.SGD(0.1), "*": nn.SGD(0.2)})

    def after(m):
        grads = nexnet.grad(lambda m: m(x).square().sum())(m)
        return optimizer.update(m, grads, optimizer.init(m))[0](x).sum()

    assert all(g.data.abs().sum() > 0 for g in nexnet.grad(after)(m).parameters())
    dense, _ = optimizer.update(m, nexnet.grad(lambda m: m(x).square().sum())(m), optimizer.init(m))
    low_rank = nexnet.grad(lambda m: m(x).square().sum(), low_rank=True)(m)
    m, _ = optimizer.update_(m, low_rank, optimizer.init(m))
    for got, want in zip(m.parameters(), dense.parameters(), strict=True):
        torch.testing.assert_close(got.data, want.data)


def test_what_is_refused():
    with pytest.raises(nn.OptimizerError, match=r"is no optimiser's[\s\S]*layers\.0\.weight[\s\S]*end with"):
        nn.ByPath({"*.bias": nn.SGD()}).init(model())
    with pytest.raises(nn.OptimizerError, match=r"are matrices[\s\S]*\(4,\)"):
        nn.ByPath({"*": nn.Muon()}).init(model())
    by_path = nn.ByPath({"*": nn.SGD()})
    with pytest.raises(nn.OptimizerError, match=r"not that of these optimisers[\s\S]*1 states"):
        by_path.update(model(), model(), ())
    with pytest.raises(nn.OptimizerError, match="no optimiser to choose"):
        nn.ByPath({})
    assert repr(nn.ByPath({"*": nn.Lion()})).startswith("ByPath({'*': Lion(lr=0.0001")
