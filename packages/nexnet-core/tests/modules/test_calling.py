"""functional_call, parameters_of, set_gradients: torch's modules as functions, and what a call leaves behind."""

from __future__ import annotations

import copy
import dataclasses
import threading
from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812  torch's own name for it

import nexnet as nx


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.5, inplace=True),
        nn.Linear(16, 3),
    ).double()


IMAGES = torch.linspace(-1, 1, 32, dtype=torch.float64).view(2, 1, 4, 4).sin()


@pytest.mark.parametrize("training", [True, False])
def test_gradients_and_running_statistics_are_those_of_torch(training: bool, compare: Any) -> None:
    torch.manual_seed(0)
    compare.models(convolutional().train(training), IMAGES)


def test_a_transformer_is_that_of_torch(compare: Any) -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True, dtype=torch.float64)
    compare.models(nn.TransformerEncoder(layer, 2), torch.randn(2, 5, 8, dtype=torch.float64))


def test_the_second_order_is_that_of_torch() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Softplus(), nn.LayerNorm(4), nn.Linear(4, 1)).double()
    x = torch.randn(5, 3, dtype=torch.float64)
    parameters = nx.parameters_of(model)
    vectors = {name: nx.LiteTensor(torch.randn_like(each)) for name, each in model.named_parameters()}
    _, (found,) = nx.hvp(lambda p: (nx.functional_call(model, p, x) ** 2).sum(), (parameters,), (vectors,))
    names = list(parameters)
    gradients = torch.autograd.grad((model(x) ** 2).sum(), list(model.parameters()), create_graph=True)
    along = sum((g * vectors[name].data).sum() for g, name in zip(gradients, names, strict=True))
    wanted = torch.autograd.grad(along, list(model.parameters()))
    for name, each in zip(names, wanted, strict=True):
        torch.testing.assert_close(found[name].data, each)


def test_parameters_share_the_modules_memory_and_a_shared_one_is_there_once() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    found = nx.parameters_of(model)
    assert list(found) == ["0.weight", "0.bias", "1.bias"]
    found["0.bias"].data.fill_(3)
    assert model[0].bias.tolist() == [3, 3]
    value, gradients = nx.value_and_grad(lambda p: nx.functional_call(model, p, torch.ones(1, 2)).sum())(found)
    value = model(torch.ones(1, 2)).sum()
    value.backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(gradients["0.weight"].data, model[0].weight.grad)


def test_an_optimiser_of_torchs_trains_with_gradients_of_nexnets() -> None:
    torch.manual_seed(0)
    ours = convolutional().train()
    theirs = copy.deepcopy(ours)
    pairs = [(model, torch.optim.AdamW(model.parameters(), lr=0.01)) for model in (ours, theirs)]
    losses: list[list[float]] = [[], []]
    for step in range(5):
        for i, (model, optimizer) in enumerate(pairs):
            torch.manual_seed(step)
            if model is ours:
                loss, gradients = nx.value_and_grad(lambda p: nx.functional_call(ours, p, IMAGES).square().sum())(
                    nx.parameters_of(ours)
                )
                nx.set_gradients(ours, gradients)
            else:
                optimizer.zero_grad()
                loss = model(IMAGES).square().sum()
                loss.backward()
            optimizer.step()
            losses[i].append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)


def test_set_gradients_says_what_does_not_fit() -> None:
    model = nn.Linear(2, 2)
    nx.set_gradients(model, {"bias": nx.tensor([1.0, 2.0])})
    assert model.bias.grad is not None
    assert model.bias.grad.tolist() == [1, 2]
    assert model.weight.grad is None
    with pytest.raises(nx.InputError, match="no parameter or buffer of this name"):
        nx.set_gradients(model, {"b": nx.tensor([1.0, 2.0])})
    with pytest.raises(nx.InputError, match="does not have the shape of its parameter"):
        nx.set_gradients(model, {"bias": nx.tensor([1.0])})
    with pytest.raises(nx.InputError, match=r"a gradient is no tensor(.|\n)*bias(.|\n)*got:       3"):
        nx.set_gradients(model, {"bias": 3})


