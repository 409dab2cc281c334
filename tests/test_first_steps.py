"""The newcomer's first steps: what the page says to copy, in an empty folder, by the commands that it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "start" / "first-steps.md"
STEP = re.compile(
    r"`(\w+\.py)`:\n\n```python\n(.*?)```\n\n```console\n(.*?)\n```\n\n(?:```output\n(.*?)```)?", re.DOTALL
)
STEPS = {found[1]: found for found in STEP.finditer(PAGE.read_text(encoding="utf-8"))}
COMMANDS = {"python": [sys.executable], "torchrun": [sys.executable, "-m", "torch.distributed.run"]}


def run(command: str, folder: Path) -> str:
    """Run a command as one would; give what it prints."""
    program, *arguments = command.split()
    environment = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(
        [*COMMANDS[program], *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_are_three():
    assert list(STEPS) == ["rule.py", "model.py", "processes.py"]


@pytest.mark.parametrize("name", STEPS)
def test_a_step_is_short_and_does_what_the_page_says(name, tmp_path):
    _, code, command, output = STEPS[name].groups()
    assert len(code.splitlines()) <= 15
    (tmp_path / name).write_text(code, encoding="utf-8")
    printed = run(command, tmp_path)
    if output is not None:
        assert printed == output
    else:
        assert printed.startswith("gradients of cube: right\n")


def test_the_rule_made_wrong_is_found_as_the_page_says(tmp_path):
    _, code, command, _ = STEPS["rule.py"].groups()
    (tmp_path / "rule.py").write_text(code.replace("3 *", "2 *"), encoding="utf-8")
    printed = run(command, tmp_path)
    words = r"Make the 3 in `backward` a 2.*?```output\n(.*?)```\n\nand the hint `(.*?)`"
    said = re.search(words, PAGE.read_text(), re.DOTALL)
    assert said[1] in printed
    assert said[2] in printed
