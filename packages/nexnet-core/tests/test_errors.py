"""The formatter that writes every message, and the messages that meet the commonest mistakes."""

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

    def test_a_graph_of_one_input(self):
        with pytest.raises(nx.InputError, match=r"inputs=\[x\]"):
            nx.build_computation_graph(inputs=nx.ones(2))

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
