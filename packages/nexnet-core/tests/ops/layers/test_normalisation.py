"""Normalisation: every layout against torch to second order, the running statistics, and the errors."""

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

import nexnet as nx
from nexnet.errors import InputError


def written_out(x, dims, weight=None, bias=None, mean=None, eps=1e-5):
    """The reference: torch's own second derivatives fail where there is a bias and no weight."""
    mean = x.mean(dims, keepdim=True) if mean is None else mean
    out = (x - mean) / torch.sqrt(((x - mean) ** 2).mean(dims, keepdim=True) + eps)
    out = out if weight is None else out * weight
    return out if bias is None else out + bias


def features(x, normalized, weight=None, bias=None):
    return written_out(x, tuple(range(-len(normalized), 0)), weight, bias)


def roots(x, normalized, weight=None, eps=None):
    eps = torch.finfo(x.dtype).eps if eps is None else eps
    return written_out(x, tuple(range(-len(normalized), 0)), weight, mean=torch.zeros(()).to(x), eps=eps)


def by_channel(x, *parameters):
    return [None if each is None else each.reshape(-1, *[1] * (x.ndim - 2)) for each in parameters]


def batches(x, weight=None, bias=None, eps=1e-5):
    return written_out(x, (0, *range(2, x.ndim)), *by_channel(x, weight, bias), eps=eps)


def groups_of(x, groups, weight=None, bias=None):
    weight, bias = by_channel(x, weight, bias)
    out = written_out(x.reshape(len(x), groups, -1), (2,)).reshape(x.shape)
    out = out if weight is None else out * weight
    return out if bias is None else out + bias


LAYER = [((4, 3), (3,)), ((2, 3, 4), (3, 4)), ((5,), (5,)), ((2, 3, 4), (4,))]
BATCH = [(4, 3), (2, 3, 4), (2, 3, 2, 3)]
GROUP = [((2, 4, 3), 2), ((3, 4), 2), ((2, 4, 2, 2), 4), ((2, 4, 2, 2), 1)]


@pytest.fixture
def parameters(draw):
    """Nothing; a weight; a weight and a bias; a bias."""

    def make(shape):
        weight, bias = draw(*shape, low=0.5), draw(*shape)
        return [(None, None), (weight, None), (weight, bias), (None, bias)]

    return make


def check(check_against_torch, ours, theirs, x, weight, bias, **options):
    """Compare two functions of (x, weight, bias) where either of the latter may be None."""
    given = [each for each in (weight, bias) if each is not None]

    def call(fn):
        def called(x, *given):
            rest = list(given)
            return fn(x, None if weight is None else rest.pop(0), None if bias is None else rest.pop(0))

        return called

    check_against_torch(call(ours), call(theirs), x, *given, **options)


@pytest.mark.parametrize(("shape", "normalized"), LAYER, ids=str)
def test_layer_norm(shape, normalized, draw, parameters, check_against_torch):
    for weight, bias in parameters(normalized):
        check(
            check_against_torch,
            lambda x, w, b: nx.layer_norm(x, normalized, w, b),
            lambda x, w, b: features(x, normalized, w, b),
            *(draw(*shape), weight, bias),
        )


@pytest.mark.parametrize(("shape", "normalized"), LAYER, ids=str)
def test_rms_norm(shape, normalized, draw, parameters, check_against_torch):
    for weight, _ in parameters(normalized)[:2]:
        for eps in (None, 0.1):
            check(
                check_against_torch,
                lambda x, w, _, eps=eps: nx.rms_norm(x, normalized, w, eps),
                lambda x, w, _, eps=eps: roots(x, normalized, w, eps),
                *(draw(*shape), weight, None),
            )


@pytest.mark.parametrize(("shape", "groups"), GROUP, ids=str)
def test_group_norm(shape, groups, draw, parameters, check_against_torch):
    for weight, bias in parameters(shape[1:2]):
        check(
            check_against_torch,
            lambda x, w, b: nx.group_norm(x, groups, w, b),
            lambda x, w, b: groups_of(x, groups, w, b),
            *(draw(*shape), weight, bias),
        )


