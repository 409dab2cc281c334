"""A residual network with batch normalisation, on small images; SGD with momentum."""

import torch
from torch.nn import functional

import nexnet
import nexnet_nn as nn


def batch(draw):
    """Draw images (32, 3, 16, 16), and labels."""
    return torch.randn(32, 3, 16, 16, generator=draw), torch.randint(10, (32,), generator=draw)


class TorchBlock(torch.nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1, self.conv2 = (torch.nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(2))
        self.norm1, self.norm2 = torch.nn.BatchNorm2d(channels), torch.nn.BatchNorm2d(channels)

    def forward(self, x):
        inner = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(x + self.norm2(self.conv2(inner)))


class TorchResNet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.norm = torch.nn.Conv2d(3, 16, 3, padding=1, bias=False), torch.nn.BatchNorm2d(16)
        self.block1, self.block2 = TorchBlock(16), TorchBlock(16)
        self.head = torch.nn.Linear(16, 10)

    def forward(self, x):
        x = torch.relu(self.norm(self.stem(x)))
        return self.head(self.block2(functional.max_pool2d(self.block1(x), 2)).mean((2, 3)))


def in_torch(weights, draw):
    model = TorchResNet()
    model.load_state_dict(weights)
    sgd = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)

    while True:
        x, y = batch(draw)
        loss = functional.cross_entropy(model(x), y)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        yield loss


class Block(nn.Module):
    def __init__(self, channels):
        self.conv1, self.conv2 = (nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(2))
        self.norm1, self.norm2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)

    def __call__(self, x):
        inner = nexnet.relu(self.norm1(self.conv1(x)))
        return nexnet.relu(x + self.norm2(self.conv2(inner)))


class ResNet(nn.Module):
    def __init__(self):
        self.stem, self.norm = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.block1, self.block2 = Block(16), Block(16)
        self.head = nn.Linear(16, 10)

    def __call__(self, x):
        x = nexnet.relu(self.norm(self.stem(x)))
        return self.head(self.block2(nexnet.max_pool2d(self.block1(x), 2)).mean((2, 3)))


def in_nexnet(weights, draw):
    model = nn.from_torch(weights, into=ResNet(), rename={"*.num_batches_tracked": None})
    sgd = nn.SGD(0.05, momentum=0.9)
    state = sgd.init(model)
    loss = nexnet.value_and_grad(nn.with_buffers(lambda model, x, y: nn.cross_entropy(model(x), y)), has_aux=True)

    while True:
        (value, buffers), grads = loss(model, *batch(draw))
        model, state = sgd.update_(model, grads, state)
        model = model.with_buffers(buffers)
        yield value


start = TorchResNet
