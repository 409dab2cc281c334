"""Where nexnet is not what PyTorch's database expects, and why: each finding has its line here, each line a finding."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["KNOWN", "Finding", "Known", "known"]

Kind = Literal["differs", "refused", "fails"]


@dataclass(frozen=True)
class Finding:
    """What one sample brought up in one mode.

    Attributes:
        name: the operator's.
        sample: its label.
        mode: in which.
        kind: "differs" (another number than torch's), "refused" (an error of nexnet's), "fails" (any other error).
        text: how they differ, or the error.
    """

    name: str
    sample: str
    mode: str
    kind: Kind
    text: str

    def __str__(self) -> str:
        return f"{self.sample}, {self.mode} {self.kind}: {self.text}"


@dataclass(frozen=True)
class Known:
    """Findings that are explained.

    Attributes:
        kind: theirs.
        names: of the operators.
        reason: why it is so.
        text: a regular expression that the finding's text contains.
        modes: in which; in any, if none is named.
        torch_is_wrong: whether finite differences are to side with nexnet, and not with torch.
    """

    kind: Kind
    names: str
    reason: str
    text: str = ""
    modes: str = ""
    torch_is_wrong: bool = False

    def explains(self, finding: Finding) -> bool:
        """Whether this is the line of a finding."""
        return (
            finding.kind == self.kind
            and finding.name in self.names.split()
            and (not self.modes or finding.mode in self.modes.split())
            and re.search(self.text, finding.text) is not None
        )


def known(finding: Finding) -> Known | None:
    """Find a finding's line."""
    return next((each for each in KNOWN if each.explains(finding)), None)


KNOWN: tuple[Known, ...] = (
    Known(
        "differs",
        "as_strided_scatter",
        "torch's gradient of it is zero for a source of shape () and where the memory is written twice",
        torch_is_wrong=True,
    ),
)
