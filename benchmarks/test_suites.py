"""Every case of every suite: right, timed alone (pytest-benchmark), and timed in turns (the table at the end)."""

import pytest

from benchmarks.interleaved import check_agreement, measure
from benchmarks.suites import CASES

every_case = pytest.mark.parametrize("case", CASES, ids=str)


@every_case
def test_the_contenders_agree(case):
    check_agreement(case)


@every_case
@pytest.mark.parametrize("who", ["PyTorch", "nexnet"])
def test_speed(benchmark, case, who):
    benchmark.group = str(case)
    benchmark(case.make()[who])


@every_case
def test_paired_ratio(case, pytestconfig, results):
    if pytestconfig.getoption("--quick"):
        measured = measure(case, rounds=1, slice_seconds=0)
    else:
        measured = measure(case)
        results.append(measured)
    assert set(measured.times) >= {"PyTorch", "nexnet"}
