"""Operators and tensors in a user's code, as both type checkers are to see them."""

from typing import assert_type

import numpy as np
import torch

import nexnet
from nexnet import LiteTensor
from nexnet.typing import TensorLike

x = nexnet.randn(3, 4)
assert_type(x, LiteTensor)
assert_type(nexnet.tensor([1.0, 2.0]), LiteTensor)
assert_type(LiteTensor([1.0]), LiteTensor)
assert_type(nexnet.zeros_like(x, dtype=torch.float64), LiteTensor)

# What a tensor is
assert_type(x.shape, torch.Size)
assert_type(x.dtype, torch.dtype)
assert_type(x.device, torch.device)
assert_type(x.ndim, int)
assert_type(x.data, torch.Tensor)
assert_type(len(x), int)
assert_type(x.T, LiteTensor)
assert_type(x.real, LiteTensor)
assert_type(float(x[0, 0]), float)

# Arithmetic, on either side, with what is taken for a tensor
assert_type(x + 1, LiteTensor)
assert_type(2.0 * x, LiteTensor)
assert_type(x @ x.T, LiteTensor)
assert_type(x / torch.ones(3, 4), LiteTensor)
assert_type(x - np.ones((3, 4)), LiteTensor)
assert_type(-(x**2), LiteTensor)
assert_type(1 // x % 2, LiteTensor)
assert_type(abs(x), LiteTensor)
assert_type(x == x, LiteTensor)
assert_type(x > 0, LiteTensor)
assert_type(~(x < 0) & (x != 1), LiteTensor)

# Parts
assert_type(x[0], LiteTensor)
assert_type(x[None, ..., 1:], LiteTensor)
assert_type(x[x > 0], LiteTensor)
assert_type([row.sum() for row in x], list[LiteTensor])

# Methods and functions
assert_type(x.exp(), LiteTensor)
assert_type(x.sum(dim=0, keepdim=True), LiteTensor)
assert_type(x.mean((0, 1)), LiteTensor)
assert_type(x.reshape(2, 6).permute(1, 0), LiteTensor)
assert_type(x.to(torch.float64), LiteTensor)
assert_type(x.double().long(), LiteTensor)
assert_type(nexnet.exp(x), LiteTensor)
assert_type(nexnet.exp(1.0), LiteTensor)
assert_type(nexnet.linear(x, torch.ones(5, 4), None), LiteTensor)
assert_type(nexnet.softmax(x, dim=-1, dtype=torch.float64), LiteTensor)
assert_type(nexnet.cat([x, torch.ones(1, 4)], dim=0), LiteTensor)
assert_type(nexnet.where(x > 0, x, 0), LiteTensor)
assert_type(nexnet.argmax(x, dim=1), LiteTensor)
assert_type(nexnet.linalg.inv(x @ x.T), LiteTensor)
assert_type(nexnet.fft.rfft(x, norm="ortho"), LiteTensor)
assert_type(nexnet.special.zeta(x, 2), LiteTensor)
assert_type(nexnet.conv2d(x, x, stride=(1, 2), padding="same"), LiteTensor)
assert_type(nexnet.cross_entropy(x, nexnet.arange(3), reduction="sum"), LiteTensor)

# What is not one tensor
assert_type(x.max(), LiteTensor)
assert_type(x.max(dim=0).indices, LiteTensor)
assert_type(nexnet.topk(x, 2).values, LiteTensor)
assert_type(nexnet.linalg.svd(x).Vh, LiteTensor)
assert_type(x.split(2), tuple[LiteTensor, ...])
assert_type(nexnet.std_mean(x), tuple[LiteTensor, LiteTensor])
assert_type(nexnet.max_pool2d(x, 2), LiteTensor)
assert_type(nexnet.max_pool2d(x, 2, return_indices=True), tuple[LiteTensor, LiteTensor])
assert_type(nexnet.nonzero(x), LiteTensor)
assert_type(x.is_complex(), bool)
assert_type(nexnet.allclose(x, x), bool)
values, indices = nexnet.sort(x, descending=True)
assert_type(values, LiteTensor)


def distance(a: TensorLike, b: TensorLike) -> LiteTensor:
    """Take what the operators take."""
    return nexnet.linalg.norm(nexnet.sub(a, b))


assert_type(distance(x, 0.0), LiteTensor)
