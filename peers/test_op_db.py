"""PyTorch's operator database: every sample of every operator, in every mode, beside torch's autograd."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .examine import drawn, examine
from .judge import judge
from .known import KNOWN
from .modules import layers
from .problem import database

DATABASE = database()


@pytest.mark.parametrize("name", sorted(DATABASE))
def test_operator(name: str, pytestconfig: pytest.Config, record_property: Callable[[str, object], None]) -> None:
    """What differs, or is refused, has its line in the table; what the table says of it, is."""
    limit = pytestconfig.getoption("--part")
    found = examine(name, drawn(name, DATABASE[name], limit))
    judge(name, found, "operators", limit is None, record_property)


def test_the_table_names_what_there_is() -> None:
    """A line for an operator or a layer that no database has explains nothing."""
    assert {name for each in KNOWN for name in each.names.split()} <= {*DATABASE, *layers()}
