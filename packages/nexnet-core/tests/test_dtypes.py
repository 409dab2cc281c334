"""Dtypes that meet: what torch promotes them to, and a gradient in each argument's own dtype."""

import itertools
import re

import pytest
import torch

import nexnet as nx

FLOATING = [torch.float64, torch.float32, torch.bfloat16, torch.float16, torch.complex128, torch.complex64]
OTHERS = [torch.int64, torch.int32, torch.uint8, torch.bool]
HALVES = [torch.bfloat16, torch.float16]
NUMBERS = [2, 2.5, True, 1 + 2j]
OPERATORS = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: y - x,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "pow": lambda x, y: x**y,
}
# Of a few roundings in the coarsest dtype that is met.
TOLERANCE = {torch.float64: 1e-12, torch.complex128: 1e-12, torch.float32: 1e-5, torch.complex64: 1e-5}


def tensor(dtype, *shape):
    values = torch.linspace(0.5, 2, 6, dtype=torch.float64).reshape(2, 3)
    values = values.ceil() if dtype in OTHERS else values  # no zeros
    return (values if shape == () else values.reshape(-1)[0]).to(dtype)


def in_torch(fn, *args):
    """Give the output, and by torch's autograd the gradients of |output| by the floating tensors."""
    leaves = [
        each.clone().requires_grad_() if isinstance(each, torch.Tensor) and each.dtype in FLOATING else each
        for each in args
    ]
    followed = [each for each in leaves if isinstance(each, torch.Tensor) and each.requires_grad]
    out = fn(*leaves)
    return out.detach(), torch.autograd.grad(out.abs().sum(), followed)


def in_nexnet(fn, *args):
    lite = [nx.LiteTensor(each) if isinstance(each, torch.Tensor) else each for each in args]
    places = [i for i, each in enumerate(args) if isinstance(each, torch.Tensor) and each.dtype in FLOATING]
    return fn(*lite), nx.grad(lambda *tensors: fn(*tensors).abs().sum(), tuple(places))(*lite)


def check(fn, *args):
    try:
        out, slopes = in_torch(fn, *args)
    except RuntimeError as error:
        if "INTERNAL ASSERT FAILED" not in str(error):  # as its autograd says where a number to a real power is complex
            with pytest.raises(RuntimeError, match=re.escape(str(error))):
                in_nexnet(fn, *args)
        return
    got, gradients = in_nexnet(fn, *args)
    assert got.dtype is out.dtype
    met = [each.dtype for each in args if isinstance(each, torch.Tensor)]
    rtol = max(TOLERANCE.get(dtype, 0.02) for dtype in (*met, out.dtype) if dtype not in OTHERS)
    torch.testing.assert_close(got.data, out, rtol=rtol, atol=rtol)
    for gradient, slope in zip(gradients, slopes, strict=True):
        assert gradient.dtype is slope.dtype
        torch.testing.assert_close(gradient.data, slope, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("dtype", FLOATING, ids=str)
class TestPromotion:
    def test_with_another_tensor(self, name, dtype):
        for other in FLOATING + OTHERS:
            check(OPERATORS[name], tensor(dtype), tensor(other))
            if name != "pow" or other in FLOATING:
                check(OPERATORS[name], tensor(other), tensor(dtype))

    def test_with_a_tensor_of_no_dimensions(self, name, dtype):
        for other in FLOATING + OTHERS:
            if torch.float16 in (dtype, other) and (dtype.is_complex or other.is_complex):
                continue  # complex numbers of halves
            check(OPERATORS[name], tensor(dtype), tensor(other, 0))
            check(OPERATORS[name], tensor(other, 0), tensor(dtype))

    def test_with_a_number(self, name, dtype):
        for number in NUMBERS if dtype not in HALVES else NUMBERS[:-1]:
            check(lambda x, number=number: OPERATORS[name](x, number), tensor(dtype))
            check(lambda x, number=number: OPERATORS[name](number, x), tensor(dtype))


@pytest.mark.parametrize(("one", "other"), list(itertools.product(FLOATING, FLOATING[:2] + FLOATING[-2:])), ids=str)
def test_where_and_joining_promote(one, other):
    mask = torch.tensor([[True, False, True], [False, True, True]])
    if one.is_complex is other.is_complex:  # of a mixture torch's own where gives no gradient
        check(lambda x, y: torch.where(mask, x, y), tensor(one), tensor(other))
    check(lambda x, y: torch.cat([x, y]), tensor(one), tensor(other))


@pytest.mark.parametrize("dtype", FLOATING, ids=str)
def test_conversions_and_sums_in_another_dtype(dtype):
    for other in FLOATING:
        if not (dtype.is_complex and not other.is_complex):
            check(lambda x, other=other: x.to(other), tensor(dtype))
            if dtype.is_complex is other.is_complex:  # torch's own sum as complex numbers gives no gradient
                check(lambda x, other=other: torch.sum(x, dtype=other), tensor(dtype))


@pytest.fixture
def every_warning():
    """Torch gives many of its warnings once in a process, whichever test was first."""
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(False)


def test_of_a_complex_tensor_a_conversion_keeps_the_real_part(every_warning):
    z = torch.tensor([1 + 2j, -1j], dtype=torch.complex128)
    with pytest.warns(UserWarning, match="discards the imaginary part"):
        out, (gradient,) = in_nexnet(lambda z: z.to(torch.float64) * 3, z)
    assert out.tolist() == [3.0, 0.0]
    assert gradient.data.tolist() == [3 + 0j, 0j]


@pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental")
def test_complex_numbers_of_halves_are_refused():
    with pytest.raises(nx.NoGradientRule, match=r"no gradient for complex tensors(.|\n)*torch.complex32"):
        nx.grad(lambda x: (x * 1j).abs().sum())(tensor(torch.float16))


@pytest.mark.parametrize("dtype", FLOATING, ids=str)
def test_integers_and_bools_where_torch_takes_them(dtype):
    x, count, mask = tensor(dtype), torch.tensor([[1, 2, 3], [0, 1, 2]]), torch.tensor([True, False, True])
    check(lambda x: x[torch.tensor([1, 0, 1])], x)
    check(lambda x: x[:, mask], x)
    check(lambda x: torch.where(mask, x, 0), x)
    check(lambda x: x.masked_fill(mask, 1), x)
    check(lambda x: torch.gather(x, 1, torch.tensor([[0, 0, 2], [1, 2, 0]])), x)
    check(lambda x: x * count + mask, x)
    check(lambda x: torch.index_select(x, 1, torch.tensor([2, 0], dtype=torch.int32)), x)


@pytest.mark.parametrize("dtype", OTHERS, ids=str)
def test_by_integers_and_bools_there_is_no_gradient(dtype):
    with pytest.raises(nx.InputError, match=r"can't differentiate by this argument(.|\n)*" + str(dtype)):
        nx.grad(lambda x: (x * 1.5).sum())(tensor(dtype))
    assert (nx.LiteTensor(tensor(dtype)) * 1.5).dtype is torch.float32


@pytest.mark.parametrize("dtype", FLOATING[:4], ids=str)
def test_second_derivatives_stay_in_their_dtype(dtype):
    x = tensor(dtype)
    slope = nx.grad(lambda x: (nx.grad(lambda y: (y * y.tanh()).sum())(x) ** 2).sum())(x)
    assert slope.dtype is dtype
    reference = nx.grad(lambda x: (nx.grad(lambda y: (y * y.tanh()).sum())(x) ** 2).sum())(x.double())
    torch.testing.assert_close(slope.data.double(), reference.data, rtol=TOLERANCE.get(dtype, 0.05), atol=0.05)
