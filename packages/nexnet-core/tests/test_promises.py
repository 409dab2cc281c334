"""The debug form, NEXNET_CHECK=1: a promise that is broken names its rule; what keeps its promises goes through."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.process

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
        ("elementwise = True", "(x + y[0]).sum(0)", "grad, grad", "promise elementwise is broken"),
        ("elementwise = True", "(x + y).to(torch.float64)", "grad, grad", "promise elementwise is broken"),
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


CALL = """
import torch, nexnet as nx

@nx.function
class liar(nx.Policy):
    forward = nx.calls({call})
    def backward(self, grad):
        return grad, grad

liar(nx.ones(3), nx.ones(3))
"""


@pytest.mark.parametrize(
    ("call", "promise"),
    [
        ('lambda a, b, bias=0.0: a + b + bias, "a", "b", "bias=1.0"', "defaults"),
        ('torch.add, "a", "b", alpha=2', "defaults"),
    ],
)
def test_a_call_that_computes_something_else_than_it_says(call, promise):
    program = CALL.format(call=call)
    assert run(program, checked=False).returncode == 0
    assert f"promise {promise} is broken" in run(program, checked=True).stderr


def test_the_promises_of_operators_hold_under_autocast():
    program = """
import torch, nexnet as nx
x, w = nx.ones(5, 3), nx.ones(4, 3)
mse = lambda x, w: nx.mse_loss(nx.matmul(x, w.t()), nx.ones(5, 4))
for fn in (nx.linear, nx.linear_relu, lambda x, w: nx.mm(x, w.t()), mse):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        nx.grad(fn, argnums=(0, 1))(x, w)
"""
    done = run(program, checked=True)
    assert done.returncode == 0, done.stderr