def test_parameters_of_takes_nothing_but_torchs_modules() -> None:
    class Like:
        def named_parameters(self) -> list[tuple[str, nx.LiteTensor]]:
            return [("weight", nx.ones(2))]

    with pytest.raises(nx.InputError, match=r"a module of torch's is expected(.|\n)*got: +Like\n.*nexnet_nn"):
        nx.parameters_of(Like())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (test_parameters_of_takes_nothing_but_torchs_modules, r"got: +function test_param\w+\n.*give the module whose"),
        (nx.sin, r"got: +Operator sin\n.*give the module whose parameters the function uses"),
        (nn.Linear(1, 1).forward, r"got: +method forward\n.*give the module whose parameters the function uses"),
        (nn.Linear, r"got: +class Linear\n.*make a module of the class first: Linear\("),
    ],
    ids=["function", "operator", "method", "class"],
)
@pytest.mark.parametrize(
    "use", [nx.parameters_of, lambda given: nx.functional_call(given, {}), lambda given: nx.set_gradients(given, {})]
)
def test_a_function_for_a_module_is_said(use: Any, given: Any, said: str) -> None:
    with pytest.raises(nx.InputError, match=rf"^a module of torch's is expected, and this is none(.|\n)*{said}"):
        use(given)


@pytest.mark.parametrize("wrong", [3, nx.sin], ids=["number", "function"])
def test_what_is_no_module_of_torchs_is_said(wrong: Any) -> None:
    kind = type(wrong).__name__
    with pytest.raises(nx.InputError, match=rf"functional_call\n(.|\n)*module\n(.|\n)*torch.nn.Module\n.*{kind}"):
        nx.functional_call(wrong, {})
    with pytest.raises(nx.InputError, match=rf"set_gradients\n(.|\n)*module\n(.|\n)*torch.nn.Module\n.*{kind}"):
        nx.set_gradients(wrong, {})


@pytest.mark.parametrize("wrong", [3, [torch.ones(1)], nx.ones(2)], ids=["number", "list", "tensor"])
def test_parameters_without_names_are_said(wrong: Any) -> None:
    kind = type(wrong).__name__
    with pytest.raises(nx.InputError, match=rf"by their names(.|\n)*parameters_and_buffers\n(.|\n)*a dict.*\n.*{kind}"):
        nx.functional_call(nn.Linear(1, 1), wrong, torch.ones(1))
    with pytest.raises(nx.InputError, match=rf"by their names(.|\n)*gradients\n(.|\n)*a dict.*\n.*{kind}"):
        nx.set_gradients(nn.Linear(1, 1), wrong)


# Buffers --------------------------------------------------------------------------------------------------------------


def test_with_buffers_returns_them_and_writes_nothing() -> None:
    torch.manual_seed(0)
    model = convolutional().train()
    before = {name: each.clone() for name, each in model.named_buffers()}
    torch.manual_seed(1)
    out, buffers = nx.functional_call(model, nx.parameters_of(model), IMAGES, with_buffers=True)
    for name, each in model.named_buffers():
        assert torch.equal(each, before[name])
    torch.manual_seed(1)
    torch.testing.assert_close(out.data, model(IMAGES).detach())
    assert list(buffers) == list(before)
    for name, each in model.named_buffers():
        torch.testing.assert_close(buffers[name].data, each)


def test_buffers_that_are_given_are_used_and_written_into() -> None:
    model = nn.BatchNorm1d(2).double().train()
    x = torch.randn(4, 2, dtype=torch.float64)
    mine = {"running_mean": nx.tensor([5.0, 5.0], dtype=torch.float64), "num_batches_tracked": torch.tensor(7)}
    nx.functional_call(model, mine, x)
    torch.testing.assert_close(mine["running_mean"].data, 4.5 + 0.1 * x.mean(0))
    assert mine["num_batches_tracked"] == 8
    assert model.running_mean.tolist() == [0, 0]  # type: ignore[union-attr, operator]
    assert model.num_batches_tracked == 0
    out = nx.functional_call(model.eval(), mine, x)
    torch.testing.assert_close(out.data, (x - mine["running_mean"].data) / (model.running_var + 1e-5).sqrt())  # type: ignore[operator]


# What a call leaves ---------------------------------------------------------------------------------------------------


