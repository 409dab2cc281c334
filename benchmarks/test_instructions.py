"""What the table of instructions rests on; counting itself takes minutes, and is a session of its own."""

import json
import sys

import pytest

from benchmarks import instructions
from benchmarks.instructions import PROGRAMS, TABLE, compared, main, shown, total

COUNTS = {"chain": {"PyTorch": 2000, "nexnet": 1000, "nexnet, dense": 1000}}


def test_the_committed_table_has_every_program():
    table = json.loads(TABLE.read_text())
    assert set(table["versions"]) == set(instructions.versions())
    assert set(table["counts"]) == set(PROGRAMS)
    assert all(counts["nexnet"] < counts["PyTorch"] for counts in table["counts"].values())


def test_within_three_percent_nothing_is_said():
    now = {"chain": {"PyTorch": 5000, "nexnet": 1029, "nexnet, dense": 971}}
    assert compared(now, COUNTS) == []


def test_more_and_less_are_said_and_what_is_new():
    now = {"chain": {"PyTorch": 2000, "nexnet": 1031, "nexnet, dense": 900}, "loop": {"nexnet": 1}}
    assert compared(now, COUNTS) == [
        "chain, nexnet: 1,000 -> 1,031 (+3.1%)",
        "chain, nexnet, dense: 1,000 -> 900 (-10.0%)",
        "loop, nexnet: it is new",
    ]


def test_a_ratio_is_to_pytorch():
    assert shown(COUNTS).splitlines()[1].split() == ["chain", "nexnet", "1,000", "0.500"]


def test_a_dump_says_its_total():
    assert total("# callgrind format\nevents: Ir\nsummary: 1234\n\nfn=(1)\n") == 1234
    with pytest.raises(ValueError, match="without a total"):
        total("nothing")


@pytest.mark.parametrize(
    ("missing", "reason"),
    [("valgrind", "valgrind is not installed"), ("cc", "there is no C compiler")],
)
def test_where_it_cannot_be_counted_the_reason_is_said(missing, reason, monkeypatch, capsys):
    monkeypatch.setattr(instructions.shutil, "which", lambda name: None if name == missing else name)
    monkeypatch.setattr(sys, "argv", ["instructions", "--compare"])
    main()
    assert reason in capsys.readouterr().out


def test_with_another_torch_nothing_is_compared(monkeypatch, capsys):
    monkeypatch.setattr(instructions, "obstacle", lambda: "")
    monkeypatch.setattr(instructions, "versions", lambda: {"torch": "1.0"})
    monkeypatch.setattr(sys, "argv", ["instructions", "--compare"])
    main()
    assert "'1.0'" in capsys.readouterr().out
