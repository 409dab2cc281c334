"""What ``import nexnet`` does to the process: nothing that lasts, but that freed memory is kept for the next step."""

import ctypes
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.process

KEPT = """
import ctypes, nexnet

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
                "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Info
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
blocks = [0] * 1000
for i in range(1000):
    blocks[i] = libc.malloc(16000)
for i in reversed(range(1000)):
    libc.free(blocks[i])
print(libc.mallinfo2().keepcost)  # bytes that are free at the top
"""


@pytest.mark.parametrize("state", ["enable", "disable"])
def test_the_garbage_collector_rests_meanwhile_and_is_then_as_before(state):
    code = f"""
import gc, torch
gc.{state}()
generations = []
gc.callbacks.append(lambda phase, info: generations.append(info["generation"]))
before = gc.isenabled()
import nexnet
assert gc.isenabled() is before
assert 2 not in generations, "a collection has gone through all that torch has made"
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("bound", "kept"), [(None, True), (str(2**17), False)])
def test_what_is_freed_from_the_top_of_the_heap_is_kept_unless_the_user_has_set_a_bound(bound, kept):
    if not hasattr(ctypes.CDLL(None), "mallinfo2"):
        pytest.skip("this is not glibc's heap (from 2.33 on)")
    settings = {name: value for name, value in os.environ.items() if name != "MALLOC_TRIM_THRESHOLD_"}
    if bound is not None:
        settings["MALLOC_TRIM_THRESHOLD_"] = bound
    told = subprocess.run([sys.executable, "-c", KEPT], check=True, capture_output=True, text=True, env=settings)
    assert (int(told.stdout) > 8e6) is kept
