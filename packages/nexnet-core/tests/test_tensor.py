"""LiteTensor as an object: what it is made of, how it leaves nexnet, and how it meets torch, numpy and Python."""

import copy
import gc
import math
import operator
import pickle

import numpy as np
import pytest
import torch

import nexnet as nx
from nexnet import LiteTensor

# Making one ----------------------------------------------------------------------------------------------------------


def test_it_takes_what_torch_takes():
    for data in (3.0, [1.0, 2.0], ((1.0,), (2.0,)), np.ones((2, 3)), torch.ones(2), nx.ones(2), [nx.tensor(1.0), 2.0]):
        assert isinstance(LiteTensor(data).data, torch.Tensor)
    assert LiteTensor([1, 2]).dtype == torch.int64
    assert LiteTensor([1, 2], dtype=torch.float64).dtype == torch.float64
    assert LiteTensor([1, 2], device="meta").device.type == "meta"
    assert LiteTensor(2.5).shape == ()


def test_it_is_detached_and_shares_memory():
    source = torch.ones(2, requires_grad=True)
    x = LiteTensor(source)
    assert not x.data.requires_grad
    assert x.data.data_ptr() == source.data_ptr()


def test_a_tensor_that_is_being_differentiated_is_not_copied_silently():
    with pytest.raises(nx.InputError, match=r"nexnet\.stack"):
        nx.grad(lambda x: LiteTensor([x, x]).sum())(2.0)
    with pytest.raises(nx.InputError, match="stop_gradient"):
        nx.grad(lambda x: nx.tensor(x))(2.0)


# What it is ----------------------------------------------------------------------------------------------------------


def test_attributes_are_torchs():
    raw = torch.arange(24.0, dtype=torch.float64).reshape(2, 3, 4).transpose(0, 2)
    x = LiteTensor(raw)
    for name in ("shape", "dtype", "device", "layout", "ndim", "itemsize", "nbytes", "is_cuda"):
        assert getattr(x, name) == getattr(raw, name)
    for name in ("size", "dim", "ndimension", "numel", "nelement", "element_size", "stride", "is_contiguous",
                 "is_floating_point", "is_complex", "tolist"):  # fmt: skip
        assert getattr(x, name)() == getattr(raw, name)()
    assert x.size(-1) == 2
    assert x.stride(0) == raw.stride(0)
    assert len(x) == 4
    assert torch.numel(x) == 24
    assert torch.is_floating_point(x)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (torch.tensor([1.0, 2.0]), "LiteTensor([1., 2.])"),
        (torch.tensor(3.0), "LiteTensor(3.)"),
        (torch.tensor([1, 2]), "LiteTensor([1, 2])"),
        (torch.tensor([1.0], dtype=torch.float64), "LiteTensor([1.], dtype=torch.float64)"),
        (torch.tensor([[1, 2], [3, 4]]), "LiteTensor([[1, 2],\n            [3, 4]])"),
        (torch.zeros(2, device="meta"), "LiteTensor(..., device='meta', size=(2,))"),
        (torch.tensor([]), "LiteTensor([])"),
    ],
)
def test_repr(data, text):
    assert repr(LiteTensor(data)) == text


def test_repr_leaves_no_trailing_spaces():
    text = repr(nx.zeros(2, 2, 2))
    assert all(line == line.rstrip() for line in text.splitlines())
    assert len({len(line) - len(line.lstrip(" ")) for line in text.splitlines()[1:] if line}) == 2


def test_str_shows_the_values_as_numpy_does():
    assert str(nx.tensor([[1.0, 2.5]])) == "[[1.  2.5]]"
    assert str(nx.zeros(2, device="meta")).startswith("LiteTensor(")
    assert str(nx.zeros(2, dtype=torch.bfloat16)) == "LiteTensor([0., 0.], dtype=torch.bfloat16)"


def test_format():
    assert f"{nx.tensor(3.14159):.2f}" == "3.14"
    assert f"{nx.tensor([1.0])}" == "[1.]"
    with pytest.raises(TypeError, match="format"):
        f"{nx.tensor([1.0]):.2f}"


# Leaving nexnet ------------------------------------------------------------------------------------------------------


