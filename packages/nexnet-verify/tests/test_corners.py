import dataclasses

import pytest

import nexnet
from nexnet_verify.corners import CORNERS, check_corner


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
