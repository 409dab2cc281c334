"""Layers beside torch's of the same name: values, and gradients by the first input and the parameters."""

from functools import partial

import pytest
import torch

import nexnet
import nexnet_nn as nn
from nexnet import LiteTensor


def draw(*shape, seed=1):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def probabilities(*shape, seed=1):
    return draw(*shape, seed=seed).softmax(-1)


SIGNS = torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64)
CLASSES = torch.tensor([1, 0, 3])
X, Y, Z = (partial(draw, 3, 4, seed=seed) for seed in (1, 2, 3))
IMAGE = partial(draw, 2, 4, 6, 6)
POOL = partial(nexnet.max_pool2d, kernel_size=2, return_indices=True)

#: Name: arguments, options, inputs.
LAYERS = {
    "ReLU": ((), {}, [X]),
    "ReLU6": ((), {}, [X]),
    "LeakyReLU": ((0.2,), {}, [X]),
    "ELU": ((0.7,), {}, [X]),
    "CELU": ((0.7,), {}, [X]),
    "SELU": ((), {}, [X]),
    "GELU": ((), {"approximate": "tanh"}, [X]),
    "GLU": ((0,), {}, [partial(draw, 4, 3)]),
    "SiLU": ((), {}, [X]),
    "Mish": ((), {}, [X]),
    "Sigmoid": ((), {}, [X]),
    "LogSigmoid": ((), {}, [X]),
    "Tanh": ((), {}, [X]),
    "Tanhshrink": ((), {}, [X]),
    "Softplus": ((2.0, 1.0), {}, [X]),
    "Softsign": ((), {}, [X]),
    "Softshrink": ((0.3,), {}, [X]),
    "Hardshrink": ((0.3,), {}, [X]),
    "Hardsigmoid": ((), {}, [X]),
    "Hardswish": ((), {}, [X]),
    "Hardtanh": ((-0.5, 0.7), {}, [X]),
    "Threshold": ((0.1, 2.0), {}, [X]),
    "Softmax": ((0,), {}, [X]),
    "LogSoftmax": ((1,), {}, [X]),
    "Softmin": ((-1,), {}, [X]),
    "Softmax2d": ((), {}, [IMAGE]),
    "PReLU": ((4,), {}, [IMAGE]),
    "RReLU": ((0.1, 0.2), {}, [X]),
    "Identity": ((7,), {"bias": 3}, [X]),
    "Flatten": ((), {}, [IMAGE]),
    "Unflatten": ((1, (2, 2)), {}, [X]),
    "PixelShuffle": ((2,), {}, [IMAGE]),
    "PixelUnshuffle": ((2,), {}, [IMAGE]),
    "ChannelShuffle": ((2,), {}, [IMAGE]),
    "Unfold": ((3,), {"padding": 1}, [IMAGE]),
    "Fold": (((5, 4), 2), {}, [partial(draw, 2, 8, 12)]),
    "Upsample": ((), {"scale_factor": 1.5, "mode": "bilinear", "align_corners": True}, [IMAGE]),
    "LPPool1d": ((2.0, 2), {}, [X]),
    "LPPool2d": ((3.0, 2), {"ceil_mode": True}, [lambda: IMAGE().abs()]),
    "LPPool3d": ((2.0, 2), {}, [partial(draw, 2, 4, 4, 4)]),
    "MaxUnpool1d": ((2,), {}, [X, lambda: torch.arange(0, 8, 2).expand(3, 4)]),
    "MaxUnpool2d": ((2,), {}, [partial(draw, 2, 4, 3, 3), lambda: POOL(IMAGE())[1].data]),
    "MaxUnpool3d": ((2,), {}, [partial(draw, 1, 1, 1, 2), lambda: torch.tensor([[[[0, 13]]]])]),
    "CosineSimilarity": ((), {}, [X, Y]),
    "PairwiseDistance": ((), {"p": 3.0, "keepdim": True}, [X, Y]),
    "Bilinear": ((4, 4, 2), {}, [X, Y]),
    "Linear": ((4, 2), {}, [X]),
    "EmbeddingBag": ((5, 3, None, 2.0, False, "sum"), {}, [lambda: torch.tensor([[0, 4], [1, 1]])]),
    "InstanceNorm2d": ((4,), {"affine": True}, [IMAGE]),
    "InstanceNorm1d": ((4,), {}, [partial(draw, 2, 4, 3)]),
    "LocalResponseNorm": ((3,), {"alpha": 0.1}, [IMAGE]),
    "BCELoss": ((), {}, [partial(probabilities, 3, 4), partial(probabilities, 3, 4, seed=2)]),
    "BCEWithLogitsLoss": ((), {"pos_weight": draw(4).abs()}, [X, partial(probabilities, 3, 4)]),
    "CTCLoss": (
        (),
        {"zero_infinity": True},
        [
            lambda: draw(6, 2, 5).log_softmax(-1),
            lambda: torch.tensor([[1, 2, 2], [3, 4, 1]]),
            lambda: torch.tensor([6, 5]),
            lambda: torch.tensor([3, 2]),
        ],
    ),
    "CosineEmbeddingLoss": ((0.1,), {}, [X, Y, lambda: SIGNS]),
    "CrossEntropyLoss": ((draw(4).abs(),), {"label_smoothing": 0.1}, [X, lambda: CLASSES]),
    "GaussianNLLLoss": ((), {"full": True}, [X, Y, lambda: Z().abs() + 0.1]),
    "HingeEmbeddingLoss": ((2.0,), {}, [partial(draw, 3), lambda: SIGNS]),
    "HuberLoss": ((), {"delta": 0.5, "reduction": "sum"}, [X, Y]),
    "KLDivLoss": ((), {"reduction": "batchmean"}, [X, partial(probabilities, 3, 4)]),
    "L1Loss": ((), {}, [X, Y]),
    "MSELoss": ((), {"reduction": "none"}, [X, Y]),
    "MarginRankingLoss": ((0.3,), {}, [partial(draw, 3), partial(draw, 3, seed=2), lambda: SIGNS]),
    "MultiLabelMarginLoss": ((), {}, [X, lambda: torch.tensor([[1, 0, -1, 2]] * 3)]),
    "MultiLabelSoftMarginLoss": ((draw(4).abs(),), {}, [X, lambda: (Y() > 0).double()]),
    "MultiMarginLoss": ((2, 0.8), {}, [X, lambda: CLASSES]),
    "NLLLoss": ((draw(4).abs(),), {}, [X, lambda: CLASSES]),
    "PoissonNLLLoss": ((), {"eps": 1e-3}, [X, lambda: Y().abs().round()]),
    "SmoothL1Loss": ((), {"beta": 0.4}, [X, Y]),
    "SoftMarginLoss": ((), {}, [partial(draw, 3), lambda: SIGNS]),
    "TripletMarginLoss": ((0.5,), {"swap": True}, [X, Y, Z]),
    "TripletMarginWithDistanceLoss": ((), {"margin": 0.7}, [X, Y, Z]),
    **{
        f"{kind}Pad{dims}d": ((1,), {}, [partial(draw, *(2, 3, 3, 4, 3)[: dims + 2])])
        for kind in ("Zero", "Reflection", "Replication", "Circular")
        for dims in (1, 2, 3)
    },
    **{f"ConstantPad{dims}d": ((2, 0.5), {}, [partial(draw, *(2, 3, 3, 4, 3)[: dims + 2])]) for dims in (1, 2, 3)},
}


