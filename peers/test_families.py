"""Published families of models, unmodified: nexnet's losses and gradients are PyTorch's, in evaluation and in training.

Small configurations with random weights; nothing is downloaded. The families of a package that is not installed are
left out.
"""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch

import nexnet as nx

LAYERS = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
TEXT = LAYERS | {"vocab_size": 60, "max_position_embeddings": 64}
GROUPED = TEXT | {"num_key_value_heads": 2}
IMAGES = LAYERS | {"image_size": 32, "patch_size": 8, "num_labels": 3}
SEQUENCES = {
    "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "d_model": 32, "vocab_size": 60, "max_position_embeddings": 64,
}  # fmt: skip

#: transformers: the model's name without its head, the head, and the configuration.
TRANSFORMERS = {
    "Albert": ("ForMaskedLM", TEXT | {"embedding_size": 16}),
    "Bart": ("ForConditionalGeneration", SEQUENCES),
    "Beit": ("ForImageClassification", IMAGES | {"use_relative_position_bias": True}),
    "Bert": ("ForMaskedLM", TEXT),
    "Bloom": ("ForCausalLM", {"hidden_size": 32, "n_layer": 2, "n_head": 4, "vocab_size": 60}),
    "ConvNext": (
        "ForImageClassification",
        {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2, "num_labels": 3},
    ),
    "Deberta": ("ForMaskedLM", TEXT | {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}),
    "DebertaV2": ("ForMaskedLM", TEXT | {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}),
    "Electra": ("ForMaskedLM", TEXT | {"embedding_size": 16}),
    "GPT2": ("LMHeadModel", {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 60, "n_positions": 64}),
    "GPTNeoX": ("ForCausalLM", TEXT),
    "Gemma2": ("ForCausalLM", GROUPED | {"head_dim": 8}),
    "Llama": ("ForCausalLM", GROUPED),
    "Longformer": ("ForMaskedLM", TEXT | {"attention_window": 4}),
    "Mamba": ("ForCausalLM", {"hidden_size": 32, "num_hidden_layers": 2, "vocab_size": 60, "state_size": 4}),
    "Mistral": ("ForCausalLM", GROUPED),
    "Phi": ("ForCausalLM", TEXT),
    "Qwen3": ("ForCausalLM", GROUPED | {"head_dim": 8}),
    "ResNet": (
        "ForImageClassification",
        {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic", "num_labels": 3},
    ),
    "Swin": (
        "ForImageClassification",
        {"image_size": 32, "embed_dim": 8, "depths": [2, 2], "num_heads": [2, 2], "window_size": 4, "num_labels": 3},
    ),
    "ViT": ("ForImageClassification", IMAGES),
}

TORCHVISION = {
    "convnext_tiny": 32, "densenet121": 32, "efficientnet_b0": 32, "mnasnet0_5": 32, "mobilenet_v2": 32,
    "mobilenet_v3_small": 32, "regnet_y_400mf": 32, "resnet18": 32, "shufflenet_v2_x0_5": 32, "squeezenet1_1": 64,
    "swin_t": 64, "swin_v2_t": 64,
}  # fmt: skip

TIMM = {
    "convnext_atto": 64, "deit_tiny_patch16_224": 224, "edgenext_xx_small": 64, "ghostnet_050": 64,
    "mixer_s32_224": 224, "poolformer_s12": 64, "regnety_002": 64, "resnet18": 64, "swin_tiny_patch4_window7_224": 224,
    "vit_tiny_patch16_224": 224, "xcit_nano_12_p16_224": 224,
}  # fmt: skip


def total(out: Any) -> Any:
    """Add up the squares of what a model of images gives."""
    return sum(map(total, out)) if isinstance(out, (list, tuple)) else (out * out).sum()


def check(model: torch.nn.Module, training: bool, loss: Any) -> None:
    """Compare the loss and its gradients: 1e-6 of the greatest gradient, which float32 inside of a model asks for."""
    model.double().train(training)
    buffers = {name: each.clone() for name, each in model.named_buffers()}
    torch.manual_seed(1)
    wanted = loss(lambda *args, **kwargs: model(*args, **kwargs))
    parameters = dict(model.named_parameters())
    gradients = torch.autograd.grad(wanted, list(parameters.values()), allow_unused=True)
    for name, each in model.named_buffers():
        each.copy_(buffers[name])
    torch.manual_seed(1)
    value, found = nx.value_and_grad(
        lambda p: loss(lambda *args, **kwargs: nx.functional_call(model, p, args, kwargs))
    )(nx.parameters_of(model))
    torch.testing.assert_close(value.data, wanted.detach())
    scale = max(each.abs().max().item() for each in gradients if each is not None)
    for (name, parameter), each in zip(parameters.items(), gradients, strict=True):
        each = torch.zeros_like(parameter) if each is None else each
        torch.testing.assert_close(found[name].data, each, rtol=1e-6, atol=1e-6 * scale, msg=f"the gradient by {name}")
    assert all(type(each) is torch.Tensor for each in model.buffers())


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # DeBERTa has such functions
@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("family", TRANSFORMERS)
def test_transformers(family: str, training: bool) -> None:
    """A family of transformers."""
    transformers = pytest.importorskip("transformers", reason="a package that is compared where it is installed")
    head, options = TRANSFORMERS[family]
    torch.manual_seed(0)
    model = getattr(transformers, family + head)(getattr(transformers, f"{family}Config")(**options))
    if head == "ForImageClassification":
        inputs = {"pixel_values": torch.randn(2, 3, 32, 32).double(), "labels": torch.tensor([0, 1])}
    else:
        ids = torch.randint(0, 60, (2, 10))
        inputs = {"input_ids": ids, "labels": ids}
    check(model, training, lambda call: call(**inputs).loss)


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize(
    ("package", "name", "size"),
    [("torchvision", *each) for each in TORCHVISION.items()] + [("timm", *each) for each in TIMM.items()],
)
def test_models_of_images(package: str, name: str, size: int, training: bool) -> None:
    """A model of torchvision's or timm's."""
    module: Any = pytest.importorskip(package, reason="a package that is compared where it is installed")
    torch.manual_seed(0)
    if package == "timm":
        model = module.create_model(name, num_classes=3)
    else:
        model = getattr(importlib.import_module("torchvision.models"), name)(num_classes=3)
    images = torch.randn(2, 3, size, size).double()
    check(model, training, lambda call: total(call(images)))


def test_a_hessian_vector_product_of_a_transformer() -> None:
    """By all parameters of a GPT-2: that of torch's double backward, to 1e-9."""
    transformers = pytest.importorskip("transformers", reason="a package that is compared where it is installed")
    options = {"n_embd": 16, "n_layer": 2, "n_head": 2, "vocab_size": 20, "n_positions": 16}
    torch.manual_seed(0)
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**options, attn_implementation="eager"))
    model.double().eval()
    ids = torch.randint(0, 20, (2, 6))

    def loss(logits: Any) -> Any:
        return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())

    parameters = nx.parameters_of(model)
    vectors = {name: nx.LiteTensor(torch.randn_like(each)) for name, each in model.named_parameters()}
    _, (found,) = nx.hvp(lambda p: loss(nx.functional_call(model, p, ids).logits), (parameters,), (vectors,))
    gradients = torch.autograd.grad(loss(model(ids).logits), list(model.parameters()), create_graph=True)
    along = sum((each * vectors[name].data).sum() for each, name in zip(gradients, parameters, strict=True))
    wanted = torch.autograd.grad(along, list(model.parameters()))
    for name, each in zip(parameters, wanted, strict=True):
        torch.testing.assert_close(found[name].data, each, rtol=1e-9, atol=1e-9)
