"""A rule of your own: the ReLU of guided backpropagation, which passes only positive gradients to positive inputs.

J. Springenberg et al., "Striving for simplicity: the all convolutional net" (2015).
"""

# ruff: noqa: D102  forward and backward are described by their class's formula

import nexnet
from nexnet import Policy, function


@function
class guided_relu(Policy):
    """max(x, 0):  dx = g where x > 0 and g > 0, else 0."""

    def forward(self, x):
        self.ctx.save(x)
        return x.clamp(min=0)

    def backward(self, grad):
        (x,) = self.ctx.release
        return grad * (x > 0) * (grad > 0)


x = nexnet.LiteTensor([-1.0, 2.0, 3.0])
weight = nexnet.LiteTensor([1.0, 1.0, -1.0])

plain = nexnet.grad(lambda x: (nexnet.relu(x) * weight).sum())
guided = nexnet.grad(lambda x: (guided_relu(x) * weight).sum())
print("relu:       ", plain(x).tolist())
print("guided_relu:", guided(x).tolist())
assert plain(x).tolist() == [0.0, 1.0, -1.0]
assert guided(x).tolist() == [0.0, 1.0, 0.0]

_, tape = nexnet.trace(lambda x: (guided_relu(x) * weight).sum())(x)
print(tape)
