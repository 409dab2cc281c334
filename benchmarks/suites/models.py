"""Value and gradients of published models, unmodified, through functional_call; transformers' where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

import nexnet

from .. import peers
from ..interleaved import Case

TOKENS = 1000

Call = Callable[..., Any]


def contenders(build: Callable[[], tuple[nn.Module, Callable[[Call], Any]]]) -> dict[str, Callable[[], Any]]:
    """Make both; ``build`` gives a model, and its loss as a function of what calls it."""
    torch.manual_seed(0)
    model, loss = build()
    parameters = nexnet.parameters_of(model)
    both = nexnet.value_and_grad(lambda p: loss(lambda *args, **kwargs: nexnet.functional_call(model, p, args, kwargs)))

    def in_torch() -> Any:
        model.zero_grad()
        value = loss(model)
        value.backward()
        return value.detach(), [each.grad for each in model.parameters()]

    def in_nexnet() -> Any:
        value, gradients = both(parameters)
        return value, list(gradients.values())

    return {"PyTorch": in_torch, "nexnet": in_nexnet}


def gpt2(batch: int, length: int) -> tuple[nn.Module, Callable[[Call], Any]]:
    """Build GPT-2 of 4 layers of 128 dimensions, and the loss of its next tokens."""
    import transformers

    sizes = {"n_embd": 128, "n_layer": 4, "n_head": 4, "vocab_size": TOKENS, "n_positions": 128}
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes)).eval()
    ids = torch.randint(0, TOKENS, (batch, length))
    return model, lambda call: call(input_ids=ids, labels=ids).loss


def bert() -> tuple[nn.Module, Callable[[Call], Any]]:
    """Build BERT of 4 layers of 128 dimensions, and the loss of its masked tokens."""
    import transformers

    sizes = {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 512}
    model = transformers.BertForMaskedLM(transformers.BertConfig(**sizes, vocab_size=TOKENS)).eval()
    ids = torch.randint(0, TOKENS, (8, 128))
    return model, lambda call: call(input_ids=ids, labels=ids).loss


def convnext() -> tuple[nn.Module, Callable[[Call], Any]]:
    """Build a small ConvNext, and the loss of 8 images of 64 x 64."""
    import transformers

    config = transformers.ConvNextConfig(hidden_sizes=[32, 64, 128, 256], depths=[2, 2, 2, 2])
    model = transformers.ConvNextForImageClassification(config).eval()
    images, labels = torch.randn(8, 3, 64, 64), torch.tensor([0, 1] * 4)
    return model, lambda call: call(pixel_values=images, labels=labels).loss


def resnet18() -> tuple[nn.Module, Callable[[Call], Any]]:
    """Build ResNet-18, in training, and the loss of 8 images of 64 x 64."""
    import transformers

    config = transformers.ResNetConfig(layer_type="basic", hidden_sizes=[64, 128, 256, 512], depths=[2, 2, 2, 2])
    model = transformers.ResNetForImageClassification(config).train()
    images, labels = torch.randn(8, 3, 64, 64), torch.tensor([0, 1] * 4)
    return model, lambda call: call(pixel_values=images, labels=labels).loss


def lstm() -> tuple[nn.Module, Callable[[Call], Any]]:
    """Build torch's LSTM of 2 layers of 128, and the sum of squares over 32 sequences of 50."""
    x = torch.randn(50, 32, 128)
    return nn.LSTM(128, 128, 2), lambda call: (call(x)[0] ** 2).sum()


def cases() -> list[Case]:
    """Give the models that can be built here."""
    published = [
        ("GPT-2, 8 x 128 tokens", partial(gpt2, 8, 128), 0.80),
        ("GPT-2, 1 x 16 tokens", partial(gpt2, 1, 16), 0.90),
        ("BERT, 8 x 128 tokens", bert, 0.70),
        ("ConvNext, 8 images", convnext, 0.90),
        ("ResNet-18, 8 images", resnet18, 0.95),
    ]
    found = [*(published if peers.have("transformers") else []), ("LSTM, 32 x 50", lstm, 1.10)]
    return [  # atol: by the bias of attention's keys the gradient is 0 but for rounding
        Case("model", name, partial(contenders, build), rtol=1e-4, atol=1e-9, aims={"nexnet": aim})
        for name, build, aim in found
    ]
