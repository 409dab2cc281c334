"""The formatter that writes every message, and the messages that meet the commonest mistakes."""

import inspect
import math

import pytest
import torch

import nexnet as nx
from nexnet.errors import message


def test_a_message_is_the_problem_and_what_is_known():
    assert message("something is wrong.") == "something is wrong."
    assert message("something is wrong.", rule="mul", argument="x", expected=1, got=2, remedy="mend it") == (
        "something is wrong.\n  rule:      mul\n  argument:  x\n  expected:  1\n  got:       2\n  remedy:    mend it"
    )


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (nx.InputError, TypeError),
        (nx.RuleError, TypeError),
        (nx.GradientError, ValueError),
        (nx.HigherOrderError, RuntimeError),
        (nx.TrackedTensorError, RuntimeError),
        (nx.NoGradientRule, NotImplementedError),
    ],
)
def test_every_error_is_a_nexnet_error_and_a_pythonic_one(error, builtin):
    assert issubclass(error, nx.NexnetError)
    assert issubclass(error, builtin)


#: Where a function is wanted: of each transform, and the argument if it is not ``fn``.
NO_FUNCTION = {
    "vjp": lambda y: nx.vjp(y, nx.ones(2)),
    "jvp": lambda y: nx.jvp(y, (nx.ones(2),), (nx.ones(2),)),
    "linearize": lambda y: nx.linearize(y, nx.ones(2)),
    "hvp": lambda y: nx.hvp(y, (nx.ones(2),), (nx.ones(2),)),
    "inner of gnvp": lambda y: nx.gnvp(y, nx.sum, (nx.ones(2),), (nx.ones(2),)),
    "outer of gnvp": lambda y: nx.gnvp(nx.sin, y, (nx.ones(2),), (nx.ones(2),)),
    "vmap": nx.vmap,
    "checkpoint": nx.checkpoint,
    "as_torch": nx.as_torch,
    "build_computation_graph": nx.build_computation_graph(inputs=[nx.ones(2)]),
    "autograd.session.value_and_grad": nx.autograd.session.value_and_grad,
    "straight_through": nx.straight_through,
    "forward of surrogate": lambda y: nx.surrogate(y, lambda grad, x: grad),
    "backward_fn of surrogate": lambda y: nx.surrogate(torch.sign, y),
    "custom_root": lambda y: nx.custom_root(y, lambda residual, x: x),
    "solve of custom_root": lambda y: nx.custom_root(nx.sin, y),
    "transpose_solve of custom_root": lambda y: nx.custom_root(nx.sin, lambda residual, x: x, y),
    "custom_fixed_point": nx.custom_fixed_point,
    "solve of custom_fixed_point": lambda y: nx.custom_fixed_point(nx.sin, y),
    "transpose_solve of custom_fixed_point": lambda y: nx.custom_fixed_point(nx.sin, None, y),
}


