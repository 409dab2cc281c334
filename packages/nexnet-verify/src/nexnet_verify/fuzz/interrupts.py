"""A program that is interrupted anywhere: no tape stays active, and the next gradient is right."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import optree
import torch
from torch import Tensor

import nexnet

from ..problem import NAMESPACE
from .drawing import draw, pool
from .library import NEXNET, check_kept
from .outcome import Outcome, Tell
from .program import Program

__all__ = ["WAYS", "Interrupts", "aftermath"]


class Injected(Exception):  # noqa: N818  it stands for any error of a user's
    """An error out of nowhere."""


@contextlib.contextmanager
def at_a_line(rng: random.Random, seconds: float) -> Iterator[None]:
    """Raise at one of the next lines of Python, of nexnet's or of anybody's."""
    left = rng.randrange(int(seconds * 1e5) + 50)

    def trace(*_: object) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            sys.settrace(None)
            raise rng.choice((Injected, KeyboardInterrupt))
        return trace

    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(None)


@contextlib.contextmanager
def by_a_signal(rng: random.Random, seconds: float) -> Iterator[None]:
    """Raise KeyboardInterrupt after a time, as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-5, seconds))
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def by_another_thread(rng: random.Random, seconds: float) -> Iterator[None]:
    """Raise an error out of nowhere from another thread (PyThreadState_SetAsyncExc)."""
    main, wait, over = threading.get_ident(), rng.uniform(1e-5, seconds), threading.Event()

    def raise_it() -> None:
        if not over.wait(wait):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(main), ctypes.py_object(Injected))

    thread = threading.Thread(target=raise_it)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


WAYS: tuple[Callable[[random.Random, float], contextlib.AbstractContextManager[None]], ...] = (
    at_a_line,
    by_a_signal,
    by_another_thread,
)


class Interrupts:
    """A program for each number, interrupted a few times in each way."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def numbers(self, first: int) -> Iterator[int]:
        """Give the numbers of attempts, without an end."""
        return itertools.count(first)

    def attempt(self, number: int, tell: Tell) -> Outcome:
        """Make an attempt."""
        rng = random.Random(f"interrupt {self.seed} {number}")
        program = draw(rng, pool(self.seed, number))
        tell(f"an interrupted program:\n{program}")
        start = time.perf_counter()
        expected = result_of(program)
        seconds = time.perf_counter() - start
        interrupted = 0
        for _ in range(4):
            way = rng.choice(WAYS)
            tell(f"{way.__name__}, an interrupted program:\n{program}")
            try:
                with way(rng, seconds):
                    result_of(program)
            except (Injected, KeyboardInterrupt):
                interrupted += 1
            except Exception as error:  # torch and nexnet may translate what was raised inside of them
                interrupted += 1 if "Injected" in repr(error) + repr(error.__cause__) else 0
            _settle()
            wrong = aftermath(program, expected)
            if wrong:
                while nexnet.TapeContext.active():  # else the next attempts would find it, too
                    nexnet.TapeContext.pop()
                return Outcome("finding", f"after an interrupt {way.__name__}: {wrong}\n{program}", wrong)
        return Outcome("fine" if interrupted else "not interrupted")


def result_of(program: Program) -> list[Tensor] | str:
    """Give what a program computes, or the class of its error."""
    try:
        found = optree.tree_leaves(program.run(NEXNET), namespace=NAMESPACE)
    except Injected:
        raise
    except Exception as error:
        return type(error).__name__
    return [each.data if isinstance(each, nexnet.LiteTensor) else each for each in found]


def aftermath(program: Program, expected: list[Tensor] | str) -> str:
    """Say what an interrupt has left behind: an active tape, or another gradient than before."""
    depth = len(nexnet.TapeContext.active())
    if depth:
        return f"{depth} tapes are still active"
    slope = nexnet.grad(lambda x: x * nexnet.grad(lambda y: x * y * y)(x))(3.0).item()
    if slope != 54.0:
        return f"the gradient of 2 x^3 at 3 is {slope}"
    check_kept()
    found = result_of(program)
    if type(found) is not type(expected):
        return f"the program gives {found}, and gave {expected}"
    same = found == expected if isinstance(found, str) else all(map(_equal, found, expected))
    return "" if same else "the program gives other numbers than before"


def _equal(a: Tensor, b: Any) -> bool:
    return torch.allclose(a, b, rtol=1e-9, atol=1e-9, equal_nan=True)


def _settle() -> None:
    """Let an error that another thread has sent, and that has not come yet, come here."""
    with contextlib.suppress(Injected):
        for _ in range(100):
            pass
