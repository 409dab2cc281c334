"""Every case of every suite: its contenders compared, then measured in turns (the table at the end), or timed alone."""

import pytest

from benchmarks.interleaved import measure
from benchmarks.suites import CASES


@pytest.fixture(params=CASES, ids=str)
def case(request, pytestconfig):
    if request.param.long and pytestconfig.getoption("--quick"):
        pytest.skip("left to the full run: it takes long, and another case shows as much")
    return request.param


def test_contenders_agree_and_take_turns(case, pytestconfig, results):
    if pytestconfig.getoption("--quick"):
        measured = measure(case, rounds=1, slice_seconds=0)
    else:
        measured = measure(case)
        results.append(measured)
    assert set(measured.values) >= {"PyTorch", "nexnet"}


@pytest.mark.parametrize("who", ["PyTorch", "nexnet"])
@pytest.mark.parametrize("case", [case for case in CASES if not (case.reads or case.long)], ids=str)
def test_speed(benchmark, case, who):
    """What --save keeps, and --compare compares with."""
    benchmark.group = str(case)
    benchmark(case.make()[who])
