"""What the engine reads of tensors where torch keeps it is what torch says, whatever tensor it is."""

import itertools
import os
import subprocess
import sys
import warnings

import numpy
import pytest
import torch
from torch.nn import Parameter
from torch.utils._python_dispatch import TorchDispatchMode

import nexnet as nx
from nexnet.engine import COMPILED, attributes
from nexnet.engine.native import READERS

DTYPES = [each for each in vars(torch).values() if isinstance(each, torch.dtype)]


class Mine(torch.Tensor):
    """A subclass."""


def made(dtype):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some are told to be experimental
            return torch.empty(2, 3, dtype=dtype)
    except (RuntimeError, NotImplementedError):  # of some dtypes there are quantized tensors alone
        return None


TENSORS = {
    **{str(each): tensor for each in dict.fromkeys(DTYPES) if (tensor := made(each)) is not None},
    **{f"{n} dimensions": torch.zeros((2,) * n) for n in range(9)},
    "empty": torch.zeros(3, 0, 2),
    "transposed": torch.zeros(3, 5).t(),
    "expanded": torch.zeros(1).expand(2, 4),
    "of no stride": torch.zeros(2, 0).expand(2, 0),
    "a view": torch.zeros(4, 6)[1:3, ::2],
    "conjugated": torch.zeros(2, 3, dtype=torch.complex64).conj(),
    "negative": torch.zeros(2, 3, dtype=torch.complex64).conj().imag,
    "a parameter": Parameter(torch.zeros(2, 2)),
    "a leaf": torch.zeros(2, 2, requires_grad=True),
    "a subclass": torch.zeros(2, 3).as_subclass(Mine),
    "on no device": torch.zeros(2, 3, device="meta"),
    "sparse": torch.eye(3).to_sparse(),
    "numpy's": torch.from_numpy(numpy.zeros((2, 3))),
    "quantized": torch.quantize_per_tensor(torch.zeros(2, 3), 0.1, 0, torch.qint8),
}
each = pytest.mark.parametrize("tensor", TENSORS.values(), ids=TENSORS)


def check(tensor):
    shape = attributes.shape_of(tensor)
    assert (type(shape), shape) == (torch.Size, tensor.shape)
    assert attributes.dtype_of(tensor) is tensor.dtype
    assert attributes.numel_of(tensor) == tensor.numel()
    assert attributes.ndim_of(tensor) == tensor.ndim
    assert attributes.is_on_cpu(tensor) == tensor.is_cpu
    assert attributes.is_like(tensor, tensor.shape, tensor.dtype) == tensor.is_cpu
    if tensor.ndim:
        assert attributes.length_of(tensor) == len(tensor)
    for other in ((), (2,), (2, 3), (*tensor.shape, 1), (*tensor.shape[:-1], 7)):
        is_like = attributes.is_like(tensor, torch.Size(other), tensor.dtype)
        assert is_like == (tensor.is_cpu and tensor.shape == torch.Size(other))
    another = torch.int8 if tensor.dtype is torch.bool else torch.bool
    assert not attributes.is_like(tensor, tensor.shape, another)


@pytest.mark.skipif(not COMPILED or os.environ.get("NEXNET_DIRECT") == "never", reason="torch's getters are asked")
def test_the_places_are_found():
    assert all(READERS)


@each
def test_is_what_torch_says(tensor):
    check(tensor)


@each
def test_is_so_of_the_batches_of_a_vmap(tensor):
    if type(tensor) is torch.Tensor and tensor.layout is torch.strided and not tensor.is_quantized and tensor.ndim:
        torch.vmap(lambda x: check(x) or x)(tensor)


def test_is_so_of_a_tensor_made_in_inference_mode():
    with torch.inference_mode():
        check(torch.zeros(2, 3))


def test_is_so_after_a_tensor_has_become_another():
    tensor = torch.zeros(2, 3)
    check(tensor)
    check(tensor.resize_(4, 1, 2))
    check(tensor.unsqueeze_(0))
    tensor.data = torch.zeros(5, dtype=torch.float64)
    check(tensor)


def test_a_shape_without_dimensions_is_asked_for_its_length():
    with pytest.raises(TypeError, match="0-d tensor"):
        attributes.length_of(torch.tensor(1.0))


def test_a_mode_of_torchs_sees_no_reading():
    class Kernels(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            seen.append(func)
            return func(*args, **(kwargs or {}))

    seen = []
    tensor = torch.zeros(2, 3)
    with Kernels():
        check(tensor)
    assert not [each for each in seen if "sym" not in str(each)]


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (1, 1, 1, 1, 1, 1)])
def test_a_tensor_of_nexnets_has_them(shape):
    x = nx.LiteTensor(torch.zeros(shape, dtype=torch.float64))
    assert (x.shape, x.dtype, x.ndim) == (torch.Size(shape), torch.float64, len(shape))


def test_a_gradient_of_another_shape_is_told_from_one_that_fits():
    shapes = [(), (1,), (3,), (2, 3), (2, 1), (1, 2, 3)]
    for a, b in itertools.product(shapes, shapes):
        x, y = torch.rand(a), torch.rand(b)
        for mine, of in zip(nx.grad(lambda x, y: (x * y).sum(), argnums=(0, 1))(x, y), (a, b), strict=True):
            assert mine.shape == torch.Size(of)


def test_the_debug_form_compares_them():
    code = "import nexnet as nx, torch; print(nx.grad(lambda x: (x * x).sum())(torch.ones(2, 3)).shape)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"NEXNET_CHECK": "1"}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "torch.Size([2, 3])"
