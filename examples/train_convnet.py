"""Train a small convolutional network to tell shapes apart, wherever they are in a noisy image."""

import torch

import nexnet
import nexnet_nn as nn

SHAPES = torch.tensor(
    [
        [[1, 0, 0, 0, 1], [0, 1, 0, 1, 0], [0, 0, 1, 0, 0], [0, 1, 0, 1, 0], [1, 0, 0, 0, 1]],  # a cross
        [[0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 1, 0, 0], [0, 0, 1, 0, 0]],  # a plus
        [[0, 1, 1, 1, 0], [1, 0, 0, 0, 1], [1, 0, 0, 0, 1], [1, 0, 0, 0, 1], [0, 1, 1, 1, 0]],  # a ring
    ],
    dtype=torch.float32,
)


def draw(count, generator):
    """Draw images (count, 1, 16, 16), each with one shape at a random place, and labels (count,)."""
    labels = torch.randint(len(SHAPES), (count,), generator=generator)
    images = 0.3 * torch.randn(count, 1, 16, 16, generator=generator)
    for image, label, (row, column) in zip(
        images, labels, torch.randint(12, (count, 2), generator=generator), strict=True
    ):
        image[0, row : row + 5, column : column + 5] += SHAPES[label]
    return images, labels


def loss(model, x, y):
    """Give the mean cross-entropy of the model's logits."""
    return nn.cross_entropy(model(x), y)


generator = torch.Generator().manual_seed(0)
x, y = draw(512, generator)
model = nn.Sequential(
    nn.Conv2d(1, 8, 5, padding="same", generator=generator),
    nexnet.relu,
    nn.MaxPool2d(2),
    nn.Conv2d(8, 16, 3, generator=generator),
    nexnet.relu,
    nn.AdaptiveMaxPool2d(1),
    nn.Flatten(),
    nn.Dense(16, len(SHAPES), generator=generator),
)
adam = nn.Adam(lr=1e-2)
state = adam.init(model)
step = nexnet.value_and_grad(loss)

for epoch in range(6):
    for i in range(0, len(x), 64):
        value, grads = step(model, x[i : i + 64], y[i : i + 64])
        model, state = adam.update_(model, grads, state)
    print(f"epoch {epoch}  loss {value.item():.4f}")

unseen, labels = draw(256, generator)
accuracy = (model(unseen).data.argmax(1) == labels).float().mean().item()
print(f"accuracy on images that it has not seen: {accuracy:.3f}")
assert accuracy > 0.95

# Which pixels does an answer depend on? The gradient by the image says it.
saliency = nexnet.grad(lambda image: model(image)[0, labels[0].item()])(unseen[:1])
rows, columns = (saliency.data.abs()[0, 0] > saliency.data.abs().max() / 10).nonzero().T
print(f"it looked at rows {rows.min()} to {rows.max()}, columns {columns.min()} to {columns.max()}")
