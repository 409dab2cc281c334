"""A spiking neuron learns when to fire: its spikes are steps, which have no gradient, so it is given one.

E. Neftci, H. Mostafa, F. Zenke, "Surrogate gradient learning in spiking neural networks" (2019). The membrane of a
leaky integrate-and-fire neuron follows v <- decay v + input; at v > 1 it fires and v falls by 1. Forward a spike is
0 or 1; backward, its slope is the fast sigmoid's, 1 / (1 + k |v - 1|)^2 (SuperSpike; Zenke and Ganguli, 2018).
"""

import torch

import nexnet
import nexnet_nn as nn

DECAY, THRESHOLD, STEEPNESS = 0.9, 1.0, 5.0
STEPS, INPUTS, HIDDEN = 50, 20, 16


def fast_sigmoid_slope(grad, v):
    """Give the gradient that a spike is said to have."""
    return grad / (1 + STEEPNESS * torch.abs(v)) ** 2


spike = nexnet.surrogate(lambda v: (v > 0).to(v.dtype), fast_sigmoid_slope)


class Spiking(nn.Module):
    """A layer of neurons: currents (steps, batch, inputs) to spikes (steps, batch, neurons)."""

    dense: nn.Dense

    def __call__(self, currents):
        """Let the membranes integrate, fire and be reset, step by step."""
        v, fired = 0.0, []
        for arriving in self.dense(currents).unbind():
            v = DECAY * v + arriving
            fired.append(spike(v - THRESHOLD))
            v = v - THRESHOLD * fired[-1]
        return nexnet.stack(fired)


class Network(nn.Module):
    """Hidden spiking neurons, and an output for each class: the mean of what it receives over time."""

    hidden: Spiking
    out: nn.Dense

    def __call__(self, currents):
        """Give the classes' logits, of shape (batch, classes)."""
        return self.out(self.hidden(currents)).mean(0)


def loss(network, trains, labels):
    """Give the cross-entropy."""
    return nn.cross_entropy(network(trains), labels)


def spike_trains(count, generator):
    """Draw spikes (steps, count, inputs): in class 0 the first inputs fire early and the last ones late, in 1 reversed.

    Every input fires as often in one class as in the other: only the time of a spike tells them apart.
    """
    labels = torch.arange(count) % 2
    early = torch.linspace(0.3, 0.0, STEPS)[:, None, None]
    is_early = (torch.arange(INPUTS) < INPUTS // 2) == (labels[:, None] == 0)
    rates = torch.where(is_early, early, early.flip(0))
    return (torch.rand(STEPS, count, INPUTS, generator=generator) < rates).float(), labels


def make_network(generator, dtype=torch.float32):
    """Make a network with random weights."""
    hidden = nn.Dense(INPUTS, HIDDEN, generator=generator, dtype=dtype)
    return Network(Spiking(hidden), nn.Dense(HIDDEN, 2, generator=generator, dtype=dtype))


def main():
    """Train by backpropagation through time."""
    generator = torch.Generator().manual_seed(0)
    trains, labels = spike_trains(128, generator)
    network = make_network(generator)
    adam = nn.Adam(lr=0.02)
    state = adam.init(network)
    for step in range(41):
        value, grads = nexnet.value_and_grad(loss)(network, trains, labels)
        if step % 10 == 0:
            rate = network.hidden(trains).data.mean().item()
            accuracy = (network(trains).data.argmax(1) == labels).float().mean().item()
            print(f"step {step:3d}  loss {value.item():.3f}  accuracy {accuracy:.2f}  {rate:.0%} of neurons fire")
        network, state = adam.update_(network, grads, state)
    assert accuracy > 0.9


if __name__ == "__main__":
    main()
