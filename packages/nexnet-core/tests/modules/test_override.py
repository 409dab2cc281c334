"""override: rules replaced from outside, in functions and modules, at every order, and nothing left behind."""

import threading
import warnings
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import nexnet as nx
from nexnet import override


@nx.function
class guided(nx.Policy):
    """ReLU that lets through what is positive on both ways:  dx = max(g, 0) where x > 0."""

    def forward(self, x: Any) -> Any:
        self.ctx.save(x)
        return torch.relu(x)

    def backward(self, grad: Any) -> Any:
        (x,) = self.ctx.release
        return torch.where(x > 0, torch.relu(grad), 0.0)


@nx.function
class doubled(nx.Policy):
    """exp, whose gradient is on purpose twice the right one."""

    def forward(self, x: Any) -> Any:
        out = torch.exp(x)
        self.ctx.save(out)
        return out

    def backward(self, grad: Any) -> Any:
        (out,) = self.ctx.release
        return 2 * grad * out


SPELLINGS = {
    "torch": torch.relu,
    "functional": F.relu,
    "method": lambda x: x.relu(),
    "nexnet": nx.relu,
    "module": nn.ReLU(),
}
NAMES = {"torch": torch.relu, "functional": F.relu, "method": torch.Tensor.relu, "nexnet": nx.relu, "name": "relu",
         "in place": torch.relu_, "method in place": torch.Tensor.relu_,
         "nexnet's method": nx.LiteTensor.relu}  # fmt: skip


def by_x(fn: Any, at: Any = (-1.0, 2.0, 3.0)) -> Any:
    weights = nx.tensor([1.0, -1.0, 2.0])
    return nx.grad(lambda x: (fn(x) * weights).sum())(nx.tensor(list(at))).tolist()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_operator_is_replaced_however_it_is_spelled(name: str, spelling: str) -> None:
    with override({NAMES[name]: guided}):
        assert by_x(SPELLINGS[spelling]) == [0, 0, 2]
    assert by_x(SPELLINGS[spelling]) == [0, -1, 2]


def test_signs_are_operators() -> None:
    with override({torch.mul: lambda a, b: a * b * 10, "matmul": lambda a, b: a @ b + 1}):
        assert (nx.tensor(2.0) * 3).item() == 60
        assert (3 * nx.tensor(2.0)).item() == 60
        assert (nx.ones(2) @ nx.ones(2)).item() == 3
    assert (nx.tensor(2.0) * 3).item() == 6


