"""Recurrent layers: every form against torch to second order, unmodified modules of torch.nn, and the errors."""

import pytest
import torch

import nexnet as nx
from nexnet.errors import InputError

T, B, D, H = 3, 2, 3, 2  # steps, batch, sizes of the input and of the state
STATES = {"lstm": 2, "gru": 1, "rnn_tanh": 1, "rnn_relu": 1}
GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


def arguments(draw, name, layers=1, directions=1, biases=True, projected=H, dtype=torch.float64):
    """Give the initial states and the weights."""
    wide = GATES[name] * H
    hx = [draw(layers * directions, B, projected if i == 0 else H, dtype=dtype) for i in range(STATES[name])]
    params = []
    for layer in range(layers):
        for _ in range(directions):
            source = D if layer == 0 else projected * directions
            params += [draw(wide, source, dtype=dtype), draw(wide, projected, dtype=dtype)]
            params += [draw(wide, dtype=dtype), draw(wide, dtype=dtype)] if biases else []
            params += [draw(projected, H, dtype=dtype)] if projected != H else []
    return hx, params


def call(fn, name, *options, batch_sizes=None):
    """Make a function of the input, the initial states and the weights, one by one."""

    def called(x, *rest):
        hx = tuple(rest[:2]) if STATES[name] == 2 else rest[0]
        packed = () if batch_sizes is None else (batch_sizes,)
        return fn(x, *packed, hx, list(rest[STATES[name] :]), *options)

    return called


