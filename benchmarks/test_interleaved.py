"""What the figures rest on: results are compared, ratios are paired, the table shows their median and spread."""

import io

import pytest
import torch
from rich.console import Console

import nexnet
from benchmarks.interleaved import Case, Measured, check_agreement, measure, table


def case_of(torchs, nexnets, rtol=1e-5):
    return Case("suite", "case", lambda: {"PyTorch": lambda: torchs, "nexnet": lambda: nexnets}, rtol)


class TestCheckAgreement:
    def test_a_litetensor_may_equal_a_torch_tensor(self):
        check_agreement(case_of((torch.ones(2), [torch.zeros(())]), [nexnet.ones(2), nexnet.zeros(())]))

    def test_a_difference_is_relative_to_the_largest_element(self):
        check_agreement(case_of(torch.tensor([1000.0, 1.0]), nexnet.LiteTensor([1000.0, 1.005])))
        with pytest.raises(AssertionError, match="suite, case, nexnet, result 0"):
            check_agreement(case_of(torch.tensor([1000.0, 1.0]), nexnet.LiteTensor([1000.0, 1.05])))

    def test_the_number_of_results_counts(self):
        with pytest.raises(AssertionError, match="nexnet gives 1 tensors, PyTorch 2"):
            check_agreement(case_of([torch.ones(1), torch.ones(1)], [nexnet.ones(1)]))


class TestMeasured:
    measured = Measured(case_of(None, None), {"PyTorch": [1.0, 2.0, 4.0], "nexnet": [0.5, 1.0, 4.0]})

    def test_ratios_are_of_neighbours_in_time(self):
        assert self.measured.ratios("nexnet") == (0.5, 0.5, 0.75)
        assert self.measured.reference == 2.0

    def test_the_table_shows_median_and_quartiles(self):
        shown = io.StringIO()
        Console(file=shown, width=110).print(table([self.measured], title="a machine"))
        for text in ("suite, case", "2000.00 ms", "0.50 to 0.75", "a machine"):
            assert text in shown.getvalue()


def test_contenders_take_turns_in_alternating_order():
    called = []
    case = Case("suite", "case", lambda: {who: lambda who=who: called.append(who) for who in "ab"})
    measured = measure(case, rounds=3, slice_seconds=0)
    assert "".join(called[-6:]) == "abbaab"
    assert {who: len(times) for who, times in measured.times.items()} == {"a": 3, "b": 3}
