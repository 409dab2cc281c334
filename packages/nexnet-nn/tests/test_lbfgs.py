import pytest
import torch

import nexnet
import nexnet_nn as nn
from nexnet import LiteTensor


def start():
    return {"a": LiteTensor(torch.tensor([-1.2, 1.0], dtype=torch.float64)), "b": LiteTensor(2.0, dtype=torch.float64)}


def rosenbrock(params):
    (x, y), z = (params["a"][0], params["a"][1]), params["b"]
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2 + (z - x) ** 4


OPTIONS = [
    {"lr": 0.5, "max_iter": 4},
    {"lr": 1e-3, "max_iter": 7, "history_size": 3},
    {"max_iter": 6, "line_search_fn": "strong_wolfe"},
    {"lr": 0.7, "line_search_fn": "strong_wolfe", "history_size": 4, "max_eval": 9},
    {"line_search_fn": "strong_wolfe", "max_iter": 100, "tolerance_grad": 1e-3},
]


def valley(params):
    """Rosenbrock's function of twelve numbers, which a hundred steps do not bring to an end."""
    x = params["a"].reshape(-1)
    return ((1 - x[:-1]) ** 2).sum() + 10 * ((x[1:] - x[:-1] ** 2) ** 2).sum() + (params["b"] - x.sum()).cosh()


