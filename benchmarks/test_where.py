"""What a dump of callgrind's says of each library; counting itself takes minutes."""

import sys

import pytest

from benchmarks import where
from benchmarks.where import by_library, library, main, shown

DUMP = """# callgrind format
positions: line
events: Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw Bc Bcm Bi Bim
ob=(1) /usr/lib/libtorch_cpu.so
fl=(1) ???
fn=(1) at::mul
0 100 0 0 7 5 0 0 0 0 0 3 0 2
+2 10 0 0 1
cob=(2) /usr/lib/libc.so.6
cfn=(2) malloc
calls=3 0
0 900 0 0 90
* 1
ob=(2)
fn=(2)
0 40 0 0 4
ob=(3) /site-packages/nexnet/engine/tape.cpython-311-x86_64-linux-gnu.so
fn=(3) record
0 8
"""


def test_a_library_is_told_by_the_name_of_its_file():
    files = {
        "/site-packages/torch/lib/libc10.so": "torch",
        "/usr/lib/libpython3.11.so.1.0": "Python",
        "/usr/bin/python3.11": "Python",
        "/lib64/ld-linux-x86-64.so.2": "C library",
        "/src/nexnet/engine/tape.cpython-311-x86_64-linux-gnu.so": "nexnet",
        "/site-packages/optree/_C.cpython-311-x86_64-linux-gnu.so": "other",
    }
    assert {path: library(path) for path in files} == files


def test_each_library_has_what_it_does_itself():
    counts = by_library(DUMP)
    assert counts["torch"] == {"Ir": 111, "I1mr": 8, "D1mr": 5, "Bcm": 3, "Bim": 2}  # not what malloc takes
    assert counts["C library"]["Ir"] == 40
    assert counts["nexnet"]["Ir"] == 8


def test_the_table_has_all_libraries_and_their_sum():
    lines = shown("by hand", by_library(DUMP)).splitlines()
    assert lines[0].split()[:3] == ["by", "hand", "instructions"]
    assert [line.split()[0] for line in lines[1:]] == ["torch", "C", "nexnet", "all"]
    assert lines[-1].split()[1] == "0.2"


def test_a_program_that_is_not_there_is_said(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["where", "no such program"])
    with pytest.raises(SystemExit, match="No program has 'no such program' in its name: chain of 400"):
        main()


def test_where_nothing_can_be_counted_the_reason_is_said(monkeypatch, capsys):
    monkeypatch.setattr(where, "obstacle", lambda: "valgrind is not installed")
    monkeypatch.setattr(sys, "argv", ["where", "MLP step, batch 8"])
    main()
    assert "Nothing is counted: valgrind is not installed." in capsys.readouterr().out