def test_python_numbers():
    x = nx.tensor(2.5)
    assert (x.item(), float(x), int(x), complex(x), bool(x)) == (2.5, 2.5, 2, 2.5 + 0j, True)
    assert math.sqrt(nx.tensor(4.0)) == 2.0
    assert list(range(5))[nx.tensor(3)] == 3
    assert nx.tensor([[1, 2]]).tolist() == [[1, 2]]
    with pytest.raises(TypeError, match="integer"):
        operator.index(nx.tensor(2.5))
    with pytest.raises(RuntimeError, match="ambiguous"):
        bool(nx.ones(2))
    with pytest.raises(RuntimeError, match="a Tensor with 2 elements"):
        nx.ones(2).item()


def test_numpy_is_a_copy():
    x = nx.ones(2)
    array = x.numpy()
    array[0] = 5.0
    assert x.tolist() == [1.0, 1.0]
    array = np.asarray(x)
    array[0] = 5.0
    assert x.tolist() == [1.0, 1.0]


class TestSignsBesideArrays:
    """``array * lite`` is nexnet's; numpy's other functions of elements say what to call."""

    @pytest.mark.parametrize("sign", ["add", "sub", "mul", "truediv", "pow", "mod", "floordiv", "lt", "ge", "eq", "ne"])
    def test_an_array_or_a_number_of_numpys_on_the_left(self, sign):
        apply = getattr(operator, sign)
        x = nx.tensor([2.0, 3.0])
        for left in (np.array([3.0, 4.0], dtype=np.float32), np.float32(3.0)):
            got = apply(left, x)
            assert isinstance(got, LiteTensor)
            assert torch.equal(got.data, apply(torch.tensor(left), x.data))

    def test_is_differentiable(self):
        assert nx.grad(lambda x: (np.array([3.0, 4.0]) * x + np.add(np.ones(2), x)).sum())(nx.ones(2)).tolist() == [
            4,
            5,
        ]
        assert nx.grad(lambda x: np.matmul(np.array([3.0, 4.0], dtype=np.float32), x))(nx.ones(2)).tolist() == [3, 4]

    @pytest.mark.parametrize(
        ("call", "text"),
        [
            (np.sin, r"numpy's sin was called(.|\n)*nexnet\.sin; or x\.numpy\(\)"),
            (np.add.reduce, r"numpy's add\.reduce was called(.|\n)*nexnet's function for it"),
            (lambda x: np.add(x, x, out=np.ones(2)), r"numpy's add was called"),
        ],
    )
    def test_any_other_function_says_what_to_call(self, call, text):
        with pytest.raises(nx.InputError, match=text):
            call(nx.ones(2))

    def test_reductions_of_numpys_are_the_methods(self):
        assert np.sum(nx.ones(2, 3)).tolist() == 6.0
        assert np.mean(nx.ones(2, 3), axis=0).tolist() == [1.0, 1.0, 1.0]


def test_numpy_functions_take_it():
    x = nx.tensor([1.0, 2.0])
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    assert np.array(x).tolist() == [1.0, 2.0]
    assert np.allclose(x, [1.0, 2.0])


def test_dlpack_shares_memory():
    x = nx.tensor([1.0, 2.0])
    assert torch.from_dlpack(x).data_ptr() == x.data.data_ptr()
    assert np.from_dlpack(x).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "leave",
    [LiteTensor.numpy, np.asarray, torch.from_dlpack, np.from_dlpack, pickle.dumps],
    ids=lambda each: each.__name__,
)
def test_a_tensor_that_is_being_differentiated_does_not_leave_silently(leave):
    def fn(x):
        leave(x)
        return x.sum()

    with pytest.raises(nx.TrackedTensorError, match="stop_gradient"):
        nx.grad(fn)(nx.ones(2))
    nx.grad(lambda x: x.sum() * float(np.sum(nx.stop_gradient(x).numpy())))(nx.ones(2))


def test_a_number_may_be_read_in_a_function_but_not_in_a_rule_that_is_differentiated():
    @nx.function
    class halved(nx.Policy):
        def forward(self, x):
            self.ctx.save(x)
            return x * 0.5

        def backward(self, grad):
            (x,) = self.ctx.release
            return grad * 0.5 if x.sum().item() > 0 else grad

    with pytest.warns(nx.ConstantWarning):
        assert nx.grad(lambda x: x.sum() * x.sum().item())(nx.ones(2)).tolist() == [2.0, 2.0]
    with pytest.raises(nx.TrackedTensorError, match="item"):
        nx.grad(lambda x: nx.grad(halved)(x).sum())(nx.ones(2))


