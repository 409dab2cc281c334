"""The rows of ``nexnet.ops.layers``."""

import torch

from .row import Refused, each, of, positive, row, t, x

A, IMAGE = x(2, 3), x(2, 4, 2, 3)
HALF = torch.float32
MASK = of(lambda a: a > -1.5, 2, 3, 3)
NORM = {"weight": x(4), "bias": x(4), "eps": 0.5}
MEAN, VAR = x(4), positive(4)

SEPARATE = {
    "use_separate_proj_weight": True,
    "q_proj_weight": x(4, 4),
    "k_proj_weight": x(4, 4),
    "v_proj_weight": x(4, 4),
}
ATTENTION = {"query": x(2, 3, 4), "key": x(2, 3, 4), "value": x(2, 3, 4)}


def cell(gates, hx):
    return row(input=A, hx=hx, w_ih=x(4 * gates, 3), w_hh=x(4 * gates, 4), b_ih=x(4 * gates), b_hh=x(4 * gates))


def recurrent(gates, hx):
    """Two layers in both directions. Torch has no default for batch_first, and another place for batch_sizes."""
    params = [x(2 * gates, *rest) for inputs in (3, 3, 4, 4) for rest in ((inputs,), (2,), (), ())]
    layers = {"has_biases": True, "num_layers": 2, "dropout": 0.0, "train": False, "bidirectional": True}
    return (
        row(input=x(2, 2, 3), hx=hx, params=params, **layers, batch_first=True, batch_sizes=t([2, 1]))
        .always(batch_first=False)
        .together("batch_sizes", input=x(3, 3))
        .together("generator", dropout=0.5, train=True)
        .nexnets("batch_sizes")
    )