def test_a_function_that_is_made_of_operators_is_replaced_however_it_is_spelled() -> None:
    def mean_taken_off(x: Any, shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
        return x - x.mean(-1, keepdim=True)

    x = nx.tensor([[1.0, 3.0]])
    spellings = (
        lambda: F.layer_norm(x, (2,)),
        lambda: torch.layer_norm(x, (2,)),
        lambda: nx.layer_norm(x, (2,)),
        lambda: nn.LayerNorm(2, elementwise_affine=False)(x),
    )
    before = nx.layer_norm.__code__
    for name in (F.layer_norm, torch.layer_norm, nx.layer_norm, nn.functional.layer_norm, "layer_norm"):
        with override({name: mean_taken_off}):
            assert [fn().tolist() for fn in spellings] == [[[-1.0, 1.0]]] * 4
    assert nx.layer_norm.__code__ is before
    assert not hasattr(nx.layer_norm, "__signature__")
    assert spellings[0]().tolist() != [[-1.0, 1.0]]


def test_all_that_torch_has_a_rule_for_can_be_replaced_and_is_itself_afterwards() -> None:
    targets = {rule for rule in nx.RULES.values() if isinstance(rule, nx.Operator) or hasattr(rule, "__code__")}
    codes = {rule: rule.__code__ for rule in targets if hasattr(rule, "__code__")}
    for torch_function, rule in nx.RULES.items():
        if rule not in targets:
            continue
        with pytest.warns(nx.OverrideWarning, match="replaced nothing"), override({torch_function: lambda *a, **k: a}):
            pass
    assert {rule: rule.__code__ for rule in codes} == codes
    assert not any(rule.overridden for rule in targets if isinstance(rule, nx.Operator))


@pytest.mark.parametrize("fused", ["linear", "relu"])
def test_what_nexnet_does_in_one_kernel_is_done_in_two_where_a_part_is_replaced(fused: str) -> None:
    x, w = nx.tensor([[1.0, -2.0]]), nx.tensor([[1.0, 1.0], [-1.0, -1.0]])
    assert nx.linear_relu(x, w).tolist() == [[0.0, 1.0]]
    rules = {"linear": {"linear": lambda x, w, b: nx.linear(x, w, b) + 10}, "relu": {"relu": lambda x: x}}
    with override(rules[fused]):
        assert nx.linear_relu(x, w).tolist() == {"linear": [[9.0, 11.0]], "relu": [[-1.0, 1.0]]}[fused]


# Every order, every transform ---------------------------------------------------------------------------------------


def test_a_replaced_rule_holds_at_every_order() -> None:
    with override({torch.exp: doubled}):
        first = nx.grad(torch.exp)(0.0)
        second = nx.grad(nx.grad(torch.exp))(0.0)
        third = nx.grad(nx.grad(nx.grad(lambda x: x.exp())))(0.0)
    assert (first.item(), second.item(), third.item()) == (2, 4, 8)


def test_the_insides_of_rules_are_their_own() -> None:
    """``guided`` calls relu in forward, which is recorded at higher orders, and in backward."""
    cube = lambda x: torch.relu(x) * x * x  # noqa: E731
    with override({torch.relu: guided}):
        assert nx.grad(nx.grad(cube))(2.0).item() == 12
        assert nx.grad(nx.grad(lambda x: -torch.relu(x) * x))(2.0).item() == 0  # what is negative on the way back ends


def test_under_vmap_jvp_and_hvp() -> None:
    xs = nx.tensor([0.0, 1.0])
    with override({torch.exp: doubled}):
        assert nx.vmap(nx.grad(torch.exp))(xs).tolist() == (2 * xs.exp()).tolist()
        assert nx.grad(lambda x: nx.vmap(torch.exp)(x).sum())(xs).tolist() == (2 * xs.exp()).tolist()
        assert nx.jvp(torch.exp, (0.0,), (1.0,))[1].item() == 2
        assert nx.hvp(torch.exp, (nx.tensor(0.0),), (1.0,))[1][0].item() == 4


def test_a_vmap_in_the_block_is_differentiated_after_it() -> None:
    xs = nx.tensor([0.0, 1.0])
    with override({torch.exp: doubled}):
        _, pullback = nx.vjp(nx.vmap(torch.exp), xs)
    assert pullback(nx.ones(2))[0].tolist() == (2 * xs.exp()).tolist()


def test_what_was_recorded_in_the_block_is_differentiated_by_its_rules_later_and_nothing_else_is() -> None:
    with override({torch.exp: doubled}):
        _, inside = nx.vjp(torch.exp, nx.tensor(0.0))
    _, outside = nx.vjp(torch.exp, nx.tensor(0.0))
    assert inside(1.0)[0].item() == 2
    with override({torch.exp: doubled}):
        assert outside(1.0)[0].item() == 1
        torch.exp(nx.tensor(0.0))


@pytest.mark.parametrize("order", [1, 2])
def test_a_checkpoint_is_run_again_after_the_block_with_the_rules_of_the_block(order: int) -> None:
    def fn(x: Any) -> Any:
        with override({torch.exp: doubled}):
            return nx.checkpoint(lambda x: torch.exp(x).sin())(x)

    def gradient(x: Any) -> Any:
        for _ in range(order):
            gradient_of = nx.grad(fn if order == 1 else nx.grad(fn))
        return gradient_of(x)

    with override({torch.exp: doubled}):
        kept = (lambda x: torch.exp(x).sin()) if order == 1 else nx.grad(lambda x: torch.exp(x).sin())
        expected = nx.grad(kept)(0.3)
    assert gradient(0.3).item() == pytest.approx(expected.item(), rel=1e-6)


def test_a_checkpoint_outside_of_a_block_is_run_again_without_its_rules() -> None:
    _, pullback = nx.vjp(nx.checkpoint(torch.exp), nx.tensor(0.0))
    with override({torch.exp: doubled}):
        torch.exp(nx.tensor(0.0))
        assert pullback(1.0)[0].item() == 1


def test_a_solver_in_the_block_is_differentiated_by_its_rules_after_it() -> None:
    def solve(a: Any) -> Any:
        return nx.custom_fixed_point(lambda x, a: torch.exp(-x) * a)(0.5, a)

    def block(a: Any) -> Any:
        with override({torch.exp: doubled}):
            return solve(a)

    x = solve(nx.tensor(1.0)).item()
    right, wrong = x / (1 + x), x / (1 + 2 * x)  # da (x/a) / (1 + slope)
    assert nx.grad(solve)(1.0).item() == pytest.approx(right, rel=1e-5)
    assert nx.grad(block)(1.0).item() == pytest.approx(wrong, rel=1e-5)


def test_as_torch_runs_it_again_with_the_rules_of_the_block() -> None:
    x = torch.zeros((), requires_grad=True)
    with override({torch.exp: doubled}):
        y = nx.as_torch(torch.exp)(x)
    (first,) = torch.autograd.grad(y, x, create_graph=True)
    (second,) = torch.autograd.grad(first, x)
    assert (first.item(), second.item()) == (2, 4)


# Blocks -------------------------------------------------------------------------------------------------------------


def test_the_innermost_block_decides_and_a_function_in_it_sees_the_blocks_around() -> None:
    calls = []

    def told(name: str) -> Any:
        def exp(x: Any) -> Any:
            calls.append(name)
            return torch.exp(x) * 2

        return exp

    x = nx.tensor(0.0)
    with override({torch.exp: told("outer")}):
        with override({torch.exp: told("inner")}):
            assert torch.exp(x).item() == 4
        assert torch.exp(x).item() == 2
        with override({torch.exp: nx.exp}):  # nexnet's rule, whatever is around
            assert torch.exp(x).item() == 1
    assert torch.exp(x).item() == 1
    assert calls == ["inner", "outer", "outer"]


def test_an_exception_leaves_nothing_behind() -> None:
    @nx.function
    class failing(nx.Policy):
        def forward(self, x: Any) -> Any:
            raise ValueError("no")

        def backward(self, grad: Any) -> Any:
            return grad

    for block in ({torch.exp: failing}, {torch.exp: lambda x: 1 / 0}):
        with pytest.raises((ValueError, ZeroDivisionError)), override(block):
            nx.grad(torch.exp)(0.0)
    with pytest.raises(KeyError), override({torch.exp: doubled, F.layer_norm: lambda x, shape: x}):
        raise KeyError
    assert nx.grad(torch.exp)(0.0).item() == 1
    assert nx.exp.overridden == 0
    assert nx.layer_norm(nx.tensor([0.0, 1.0]), (2,)).tolist() != [0.0, 1.0]


def test_blocks_of_generators_may_end_in_any_order() -> None:
    def block(rule: Any) -> Any:
        with override({torch.exp: rule}):
            yield

    first, second = block(lambda x: 10 * x), block(lambda x: 2 * torch.exp(x))
    next(first)
    next(second)
    assert nx.grad(torch.exp)(0.0).item() == 20
    first.close()
    assert nx.grad(torch.exp)(0.0).item() == 2
    second.close()
    with override({torch.exp: lambda x: 3 * torch.exp(x)}):
        assert nx.grad(torch.exp)(0.0).item() == 3


def test_a_failing_backward_leaves_the_block_as_it_was() -> None:
    @nx.custom_grad
    def bad(x: Any) -> Any:
        return x * 1, lambda grad: 1 / 0

    with override({torch.exp: doubled}):
        with pytest.raises(ZeroDivisionError):
            nx.grad(bad)(0.0)
        assert nx.grad(torch.exp)(0.0).item() == 2


def test_a_block_is_its_threads_own() -> None:
    def results() -> list[float]:
        return [nx.grad(torch.exp)(0.0).item(), *nx.layer_norm(nx.tensor([0.0, 2.0]), (2,)).tolist()]

    elsewhere: list[float] = []
    with override({torch.exp: doubled, F.layer_norm: lambda x, shape: x}):
        thread = threading.Thread(target=lambda: elsewhere.extend(results()))
        thread.start()
        thread.join()
        assert results() == [2, 0, 2]
    assert elsewhere == pytest.approx([1, -1, 1], rel=1e-4)


def test_threads_come_and_go_through_blocks_of_their_own() -> None:
    wrong: list[Any] = []

    def work(factor: float) -> None:
        for _ in range(200):
            with override({torch.exp: lambda x: torch.exp(x) * factor, F.layer_norm: lambda x, shape: x * factor}):
                if torch.exp(nx.tensor(0.0)).item() != factor or nx.layer_norm(nx.tensor([1.0]), (1,)).item() != factor:
                    wrong.append(factor)

    threads = [threading.Thread(target=work, args=(factor,)) for factor in (2.0, 3.0, 4.0)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not wrong
    assert nx.exp.overridden == 0


def test_as_a_decorator() -> None:
    @override({torch.exp: doubled})
    def slope(x: Any) -> Any:
        return nx.grad(torch.exp)(x)

    assert slope(0.0).item() == 2
    assert slope(0.0).item() == 2
    assert nx.grad(torch.exp)(0.0).item() == 1


# Arguments ----------------------------------------------------------------------------------------------------------


def test_arguments_come_by_position_and_defaults_are_left_out_if_not_taken() -> None:
    got = []
    with override({F.linear: lambda x, w: got.append("two") or nx.linear(x, w)}):
        F.linear(nx.ones(1, 2), nx.ones(1, 2))
        F.linear(bias=None, weight=nx.ones(1, 2), input=nx.ones(1, 2))
        with pytest.raises(TypeError, match="positional argument"):
            F.linear(nx.ones(1, 2), nx.ones(1, 2), nx.ones(1))
    assert got == ["two", "two"]


def test_a_default_is_a_number_however_it_is_written() -> None:
    smooth = nx.straight_through(F.softplus)
    with override({F.softplus: lambda x: x * x}):
        assert torch.nn.Softplus()(nx.tensor(3.0)).item() == 9
        with pytest.raises(TypeError, match="positional argument"):
            torch.nn.Softplus(2)(nx.tensor(3.0))
    with override({F.softplus: smooth}):
        value, slope = nx.value_and_grad(torch.nn.Softplus(2))(nx.tensor(3.0))
    assert (value.item(), slope.item()) == (F.softplus(torch.tensor(3.0), 2).item(), 1)


def test_a_policy_class_and_a_torch_function_are_rules_too() -> None:
    with override({torch.exp: doubled.policy, F.relu: F.gelu}):
        assert nx.grad(torch.exp)(0.0).item() == 2
        assert torch.relu(nx.tensor(-1.0)).item() == nx.gelu(nx.tensor(-1.0)).item()


def test_what_torch_calls_is_a_rule_too() -> None:
    class Guided(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x.clamp(min=0)

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            (x,) = ctx.saved_tensors
            return grad.clamp(min=0) * (x > 0)

    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(x: Any) -> Any:
            return 2 * x

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            pass

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            return 2 * grad

    for rule, expected in ((Guided, [0, 0, 2]), (Guided.apply, [0, 0, 2]), (Doubled, [2, -2, 4])):
        with override({F.relu: rule}):
            assert by_x(F.relu) == expected
    with override({F.relu: nn.Softplus(2)}):  # gets no ``inplace``, which it does not take
        found = by_x(torch.relu)
    assert found == by_x(lambda x: F.softplus(x, 2))


def test_torch_functions_keywords_are_still_torchs_own_affair() -> None:
    with override({F.relu: guided, F.softmax: lambda x, dim, dtype=None: x * dim}):
        assert F.relu(nx.tensor(-1.0), inplace=False).item() == 0
        assert F.softmax(nx.ones(2), dim=0, _stacklevel=3).tolist() == [0, 0]


# Where --------------------------------------------------------------------------------------------------------------


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.act, self.inner = nn.ReLU(), nn.Sequential(nn.Identity(), nn.ReLU())

    def forward(self, x: Any) -> Any:
        return helper(self.inner(self.act(x)))


def helper(x: Any) -> Any:
    return F.relu(x)


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer1, self.layer2, self.head = Block(), nn.Sequential(Block(), Block()), nn.Linear(1, 1)

    def forward(self, x: Any) -> Any:
        return torch.relu(self.layer2(self.layer1(x)))


def places(within: Any, model: Any = None, wrap: Any = lambda fn: fn, rules: Any = None) -> list[str]:
    found: list[str] = []

    def relu(x: Any, *, module_path: str) -> Any:
        found.append(module_path)
        return nx.relu(x)

    with override(rules(relu) if rules else {F.relu: relu}, within=within):
        wrap(model or Model())(nx.ones(1))
    return found


ALL = ["layer1.act", "layer1.inner.1", "layer1", "layer2.0.act", "layer2.0.inner.1", "layer2.0", "layer2.1.act",
       "layer2.1.inner.1", "layer2.1", ""]  # fmt: skip


@pytest.mark.parametrize(
    ("within", "expected"),
    [
        (None, ALL),
        ("layer1", ALL[:3]),
        ("layer2.*", ALL[3:9]),
        ("*.inner", [ALL[1], ALL[4], ALL[7]]),
        ("layer?.act", ALL[:1]),
        (["layer1", "layer2.1"], ALL[:3] + ALL[6:9]),
        (nn.ReLU, [each for each in ALL if each.endswith(("act", "inner.1"))]),
        (Block, ALL[:9]),
        ((nn.Sequential, "layer1.act"), [ALL[0], ALL[1], *ALL[3:9]]),
    ],
)
def test_within_names_modules_and_reaches_all_that_they_call(within: Any, expected: list[str]) -> None:
    assert places(within) == expected


def test_within_names_a_module_itself() -> None:
    model = Model()
    assert places(model.layer2[1], model) == ALL[6:9]


def test_a_dict_of_places() -> None:
    assert places(None, rules=lambda relu: {"layer1": {F.relu: relu}, nn.Sequential: {torch.relu: relu}}) == [
        *ALL[:3], *ALL[3:9],
    ]  # fmt: skip
    with pytest.raises(nx.InputError, match="told twice where"):
        override({"layer1": {F.relu: guided}}, within="layer2")


def test_a_checkpoint_in_a_module_goes_on_at_its_place() -> None:
    model = Model()
    plain = model.layer2.forward
    model.layer2.forward = nx.checkpoint(plain)  # type: ignore[method-assign]
    found = places("layer2", model, lambda model: nx.grad(lambda x: model(x).sum()))
    assert found == ALL[3:9] * 2  # and again in backward


@pytest.mark.parametrize("compound", [nx.vmap, nx.grad, lambda fn: nx.grad(nx.grad(fn))])
def test_within_holds_in_every_transform(compound: Any) -> None:
    def wrap(model: Any) -> Any:
        fn = compound(lambda x: model(x).sum())
        return lambda x: fn(x if compound is nx.vmap else x[0])

    assert places("layer2.*", None, wrap) == ALL[3:9]


def run(block: Any) -> None:
    with block:
        pass


def test_a_block_that_replaced_nothing_says_so() -> None:
    with pytest.warns(nx.OverrideWarning, match=r"replaced nothing: relu was not called within 'layer9\.\*'"):
        places("layer9.*")
    with pytest.warns(nx.OverrideWarning, match=r"exp was not called within Conv2d\.\n.*doubled\n.*named_modules"):
        run(override({torch.exp: doubled}, within=nn.Conv2d))
    with warnings.catch_warnings(), pytest.raises(ValueError, match="mine"), override({torch.exp: doubled}):
        raise ValueError("mine")


# What can't be replaced ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (({nn.ReLU: guided},), r"none of nexnet's(.|\n)*functional\.relu for torch\.nn\.ReLU(.|\n)*within=ReLU"),
        (({torch.lobpcg: guided},), r"none of nexnet's(.|\n)*nexnet\.implements"),
        (({"no_such_name": guided},), r"none of nexnet's(.|\n)*'no_such_name'"),
        (({"layernorm": guided},), r"none of nexnet's(.|\n)*did you mean 'layer_norm'"),
        (({"torch.relu": guided},), r"none of nexnet's(.|\n)*did you mean 'relu'"),
        (({len: guided},), "none of nexnet's"),
        (({F.relu: nn.Softplus},), r"can't put this in the place of relu(.|\n)*Softplus"),
        (({F.relu: 3},), r"can't put this in the place of relu(.|\n)*got:       3"),
        (([F.relu],), r"takes a dict(.|\n)*list"),
        (({F.relu: guided}, 3), r"does not know this place(.|\n)*got:       3"),
        (({F.relu: guided}, []), r"no place(.|\n)*within(.|\n)*got:       \[\]\n.*leave `within` out"),
        (({(): {F.relu: guided}},), r"no place(.|\n)*within(.|\n)*got:       \(\)\n.*leave `within` out"),
    ],
)  # fmt: skip
def test_what_is_no_override(arguments: Any, said: str) -> None:
    with pytest.raises(nx.InputError, match=said):
        override(*arguments)


# In a model that is called with its parameters ----------------------------------------------------------------------


class InPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True))
        self.tail = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True))

    def forward(self, x: Any) -> Any:
        x = torch.utils.checkpoint.checkpoint(self.body, x, use_reentrant=False)
        return self.tail(x) * -1