def test_copies_are_differentiable():
    x = nx.tensor([1.0, 2.0])
    assert nx.grad(lambda x: (copy.copy(x) * copy.deepcopy(x)).sum())(x).tolist() == [2.0, 4.0]
    assert copy.copy(x).data.data_ptr() == x.data.data_ptr()
    assert copy.deepcopy(x).data.data_ptr() != x.data.data_ptr()
    first, second = copy.deepcopy([x, x])
    assert first is second


def test_pickle():
    x = nx.tensor([1.0, 2.0], dtype=torch.float64)
    again = pickle.loads(pickle.dumps(x))
    assert type(again) is LiteTensor
    assert torch.equal(again.data, x.data)


def test_detach_cuts_the_gradient():
    for cut in (LiteTensor.detach, torch.detach):
        assert nx.grad(lambda x, cut=cut: (x * cut(x)).sum())(nx.tensor([3.0])).tolist() == [3.0]


# Conversions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["double", "float", "half", "bfloat16", "long", "int", "short", "byte", "bool"])
def test_conversions_of_dtype(name):
    assert getattr(nx.ones(2), name)().dtype == getattr(torch.ones(2), name)().dtype


def test_conversions_by_other_tensors():
    x = nx.ones(2)
    assert x.to(nx.zeros(1, dtype=torch.float64)).dtype == torch.float64
    assert x.to(torch.zeros(1, dtype=torch.float16)).dtype == torch.float16
    assert x.to("meta").device.type == "meta"
    assert x.cpu().device.type == "cpu"
    assert x.type(torch.float64).dtype == torch.float64
    assert x.type("torch.DoubleTensor").dtype == x.type(torch.DoubleTensor).dtype == torch.float64
    assert x.type() == "torch.FloatTensor"


def test_new_tensors_of_the_same_kind():
    x = nx.ones(2, dtype=torch.float64)
    assert x.new_zeros(2, 3).shape == x.new_zeros((2, 3)).shape == (2, 3)
    assert x.new_ones(2).tolist() == [1.0, 1.0]
    assert x.new_full((2,), 3.0).tolist() == [3.0, 3.0]
    assert x.new_empty(4).shape == (4,)
    assert x.new_tensor([1, 2]).dtype == torch.float64
    assert x.new_zeros(2, dtype=torch.float32).dtype == torch.float32


# Infix operators -----------------------------------------------------------------------------------------------------

INFIX = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow,
    operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge,
]  # fmt: skip


@pytest.mark.parametrize("infix", INFIX)
@pytest.mark.parametrize("other", [2, 0.5, np.float64(0.5), np.array([0.5, 3.0]), torch.tensor([0.5, 3.0])], ids=repr)
def test_infix_operators_with_constants_on_both_sides(infix, other):
    raw = torch.tensor([1.5, 3.0], dtype=torch.float64)
    x, constant = LiteTensor(raw), torch.as_tensor(other)
    for got, expected in ((infix(x, other), infix(raw, constant)), (infix(other, x), infix(constant, raw))):
        assert type(got) is LiteTensor
        torch.testing.assert_close(got.data, expected)


@pytest.mark.parametrize("infix", [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow])
@pytest.mark.parametrize("other", [2, 0.5, np.array([0.5, 3.0]), torch.tensor([0.5, 3.0])], ids=repr)
def test_infix_operators_with_constants_have_gradients(infix, other):
    raw = torch.tensor([1.5, 3.0], dtype=torch.float64)
    constant = torch.as_tensor(other)
    for mine, torchs in (
        (lambda x: infix(x, other), lambda x: infix(x, constant)),
        (lambda x: infix(other, x), lambda x: infix(constant, x)),
    ):
        expected = torch.func.grad(lambda x, fn=torchs: fn(x).sum())(raw)
        torch.testing.assert_close(nx.grad(mine)(LiteTensor(raw)).data, expected)


