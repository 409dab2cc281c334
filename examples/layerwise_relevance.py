"""Layer-wise relevance propagation, on a convolutional network and on a transformer, with no change to either.

Each rule is a function of the same value as the operator's, whose gradient times input is the relevance that the rule
gives. Conservation: an input's relevance sums to the score.

S. Bach et al., "On pixel-wise explanations ..." (2015): epsilon, alpha-beta, z+ (alpha 1, beta 0). G. Montavon et al.,
"Layer-wise relevance propagation: an overview" (2019): gamma. A. Ali et al., "XAI for transformers: better explanations
through conservative propagation" (2022): attention weights and the layer norm's deviation are constants.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import nexnet
from nexnet import stop_gradient

TINY = 1e-12


def _passing(out: Any, through: Any) -> Any:
    """Give the values of ``out``, whose relevance goes the way of ``through``."""
    return through * stop_gradient(out / (through + TINY))


def epsilon(linear: Callable[..., Any], eps: float = 1e-6) -> Callable[..., Any]:
    """R_j = sum_k x_j w_jk / (z_k + eps sign z_k) R_k."""

    def rule(x: Any, w: Any, b: Any = None, *options: Any) -> Any:
        z = linear(x, w, b, *options)
        kept = z * stop_gradient(z / (z + eps * torch.where(z >= 0, 1.0, -1.0)))
        return kept + stop_gradient(z - kept)

    return rule


def gamma(linear: Callable[..., Any], gamma: float = 0.25) -> Callable[..., Any]:
    """R_j = sum_k x_j (w_jk + gamma w_jk^+) / sum_j (...) R_k."""

    def rule(x: Any, w: Any, b: Any = None, *options: Any) -> Any:
        raised = w + gamma * w.clamp(min=0), None if b is None else b + gamma * b.clamp(min=0)
        return _passing(linear(x, w, b, *options), linear(x, *raised, *options))

    return rule


def alpha_beta(linear: Callable[..., Any], alpha: float = 2.0, beta: float = 1.0) -> Callable[..., Any]:
    """R_j = sum_k (alpha (x_j w_jk)^+ / sum_j (...)^+ - beta (x_j w_jk)^- / sum_j (...)^-) R_k,  alpha - beta = 1."""

    def rule(x: Any, w: Any, b: Any = None, *options: Any) -> Any:
        out = linear(x, w, b, *options)
        (xp, xn), (wp, wn) = ((each.clamp(min=0), each.clamp(max=0)) for each in (x, w))
        excited = linear(xp, wp, None, *options) + linear(xn, wn, None, *options)
        inhibited = linear(xp, wn, None, *options) + linear(xn, wp, None, *options)
        return alpha * _passing(out, excited) - (beta * _passing(out, inhibited) if beta else 0.0)

    return rule


def z_plus(linear: Callable[..., Any]) -> Callable[..., Any]:
    """R_j = sum_k (x_j w_jk)^+ / sum_j (x_j w_jk)^+ R_k."""
    return alpha_beta(linear, 1.0, 0.0)


def passed_on(fn: Callable[..., Any]) -> Callable[..., Any]:
    """R_j = R_j: an elementwise function hands its relevance on."""

    def rule(x: Any, *args: Any) -> Any:
        return _passing(fn(x, *args), x)

    return rule


def layer_norm(x: Any, shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """(x - mean) / deviation w, of a deviation that is a constant; a bias takes no relevance with it."""
    dims = tuple(range(-len(shape), 0))
    centred = x - x.mean(dims, keepdim=True)
    out = centred / stop_gradient((centred.square().mean(dims, keepdim=True) + eps).sqrt())
    out = out if weight is None else out * weight
    return out if bias is None else _passing(out + bias, out)


def attention(q: Any, k: Any, v: Any, *_: Any) -> Any:
    """softmax(q k^T / sqrt d) v, of weights that are constants."""
    weights = torch.softmax(q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5, -1)
    return stop_gradient(weights) @ v


#: What a transformer needs beside a rule for its linear layers.
TRANSFORMER = {
    F.layer_norm: layer_norm,
    F.scaled_dot_product_attention: attention,
    F.gelu: passed_on(F.gelu),
}


def relevance(model: nn.Module, x: torch.Tensor, label: int, rules: Any, within: Any = None) -> Any:
    """Give a label's score, and the relevance to it of each element of ``x`` (without a batch dimension)."""

    def score(x):
        return nexnet.functional_call(model, {}, (x[None],))[0].reshape(-1)[label]

    with nexnet.override(rules, within=within):
        value, gradient = nexnet.value_and_grad(score)(x)
    return value.data, gradient.data * x


class Residual(nn.Module):
    """A block of a small convolutional network, as torchvision's are written."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(2))
        self.bn1, self.relu = nn.BatchNorm2d(width), nn.ReLU(inplace=True)

    def forward(self, x: Any) -> Any:
        """Add what two convolutions make of x."""
        out = self.conv2(self.relu(self.bn1(self.conv1(x))))
        out += x
        return self.relu(out)


def convolutional() -> nn.Module:
    """Make a small network of 3 x 16 x 16 images and 4 labels."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.ReLU(inplace=True), nn.MaxPool2d(2), Residual(8),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4, bias=False),
    ).eval()  # fmt: skip


class Transformer(nn.Module):
    """One layer of attention and one of perceptrons, of token vectors."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.up, self.down = nn.Linear(width, 2 * width, bias=False), nn.Linear(2 * width, width, bias=False)
        self.head = nn.Linear(width, 4, bias=False)

    def forward(self, x: Any) -> Any:
        """Give the scores of 4 labels."""
        q, k, v = self.qkv(self.ln1(x)).chunk(3, -1)
        x = x + self.proj(F.scaled_dot_product_attention(q, k, v))
        x = x + self.down(F.gelu(self.up(self.ln2(x))))
        return self.head(x.mean(1))


if __name__ == "__main__":
    torch.manual_seed(0)
    network, image = convolutional().double(), torch.rand(3, 16, 16, dtype=torch.float64)
    for make in (epsilon, gamma, z_plus, alpha_beta):
        rules = {F.conv2d: make(F.conv2d), F.linear: make(F.linear), F.batch_norm: passed_on(F.batch_norm)}
        value, found = relevance(network, image, 1, rules)
        print(f"network,     {make.__name__:>10}: score {value:+.6f}, sum of relevance {found.sum():+.6f}")
    tokens = torch.randn(5, 8, dtype=torch.float64)
    value, found = relevance(Transformer().double(), tokens, 1, {F.linear: epsilon(F.linear), **TRANSFORMER})
    print(f"transformer,    epsilon: score {value:+.6f}, sum of relevance {found.sum():+.6f}")
