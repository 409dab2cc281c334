"""The rows of ``nexnet.ops.reductions``."""

import torch

from .row import each, of, row, spread, t, unit, x

A = x(2, 3)
HALF = torch.float32
OVER = {"dim": 1, "keepdim": True}


def over(**more):
    return row(input=A, **OVER, **more).together("keepdim", dim=0)


ROWS = {
    **{name: row(input=A, dim=1) for name in ("cummax", "cummin", "logcumsumexp")},
    **{name: row(input=A, dim=1, dtype=HALF) for name in ("cumprod", "cumsum")},
    **{name: over(dtype=HALF) for name in ("mean", "nanmean", "nansum", "sum", "prod")},
    **{name: over() for name in ("amax", "amin", "aminmax", "median", "nanmedian")},
    **{name: over(other=x(2, 3)) for name in ("max", "min")},
    **{
        name: row(input=A, dim=1, unbiased=False, keepdim=True, correction=2)
        .together("keepdim", dim=0)
        .together("unbiased", dim=0)
        .together("correction", correction=0)
        for name in ("std", "std_mean", "var", "var_mean")
    },
    "cdist": row(x1=x(3, 2), x2=x(4, 2), p=1.0, compute_mode="donot_use_mm_for_euclid_dist"),
    "corrcoef": row(input=x(3, 5)),
    "cosine_similarity": row(x1=A, x2=x(2, 3), dim=0, eps=5.0).where_torch_is_wrong("where a norm is below eps"),
    "cov": row(input=x(3, 5), correction=0, fweights=t([1, 2, 1, 3, 1]), aweights=unit(5)),
    "cumulative_trapezoid": row(y=A, x=of(lambda a: a.sort().values, 2, 3), dx=0.5, dim=0),
    "diff": row(input=A, n=2, dim=0, prepend=x(2, 2), append=x(2, 1)),
    "dist": row(input=A, other=x(2, 3), p=1.0),
    "gradient": row(input=x(3, 4), spacing=0.5, dim=0, edge_order=2),
    "kthvalue": row(input=A, k=2, dim=0, keepdim=True),
    "logsumexp": row(input=A, dim=each(1, (0, 1)), keepdim=True),
    "mode": row(input=A, dim=0, keepdim=True),
    "msort": row(input=A),
    "nanquantile": row(input=A, q=unit(2), dim=0, keepdim=True, interpolation="lower"),
    "normalize": row(input=A, p=3.0, dim=0, eps=9.0).without(out="it writes into a tensor, and is refused below"),
    "pairwise_distance": row(x1=A, x2=x(2, 3), p=3.0, eps=0.5, keepdim=True),
    "pdist": row(input=x(3, 2), p=1.0),
    "quantile": row(input=A, q=unit(2), dim=0, keepdim=True, interpolation="higher"),
    "renorm": row(input=A, p=2.0, dim=0, maxnorm=1.0),
    "sort": row(input=A, dim=0, descending=True, stable=True),
    "sum_to_size": row(input=x(2, 3), size=spread(1, 3, keyword="size")),
    "topk": row(input=A, k=2, dim=0, largest=False, sorted=False),
    "trapezoid": row(y=A, x=of(lambda a: a.sort().values, 2, 3), dx=0.5, dim=0),
    "trapz": row(y=A, x=of(lambda a: a.sort().values, 2, 3), dx=0.5, dim=0),
    "vector_norm": row(x=A, ord=3, dim=1, keepdim=True, dtype=torch.float64).together("dtype", x=x(2, 3, dtype=HALF)),
}
ROWS["logsumexp"] = row(input=A, dim=1, keepdim=True)
