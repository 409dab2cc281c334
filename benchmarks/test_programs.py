"""The fourteen programs: the same losses as PyTorch's, step for step, in no more lines."""

import pytest

from benchmarks.programs import PROGRAMS, lines, steps

programs = pytest.mark.parametrize("program", PROGRAMS, ids=lambda each: each.__name__.rpartition(".")[2])


@programs
def test_losses_are_pytorchs_for_five_steps(program):
    losses = {who: [step().item() for _ in range(5)] for who, step in steps(program).items()}
    assert losses["nexnet"] == pytest.approx(losses["PyTorch"], rel=1e-4)
    assert len(set(losses["nexnet"])) == 5


@programs
def test_takes_no_more_lines(program):
    found = lines(program)
    assert 0 < found["nexnet"] <= found["PyTorch"]