class Caches(nn.Module):
    """Keeps what it computes, in every way."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0]))
        self.register_buffer("ema", torch.zeros(2))
        self.cache: Any = None
        self.store: dict[str, Any] = {}

    def forward(self, x: Any) -> Any:
        h = self.weight * x
        if self.cache is None:
            self.cache = [h, {"h": h}]
        self.store["last"] = (h, h * 2)
        self.ema = 0.5 * self.ema + h
        return (h * h).sum() + (self.cache[0] * h).sum() * 0


def test_what_a_module_keeps_are_plain_tensors() -> None:
    model = Caches()
    x = torch.tensor([3.0, 4.0])
    loss = nx.value_and_grad(lambda p: nx.functional_call(model, p, x))
    parameters = nx.parameters_of(model)
    first = loss(parameters)
    with pytest.warns(nx.ConstantWarning, match="an earlier call has left this tensor in a module"):
        second = loss(parameters)
    assert first[1]["weight"].tolist() == second[1]["weight"].tolist() == [18, 64]
    kept = [*model.cache[:1], model.cache[1]["h"], *model.store["last"], model.ema]
    assert [type(each) for each in kept] == [torch.Tensor] * 5
    assert model.ema.tolist() == [4.5, 12]  # twice
    assert type(model.weight) is nn.Parameter
    model(x).backward()
    assert model.weight.grad is not None
    assert model.weight.grad.tolist() == [18, 64]


def test_a_view_of_what_a_call_has_left_is_not_met_silently_either() -> None:
    class Cached(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.bias = nn.Parameter(torch.tensor([1.0, 2.0])), None

        def forward(self, x: Any) -> Any:
            if self.bias is None:
                self.bias = self.weight * 2
            return (x * self.weight + self.bias.unsqueeze(0)).sum()

    model = Cached()
    gradient = nx.grad(lambda p: nx.functional_call(model, p, nx.ones(3, 2)))
    assert gradient(nx.parameters_of(model))["weight"].tolist() == [9, 9]
    with pytest.warns(nx.ConstantWarning, match="an earlier call has left this tensor in a module"):
        gradient(nx.parameters_of(model))


@pytest.mark.filterwarnings("ignore:Full backward hook is firing:UserWarning")
@pytest.mark.filterwarnings("ignore:Using a non-full backward hook:FutureWarning")
@pytest.mark.parametrize(
    "register", ["register_backward_hook", "register_full_backward_hook", "register_full_backward_pre_hook"]
)
def test_a_backward_hook_of_a_module_is_an_error_where_it_would_be_called(register: str) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1))
    getattr(model[1], register)(lambda *_: None)
    loss = lambda p: nx.functional_call(model, p, torch.ones(1, 2)).sum()  # noqa: E731
    assert loss(nx.parameters_of(model)).shape == ()
    with pytest.raises(nx.InputError, match=r"backward hook follows torch's graph(.|\n)*nexnet.override"):
        nx.grad(loss)(nx.parameters_of(model))


@pytest.mark.parametrize(
    "transformed",
    [
        lambda x: torch.func.vmap(lambda a: a * a)(x),
        lambda x: torch.func.grad(lambda a: (a**3).sum())(x),
        lambda x: torch.func.jacrev(torch.sin)(x),
    ],
    ids=["vmap", "grad", "jacrev"],
)
def test_torchs_transforms_inside_of_a_model_are_an_error_that_names_nexnets(transformed: Any) -> None:
    class Transforms(nn.Module):
        def forward(self, x: Any) -> Any:
            return transformed(x).sum()

    with pytest.raises(nx.NoGradientRule, match=r"torch's own transforms(.|\n)*nexnet.vmap, nexnet.grad"):
        nx.grad(lambda x: nx.functional_call(Transforms(), {}, x))(nx.ones(3))


class BiasCache(nn.Module):
    """In evaluation the bias is made once, as timm's attention does it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0]))
        self.cache: dict[str, Any] = {}

    def forward(self, x: Any) -> Any:
        if "bias" not in self.cache:
            self.cache["bias"] = self.weight * 2
        return (x * self.weight + self.cache["bias"]).sum()


