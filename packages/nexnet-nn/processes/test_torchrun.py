"""Runs under torchrun: the examples, a process that dies in the middle of a step, a run that goes on."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = Path(__file__).with_name("program.py")


def torchrun(*args, count=2, restarts=0):
    """Run a program in so many processes; give the exit status, and what was said."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    done = subprocess.run(
        [*command, f"--max-restarts={restarts}", *map(str, args)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def losses(said):
    return [float(each) for each in re.findall(r"loss (\S+)", said)]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    status, said = torchrun(PROGRAM, folder)
    assert status == 0, said
    return (folder / "ended").read_text()


@pytest.mark.parametrize("example", ["digits_in_processes.py", "characters_in_processes.py"])
def test_an_example_learns_what_one_process_learns(example):
    path = ROOT / "examples" / example
    one = subprocess.run(
        [sys.executable, path, "--quick"], capture_output=True, text=True, timeout=240, check=True
    ).stdout
    for count in (2, 4):
        status, said = torchrun(path, "--quick", count=count)
        assert status == 0, said
        assert losses(said) == pytest.approx(losses(one), rel=1e-6)


def test_a_killed_process_ends_the_run_and_its_rank_is_named(tmp_path):
    status, said = torchrun(PROGRAM, tmp_path, "kill")
    assert status != 0
    assert re.search(r"rank\s*: 1 [\s\S]*exitcode\s*: -9", said)
    assert not (tmp_path / "ended").exists()


def test_an_error_is_named_with_its_rank(tmp_path):
    status, said = torchrun(PROGRAM, tmp_path, "raise")
    assert status != 0
    assert re.search(r"rank\s*: 1 [\s\S]*ValueError: out of luck", said)


@pytest.mark.parametrize("trouble", ["kill", "raise"])
def test_started_again_it_ends_bit_by_bit_as_if_nothing_had_happened(uninterrupted, tmp_path, trouble):
    status, said = torchrun(PROGRAM, tmp_path, trouble, restarts=1)
    assert status == 0, said
    assert (tmp_path / "died").exists()
    assert (tmp_path / "ended").read_text() == uninterrupted