@pytest.mark.parametrize("infix", [operator.and_, operator.or_, operator.xor])
def test_logic(infix):
    a, b = torch.tensor([True, True, False]), torch.tensor([True, False, False])
    assert infix(LiteTensor(a), LiteTensor(b)).tolist() == infix(a, b).tolist()
    assert infix(LiteTensor(a), b).tolist() == infix(a, LiteTensor(b)).tolist() == infix(a, b).tolist()
    assert infix(True, LiteTensor(b)).tolist() == infix(LiteTensor(b), True).tolist() == infix(b, True).tolist()


def test_unary_operators():
    x = nx.tensor([-1.0, 2.0])
    assert (-x).tolist() == [1.0, -2.0]
    assert (+x).tolist() == [-1.0, 2.0]
    assert abs(x).tolist() == [1.0, 2.0]
    assert (~nx.tensor([True, False])).tolist() == [False, True]


@pytest.mark.parametrize("infix", [operator.add, operator.matmul, operator.lt, operator.pow])
def test_what_is_no_operand_is_refused_as_in_python(infix):
    with pytest.raises(TypeError, match=r"not supported|unsupported operand"):
        infix(nx.ones(2), "a")
    with pytest.raises(TypeError, match=r"not supported|unsupported operand"):
        infix(None, nx.ones(2))


def test_the_other_operand_gets_its_turn():
    class Other:
        def __radd__(self, left):
            return "added"

    assert nx.ones(2) + Other() == "added"


def test_equality_is_elementwise_and_the_hash_is_identity():
    x, y = nx.tensor([1.0, 2.0]), nx.tensor([1.0, 3.0])
    assert (x == y).tolist() == [True, False]
    assert (x != y).tolist() == [False, True]
    assert (x == "a") is False
    assert x != None  # noqa: E711
    assert len({x, y, x}) == 2
    assert 2.0 in x
    assert 5.0 not in x


def test_a_torch_tensor_that_requires_grad_is_refused():
    with pytest.raises(nx.InputError, match="requires grad"):
        nx.ones(2) * torch.ones(2, requires_grad=True)
    with pytest.raises(nx.InputError, match="requires grad"):
        torch.ones(2, requires_grad=True) * nx.ones(2)


def test_augmented_assignment_makes_a_new_tensor():
    x = before = nx.ones(2)
    x += 1
    assert x.tolist() == [2.0, 2.0]
    assert before.tolist() == [1.0, 1.0]


# What it does not have -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["grad", "grad_fn", "requires_grad", "requires_grad_", "backward", "register_hook", "is_leaf"]
)
def test_it_knows_nothing_about_gradients(name):
    with pytest.raises(nx.MissingAttributeError, match=rf"has no {name}: it knows nothing about gradients"):
        getattr(nx.ones(2), name)
    assert not hasattr(nx.ones(2), name)


def test_methods_in_place_name_their_functional_form():
    with pytest.raises(nx.MissingAttributeError, match=r"x = x\.add\(\.\.\.\)"):
        nx.ones(2).add_(1)
    with pytest.raises(nx.InputError, match=r"torch's add_ writes into a tensor"):
        torch.ones(2).add_(nx.ones(2))
    with pytest.raises(nx.InputError, match=r"item assignment with a LiteTensor"):
        torch.ones(2)[0] = nx.ones(())
    with pytest.raises(nx.InputError, match=r"torch's relu_ writes"):
        torch.relu_(nx.ones(2))


def test_methods_without_a_rule_say_how_to_write_one():
    with pytest.raises(nx.MissingAttributeError, match=r"nexnet\.implements\(torch\.Tensor\.geqrf\)"):
        nx.ones(2).geqrf  # noqa: B018
    with pytest.raises(AttributeError, match="'LiteTensor' object has no attribute 'nonsense'"):
        nx.ones(2).nonsense  # noqa: B018


@pytest.mark.skipif(not nx.engine.COMPILED, reason="uncompiled, it is an ordinary Python object")
def test_attributes_can_not_be_set():
    with pytest.raises(AttributeError):
        nx.ones(2).requires_grad = True
    with pytest.raises(AttributeError):
        nx.ones(2).data = torch.ones(2)


# torch.<fn>(lite) ----------------------------------------------------------------------------------------------------


