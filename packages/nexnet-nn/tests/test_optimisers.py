"""All optimisers, by one set of tests: torch's steps, both forms, every order of derivative, groups and schedules."""

import inspect
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import pytest
import torch

import nexnet
import nexnet_nn as nn
from nexnet import LiteTensor
from nexnet_nn.optim._shared import are_large

OPTIONS = {
    "SGD": {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1},
    "Adam": {"betas": (0.5, 0.9), "weight_decay": 0.1, "amsgrad": True, "eps": 1e-3},
    "AdamW": {"betas": (0.5, 0.9), "weight_decay": 0.1, "amsgrad": True, "eps": 1e-3},
    "RMSprop": {"alpha": 0.9, "momentum": 0.9, "weight_decay": 0.1, "centered": True, "eps": 1e-3},
    "Adagrad": {"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-3},
    "NAdam": {"betas": (0.5, 0.9), "weight_decay": 0.1, "momentum_decay": 0.1, "decoupled_weight_decay": True},
    "RAdam": {"betas": (0.5, 0.9), "weight_decay": 0.1, "decoupled_weight_decay": True, "eps": 1e-3},
    "Lion": {"betas": (0.5, 0.9), "weight_decay": 0.1},
    "Muon": {"momentum": 0.5, "weight_decay": 0.1, "nesterov": False, "adjust_lr_fn": "match_rms_adamw"},
}
FURTHER = [
    ("SGD", {"momentum": 0.9, "weight_decay": 0.1, "nesterov": True}),
    ("NAdam", {"weight_decay": 0.1}),
    ("RAdam", {"weight_decay": 0.1}),
    ("RAdam", {"betas": (0.5, 0.6)}),  # of which the running mean of squares is never trusted
]
LARGEST = [(name, {"lr": 0.02, **options}) for name, options in OPTIONS.items()]
EVERY = [
    *LARGEST,
    *((name, {"lr": 0.02}) for name in OPTIONS),
    *((name, {"lr": 0.02, option: value}) for name, options in OPTIONS.items() for option, value in options.items()),
    *((name, {"lr": 0.02, **options}) for name, options in FURTHER),
]


class TorchsLion(torch.optim.Optimizer):
    """What the authors of Lion publish for PyTorch, which has none of its own."""

    def __init__(self, params, lr, betas=(0.9, 0.99), weight_decay=0):
        super().__init__(params, {})
        self.options = lr, *betas, weight_decay

    def step(self):
        lr, beta1, beta2, weight_decay = self.options
        for p in self.param_groups[0]["params"]:
            g, mean = p.grad, self.state[p].setdefault("exp_avg", torch.zeros_like(p))
            p.mul_(1 - lr * weight_decay)
            p.add_((mean * beta1 + g * (1 - beta1)).sign(), alpha=-lr)
            mean.mul_(beta2).add_(g, alpha=1 - beta2)


@pytest.fixture
def exact():
    """Let torch, too, count and multiply in float64."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def randn(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def model(name):
    shapes = [(3, 2), (2, 4)] if name == "Muon" else [(3, 2), (3,)]
    return {"weight": LiteTensor(randn(*shapes[0])), "bias": LiteTensor(randn(*shapes[1], seed=1))}


def slopes(like, step):
    return {key: LiteTensor(randn(*leaf.shape, seed=2 * step + i)) for i, (key, leaf) in enumerate(like.items())}


def assert_close(mine, theirs, tolerance=1e-12):
    for a, b in zip(nexnet.tree.leaves(mine), theirs, strict=True):
        torch.testing.assert_close(a.data, b.data, rtol=tolerance, atol=tolerance)


# Beside torch


def reference_of(name, params, options):
    return TorchsLion(params, **options) if name == "Lion" else getattr(torch.optim, name)(params, **options)


@pytest.mark.parametrize("method", ["update", "update_"])
@pytest.mark.parametrize(("name", "options"), EVERY, ids=str)
def test_a_hundred_steps_are_torchs(name, options, method, exact):
    mine = model(name)
    theirs = [leaf.data.clone() for leaf in nexnet.tree.leaves(mine)]
    optimizer, reference = getattr(nn, name)(**options), reference_of(name, theirs, options)
    state = optimizer.init(mine)
    steps = 100 if method == "update_" or (name, options) in LARGEST else 10
    for step in range(steps if name != "Muon" else 5):  # in bfloat16 the last bit of a float64 may be a large one
        grads = slopes(mine, step)
        for p, g in zip(theirs, nexnet.tree.leaves(grads), strict=True):
            p.grad = g.data.clone()
        reference.step()
        mine, state = getattr(optimizer, method)(mine, grads, state)
    assert_close(mine, theirs)


@pytest.mark.parametrize("method", ["update", "update_"])
@pytest.mark.parametrize(("name", "options"), LARGEST, ids=str)
def test_to_climb_is_to_go_down_the_negative(name, options, method):
    up, down = model(name), model(name)
    optimizer, other = getattr(nn, name)(**options, maximize=True), getattr(nn, name)(**options)
    state, other_state = optimizer.init(up), other.init(down)
    for step in range(3):
        grads = slopes(up, step)
        up, state = getattr(optimizer, method)(up, grads, state)
        down, other_state = other.update(down, nexnet.tree.map(lambda g: -g, grads), other_state)
    assert_close(up, nexnet.tree.leaves(down))


@pytest.mark.parametrize("name", [name for name in (*OPTIONS, "LBFGS") if name != "Lion"])
def test_arguments_and_their_defaults_are_torchs(name):
    theirs = inspect.signature(getattr(torch.optim, name).__init__).parameters
    mine = inspect.signature(getattr(nn, name)).parameters
    how = {"self", "params", "foreach", "fused", "differentiable", "decoupled_weight_decay"}  # the last, of Adam: AdamW
    wanted = {key: each.default for key, each in theirs.items() if key not in how}
    assert {key: each.default for key, each in mine.items() if key in wanted} == wanted
    assert set(mine) - set(theirs) <= {"groups", "capturable", "maximize", "ns_dtype"}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("name", "options"), LARGEST, ids=str)
def test_both_forms_are_one_step_in_every_dtype(name, options, dtype):
    pure, in_place = ({key: leaf.to(dtype) for key, leaf in model(name).items()} for _ in range(2))
    optimizer = getattr(nn, name)(**options)
    pure_state, state = optimizer.init(pure), optimizer.init(in_place)
    for step in range(3):
        grads = {key: leaf.to(dtype) for key, leaf in slopes(pure, step).items()}
        pure, _, pure_state = nexnet.vjp(_recorded(optimizer, grads, pure_state), pure, has_aux=True)
        in_place, state = optimizer.update_(in_place, grads, state)
    assert {leaf.dtype for leaf in pure.values()} == {dtype}
    assert_close(pure, nexnet.tree.leaves(in_place), 1e-5 if dtype is torch.float32 else 0.05)


def _recorded(optimizer, grads, state):
    """A step while something is being differentiated: otherwise ``update`` makes it in place, of copies."""
    return lambda model: optimizer.update(model, grads, state)


@pytest.mark.parametrize(("name", "options"), [*LARGEST, ("SGD", {"lr": 0.02, "weight_decay": 0.1})], ids=str)
def test_a_pure_step_leaves_all_that_it_is_given_as_it_is(name, options):
    params = model(name)
    optimizer, grads = getattr(nn, name)(**options), slopes(params, 0)
    _, state = optimizer.update(params, grads, optimizer.init(params))
    given = [each.data for each in nexnet.tree.leaves((params, grads, state))]
    before = [each.clone() for each in given]
    made = nexnet.tree.leaves(optimizer.update(params, grads, state))
    assert all(torch.equal(one, other) for one, other in zip(given, before, strict=True))
    assert not {each.data_ptr() for each in given} & {each.data.data_ptr() for each in made}


@pytest.mark.parametrize("groups", [None, {"bias": {"lr": 0.01, "weight_decay": 0}}])
@pytest.mark.parametrize(("name", "options"), LARGEST, ids=str)
def test_large_tensors_make_their_steps_alone_and_these_are_the_same(name, options, groups, monkeypatch):
    rule = getattr(nn, name)(**options, maximize=True, groups=groups)
    found = []
    for large in (False, True):
        monkeypatch.setattr("nexnet_nn.optim._optimizer.are_large", lambda tensors, large=large: large)
        now = model(name)
        state = rule.init(now)
        for step in range(3):
            now, state = rule.update_(now, slopes(now, step), state)
        found.append(nexnet.tree.leaves((now, state)))
    assert all(torch.equal(one.data, other.data) for one, other in zip(*found, strict=True))


def test_what_is_large():
    assert are_large([torch.empty(2**18), torch.empty(2**18)])
    assert not are_large([torch.empty(2**18)])
    assert not are_large([torch.empty(2**18), torch.empty(64)])


@pytest.mark.parametrize(("name", "options"), LARGEST, ids=str)
def test_tensors_that_no_fused_kernel_takes_make_the_same_step(name, options):
    plain, strided = model(name), model(name)
    strided = {key: LiteTensor(leaf.data.t().contiguous().t()) for key, leaf in strided.items()}
    optimizer = getattr(nn, name)(**options)
    state, other_state = optimizer.init(plain), optimizer.init(strided)
    for step in range(3):
        grads = slopes(plain, step)
        plain, state = optimizer.update_(plain, grads, state)
        strided, other_state = optimizer.update_(strided, grads, other_state)
    assert_close(plain, nexnet.tree.leaves(strided))


@pytest.mark.parametrize(("name", "options"), LARGEST, ids=str)
def test_a_step_that_waits_for_no_value_is_the_same_step(name, options):
    plain, capturable = model(name), model(name)
    lr = torch.tensor(options["lr"], dtype=torch.float64)
    optimizer, other = getattr(nn, name)(**options), getattr(nn, name)(**options | {"lr": lr}, capturable=True)
    state, other_state = optimizer.init(plain), other.init(capturable)
    for step in range(8):
        grads = slopes(plain, step)
        plain, state = optimizer.update_(plain, grads, state)
        capturable, other_state = other.update_(capturable, grads, other_state)
    assert_close(plain, nexnet.tree.leaves(capturable))
    on_meta = nexnet.tree.map(lambda leaf: leaf.to("meta"), model(name))  # where asking for a value is an error
    other = getattr(nn, name)(**options, capturable=True)
    other.update_(on_meta, on_meta, other.init(on_meta))


@pytest.mark.parametrize(
    ("name", "kernel"), [("SGD", "sgd"), ("Adam", "adam"), ("AdamW", "adamw"), ("Adagrad", "adagrad")]
)
def test_tensors_that_are_alike_go_to_torchs_fused_kernel(name, kernel, monkeypatch):
    calls = []
    real = getattr(torch, f"_fused_{kernel}_")
    monkeypatch.setattr(torch, f"_fused_{kernel}_", lambda *args, **kwargs: (calls.append(1), real(*args, **kwargs)))
    m, optimizer = model(name), getattr(nn, name)()
    state = optimizer.init(m)
    optimizer.update_(m, m, state)
    assert len(calls) == 1
    other = {**m, "bias": m["bias"].to(torch.float32)}
    optimizer.update_(other, other, optimizer.init(other))
    assert len(calls) == 1


@pytest.mark.parametrize(("name", "options"), LARGEST, ids=str)
def test_parameters_may_be_of_several_dtypes(name, options):
    def mixed():
        return {**model(name), "weight": model(name)["weight"].to(torch.float32)}

    pure, in_place, optimizer = mixed(), mixed(), getattr(nn, name)(**options)
    grads = {key: leaf.to(pure[key].dtype) for key, leaf in slopes(pure, 3).items()}
    pure, _ = optimizer.update(pure, grads, optimizer.init(pure))
    in_place, _ = optimizer.update_(in_place, grads, optimizer.init(in_place))
    assert_close(pure, nexnet.tree.leaves(in_place), 1e-6)


def test_a_number_that_stays_on_its_device_may_be_any():
    beta = torch.tensor(0.9, dtype=torch.float64)
    plain, capturable = model("Adam"), model("Adam")
    adam, other = nn.Adam(betas=(0.9, 0.99)), nn.Adam(betas=(beta, 0.99), weight_decay=0 * beta, capturable=True)
    adam.update_(plain, plain, adam.init(plain))
    other.update_(capturable, capturable, other.init(capturable))
    assert_close(plain, nexnet.tree.leaves(capturable))


# Differentiating through steps


@pytest.mark.parametrize(("name", "options"), LARGEST, ids=str)
def test_two_steps_are_right_to_second_order_by_all_that_goes_in(name, options):
    """By finite differences, along one direction, by parameters, gradients and the learning rate at once."""
    if name == "Muon":
        options = {**options, "ns_dtype": None}
    start, slope = model(name), slopes(model(name), 7)
    point = (start, slope, LiteTensor(0.3, dtype=torch.float64))
    way = nexnet.tree.map(lambda leaf: LiteTensor(randn(*leaf.shape, seed=5)), point)

    def along(s):
        p, g, lr = nexnet.tree.map(lambda a, b: a + s * b, point, way)
        optimizer = getattr(nn, name)(**options | {"lr": lr * lr})
        state = optimizer.init(start)
        for k in (1, 2):
            p, state = optimizer.update(p, nexnet.tree.map(lambda g, p: (g + p * p).sin() * k, g, p), state)  # noqa: B023
        return sum((leaf**3).sum() for leaf in nexnet.tree.leaves(p))

    zero, h = LiteTensor(0.0, dtype=torch.float64), 1e-4
    first, second = nexnet.grad(along), nexnet.grad(nexnet.grad(along))
    assert first(zero).item() == pytest.approx((along(h) - along(-h)).item() / (2 * h), rel=1e-5)
    assert second(zero).item() == pytest.approx((first(zero + h) - first(zero - h)).item() / (2 * h), rel=1e-5)


@pytest.mark.parametrize(("name", "options"), LARGEST, ids=str)
def test_inner_loops_go_through_vmap_and_checkpoint(name, options):
    """Two steps for each of three tasks: together as one by one, differentiated, and with steps that are recomputed."""
    optimizer = getattr(nn, name)(**options | ({"ns_dtype": None} if name == "Muon" else {}))
    start, targets = model(name), LiteTensor(randn(3, seed=4))

    def loss(p, target):
        return sum(((leaf - target) ** 2).sum() for leaf in p.values())

    def adapted(p, target, checkpoint=False):
        p = nn.meta.adapt(loss, p, target, optimizer=optimizer, steps=2, checkpoint=checkpoint)
        return loss(p, target * 0.5)

    together = nexnet.grad(lambda p: nexnet.vmap(adapted, in_dims=(None, 0))(p, targets).sum())(start)
    alone = nexnet.grad(lambda p: sum(adapted(p, targets[i], checkpoint=True) for i in range(3)))(start)
    assert_close(together, nexnet.tree.leaves(alone), 1e-9)


# Groups of parameters


@pytest.mark.parametrize("method", ["update", "update_"])
@pytest.mark.parametrize(("name", "options"), [each for each in LARGEST if each[0] != "Lion"], ids=str)
def test_a_group_has_its_own_hyper_parameters_as_in_torch(name, options, method, exact):
    mine = model(name)
    theirs = {key: leaf.data.clone() for key, leaf in mine.items()}
    own = {"lr": 0.1, "weight_decay": 0}
    optimizer = getattr(nn, name)(**options, groups={"*.bias": own})
    groups = [{"params": [theirs["weight"]]}, {"params": [theirs["bias"]], **own}]
    reference = getattr(torch.optim, name)(groups, **options)
    state = optimizer.init(mine)
    for step in range(5):
        grads = slopes(mine, step)
        for key, p in theirs.items():
            p.grad = grads[key].data.clone()
        reference.step()
        mine, state = getattr(optimizer, method)(mine, grads, state)
    assert_close(mine, [theirs[key] for key in sorted(theirs)])


def test_a_parameter_goes_into_the_first_group_that_it_matches():
    mlp = nn.MLP([2, 3, 1])
    sgd = nn.SGD(lr=0, groups={"layers.0.*": {"lr": 1}, "*.bias": {"lr": 2}})
    moved, _ = sgd.update(mlp, nexnet.tree.map(torch.ones_like, mlp), sgd.init(mlp))
    steps = [(a.data - b.data).mean().item() for a, b in zip(mlp.parameters(), moved.parameters(), strict=True)]
    assert steps == pytest.approx([1, 1, 0, 2])


def test_a_group_may_have_a_moment_that_the_others_have_not():
    start = {"a": LiteTensor([1.0]), "b": LiteTensor([1.0])}
    for method in ("update", "update_"):
        sgd = nn.SGD(lr=1, groups={"a": {"momentum": 0.5}})
        p = {key: LiteTensor([1.0]) for key in start}
        state = sgd.init(p)
        for _ in range(2):
            p, state = getattr(sgd, method)(p, start, state)
        assert (p["a"].item(), p["b"].item()) == (-1.5, -1)


def test_what_a_moment_begins_as_is_its_groups():
    m = {"a": LiteTensor([1.0]), "b": LiteTensor([1.0])}
    state = nn.Adagrad(initial_accumulator_value=0.5, groups={"b": {"initial_accumulator_value": 2}}).init(m)
    assert (state.sum["a"].item(), state.sum["b"].item()) == (0.5, 2)


def test_a_group_that_matches_nothing_or_has_a_strange_option_is_an_error():
    with pytest.raises(nn.OptimizerError, match=r"matches no parameter[\s\S]*\*\.biass[\s\S]*layers\.0\.weight"):
        nn.Adam(groups={"*.biass": {"lr": 1}}).init(nn.MLP([2, 1]))
    with pytest.raises(nn.OptimizerError, match=r"hyper-parameter that there isn't[\s\S]*learning_rate"):
        nn.Adam(groups={"*": {"learning_rate": 1}})
    with pytest.raises(nn.OptimizerError, match=r"invalid lr"):
        nn.Adam(groups={"*": {"lr": -1}})
    with pytest.raises(nn.OptimizerError, match=r"one for all parameters[\s\S]*betas"):
        nn.NAdam(groups={"*": {"betas": (0.5, 0.5)}})


@pytest.mark.parametrize("groups", [3, [{"lr": 1}], {"*": 3}, {"*": None}], ids=repr)
def test_groups_that_are_no_dicts_are_an_error(groups):
    with pytest.raises(
        nn.OptimizerError, match=r"dicts of hyper-parameters(.|\n)*SGD\n(.|\n)*groups\n(.|\n)*weight_decay"
    ):
        nn.SGD(groups=groups)


# Hyper-parameters that change


@pytest.mark.parametrize("method", ["update", "update_"])
@pytest.mark.parametrize(("name", "options"), LARGEST, ids=str)
def test_a_schedule_is_asked_with_the_number_of_steps_before(name, options, method):
    scheduled, by_hand = model(name), model(name)

    def lr(step):
        return 0.1 / (1 + step)

    optimizer = getattr(nn, name)(**options | {"lr": lr})
    state, other_state = optimizer.init(scheduled), optimizer.init(by_hand)
    for step in range(3):
        grads = slopes(scheduled, step)
        scheduled, state = getattr(optimizer, method)(scheduled, grads, state)
        now = getattr(nn, name)(**options | {"lr": lr(step)})
        by_hand, other_state = getattr(now, method)(by_hand, grads, other_state)
    assert_close(scheduled, nexnet.tree.leaves(by_hand))


# What is refused


@pytest.mark.parametrize(("name", "options"), LARGEST, ids=str)
def test_what_belongs_to_others_is_refused(name, options):
    m, optimizer = model(name), getattr(nn, name)(**options)
    for method in (optimizer.update, optimizer.update_):
        with pytest.raises(nn.OptimizerError, match="gradients and the model have different structures"):
            method(m, [m], optimizer.init(m))
        with pytest.raises(nn.OptimizerError, match="state and the model have different structures"):
            method([m["weight"]], [m["weight"]], optimizer.init(m))
    with pytest.raises(nexnet.errors.TrackedTensorError, match=r"being differentiated[\s\S]*use update"):
        nexnet.grad(lambda m: optimizer.update_(m, m, optimizer.init(m))[0]["weight"].sum())(m)
    with pytest.raises(nn.OptimizerError, match="invalid lr"):
        getattr(nn, name)(lr=-1)


def test_a_state_that_lacks_what_the_optimiser_needs_is_refused():
    m = model("Adam")
    with pytest.raises(nn.OptimizerError, match=r"the state has no max_exp_avg_sq[\s\S]*init"):
        nn.Adam(amsgrad=True).update(m, m, nn.Adam().init(m))
    with pytest.raises(nn.OptimizerError, match=r"the state has no step[\s\S]*init"):
        nn.SGD(lr=lambda step: 0.1).update(m, m, nn.SGD().init(m))
    with pytest.raises(nn.OptimizerError, match=r"the state has no exp_avg[\s\S]*SGDState|a state with"):
        nn.Adam().update(m, m, nn.SGD().init(m))


@pytest.mark.parametrize("method", ["update", "update_"])
def test_a_gradient_or_a_moment_of_another_shape_is_refused(method):
    m, other = {"a": nexnet.zeros(3, 2)}, {"a": nexnet.zeros(2)}
    adam = nn.Adam()
    with pytest.raises(nn.OptimizerError, match=r"a gradient has another shape[\s\S]*a\n[\s\S]*\(3, 2\)[\s\S]*\(2,\)"):
        getattr(adam, method)(m, other, adam.init(m))
    with pytest.raises(nn.OptimizerError, match=r"a exp_avg has another shape"):
        getattr(adam, method)(m, m, adam.init(other))


def test_complex_parameters_are_sgds_alone():
    m = {"a": LiteTensor([1j])}
    nn.SGD(momentum=0.9).init(m)
    with pytest.raises(nn.OptimizerError, match=r"complex dtype[\s\S]*view_as_complex"):
        nn.RMSprop().init(m)


def test_muon_takes_matrices():
    with pytest.raises(nn.OptimizerError, match=r"are matrices[\s\S]*\(2,\)[\s\S]*ByPath"):
        nn.Muon().init(nn.Dense(2, 2))
    with pytest.raises(nn.OptimizerError, match="invalid adjust_lr_fn"):
        nn.Muon(adjust_lr_fn="other")


# One of one's own


class SignState(NamedTuple):
    step: LiteTensor
    momentum: object


@dataclass(frozen=True, eq=False, repr=False)
class Sign(nn.Optimizer[SignState]):
    """The example of the base class."""

    lr: float = 1e-3
    bounds: ClassVar = {"lr": (False, None)}
    state_class = SignState

    def slots(self):
        return {"momentum": 0}

    def rule(self, form, p, g, state, t):
        m = form.lerp_(state.momentum, g, 0.1)
        return form.sub_(p, form.sign(m), self.lr), state._replace(momentum=m)


def test_an_optimiser_of_ones_own_has_both_forms_groups_and_schedules():
    sign = Sign(lambda step: 0.5 / (1 + step), groups={"bias": {"lr": 0.25}})
    for method in ("update", "update_"):
        p = {"weight": LiteTensor([1.0, 2.0]), "bias": LiteTensor([1.0])}
        state = sign.init(p)
        for _ in range(2):
            p, state = getattr(sign, method)(p, {"weight": LiteTensor([3.0, -3.0]), "bias": LiteTensor([1.0])}, state)
        assert (p["weight"].tolist(), p["bias"].tolist()) == ([0.25, 2.75], [0.5])
    assert repr(Sign(0.5)) == "Sign(lr=0.5, maximize=False)"
