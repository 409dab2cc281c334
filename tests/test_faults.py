"""The twenty planted faults: nexnet finds each, and the page's table is what was found."""

from pathlib import Path

import pytest

pytest.importorskip("jax")

from tests import faults

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "nans.md"


@pytest.mark.parametrize("fault", faults.FAULTS, ids=lambda fault: fault.name)
def test_nexnet_names_the_operation_the_line_and_the_reason(fault):
    found = faults.by_nexnet(fault)
    assert (found.operation, found.line, found.reason) == (True, True, True)
    assert found.element or fault.kind in ("dead", "exploding")


def test_the_table_of_the_page_is_what_was_found():
    assert faults.table() in PAGE.read_text(encoding="utf-8")