ROWS = {
    **{name: row(input=A) for name in ("hardswish", "logsigmoid", "mish", "relu", "relu6", "selu")},
    **{name: row(input=A) for name in ("silu", "softsign", "tanhshrink")},
    **{name: row(input=A, alpha=0.5) for name in ("celu", "elu")},
    **{name: row(input=A, lambd=1.0) for name in ("hardshrink", "softshrink")},
    **{name: row(input=A, dim=1, dtype=HALF) for name in ("log_softmax", "softmax", "softmin")},
    **{name: row(input=x(2, 3, 4), p=0.3, training=False) for name in ("dropout", "dropout1d")},
    **{name: row(input=x(2, 3, 2, 2), p=0.3, training=False) for name in ("dropout2d",)},
    **{name: row(input=x(2, 3, 2, 2, 2), p=0.3, training=False) for name in ("dropout3d",)},
    **{
        name: row(input=x(2, 3, 4), p=0.3, training=True)
        .together("p", training=True)
        .together("generator", training=True)
        for name in ("alpha_dropout", "feature_alpha_dropout")
    },
    **{name: cell(1, x(2, 4)) for name in ("rnn_relu_cell", "rnn_tanh_cell")},
    **{name: recurrent(1, x(4, 2, 2)) for name in ("rnn_relu", "rnn_tanh")},
    "gru": recurrent(3, x(4, 2, 2)),
    "gru_cell": cell(3, x(2, 4)),
    "lstm": recurrent(4, [x(4, 2, 2), x(4, 2, 2)]),
    "lstm_cell": cell(4, [x(2, 4), x(2, 4)]),
    "linear": row(input=A, weight=x(4, 3), bias=x(4)),
    "linear_relu": row(input=A, weight=x(4, 3), bias=x(4)).nexnets(),
    "batch_norm": row(input=IMAGE, running_mean=MEAN, running_var=VAR, **NORM, training=True, momentum=0.5)
    .constant("running_mean", "running_var")
    .together("training", running_mean=None, running_var=None),
    "batch_norm_with_statistics": row(input=IMAGE, running_mean=MEAN, running_var=VAR, **NORM, momentum=0.5)
    .nexnets()
    .constant("running_mean", "running_var"),
    "embedding": row(
        input=t([0, 2, 2]),
        weight=x(3, 2),
        padding_idx=0,
        max_norm=Refused(1.0),
        norm_type=1.0,
        scale_grad_by_freq=True,
        sparse=Refused(True),
    ),
    "embedding_bag": row(
        input=t([0, 2, 2, 1]),
        weight=x(3, 2),
        offsets=t([0, 1]),
        max_norm=Refused(1.0),
        norm_type=1.0,
        scale_grad_by_freq=True,
        mode=each("sum", "max"),
        sparse=Refused(True),
        per_sample_weights=x(4),
        include_last_offset=True,
        padding_idx=0,
    )
    .always(offsets=t([0, 1]))
    .together("per_sample_weights", mode="sum"),
    "feature_dropout": row(input=x(2, 3, 4), p=0.5, train=True),
    "hardsigmoid": row(input=A).where_torch_is_wrong("its kernel has 1/6 in float32"),
    "gelu": row(input=A, approximate="tanh"),
    "glu": row(input=x(2, 4), dim=0),
    "group_norm": row(input=IMAGE, num_groups=2, **NORM),
    "gumbel_softmax": row(logits=A, tau=0.5, hard=True, eps=0.5, dim=0),
    "hardtanh": row(input=A, min_val=-0.5, max_val=0.5),
    "instance_norm": row(input=IMAGE, running_mean=MEAN, running_var=VAR, **NORM, use_input_stats=False, momentum=0.5)
    .together("running_mean", running_var=VAR, use_input_stats=False)
    .together("running_var", running_mean=MEAN, use_input_stats=False)
    .together("use_input_stats", running_mean=MEAN, running_var=VAR)
    .constant("running_mean", "running_var"),
    "layer_norm": row(input=A, normalized_shape=(3,), weight=x(3), bias=x(3), eps=0.5),
    "leaky_relu": row(input=A, negative_slope=0.5),
    "local_response_norm": row(input=IMAGE, size=2, alpha=0.5, beta=0.5, k=2.0),
    "multi_head_attention_forward": row(
        query=x(3, 2, 4),
        key=x(3, 2, 4),
        value=x(3, 2, 4),
        embed_dim_to_check=4,
        num_heads=2,
        in_proj_weight=x(12, 4),
        in_proj_bias=x(12),
        bias_k=x(1, 1, 4),
        bias_v=x(1, 1, 4),
        add_zero_attn=True,
        dropout_p=0.0,
        out_proj_weight=x(4, 4),
        out_proj_bias=x(4),
        training=False,
        key_padding_mask=t([[False, False, True], [False, True, False]]),
        need_weights=False,
        attn_mask=x(3, 3),
        use_separate_proj_weight=True,
        q_proj_weight=x(4, 4),
        k_proj_weight=x(4, 4),
        v_proj_weight=x(4, 4),
        static_k=Refused(1.0),
        static_v=Refused(1.0),
        average_attn_weights=False,
        is_causal=True,
    )
    .together("use_separate_proj_weight", **SEPARATE)
    .together("q_proj_weight", **SEPARATE)
    .together("k_proj_weight", **SEPARATE)
    .together("v_proj_weight", **SEPARATE)
    .together(
        "is_causal", attn_mask=t([[0.0, -torch.inf, -torch.inf], [0.0, 0.0, -torch.inf], [0.0] * 3], torch.float64)
    ),
    "prelu": row(input=A, weight=x(3)),
    "rms_norm": row(input=A, normalized_shape=(3,), weight=x(3), eps=0.5),
    "rrelu": row(input=A, lower=0.2, upper=0.5, training=True).together("generator", training=True),
    "scaled_dot_product_attention": row(
        **ATTENTION, attn_mask=MASK, dropout_p=0.5, is_causal=True, scale=0.3, enable_gqa=True
    ),
    "softplus": row(input=A, beta=2.0, threshold=0.5),
    "threshold": row(input=A, threshold=0.5, value=2.0),
}
