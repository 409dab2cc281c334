"""What is said where Triton, a GPU or a new enough card is missing: one clear error each."""

import importlib
import os
import subprocess
import sys

import pytest
import torch

import nexnet as nx
from nexnet.errors import InputError


def python(code, **environment):
    environment = {**os.environ, "TRITON_INTERPRET": "0", **environment}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    return done.stdout + done.stderr


def test_without_triton_an_import_says_how_to_get_it():
    told = python("import sys; sys.modules['triton'] = None; import nexnet.triton")
    assert "ImportError: nexnet.triton needs Triton, which is not installed." in told
    assert 'pip install "nexnet-core[triton]"' in told


def test_import_nexnet_does_not_import_triton():
    assert python("import sys, nexnet; print('triton' in sys.modules)").strip() == "False"


def test_the_environment_chooses_the_kernels():
    told = python("import nexnet; print(nexnet.kernels.describe())", NEXNET_TRITON="always")
    assert "use_triton is 'always'" in told


def test_a_tensor_on_the_cpu_needs_the_interpreter():
    told = python("import nexnet as nx; from nexnet import triton; triton.softmax(nx.zeros(3), -1)")
    assert "InputError: nexnet.triton runs on NVIDIA's GPUs, and this tensor is elsewhere." in told
    assert "TRITON_INTERPRET=1" in told


def test_an_old_card_is_an_error(monkeypatch):
    launch = importlib.import_module("nexnet.triton._launch")
    monkeypatch.setattr(launch, "INTERPRETED", False)
    monkeypatch.setattr(launch, "is_new_enough", launch.is_new_enough.__wrapped__)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: (7, 5))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "Tesla T4")
    with pytest.raises(InputError, match=r"too old(.|\n)*rule: +softmax(.|\n)*8\.0(.|\n)*Tesla T4, 7\.5"):
        launch._check_card("softmax", 0)


def test_integers_are_an_error():
    kernels = importlib.import_module("nexnet.triton")
    with pytest.raises(InputError, match=r"floating point numbers(.|\n)*rule: +softmax(.|\n)*torch.int64"):
        kernels.softmax(nx.LiteTensor(torch.arange(3)), -1)