@pytest.mark.parametrize("method", ["update", "update_"])
@pytest.mark.parametrize("history", [3, 100])
@pytest.mark.parametrize("how", [{"lr": 0.01}, {"line_search_fn": "strong_wolfe"}], ids=str)
def test_a_hundred_steps_are_torchs(how, history, method):
    options = {"max_iter": 2, "max_eval": 5, "history_size": history, "tolerance_change": 0.0, "tolerance_grad": 0.0}
    draw = torch.Generator().manual_seed(0)
    begin = {"a": torch.rand(3, 4, dtype=torch.float64, generator=draw), "b": torch.tensor(2.0, dtype=torch.float64)}
    mine, theirs = step_by_step(valley, begin, 100, options | how, method)
    for got, expected in zip(mine, theirs, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


def step_by_step(fn, begin, steps, options, method):
    """Give what nexnet's steps and torch's make of the parameters, after each."""
    model, params = ({key: each.clone() for key, each in begin.items()} for _ in range(2))
    model = {key: LiteTensor(each) for key, each in model.items()}
    params = {key: each.requires_grad_() for key, each in params.items()}
    lbfgs, reference = nn.LBFGS(**options), torch.optim.LBFGS(params.values(), **options)
    state, mine, theirs = lbfgs.init(model), [], []

    def closure():
        reference.zero_grad()
        value = fn(params)
        value.backward()
        return value

    for _ in range(steps):
        reference.step(closure)
        model, state = getattr(lbfgs, method)(model, fn, state)
        mine.append({key: each.data.clone() for key, each in model.items()})
        theirs.append({key: each.detach().clone() for key, each in params.items()})
    return mine, theirs


@pytest.mark.parametrize("method", ["update", "update_"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_step_is_torchs(options, method):
    mine = start()
    theirs = {key: leaf.data.clone().requires_grad_() for key, leaf in mine.items()}
    lbfgs, reference = nn.LBFGS(**options), torch.optim.LBFGS(theirs.values(), **options)
    state = lbfgs.init(mine)

    def closure():
        reference.zero_grad()
        value = rosenbrock(theirs)
        value.backward()
        return value

    for _ in range(4):
        value = reference.step(closure)
        mine, state = getattr(lbfgs, method)(mine, rosenbrock, state)
        torch.testing.assert_close(state.value.data, value.detach(), rtol=1e-8, atol=1e-12)
        for key, leaf in mine.items():
            torch.testing.assert_close(leaf.data, theirs[key].detach(), rtol=1e-8, atol=1e-10)
    memory = reference.state[theirs["a"]]
    assert (state.step.item(), state.evaluations.item()) == (memory["n_iter"], memory["func_evals"])


def test_steps_are_differentiable_to_second_order():
    """By finite differences."""
    lbfgs, h = nn.LBFGS(lr=0.1, max_iter=3), 1e-5
    target = LiteTensor(0.4, dtype=torch.float64)

    def after(target):
        def loss(p):
            return (p["a"] - target).cosh().sum() + (p["b"] * target) ** 2

        p, state = start(), lbfgs.init(start())
        for _ in range(2):
            p, state = lbfgs.update(p, loss, state)
        return (p["a"] ** 2).sum() + p["b"]

    slope = nexnet.grad(after)(target).item()
    curvature = nexnet.grad(nexnet.grad(after))(target).item()
    assert slope == pytest.approx((after(target + h) - after(target - h)).item() / (2 * h), rel=1e-6)
    slopes = [nexnet.grad(after)(target + each).item() for each in (h, -h)]
    assert curvature == pytest.approx((slopes[0] - slopes[1]) / (2 * h), rel=1e-6)


def test_what_a_line_search_finds_is_a_constant():
    lbfgs = nn.LBFGS(max_iter=1, line_search_fn="strong_wolfe")
    p, target = LiteTensor(2.0, dtype=torch.float64), LiteTensor(0.4, dtype=torch.float64)

    def searched(target):
        return lbfgs.update(p, lambda p: (p - target).cosh() * target, lbfgs.init(p))

    size = searched(target)[1].step_size.item()

    def given(target):
        return p - size * (p - target).sinh() * target

    got, expected = (nexnet.grad(nexnet.grad(fn))(target) for fn in (lambda t: searched(t)[0], given))
    assert searched(target)[0].item() == pytest.approx(given(target).item())
    assert nexnet.grad(lambda t: searched(t)[0])(target).item() == pytest.approx(nexnet.grad(given)(target).item())
    assert got.item() == pytest.approx(expected.item())


def test_it_finds_a_least_squares_solution_in_float32():
    x, draw = nexnet.randn(20, 3), torch.Generator().manual_seed(0)
    y = x @ torch.randn(3, 1, generator=draw)
    model, lbfgs = nn.Dense(3, 1), nn.LBFGS(line_search_fn="strong_wolfe", history_size=5)
    state = lbfgs.init(model)
    for _ in range(3):
        model, state = lbfgs.update_(model, lambda model: nn.mse_loss(model(x), y), state)
    assert nn.mse_loss(model(x), y).item() < 1e-8


def test_its_state_can_be_saved_at_any_time(tmp_path):
    whole, lbfgs = start(), nn.LBFGS(max_iter=3, line_search_fn="strong_wolfe")
    state = lbfgs.init(whole)
    whole, state = lbfgs.update(whole, rosenbrock, state)
    nn.save((whole, state), tmp_path / "run")
    other, loaded = nn.load((start(), lbfgs.init(start())), tmp_path / "run")
    whole, _ = lbfgs.update(whole, rosenbrock, state)
    other, _ = lbfgs.update(other, rosenbrock, loaded)
    assert all(torch.equal(whole[key].data, other[key].data) for key in whole)


def test_a_loss_may_keep_the_models_that_it_is_given():
    lbfgs, kept, values = nn.LBFGS(max_iter=5, lr=1e-3), [], []

    def loss(params):
        kept.append(params)
        values.append(nexnet.stop_gradient(rosenbrock(params)).item())
        return rosenbrock(params)

    lbfgs.update_(start(), loss, lbfgs.init(start()))
    assert [rosenbrock(nexnet.stop_gradient(each)).item() for each in kept] == values
    assert len(set(values)) == 5


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_to_climb_is_to_go_down_the_negative(options):
    up, down, value = start(), start(), 0.0
    climbing, lbfgs = nn.LBFGS(**options, maximize=True), nn.LBFGS(**options)
    state, other = climbing.init(up), lbfgs.init(down)
    for _ in range(3):
        value = -rosenbrock(up).item()
        up, state = climbing.update(up, lambda p: -rosenbrock(p), state)
        down, other = lbfgs.update_(down, rosenbrock, other)
        assert state.value.item() == value
        assert all(torch.equal(up[key].data, down[key].data) for key in up)


def test_a_history_that_is_not_there_takes_no_memory():
    state = nn.LBFGS().init(nexnet.ones(1000))
    assert len(state.moves) == len(state.gradient_changes) == 100
    assert {each.data.untyped_storage().nbytes() for each in (*state.moves, *state.gradient_changes)} == {4}


def test_a_loss_is_one_number():
    lbfgs, x = nn.LBFGS(), nexnet.ones(2)
    for step in (lbfgs.update, lbfgs.update_):
        with pytest.raises(nexnet.InputError, match=r"several elements(.|\n)*shape \(2,\)(.|\n)*mean\(\) or sum\(\)"):
            step(x, lambda x: x * x, lbfgs.init(x))


@pytest.mark.parametrize("name", ["max_iter", "max_eval", "history_size"])
def test_counts_are_at_least_one(name):
    for wrong in (0, -1, 1.5):
        with pytest.raises(nn.OptimizerError, match=rf"invalid {name}(.|\n)*int >= 1\n.*{wrong}"):
            nn.LBFGS(**{name: wrong})


def test_what_is_refused():
    lbfgs = nn.LBFGS()
    with pytest.raises(nn.OptimizerError, match=r"no state of L-BFGS(.|\n)*SGDState(.|\n)*init"):
        lbfgs.update(nexnet.ones(2), lambda x: x.sum(), nn.SGDState())
    with pytest.raises(nn.OptimizerError, match="only 'strong_wolfe'"):
        nn.LBFGS(line_search_fn="armijo")
    with pytest.raises(nn.OptimizerError, match="invalid lr"):
        nn.LBFGS(lr=-1)
    with pytest.raises(nn.OptimizerError, match="are real"):
        lbfgs.init([LiteTensor(1j)])
    with pytest.raises(nn.OptimizerError, match=r"not that of this model[\s\S]*3 elements[\s\S]*1 elements"):
        lbfgs.update(start(), rosenbrock, lbfgs.init([LiteTensor(1.0)]))
    with pytest.raises(nexnet.errors.TrackedTensorError, match="being differentiated"):
        nexnet.grad(lambda p: lbfgs.update_(p, rosenbrock, lbfgs.init(p))[0]["b"])(start())
