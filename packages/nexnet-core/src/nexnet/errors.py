"""Every error that nexnet raises, and the one formatter that writes their text.

A message says, in this order, what went wrong, in which rule and argument, what was expected, what came, and what
to do about it.
"""

from __future__ import annotations

__all__ = [
    "ConstantWarning",
    "ConvergenceError",
    "GradientError",
    "HigherOrderError",
    "InputError",
    "MissingAttributeError",
    "NexnetError",
    "NoGradientRule",
    "NonFiniteError",
    "OverrideWarning",
    "ReplayError",
    "RuleError",
    "TrackedTensorError",
]


class NexnetError(Exception):
    """Base class of every error that nexnet raises on purpose."""


class ConvergenceError(NexnetError, ArithmeticError):
    """A solver did not come to a solution, and so there is none to differentiate."""


class InputError(NexnetError, TypeError):
    """An operator or a transform was given something it cannot take."""


class MissingAttributeError(NexnetError, AttributeError):
    """A LiteTensor was asked for what torch's tensors have and nexnet's do not: ``x.grad``, ``x.add_(y)``."""


class RuleError(NexnetError, TypeError):
    """A rule (a ``Policy`` or ``custom_grad``) is not written as the contract asks."""


class GradientError(NexnetError, ValueError):
    """A rule's ``backward`` returned a gradient of the wrong count, kind, shape or device, or of integers."""


class HigherOrderError(NexnetError, RuntimeError):
    """A derivative of higher order was asked of a rule that cannot give it."""


class NoGradientRule(NexnetError, NotImplementedError):  # noqa: N818  it is no error of anybody's
    """A torch function without a rule in nexnet was called on a LiteTensor."""


class NonFiniteError(NexnetError, FloatingPointError):
    """An operation made a NaN, or an infinity, out of numbers that had none; ``debug_nans`` says which.

    Attributes:
        rule: the name of the rule, or of torch's kernel where no rule was at work.
        phase: "forward" or "backward".
        source: the user's line, that of the forward for a backward; None where there is none.
        module: the path of the module that was at work.
        indices: of the first of the elements that are not finite.
        reason: why they are not; empty where it is not known.
    """

    rule: str = ""
    phase: str = "forward"
    source: object = None
    module: str = ""
    indices: tuple[tuple[int, ...], ...] = ()
    reason: str = ""


class OverrideWarning(UserWarning):
    """A block of ``nexnet.override`` has replaced nothing."""


class ReplayError(NexnetError, RuntimeError):
    """A step does what can't be recorded once and replayed: it looks at values, or draws random numbers on the host."""


class TrackedTensorError(NexnetError, RuntimeError):
    """A tensor that is being differentiated was taken out of nexnet, which would cut its gradient silently."""


class ConstantWarning(UserWarning):
    """What is a constant to every derivative may not be meant as one.

    A tensor that is being differentiated was read as a Python number; or one that was, in an earlier call of a model
    which has left it in a module, was met again.
    """


def message(
    problem: str,
    *,
    rule: object = None,
    argument: object = None,
    expected: object = None,
    got: object = None,
    remedy: str | None = None,
    **more: object,
) -> str:
    """Write an error's text: the problem on the first line, then one line for each fact that is known."""
    facts = {"rule": rule, "argument": argument, "expected": expected, "got": got, **more, "remedy": remedy}
    return "\n".join([problem, *(f"  {name + ':':<10} {fact}" for name, fact in facts.items() if fact is not None)])


def check_count(given: object, error: type[NexnetError], problem: str, *, rule: str, argument: str) -> None:
    """Raise this error if something is no int of at least 1."""
    if not isinstance(given, int) or given < 1:
        raise error(message(problem, rule=rule, argument=argument, expected="an int >= 1", got=repr(given)))