DROPOUTS = {
    "Dropout": "dropout",
    "Dropout1d": "dropout1d",
    "Dropout2d": "dropout2d",
    "Dropout3d": "dropout3d",
    "AlphaDropout": "alpha_dropout",
    "FeatureAlphaDropout": "feature_alpha_dropout",
}

#: Torch's gradient by log-probabilities is right only behind a log_softmax.
VALUE_ALONE = {"CTCLoss"}


def test_every_operation_has_a_twin():
    kinds = {
        name for name in nn.__all__ if isinstance(kind := getattr(nn, name), type) and issubclass(kind, nn.Operation)
    }
    assert kinds - {"Operation", *DROPOUTS} <= LAYERS.keys()


@pytest.mark.parametrize("name", DROPOUTS)
def test_dropout_wants_a_generator(name):
    x = draw(4, 3, 5) if name == "Dropout1d" else draw(4, 3, 5, 5, 5) if name == "Dropout3d" else IMAGE()
    layer = getattr(nn, name)(0.3)
    assert layer(x) is x
    dropped = layer(LiteTensor(x), torch.Generator().manual_seed(3)).data
    same = getattr(nexnet, DROPOUTS[name])(x, 0.3, True, generator=torch.Generator().manual_seed(3))
    assert torch.equal(dropped, same.data)
    assert not torch.equal(dropped, x)
    for wrong in (1.5, -0.5, float("nan"), "0.5"):
        with pytest.raises(nn.ModuleError, match=rf"p is no probability(.|\n)*{wrong}"):
            getattr(nn, name)(wrong)


def test_a_bag_has_three_modes():
    with pytest.raises(nn.ModuleError, match=r"no such mode(.|\n)*sum, mean or max\n.*'median'"):
        nn.EmbeddingBag(5, 3, mode="median")
    with pytest.raises(nn.ModuleError, match=r"not scaled by frequency(.|\n)*scale_grad_by_freq"):
        nn.EmbeddingBag(5, 3, mode="max", scale_grad_by_freq=True)


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_torchs(name):
    arguments, options, inputs = LAYERS[name]
    twin = getattr(torch.nn, name)(*arguments, **options).double().eval()
    if name == "EmbeddingBag":
        arguments, options = (5, 3, "sum"), {}
    wrapped = [LiteTensor(each) if isinstance(each, torch.Tensor) else each for each in arguments]
    named = {key: LiteTensor(each) if isinstance(each, torch.Tensor) else each for key, each in options.items()}
    layer = getattr(nn, name)(*wrapped, **named)
    layer = nexnet.tree.unflatten(
        nexnet.tree.structure(layer), [LiteTensor(p.detach()) for p in twin.parameters()] or layer.parameters()
    )
    first, *others = [each() for each in inputs]
    first = first.requires_grad_(first.is_floating_point() and name not in VALUE_ALONE)
    learned = [each for each in (first, *twin.parameters()) if each.requires_grad]
    expected = twin(first, *others)

    def total(x, layer):
        out = layer(x, *others)
        return (out**2).sum(), out

    argnums = (0, 1) if first.requires_grad else (1,)
    (_, out), grads = nexnet.value_and_grad(total, argnums, has_aux=True)(LiteTensor(first.detach()), layer)
    torch.testing.assert_close(out.data, expected.detach())
    wanted = torch.autograd.grad((expected**2).sum(), learned) if learned else ()
    assert len(nexnet.tree.leaves(grads)) == len(wanted)
    for mine, theirs in zip(nexnet.tree.leaves(grads), wanted, strict=True):
        torch.testing.assert_close(mine.data, theirs)
