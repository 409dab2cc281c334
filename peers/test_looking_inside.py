"""The trace of a model knows of each operation where it was done and what it cost; PyTorch's counters say the same.

Models of torch's own layers, and where transformers and torchvision are installed, theirs; nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

import nexnet as nx
from nexnet.errors import NonFiniteError

Loss = Callable[[Callable[..., Any]], Any]  # of a function that calls the model
Task = tuple[nn.Module, Loss, list[Tensor]]  # the model, its loss, and the batch


class Encoder(nn.Module):
    """A small language model: embeddings, two layers of a transformer with a mask, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(60, 32)
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(32, 60)

    def forward(self, ids: Tensor) -> Tensor:
        """Give the logits."""
        hidden = self.embedding(ids) * 32**0.5
        mask = nn.Transformer.generate_square_subsequent_mask(ids.shape[1])
        return self.head(self.blocks(hidden, mask=mask, is_causal=True))


class Residual(nn.Module):
    """A block of a residual network."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(2))
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(2))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Add what two convolutions make of it."""
        out = self.relu(self.norms[0](self.first(x)))
        out = self.norms[1](self.second(out))
        out += x
        return self.relu(out)


def encoder() -> Task:
    """Torch's transformer, on text."""
    ids = torch.randint(60, (3, 10))
    return Encoder(), lambda call: nn.functional.cross_entropy(call(ids).flatten(0, 1), ids.flatten()), [ids]


def residual() -> Task:
    """A residual network, on images."""
    layers = [nn.Conv2d(3, 8, 3), Residual(8), nn.MaxPool2d(2), Residual(8), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    images, labels = torch.randn(4, 3, 16, 16), torch.arange(4) % 3
    model = nn.Sequential(*layers, nn.Linear(8, 3))
    return model, lambda call: nn.functional.cross_entropy(call(images), labels), [images, labels]


def bert() -> Task:
    """BERT of transformers."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    model = transformers.BertForMaskedLM(transformers.BertConfig(vocab_size=60, max_position_embeddings=64, **sizes))
    ids = torch.randint(60, (2, 16))
    return model.eval(), lambda call: call(input_ids=ids, labels=ids, attention_mask=torch.ones_like(ids)).loss, [ids]


def resnet() -> Task:
    """ResNet-18 of torchvision."""
    torchvision = pytest.importorskip("torchvision", reason="torchvision is not installed")
    images, labels = torch.randn(2, 3, 64, 64), torch.tensor([1, 2])
    model = torchvision.models.resnet18(num_classes=4)
    return model, lambda call: nn.functional.cross_entropy(call(images), labels), [images, labels]


@pytest.fixture(params=[encoder, residual, bert, resnet], ids=lambda make: make.__name__)
def task(request: pytest.FixtureRequest) -> Task:
    """Give one of them, with random weights."""
    torch.manual_seed(0)
    made: Task = request.param()
    return made


def of_parameters(model: nn.Module, loss: Loss) -> Callable[[Any], Any]:
    """Give the loss as a function of the model's parameters."""
    return lambda params: loss(lambda *args, **kwargs: nx.functional_call(model, params, args, kwargs))


def test_every_operation_has_its_module_and_the_line(task: Task) -> None:
    """The module by its path and class, the line in the code of whoever wrote the model or the loss."""
    model, loss, _ = task
    _, tape = nx.trace(of_parameters(model, loss), values=False)(nx.parameters_of(model))
    modules = dict(model.named_modules(remove_duplicate=False))
    assert len(list(tape.flat())) > 15
    for each in tape.flat():
        assert each.source is not None, each
        assert each.source.code, each
        assert "/torch/" not in each.source.file, each
        if each.module_type:
            module = modules.get(each.module)  # None of one that a forward has made, and calls
            assert each.module_type == (each.module if module is None else type(module).__name__), each
        else:  # the loss, outside of the model
            assert each.source.file == __file__, each
            assert not each.module, each


def test_flops_are_those_of_torchs_counter(task: Task) -> None:
    """Of products, convolutions and attention, forward and backward."""
    model, loss, _ = task
    _, tape = nx.trace(of_parameters(model, loss), values=False)(nx.parameters_of(model))
    attention = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu  # the counter knows those on GPUs alone
    formulas = {
        attention: lambda query, key, value, *_, **__: sdpa_flop_count(query, key, value),
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: (
            lambda grad, query, key, value, *_, **__: sdpa_backward_flop_count(grad, query, key, value)
        ),
    }
    with FlopCounterMode(display=False, custom_mapping=formulas) as counter:
        out = loss(model)
        forward = counter.get_total_flops()
        out.backward()
    found = tape.flops(products=True)
    assert found[0] == pytest.approx(forward, rel=0.01)
    assert found[1] == pytest.approx(counter.get_total_flops() - forward, rel=0.01)


def test_what_the_tape_keeps_is_what_it_has_grown_by(task: Task) -> None:
    """In bytes, as torch's allocator counts them."""
    model, loss, batch = task
    loss_of, params = of_parameters(model, loss), nx.parameters_of(model)
    _, tape = nx.trace(loss_of, values=False)(params)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profiler:
        kept = nx.vjp(loss_of, params)
    events = profiler.profiler.kineto_results.events()
    grown = sum(each.nbytes() for each in events if each.name() == "[memory]")
    given = sum(each.nbytes for each in batch)  # the tape keeps it, too, but it was there before
    assert tape.kept == pytest.approx(grown + given, rel=0.05)
    del kept


def test_values_and_gradients_on_the_way_are_those_of_torchs_own_run(task: Task) -> None:
    """A trace and PyTorch's run part ways nowhere, operation by operation."""
    model, loss, _ = task
    torch.manual_seed(1)
    state = {name: each.clone() for name, each in model.state_dict().items()}
    _, ours = nx.trace(of_parameters(model, loss), gradients=True)(nx.parameters_of(model))
    model.load_state_dict(state)  # batch norms have counted
    _, theirs = nx.inside.torch_trace(lambda: loss(model), gradients=True)()
    found = ours.diff(theirs, rtol=1e-3, atol=1e-5)
    assert not found, found
    assert len(found.rows) > len(theirs)


def test_a_gpt2_in_bfloat16_with_a_fully_masked_row_is_told_the_module_the_row_and_the_reason() -> None:
    """The batch is padded on the left: the first token of a sentence may look back at padding alone."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    sizes = {
        "n_embd": 32,
        "n_layer": 2,
        "n_head": 4,
        "vocab_size": 60,
        "n_positions": 64,
        "attn_implementation": "eager",
    }
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(bos_token_id=0, eos_token_id=0, **sizes)).bfloat16()
    ids = torch.arange(16).reshape(2, 8)
    visible = torch.ones(2, 1, 8, 8).tril()
    visible[1, ..., :3] = 0
    batch = {"input_ids": ids, "labels": ids, "attention_mask": visible.log().bfloat16()}

    def loss_of(params: Any) -> Any:
        return nx.functional_call(model.eval(), params, (), batch).loss

    with pytest.raises(NonFiniteError, match="a row is fully masked") as caught, nx.debug_nans():
        nx.value_and_grad(loss_of)(nx.parameters_of(model))
    error = caught.value
    assert (error.rule, error.module) == ("softmax", "transformer.h.0.attn")
    assert "module:    transformer.h.0.attn (GPT2Attention)" in str(error)
    assert error.indices[0] == (1, 0, 0, 0)
    assert error.source is not None
    assert "softmax(" in error.source.code