def test_a_cache_of_an_earlier_call_is_not_met_silently() -> None:
    model, x = BiasCache(), torch.tensor([3.0, 4.0])
    gradient = nx.grad(lambda p: nx.functional_call(model, p, x))
    parameters = nx.parameters_of(model)
    assert gradient(parameters)["weight"].tolist() == [5, 6]
    with pytest.warns(nx.ConstantWarning, match=r"(?s)got: +torch.Tensor of shape \(2,\).*drop it"):
        assert gradient(parameters)["weight"].tolist() == [3, 4]
    model.cache["bias"] = model.cache["bias"].detach()  # it is said to be a constant
    assert gradient(parameters)["weight"].tolist() == [3, 4]
    model.cache.clear()
    model(x).backward()
    with pytest.raises(nx.InputError, match="kept it from a run in torch, as a cache, let it be dropped"):
        gradient(parameters)
    model.cache.clear()
    assert gradient(parameters)["weight"].tolist() == [5, 6]


def test_a_model_may_set_requires_grad_of_what_it_is_given() -> None:
    class Asks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(2, 1)

        def forward(self, x: Any) -> Any:
            h = x[None]
            h.requires_grad = True
            return self.linear(h).sum()

    model, x = Asks(), torch.tensor([3.0, 4.0])
    gradient = nx.grad(lambda p, x: nx.functional_call(model, p, x))
    assert gradient(nx.parameters_of(model), nx.LiteTensor(x))["linear.weight"].tolist() == [[3, 4]]
    with pytest.raises(nx.InputError, match=r"(?s)sets requires_grad of what it was given.*as a LiteTensor"):
        nx.grad(lambda p: nx.functional_call(model, p, x))(nx.parameters_of(model))


def test_a_tensor_that_is_closed_over_is_written_into_and_is_plain_afterwards() -> None:
    log = torch.zeros(2)
    views = log.view(1, 2)

    class Writes(nn.Module):
        def forward(self, x: Any) -> Any:
            log.copy_(x * x)
            return (log * x).sum()

    value, gradient = nx.value_and_grad(lambda x: nx.functional_call(Writes(), {}, x))(nx.tensor([1.0, 2.0]))
    assert (value.item(), gradient.tolist()) == (9, [3, 12])
    assert type(log) is type(views) is torch.Tensor
    assert log.tolist() == [1, 4]
    assert views.tolist() == [[1, 4]]


