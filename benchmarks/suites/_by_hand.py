"""The gradients of a small MLP with mean squared error, and its Hessian's product with a vector, written out.

Torch's kernels and nothing else: what a library that finds these by itself can at best reach. The product follows
B. Pearlmutter, "Fast exact multiplication by the Hessian" (1994): the gradient's formulas, differentiated in the
direction v. In the comments Ra is the derivative of a in that direction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Activation:
    """A function that works in place, what passes a gradient back through it, and how that varies.

    Attributes:
        apply_: gives a = f(z), in z's storage.
        backward: gives g f'(z), from g and a.
        curvature: gives g f''(z) Rz, from g, a and Ra; None: it is 0.
    """

    apply_: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], Tensor]
    curvature: Callable[[Tensor, Tensor, Tensor], Tensor] | None


RELU = Activation(torch.relu_, lambda g, a: torch.ops.aten.threshold_backward(g, a, 0), None)
TANH = Activation(torch.tanh_, torch.ops.aten.tanh_backward, lambda g, a, along: (g * a).mul_(along).mul_(-2))


@dataclass
class Evaluation:
    """The loss of an MLP at its parameters, its gradients, and what their derivatives need."""

    loss: Tensor
    grads: list[Tensor]
    hidden: list[Tensor]  # the input of every layer
    deltas: list[Tensor]  # the gradient by the output of every layer
    passed: list[Tensor]  # the gradient by the input of every layer but the first


def evaluate(params: Sequence[Tensor], x: Tensor, y: Tensor, activation: Activation) -> Evaluation:
    """Compute the loss and its gradients."""
    hidden = [x]
    last = len(params) - 2
    for i in range(0, last, 2):
        hidden.append(activation.apply_(torch.addmm(params[i + 1], hidden[-1], params[i].t())))
    delta = torch.addmm(params[-1], hidden[-1], params[-2].t()).sub_(y)
    loss = torch.dot(delta.view(-1), delta.view(-1)).div_(delta.numel())
    delta.mul_(2 / delta.numel())
    grads: list[Any] = [None] * len(params)
    deltas: list[Any] = [None] * len(hidden)
    passed: list[Any] = [None] * len(hidden)
    for layer in range(len(hidden) - 1, -1, -1):
        deltas[layer] = delta
        grads[2 * layer] = torch.mm(delta.t(), hidden[layer])
        grads[2 * layer + 1] = delta.sum(0)
        if layer:
            passed[layer] = torch.mm(delta, params[2 * layer])
            delta = activation.backward(passed[layer], hidden[layer])
    return Evaluation(loss, grads, hidden, deltas, passed)


def hessian_product(
    at: Evaluation, params: Sequence[Tensor], vectors: Sequence[Tensor], activation: Activation
) -> list[Tensor]:
    """Compute the product of the loss's Hessian and a vector, which has the structure of the parameters."""
    along: list[Any] = [None]  # R of the input of every layer: the first one's is 0
    moved = None
    for layer, h in enumerate(at.hidden):
        moved = torch.addmm(vectors[2 * layer + 1], h, vectors[2 * layer].t())
        if layer:
            moved.addmm_(along[layer], params[2 * layer].t())
        if layer < len(at.hidden) - 1:
            along.append(activation.backward(moved, at.hidden[layer + 1]))
    assert moved is not None
    delta = moved.mul_(2 / moved.numel())
    products: list[Any] = [None] * len(params)
    for layer in range(len(at.hidden) - 1, -1, -1):
        weight = torch.mm(delta.t(), at.hidden[layer])
        products[2 * layer + 1] = delta.sum(0)
        if layer:
            weight.addmm_(at.deltas[layer].t(), along[layer])
            passed = torch.mm(delta, params[2 * layer]).addmm_(at.deltas[layer], vectors[2 * layer])
            delta = activation.backward(passed, at.hidden[layer])
            if activation.curvature is not None:
                delta.add_(activation.curvature(at.passed[layer], at.hidden[layer], along[layer]))
        products[2 * layer] = weight
    return products
