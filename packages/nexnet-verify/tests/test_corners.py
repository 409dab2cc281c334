import dataclasses

import pytest
import torch

import nexnet
from nexnet_verify.corner import check_corner
from nexnet_verify.corners import CORNERS


@pytest.mark.parametrize("corner", CORNERS, ids=lambda corner: corner.point)
def test_a_corner_is_as_the_table_says(corner):
    found = check_corner(corner)
    if found.status == "not built":
        pytest.skip(f"nexnet has no {corner.operator} yet")
    assert found.status == "right", f"expected {corner.expected}, got {found.got}"


def test_another_convention_is_wrong():
    corner = next(corner for corner in CORNERS if corner.point == "abs(0)")
    found = check_corner(dataclasses.replace(corner, expected=[1.0]))
    assert (found.status, found.got) == ("WRONG", "0.0")


def test_an_operator_that_raises_is_wrong():
    corner = next(corner for corner in CORNERS if corner.point == "abs(0)")
    found = check_corner(dataclasses.replace(corner, fn=lambda x: nexnet.ops.sum(x, 5)))
    assert found.status == "WRONG"
    assert "IndexError" in found.got


def test_an_error_that_is_expected_and_does_not_come_is_wrong():
    corner = next(corner for corner in CORNERS if corner.point == "max of nothing")
    assert check_corner(corner).status == "right"
    assert check_corner(dataclasses.replace(corner, inputs=[[1.0]], expected=[[1.0]])).status == "WRONG"


@pytest.mark.parametrize("dtypes", [(torch.float32, torch.float64), (torch.bfloat16, torch.float32)])
def test_each_gradient_has_its_inputs_dtype_and_device(dtypes):
    inputs = [nexnet.ones(2, dtype=dtype) for dtype in dtypes]
    found = nexnet.grad(lambda x, y: (x * y).sum(), argnums=(0, 1))(*inputs)
    assert [each.dtype for each in found] == list(dtypes)
    assert [each.device for each in found] == [each.device for each in inputs]


def test_every_line_of_the_conventions_has_a_row():
    """The subjects of the document on corner cases, each of which stands in the table."""
    named = {corner.operator for corner in CORNERS}
    differ = """abs vector_norm l1_loss leaky_relu hardtanh clamp max min median fmax fmin cummax norm std hypot atan2
        pow xlogy sinc logaddexp logcumsumexp det index_put copysign heaviside mul"""
    agree = """relu relu6 hardsigmoid elu maximum minimum amax amin topk max_pool1d sort sign round sqrt var logsumexp
        softmax log_softmax where prod cumprod linalg_eigvalsh linalg_svdvals linalg_eigh cholesky
        linalg_solve_triangular einsum add expand sum mean gather softplus"""
    assert {*differ.split(), *agree.split()} - named == set()
    built = {name for name in named if name and not hasattr(nexnet.ops, name)}
    assert built == set(), "not built"