def test_an_exception_leaves_nothing_behind() -> None:
    class Fails(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(2, 2)

        def forward(self, x: Any) -> Any:
            self.kept = self.inner(x)
            raise ValueError("on purpose")

    model = Fails()
    before = dict(model.named_parameters())
    for _ in range(2):
        with pytest.raises(ValueError, match="on purpose"):
            nx.grad(lambda p: nx.functional_call(model, p, torch.ones(1, 2)))(nx.parameters_of(model))
        assert all(each is before[name] for name, each in model.named_parameters())
        assert type(model.kept) is torch.Tensor


def test_what_hides_from_the_end_of_a_call_says_so_when_it_is_used() -> None:
    hidden: list[Any] = []

    class Hides(nn.Module):
        def forward(self, x: Any) -> Any:
            hidden.append(x * 2)
            return x.sum()

    nx.grad(lambda x: nx.functional_call(Hides(), {}, x))(nx.tensor([1.0]))
    with pytest.raises(nx.InputError, match="used after the call"):
        hidden[0].sum()


def test_what_stood_in_a_module_stands_there_again_only_if_nobody_refers_to_it() -> None:
    hidden: Any = []
    model = nn.Linear(2, 1).double()
    parameters = nx.parameters_of(model)
    hook = model.register_forward_hook(lambda module, *_: hidden.append(module.weight))
    nx.functional_call(model, parameters, torch.ones(1, 2).double())
    hook.remove()
    (weight,) = hidden
    changed = {name: 2 * each for name, each in parameters.items()}
    out = nx.functional_call(model, changed, torch.ones(1, 2).double())
    torch.testing.assert_close(out.data, 2 * model(torch.ones(1, 2).double()).detach())
    with pytest.raises(nx.InputError, match="used after the call"):
        weight.sum()


def test_a_module_that_takes_the_place_of_a_deleted_one_is_seen() -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    for size in range(1, 6):  # one after the other, they may well have one identity
        del model[0]
        model.append(nn.Linear(2, size))
        parameters = nx.parameters_of(model)
        assert nx.functional_call(model, parameters, torch.ones(1, 2)).shape == (1, size)
        gradients = nx.grad(lambda p: nx.functional_call(model, p, torch.ones(1, 2)).sum())(parameters)
        assert gradients["0.bias"].tolist() == [1.0] * size


@dataclasses.dataclass
class Output:
    loss: Any
    parts: Any


def test_results_in_containers_are_lite_tensors() -> None:
    class Many(nn.Module):
        def forward(self, x: Any) -> Any:
            y = x * x
            return Output(y.sum(), {"list": [y, 1], "named": torch.max(y, 0), "ordered": OrderedDict(a=(y, x > 1))})

    def loss(x: Any) -> Any:
        out = nx.functional_call(Many(), {}, x)
        assert isinstance(out, Output)
        tensors = [out.loss, out.parts["list"][0], out.parts["named"].values, *out.parts["ordered"]["a"]]
        assert [type(each) for each in tensors] == [nx.LiteTensor] * 5
        assert out.parts["list"][1] == 1
        return out.loss + out.parts["named"].values

    assert nx.grad(loss)(nx.tensor([1.0, 2.0])).tolist() == [2, 8]


# What models ask, and do ----------------------------------------------------------------------------------------------


def test_inside_of_a_model_a_tensor_is_one() -> None:
    asked: list[Any] = []

    class Asks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2, 3))

        def forward(self, x: Any) -> Any:
            asked.append(isinstance(x, torch.Tensor) and torch.is_tensor(x) and isinstance(self.weight, nn.Parameter))
            asked.append((x.requires_grad, self.weight.requires_grad, x.grad_fn, x.grad, next(self.parameters()).dtype))
            asked.append((x.shape, x.size(-1), x.dim(), len(x), x.device.type, x.is_floating_point(), x.is_nested))
            assert x.type() == "torch.FloatTensor"
            return (self.weight * x).sum()

    nx.grad(lambda p: nx.functional_call(Asks(), p, nx.tensor([1.0, 2.0, 3.0])))({"weight": nx.ones(2, 3)})
    assert asked == [True, (False, True, None, None, torch.float32), ((3,), 3, 1, 3, "cpu", True, False)]


def test_operators_of_nexnet_and_users_rules_work_inside_of_a_model() -> None:
    @nx.function
    class tripled(nx.Policy):
        def forward(self, x: Any) -> Any:
            return x * x

        def backward(self, grad: Any) -> Any:
            return 3 * grad

    class Mixed(nn.Module):
        def forward(self, x: Any) -> Any:
            y = tripled(x) + nx.relu(x)
            y += 1
            return (y * nx.tensor([1.0, 2.0]) + nx.tensor([1.0, 2.0]) * y).sum()

    assert nx.grad(lambda x: nx.functional_call(Mixed(), {}, x))(nx.tensor([1.0, 2.0])).tolist() == [8, 16]