def test_torch_functions_reach_nexnets_rules():
    x = nx.tensor([1.0, 2.0])
    assert nx.grad(lambda x: torch.exp(x).sum())(x).tolist() == pytest.approx([math.e, math.e**2])
    assert torch.sum(x, dim=0, keepdim=True).tolist() == [3.0]
    assert torch.zeros_like(x).tolist() == [0.0, 0.0]


def test_keywords_that_change_nothing_are_dropped():
    x = nx.tensor([1.0, 2.0])
    assert torch.exp(x, out=None).shape == (2,)
    assert torch.nn.functional.relu(x, inplace=False).tolist() == [1.0, 2.0]
    assert torch.nn.functional.softmax(x, dim=0, _stacklevel=3, dtype=None).sum().item() == pytest.approx(1.0)


def test_keywords_that_write_are_refused():
    x = nx.tensor([1.0, 2.0])
    with pytest.raises(nx.InputError, match=r"(?s)functional.*out"):
        torch.exp(x, out=torch.empty(2))
    with pytest.raises(nx.InputError, match=r"(?s)functional.*inplace"):
        torch.nn.functional.relu(x, inplace=True)


def test_a_torch_function_without_a_rule_says_how_to_write_one():
    with pytest.raises(nx.NoGradientRule, match=r"(?s)torch's geqrf.*implements\(torch\.geqrf\).*def backward"):
        torch.geqrf(nx.ones(2, 2))


@pytest.mark.parametrize(
    ("call", "path", "name"),
    [
        (lambda x: torch._cslt_compress(x), "torch._cslt_compress", "_cslt_compress"),
        (lambda x: torch.ops.aten.geqrf(x), "torch.ops.aten.geqrf", "geqrf"),
        (lambda x: torch.ops.aten.geqrf.default(x), "torch.ops.aten.geqrf.default", "geqrf_default"),
    ],
    ids=["private", "a packet", "an overload"],
)
def test_what_is_to_be_written_is_python(call, path, name):
    with pytest.raises(nx.NoGradientRule, match=rf"implements\({path}\)\n(.|\n)*class {name}\(nexnet") as caught:
        call(nx.ones(2, 2))
    assert eval(path, {"torch": torch}) is not None
    assert name in str(caught.value).splitlines()[4]


def test_a_rule_of_ones_own_serves_the_torch_function(monkeypatch):
    monkeypatch.setitem(nx.RULES, torch.special.i0e, None)  # and back

    @nx.implements(torch.special.i0e)
    @nx.function
    class i0e(nx.Policy):
        def forward(self, x):
            self.ctx.save(x)
            return torch.special.i0e(x)

        def backward(self, grad):
            (x,) = self.ctx.release
            return grad * (torch.special.i1e(x) - x.sign() * torch.special.i0e(x))

    x = torch.tensor([0.5, 2.0], dtype=torch.float64)
    expected = torch.func.grad(lambda x: torch.special.i0e(x).sum())(x)
    torch.testing.assert_close(nx.grad(torch.special.i0e)(LiteTensor(x)).data, expected)


def test_where_as_a_method():
    x, y = nx.tensor([1.0, 2.0]), nx.tensor([3.0, 4.0])
    assert x.where(x > 1, y).tolist() == torch.where(x > 1, x, y).tolist() == [3.0, 2.0]


# The face ------------------------------------------------------------------------------------------------------------


def test_a_star_import_shadows_no_builtin():
    import builtins

    assert not set(nx.__all__) & set(dir(builtins))
    assert sorted(set(nx.__all__)) == sorted(nx.__all__)
    assert all(hasattr(nx, name) for name in nx.__all__)


def test_names_of_builtins_are_there_as_attributes():
    for name in ("sum", "max", "min", "abs", "all", "any", "round", "pow"):
        assert getattr(nx, name) is getattr(nx.ops, name)


def test_the_version_is_that_of_the_distribution():
    from importlib.metadata import version

    assert nx.__version__ == version("nexnet-core")


@pytest.mark.parametrize("base", [nx.engine.TensorBase, nx.engine.Arithmetic])
def test_what_a_tensor_is_made_of_makes_none(base):
    with pytest.raises(nx.InputError, match=rf"{base.__name__} makes no tensor(.|\n)*nexnet\.LiteTensor"):
        base()
    assert base.__new__(base).data is None  # it died of a look at the collector's books
    gc.collect()
