"""Looking inside: what every operation computed, cost and passed back.

The rooms, what others build on first::

    source         the user's line
    statistics     a tensor's numbers in a few
    flops          how many floating-point operations a rule takes
    operation      one operation, and what is known of it
    names          what the inputs of a function are called
    recorder       the observer that takes an operation down
    reading        makes operations of what was taken down
    trace          the operations, to be asked for
    tracing        the tape that is a trace
    records        a trace as records, and in a file
    of_torch       the trace of a run of PyTorch's own
    difference     where two traces part ways
    reasons        why a number is not finite
    deaths         why a rule passes no gradient on
    explain        why a gradient is zero, NaN or huge
    step           the backward, one node at a time
    page           a page, and drawings
    watch          norms over the steps of a training
    nonfinite      the error that tells of such a number
    kernels        the mode that sees each of torch's kernels
    nans           debug_nans: the first operation that makes such a number
"""

from .explain import Explanation, explain
from .nans import debug_nans
from .of_torch import TorchTrace, torch_trace
from .operation import Input, Operation
from .source import Source
from .statistics import Statistics, statistics
from .step import Event, Stepper, step
from .trace import Trace
from .tracing import TracedTape
from .watch import Watcher, watch

__all__ = [
    "Event",
    "Explanation",
    "Input",
    "Operation",
    "Source",
    "Statistics",
    "Stepper",
    "TorchTrace",
    "Trace",
    "TracedTape",
    "Watcher",
    "debug_nans",
    "explain",
    "statistics",
    "step",
    "torch_trace",
    "watch",
]