class TestMistakes:
    """What a user of torch, of JAX or of numpy types first, and what is said to it."""

    @pytest.mark.parametrize(("name", "remedy"), [("add_", r"x = x\.add\("), ("zero_", r"nexnet\.zeros_like")])
    def test_in_place(self, name, remedy):
        with pytest.raises(nx.MissingAttributeError, match=rf"would write into its storage(.|\n)*{remedy}"):
            getattr(nx.ones(2), name)

    def test_torchs_autograd(self):
        x = nx.ones(2)
        with pytest.raises(nx.NoGradientRule, match=r"torch's graph(.|\n)*nexnet\.value_and_grad"):
            torch.autograd.grad(x.sum(), x)

    @pytest.mark.parametrize("transform", [nx.grad, nx.value_and_grad])
    def test_the_arguments_with_the_function(self, transform):
        with pytest.raises(nx.InputError, match=r"argument:  argnums(.|\n)*\(fn\)\(x, \.\.\.\)"):
            transform(nx.sin, nx.ones(2))
        with pytest.raises(nx.InputError, match=r"argument:  fn\n  got:       LiteTensor"):
            transform(nx.sin(nx.ones(2)))

    @pytest.mark.parametrize("name", NO_FUNCTION)
    def test_what_can_not_be_called_in_place_of_a_function(self, name):
        argument, transform = name.split(" of ") if " of " in name else ("fn", name)
        said = (
            rf"^{transform} wants a function\.\n  argument:  {argument}\n  got:       LiteTensor\n  remedy:  .*itself"
        )
        with pytest.raises(nx.InputError, match=said):
            NO_FUNCTION[name](nx.sin(nx.ones(2)))

    def test_a_graph_of_one_input(self):
        for wrong in (nx.ones(2), 3):
            with pytest.raises(nx.InputError, match=rf"wants a list(.|\n)*{type(wrong).__name__}\n.*inputs=\[x\]"):
                nx.build_computation_graph(inputs=wrong)

    @pytest.mark.parametrize("join", [nx.cat, nx.stack])
    def test_tensors_to_join_one_by_one(self, join):
        with pytest.raises(nx.InputError, match=r"joins a sequence of tensors"):
            join(nx.ones(2), nx.ones(2))

    def test_a_tensor_made_of_tensors(self):
        with pytest.raises(nx.InputError, match=r"list of tensors(.|\n)*nexnet\.stack"):
            nx.LiteTensor([nx.ones(2), nx.ones(2)])
        assert nx.LiteTensor([nx.LiteTensor(1.0), nx.ones(1)]).tolist() == [1.0, 1.0]

    def test_an_argument_too_many(self):
        with pytest.raises(TypeError, match=r"^sin\(\) takes 1 positional argument but 2 were given"):
            nx.sin(nx.ones(2), nx.ones(2))

    @pytest.mark.parametrize(
        ("name", "remedy"), [("no_grad", "no_tape"), ("lobpcg", "implements"), ("nn", "nexnet_nn")]
    )
    def test_names_of_torch(self, name, remedy):
        with pytest.raises(nx.MissingAttributeError, match=rf"no attribute '{name}'(.|\n)*{remedy}"):
            getattr(nx, name)
        assert not hasattr(nx, "nothing_of_the_kind")

    @pytest.mark.parametrize("value", [[1.0, 2.0], 2.0, "a", None], ids=["list", "number", "string", "None"])
    @pytest.mark.parametrize("name", ["reshape", "transpose", "clone", "gather", "expand", "flatten", "sum", "cat"])
    def test_what_is_no_tensor(self, name, value):
        rest = {"reshape": (2,), "transpose": (0, 1), "gather": (0, torch.tensor([0])), "expand": (2,)}.get(name, ())
        with pytest.raises(nx.InputError if name != "cat" or value is not None else TypeError) as caught:
            getattr(nx, name)([value] if name == "cat" and value is not None else value, *rest)
        if isinstance(caught.value, nx.InputError):
            assert "takes a tensor" in str(caught.value) or "joins a sequence" in str(caught.value)

    @pytest.mark.parametrize("value", [[1.0, 2.0], 2.0, "a", None, {"a": 1}], ids=repr)
    def test_no_operator_says_that_an_attribute_is_missing(self, value):
        """Each operator of the listing, with what is no tensor at each of its first places."""
        unclear = []
        for each in nx.ops.listing():
            operator = getattr(nx, each.name)
            required = [p for p in inspect.signature(operator).parameters.values() if p.default is p.empty]
            count = max(len([p for p in required if p.kind is p.POSITIONAL_OR_KEYWORD]), 1)
            for place in range(count):
                args = [nx.ones(3, 3)] * count
                args[place] = value
                try:
                    operator(*args)
                except AttributeError as error:
                    unclear.append((each.name, place, error))
                except Exception:
                    pass
        assert not unclear

    @pytest.mark.parametrize(
        ("call", "said"),
        [
            (lambda: nx.cross_entropy([1.0], nx.ones(2)), r"cross_entropy takes a tensor(.|\n)*argument: +0"),
            (lambda: nx.layer_norm(nx.ones(2), (2,), weight="a"), r"layer_norm takes a tensor(.|\n)*argument: +weight"),
            (lambda: nx.sum(input=[1.0]), r"sum takes a tensor(.|\n)*argument: +input(.|\n)*\[1\.0\] \(list\)"),
            (
                lambda: nx.hstack([nx.ones(2), 1.0]),
                r"hstack takes tensors(.|\n)*argument: +0(.|\n)*1\.0 \(float\) among",
            ),
        ],
        ids=["composite", "by keyword", "an operator by keyword", "among others"],
    )
    def test_what_is_no_tensor_is_named_with_its_place(self, call, said):
        with pytest.raises(nx.InputError, match=said):
            call()

    @pytest.mark.parametrize("join", [nx.cat, nx.stack, nx.hstack, nx.vstack, nx.dstack, nx.column_stack])
    @pytest.mark.parametrize("value", [torch.ones(2), 1.0, None, "ab"], ids=["tensor", "number", "None", "string"])
    def test_what_is_no_sequence_to_join(self, join, value):
        with pytest.raises(nx.InputError, match=f"{join.__name__} joins a sequence of tensors"):
            join(value)

    def test_an_attribute_error_of_anothers_is_as_it_was(self):
        @nx.function
        class wild(nx.Policy):
            def forward(self, x):
                return torch.nothing_of_the_kind

            def backward(self, grad):
                return grad

        with pytest.raises(AttributeError, match="nothing_of_the_kind") as caught:
            wild(nx.ones(2))
        assert not isinstance(caught.value, nx.InputError)


