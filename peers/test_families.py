"""Published families of models, unmodified: nexnet's losses and gradients are PyTorch's, in evaluation and in training.

Small configurations with random weights; nothing is downloaded. The families of a package that is not installed are
left out.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy
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

LATENT = TEXT | {
    "num_key_value_heads": 4, "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16,
    "kv_lora_rank": 8, "q_lora_rank": 8, "qk_rope_head_dim": 4, "qk_nope_head_dim": 8, "v_head_dim": 8, "n_group": 2,
    "topk_group": 1, "first_k_dense_replace": 1, "experts_implementation": "eager",
}  # fmt: skip
SPEECH = LAYERS | {
    "conv_dim": (16, 16), "conv_kernel": (10, 3), "conv_stride": (5, 2), "num_feat_extract_layers": 2, "vocab_size": 12,
    "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2, "mask_time_length": 2, "mask_time_prob": 0.3,
    "mask_feature_length": 2, "mask_feature_prob": 0.2, "mask_feature_min_masks": 0, "layerdrop": 0.3,
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
    "DeepseekV3": ("ForCausalLM", LATENT),
    "Electra": ("ForMaskedLM", TEXT | {"embedding_size": 16}),
    "FNet": ("ForMaskedLM", TEXT),
    "Falcon": ("ForCausalLM", {**LAYERS, "vocab_size": 60, "alibi": True}),
    "Funnel": (
        "ForMaskedLM",
        {"d_model": 32, "n_head": 4, "d_head": 8, "d_inner": 48, "block_sizes": [1, 1], "vocab_size": 60},
    ),
    "GPT2": ("LMHeadModel", {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 60, "n_positions": 64}),
    "GPTNeoX": ("ForCausalLM", TEXT),
    "Gemma2": ("ForCausalLM", GROUPED | {"head_dim": 8}),
    "Llama": ("ForCausalLM", GROUPED),
    "Longformer": ("ForMaskedLM", TEXT | {"attention_window": 4}),
    "Mamba": ("ForCausalLM", {"hidden_size": 32, "num_hidden_layers": 2, "vocab_size": 60, "state_size": 4}),
    "Mamba2": (
        "ForCausalLM",
        {
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "vocab_size": 60,
            "state_size": 4,
            "num_heads": 8,
            "head_dim": 8,
            "n_groups": 2,
            "chunk_size": 4,
        },
    ),
    "Mistral": ("ForCausalLM", GROUPED),
    "Mixtral": ("ForCausalLM", GROUPED | {"num_local_experts": 4, "experts_implementation": "eager"}),
    "OPT": ("ForCausalLM", TEXT | {"ffn_dim": 48, "word_embed_proj_dim": 32, "layerdrop": 0.3}),
    "Phi": ("ForCausalLM", TEXT),
    "Phi3": ("ForCausalLM", GROUPED | {"pad_token_id": 0}),
    "Qwen3": ("ForCausalLM", GROUPED | {"head_dim": 8}),
    "RecurrentGemma": (
        "ForCausalLM",
        LAYERS
        | {
            "num_hidden_layers": 3,
            "num_key_value_heads": 1,
            "vocab_size": 60,
            "lru_width": 32,
            "attention_window_size": 4,
        },
    ),
    "ResNet": (
        "ForImageClassification",
        {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic", "num_labels": 3},
    ),
    "Swin": (
        "ForImageClassification",
        {"image_size": 32, "embed_dim": 8, "depths": [2, 2], "num_heads": [2, 2], "window_size": 4, "num_labels": 3},
    ),
    "T5": (
        "ForConditionalGeneration",
        {
            "d_model": 32,
            "d_ff": 48,
            "num_layers": 2,
            "num_heads": 4,
            "d_kv": 8,
            "vocab_size": 60,
            "decoder_start_token_id": 0,
        },
    ),
    "ViT": ("ForImageClassification", IMAGES),
    "XLNet": ("LMHeadModel", {"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 48, "vocab_size": 60, "mem_len": 4}),
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
    wanted = loss(model)
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
@pytest.mark.parametrize("family", ["Wav2Vec2", "Hubert", "WavLM"])
def test_models_of_speech(family: str, training: bool) -> None:
    """Masks of the time and the features, layers left out, a weight norm: drawn with one seed, they are PyTorch's."""
    transformers = pytest.importorskip("transformers", reason="a package that is compared where it is installed")
    torch.manual_seed(0)
    model = getattr(transformers, f"{family}ForCTC")(getattr(transformers, f"{family}Config")(**SPEECH))
    speech, labels = torch.randn(2, 1600).double(), torch.tensor([[1, 2, 3], [4, 5, 0]])

    def loss(call: Any, given: Any = lambda x: x) -> Any:
        numpy.random.seed(0)  # for the masks
        return call(given(speech), labels=labels).loss

    if training:  # the model sets requires_grad of what it is given
        with pytest.raises(nx.InputError, match=r"(?s)in training.*give it that argument as a LiteTensor"):
            check(model, True, loss)
    check(model, training, lambda call: loss(call, lambda x: nx.LiteTensor(x) if call is not model else x))


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


