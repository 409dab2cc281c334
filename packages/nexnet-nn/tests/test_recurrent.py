"""Recurrent layers and cells: beside torch's, with torch's weights."""

import pytest
import torch
from torch.nn.utils import rnn

import nexnet
import nexnet_nn as nn
from nexnet import InputError, LiteTensor
from nexnet_nn import ModuleError

LAYERS = {
    "LSTM": ("LSTM", {}),
    "LSTM, projections": ("LSTM", {"proj_size": 2, "bidirectional": True, "num_layers": 2}),
    "GRU": ("GRU", {"num_layers": 2, "bidirectional": True, "batch_first": True}),
    "RNN": ("RNN", {"bias": False}),
    "RNN, relu": ("RNN", {"nonlinearity": "relu"}),
}
CELLS = {
    "LSTMCell": ("LSTMCell", {}),
    "GRUCell": ("GRUCell", {"bias": False}),
    "RNNCell": ("RNNCell", {}),
    "RNNCell, relu": ("RNNCell", {"nonlinearity": "relu"}),
}


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def twins(name, options):
    """Give our layer and torch's, with the same weights."""
    theirs = getattr(torch.nn, name)(3, 4, dtype=torch.float64, **options)
    ours = getattr(nn, name)(3, 4, dtype=torch.float64, **options)
    assert [tuple(each.shape) for each in ours.weights] == [tuple(each.shape) for each in theirs.parameters()]
    return nn.from_torch(theirs.state_dict(), into=ours), theirs


@pytest.mark.parametrize(("name", "options"), [*LAYERS.values(), *CELLS.values()], ids=[*LAYERS, *CELLS])
def test_weights_go_back_by_torchs_names(name, options):
    ours, theirs = twins(name, options)
    model = {"reader": ours, "others": [ours]}
    state = nn.to_torch(model, rename={"others.0.*": "last.*"})
    assert next(iter(state)) == "last.weight_ih" + "_l0" * (not name.endswith("Cell"))
    module = torch.nn.ModuleDict({"reader": theirs, "last": theirs})
    assert str(module.load_state_dict(state)) == "<All keys matched successfully>"
    torch.testing.assert_close(
        nn.to_torch(nn.from_torch(state, into=model, rename={"last.*": "others.0.*"})), nn.to_torch(model)
    )


def total(out):
    if isinstance(out, tuple) and not isinstance(out, rnn.PackedSequence):
        return sum(total(each) for each in out)
    return ((out.data if isinstance(out, rnn.PackedSequence) else out) ** 2).sum()


def compare(ours, theirs, mine, other):
    """Compare the sums of the squares of all outputs, and their gradients by the weights."""
    value, gradient = nexnet.value_and_grad(lambda layer: total(layer(*mine)))(ours)
    expected = total(theirs(*other))
    torch.testing.assert_close(value.data, expected.detach())
    wanted = torch.autograd.grad(expected, list(theirs.parameters()))
    for got, each in zip(gradient.weights, wanted, strict=True):
        torch.testing.assert_close(got.data, each)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("shape", [(5, 2, 3), (5, 3)], ids=["batch", "one"])
def test_layers_are_torchs(name, shape):
    ours, theirs = twins(*LAYERS[name])
    x = draw(*shape)
    compare(ours, theirs, (LiteTensor(x),), (x,))


@pytest.mark.parametrize("name", LAYERS)
def test_initial_states(name):
    ours, theirs = twins(*LAYERS[name])
    x = draw(5, 2, 3)
    _, last = theirs(x)
    last = tuple(each.detach() for each in last) if isinstance(last, tuple) else last.detach()
    if theirs.batch_first:
        x = draw(2, 5, 3)
        last = last[:, :2]
    mine = tuple(map(LiteTensor, last)) if isinstance(last, tuple) else LiteTensor(last)
    compare(ours, theirs, (LiteTensor(x), mine), (x, last))


@pytest.mark.parametrize("name", LAYERS)
def test_packed_sequences(name):
    ours, theirs = twins(*LAYERS[name])
    sequences = [draw(length, 3) for length in (2, 5, 3)]
    mine, other = (
        rnn.pack_sequence(each, enforce_sorted=False) for each in ([LiteTensor(s) for s in sequences], sequences)
    )
    compare(ours, theirs, (mine,), (other,))


