"""What ``import nexnet`` does to the process: nothing that lasts."""

import subprocess
import sys

import pytest


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