def test_a_detector_with_the_rule_that_the_error_asks_for() -> None:
    """The roi_align of torchvision is no function of torch's: NoGradientRule shows how its rule is written."""
    detection: Any = pytest.importorskip("torchvision.models.detection", reason="a package that is compared")
    ops = torch.ops.torchvision
    torch.manual_seed(0)
    options = {"weights": None, "weights_backbone": None, "num_classes": 3, "min_size": 64, "max_size": 64}
    model = detection.fasterrcnn_mobilenet_v3_large_320_fpn(**options)
    images = [torch.rand(3, 64, 64).double(), torch.rand(3, 64, 64).double()]
    boxes = torch.tensor([[5.0, 5.0, 40.0, 40.0], [20.0, 10.0, 60.0, 50.0]]).double()
    targets = [{"boxes": boxes, "labels": torch.tensor([1, 2])}, {"boxes": boxes[:1], "labels": torch.tensor([1])}]

    def loss(call: Any) -> Any:
        return sum(call(images, targets).values())

    with pytest.raises(nx.NoGradientRule, match=r"(?s)roi_align.*@nexnet.implements.torch.ops.torchvision.roi_align"):
        check(model, True, loss)

    @nx.implements(ops.roi_align)
    @nx.function
    class roi_align(nx.Policy):
        def forward(self, input: Any, rois: Any, *options: Any) -> Any:
            self.ctx.save(input.shape, rois, options)
            return ops.roi_align(input, rois, *options)

        def backward(self, grad: Any) -> Any:
            shape, rois, (*sizes, sampling_ratio, aligned) = self.ctx.release
            return ops._roi_align_backward(grad, rois, *sizes, *shape, sampling_ratio, aligned)

    check(model, True, loss)


def test_a_cache_of_a_run_in_torch_is_an_error_that_says_what_to_do() -> None:
    """The levit of timm keeps its attention's biases in evaluation, and model.train() drops them."""
    timm = pytest.importorskip("timm", reason="a package that is compared where it is installed")
    torch.manual_seed(0)
    model, images = timm.create_model("levit_128s", num_classes=3).eval(), torch.randn(1, 3, 224, 224)
    for each in model.parameters():
        torch.nn.init.normal_(each, std=0.1)
    gradient = nx.grad(lambda p: total(nx.functional_call(model, p, images)))
    total(model(images)).backward()
    with pytest.raises(nx.InputError, match=r"kept it from a run in torch, as a cache.*model.train\(\).eval\(\)"):
        gradient(nx.parameters_of(model))
    model.train().eval()
    first = gradient(nx.parameters_of(model))
    with pytest.warns(nx.ConstantWarning, match="an earlier call has left this tensor"):
        cut = gradient(nx.parameters_of(model))
    model.train().eval()
    second = gradient(nx.parameters_of(model))
    name = "stages.0.blocks.0.attn.attention_biases"
    assert first[name].data.any()
    assert not cut[name].data.any()
    assert torch.equal(first[name].data, second[name].data)


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
