"""What the figures of memory rest on."""

import pytest
import torch

from benchmarks.child import InChild
from benchmarks.memory import Weighed


def kept_and_dropped():
    kept = torch.ones(1_000_000)
    dropped = torch.ones(2_000_000)
    return kept + dropped.sum()


class TestWeighed:
    def test_it_counts_what_lives_at_the_same_time(self):
        weighed = Weighed(kept_and_dropped)
        assert weighed().shape == (1_000_000,)
        assert weighed.bytes == pytest.approx(4 * 4_000_000, rel=0.01)  # both, and the sum of kept and a number

    def test_what_is_freed_is_not_counted(self):
        weighed = Weighed(lambda: [torch.ones(1_000_000).sum() for _ in range(3)])
        weighed()
        assert weighed.bytes < 4 * 1_100_000


def test_the_resident_peak_has_python_s_objects_too():
    code = (
        "from benchmarks.memory import resident_peak; from benchmarks.child import report; "
        "report([], bytes=resident_peak(lambda: [bytearray(1000) for _ in range(50_000)])[0])"
    )
    child = InChild(code)
    child()
    assert 50_000 * 800 < child.bytes < 50_000 * 2000  # some of them lie in pages that the process had already


class TestInChild:
    def test_results_and_figures_come_from_another_process(self):
        child = InChild("from benchmarks.child import report; report([[1.0, 2.0], 3.0], seconds=0.5, bytes=7)")
        results = child()
        assert [each.tolist() for each in results] == [[1.0, 2.0], 3.0]
        assert (child.seconds, child.bytes) == (0.5, 7)

    def test_its_error_is_shown(self):
        with pytest.raises(RuntimeError, match=r"ended with 1:\s+no such thing"):
            InChild("raise SystemExit('no such thing')")()