@pytest.mark.parametrize("shape", BATCH, ids=str)
def test_batch_norm_in_training(shape, draw, parameters, check_against_torch):
    for weight, bias in parameters((3,)):
        check(
            check_against_torch,
            lambda x, w, b: nx.batch_norm(x, None, None, w, b, True, eps=0.01),
            lambda x, w, b: batches(x, w, b, 0.01),
            *(draw(*shape), weight, bias),
        )


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_of_nothing_is_torchs(training, draw, check_against_torch):
    mean, var = draw(3), draw(3, low=0.5)
    before = mean.clone(), var.clone()
    check(
        check_against_torch,
        lambda x, w, b: F.batch_norm(x, mean, var, w, b, training),
        lambda x, w, b: F.batch_norm(x, mean, var, w, b, training),
        *(draw(0, 3, 2), draw(3), draw(3)),
    )
    assert torch.equal(mean, before[0])
    assert torch.equal(var, before[1])
    out, *statistics = nx.batch_norm_with_statistics(draw(0, 3), *map(nx.LiteTensor, before))
    assert out.shape == (0, 3)
    assert all(torch.equal(got.data, each) for got, each in zip(statistics, before, strict=True))


def test_torchs_functions_with_their_statistics(draw, check_against_torch):
    def layer(x, w, b):
        return torch.native_layer_norm(x, (3,), w, b, 0.01)

    def group(x, w, b):
        return torch.native_group_norm(x, w, b, 2, 4, 3, 2, 0.01)

    for fn, size in ((layer, 3), (group, 4)):
        tensors = draw(2, 4, 3), draw(size), draw(size)
        check_against_torch(*[lambda *each, fn=fn: fn(*each)[0]] * 2, *tensors)
        for mine, theirs in zip(fn(*map(nx.LiteTensor, tensors)), fn(*tensors), strict=True):
            torch.testing.assert_close(mine.data, theirs)  # torch has no gradient by the statistics


@pytest.mark.parametrize("shape", BATCH, ids=str)
def test_batch_norm_by_running_statistics(shape, draw, parameters, check_against_torch):
    """torch has no gradient by the statistics; the last check has it, against the formula."""
    mean, var = draw(3), draw(3, low=0.5)

    def by_statistics(x, weight, bias, mean, var):
        mean, var, weight, bias = by_channel(x, mean, var, weight, bias)
        out = (x - mean) / torch.sqrt(var + 1e-5) * (1 if weight is None else weight)
        return out if bias is None else out + bias

    for weight, bias in parameters((3,)):
        check(
            check_against_torch,
            lambda x, w, b: nx.batch_norm(x, mean, var, w, b),
            lambda x, w, b: by_statistics(x, w, b, mean, var),
            *(draw(*shape), weight, bias),
        )
    check_against_torch(
        lambda x, w, b, m, v: nx.batch_norm(x, m, v, w, b),
        by_statistics,
        *(draw(*shape), draw(3), draw(3), mean, var),
    )


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3, 2, 3)], ids=str)
def test_instance_norm(shape, draw, parameters, check_against_torch):
    mean, var = draw(3), draw(3, low=0.5)
    for weight, bias in parameters((3,)):
        for statistics, own in (((None, None), True), ((mean, var), False)):
            check(
                check_against_torch,
                lambda x, w, b, s=statistics, own=own: nx.instance_norm(x, *s, w, b, own),
                lambda x, w, b, s=statistics, own=own: F.instance_norm(x, *s, w, b, own),
                *(draw(*shape), weight, bias),
                order=1 if weight is None and bias is not None else 2,
            )