@pytest.mark.parametrize("within", ["body", "tail"])
def test_a_model_that_writes_and_checkpoints_has_the_rule_where_it_is_meant(within: str) -> None:
    torch.manual_seed(0)
    model, x = InPlace(), torch.randn(4, 3)
    parameters = nx.parameters_of(model)
    with override({F.relu: guided}, within=within):
        found = nx.grad(lambda p: nx.functional_call(model, p, (x,)).sum())(parameters)
    act = {each: nn.ReLU() for each in ("body", "tail")}
    act[within] = nx.as_torch(guided)
    hidden = act["body"](model.body[0](x))
    (-act["tail"](model.tail[0](hidden))).sum().backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(found[name].data, parameter.grad)


def test_as_torch_in_a_model_that_nexnet_calls_is_nexnets() -> None:
    class Exp(nn.Module):
        def forward(self, x: Any) -> Any:
            return nx.as_torch(doubled)(x)

    model = nn.Sequential(nn.Linear(2, 1, bias=False), Exp())
    weight = nx.tensor([[0.0, 0.0]])
    found = nx.grad(lambda w: nx.functional_call(model, {"0.weight": w}, (torch.ones(1, 2),)).sum())(weight)
    assert found.tolist() == [[2, 2]]


def test_what_is_constant_in_a_model_is_replaced_too() -> None:
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(inplace=True), nn.ReLU(), nn.Flatten(0))
    nn.init.constant_(model[0].weight, -1.0)
    with override({F.relu: lambda x: x * 10, torch.flatten: lambda x, *_: x.sum()}):
        assert nx.functional_call(model, {}, (torch.ones(1, 2),)).item() == -400


