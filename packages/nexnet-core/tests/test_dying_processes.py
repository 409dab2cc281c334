"""What native kernels die of behind arguments that torch's front door would check, each in a process of its own."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.process

START = """
import math, torch, nexnet
from torch.nn import functional as F
one = lambda *shape: nexnet.LiteTensor(torch.ones(shape, dtype=torch.float64))
filled = lambda value, *shape: nexnet.LiteTensor(torch.full(shape, value, dtype=torch.float64))
"""


def run(program):
    done = subprocess.run([sys.executable, "-c", START + program], capture_output=True, text=True, check=False)
    assert done.returncode >= 0, f"the process has died of signal {-done.returncode}"
    return done.stdout.strip() if done.returncode == 0 else done.stderr.strip()


def test_batch_norm_of_an_empty_batch_by_running_statistics():
    program = """
f = lambda x, w, b: F.batch_norm(x, one(3), one(3), w, b, training=False)
print([g.tolist() for g in nexnet.grad(f, argnums=(0, 1, 2))(one(0, 3), one(3), one(3))])
"""
    assert run(program) == "[[], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]"


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_grid_sample_at_no_number(padding):
    program = f"""
image = one(1, 1, 16, 16)
f = lambda image, grid: F.grid_sample(image, grid, padding_mode={padding!r}, align_corners=False)
for value in (math.nan, math.inf, -math.inf):
    grid = filled(value, 1, 9, 9, 2)
    first = nexnet.grad(f)(image, grid)
    outer = nexnet.grad(lambda k: nexnet.grad(lambda image: f(image, grid) * k)(image).sum())(one())
    value = f(image, grid).sum()
    print(bool(value.isnan()) or torch.allclose(first.data.sum(), value.data), outer.item() == first.sum().item())
"""
    assert run(program).split() == ["True"] * 6


def test_eigenvalues_of_what_is_not_finite():
    for value in ("math.nan", "math.inf"):
        text = run(f"torch.linalg.eigvals(filled({value}, 3, 3))")
        assert "InputError: a matrix with NaN or infinite elements has no eigenvalues" in text


def test_lu_unpack_with_too_few_pivots():
    text = run("torch.lu_unpack(one(3, 3), torch.ones(0, dtype=torch.int32))")
    assert "InputError: there are not as many pivots as LU has rows to exchange" in text
    assert "expected:  shape (3,)" in text


def test_attention_to_no_values_and_to_nothing():
    assert "RuntimeError" in run("F.scaled_dot_product_attention(one(1, 2, 3, 4), one(1, 2, 3, 4), one(1, 2, 0, 4))")
    assert run("print(F.scaled_dot_product_attention(one(1, 1, 2, 1), one(1, 1, 0, 1), one(1, 1, 0, 1)).tolist())") == (
        "[[[[0.0], [0.0]]]]"
    )


@pytest.mark.parametrize("dims", [2, 3])
def test_a_fractional_window_without_elements(dims):
    text = run(f"F.fractional_max_pool{dims}d(one(1, 1, {'4, ' * dims}), 0, output_size=2)")
    assert "InputError: a window without elements has no greatest one" in text


@pytest.mark.parametrize("name", ["fft", "fft2", "irfft", "rfft2", "hfft"])
def test_a_transform_of_a_number(name):
    assert "ZeroDivisionError" not in run(f"torch.fft.{name}(one())")
