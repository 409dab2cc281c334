"""Convolutions and pooling as layers: torch's in value, gradient and initial state."""

import pytest
import torch

import nexnet
import nexnet_nn as nn
from nexnet import LiteTensor

IMAGE = {1: (2, 4, 7), 2: (2, 4, 6, 5), 3: (2, 4, 4, 5, 3)}
every_size = pytest.mark.parametrize("dims", [1, 2, 3])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def image(dims, dtype=torch.float64):
    return torch.randn(IMAGE[dims], dtype=dtype, generator=generator(1))


def twins(name, *args, **options):
    """Give nexnet's layer and torch's, with the same parameters."""
    layer = getattr(nn, name)(*args, generator=generator(), dtype=torch.float64, **options)
    twin = getattr(torch.nn, name)(*args, dtype=torch.float64, **options)
    twin.load_state_dict({name: leaf.data for name, leaf in layer.named_parameters()})
    return layer, twin


def check_twins(layer, twin, x):
    """Compare the values, and the gradients by every parameter and by the input."""
    leaf = x.clone().requires_grad_()
    expected = twin(leaf)
    torch.testing.assert_close(layer(x).data, expected.detach(), rtol=1e-12, atol=1e-12)
    grads, by_x = nexnet.grad(lambda layer, x: (layer(x) ** 2).sum(), (0, 1))(layer, LiteTensor(x))
    theirs = torch.autograd.grad((expected**2).sum(), [*twin.parameters(), leaf])
    for mine, other in zip([*grads.parameters(), by_x], theirs, strict=True):
        torch.testing.assert_close(mine.data, other, rtol=1e-10, atol=1e-10)


@every_size
class TestConvolutions:
    @pytest.mark.parametrize(
        "options",
        [{}, {"stride": 2, "padding": 1}, {"dilation": 2, "groups": 2}, {"padding": "same", "bias": False}],
    )
    def test_direct(self, dims, options):
        size = 3 if dims < 3 or options.get("padding") else 2
        check_twins(*twins(f"Conv{dims}d", 4, 6, size, **options), image(dims))

    @pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
    def test_padding_modes(self, dims, mode):
        for padding in (1, "same", "valid"):
            check_twins(*twins(f"Conv{dims}d", 4, 2, 3, padding=padding, padding_mode=mode), image(dims))

    @pytest.mark.parametrize("options", [{}, {"stride": 2, "output_padding": 1}, {"groups": 2, "padding": 1}])
    def test_transposed(self, dims, options):
        check_twins(*twins(f"ConvTranspose{dims}d", 4, 6, 3, **options), image(dims))

    def test_they_start_as_torchs(self, dims):
        for name in (f"Conv{dims}d", f"ConvTranspose{dims}d"):
            torch.manual_seed(5)
            layer = getattr(nn, name)(4, 6, 3, groups=2)
            torch.manual_seed(5)
            twin = getattr(torch.nn, name)(4, 6, 3, groups=2)
            assert torch.equal(layer.weight.data, twin.weight.detach())
            assert torch.equal(layer.bias.data, twin.bias.detach())

    def test_one_seed_gives_one_layer(self, dims):
        one, other = (getattr(nn, f"Conv{dims}d")(4, 6, 3, generator=generator(3)) for _ in range(2))
        assert torch.equal(one.weight.data, other.weight.data)
        assert torch.equal(one.bias.data, other.bias.data)


@every_size
def test_pooling(dims):
    x = image(dims)
    for name, args in (("MaxPool", (2, 1)), ("AvgPool", (2,)), ("AdaptiveAvgPool", (2,)), ("AdaptiveMaxPool", (1,))):
        layer, twin = getattr(nn, f"{name}{dims}d")(*args), getattr(torch.nn, f"{name}{dims}d")(*args)
        assert layer.parameters() == []
        torch.testing.assert_close(layer(x).data, twin(x))
        mine = nexnet.grad(lambda x, layer=layer: (layer(x) ** 2).sum())(LiteTensor(x)).data
        leaf = x.clone().requires_grad_()
        torch.testing.assert_close(mine, torch.autograd.grad((twin(leaf) ** 2).sum(), leaf)[0])


def test_flatten():
    x = nexnet.zeros(2, 3, 4)
    assert nn.Flatten()(x).shape == (2, 12)
    assert nn.Flatten(0, 1)(x).shape == (6, 4)