def test_blocks_without_gradient_are_constants() -> None:
    class Quantises(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("usage", torch.zeros(2))

        def forward(self, x: Any) -> Any:
            with torch.no_grad():
                codes = (x > 1.5).double() * x
                self.usage.add_(x)
            return (x + (codes - x).detach()).square().sum()

    model = Quantises().double()
    x = nx.tensor([1.0, 2.0], dtype=torch.float64)
    assert nx.grad(lambda x: nx.functional_call(model, {}, x))(x).tolist() == [0, 4]
    assert model.usage.tolist() == [1, 2]


def test_hooks_and_parametrisations_and_checkpoints_are_as_in_torch(compare: Any) -> None:
    torch.manual_seed(0)
    called: list[str] = []

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.utils.parametrizations.spectral_norm(nn.Linear(3, 3))
            self.second = nn.Linear(3, 3)
            nn.utils.parametrize.register_parametrization(self.second, "weight", nn.Softplus())
            self.second.register_forward_hook(lambda *_: called.append("hook"))

        def forward(self, x: Any) -> Any:
            x = torch.utils.checkpoint.checkpoint(self.first, x, use_reentrant=False)
            return torch.utils.checkpoint.checkpoint(lambda x: self.second(x).tanh(), x, use_reentrant=True)

    compare.models(Model().double().train(), torch.randn(2, 3, dtype=torch.float64))
    assert "hook" in called


def test_distributions_check_their_arguments() -> None:
    class Samples(nn.Module):
        def forward(self, mean: Any, scale: Any) -> Any:
            return torch.distributions.Normal(mean, scale, validate_args=True).log_prob(torch.tensor(0.5)).sum()

    def loss(mean: Any, scale: Any) -> Any:
        return nx.functional_call(Samples(), {}, (mean, scale))

    found = nx.grad(loss, argnums=(0, 1))(nx.tensor([0.0]), nx.tensor([2.0]))
    assert [each.tolist() for each in found] == [[pytest.approx(0.125)], [pytest.approx(-0.46875)]]
    with pytest.raises(ValueError, match="to satisfy the constraint"):
        loss(nx.tensor([0.0]), nx.tensor([-1.0]))


def test_torchs_functional_call_works_inside_of_a_model() -> None:
    inner = nn.Linear(2, 1, bias=False)

    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1, 2))

        def forward(self, x: Any) -> Any:
            first = torch.func.functional_call(inner, {"weight": self.weight * 2}, (x,))
            return (first + nx.functional_call(inner, {"weight": self.weight}, x)).sum()

    grads = nx.grad(lambda p: nx.functional_call(Outer(), p, torch.tensor([[1.0, 2.0]])))({"weight": nx.ones(1, 2)})
    assert grads["weight"].tolist() == [[3, 6]]
    assert type(inner.weight) is nn.Parameter


def test_embeddings_renormalise_their_weight(compare: Any) -> None:
    torch.manual_seed(0)
    model = nn.Embedding(5, 3, max_norm=0.5).double()
    compare.models(model, torch.tensor([1, 3, 1]))
    assert model.weight[[1, 3]].norm(dim=1).tolist() == pytest.approx([0.5, 0.5], abs=1e-6)
    assert model.weight[0].norm() > 0.6


# Errors ---------------------------------------------------------------------------------------------------------------


def test_names_are_checked() -> None:
    model = nn.Linear(2, 1)
    with pytest.raises(nx.InputError, match=r"no parameter or buffer of this name\.(.|\n)*wieght"):
        nx.functional_call(model, {"wieght": nx.ones(1, 2)}, torch.ones(2))
    with pytest.raises(nx.InputError, match=r"strict=True asks for every(.|\n)*bias"):
        nx.functional_call(model, {"weight": nx.ones(1, 2)}, torch.ones(2), strict=True)
    with pytest.raises(nx.InputError, match=r"is no tensor(.|\n)*bias(.|\n)*got:       None(.|\n)*leave 'bias' out"):
        nx.functional_call(model, {"bias": None}, torch.ones(2))
    with pytest.raises(nx.InputError, match=r"is no tensor(.|\n)*bias(.|\n)*got:       1.0"):
        nx.functional_call(model, {"bias": 1.0}, torch.ones(2))


def test_what_is_given_where_the_module_has_none_is_used_as_in_torch() -> None:
    model, statistics = nn.Linear(2, 1, bias=False), nn.BatchNorm1d(2, track_running_stats=False)
    x, bias = torch.tensor([[1.0, 2.0], [3.0, 5.0]]), torch.tensor([3.0])
    wanted = torch.func.functional_call(model, {"bias": bias}, x)
    assert torch.equal(nx.functional_call(model, {"bias": bias}, x).data, wanted.detach())
    assert nx.grad(lambda p: nx.functional_call(model, p, x).sum())({"bias": bias})["bias"].tolist() == [2.0]
    assert model.bias is None
    given = {"running_mean": torch.ones(2), "running_var": torch.ones(2)}
    wanted = torch.func.functional_call(statistics, {name: each.clone() for name, each in given.items()}, x)
    assert torch.equal(nx.functional_call(statistics, given, x).data, wanted.detach())
    assert statistics.running_mean is None


