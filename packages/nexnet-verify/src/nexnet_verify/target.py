"""A rule of the user's own, named on the command line."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

import nexnet
from nexnet.errors import RuleError

from .checker import check_gradients
from .problem import as_rule, staying
from .report import GradientReport

__all__ = ["Misuse", "check_target", "draw_arguments", "load_target", "parse_shape"]


class Misuse(Exception):  # noqa: N818  shown as one line, never as a traceback
    """The command was used wrongly."""


def load_target(name: str) -> Callable[..., Any]:
    """Import ``package.module:attribute``; modules of the current directory count.

    Raises:
        Misuse: the name has no colon, does not name a callable, or its module does not import.
    """
    module_name, colon, attribute = name.partition(":")
    if not colon or not module_name or not attribute:
        raise Misuse(f"{name!r} is not of the form package.module:rule (nexnet's own operators: --op NAME)")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        value: Any = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise Misuse(f"{module_name} does not import: {type(error).__name__}: {error}") from error
    for part in attribute.split("."):
        if not hasattr(value, part):
            raise Misuse(f"{module_name} has no {attribute!r}")
        value = getattr(value, part)
    if not callable(value):
        raise Misuse(f"{name} is no function or Policy, but {type(value).__name__}")
    return value  # type: ignore[no-any-return]


def parse_shape(text: str) -> tuple[int, ...]:
    """Read ``3,4`` as a shape; ``scalar`` is the shape without dimensions.

    Raises:
        Misuse: it is none.
    """
    if text in ("scalar", "()"):
        return ()
    try:
        shape = tuple(int(size) for size in text.strip("(),").split(","))
    except ValueError:
        raise Misuse(f"{text!r} is no shape; write 3,4 (a scalar: scalar)") from None
    if any(size < 0 for size in shape):
        raise Misuse(f"{text!r} is no shape: a size is negative")
    return shape


def draw_arguments(shapes: Sequence[tuple[int, ...]], positive: Sequence[int], seed: int) -> list[nexnet.LiteTensor]:
    """Draw normal float64 tensors of these shapes, those named by ``positive`` above 0.1."""
    generator = torch.Generator().manual_seed(seed)
    tensors = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    for i in positive:
        tensors[i] = tensors[i].abs() + 0.1
    return [nexnet.LiteTensor(tensor) for tensor in tensors]


def check_target(
    name: str, shapes: Sequence[str], positive: Sequence[int], order: int, seed: int, expected: str | None = None
) -> GradientReport:
    """Draw arguments of these shapes, those named by ``positive`` above zero, and check the rule's gradients.

    ``expected`` names the function whose gradient the rule's is meant to be, where it is not its own.

    Raises:
        Misuse: a name, a shape or an index is wrong, or the rule does not take such arguments.
        RuleError: the rule has called ``sys.exit``.
    """
    target = load_target(name)
    sizes = [parse_shape(shape) for shape in shapes]
    for i in positive:
        if not 0 <= i < len(sizes):
            raise Misuse(f"--positive {i}: there are {len(sizes)} arguments, counted from 0")
    arguments = draw_arguments(sizes, positive, seed)
    rule = as_rule(target) if not isinstance(target, nn.Module) else target
    try:
        with staying(name):
            if isinstance(target, nn.Module):
                nexnet.functional_call(target.double(), {}, tuple(arguments), with_buffers=True)
            else:
                rule(*arguments)
    except RuleError:
        raise
    except Exception as error:
        given = ", ".join(str(size) for size in sizes)
        raise Misuse(f"{name} does not take arguments of shapes {given}: {type(error).__name__}: {error}") from error
    written = " ".join(shapes) + (f" --positive {' '.join(map(str, positive))}" if positive else "")
    written += f" --expected {expected}" if expected else ""
    report = check_gradients(
        rule,
        *arguments,
        order=order,
        seed=seed,
        expected=load_target(expected) if expected else None,
        report=True,
        reproduce=f"nexnet-verify {name} --shapes {written} --order {order} --seed {seed}",
    )
    assert report is not None
    return report
