"""A deep equilibrium layer: infinitely many layers with one weight, and a gradient that remembers none of them.

S. Bai, J. Z. Kolter, V. Koltun, "Deep equilibrium models" (2019). The output is the fixed point z = f(z, x). By the
implicit function theorem its gradient needs f at the fixed point alone, and a linear system there (solved by iteration
too): memory is that of one layer, however many steps the solver takes.
"""

import torch

import nexnet
import nexnet_nn as nn

HIDDEN = 16


class Equilibrium(nn.Module):
    """z = tanh(A z + B x + b) with |A| < 1, so that there is one solution, and iteration finds it."""

    inner: nexnet.LiteTensor
    outer: nn.Dense

    def step(self, z, x):
        """Apply the layer once more: z (batch, hidden), x (batch, inputs)."""
        norm = torch.sqrt((self.inner * self.inner).sum())
        return torch.tanh(z @ (0.9 * self.inner / norm) + self.outer(x))

    def __call__(self, x):
        """Give the fixed point."""
        start = torch.zeros(len(x), HIDDEN, dtype=x.dtype)
        return fixed_point(start, self, x)


fixed_point = nexnet.custom_fixed_point(lambda z, layer, x: layer.step(z, x))


def unrolled(layer, x, steps=50):
    """Give nearly the same by an ordinary loop, of which every step is remembered."""
    z = torch.zeros(len(x), HIDDEN, dtype=x.dtype)
    for _ in range(steps):
        z = layer.step(z, x)
    return z


class Model(nn.Module):
    """An equilibrium layer, and a linear one."""

    layer: Equilibrium
    out: nn.Dense

    def __call__(self, x):
        """Give the classes' logits, of shape (batch, classes)."""
        return self.out(self.layer(x))


def make_model(generator, dtype=torch.float32):
    """Make a model with random weights."""
    inner = nn.init.xavier_uniform((HIDDEN, HIDDEN), generator=generator, dtype=dtype)
    outer = nn.Dense(2, HIDDEN, generator=generator, dtype=dtype)
    return Model(Equilibrium(inner, outer), nn.Dense(HIDDEN, 2, generator=generator, dtype=dtype))


def loss(model, x, labels):
    """Give the cross-entropy."""
    return nn.cross_entropy(model(x), labels)


def rings(count, generator):
    """Draw points (count, 2) of a ring around another one, and their labels."""
    labels = torch.arange(count) % 2
    angle = 2 * torch.pi * torch.rand(count, generator=generator)
    radius = 1.0 + labels + 0.15 * torch.randn(count, generator=generator)
    return radius[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1), labels


def main():
    """Train to tell the rings apart, and count what a gradient has to remember."""
    generator = torch.Generator().manual_seed(0)
    x, labels = rings(128, generator)
    model = make_model(generator)

    for name, forward in (("equilibrium", lambda layer: layer(x)), ("unrolled", lambda layer: unrolled(layer, x))):
        _, tape = nexnet.trace(forward)(model.layer)
        print(f"{name}: {len(tape)} operations on the tape")

    adam = nn.Adam(lr=0.05)
    state = adam.init(model)
    for step in range(41):
        value, grads = nexnet.value_and_grad(loss)(model, x, labels)
        if step % 10 == 0:
            accuracy = (model(x).data.argmax(1) == labels).float().mean().item()
            print(f"step {step:3d}  loss {value.item():.3f}  accuracy {accuracy:.2f}")
        model, state = adam.update_(model, grads, state)
    assert accuracy > 0.95


if __name__ == "__main__":
    main()