def frames_of(error):
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next


@pytest.mark.parametrize(
    ("fn", "args"),
    [
        (nx.layer_norm, ((3,),)),
        (nx.scaled_dot_product_attention, (nx.ones(2, 3), nx.ones(2, 3))),
        (nx.gelu, ()),
        (nx.norm, ()),
    ],
    ids=lambda each: getattr(each, "__name__", None),
)
def test_the_frames_of_an_overridden_function_can_be_looked_at(fn, args):
    """As debuggers and pytest do: a variable that it closes over has a cell there, though its code is another's."""

    def failing(*args, **kwargs):
        raise ZeroDivisionError

    with nx.override({fn: failing}), pytest.raises(ZeroDivisionError) as caught:
        fn(nx.ones(2, 3), *args)
    assert any("args" in frame.f_locals for frame in frames_of(caught.value))


def test_a_rule_of_any_keywords_gets_those_that_the_caller_wrote():
    """Not nexnet's own, which torch's function of the name does not take."""
    seen = []

    def rule(query, key, value, **options):
        seen.append(options)
        return query

    with nx.override({F.scaled_dot_product_attention: rule}):
        F.scaled_dot_product_attention(nx.ones(1, 2, 3), nx.ones(1, 2, 3), nx.ones(1, 2, 3))
        F.scaled_dot_product_attention(nx.ones(1, 2, 3), nx.ones(1, 2, 3), nx.ones(1, 2, 3), enable_gqa=True)
    assert [sorted(each) for each in seen] == [[], ["enable_gqa"]]
