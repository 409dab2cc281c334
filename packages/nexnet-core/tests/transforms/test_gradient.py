"""value_and_grad and grad: arguments as pytrees, gradients that mirror them."""

import contextlib
from collections import OrderedDict, namedtuple

import numpy as np
import pytest
import torch

import nexnet as nx

Point = namedtuple("Point", "x y")


def sum_of_squares(*tensors):
    total = 0.0
    for each in tensors:
        total = total + (each * each).sum()
    return total


class TestArguments:
    @pytest.mark.parametrize(
        "x",
        [
            nx.LiteTensor([1.0, 2.0]),
            torch.tensor([1.0, 2.0]),
            np.array([1.0, 2.0]),
            torch.tensor([1.0, 2.0], requires_grad=True),
        ],
        ids=["LiteTensor", "torch", "numpy", "torch requiring grad"],
    )
    def test_tensors_of_every_kind(self, x):
        value, gradient = nx.value_and_grad(sum_of_squares)(x)
        assert type(gradient) is nx.LiteTensor
        assert gradient.dtype == (torch.float64 if isinstance(x, np.ndarray) else torch.float32)
        assert (value.item(), gradient.tolist()) == (5.0, [2.0, 4.0])

    def test_a_python_float_has_torchs_default_dtype(self):
        assert nx.grad(sum_of_squares)(2.0).dtype == torch.get_default_dtype()
        assert nx.grad(sum_of_squares)(2.0).shape == ()

    def test_pytrees_are_mirrored(self):
        point, ordered = Point(2.0, np.float64(3.0)), OrderedDict(a=4.0)
        tree = {"w": [nx.ones(2), (torch.ones(()), None)], "point": point, "o": ordered}

        def fn(tree):
            a, (b, nothing) = tree["w"]
            assert nothing is None
            return sum_of_squares(a, b, tree["point"].x, tree["point"].y, tree["o"]["a"])

        gradient = nx.grad(fn)(tree)
        assert gradient["w"][0].tolist() == [2.0, 2.0]
        assert gradient["w"][1][0].item() == 2.0
        assert gradient["w"][1][1] is None
        assert gradient["point"] == Point(gradient["point"].x, gradient["point"].y)
        assert (gradient["point"].x.item(), gradient["point"].y.item(), gradient["o"]["a"].item()) == (4.0, 6.0, 8.0)

    def test_argnums(self):
        def fn(x, y, z):
            return x * y * z

        assert nx.grad(fn, 1)(2.0, 3.0, 4.0).item() == 8.0
        assert nx.grad(fn, -1)(2.0, 3.0, 4.0).item() == 6.0
        assert [g.item() for g in nx.grad(fn, (2, 0))(2.0, 3.0, 4.0)] == [6.0, 12.0]
        assert isinstance(nx.grad(fn, (1,))(2.0, 3.0, 4.0), tuple)

    @pytest.mark.parametrize("argnums", [3, (0, 0), (0, -3), -4])
    def test_wrong_argnums(self, argnums):
        with pytest.raises(nx.InputError, match=r"argnums does not name distinct(.|\n)*indices of the 3"):
            nx.grad(lambda x, y, z: x, argnums)(1.0, 2.0, 3.0)

    def test_other_arguments_and_keywords_pass_as_they_are(self):
        seen = []

        def fn(x, n, *, flag):
            seen.append((n, flag))
            return x * n

        nx.grad(fn)(1.0, 3, flag="yes")
        assert seen == [(3, "yes")]

    def test_has_aux(self):
        (value, aux), gradient = nx.value_and_grad(lambda x: (x * x, {"x": x, "n": 1}), has_aux=True)(3.0)
        assert (value.item(), aux["x"].item(), aux["n"], gradient.item()) == (9.0, 3.0, 1, 6.0)
        gradient, aux = nx.grad(lambda x: (x * x, "aux"), has_aux=True)(3.0)
        assert (gradient.item(), aux) == (6.0, "aux")

    def test_has_aux_needs_a_pair(self):
        with pytest.raises(nx.InputError, match=r"must return \(out, aux\)"):
            nx.grad(lambda x: x, has_aux=True)(1.0)

    @pytest.mark.parametrize("wrong", [3, np.arange(3), torch.arange(3), nx.LiteTensor([1, 2]), "text", True])
    def test_what_cannot_be_differentiated_is_named_by_its_path(self, wrong):
        with pytest.raises(nx.InputError, match=r"can't differentiate(.|\n)*args\[0\]\['layers'\]\[1\]"):
            nx.grad(lambda tree: tree["layers"][0])({"layers": [1.0, wrong]})

    def test_keeps_the_functions_name(self):
        assert nx.grad(sum_of_squares).__name__ == "sum_of_squares"


