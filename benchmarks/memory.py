"""How much memory a call takes at its peak: of tensors, or of everything."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch._C._profiler import _EventType
from torch.profiler import ProfilerActivity, profile

__all__ = ["Weighed", "resident_peak"]


class Weighed:
    """A contender whose ``bytes`` are the most that its latest call had allocated for tensors at any time."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call
        self.bytes = 0

    def __call__(self) -> Any:
        """Run the call under torch's profiler, which is told of every allocation."""
        gc.collect()
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
            results = self.call()
        events = list(profiled.profiler.kineto_results.experimental_event_tree())
        changes = []
        while events:
            event = events.pop()
            events.extend(event.children)
            if event.tag == _EventType.Allocation:
                changes.append((event.start_time_ns, event.extra_fields.alloc_size))
        self.bytes = live = 0
        for _, change in sorted(changes, key=lambda each: each[0]):
            live += change
            self.bytes = max(self.bytes, live)
        return results


def resident_peak(call: Callable[[], Any]) -> tuple[int, Any]:
    """Give the bytes of memory by which this process grows at most during a call, and the call's results.

    Python's objects count, and what an allocator keeps; so call it in a process in which little was freed before.
    Linux alone tells.
    """
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # from here on the peak is that of now
    before = _high_water_mark()
    results = call()
    return _high_water_mark() - before, results


def _high_water_mark() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024
