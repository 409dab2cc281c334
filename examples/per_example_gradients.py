"""A gradient for every example of a batch, at once: vmap of grad. Here they are clipped one by one, for privacy.

M. Abadi et al., "Deep learning with differential privacy" (2016): each example's gradient is scaled to a norm of at
most C, and noise that would hide any one of them is added to their sum.
"""

import torch

import nexnet
import nexnet_nn as nn

CLIP, NOISE = 1.0, 0.5


def loss(model, x, label):
    """Give the cross-entropy of one example: x of shape (2,), a label of shape ()."""
    return nn.cross_entropy(model(x), label)


# One example's gradient, over the batch: a model whose tensors have the batch in front.
per_example_gradients = nexnet.vmap(nexnet.grad(loss), in_dims=(None, 0, 0))


def private_gradient(model, x, labels, noise):
    """Give the mean of the clipped gradients, with noise; and each example's norm before."""
    grads = per_example_gradients(model, x, labels)
    norms = torch.sqrt(sum((each**2).flatten(1).sum(1) for each in grads.parameters()))  # (batch,)
    scales = (CLIP / norms).clamp(max=1)

    def clipped_mean(grad):
        total = torch.einsum("i,i...->...", scales, grad)
        return (total + NOISE * CLIP * torch.randn(total.shape, generator=noise)) / len(x)

    return nexnet.tree.map(clipped_mean, grads), norms


def two_moons(count, generator):
    """Draw points (count, 2) of two half circles, and their labels."""
    labels = torch.arange(count) % 2
    angle = torch.pi * torch.rand(count, generator=generator)
    turned = torch.stack([angle.cos(), angle.sin()], dim=1) * (1 - 2 * labels[:, None])
    x = turned + labels[:, None] * torch.tensor([1.0, 0.5])
    return x + 0.1 * torch.randn(count, 2, generator=generator), labels


def main():
    """Train a classifier that no single example can have changed by much."""
    generator = torch.Generator().manual_seed(0)
    x, labels = two_moons(256, generator)
    model = nn.MLP([2, 32, 2], nexnet.tanh, generator=generator)
    sgd = nn.SGD(lr=0.5, momentum=0.9)
    state = sgd.init(model)
    for step in range(101):
        grads, norms = private_gradient(model, x, labels, generator)
        model, state = sgd.update_(model, grads, state)
        if step % 25 == 0:
            accuracy = (model(x).data.argmax(1) == labels).float().mean().item()
            clipped = (norms.data > CLIP).float().mean().item()
            print(f"step {step:3d}  accuracy {accuracy:.2f}  norms to {norms.data.max():.2f}, {clipped:4.0%} clipped")
    assert accuracy > 0.85


if __name__ == "__main__":
    main()