FORMS = {
    "plain": {},
    "both directions, two layers": {"layers": 2, "directions": 2},
    "without biases": {"biases": False},
    "batch first": {"batch_first": True},
    "packed, both directions": {"directions": 2, "packed": True},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", STATES)
def test_to_the_second_order(name, form, draw, check_against_torch):
    made = dict(FORMS[form])
    batch_first, packed = made.pop("batch_first", False), made.pop("packed", False)
    hx, params = arguments(draw, name, **made)
    options = (made.get("biases", True), made.get("layers", 1), 0.0, True, made.get("directions", 1) == 2)
    if packed:
        x, last = draw(4, D), {"batch_sizes": torch.tensor([2, 1, 1])}
    else:
        x, last = draw(*((B, T) if batch_first else (T, B)), D), {}
        options = (*options, batch_first)
    ours, theirs = (call(getattr(which, name), name, *options, **last) for which in (nx, torch))
    check_against_torch(ours, theirs, x, *hx, *params)


@pytest.mark.parametrize("batch_sizes", [None, torch.tensor([2, 1, 1])], ids=["plain", "packed"])
def test_an_lstm_with_projections(batch_sizes, draw, check_against_torch):
    hx, params = arguments(draw, "lstm", layers=2, directions=2, projected=1)
    options = (True, 2, 0.0, True, True, *(() if batch_sizes is not None else (False,)))
    x = draw(T, B, D) if batch_sizes is None else draw(4, D)
    ours, theirs = (call(which.lstm, "lstm", *options, batch_sizes=batch_sizes) for which in (nx, torch))
    check_against_torch(ours, theirs, x, *hx, *params)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("name", STATES)
def test_dropout_draws_as_torch_does(name, bidirectional, draw):
    hx, params = arguments(draw, name, layers=3, directions=1 + bidirectional)
    x = draw(T, B, D)
    outs = []
    for which in (nx, torch):
        torch.manual_seed(0)
        outs.append(call(getattr(which, name), name, True, 3, 0.5, True, bidirectional, False)(x, *hx, *params))
    for got, expected in zip(*outs, strict=True):
        torch.testing.assert_close(got.data, expected)
    evaluated = call(getattr(nx, name), name, True, 3, 0.5, False, bidirectional, False)(x, *hx, *params)
    assert not torch.equal(evaluated[0].data, outs[0][0].data)


MODULES = {
    "LSTM": lambda **options: torch.nn.LSTM(D, H, num_layers=2, bidirectional=True, **options),
    "GRU": lambda **options: torch.nn.GRU(D, H, num_layers=2, batch_first=True, **options),
    "RNN": lambda **options: torch.nn.RNN(D, H, nonlinearity="relu", **options),
}


@pytest.mark.parametrize("name", MODULES)
def test_modules_of_torch_run_as_they_are(name, draw):
    torch.manual_seed(0)
    module = MODULES[name](dtype=torch.float64)
    x = draw(T, B, D)
    expected = torch.autograd.grad((module(x)[0] ** 2).sum(), list(module.parameters()))

    def loss(weights):
        module._flat_weights = weights
        return (module(x)[0] ** 2).sum()

    weights = [nx.LiteTensor(each.detach()) for each in module._flat_weights]
    for got, each in zip(nx.grad(loss)(weights), expected, strict=True):
        torch.testing.assert_close(got.data, each)


@pytest.mark.parametrize("name", STATES)
def test_examples_of_vmap_are_as_each_alone(name, draw):
    hx, params = arguments(draw, name)
    xs = nx.LiteTensor(draw(4, T, B, D))
    run = call(getattr(nx, name), name, True, 1, 0.0, True, False, False)
    rest = [nx.LiteTensor(each) for each in (*hx, *params)]
    together = nx.vmap(
        nx.grad(lambda x, *rest: (run(x, *rest)[0] ** 2).sum(), argnums=(0, 1, 2)), in_dims=(0, *[None] * len(rest))
    )(xs, *rest)
    alone = [nx.grad(lambda x: (run(x, *rest)[0] ** 2).sum())(x).data for x in xs]
    torch.testing.assert_close(together[0].data, torch.stack(alone))


def test_of_no_sequences(draw, check_against_torch):
    _, params = arguments(draw, "gru")
    ours, theirs = (call(each.gru, "gru", True, 1, 0.0, True, False, False) for each in (nx, torch))
    check_against_torch(ours, theirs, torch.zeros(T, 0, D).double(), torch.zeros(1, 0, H).double(), *params)


def test_a_relu_at_0_passes_nothing():
    zeros = [nx.zeros(1, 1), nx.zeros(1, 1)]
    gradient = nx.grad(lambda x: nx.rnn_relu(x, nx.zeros(1, 1, 1), zeros, False, 1, 0.0, True, False)[0])(
        nx.zeros(1, 1, 1)
    )
    assert gradient.data.tolist() == [[[0.0]]]


@pytest.mark.parametrize("name", STATES)
def test_shapes_that_do_not_go_together(name, draw):
    hx, params = arguments(draw, name)
    run = getattr(nx, name)
    state = (nx.LiteTensor(hx[0]), nx.LiteTensor(hx[-1])) if name == "lstm" else nx.LiteTensor(hx[0])
    x, options = nx.LiteTensor(draw(T, B, D)), (True, 1, 0.0, True, False)
    with pytest.raises(InputError, match=r"not the dimensions of sequences(.|\n)*\(T, B, I\)"):
        run(x[0], state, params, *options)
    with pytest.raises(InputError, match=r"input has other features(.|\n)*input\n"):
        run(x[..., :2], state, params, *options)
    with pytest.raises(InputError, match="an initial state has another shape"):
        run(x[:, :1], state, params, *options)
    with pytest.raises(InputError, match="not the number of weights"):
        run(x, state, params[:3], *options)
    with pytest.raises(InputError, match="there are no steps"):
        run(x[:0], state, params, *options)
    with pytest.raises(InputError, match=r"no packed sequences(.|\n)*batch_sizes"):
        run(x[0], torch.tensor([1, 2]), state, params, *options)


def test_an_lstm_has_two_states(draw):
    hx, params = arguments(draw, "lstm")
    with pytest.raises(InputError, match="an LSTM has two initial states"):
        nx.lstm(draw(T, B, D), hx[:1], params, True, 1, 0.0, True, False)
