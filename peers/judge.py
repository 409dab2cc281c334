"""What is made of an examination: what is not as in torch has its line in the table, and the table's lines are true."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from .examine import Examined, sides_with
from .known import KNOWN, known

__all__ = ["judge"]


def judge(name: str, found: Examined, what: str, whole: bool, record_property: Callable[[str, object], None]) -> None:
    """Fail what the table does not know, or knows wrongly; hand on the figures, of one ``what``.

    Args:
        name: the operator's, or the layer's.
        found: what came of it.
        what: "operators" or "layers".
        whole: whether it was examined as a whole, and a line that nothing has needed is needed no more.
        record_property: pytest's.
    """
    lines = [known(finding) for finding, _ in found.findings]
    counted = Counter({what: 1, "samples": found.samples, "samples without a gradient in torch": found.without})
    for (finding, _), line in zip(found.findings, lines, strict=True):
        counted[f"{finding.kind}, {'known' if line else 'not known'}"] += 1
    counted.update({f"as torch's: {mode}": count for mode, count in found.compared.items()})
    for each, count in counted.items():
        record_property(each, count)

    unknown = [str(finding) for (finding, _), line in zip(found.findings, lines, strict=True) if line is None]
    if unknown:
        pytest.fail(f"{len(unknown)} findings that are not in the table:\n" + "\n".join(unknown[:10]), pytrace=False)
    for (finding, reference), line in zip(found.findings, lines, strict=True):
        if line is not None and line.torch_is_wrong and finding.mode != "second":
            assert sides_with(reference) == "nexnet", f"differences do not side with nexnet: {finding}"
    if whole:
        of_this = [each for each in KNOWN if name in each.names.split()]
        assert {*of_this} == {*filter(None, lines)}, "a line of the table that nothing needs any more"
