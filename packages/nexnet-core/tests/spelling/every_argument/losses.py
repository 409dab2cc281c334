"""The rows of ``nexnet.ops.losses``."""

from .row import each, of, positive, row, t, unit, x

A, ROWS_OF_4 = x(2, 3), x(3, 4)
CLASSES = t([0, 3, 1])
SIGNS = t([1.0, -1.0, 1.0])
OTHER = {"reduction": each("none", "sum")}
SQUARES = of(lambda a: (a > 0).double(), 2, 3)


def distance(a, b):
    return (a - b).abs().sum(-1)


ROWS = {
    "binary_cross_entropy": row(input=unit(2, 3), target=unit(2, 3), weight=positive(2, 3), **OTHER).without_torchs(
        "weight"
    ),
    "binary_cross_entropy_with_logits": row(
        input=A, target=unit(2, 3), weight=positive(2, 3), pos_weight=positive(3), **OTHER
    ).without_torchs("weight", "pos_weight"),
    "cosine_embedding_loss": row(input1=ROWS_OF_4, input2=x(3, 4), target=SIGNS, margin=0.5, **OTHER),
    "cross_entropy": row(
        input=ROWS_OF_4, target=CLASSES, weight=positive(4), ignore_index=3, label_smoothing=0.3, **OTHER
    ).without_torchs("weight"),
    "ctc_loss": row(
        log_probs=of(lambda a: a.log_softmax(-1), 4, 2, 3),
        targets=t([[1, 2], [2, 0]]),
        input_lengths=t([4, 4]),
        target_lengths=t([2, 1]),
        blank=0,
        zero_infinity=True,
        **OTHER,
    )
    .together("blank", blank=1, targets=t([[0, 2], [2, 0]]))
    .where_torch_is_wrong("its gradient is that by what log_softmax was given"),
    "gaussian_nll_loss": row(input=A, target=x(2, 3), var=positive(2, 3), full=True, eps=1.0, **OTHER),
    "hinge_embedding_loss": row(input=x(3), target=SIGNS, margin=2.0, **OTHER),
    "huber_loss": row(input=A, target=x(2, 3), delta=0.5, weight=positive(2, 3), **OTHER),
    "kl_div": row(input=A, target=unit(2, 3), reduction=each("none", "sum", "batchmean"), log_target=True),
    "l1_loss": row(input=A, target=x(2, 3), weight=positive(2, 3), **OTHER),
    "linear_cross_entropy": row(
        input=ROWS_OF_4,
        linear_weight=x(4, 4),
        target=CLASSES,
        linear_bias=x(4),
        weight=positive(4),
        ignore_index=3,
        label_smoothing=0.3,
        **OTHER,
    )
    .without_torchs("weight")
    .without(options="torch's choice of a kernel"),
    "margin_ranking_loss": row(input1=x(3), input2=x(3), target=SIGNS, margin=0.5, **OTHER),
    "mse_loss": row(input=A, target=x(2, 3), weight=positive(2, 3), **OTHER),
    "multi_margin_loss": row(input=ROWS_OF_4, target=CLASSES, p=2, margin=0.5, weight=positive(4), **OTHER).constant(
        "weight"
    ),
    "multilabel_margin_loss": row(input=A, target=t([[1, -1, 0], [2, 0, -1]]), **OTHER),
    "multilabel_soft_margin_loss": row(input=A, target=SQUARES, weight=positive(3), **OTHER),
    "nll_loss": row(input=ROWS_OF_4, target=CLASSES, weight=positive(4), ignore_index=3, **OTHER).without_torchs(
        "weight"
    ),
    "poisson_nll_loss": row(
        input=positive(2, 3), target=positive(2, 3), log_input=False, full=True, eps=1.0, **OTHER
    ).together("eps", log_input=False),
    "smooth_l1_loss": row(input=A, target=x(2, 3), beta=0.5, **OTHER),
    "soft_margin_loss": row(input=A, target=of(lambda a: a.sign(), 2, 3), **OTHER).without_torchs("target"),
    "triplet_margin_loss": row(
        anchor=ROWS_OF_4, positive=x(3, 4), negative=x(3, 4), margin=3.0, p=1.5, eps=0.5, swap=True, **OTHER
    ),
    "triplet_margin_with_distance_loss": row(
        anchor=ROWS_OF_4, positive=x(3, 4), negative=x(3, 4), distance_function=distance, margin=3.0, swap=True, **OTHER
    ),
}
