"""Torch's transformer by torch's names: its arguments, its weights' names, its values and gradients."""

import inspect

import pytest
import torch

import nexnet
import nexnet_nn as nn
from nexnet import LiteTensor

pytestmark = pytest.mark.filterwarnings("ignore:enable_nested_tensor")  # torch's own, of a kernel that it can't take

NAMES = nn.transformer.__all__
LATER = torch.ones(4, 4, dtype=torch.bool).triu(1)
PADDED = torch.tensor([[False, False, False, True], [False, True, True, True]])


def draw(*shape, seed=1):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def layer(kind, **options):
    def make(module):
        options_ = {"dtype": torch.float64, **options}
        if kind in ("TransformerEncoder", "TransformerDecoder"):
            one = getattr(module, f"{kind}Layer")(6, 3, 5, 0.0, **options_)
            return getattr(module, kind)(one, 2, module.LayerNorm(6, dtype=torch.float64))
        if kind == "Transformer":
            return module.Transformer(6, 3, 2, 2, 5, 0.0, **options_)
        if kind == "MultiheadAttention":
            return module.MultiheadAttention(6, 3, **options_)
        return getattr(module, kind)(6, 3, 5, 0.0, **options_)

    return make


X, SOURCE = draw(4, 2, 6), draw(5, 2, 6, seed=2)
CASES = {
    "attention": (layer("MultiheadAttention"), (X, SOURCE, SOURCE), {}),
    "batch first, masked": (layer("MultiheadAttention", batch_first=True), (X.mT.transpose(0, 2).mT,) * 3,
                            {"attn_mask": LATER, "is_causal": True, "average_attn_weights": False}),
    "one sequence": (layer("MultiheadAttention", batch_first=True), (X[:, 0],) * 3, {"need_weights": False}),
    "padded": (layer("MultiheadAttention"), (X, X, X), {"key_padding_mask": PADDED}),
    "of three sizes": (layer("MultiheadAttention", kdim=4, vdim=3), (X, SOURCE[..., :4], SOURCE[..., :3]), {}),
    "keys of its own": (layer("MultiheadAttention", add_bias_kv=True, add_zero_attn=True), (X, SOURCE, SOURCE), {}),
    "without biases": (layer("MultiheadAttention", bias=False), (X, SOURCE, SOURCE), {}),
    "encoder layer": (layer("TransformerEncoderLayer"), (X,), {"src_mask": LATER, "src_key_padding_mask": PADDED}),
    "encoder layer, norm first": (layer("TransformerEncoderLayer", norm_first=True, activation="gelu"), (X,), {}),
    "decoder layer": (layer("TransformerDecoderLayer"), (X, SOURCE), {"tgt_mask": LATER, "tgt_is_causal": True}),
    "decoder layer, norm first": (layer("TransformerDecoderLayer", norm_first=True, bias=False, batch_first=True),
                                  (X, SOURCE[:4]), {}),
    "encoder": (layer("TransformerEncoder"), (X,), {"mask": LATER}),
    "decoder": (layer("TransformerDecoder"), (X, SOURCE), {"tgt_mask": LATER, "memory_mask": draw(4, 5)}),
    "transformer": (layer("Transformer", norm_first=True), (SOURCE, X), {"tgt_mask": LATER}),
}  # fmt: skip


def redrawn(twin):
    """Give it weights of which none is 0."""
    for i, each in enumerate(twin.parameters()):
        each.data.copy_(draw(*each.shape, seed=10 + i) / 2)
    return twin


def first(out):
    return out[0] if isinstance(out, tuple) else out


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("training", [False, True])
def test_values_and_gradients_are_torchs(name, training):
    make, inputs, options = CASES[name]
    twin = redrawn(make(torch.nn)).train(training)
    mine = nn.from_torch(twin.state_dict(), into=make(nn))
    generator = torch.Generator().manual_seed(3) if training else None
    given = [each.clone().requires_grad_() for each in inputs]
    wanted = twin(*given, **options)
    slopes = torch.autograd.grad((first(wanted) ** 3).sum(), [*twin.parameters(), *given])

    def loss(model, *inputs):
        out = model(*inputs, **options, generator=generator)
        return (first(out) ** 3).sum(), out

    places = tuple(range(1 + len(inputs)))
    (_, out), (model, *grads) = nexnet.value_and_grad(loss, places, has_aux=True)(mine, *map(LiteTensor, inputs))
    torch.testing.assert_close(first(out).data, first(wanted).detach(), rtol=1e-12, atol=1e-12)
    if isinstance(wanted, tuple) and wanted[1] is not None:
        torch.testing.assert_close(out[1].data, wanted[1].detach(), rtol=1e-12, atol=1e-12)
    found = nn.to_torch(model)
    assert list(found) == [name for name, _ in twin.named_parameters()]
    for one, other in zip([*found.values(), *(each.data for each in grads)], slopes, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_its_weights_go_back():
    twin, mine = layer("Transformer")(torch.nn), layer("Transformer")(nn)
    assert str(twin.load_state_dict(nn.to_torch(mine))) == "<All keys matched successfully>"
    torch.testing.assert_close(mine(SOURCE, X).data, twin.eval()(SOURCE, X).detach(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_arguments_are_torchs(name):
    mine, theirs = (inspect.signature(getattr(module, name)).parameters for module in (nn, torch.nn))
    rest = {"enable_nested_tensor", "mask_check"}  # of a kernel for padded sequences
    assert [each for each in mine if each != "generator"] == [each for each in theirs if each not in rest]
    for argument in (each for each in mine if each in theirs):
        both = mine[argument].default, theirs[argument].default
        assert both[0] == both[1] or getattr(both[0], "__name__", both[0]) == both[1].__name__
    calls = [inspect.signature(getattr(module, name).__call__ if module is nn else getattr(module, name).forward)
             for module in (nn, torch.nn)]  # fmt: skip
    assert [each for each in calls[0].parameters if each != "generator"] == list(calls[1].parameters)


@pytest.mark.parametrize("name", ["TransformerEncoderLayer", "TransformerDecoderLayer"])
def test_dropout_draws_from_the_generator(name):
    model = getattr(nn, name)(6, 3, 5, 0.4, dtype=torch.float64)
    inputs = (X, SOURCE)[: 1 + ("Decoder" in name)]

    def called(seed):
        return model(*inputs, generator=torch.Generator().manual_seed(seed)).data

    assert torch.equal(called(1), called(1))
    assert not torch.equal(called(1), called(2))
    assert not torch.equal(called(1), model(*inputs).data)


def test_the_causal_mask_is_torchs():
    assert torch.equal(
        nn.Transformer.generate_square_subsequent_mask(3), torch.nn.Transformer.generate_square_subsequent_mask(3)
    )


def test_what_it_refuses():
    with pytest.raises(nn.ModuleError, match=r"do not divide the features(.|\n)*num_heads(.|\n)*4 of 6"):
        nn.MultiheadAttention(6, 4)
    with pytest.raises(nn.ModuleError, match=r"no such activation(.|\n)*'relu' or 'gelu'(.|\n)*'swish'"):
        nn.TransformerEncoderLayer(6, 3, activation="swish")


@pytest.mark.parametrize("dropout", [3.0, -0.5, float("nan"), "0.5"])
@pytest.mark.parametrize("layer", [nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer])
def test_a_dropout_that_is_no_probability(layer, dropout):
    with pytest.raises(nn.ModuleError, match=rf"dropout is no probability(.|\n)*0 <= p <= 1\n.*{dropout}"):
        layer(4, 2, dropout=dropout)
