"""What the tests of kernels share: a mode that does not outlive its test."""

import pytest


@pytest.fixture
def always():
    """Take every form that suits, faster or not."""
    from nexnet import kernels

    kernels.use_forms("always")
    yield
    kernels.use_forms()


@pytest.fixture
def calls(monkeypatch):
    """The names of the forms that compute something."""
    from nexnet.kernels.forms import Form

    made = []
    call = Form.__call__

    def note(form, *args):
        made.append(form.name)
        return call(form, *args)

    monkeypatch.setattr(Form, "__call__", note)
    return made
