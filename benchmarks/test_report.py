"""The documents' tables come from a run's JSON, with its machine, versions and date."""

import json

import pytest
import torch

from benchmarks import report
from benchmarks.interleaved import Case, Measured


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "REPORTS", tmp_path)
    values = {"PyTorch": [1e-3, 1e-3], "nexnet": [4e-4, 6e-4], "nexnet vmap": [2e-4, 2e-4], "JAX jit": [1e-4, 1e-4]}
    results = [
        Measured(Case(suite, name, dict, aims={"nexnet": 0.6}), values, {"JAX jit": 0.5})
        for suite, name in {(suite, name) for _, suite, name, _ in report.ROWS}
    ]
    slow = Measured(Case("operator", "arithmetic.add, small", dict), values, {"JAX jit": 0.5}, why="more kernels")
    path, _ = report.save([*results, slow])
    return json.loads(path.read_text())


def test_a_run_says_where_and_when_it_was_made(run):
    assert set(run) == {"date", "machine", "versions", "results"}
    assert run["versions"]["torch"].startswith(torch.__version__.split("+")[0])
    assert run["date"] in report.setting(run)


def test_the_summary_has_a_row_for_each_line(run):
    lines = report.summary(run).splitlines()
    assert len(lines) == 2 + 2 + len(report.ROWS)
    (step,) = [line for line in lines if "batch 64 |" in line and "MLP" not in line and "LeNet" not in line]
    assert step == "| the same, batch 64 | 1.00 ms | 0.50 (0.45 to 0.55) |  | 0.10 |  |"


def test_the_summary_asks_for_what_is_missing(run):
    run["results"] = [each for each in run["results"] if each["suite"] != "MAML"]
    with pytest.raises(SystemExit, match="MAML, 25 tasks, 1 inner step"):
        report.summary(run)


def test_the_full_table_tells_compilation_apart_and_says_why(run):
    text = report.full(run)
    assert "| JAX jit | 100 µs | 0.10 | 0.10 to 0.10 | 0.50 s |" in text
    assert "| arithmetic.add, small | 1.00 ms | 500 µs | 0.50 | 0.45 to 0.55 | more kernels |" in text


def test_a_table_is_put_between_the_markers(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- benchmarks -->\nold\n<!-- /benchmarks -->\nafter\n")
    report.put(page, "new\n")
    assert page.read_text() == "before\n<!-- benchmarks -->\nnew\n<!-- /benchmarks -->\nafter\n"
    page.write_text("no place")
    with pytest.raises(SystemExit, match="no place for the table"):
        report.put(page, "new\n")


@pytest.mark.parametrize("path", [report.README, report.PAGE], ids=lambda path: path.name)
def test_the_documents_have_a_place_for_it(path):
    assert report.MARKERS.search(path.read_text())
