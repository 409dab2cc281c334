"""A rule that writes into what it is handed: an error, or a write that nobody else sees."""

import contextlib

import numpy
import pytest
import torch

import nexnet as nx


def writing(write):
    @nx.function
    class writes(nx.Policy):
        def forward(self, x):
            return x * 2

        def backward(self, grad):
            write(grad)
            return grad * 2

    return writes


def numpys(grad):
    grad.numpy()[...] = 5


def dlpacks(grad):
    torch.from_dlpack(grad.data.__dlpack__()).fill_(5)


def test_a_write_that_torch_counts_is_an_error():
    element = writing(lambda grad: grad.__setitem__(1, 123.0))
    for fn in (lambda x: element(x).sum(), lambda x: (element(x) + x).sum()):
        with pytest.raises(nx.RuleError, match="backward wrote into the gradient that it was given"):
            nx.grad(fn)(nx.ones(3))
    with pytest.raises(nx.RuleError, match="writes"):
        nx.grad(writing(lambda grad: grad.mul_(2)))(3.0)


@pytest.mark.parametrize("write", [lambda grad: grad.data.mul_(2), numpys, dlpacks], ids=["data", "numpy", "dlpack"])
def test_a_write_that_nobody_counts_does_not_outlive_the_call(write):
    with contextlib.suppress(nx.RuleError):  # the debug form sees it
        nx.grad(writing(write))(1.0)
    assert nx.grad(lambda x: x * 3)(1.0).item() == 3
    assert nx.grad(lambda x: x.sum())(nx.ones(2)).tolist() == [1, 1]


@pytest.mark.skipif(nx.engine.CHECKED, reason="the debug form sees the write")
@pytest.mark.parametrize("write", [lambda grad: grad.data.fill_(5), numpys, dlpacks], ids=["data", "numpy", "dlpack"])
def test_a_write_that_nobody_counts_reaches_nobody_else_in_the_call(write):
    """Who else holds the gradient: another argument of the same sum, the user, a view of it, another rule's output."""
    writes = writing(write)
    x = nx.tensor([1.0, 2.0, 3.0])
    both = nx.grad(lambda a, b: ((writes(a) + b) * nx.tensor([1.0, 2.0, 3.0])).sum(), argnums=(0, 1))(x, x)
    assert [each.tolist() for each in both] == [[10, 10, 10], [1, 2, 3]]
    assert nx.grad(lambda x: (x * 3 + writes(x)).sum())(x).tolist() == [13, 13, 13]

    cotangent = nx.tensor([1.0, 2.0, 3.0])
    _, pullback = nx.vjp(writes, x)
    assert pullback(cotangent)[0].tolist() == [10, 10, 10]
    assert cotangent.tolist() == [1, 2, 3]

    doubled = nx.grad(lambda x: (writes(x).reshape(3, 1) + x.reshape(3, 1) * 2).sum())
    assert doubled(x).tolist() == [12, 12, 12]


WRITES = {
    "data": lambda grad: grad.data.mul_(2),
    "data's data": lambda grad: grad.data.data.mul_(2),
    "out=": lambda grad: torch.mul(grad.data, 2, out=grad.data),
    "data's numpy": lambda grad: numpys(grad.data),
    "numpy": lambda grad: numpys(grad),
    "dlpack": dlpacks,
    "storage": lambda grad: grad.data.untyped_storage().fill_(0),
    "item": lambda grad: grad.__setitem__(1, 123.0),
    "in place": lambda grad: grad.mul_(2),
}


@pytest.mark.parametrize("loss", [lambda x: x.sum(), lambda x: (x * x).sum()], ids=["constant", "variable"])
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_no_write_is_differentiated(write, loss):
    """Inside of another gradient, what a rule writes is on no tape: its derivative would be missing without a word."""
    inner = nx.grad(lambda x: loss(writing(write)(x)))
    x = nx.tensor([1.0, 2.0, 3.0])
    refused = (nx.RuleError, nx.errors.NexnetError, ValueError)  # numpy's own: the array is read-only
    words = "wrote into the gradient|read-only|can't be changed|has no mul_|that is being differentiated"
    for outer in (nx.grad(lambda x: inner(x).sum()), nx.jacfwd(inner)):
        with pytest.raises(refused, match=words):
            outer(x)
    cotangent = nx.tensor([1.0, 2.0, 3.0])
    with pytest.raises(refused, match=words):
        nx.grad(lambda x: nx.vjp(writing(write), x)[1](cotangent)[0].sum())(x)
    assert cotangent.tolist() == [1, 2, 3]


