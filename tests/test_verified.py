"""What is kept of the verifier's last run, for the reference: no case that there isn't, and none that was wrong."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx")

from nexnet_verify.cases import all_cases

sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))

from _extension import verified


def test_what_is_kept_is_of_the_cases_that_there_are():
    kept = verified.kept()
    assert kept.keys() <= {case.name for case in all_cases()}
    assert len(kept) > 500
    assert all(verdict.right for verdict in kept.values())
    assert str(kept["exp"]).startswith("right in 5 examples")
