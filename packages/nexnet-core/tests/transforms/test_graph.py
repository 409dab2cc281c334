"""build_computation_graph: the seed's decorator."""

import pytest
import torch

import nexnet as nx


def test_runs_once_and_keeps_value_gradients_and_tape():
    x, w = nx.LiteTensor([1.0, 2.0]), nx.LiteTensor(3.0)
    calls = []

    @nx.build_computation_graph(inputs=[x, w])
    def graph(x, w):
        calls.append((x, w))
        return (x * w).sum()

    assert calls == [(x, w)]
    assert graph.value.item() == 9.0
    assert [g.tolist() for g in graph.grad] == [[3.0, 3.0], 3.0]
    assert [node.name for node in graph.tape.nodes] == ["mul", "sum"]
    assert repr(graph).startswith("ComputationGraph(value=")


def test_watches_the_objects_themselves():
    x = nx.LiteTensor(3.0)
    graph = nx.build_computation_graph(inputs=[x])(lambda y: x * y)
    assert graph.grad[0].item() == 6.0


def test_nests_in_a_gradient():
    def fn(x):
        return nx.build_computation_graph(inputs=[x])(lambda x: x * x * x).grad[0]

    assert nx.grad(fn)(2.0).item() == 12.0


def test_inputs_must_be_floating_tensors():
    with pytest.raises(nx.InputError, match=r"watches LiteTensors(.|\n)*inputs\[1\]"):
        nx.build_computation_graph(inputs=[nx.LiteTensor(1.0), torch.ones(2)])
    with pytest.raises(nx.InputError, match=r"can't differentiate(.|\n)*inputs\[0\](.|\n)*int64"):
        nx.build_computation_graph(inputs=[nx.LiteTensor([1, 2])])
