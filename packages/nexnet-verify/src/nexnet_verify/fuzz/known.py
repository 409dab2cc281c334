"""Findings that are known and not yet mended, or that are torch's: they are counted, and do not fail a run."""

from __future__ import annotations

__all__ = ["KNOWN"]

#: By group, as the tally names it, and why.
KNOWN = {
    "hangs joining.tensor_split": "2**70 parts: a loop, in torch too",
    "hangs low_rank.svd_lowrank": "2**70 iterations: a loop, in torch too",
    "hangs pooling.adaptive_avg_pool3d": "1000**3 windows: a loop, in torch too",
    "cross_entropy differs in forward": "to mend: a label_smoothing of NaN is NaN, and none in torch",
    "multilabel_margin_loss differs in forward": "to mend: the dtype of float32 scores beside torch's float64",
    "nanquantile RecursionError": "to mend: a LiteTensor for the name of the interpolation",
    "quantile RecursionError": "to mend: a LiteTensor for the name of the interpolation",
    "combinations RecursionError": "to mend: a LiteTensor for r",
    "logdet AssertionError": "torch's own words on the meta device",
    "cross_entropy AssertionError": "torch's own words on the meta device",
    "nll_loss AssertionError": "torch's own words on the meta device",
    "cholesky_inverse AssertionError": "torch's own words on the meta device",
    "linalg_cond AssertionError": "torch's own words on the meta device",
    "gumbel_softmax AssertionError": "torch's own words on the meta device",
    "multilabel_soft_margin_loss differs in forward": "to mend: scores of one dimension less",
    "soft_margin_loss differs in forward": "to mend: the dtype of a float32 score and a float64 target",
    "huber_loss differs in forward": "to mend: the dtype of a float32 input and a float64 target",
    "margin_ranking_loss differs in forward": "to mend: a target of uint8 is negated, and wraps",
    "norm_except_dim differs in forward": "to mend: a tensor of one dimension",
    "grid_sampler differs in forward": "to mend: a mode of -1 is taken; torch reads outside of its memory",
    "huber_loss ZeroDivisionError": "to mend: the mean of an empty batch under vmap",
    "smooth_l1_loss ZeroDivisionError": "to mend: the mean of an empty batch under vmap",
    "complex.pow differs in gradient": "to mend: a negative real base with a complex exponent has NaN as its gradient",
    "complex.var differs in gradient": "to mend: the variance of one complex number has NaN as its gradient",
    "pad.reflect3d differs in gradient": "torch's kernel reads outside of its memory for a padding of -5",
    "linalg_lstsq RuntimeError": "torch's own words for NaN",
}
