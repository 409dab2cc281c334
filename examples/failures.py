"""Four trainings that fail, and where: each is found in three lines.

A language model in bfloat16 with a fully masked row, a variational autoencoder whose variance is zero, a network whose
ReLUs are dead, and a recurrence that explodes.
"""

import importlib.util

import torch

import nexnet
from nexnet.errors import NonFiniteError

generator = torch.Generator().manual_seed(0)


def normal(*shape: int) -> torch.Tensor:
    """Draw from the standard normal distribution."""
    return torch.randn(*shape, generator=generator)


# 1. A language model in bfloat16 gives NaN. Its batch is padded on the left: the first token of a sentence may look
# back at padding alone, so that its row of the mask is -inf throughout.


class Decoder(torch.nn.Module):
    """A causal language model of one layer, written as GPT-2 is."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.attention = torch.nn.Embedding(50, 16), torch.nn.Linear(16, 48)
        self.head = torch.nn.Linear(16, 50)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Give the logits; the mask is added to the attention's."""
        query, key, value = self.attention(self.embedding(ids)).chunk(3, dim=-1)
        weights = torch.softmax(query @ key.mT / 4 + mask, dim=-1)
        return self.head(weights @ value)


torch.manual_seed(0)
decoder = Decoder().bfloat16()
ids = torch.randint(50, (2, 6), generator=generator)
visible = torch.ones(6, 6).tril() * torch.tensor([[1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1]])[:, None]
mask = visible.log().bfloat16()  # 0 and -inf


def of_text(params):
    """Give the loss of the next token."""
    logits = nexnet.functional_call(decoder, params, (ids, mask))
    return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), ids[:, 1:].flatten())


params = nexnet.parameters_of(decoder)
assert nexnet.value_and_grad(of_text)(params)[0].isnan()
try:
    with nexnet.debug_nans():
        nexnet.grad(of_text)(params)
except NonFiniteError as error:
    print(error, "\n")
    masked = error
assert (masked.rule, masked.indices[0]) == ("softmax", (1, 0, 0))
assert masked.reason.startswith("-inf - -inf: a row is fully masked")
assert masked.source.code.startswith("weights = torch.softmax(")


# The same in GPT-2 as transformers has it, where that is installed: the line is the package's own.
if importlib.util.find_spec("transformers"):
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=50, n_positions=8, n_embd=16, n_layer=2, n_head=2, attn_implementation="eager")
    gpt = GPT2LMHeadModel(config).bfloat16().eval()
    inputs = {"attention_mask": mask[:, None], "labels": ids}
    try:
        with nexnet.debug_nans():
            nexnet.grad(lambda params: nexnet.functional_call(gpt, params, (ids,), inputs).loss)(
                nexnet.parameters_of(gpt)
            )
    except NonFiniteError as error:
        print(error, "\n")
        in_gpt = error
    assert (in_gpt.rule, in_gpt.module, in_gpt.indices[0]) == ("softmax", "transformer.h.0.attn", (1, 0, 0, 0))


# 2. A VAE: the divergence from a standard normal takes the logarithm of a variance that a ReLU has made zero.


def divergence(params, x):
    """Give the divergence from a standard normal."""
    mean, variance = x @ params["mean"], torch.relu(x @ params["variance"])
    return (mean**2 + variance - nexnet.log(variance) - 1).sum() / 2


vae = {"mean": normal(4, 2), "variance": normal(4, 2)}
try:
    with nexnet.debug_nans(infinities=True):
        nexnet.grad(divergence)(vae, normal(8, 4))
except NonFiniteError as error:
    print(error, "\n")
    born = error
assert (born.rule, born.reason) == ("log", "the logarithm of 0")


# 3. A network that learns nothing: a bias has pushed all of a layer below zero.


def loss(params, x):
    """Give the squared error of two layers."""
    hidden = torch.relu(x @ params["first.weight"] + params["first.bias"])
    return ((hidden @ params["second.weight"] - 1) ** 2).mean()


network = {"first.weight": normal(4, 8), "first.bias": torch.full((8,), -50.0), "second.weight": normal(8, 1)}
_, tape = nexnet.trace(loss, gradients=True)(network, normal(16, 4))
found = nexnet.explain(tape, "first.weight")
print(found, "\n")
assert (found.verdict, found.operation.rule) == ("zero", "relu")


# 4. A recurrent network whose gradient explodes.


def recurrent(params, h):
    """Take thirty steps."""
    for _ in range(30):
        h = nexnet.sin(h * 0.1) + h @ params["hidden"]
    return h.sum()


_, tape = nexnet.trace(recurrent, gradients=True)({"hidden": torch.eye(4) * 2}, normal(2, 4))
found = nexnet.explain(tape, "h")
print(found)
assert (found.verdict, found.operation.rule) == ("huge", "matmul")
