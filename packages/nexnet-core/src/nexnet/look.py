"""``python -m nexnet.look script.py:function``: go through the backward of a function, in a terminal.

The script is run, and the function called with the arguments that are given as Python: numbers, lists (which become
tensors), or names of the script's. What it returns is differentiated by these::

    python -m nexnet.look model.py:loss --args parameters batch --script "until relu; p; f; b; q"

Commands: ``f`` (or nothing) one node forward, ``b`` one back, ``u relu`` on to a rule, ``m block.*`` on to a module,
``a 100`` on to a norm above, ``n`` on to what is not finite, ``c %3 0.5`` put 0.5 times the gradient in its place,
``p`` print the trace, ``e NAME`` explain a gradient, ``r`` restart, ``q`` quit.
"""

from __future__ import annotations

import argparse
import ast
import runpy
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .creation import tensor
from .errors import InputError, NexnetError, message
from .inside.explain import explain
from .inside.step import Event, Stepper
from .inside.tracing import TracedTape
from .transforms import trace

__all__ = ["main"]


def main(arguments: list[str] | None = None, commands: Iterable[str] | None = None) -> None:
    """Run the command line; ``commands`` stand in for what a user would type."""
    parser = argparse.ArgumentParser(prog="python -m nexnet.look", description="Step through a function's backward.")
    parser.add_argument("target", help="script.py:function")
    parser.add_argument("--args", nargs="*", default=[], help="Python literals, or names of the script's")
    parser.add_argument("--script", help="commands, separated by semicolons, instead of a prompt")
    parser.add_argument("--html", help="write the trace as a page to this file, and end")
    chosen = parser.parse_args(arguments)
    path, _, name = chosen.target.rpartition(":")
    if not path:
        parser.error("the target is script.py:function")
    script = runpy.run_path(path)
    if not callable(script.get(name)):
        raise InputError(message("the script has no function of this name.", argument="target", got=name))
    _, tape = trace(script[name], gradients=True)(*[_argument(each, script) for each in chosen.args])
    if chosen.html:
        tape.to_html(chosen.html)
        print(f"{len(tape)} operations: {chosen.html}")
        return
    if chosen.script is not None:
        commands = chosen.script.split(";")
    print(tape)
    _walk(tape, _typed() if commands is None else commands)


def _argument(text: str, script: dict[str, Any]) -> Any:
    if text in script:
        return script[text]
    value = ast.literal_eval(text)
    return tensor(value) if isinstance(value, (int, float, list)) else value


def _typed() -> Iterator[str]:
    while True:
        try:
            yield input("look> ")
        except EOFError:
            return


def _walk(tape: TracedTape, commands: Iterable[str]) -> None:
    walk = Stepper(tape)
    for line in commands:
        command, _, rest = line.strip().partition(" ")
        if command in ("q", "quit"):
            return
        action = _ACTIONS.get(command[:1])
        if action is None:
            print(f"no such command: {command}\n{__doc__}")
            continue
        try:
            event = action(walk, tape, rest.strip())
        except (NexnetError, ValueError) as error:
            print(error)
            continue
        if command[:1] in _MOVES:
            print("the end" if event is None else event)


def _back(walk: Stepper, tape: TracedTape, rest: str) -> Event | None:
    walk.back(int(rest or 1))
    print(walk.events[-1] if walk.events else "the beginning")
    return None


def _change(walk: Stepper, tape: TracedTape, rest: str) -> Event | None:
    label, _, factor = rest.partition(" ")
    by = float(factor or 0)
    walk.change(label, lambda grad: grad * by)
    return None


def _restart(walk: Stepper, tape: TracedTape, rest: str) -> Event | None:
    walk.restart()
    return None


def _print(walk: Stepper, tape: TracedTape, rest: str) -> Event | None:
    print(tape[rest] if rest else tape)
    return None


def _explain(walk: Stepper, tape: TracedTape, rest: str) -> Event | None:
    print(explain(tape, rest))
    return None


_MOVES = ("", "f", "u", "m", "a", "n")
_ACTIONS: dict[str, Callable[[Stepper, TracedTape, str], Event | None]] = {
    "": lambda walk, tape, rest: walk.forward(),
    "f": lambda walk, tape, rest: walk.forward(),
    "b": _back,
    "u": lambda walk, tape, rest: walk.until(rule=rest),
    "m": lambda walk, tape, rest: walk.until(where=rest),
    "a": lambda walk, tape, rest: walk.until(above=float(rest)),
    "n": lambda walk, tape, rest: walk.until(bad=True),
    "c": _change,
    "r": _restart,
    "p": _print,
    "e": _explain,
}

if __name__ == "__main__":
    main(sys.argv[1:])