def test_a_network_of_them_is_one_module():
    net = nn.Sequential(
        nn.Conv2d(1, 3, 3, generator=generator()),
        nexnet.relu,
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dense(27, 2, generator=generator(1)),
    )
    x, y = nexnet.randn(4, 1, 8, 8, generator=generator(2)), torch.tensor([0, 1, 1, 0])
    sgd = nn.SGD(lr=0.5)
    state = sgd.init(net)
    losses = []
    for _ in range(20):
        value, grads = nexnet.value_and_grad(lambda net: nn.cross_entropy(net(x), y))(net)
        net, state = sgd.update(net, grads, state)
        losses.append(value.item())
    assert [name for name, _ in net.named_parameters()] == [
        "layers.0.weight",
        "layers.0.bias",
        "layers.4.weight",
        "layers.4.bias",
    ]
    assert losses[-1] < losses[0] / 5


def test_gradients_of_gradients():
    layer, twin = twins("Conv2d", 4, 2, 3)
    x = image(2)

    def penalty(layer):
        return (nexnet.grad(lambda x: nexnet.tanh(layer(x)).sum())(LiteTensor(x)) ** 2).sum()

    leaf = x.clone().requires_grad_()
    (by_x,) = torch.autograd.grad(torch.tanh(twin(leaf)).sum(), leaf, create_graph=True)
    theirs = torch.autograd.grad((by_x**2).sum(), list(twin.parameters()))
    for mine, other in zip(nexnet.grad(penalty)(layer).parameters(), theirs, strict=True):
        torch.testing.assert_close(mine.data, other, rtol=1e-10, atol=1e-10)


def test_the_sizes_are_part_of_the_structure():
    layer = nn.Conv2d(1, 2, (3, 5), stride=2, generator=generator())
    assert (layer.weight.shape, layer.stride, layer.padding) == ((2, 1, 3, 5), (2, 2), (0, 0))
    assert "(2, 1, 3, 5) float32" in repr(layer)


def test_the_documentation_names_the_arguments():
    for layer in (nn.Conv2d, nn.ConvTranspose1d):
        assert "kernel_size: of the window." in layer.__doc__


def test_bad_layers():
    with pytest.raises(nn.ModuleError, match=r"divided into that many groups[\s\S]*groups 2, in_channels 3"):
        nn.Conv1d(3, 4, 2, groups=2)
    with pytest.raises(nn.ModuleError, match=r"no such padding[\s\S]*mirror"):
        nn.Conv1d(3, 4, 2, padding_mode="mirror")
    with pytest.raises(nn.ModuleError, match=r"number for each dimension[\s\S]*kernel_size[\s\S]*1 or 2"):
        nn.Conv2d(3, 4, (2, 2, 2))


LAYERS = [nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kernel_size", 0), ("kernel_size", 3.0), ("stride", 0), ("stride", 1.5), ("dilation", -1), ("padding", -1),
        ("padding", 0.5), ("padding", None),
    ],
)  # fmt: skip
def test_a_size_that_is_none_is_refused_where_the_layer_is_made(layer, name, value):
    said = rf"no such size(.|\n)*{name}\n(.|\n)*integers, each >= {int(name != 'padding')}\n.*{value}"
    with pytest.raises(nn.ModuleError, match=said):
        layer(2, 4, **{"kernel_size": 3, name: value})


@pytest.mark.parametrize("mode", ["zeros", "circular"])
def test_a_padding_of_another_name_is_refused(mode):
    with pytest.raises(nn.ModuleError, match=r"no such padding(.|\n)*'valid' or 'same'\n.*'full'"):
        nn.Conv2d(2, 4, 3, padding="full", padding_mode=mode)  # of circular it was taken for "same"
    with pytest.raises(nn.ModuleError, match=r"no such size(.|\n)*padding\n(.|\n)*'same'"):
        nn.ConvTranspose2d(2, 4, 3, padding="same")


def test_a_stride_does_not_keep_the_size():
    with pytest.raises(nn.ModuleError, match=r"does not keep the size(.|\n)*'same' with stride \(1, 2\)"):
        nn.Conv2d(2, 4, 3, padding="same", stride=(1, 2))
    assert nn.Conv2d(2, 4, 3, padding="same", stride=2, padding_mode="circular")(nexnet.ones(2, 8, 8)).shape == (
        4,
        4,
        4,
    )


def test_what_crops_is_no_padding_of_zeros():
    assert nn.Conv2d(2, 4, 3, padding=-1, padding_mode="circular")(nexnet.ones(2, 8, 8)).shape == (4, 4, 4)