def test_third_order(draw, check_against_torch):
    x, w, b = draw(2, 4, 2), draw(4, low=0.5), draw(4)
    for ours, theirs in (
        (lambda x, w, b: nx.batch_norm(x, None, None, w, b, True), batches),
        (lambda x, w, b: nx.group_norm(x, 2, w, b), lambda x, w, b: groups_of(x, 2, w, b)),
        (lambda x, w, b: nx.layer_norm(x.mT, (4,), w, b), lambda x, w, b: features(x.mT, (4,), w, b)),
        (lambda x, w, b: nx.rms_norm(x.mT, (4,), w), lambda x, w, b: roots(x.mT, (4,), w)),
    ):
        check_against_torch(ours, theirs, x, w, b, order=3, rtol=1e-7, atol=1e-7)


class TestRunningStatistics:
    def test_torch_tensors_are_updated_as_in_torch(self, draw):
        for shape, ours, theirs in (
            ((4, 3), nx.batch_norm, F.batch_norm),
            ((4, 3, 2), nx.batch_norm, F.batch_norm),
            ((4, 3, 2), nx.instance_norm, F.instance_norm),
        ):
            x, weight = draw(*shape), draw(3)
            mine, expected = ([torch.zeros(3).double(), torch.ones(3).double()] for _ in range(2))
            out = ours(nx.LiteTensor(x), *mine, nx.LiteTensor(weight), None, True, 0.3)
            torch.testing.assert_close(out.data, theirs(x, *expected, weight, None, True, 0.3))
            torch.testing.assert_close(mine, expected)

    def test_lite_tensors_are_not_written_into(self, draw):
        x, mean, var = nx.LiteTensor(draw(4, 3, 2)), nx.zeros(3), nx.ones(3)
        for norm in (nx.batch_norm, nx.instance_norm):
            with pytest.raises(InputError, match=r"would be written into(.|\n)*batch_norm_with_statistics"):
                norm(x, mean, var, None, None, True)
        assert mean.tolist() == [0.0] * 3

    def test_new_ones_are_returned_and_differentiable(self, draw, check_against_torch):
        def reference(x, mean, var, weight, bias):
            dims = (0, *range(2, x.ndim))
            out = batches(x, weight, bias)
            return out, 0.9 * mean + 0.1 * x.mean(dims), 0.9 * var + 0.1 * x.var(dims)

        for shape in BATCH:
            check_against_torch(
                nx.batch_norm_with_statistics,
                reference,
                *(draw(*shape), draw(3), draw(3, low=0.5), draw(3), draw(3)),
                rtol=1e-7,
                atol=1e-8,
            )


class TestByRows:
    """Large batches on a CPU, whose statistics are made otherwise than by torch's kernel."""

    SHAPES = ((32, 16, 16, 16), (8, 4, 2048), (4, 16, 8, 8, 16))

    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    @pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
    def test_everything_is_torchs(self, shape, dtype, tolerance, draw, parameters):
        c = shape[1]
        x, g = (draw(*shape).to(dtype) for _ in range(2))
        x = 3 * x + torch.arange(c, dtype=dtype).view(1, c, *[1] * (len(shape) - 2))
        before = draw(c).to(dtype), draw(c, low=0.5).to(dtype)
        for each in parameters((c,)):
            self.check(x, g, [None if one is None else one.to(dtype) for one in each], before, tolerance)

    @staticmethod
    def check(x, g, affine, before, tolerance):
        expected, written = ([each.clone() for each in before] for _ in range(2))
        leaves = [x, *(each for each in affine if each is not None)]

        def of(norm, x, *rest):
            rest = iter(rest)
            return norm(x, *[None if each is None else next(rest) for each in affine])

        given = [each.clone().requires_grad_() for each in leaves]
        theirs = of(lambda x, w, b: F.batch_norm(x, *expected, w, b, True), *given)
        theirs = theirs.detach(), *torch.autograd.grad(theirs, given, g)
        for norm in (
            lambda x, w, b: nx.batch_norm(x, *written, w, b, True),
            lambda x, w, b: nx.batch_norm_with_statistics(x, *before, w, b)[0],
        ):
            mine, back = nx.vjp(lambda *tensors: of(norm, *tensors), *leaves)  # noqa: B023  called in this turn
            for got, each in zip((mine, *back(g)), theirs, strict=True):
                torch.testing.assert_close(got.data, each, rtol=tolerance, atol=100 * tolerance)
        _, *told = nx.batch_norm_with_statistics(x, *before, *affine)
        for one, other, each in zip(written, told, expected, strict=True):
            torch.testing.assert_close(one, each, rtol=tolerance, atol=tolerance)
            torch.testing.assert_close(other.data, each, rtol=tolerance, atol=tolerance)

    def test_a_channel_of_one_value(self):
        x = nx.zeros(32, 16, 16, 16) + 3
        out, mean, var = nx.batch_norm_with_statistics(x, torch.zeros(16), torch.ones(16))
        assert not out.data.any()
        torch.testing.assert_close(mean.data, torch.full((16,), 0.3))
        torch.testing.assert_close(var.data, torch.full((16,), 0.9))