class TestOutputs:
    def test_an_output_that_is_no_scalar_is_seeded_with_ones(self):
        assert nx.grad(lambda x: x * x)(torch.tensor([1.0, 2.0])).tolist() == [2.0, 4.0]

    def test_a_rule_that_writes_into_its_gradient_spoils_no_other(self):
        @nx.function
        class vandal(nx.Policy):
            def forward(self, x):
                return x * 1.0

            def backward(self, grad):
                return grad.data.mul_(5)  # mul_ would be an error, this is not seen

        with contextlib.suppress(nx.RuleError):  # except in the debug form
            nx.grad(vandal)(2.0)
        assert nx.grad(lambda x: x * 1.0)(2.0).item() == 1.0
        with torch.inference_mode():
            assert nx.grad(lambda x: x * 1.0)(torch.tensor(2.0, dtype=torch.float16)).item() == 1.0
        assert nx.grad(lambda x: x * 1.0)(torch.tensor(2.0, dtype=torch.float16)).item() == 1.0

    def test_a_gradient_that_was_a_view_of_its_seed_is_an_ordinary_tensor(self):
        x = nx.LiteTensor(torch.randn(100, 100))
        gradient = nx.grad(lambda x: x.reshape(-1))(x).data
        assert gradient.is_contiguous()
        assert gradient._base is None

    def test_views_of_one_seed_share_no_memory(self):
        x = nx.LiteTensor(torch.randn(100, 100))
        first, second = nx.grad(lambda x, y: nx.add(x.reshape(-1), y.reshape(-1)), argnums=(0, 1))(x, x)
        first.data.mul_(2)
        assert (second.data == 1).all()

    def test_a_small_part_of_a_large_gradient_is_a_copy(self):
        rows = [nx.LiteTensor(torch.randn(n, 100)) for n in (100, 400)]
        small, large = nx.grad(lambda rows: nx.cat(rows))(rows)
        for each in (small.data, large.data):
            assert each.untyped_storage().nbytes() <= 2 * each.nbytes

    def test_an_unused_argument_gets_zeros(self):
        gx, gy = nx.grad(lambda x, y: x, (0, 1))(torch.ones(2), torch.ones(3, 1, dtype=torch.float64))
        assert (gx.tolist(), gy.tolist(), gy.dtype) == ([1, 1], [[0]] * 3, torch.float64)

    def test_a_constant_function_has_gradient_zero(self):
        assert nx.grad(lambda x: nx.LiteTensor(3.0))(2.0).item() == 0.0
        assert nx.grad(lambda x: 3.0)(2.0).item() == 0.0
        assert nx.grad(nx.grad(lambda x: x * 2.0))(2.0).item() == 0.0

    @pytest.mark.parametrize("wrong", [None, 3, "text", (nx.LiteTensor(1.0), 2), nx.LiteTensor(1), torch.arange(3)])
    def test_must_be_one_floating_tensor(self, wrong):
        with pytest.raises(nx.InputError, match="must return one tensor of real floating dtype"):
            nx.grad(lambda x: wrong)(1.0)

    def test_the_same_tensor_in_two_places(self):
        x = nx.LiteTensor(3.0)
        assert [g.item() for g in nx.grad(lambda x, y: x * y * y, (0, 1))(x, x)] == [9.0, 18.0]

    @pytest.mark.parametrize("shape", [(0,), (2, 0), ()])
    def test_empty_and_0d(self, shape):
        gradient = nx.grad(sum_of_squares)(torch.ones(shape))
        assert gradient.shape == shape

    def test_non_contiguous_and_expanded(self):
        for x in (torch.randn(3, 4).t(), torch.randn(3, 1).expand(3, 4), torch.randn(8)[::2]):
            gradient = nx.grad(sum_of_squares)(x)
            assert torch.equal(gradient.data, 2 * x)
            assert gradient.data.is_contiguous()

    def test_on_the_meta_device(self):
        gradient = nx.grad(sum_of_squares)(torch.ones(2, 3, device="meta"))
        assert (gradient.device.type, gradient.shape) == ("meta", (2, 3))


class TestSession:
    """The seed's form: gradients by tensor."""

    def test_every_tensor_argument_has_an_entry(self):
        x, y = nx.LiteTensor([1.0, 2.0]), nx.LiteTensor(3.0)
        out, grads = nx.autograd.session.value_and_grad(lambda x, k, y: x * y * k)(x, 2, y)
        assert out.tolist() == [6.0, 12.0]
        assert list(grads) == [x, y]
        assert (grads[x].tolist(), grads[y].item()) == ([6.0, 6.0], 6.0)

    def test_a_tensor_passed_twice_has_one_entry_with_the_sum(self):
        x = nx.LiteTensor(3.0)
        _, grads = nx.autograd.session.value_and_grad(lambda a, b: a * a * b)(x, x)
        assert {k: v.item() for k, v in grads.items()} == {x: 27.0}

    def test_nests(self):
        x = nx.LiteTensor(3.0)

        def slope(x):
            return nx.autograd.session.value_and_grad(lambda y: y * y * y)(x)[1][x]

        assert nx.autograd.session.value_and_grad(slope)(x)[1][x].item() == 18.0


def test_inside_of_a_transform_of_torchs_nothing_is_kept_of_it():
    x = nx.LiteTensor(torch.ones(3, dtype=torch.float16))
    torch.func.grad(lambda y: (y * nx.grad(lambda x: x.sum())(x).data).sum())(torch.ones(3))
    assert nx.grad(lambda x: x.sum())(x).tolist() == [1.0] * 3
