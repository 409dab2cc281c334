"""Fuzzers: seeded, shrinking, each in a process that may die. ``python -m nexnet_verify.fuzz --minutes 5``.

Four of them, each a module with a class that makes attempts by number (``attempt(number, tell)``), the same one for the
same seed:

- ``programs``: random programs of 4 to 40 operators under nested transforms, on both forms of the engine, against
  torch.func in float64, with finite differences as the arbiter;
- ``interrupts``: a program that is interrupted anywhere leaves no tape active and no later gradient wrong;
- ``inputs``: arguments of wrong types end in an error of a sensible class;
- ``processes``: arguments that torch's front door would have checked kill no process, at any order or under vmap.

``worker`` makes the attempts in a process of its own, ``command`` looks after it and shows what was found.
"""

from .outcome import Outcome

__all__ = ["Outcome"]
