"""Losses of classes: against torch to second order in every option, by targets and weights too, and their errors."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

import nexnet as nx
from nexnet.errors import InputError

REDUCTIONS = ["none", "mean", "sum"]
CLASSES = [((5, 3), (5,)), ((3,), ()), ((2, 3, 4), (2, 4)), ((2, 3, 2, 2), (2, 2, 2))]


def indices(shape, classes=3, ignored=None):
    target = torch.randint(0, classes, shape)
    if ignored is not None and target.ndim:
        target[0] = ignored
    return target


def slopes(fn, *values):
    """Give the derivative of fn at a point by each argument, as floats."""
    grads = nx.grad(fn, tuple(range(len(values))))(*[nx.LiteTensor(value, dtype=torch.float64) for value in values])
    return tuple(each.item() for each in grads)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shapes", CLASSES, ids=str)
class TestCrossEntropy:
    def check(self, check, *tensors, **options):
        check(lambda *a: nx.cross_entropy(*a, **options), lambda *a: F.cross_entropy(*a, **options), *tensors)

    def test_of_class_indices(self, shapes, reduction, draw, check_against_torch):
        self.check(check_against_torch, draw(*shapes[0]), indices(shapes[1]), reduction=reduction)

    def test_ignoring_a_class(self, shapes, reduction, draw, check_against_torch):
        x, target = draw(*shapes[0]), indices(shapes[1], ignored=-7)
        self.check(check_against_torch, x, target, reduction=reduction, ignore_index=-7)

    def test_with_a_weight(self, shapes, reduction, draw, check_against_torch):
        x, target, weight = draw(*shapes[0]), indices(shapes[1], ignored=-100), draw(3, low=0.5)
        for smoothing in (0.0, 0.2):
            options = {"weight": weight, "reduction": reduction, "label_smoothing": smoothing}
            self.check(check_against_torch, x, target, **options)

    def test_with_smoothed_labels(self, shapes, reduction, draw, check_against_torch):
        x, target = draw(*shapes[0]), indices(shapes[1], ignored=-100)
        self.check(check_against_torch, x, target, reduction=reduction, label_smoothing=0.1)

    def test_of_probabilities(self, shapes, reduction, draw, check_against_torch):
        x, target, weight = draw(*shapes[0]), draw(*shapes[0], low=0, high=1), draw(3, low=0.5)
        self.check(check_against_torch, x, target, reduction=reduction)
        self.check(check_against_torch, x, target, reduction=reduction, label_smoothing=0.1, weight=weight)

    def test_by_the_weight(self, shapes, reduction, draw, check_against_torch):
        """torch has no gradient by it; this is the loss written out."""
        x, target, weight = draw(*shapes[0]), indices(shapes[1], ignored=-100), draw(3, low=0.5)

        def reference(x, weight):
            dim = 1 if x.ndim > 1 else 0
            kept = target >= 0
            index = torch.where(kept, target, 0)
            factor = torch.where(kept, weight[index], 0)
            losses = -F.log_softmax(x, dim).gather(dim, index.unsqueeze(dim)).squeeze(dim) * factor
            return losses if reduction == "none" else losses.sum() / (factor.sum() if reduction == "mean" else 1)

        check_against_torch(
            lambda x, weight: nx.cross_entropy(x, target, weight, reduction=reduction), reference, x, weight
        )


class TestCrossEntropyAtLarge:
    def test_third_order(self, draw, check_against_torch):
        target = indices((4,))
        check_against_torch(
            lambda x: nx.cross_entropy(x, target), lambda x: F.cross_entropy(x, target), draw(4, 3), order=3
        )

    def test_torch_reaches_it(self, draw):
        x, target = draw(5, 3), indices((5,))
        out = F.cross_entropy(nx.LiteTensor(x), nx.LiteTensor(target))
        torch.testing.assert_close(out.data, F.cross_entropy(x, target))

    def test_targets_of_numpy(self, draw):
        x = draw(4, 3)
        for target in (np.array([0, 1, 2, -100]), np.full((4, 3), 0.5)):
            for smoothing in (0.0, 0.1):
                out = nx.cross_entropy(nx.LiteTensor(x), target, label_smoothing=smoothing)
                expected = F.cross_entropy(x, torch.as_tensor(target), label_smoothing=smoothing)
                torch.testing.assert_close(out.data, expected)

    def test_the_common_case_is_one_operation(self, draw):
        _, tape = nx.trace(nx.cross_entropy)(nx.LiteTensor(draw(4, 3)), indices((4,)))
        assert len(tape) == 1

    def test_in_single_precision_and_of_other_layouts(self, draw, check_against_torch):
        target = indices((4,))
        for x in (draw(4, 3, dtype=torch.float32), draw(3, 4).T, draw(3).expand(4, 3)):
            check_against_torch(lambda x: nx.cross_entropy(x, target), lambda x: F.cross_entropy(x, target), x)

    def test_certain_logits(self):
        """Right and wrong beyond doubt: finite at every order."""
        x = nx.LiteTensor(torch.tensor([[1000.0, -1000.0], [1000.0, -1000.0]]))
        value, gradient = nx.value_and_grad(lambda x: nx.cross_entropy(x, torch.tensor([0, 1])))(x)
        assert value.item() == 1000.0
        assert gradient.data.tolist() == [[0.0, 0.0], [0.5, -0.5]]
        assert nx.grad(nx.grad(lambda x: nx.cross_entropy(x, torch.tensor([0, 1]))))(x).data.tolist() == [[0.0] * 2] * 2

    def test_a_batch_of_nothing(self):
        x, target = nx.LiteTensor(torch.zeros(0, 3)), torch.zeros(0, dtype=torch.long)
        value, gradient = nx.value_and_grad(nx.cross_entropy)(x, target)
        assert math.isnan(value.item())
        assert gradient.shape == (0, 3)
        assert nx.cross_entropy(x, target, reduction="sum").item() == 0.0

    def test_on_the_meta_device(self):
        x, target = torch.empty(4, 3, device="meta"), torch.empty(4, dtype=torch.long, device="meta")
        assert nx.grad(nx.cross_entropy)(nx.LiteTensor(x), target).shape == (4, 3)

    def test_a_class_that_does_not_exist(self):
        with pytest.raises(IndexError, match="Target 3 is out of bounds"):
            nx.cross_entropy(nx.LiteTensor(torch.zeros(2, 3)), torch.tensor([0, 3]))

    def test_ignore_index_with_probabilities(self):
        with pytest.raises(InputError, match="ignore_index needs class indices"):
            nx.cross_entropy(nx.LiteTensor(torch.zeros(2, 3)), torch.zeros(2, 3), ignore_index=0)

    @pytest.mark.parametrize("dtype", [torch.int64, torch.complex64], ids=str)
    def test_probabilities_that_are_none(self, dtype):
        with pytest.raises(InputError, match=rf"probabilities, which are real numbers(.|\n)*got: +{dtype}"):
            nx.cross_entropy(nx.LiteTensor(torch.zeros(2, 3)), torch.ones(2, 3, dtype=dtype))

    @pytest.mark.parametrize("share", [-0.1, 1.5])
    def test_a_share_that_is_none(self, share):
        with pytest.raises(InputError, match=rf"can't be spread(.|\n)*argument:  label_smoothing(.|\n)*got: +{share}"):
            nx.cross_entropy(nx.LiteTensor(torch.zeros(2, 3)), torch.tensor([0, 1]), label_smoothing=share)

    def test_targets_of_another_shape(self):
        with pytest.raises(InputError, match=r"without its classes(.|\n)*expected: +\(2, 4\)(.|\n)*got: +\(2, 5\)"):
            nx.cross_entropy(nx.LiteTensor(torch.zeros(2, 3, 4)), torch.zeros(2, 5, dtype=torch.long))

    @pytest.mark.parametrize("name", ["cross_entropy", "nll_loss", "mse_loss", "binary_cross_entropy", "kl_div"])
    def test_a_target_that_is_no_tensor(self, name):
        x = nx.LiteTensor(torch.rand(2, 3))
        for target, kind in (([0, 1], "list"), (1, "int")):
            with pytest.raises(InputError, match=rf"target is no tensor(.|\n)*rule: +{name}\n(.|\n)*got: +{kind}"):
                getattr(nx, name)(x, target)
            with pytest.raises(TypeError):
                getattr(torch.nn.functional, name)(x, target)

    def test_an_unknown_reduction(self):
        with pytest.raises(InputError, match=r"no such reduction(.|\n)*got: +average"):
            nx.cross_entropy(nx.LiteTensor(torch.zeros(2, 3)), torch.tensor([0, 1]), reduction="average")


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shapes", CLASSES, ids=str)
def test_nll_loss(shapes, reduction, draw, check_against_torch):
    x, target, weight = draw(*shapes[0]), indices(shapes[1], ignored=-100), draw(3, low=0.5)
    for factor in (None, weight):
        check_against_torch(
            lambda x, w=factor: nx.nll_loss(x, target, w, reduction=reduction),
            lambda x, w=factor: F.nll_loss(x, target, w, reduction=reduction),
            x,
        )


def test_a_label_smoothing_of_nan_is_none_as_in_torch(draw):
    x, target = draw(2, 3), torch.tensor([0, 2])
    got = nx.cross_entropy(nx.LiteTensor(x), target, label_smoothing=float("nan"))
    torch.testing.assert_close(got.data, F.cross_entropy(x, target, label_smoothing=float("nan")))
