"""Every operator by itself: compared with PyTorch's, then measured in turns (the worst ones at the end)."""

import pytest

from benchmarks.interleaved import measure
from benchmarks.suites.operators import cases, explain


@pytest.mark.filterwarnings("ignore")  # torch's remarks on complex numbers and on what is new
@pytest.mark.parametrize("case", cases(), ids=str)
def test_an_operator_agrees_and_takes_turns(case, pytestconfig, operators):
    if pytestconfig.getoption("--quick"):
        measured = measure(case, rounds=1, slice_seconds=0)
    else:
        measured = measure(case, slice_seconds=0.003)
        if measured.ratios("nexnet")[1] > case.aims["nexnet"]:
            measured.why = explain(case)
        operators.append(measured)
    assert set(measured.values) == {"PyTorch", "nexnet"}
