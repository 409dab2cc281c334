"""Normalisation layers, attention, embeddings, dropout and the block of them: beside torch's layers."""

import pytest
import torch

import nexnet
import nexnet_nn as nn
from nexnet import LiteTensor
from nexnet_nn import ModuleError


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def draw(*shape, seed=1):
    return torch.randn(*shape, dtype=torch.float64, generator=generator(seed))


@pytest.mark.parametrize(
    ("layer", "twin", "shape"),
    [
        (nn.LayerNorm(4), torch.nn.LayerNorm(4), (2, 3, 4)),
        (nn.LayerNorm((3, 4), bias=False), torch.nn.LayerNorm((3, 4), bias=False), (2, 3, 4)),
        (nn.RMSNorm(4), torch.nn.RMSNorm(4), (2, 3, 4)),
        (nn.GroupNorm(2, 4), torch.nn.GroupNorm(2, 4), (2, 4, 3)),
    ],
    ids=lambda each: type(each).__name__,
)
def test_normalisations_are_torchs(layer, twin, shape):
    x = draw(*shape).float()
    torch.testing.assert_close(layer(LiteTensor(x)).data, twin(x).detach())
    grads = nexnet.grad(lambda layer, x: (layer(x) ** 3).sum())(layer, LiteTensor(x))
    (twin(x) ** 3).sum().backward()
    for mine, theirs in zip(grads.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine.data, theirs.grad, rtol=1e-4, atol=1e-4)


class TestAttention:
    def twin(self, layer, features, heads):
        twin = torch.nn.MultiheadAttention(features, heads, batch_first=True, dtype=torch.float64)
        names = {"in_proj_weight": layer.project.weight, "in_proj_bias": layer.project.bias}
        names |= {"out_proj.weight": layer.out.weight, "out_proj.bias": layer.out.bias}
        twin.load_state_dict({name: leaf.data for name, leaf in names.items()})
        return twin

    def test_is_torchs(self):
        layer = nn.MultiHeadAttention(6, 3, generator=generator(), dtype=torch.float64)
        twin = self.twin(layer, 6, 3)
        x, source = draw(2, 4, 6), draw(2, 5, 6, seed=2)
        later = torch.ones(4, 4, dtype=torch.bool).triu(1)
        torch.testing.assert_close(layer(LiteTensor(x)).data, twin(x, x, x)[0].detach())
        torch.testing.assert_close(layer(LiteTensor(x), source).data, twin(x, source, source)[0].detach())
        expected = twin(x, x, x, attn_mask=later)[0].detach()
        torch.testing.assert_close(layer(LiteTensor(x), is_causal=True).data, expected)
        torch.testing.assert_close(layer(LiteTensor(x), mask=~later).data, expected)
        torch.testing.assert_close(layer(LiteTensor(x[0])).data, twin(x, x, x)[0][0].detach())

    def test_drops_only_with_a_generator(self):
        layer = nn.MultiHeadAttention(6, 3, generator=generator())
        x = LiteTensor(draw(2, 4, 6).float())
        assert torch.equal(layer(x, dropout=0.5).data, layer(x).data)
        dropped = [layer(x, dropout=0.5, generator=generator(3)).data for _ in range(2)]
        assert torch.equal(*dropped)
        assert not torch.allclose(dropped[0], layer(x).data)

    def test_heads_that_do_not_divide(self):
        with pytest.raises(ModuleError, match=r"do not divide the features(.|\n)*4 of 6"):
            nn.MultiHeadAttention(6, 4)


def test_a_block_is_torchs():
    block = nn.TransformerBlock(6, 3, 10, generator=generator(), dtype=torch.float64)
    twin = torch.nn.TransformerEncoderLayer(6, 3, 10, 0.0, "gelu", batch_first=True, norm_first=True).double()
    names = [name for name, _ in twin.named_parameters()]
    order = [
        *(block.attention.project.weight, block.attention.project.bias),
        *(block.attention.out.weight, block.attention.out.bias),
        *(block.inner.weight, block.inner.bias, block.outer.weight, block.outer.bias),
        *(block.norm1.weight, block.norm1.bias, block.norm2.weight, block.norm2.bias),
    ]
    twin.load_state_dict({name: leaf.data for name, leaf in zip(names, order, strict=True)})
    x = draw(2, 4, 6)
    torch.testing.assert_close(block(LiteTensor(x)).data, twin(x).detach())


def test_a_block_learns():
    block = nn.TransformerBlock(8, 2, dropout=0.1, generator=generator())
    x, noise = LiteTensor(draw(4, 5, 8).float()), generator(9)
    step = nexnet.value_and_grad(lambda block: nn.mse_loss(block(x, is_causal=True, generator=noise), x * 0.5))
    adam = nn.Adam(lr=1e-2)
    state = adam.init(block)
    losses = []
    for _ in range(30):
        value, grads = step(block)
        losses.append(value.item())
        block, state = adam.update(block, grads, state)
    assert losses[-1] < 0.2 * losses[0]


class TestEmbedding:
    def test_picks_rows_and_has_a_gradient_by_them(self):
        layer = nn.Embedding(5, 3, generator=generator())
        index = torch.tensor([[0, 2], [2, 4]])
        assert torch.equal(layer(index).data, layer.weight.data[index])
        gradient = nexnet.grad(lambda layer: layer(index).sum())(layer)
        assert gradient.weight.data[:, 0].tolist() == [1.0, 0.0, 2.0, 0.0, 1.0]

    def test_the_row_of_the_padding(self):
        layer = nn.Embedding(5, 3, padding_idx=2, generator=generator())
        assert layer.weight.data[2].tolist() == [0.0] * 3
        gradient = nexnet.grad(lambda layer: layer(torch.tensor([2, 3])).sum())(layer)
        assert gradient.weight.data[:, 0].tolist() == [0.0, 0.0, 0.0, 1.0, 0.0]


class TestDropout:
    def test_needs_a_generator_to_drop(self):
        layer, x = nn.Dropout(0.5), nexnet.ones(100)
        assert layer(x) is x
        assert set(layer(x, generator()).tolist()) == {0.0, 2.0}
        assert torch.equal(layer(x, generator(1)).data, layer(x, generator(1)).data)

    def test_p_is_a_probability(self):
        with pytest.raises(ModuleError, match="p is no probability"):
            nn.Dropout(1.5)


def test_groups_that_do_not_divide():
    with pytest.raises(ModuleError, match="do not divide the channels"):
        nn.GroupNorm(2, 3)
