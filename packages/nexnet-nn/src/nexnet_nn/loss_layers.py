"""Losses as layers: a loss with its options. ``nn.CrossEntropyLoss(reduction="sum")(x, y)``.

The functions are the same, ``nn.cross_entropy(x, y, reduction="sum")``. Weights of classes are not learned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY
from typing import Any, ClassVar

import nexnet
from nexnet import LiteTensor
from nexnet.errors import message

from ._checks import check_probability
from .buffers import buffer
from .errors import ModuleError
from .operation import Operation

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CTCLoss",
    "CosineEmbeddingLoss",
    "CrossEntropyLoss",
    "GaussianNLLLoss",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "MSELoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "NLLLoss",
    "PoissonNLLLoss",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]


class _Loss(Operation):
    """A loss of ``(input, target)``, or of the inputs that it names; ``reduction`` is "mean", "sum" or "none".

    Inputs of which no shape is said have one shape, or broadcast. What comes out is of shape (); with
    ``reduction="none"`` a number for each element, or for each example where its classes or features make one.

    Raises:
        InputError: when it is called: what is no tensor, an option out of its range, or shapes that do not fit, as far
            as torch does not look at these itself.
        RuntimeError: torch's, when it is called: shapes, dtypes or values that its kernel can't take.
        IndexError: torch's, when it is called: a class that there isn't.
        ModuleError: a ``reduction`` that there isn't; a ``label_smoothing`` that is no share; a weight that is no
            tensor, where there are weights.
    """

    _reductions: ClassVar[tuple[str, ...]] = ("none", "mean", "sum")

    def __post_init__(self) -> None:
        reduction: Any = getattr(self, "reduction", "mean")
        if reduction not in self._reductions:
            *most, last = map(repr, self._reductions)
            raise ModuleError(
                message(
                    "no such reduction.",
                    rule=type(self).__name__,
                    argument="reduction",
                    expected=f"{', '.join(most)} or {last}",
                    got=repr(reduction),
                )
            )
        if hasattr(self, "label_smoothing"):
            check_probability("label_smoothing", self.label_smoothing)
        for name in ("weight", "pos_weight"):
            if hasattr(self, name):
                setattr(self, name, buffer(getattr(self, name)))


class BCELoss(_Loss):
    """-t ln x - (1 - t) ln(1 - x) of probabilities x and targets t.

    Example::

        >>> nn.BCELoss()(nexnet.tensor([0.5, 0.9]), torch.tensor([0.0, 1.0]))
        LiteTensor(0.3993)
    """

    _: KW_ONLY
    weight: LiteTensor | None = None
    reduction: str = "mean"

    operator = nexnet.binary_cross_entropy


class BCEWithLogitsLoss(_Loss):
    """BCELoss of sigmoid(x).

    Example::

        >>> nn.BCEWithLogitsLoss()(nexnet.tensor([0.0, 2.0]), torch.tensor([0.0, 1.0]))
        LiteTensor(0.4100)
    """

    _: KW_ONLY
    weight: LiteTensor | None = None
    reduction: str = "mean"
    pos_weight: LiteTensor | None = None

    operator = nexnet.binary_cross_entropy_with_logits


class CTCLoss(_Loss):
    """-ln p(labels), summed over every alignment: of ``(log_probs, targets, input_lengths, target_lengths)``.

    ``log_probs`` are ``(time, batch, classes)``, ``targets`` ``(batch, labels)``, or all in one row, and lengths
    ``(batch,)``.

    Example::

        >>> scores = nexnet.zeros(4, 1, 3).log_softmax(-1)  # (time, batch, classes)
        >>> nn.CTCLoss()(scores, torch.tensor([[1, 2]]), torch.tensor([4]), torch.tensor([2]))
        LiteTensor(0.8432)
    """

    _: KW_ONLY
    blank: int = 0
    reduction: str = "mean"
    zero_infinity: bool = False

    operator = nexnet.ctc_loss


class CosineEmbeddingLoss(_Loss):
    """1 - cos(x1, x2) where t is 1, max(cos(x1, x2) - margin, 0) where t is -1: of ``(x1, x2, t)``.

    x1 and x2 are ``(batch, features)``, t ``(batch,)``; or one of each without a batch.

    Example::

        >>> nn.CosineEmbeddingLoss()(nexnet.ones(2, 3), nexnet.ones(2, 3), torch.tensor([1, -1]))
        LiteTensor(0.5000)
    """

    margin: float = 0.0
    _: KW_ONLY
    reduction: str = "mean"

    operator = nexnet.cosine_embedding_loss


class CrossEntropyLoss(_Loss):
    """-ln softmax(x)[t] of scores ``(batch, classes, ...)`` and class indices ``(batch, ...)``, or probabilities.

    Example::

        >>> nn.CrossEntropyLoss()(nexnet.tensor([[0.5, -1.0, 2.0]]), torch.tensor([2]))
        LiteTensor(0.2413)
    """

    weight: LiteTensor | None = None
    _: KW_ONLY
    ignore_index: int = -100
    reduction: str = "mean"
    label_smoothing: float = 0.0

    operator = nexnet.cross_entropy


class GaussianNLLLoss(_Loss):
    """(ln v + (x - t)^2 / v) / 2: of ``(x, t, v)``. A negative v is a ValueError.

    Example::

        >>> nn.GaussianNLLLoss()(nexnet.zeros(2), torch.ones(2), nexnet.full((2,), 4.0))
        LiteTensor(0.8181)
    """

    _: KW_ONLY
    full: bool = False
    eps: float = 1e-6
    reduction: str = "mean"

    operator = nexnet.gaussian_nll_loss


class HingeEmbeddingLoss(_Loss):
    """x where t is 1, max(margin - x, 0) where t is -1.

    Example::

        >>> nn.HingeEmbeddingLoss()(nexnet.tensor([0.3, 0.4]), torch.tensor([1, -1]))
        LiteTensor(0.4500)
    """

    margin: float = 1.0
    _: KW_ONLY
    reduction: str = "mean"

    operator = nexnet.hinge_embedding_loss


class HuberLoss(_Loss):
    """(x - t)^2 / 2 where |x - t| < delta, else delta (|x - t| - delta / 2).

    Example::

        >>> nn.HuberLoss()(nexnet.tensor([0.5, 3.0]), torch.zeros(2))
        LiteTensor(1.3125)
    """

    _: KW_ONLY
    reduction: str = "mean"
    delta: float = 1.0

    operator = nexnet.huber_loss


class KLDivLoss(_Loss):
    """t (ln t - x), of log-probabilities x and probabilities t.

    Example::

        >>> nn.KLDivLoss(reduction="sum")(nexnet.tensor([0.5, 0.5]).log(), torch.tensor([0.25, 0.75]))
        LiteTensor(0.1308)
    """

    _: KW_ONLY
    reduction: str = "mean"
    log_target: bool = False

    _reductions = ("none", "mean", "sum", "batchmean")
    operator = nexnet.kl_div


class L1Loss(_Loss):
    """|x - t|.

    Example::

        >>> nn.L1Loss()(nexnet.tensor([0.5, 3.0]), torch.zeros(2))
        LiteTensor(1.7500)
    """

    _: KW_ONLY
    reduction: str = "mean"

    operator = nexnet.l1_loss


class MSELoss(_Loss):
    """(x - t)^2.

    Example::

        >>> nn.MSELoss()(nexnet.tensor([0.5, 3.0]), torch.zeros(2))
        LiteTensor(4.6250)
    """

    _: KW_ONLY
    reduction: str = "mean"

    operator = nexnet.mse_loss


class MarginRankingLoss(_Loss):
    """max(-t (x1 - x2) + margin, 0): of ``(x1, x2, t)``.

    Example::

        >>> nn.MarginRankingLoss()(nexnet.tensor([1.0]), nexnet.tensor([3.0]), torch.tensor([1.0]))
        LiteTensor(2.)
    """

    margin: float = 0.0
    _: KW_ONLY
    reduction: str = "mean"

    operator = nexnet.margin_ranking_loss


class MultiLabelMarginLoss(_Loss):
    """Sum over labels t and classes j that are none of max(1 - (x_t - x_j), 0) / classes.

    Both are ``(batch, classes)``: a row of t begins with the labels, -1 behind the last; or without a batch.

    Example::

        >>> nn.MultiLabelMarginLoss()(nexnet.tensor([[0.5, -1.0, 2.0]]), torch.tensor([[2, -1, 0]]))
        LiteTensor(0.)
    """

    _: KW_ONLY
    reduction: str = "mean"

    operator = nexnet.multilabel_margin_loss


class MultiLabelSoftMarginLoss(_Loss):
    """The mean over classes of -t ln s - (1 - t) ln(1 - s), s = sigmoid(x), both ``(batch, classes)`` or no batch.

    Example::

        >>> nn.MultiLabelSoftMarginLoss()(nexnet.tensor([[0.5, -1.0, 2.0]]), torch.tensor([[0.0, 0.0, 1.0]]))
        LiteTensor(0.4714)
    """

    weight: LiteTensor | None = None
    _: KW_ONLY
    reduction: str = "mean"

    operator = nexnet.multilabel_soft_margin_loss


class MultiMarginLoss(_Loss):
    """sum over classes j of w_t max(margin - x_t + x_j, 0)^p / classes, of x ``(batch, classes)`` and t ``(batch,)``.

    Example::

        >>> nn.MultiMarginLoss()(nexnet.tensor([[0.5, -1.0, 2.0]]), torch.tensor([0]))
        LiteTensor(0.8333)
    """

    p: int = 1
    margin: float = 1.0
    weight: LiteTensor | None = None
    _: KW_ONLY
    reduction: str = "mean"

    operator = nexnet.multi_margin_loss


class NLLLoss(_Loss):
    """-x[t], of log-probabilities x ``(batch, classes, ...)`` and class indices t ``(batch, ...)``.

    Example::

        >>> nn.NLLLoss()(nexnet.tensor([[0.5, -1.0, 2.0]]).log_softmax(-1), torch.tensor([2]))
        LiteTensor(0.2413)
    """

    weight: LiteTensor | None = None
    _: KW_ONLY
    ignore_index: int = -100
    reduction: str = "mean"

    operator = nexnet.nll_loss


class PoissonNLLLoss(_Loss):
    """e^x - t x; without ``log_input``, x - t ln(x + eps).

    Example::

        >>> nn.PoissonNLLLoss()(nexnet.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0]))
        LiteTensor(0.8591)
    """

    log_input: bool = True
    full: bool = False
    _: KW_ONLY
    eps: float = 1e-8
    reduction: str = "mean"

    operator = nexnet.poisson_nll_loss


class SmoothL1Loss(_Loss):
    """(x - t)^2 / (2 beta) where |x - t| < beta, else |x - t| - beta / 2.

    Example::

        >>> nn.SmoothL1Loss()(nexnet.tensor([0.5, 3.0]), torch.zeros(2))
        LiteTensor(1.3125)
    """

    _: KW_ONLY
    reduction: str = "mean"
    beta: float = 1.0

    operator = nexnet.smooth_l1_loss


class SoftMarginLoss(_Loss):
    """ln(1 + e^(-t x)), t being 1 or -1.

    Example::

        >>> nn.SoftMarginLoss()(nexnet.tensor([0.5, -1.0]), torch.tensor([1.0, -1.0]))
        LiteTensor(0.3937)
    """

    _: KW_ONLY
    reduction: str = "mean"

    operator = nexnet.soft_margin_loss


class TripletMarginLoss(_Loss):
    """max(d(a, p) - d(a, n) + margin, 0): of ``(anchor, positive, negative)``, each ``(batch, features)``.

    Example::

        >>> anchor, positive, negative = nexnet.zeros(1, 2), nexnet.ones(1, 2), nexnet.full((1, 2), 1.5)
        >>> nn.TripletMarginLoss()(anchor, positive, negative)
        LiteTensor(0.2929)
    """

    margin: float = 1.0
    p: float = 2.0
    eps: float = 1e-6
    swap: bool = False
    _: KW_ONLY
    reduction: str = "mean"

    operator = nexnet.triplet_margin_loss


class TripletMarginWithDistanceLoss(_Loss):
    """TripletMarginLoss of any distance, which makes a ``(batch,)`` of two ``(batch, ...)``.

    Example::

        >>> city = lambda a, b: (a - b).abs().sum(-1)
        >>> anchor, positive, negative = nexnet.zeros(1, 2), nexnet.ones(1, 2), nexnet.full((1, 2), 1.5)
        >>> nn.TripletMarginWithDistanceLoss(distance_function=city, margin=3.0)(anchor, positive, negative)
        LiteTensor(2.)
    """

    _: KW_ONLY
    distance_function: Callable[[Any, Any], Any] | None = None
    margin: float = 1.0
    swap: bool = False
    reduction: str = "mean"

    operator = nexnet.triplet_margin_with_distance_loss
