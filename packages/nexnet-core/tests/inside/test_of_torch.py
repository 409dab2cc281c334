"""The trace of PyTorch's own run, and where one of nexnet's parts ways with it."""

from pathlib import Path

import pytest
import torch
from torch import nn

import nexnet as nx


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.GELU(), nn.Linear(4, 2), nn.ReLU(inplace=True))


@pytest.fixture
def x():
    return torch.randn(5, 3)


def ours_of(model, x, **options):
    return nx.trace(lambda params: nx.functional_call(model, params, (x,)), **options)(nx.parameters_of(model))[1]


def test_has_each_function_with_its_module_line_value_and_gradient(model, x):
    value, trace = nx.inside.torch_trace(model, gradients=True)(x)
    assert [each.called() for each in trace][:2] == [
        "linear(input, 0.weight, 0.bias)",
        "layer_norm(%0, 1.weight, 1.bias)",
    ]
    assert [(each.module, each.module_type) for each in trace][2:4] == [("2", "GELU"), ("3", "Linear")]
    assert Path(trace[0].source.file).name == Path(__file__).name
    torch.testing.assert_close(trace["%4"].value, value.detach())
    wanted = torch.autograd.grad(model(x).sum(), model[0].weight)[0]
    torch.testing.assert_close(trace["0.weight"].gradient, wanted)
    assert [each.label for each in trace.users_of("%0")] == ["%1"]


def test_agrees_with_the_trace_of_nexnet(model, x):
    _, theirs = nx.inside.torch_trace(model, gradients=True)(x)
    found = ours_of(model, x, gradients=True).diff(theirs, rtol=1e-4, atol=1e-6)
    assert not found
    assert len(found.rows) > 15


def test_shows_where_a_rule_that_is_replaced_parts_ways(model, x):
    _, theirs = nx.inside.torch_trace(model)(x)
    with nx.override({nn.functional.gelu: lambda x, **_: nx.gelu(x, approximate="tanh")}):
        ours = ours_of(model, x)
    first = ours.diff(theirs, rtol=1e-6, atol=1e-6).first
    assert (first.ours.rule, first.ours.replaces, first.ours.module, first.what) == ("gelu", "gelu", "2", "value")
    assert 1e-5 < first.error < 1e-2


def test_what_is_written_over_later_is_kept_as_it_was():
    def fn(x):
        y = x * 2
        return y.add_(1).sum()

    _, trace = nx.inside.torch_trace(fn)(torch.ones(2))
    assert [(each.rule, each.value.tolist()) for each in trace] == [
        ("mul", [2.0, 2.0]),
        ("add", [3.0, 3.0]),
        ("sum", 6.0),
    ]