def test_tied_parameters_are_one() -> None:
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    model[1].weight = model[0].weight
    eye, x = nx.LiteTensor(torch.eye(2)), torch.ones(1, 2)
    assert nx.functional_call(model, {"0.weight": eye * 2}, x).tolist() == [[4, 4]]
    alone = nx.functional_call(model, {"0.weight": eye * 2, "1.weight": eye}, x, tie_weights=False)
    assert alone.tolist() == [[2, 2]]
    with pytest.raises(nx.InputError, match="two names of one parameter"):
        nx.functional_call(model, {"0.weight": eye * 2, "1.weight": eye}, x)


def test_two_threads_can_not_call_one_module() -> None:
    inside, leave = threading.Event(), threading.Event()

    class Waits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, x: Any) -> Any:
            inside.set()
            leave.wait(10)
            return self.weight * x

    model = Waits()
    thread = threading.Thread(target=lambda: nx.functional_call(model, {}, torch.ones(1)))
    thread.start()
    inside.wait(10)
    try:
        with pytest.raises(nx.InputError, match="two threads evaluate one module"):
            nx.functional_call(model, {}, torch.ones(1))
    finally:
        leave.set()
        thread.join()
    assert nx.functional_call(model, {}, torch.ones(1)).tolist() == [1]


def test_a_model_that_asks_torchs_graph_is_told_what_to_write() -> None:
    class Backward(nn.Module):
        def forward(self, x: Any) -> Any:
            x.sum().backward()

    with pytest.raises(nx.MissingAttributeError, match="no backward"):
        nx.grad(lambda x: nx.functional_call(Backward(), {}, x))(nx.tensor([1.0]))


def test_a_function_without_a_rule_is_an_error_only_where_something_varies() -> None:
    class Rare(nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.special.airy_ai(x).sum()

    assert nx.functional_call(Rare(), {}, nx.tensor([0.0])).item() == pytest.approx(0.355, rel=1e-3)
    with pytest.raises(nx.NoGradientRule, match="airy_ai"):
        nx.grad(lambda x: nx.functional_call(Rare(), {}, x))(nx.tensor([0.0]))


def first_two(x: torch.Tensor, power: int) -> torch.Tensor:
    if x.size(0) > 1:
        x = x[:2]
    return x**power


jit = pytest.mark.filterwarnings("ignore:.torch.jit")  # models use it all the same


@jit
def test_a_function_of_torch_jit_is_what_it_was_made_of(compare: Any) -> None:
    scripted = torch.jit.script(first_two)
    value, gradient = compare.nexnet(lambda x: scripted(x, 3).sum())
    assert (value, gradient) == (9.0, [3.0, 12.0, 0.0, 0.0])
    assert scripted(torch.ones(3), 2).tolist() == [1, 1]  # without a tensor of a model's it is torch's
    assert nx.grad(lambda x: scripted(x, 2).sum())(nx.tensor([3.0, 1.0])).tolist() == [6, 2]


@jit
def test_a_scripted_module_is_an_error(compare: Any) -> None:
    module = torch.jit.script(nn.Linear(4, 1).double())
    with pytest.raises(nx.InputError, match=r"TorchScript does not tell.*(?s:.)*the Python module"):
        compare.nexnet(lambda x: module(x).sum())


def test_modules_may_change_between_calls() -> None:
    model = nn.Sequential(nn.Linear(2, 2, bias=False))
    assert list(nx.parameters_of(model)) == ["0.weight"]
    nx.functional_call(model, {}, torch.ones(2))
    model[0] = nn.Identity()
    assert nx.functional_call(model, {}, torch.ones(2)).tolist() == [1, 1]
    model.append(nn.Linear(2, 1))
    assert nx.functional_call(model, {"1.bias": nx.ones(1), "1.weight": nx.ones(1, 2)}, torch.ones(2)).tolist() == [3]


def test_a_relu_in_place_of_an_argument_leaves_the_callers_tensor() -> None:
    x = nx.tensor([-1.0, 2.0])

    class Writes(nn.Module):
        def forward(self, x: Any) -> Any:
            return F.relu_(x).sum()

    assert nx.grad(lambda x: nx.functional_call(Writes(), {}, x))(x).tolist() == [0, 1]
    assert x.tolist() == [-1, 2]