class TestEdges:
    def test_other_layouts_in_memory(self, draw, check_against_torch):
        w, b = draw(4, low=0.5), draw(4)
        for x in (draw(4, 3).T, draw(4).expand(3, 4), draw(3, 2, 4).permute(0, 2, 1)):
            for ours, theirs in (
                (lambda x, w, b: nx.batch_norm(x, None, None, w, b, True), batches),
                (lambda x, w, b: nx.group_norm(x, 2, w, b), lambda x, w, b: groups_of(x, 2, w, b)),
            ):
                if x.stride(0):
                    check_against_torch(ours, theirs, x, w, b)
            if x.ndim == 2:
                check_against_torch(
                    lambda x, w, b: nx.layer_norm(x, (4,), w, b), lambda x, w, b: features(x, (4,), w, b), x, w, b
                )
                check_against_torch(lambda x, w: nx.rms_norm(x, (4,), w), lambda x, w: roots(x, (4,), w), x, w)

    def test_nothing_to_normalise(self, check_against_torch):
        x, w, b = (torch.ones(*shape, dtype=torch.float64) for shape in ((0, 4), (4,), (4,)))
        check_against_torch(
            lambda x, w, b: nx.layer_norm(x, (4,), w, b), lambda x, w, b: features(x, (4,), w, b), x, w, b
        )
        check_against_torch(lambda x, w: nx.rms_norm(x, (4,), w), lambda x, w: roots(x, (4,), w), x, w)

    def test_constant_features(self, check_against_torch):
        """The variance is 0: eps alone keeps the gradient finite."""
        x = torch.ones(2, 3, dtype=torch.float64)
        check_against_torch(lambda x: nx.layer_norm(x, (3,)), lambda x: F.layer_norm(x, (3,)), x)

    @pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.03)], ids=str)
    def test_other_precisions(self, dtype, tolerance, draw):
        """A wide input: the gradient of a group of few elements loses digits in any precision."""
        x, w, b = draw(8, 64, 4).to(dtype), draw(64, low=0.5).to(dtype), draw(64).to(dtype)
        for ours, theirs in (
            (lambda x, w, b: nx.batch_norm(x, None, None, w, b, True), batches),
            (lambda x, w, b: nx.group_norm(x, 4, w, b), lambda x, w, b: groups_of(x, 4, w, b)),
            (lambda x, w, b: nx.layer_norm(x.mT, (64,), w, b), lambda x, w, b: features(x.mT, (64,), w, b)),
            (lambda x, w, b: nx.rms_norm(x.mT, (64,), w) + b, lambda x, w, b: roots(x.mT, (64,), w) + b),
        ):
            exact = [each.double().requires_grad_() for each in (x, w, b)]
            expected = torch.autograd.grad((theirs(*exact) ** 3).sum(), exact)
            got = nx.grad(lambda *a, f=ours: (f(*a) ** 3).sum(), (0, 1, 2))(*map(nx.LiteTensor, (x, w, b)))
            for mine, reference in zip(got, expected, strict=True):
                assert mine.dtype is dtype
                scale = reference.abs().max().item()
                torch.testing.assert_close(mine.data.double(), reference, rtol=0, atol=tolerance * max(scale, 1))

    def test_on_the_meta_device(self):
        x, w = nx.LiteTensor(torch.empty(4, 3, 2, device="meta")), nx.LiteTensor(torch.empty(3, device="meta"))
        for norm in (
            lambda x, w: nx.batch_norm(x, None, None, w, w, True),
            lambda x, w: nx.group_norm(x, 3, w, w),
            lambda x, w: nx.layer_norm(x.mT, (3,), w, w),
            lambda x, w: nx.rms_norm(x.mT, (3,), w),
        ):
            assert [each.shape for each in nx.grad(norm, (0, 1))(x, w)] == [(4, 3, 2), (3,)]

    def test_example_by_example(self, draw):
        x, w = nx.LiteTensor(draw(5, 3, 4)), nx.LiteTensor(draw(4, low=0.5))
        for norm in (lambda x, w: nx.layer_norm(x, (4,), w), lambda x, w: nx.rms_norm(x, (4,), w)):
            loss = nx.grad(lambda x, w, norm=norm: (norm(x, w) ** 3).sum())
            torch.testing.assert_close(nx.vmap(loss, (0, None))(x, w).data, loss(x, w).data)

    def test_torch_reaches_them(self, draw):
        x, w = draw(4, 3, 2), draw(3)
        for norm in (
            lambda x, w: F.batch_norm(x, None, None, w, w, True),
            lambda x, w: F.group_norm(x, 3, w, w),
            lambda x, w: F.instance_norm(x, None, None, w, w),
            lambda x, w: F.layer_norm(x.mT, (3,), w, w),
            lambda x, w: F.rms_norm(x.mT, (3,), w),
            lambda x, w: torch.layer_norm(x.mT, (3,), w, w),
            lambda x, w: torch.group_norm(x, 3, w, w),
            lambda x, w: torch.batch_norm(x, w, w, None, None, True, 0.1, 1e-5, False),
            lambda x, w: torch.instance_norm(x, w, w, None, None, True, 0.1, 1e-5, False),
        ):
            torch.testing.assert_close(norm(nx.LiteTensor(x), nx.LiteTensor(w)).data, norm(x, w))


