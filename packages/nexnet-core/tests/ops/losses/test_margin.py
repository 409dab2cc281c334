"""Losses with margins: against torch to second order in every option, at their margins, and their errors."""

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

import nexnet as nx
from nexnet.errors import InputError

REDUCTIONS = ["none", "mean", "sum"]


def signs(*shape):
    return torch.randint(0, 2, shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


def compare(check, name, *tensors, order=2, **options):
    """Compare a loss of the tensors, some of them targets."""
    ours, theirs = getattr(nx, name), getattr(F, name)
    check(lambda *a: ours(*a, **options), lambda *a: theirs(*a, **options), *tensors, order=order)


@pytest.mark.parametrize("reduction", REDUCTIONS)
class TestPairs:
    def test_hinge_embedding_loss(self, reduction, draw, check_against_torch):
        for shape in ((4, 3), (5,), ()):
            target = signs(*shape)
            compare(check_against_torch, "hinge_embedding_loss", draw(*shape), target, reduction=reduction, margin=0.7)
            compare(check_against_torch, "hinge_embedding_loss", draw(*shape), target * 0, reduction=reduction)

    def test_margin_ranking_loss(self, reduction, draw, check_against_torch):
        for margin in (0, 0.5):
            tensors = draw(4, 3), draw(4, 3), signs(4, 3).double()
            compare(check_against_torch, "margin_ranking_loss", *tensors, margin=margin, reduction=reduction)

    def test_cosine_embedding_loss(self, reduction, draw, check_against_torch):
        for batch in ((5,), ()):
            for margin in (0, 0.3):
                tensors = draw(*batch, 3), draw(*batch, 3), signs(*batch)
                compare(check_against_torch, "cosine_embedding_loss", *tensors, margin=margin, reduction=reduction)

    def test_soft_margin_loss(self, reduction, draw, check_against_torch):
        for shape in ((4, 3), (), (0,)):
            x, t = draw(*shape), signs(*shape).double()
            check_against_torch(
                lambda x, t: nx.soft_margin_loss(x, t, reduction=reduction),
                lambda x, t: reduce(F.softplus(-t * x), reduction),
                *(x, t),
            )
            torch.testing.assert_close(
                nx.soft_margin_loss(x, signs(*shape), reduction=reduction).data,
                F.soft_margin_loss(x, t, reduction=reduction),
                equal_nan=True,
            )


def reduce(losses, reduction):
    return losses if reduction == "none" else losses.mean() if reduction == "mean" else losses.sum()


@pytest.mark.parametrize("reduction", REDUCTIONS)
class TestTriplets:
    def test_triplet_margin_loss(self, reduction, draw, check_against_torch):
        for p, swap in ((2, False), (1, True), (3.0, True)):
            for shape in ((4, 3), (3,)):
                tensors = [draw(*shape) for _ in range(3)]
                compare(check_against_torch, "triplet_margin_loss", *tensors, p=p, swap=swap, reduction=reduction)

    def test_of_another_distance(self, reduction, draw, check_against_torch):
        def distance(a, b):
            return 1 - (a * b).sum(-1)

        tensors = [draw(4, 3) for _ in range(3)]
        for options in ({}, {"distance_function": distance, "swap": True, "margin": 0.5}):
            compare(check_against_torch, "triplet_margin_with_distance_loss", *tensors, reduction=reduction, **options)


@pytest.mark.parametrize("reduction", REDUCTIONS)
class TestClasses:
    def test_multi_margin_loss(self, reduction, draw, check_against_torch):
        """torch has no second derivative: this is the loss written out."""
        for shape, target in (((4, 3), torch.tensor([0, 2, 1, 1])), ((3,), torch.tensor(2))):
            for p in (1, 2):
                for weight in (None, draw(3, low=0.5)):

                    def written_out(x, p=p, weight=weight, target=target):
                        rows, index = x.reshape(-1, 3), target.reshape(-1, 1)
                        z = (0.8 - rows.gather(1, index) + rows).clamp_min(0) ** p
                        z = z * (1 if weight is None else weight[index])
                        own = F.one_hot(index[:, 0], 3).bool()
                        losses = torch.where(own, 0, z).sum(1) / 3
                        return reduce(losses.reshape(target.shape), reduction)

                    options = {"p": p, "margin": 0.8, "weight": weight, "reduction": reduction}
                    x = draw(*shape)
                    check_against_torch(lambda x, o=options, t=target: nx.multi_margin_loss(x, t, **o), written_out, x)
                    torch.testing.assert_close(written_out(x), F.multi_margin_loss(x, target, **options))

    def test_multilabel_margin_loss(self, reduction, draw, check_against_torch):
        for x, target in (
            (draw(3, 4), torch.tensor([[3, 0, -1, 1], [1, -1, 2, 0], [0, 1, 2, 3]])),
            (draw(4), torch.tensor([2, -1, 0, 0])),
        ):
            compare(check_against_torch, "multilabel_margin_loss", x, target, order=1, reduction=reduction)
            cotangent = draw(*nx.multilabel_margin_loss(x, target, reduction=reduction).shape)

            def pulled_back(x, c, target=target):
                return nx.vjp(lambda x: nx.multilabel_margin_loss(x, target, reduction=reduction), x)[1](c)[0]

            _, back = nx.vjp(lambda c, x=x: pulled_back(nx.LiteTensor(x), c), nx.LiteTensor(cotangent))
            h = draw(*x.shape)
            ones = pulled_back(nx.LiteTensor(x), nx.LiteTensor(torch.ones_like(cotangent))).data * h
            expected = ones.sum(-1) if cotangent.ndim else ones.sum()
            torch.testing.assert_close(back(nx.LiteTensor(h))[0].data, expected)

    def test_multilabel_soft_margin_loss(self, reduction, draw, check_against_torch):
        for shape in ((4, 3), (3,), (2, 4, 3)):
            for weight in (None, draw(3, low=0.5)):
                tensors = draw(*shape), draw(*shape, low=0, high=1)
                compare(
                    check_against_torch, "multilabel_soft_margin_loss", *tensors, weight=weight, reduction=reduction
                )

    def test_multilabel_soft_margin_loss_of_integer_targets(self, reduction, draw):
        x, target = draw(4, 3), (signs(4, 3) + 1) // 2
        whole, numbers = (
            nx.grad(lambda x, t=t: nx.multilabel_soft_margin_loss(x, t, reduction=reduction))(nx.LiteTensor(x))
            for t in (target, target.double())
        )
        assert torch.equal(whole.data, numbers.data)


def test_at_the_margins(check_against_torch):
    """Conventions where the hinges bend, which are clamp's at its bound, and one of torch's."""
    one = torch.ones(1, dtype=torch.float64)
    assert nx.grad(nx.hinge_embedding_loss)(one, -one).item() == -1.0
    assert nx.grad(lambda x: nx.margin_ranking_loss(x, one * 2, -one, margin=1.0))(one).item() == 1.0
    compare(check_against_torch, "multi_margin_loss", torch.tensor([[1.0, 0.0]]).double(), torch.tensor([0]), order=1)


def test_torch_reaches_its_numbered_reductions(draw):
    x, t = draw(4), signs(4)
    got = torch.hinge_embedding_loss(nx.LiteTensor(x), t, 1.0, reduction=2)
    torch.testing.assert_close(got.data, torch.hinge_embedding_loss(x, t, 1.0, 2))


class TestErrors:
    def test_shapes(self):
        x = nx.zeros(2, 3)
        with pytest.raises(InputError, match="differ in dimensions"):
            nx.margin_ranking_loss(x, x, nx.zeros(2))
        with pytest.raises(InputError, match="each pair of vectors has one target"):
            nx.cosine_embedding_loss(x, x, torch.tensor(1))
        with pytest.raises(InputError, match="three tensors differ in dimensions"):
            nx.triplet_margin_loss(x, x, nx.zeros(3))
        with pytest.raises(InputError, match="not the input's shape"):
            nx.soft_margin_loss(x, nx.zeros(2))
        with pytest.raises(RuntimeError, match="target tensor should be 1-D"):
            nx.multi_margin_loss(x, torch.tensor([0, 1, 2]))

    def test_values(self):
        x = nx.zeros(2, 3)
        with pytest.raises(InputError, match="margin is positive"):
            nx.triplet_margin_loss(x, x, x, margin=0)
        with pytest.raises(InputError, match="p is 1 or 2"):
            nx.multi_margin_loss(x, torch.tensor([0, 1]), p=3)
        with pytest.raises(InputError, match="no gradient by its weight"):
            nx.grad(lambda w: nx.multi_margin_loss(x, torch.tensor([0, 1]), weight=w))(nx.ones(3))
        with pytest.raises(InputError, match="no such reduction"):
            nx.hinge_embedding_loss(x, x, reduction="average")


def test_multilabel_soft_margin_loss_of_scores_with_a_dimension_less(draw, check_against_torch):
    """The classes are the last dimension of the scores, also where the target has one more."""
    target = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    for reduction in ("none", "mean", "sum"):
        check_against_torch(
            lambda x, r=reduction: nx.multilabel_soft_margin_loss(x, target, reduction=r),
            lambda x, r=reduction: F.multilabel_soft_margin_loss(x, target, reduction=r),
            draw(3),
        )


@pytest.mark.parametrize("dtypes", [(torch.float64, torch.float16), (torch.float16, torch.bfloat16)], ids=str)
def test_multilabel_soft_margin_loss_of_two_dtypes_has_torchs(dtypes):
    x, t = torch.tensor([[0.1, 0.2, 0.4]], dtype=dtypes[0]), torch.tensor([[1.0, 0.0, 0.25]], dtype=dtypes[1])
    value, grads = nx.value_and_grad(nx.multilabel_soft_margin_loss, argnums=(0, 1))(x, t)
    expected = F.multilabel_soft_margin_loss(x, t)
    torch.testing.assert_close(value.data, expected, rtol=3e-3, atol=0)  # of half precision
    assert tuple(each.dtype for each in grads) == dtypes


@pytest.mark.parametrize("loss", [F.soft_margin_loss, F.multilabel_soft_margin_loss, F.kl_div])
def test_a_loss_of_complex_tensors_is_refused_and_not_of_their_real_part(loss):
    x, z = nx.ones(3), nx.ones(3, dtype=torch.complex64)
    for argument, pair in (("input", (z, x)), ("target", (x, z))):
        with pytest.raises(InputError, match=rf"of real tensors(.|\n)*argument:  {argument}"):
            loss(*pair)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_multilabel_margin_loss_of_numbers_under_vmap(reduction, draw):
    x, labels = draw(4), torch.tensor([0, 0, -1, 0])

    def loss(x, label):
        return nx.multilabel_margin_loss(x, label, reduction=reduction)

    mapped = nx.vmap(nx.grad(loss))(x, labels)
    torch.testing.assert_close(mapped.data, torch.stack([nx.grad(loss)(x[i], labels[i]).data for i in range(4)]))