@pytest.mark.parametrize("name", CELLS)
def test_cells_are_torchs(name):
    ours, theirs = twins(*CELLS[name])
    x, state = draw(2, 3), draw(2, 4)
    compare(ours, theirs, (LiteTensor(x),), (x,))
    states = (state, state) if "LSTM" in name else state
    mine = tuple(map(LiteTensor, states)) if "LSTM" in name else LiteTensor(state)
    compare(ours, theirs, (LiteTensor(x), mine), (x, states))


def test_dropout_wants_a_generator():
    layer = nn.GRU(3, 4, num_layers=2, dropout=0.5)
    x = LiteTensor(draw(5, 2, 3).float())
    once, again, dropped = (layer(x, generator=each)[0].data for each in (None, None, torch.Generator().manual_seed(0)))
    assert torch.equal(once, again)
    assert not torch.equal(once, dropped)


def test_what_fills_the_weights():
    layer = nn.LSTM(3, 4, generator=torch.Generator().manual_seed(0))
    assert all(each.data.abs().max() <= 0.5 for each in layer.weights)
    filled = nn.RNNCell(3, 4, init=nn.init.ones)
    assert [each.data.unique().tolist() for each in filled.weights] == [[1.0], [1.0], [0.0], [0.0]]


OF_SEQUENCES = [nn.GRU, nn.LSTM, nn.RNN]
OF_STEPS = [nn.GRUCell, nn.LSTMCell, nn.RNNCell]


@pytest.mark.parametrize("layer", OF_SEQUENCES)
@pytest.mark.parametrize(("batch_first", "expected"), [(False, r"\(T, B, I\)"), (True, r"\(B, T, I\)")])
def test_what_is_no_sequence_is_refused(layer, batch_first, expected):
    for wrong, got in [(nexnet.ones(3), r"shape \(3,\)"), (nexnet.ones(()), r"shape \(\)"),
                       (nexnet.ones(2, 2, 2, 3), r"shape \(2, 2, 2, 3\)"), (3, "int")]:  # fmt: skip
        said = rf"not the dimensions of sequences(.|\n)*{layer.__name__}\n(.|\n)*{expected}(.|\n)*{got}"
        with pytest.raises(InputError, match=said):
            layer(3, 4, batch_first=batch_first)(wrong)


@pytest.mark.parametrize("layer", OF_SEQUENCES + OF_STEPS)
def test_an_input_of_other_features_is_refused(layer):
    shape = (5, 2) if layer in OF_STEPS else (5, 2, 2)
    with pytest.raises(InputError, match=r"input has other features(.|\n)*\(\.\.\., 3\)\n.*\(\.\.\., 2\)"):
        layer(3, 4)(nexnet.ones(shape))


@pytest.mark.parametrize("cell", OF_STEPS)
def test_what_is_no_step_of_a_batch_is_refused(cell):
    for wrong, got in [(nexnet.ones(3), r"shape \(3,\)"), (nexnet.ones(()), r"shape \(\)"), (3, "int")]:
        with pytest.raises(InputError, match=rf"one step of a batch(.|\n)*{cell.__name__}\n(.|\n)*{got}"):
            cell(3, 4)(wrong)


@pytest.mark.parametrize("layer", OF_SEQUENCES)
def test_a_layer_of_nothing_is_refused(layer):
    for name in ("hidden_size", "num_layers"):
        if (layer, name) != (nn.LSTM, "hidden_size"):  # whose h is smaller than its c
            with pytest.raises(ModuleError, match=rf"nothing in the layer(.|\n)*{name}"):
                layer(**{"input_size": 3, "hidden_size": 4, name: 0})
    assert nn.GRUCell(3, 0)(nexnet.ones(2, 3)).shape == (2, 0)  # as in torch


def test_what_is_refused():
    for dropout in (2.0, -0.5, float("nan"), "0.5"):
        with pytest.raises(ModuleError, match="dropout is no probability"):
            nn.GRU(3, 4, dropout=dropout)
    with pytest.raises(InputError, match=r"two initial states(.|\n)*\(h_0, c_0\)(.|\n)*int"):
        nn.LSTM(3, 4)(nexnet.ones(5, 2, 3), 3)
    with pytest.raises(ModuleError, match="no such nonlinearity"):
        nn.RNN(3, 4, nonlinearity="sin")
    with pytest.raises(ModuleError, match="no such nonlinearity"):
        nn.RNNCell(3, 4, nonlinearity="sin")
    with pytest.raises(ModuleError, match="fewer features than c"):
        nn.LSTM(3, 4, proj_size=4)