class TestErrors:
    def test_one_value_per_channel(self):
        x = nx.zeros(1, 3)
        for norm in (
            lambda: nx.batch_norm(x, None, None, training=True),
            lambda: nx.instance_norm(nx.zeros(2, 3, 1)),
            lambda: nx.group_norm(x, 3),
            lambda: nx.batch_norm_with_statistics(x, nx.zeros(3), nx.ones(3)),
        ):
            with pytest.raises(ValueError, match="more than 1 value per channel"):
                norm()

    def test_channels_that_the_groups_do_not_divide(self):
        with pytest.raises(InputError, match="whose channels the groups divide"):
            nx.group_norm(nx.zeros(2, 3, 4), 2)

    def test_no_statistics(self):
        with pytest.raises(RuntimeError, match="running_mean must be defined in evaluation mode"):
            nx.batch_norm(nx.zeros(2, 3), None, None)

    def test_parameters_of_another_shape(self):
        with pytest.raises(InputError, match=r"one value per channel(.|\n)*argument: +weight"):
            nx.batch_norm(nx.zeros(2, 3), None, None, nx.ones(2), training=True)
        with pytest.raises(InputError, match="normalized_shape is the shape of the last dimensions"):
            nx.layer_norm(nx.zeros(2, 3), (4,))

    def test_no_channels(self):
        with pytest.raises(InputError, match="no channels"):
            nx.batch_norm(nx.zeros(3), None, None, training=True)


def test_a_complex_weight_of_a_real_input_is_refused():
    with pytest.raises(nx.InputError, match=r"torch would drop its imaginary part(.|\n)*make the input complex"):
        nx.rms_norm(nx.ones(2, 3), (3,), nx.ones(3, dtype=torch.complex64))
