import optree
import pytest
import torch

import nexnet
import nexnet_nn as nn
from nexnet import LiteTensor


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_dense_is_torchs_linear():
    layer = nn.Dense(3, 2, generator=generator(), dtype=torch.float64)
    twin = torch.nn.Linear(3, 2, dtype=torch.float64)
    twin.load_state_dict({name: leaf.data for name, leaf in layer.named_parameters()})
    x = torch.randn(4, 5, 3, dtype=torch.float64, generator=generator(1))
    torch.testing.assert_close(layer(LiteTensor(x)).data, twin(x).detach())
    torch.testing.assert_close(layer(x).data, twin(x).detach())  # a batch may be a plain torch tensor


def test_dense_starts_as_xavier_with_zero_bias():
    layer = nn.Dense(3, 2, generator=generator())
    assert torch.equal(layer.weight.data, nn.init.xavier_uniform((2, 3), generator=generator()).data)
    assert layer.bias.tolist() == [0.0, 0.0]


def test_dense_without_bias():
    layer = nn.Dense(3, 2, bias=False, dtype=torch.float64)
    x = LiteTensor(torch.ones(1, 3, dtype=torch.float64))
    assert layer.bias is None
    torch.testing.assert_close(layer(x).data, layer.weight.data.sum(1)[None])


def test_sequential_calls_modules_and_functions():
    first, last = nn.Dense(2, 3, generator=generator()), nn.Dense(3, 1, generator=generator(1))
    model = nn.Sequential(first, nexnet.relu, last)
    x = LiteTensor([[1.0, -2.0]])
    assert torch.equal(model(x).data, last(nexnet.relu(first(x))).data)
    assert (len(model), model[0], list(model)) == (3, first, [first, nexnet.relu, last])
    assert len(optree.tree_leaves(model, namespace="nexnet")) == 4


def test_sequential_hands_a_generator_on():
    model = nn.Sequential(nn.Dropout(0.5), nexnet.relu, nn.Sequential(nn.AlphaDropout(0.5)), nn.Dense(6, 2))
    x = LiteTensor(torch.randn(4, 6, generator=generator()))
    draws = generator(3)
    expected = nn.AlphaDropout(0.5)(nexnet.relu(nn.Dropout(0.5)(x, draws)), draws)
    assert torch.equal(model(x, generator(3)).data, model.layers[3](expected).data)
    assert torch.equal(model(x).data, model.layers[3](nexnet.relu(x)).data)


def test_sequential_refuses_what_it_cannot_call():
    with pytest.raises(nn.ModuleError, match=r"callable[\s\S]*layers\[1\][\s\S]*Sequential\(\*layers\)"):
        nn.Sequential(nexnet.relu, [nexnet.relu])


def test_mlp_is_torchs():
    model = nn.MLP([4, 3, 3, 2], nexnet.tanh, generator=generator(), dtype=torch.float64)
    twin = torch.nn.Sequential(
        torch.nn.Linear(4, 3), torch.nn.Tanh(), torch.nn.Linear(3, 3), torch.nn.Tanh(), torch.nn.Linear(3, 2)
    ).double()
    with torch.no_grad():
        for own, leaf in zip(twin.parameters(), model.parameters(), strict=True):
            own.copy_(leaf.data)
    x = torch.randn(5, 4, dtype=torch.float64, generator=generator(1))
    y = torch.tensor([0, 1, 1, 0, 1])
    expected = torch.nn.functional.cross_entropy(twin(x), y)
    value, grads = nexnet.value_and_grad(lambda m: nn.cross_entropy(m(x), y))(model)
    torch.testing.assert_close(value.data, expected.detach())
    for mine, theirs in zip(grads.parameters(), torch.autograd.grad(expected, list(twin.parameters())), strict=True):
        torch.testing.assert_close(mine.data, theirs, rtol=1e-12, atol=1e-12)


def test_mlp_computes_a_layer_and_its_relu_in_one():
    mlp = nn.MLP([3, 4, 4, 2], generator=generator())
    x = LiteTensor(torch.randn(5, 3, generator=generator(1)))
    out, tape = nexnet.trace(lambda model: model(x))(mlp)
    assert [node.name for node in tape.nodes] == ["linear_relu", "linear_relu", "linear"]
    first, second, last = mlp.layers
    assert torch.equal(out.data, last(nexnet.relu(second(nexnet.relu(first(x))))).data)


def test_mlp_calls_a_layer_of_ones_own():
    class Twice(nn.Dense):
        def __call__(self, x):
            return 2 * super().__call__(x)

    mlp = nn.MLP([2, 3, 1], generator=generator())
    mlp = mlp.replace(layers=(Twice(2, 3, generator=generator(1)), mlp.layers[1]))
    x = LiteTensor([[1.0, -2.0]])
    assert torch.equal(mlp(x).data, mlp.layers[1](nexnet.relu(mlp.layers[0](x))).data)


def test_one_seed_gives_one_mlp():
    a, b = (nn.MLP([3, 2, 1], generator=generator(4)) for _ in range(2))
    assert all(torch.equal(p.data, q.data) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_mlp_needs_two_sizes():
    with pytest.raises(nn.ModuleError, match=r"sizes[\s\S]*\[3\]"):
        nn.MLP([3])


@pytest.mark.parametrize("features", [0, -1])
def test_a_bilinear_layer_of_nothing_is_refused(features):
    with pytest.raises(nn.ModuleError, match=rf"no features(.|\n)*in1_features(.|\n)*>= 1\n.*{features}"):
        nn.Bilinear(features, 2, 3)


@pytest.mark.parametrize(
    "make",
    [
        lambda wrong: nn.MLP([2, 2], activation=wrong),
        lambda wrong: nn.TransformerBlock(4, 2, activation=wrong),
        lambda wrong: nn.TransformerEncoderLayer(4, 2, activation=wrong),
    ],
    ids=["MLP", "TransformerBlock", "TransformerEncoderLayer"],
)
def test_an_activation_is_a_function(make):
    with pytest.raises(nn.ModuleError, match=r"activation must be callable(.|\n)*3 \(int\)"):
        make(3)
