"""The debug form, NEXNET_CHECK=1: a promise that is broken names its rule; what keeps its promises goes through."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import operator, torch, nexnet as nx

@nx.function
class liar(nx.Policy):
    {promise}
    def forward(self, x, y):
        self.ctx.save(y)
        return {out}
    def backward(self, grad):
        return {grad}

print(nx.grad(lambda x, y: (liar(x, y) * 2.5).sum(), argnums=(0, 1))(nx.ones(2, 3), nx.ones(2, 3)))
"""


def run(program: str, checked: bool) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"NEXNET_CHECK": "1" if checked else "0"}
    return subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("promise", "out", "grad", "error"),
    [
        ("gradients_fit = True", "x + y", "grad.sum(), grad", "does not fit, which the rule has promised"),
        ("elementwise = True", "(x + y).sum()", "grad, grad", "promise elementwise is broken"),
        ("elementwise = True", "x + y", "grad.sum(0), grad", "does not fit, which the rule has promised"),
        ("scalars_as_tensors = False", "x + y", "grad, grad", None),
        ("elementwise = gradients_fit = True", "x + y", "grad, grad", None),
    ],
)
def test_a_promise_is_checked(promise, out, grad, error):
    done = run(PROGRAM.format(promise=promise, out=out, grad=grad), checked=True)
    if error is None:
        assert done.returncode == 0, done.stderr
    else:
        assert error in done.stderr
        assert "liar" in done.stderr


def test_a_fast_call_that_computes_something_else():
    program = """
import operator, torch, nexnet as nx

@nx.function
class liar(nx.Policy):
    forward = nx.calls(torch.mul, "a", "b", saves="others", fast=operator.add)
    def backward(self, grad):
        b, a = self.ctx.release
        return grad * b, grad * a

liar(nx.ones(3), nx.ones(3))
"""
    assert run(program, checked=False).returncode == 0
    assert "promise fast is broken" in run(program, checked=True).stderr