class TestPythonsOwnFunctions:
    def test_rounding_and_dividing(self):
        x, raw = nx.tensor([2.567, -1.5]), torch.tensor([2.567, -1.5])
        assert torch.equal(round(x).data, raw.round())
        assert torch.equal(round(x, 1).data, raw.round(decimals=1))
        assert [each.tolist() for each in divmod(x, 2)] == [(raw // 2).tolist(), (raw % 2).tolist()]
        assert [each.item() for each in divmod(5, nx.tensor(3.0))] == [1.0, 2.0]
        assert math.trunc(nx.tensor(2.5)) == 2
        assert (1 << nx.tensor(3)).item() == 8
        assert (8 >> nx.tensor(2)).item() == 2
        assert nx.grad(lambda x: divmod(x, 2.0)[1])(5.0).item() == 1.0

    def test_a_tensor_made_of_tensors(self):
        for make in (torch.tensor, torch.as_tensor):
            with pytest.raises(nx.InputError, match=r"no len\(\)(.|\n)*nexnet\.stack\(\[x, y\]\)"):
                make([nx.tensor(1.0), nx.tensor(2.0)])

    def test_a_tensor_filled_with_one(self):
        for fill in (
            lambda x: torch.full((2, 3), x),
            lambda x: torch.ones(1).new_full((2, 3), x),
            lambda x: nx.ones(1).new_full((2, 3), x),
            lambda x: torch.full_like(torch.ones(2, 3), x),
        ):
            assert nx.grad(lambda x, fill=fill: fill(x).sum())(2.0).item() == 6.0

    def test_ranges_take_numbers(self):
        end = nx.tensor(3.0)
        assert torch.linspace(0.0, end, 4).tolist() == nx.linspace(0.0, end, 4).tolist() == [0.0, 1.0, 2.0, 3.0]
        assert torch.arange(0.0, end).tolist() == nx.arange(0.0, end).tolist() == [0.0, 1.0, 2.0]
        assert torch.zeros(nx.tensor(2)).shape == torch.ones(nx.tensor(2)).shape == (2,)
        with pytest.raises(nx.InputError, match=r"linspace takes numbers(.|\n)*start \+ \(end - start\)"):
            nx.grad(lambda x: torch.linspace(0.0, x, 4).sum())(3.0)
        assert nx.grad(lambda x: torch.scalar_tensor(x) * x)(3.0).item() == 6.0

    def test_a_data_loader_stacks_them(self):
        from torch.utils.data import DataLoader, TensorDataset

        (x, y), *_ = DataLoader(TensorDataset(nx.ones(4, 3), nx.zeros(4)), batch_size=2)
        assert isinstance(x, nx.LiteTensor)
        assert (x.shape, y.shape) == ((2, 3), (2,))

    def test_a_subclass_is_refused(self):
        with pytest.raises(nx.InputError, match=r"can't be subclassed(.|\n)*got:       Mine"):
            type("Mine", (nx.LiteTensor,), {})
