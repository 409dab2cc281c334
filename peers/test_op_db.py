"""PyTorch's operator database: every sample of every operator, in every mode, beside torch's autograd."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from .examine import examine, sides_with
from .known import KNOWN, known
from .problem import database

DATABASE = database()


@pytest.mark.parametrize("name", sorted(DATABASE))
def test_operator(name: str, pytestconfig: pytest.Config, record_property: Callable[[str, object], None]) -> None:
    """What differs, or is refused, has its line in the table; what the table says of it, is."""
    limit = pytestconfig.getoption("--part")
    found = examine(name, DATABASE[name], limit)
    lines = [known(finding) for finding, _ in found.findings]
    counted = Counter({"operators": 1, "samples": found.samples, "samples without a gradient in torch": found.without})
    for (finding, _), line in zip(found.findings, lines, strict=True):
        counted[f"{finding.kind}, {'known' if line else 'not known'}"] += 1
    counted.update({f"as torch's: {mode}": count for mode, count in found.compared.items()})
    for what, count in counted.items():
        record_property(what, count)

    unknown = [str(finding) for (finding, _), line in zip(found.findings, lines, strict=True) if line is None]
    assert not unknown, f"{len(unknown)} findings that are not in the table:\n" + "\n".join(unknown[:10])
    for (finding, reference), line in zip(found.findings, lines, strict=True):
        if line is not None and line.torch_is_wrong and finding.mode != "second":
            assert sides_with(reference) == "nexnet", f"differences do not side with nexnet: {finding}"
    if limit is None:
        of_this = [each for each in KNOWN if name in each.names.split()]
        assert {*of_this} == {*filter(None, lines)}, "a line of the table that nothing needs any more"


def test_the_table_names_what_there_is() -> None:
    """A line for an operator that the database does not have explains nothing."""
    assert {name for each in KNOWN for name in each.names.split()} <= {*DATABASE}
