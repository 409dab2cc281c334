"""What the figures rest on: results are compared, ratios are paired, the table shows their median and spread."""

import io

import numpy
import pytest
import torch
from rich.console import Console

import nexnet
from benchmarks.interleaved import Case, Measured, check_agreement, measure, quantity, table


def case_of(**results):
    return Case("suite", "case", lambda: {who: lambda result=result: result for who, result in results.items()})


def compare(torchs, nexnets, rtol=1e-5):
    check_agreement(Case("suite", "case", dict, rtol), {"PyTorch": torchs, "nexnet": nexnets})


class TestCheckAgreement:
    def test_a_litetensor_and_an_array_may_equal_a_torch_tensor(self):
        compare((torch.ones(2), [torch.zeros(())]), [nexnet.ones(2), nexnet.zeros(())])
        compare(torch.ones(2), numpy.ones(2, dtype="float32"))

    def test_a_difference_is_relative_to_the_largest_element(self):
        compare(torch.tensor([1000.0, 1.0]), nexnet.LiteTensor([1000.0, 1.005]))
        with pytest.raises(AssertionError, match="suite, case, nexnet, result 0"):
            compare(torch.tensor([1000.0, 1.0]), nexnet.LiteTensor([1000.0, 1.05]))

    def test_the_number_of_results_counts(self):
        with pytest.raises(AssertionError, match="nexnet gives 1 tensors, PyTorch 2"):
            compare([torch.ones(1), torch.ones(1)], [nexnet.ones(1)])

    def test_nothing_is_measured_of_what_differs(self):
        with pytest.raises(AssertionError, match="suite, case, wrong, result 0"):
            measure(case_of(right=torch.ones(1), wrong=torch.zeros(1)))


class TestMeasured:
    measured = Measured(case_of(), {"PyTorch": [1.0, 2.0, 4.0], "nexnet": [0.5, 1.0, 4.0]}, {"nexnet": 1.0})

    def test_ratios_are_of_neighbours_in_time(self):
        assert self.measured.ratios("nexnet") == (0.5, 0.5, 0.75)
        assert (self.measured.first, self.measured.median("PyTorch")) == ("PyTorch", 2.0)

    def test_the_table_shows_median_and_quartiles(self):
        shown = io.StringIO()
        Console(file=shown, width=130).print(table([self.measured], title="a machine"))
        for text in ("suite, case", "2000.00 ms", "0.50 to 0.75", "a machine"):
            assert text in shown.getvalue()


class TestMeasure:
    def test_contenders_take_turns_in_an_order_that_is_drawn(self):
        called = []

        def contender(who):
            return lambda: called.append(who) or torch.ones(1)

        measured = measure(Case("", "", lambda: {who: contender(who) for who in "ab"}), rounds=9, slice_seconds=0)
        compared, *rounds = ["".join(called[i : i + 2]) for i in range(0, 20, 2)]
        assert compared == "ab"
        assert {*rounds} == {"ab", "ba"}
        assert {who: len(times) for who, times in measured.values.items()} == {"a": 9, "b": 9}

    def test_a_turn_begins_with_a_call_that_is_not_timed(self, monkeypatch):
        called = []
        monkeypatch.setattr("benchmarks.interleaved._calls_in", lambda *_: 3)
        measure(Case("", "", lambda: {"a": lambda: called.append(1) or torch.ones(1)}), rounds=2)
        assert len(called) == 1 + 2 * (1 + 3)  # once to compare, and then two turns

    def test_a_contender_may_bring_its_own_figure(self):
        class Weighs:
            def __init__(self, size):
                self.size, self.calls = size, 0

            def __call__(self):
                self.calls += 1
                self.bytes = self.calls * self.size
                return torch.ones(1)

        case = Case("", "", lambda: {"a": Weighs(8), "b": Weighs(16)}, reads="bytes", per=4)
        assert measure(case, rounds=2).values == {"a": [2.0, 4.0], "b": [4.0, 8.0]}


def test_quantities_have_the_unit_that_suits_them():
    assert [quantity(value) for value in (2.5e-6, 2.5e-4, 0.25, 25)] == ["2.50 µs", "250 µs", "250.00 ms", "25 s"]
    assert [quantity(value, "bytes") for value in (1290, 52e6)] == ["1290 B", "52.0 MB"]