def test_a_gradient_that_is_lent_is_the_same_tensor_to_every_tape():
    seen = []

    @nx.function
    class cube(nx.Policy):
        def forward(self, x):
            self.ctx.save(x)
            return x**3

        def backward(self, grad):
            seen.append(type(grad))
            (x,) = self.ctx.release
            return 3 * grad * x * x

    x = nx.tensor([1.0, 2.0])
    hessian = nx.hessian(lambda x: (cube(x) * x + cube(x)).sum())(x)
    assert torch.equal(hessian.data, torch.diag(12 * x.data**2 + 6 * x.data))
    assert nx.LiteTensor in seen


def test_a_gradient_that_nobody_else_holds_is_handed_over_as_it_is():
    seen = []

    @nx.function
    class looks(nx.Policy):
        def forward(self, x):
            return x * 1

        def backward(self, grad):
            seen.append(grad.data_ptr())
            return grad

    @nx.function
    class makes(nx.Policy):
        def forward(self, x):
            return x * 1

        def backward(self, grad):
            made = grad * 1
            seen.append(made.data_ptr())
            return made

    nx.grad(lambda x: makes(looks(x)).sum())(nx.ones(3))
    made, given = seen[-2:]
    assert made == given


@pytest.mark.skipif(nx.engine.CHECKED, reason="the debug form looks whether a number as a tensor gives the same")
def test_a_scalar_that_calls_share_is_not_handed_to_a_rule():
    @nx.function
    class scales(nx.Policy):
        scalars_as_tensors = True

        def forward(self, x, factor):
            if isinstance(factor, torch.Tensor):
                factor.data.mul_(0)
            return x * factor

        def backward(self, grad):
            return grad

    x = nx.tensor([1.0])
    for _ in range(3):
        scales(x, 3.25)
        assert (x * 3.25).item() == 3.25


def test_a_gradient_in_memory_of_numpys_is_copied_before_it_is_handed_out():
    buffer = numpy.ones(3, dtype=numpy.float32)

    @nx.function
    class keeps(nx.Policy):
        def forward(self, x):
            return x.sum()

        def backward(self, grad):
            return torch.from_numpy(buffer)

    gradient = nx.grad(keeps)(nx.ones(3))
    buffer[:] = 7
    assert gradient.tolist() == [1, 1, 1]


@nx.function
class cuts_in_place(nx.Policy):
    def forward(self, x, low):
        self.ctx.save(x > low)
        return x.mul_(x > low)

    def backward(self, grad):
        (above,) = self.ctx.release
        return grad * above, None


@pytest.mark.parametrize(
    "called",
    [
        lambda x: cuts_in_place(x, 0.0),
        lambda x: nx.grad(lambda x: (cuts_in_place(x, 0.0) * x).sum())(x),
        lambda x: nx.hessian(lambda x: cuts_in_place(x, 0.0).sum())(x),
        lambda x: nx.vmap(lambda row: cuts_in_place(row, 0.0))(x),
        lambda x: nx.as_torch(cuts_in_place)(x.data, 0.0),
    ],
    ids=["plain", "grad", "hessian", "vmap", "as_torch"],
)
def test_a_forward_that_writes_into_its_argument_is_an_error(called):
    with pytest.raises(nx.RuleError, match=r"forward wrote into its argument(.|\n)*cuts_in_place(.|\n)*x.clone"):
        called(nx.tensor([[1.0, -2.0], [3.0, 4.0]]))


def test_a_forward_may_write_into_what_is_its_own_and_into_a_buffer_of_torchs():
    calls = torch.zeros(())

    @nx.function
    class counts(nx.Policy):
        def forward(self, x, buffer):
            buffer.add_(1)
            return x.clone().mul_(2)

        def backward(self, grad):
            return 2 * grad

    assert nx.grad(lambda x: counts(x, calls))(1.0).item() == 2
    assert calls.item() == 1
