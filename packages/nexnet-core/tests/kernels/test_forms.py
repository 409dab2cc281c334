"""Which form is taken: as measured, once, or as one says; and in the debug form never a wrong one."""

import os
import subprocess
import sys

import pytest
import torch

import nexnet as nx
from nexnet import kernels
from nexnet.engine import CHECKED
from nexnet.kernels import forms
from nexnet.kernels.forms import Form, Found

pytestmark = pytest.mark.cpu_only("the forms are for it")
IMAGE = torch.linspace(-1, 1, 8 * 8 * 32 * 32).sin().reshape(8, 8, 32, 32)


def double(x):
    return x * 2


@pytest.fixture(autouse=True)
def anew():
    kernels.use_forms()
    yield
    kernels.use_forms()


def test_is_measured_once_and_told():
    assert "none has been measured yet" in forms.describe()
    nx.max_pool2d(IMAGE, 2)
    told = forms.describe()
    assert told.count("max pooling") == 1
    assert told.endswith(("-> the form", "-> torch"))
    nx.max_pool2d(IMAGE, 2)
    assert forms.describe() == told
    assert told in kernels.describe()


def test_is_measured_for_each_number_of_threads():
    threads = torch.get_num_threads()
    nx.max_pool2d(IMAGE, 2)
    try:
        torch.set_num_threads(threads + 1)
        nx.max_pool2d(IMAGE, 2)
    finally:
        torch.set_num_threads(threads)
    assert forms.describe().count("max pooling") == 2


def test_wants_a_clear_gain():
    assert Found("a form", 1, torch=1.0, form=0.5).takes_form
    assert not Found("a form", 1, torch=1.0, form=0.9).takes_form


def test_never_takes_a_form_that_is_wrong():
    wrong = Form("wrong", torch.zeros_like, lambda x: (torch.linalg.eigvals(x @ x), x * 2)[1], ((200, 200),), ())
    assert not wrong.is_taken()
    assert "-> torch" in forms.describe()


@pytest.mark.skipif(not CHECKED, reason="only the debug form compares")
def test_is_compared_in_the_debug_form():
    wrong = Form("wrong", torch.zeros_like, double, ((2,),), ())
    with pytest.raises(AssertionError, match="not close"):
        wrong(torch.ones(2))


def test_can_be_said_by_hand(calls):
    kernels.use_forms("never")
    nx.max_pool2d(IMAGE, 2)
    assert not calls
    assert "goes to its kernels all the same (use_forms is 'never')" in kernels.describe()
    kernels.use_forms("always")
    nx.max_pool2d(IMAGE, 2)
    assert calls == ["max pooling in 2 dimensions"]
    assert "takes another form (use_forms is 'always')" in kernels.describe()


@pytest.mark.process
def test_can_be_said_by_the_environment():
    code = "from nexnet import kernels; print(kernels.describe())"
    told = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "NEXNET_FORMS": "never"}, capture_output=True, text=True
    )
    assert "use_forms is 'never'" in told.stdout, told.stderr


def test_another_mode_is_an_error():
    with pytest.raises(nx.errors.InputError, match=r"no such mode(.|\n)*sometimes"):
        kernels.use_forms("sometimes")
