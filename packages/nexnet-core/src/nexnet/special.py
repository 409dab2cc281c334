"""Special functions, under the names of ``torch.special``: ``nexnet.special.zeta(x, q)`` is ``torch.special.zeta``.

Each is an operator of ``nexnet.ops``, where its formula stands.
"""

from __future__ import annotations

from .ops import (
    digamma,
    erf,
    erfc,
    erfinv,
    exp2,
    expm1,
    i0,
    igamma,
    igammac,
    log1p,
    log_softmax,
    logit,
    logsumexp,
    polygamma,
    round,
    sigmoid,
    sinc,
    softmax,
    xlogy,
)
from .ops import lgamma as gammaln
from .ops import mvlgamma as multigammaln
from .ops import special_bessel_j0 as bessel_j0
from .ops import special_bessel_j1 as bessel_j1
from .ops import special_bessel_y0 as bessel_y0
from .ops import special_bessel_y1 as bessel_y1
from .ops import special_entr as entr
from .ops import special_erfcx as erfcx
from .ops import special_i0e as i0e
from .ops import special_i1 as i1
from .ops import special_i1e as i1e
from .ops import special_log_ndtr as log_ndtr
from .ops import special_modified_bessel_i0 as modified_bessel_i0
from .ops import special_modified_bessel_i1 as modified_bessel_i1
from .ops import special_modified_bessel_k0 as modified_bessel_k0
from .ops import special_modified_bessel_k1 as modified_bessel_k1
from .ops import special_ndtr as ndtr
from .ops import special_ndtri as ndtri
from .ops import special_scaled_modified_bessel_k0 as scaled_modified_bessel_k0
from .ops import special_scaled_modified_bessel_k1 as scaled_modified_bessel_k1
from .ops import special_spherical_bessel_j0 as spherical_bessel_j0
from .ops import special_xlog1py as xlog1py
from .ops import special_zeta as zeta

expit, gammainc, gammaincc, psi = sigmoid, igamma, igammac, digamma

__all__ = [
    "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "digamma", "entr", "erf", "erfc", "erfcx", "erfinv", "exp2",
    "expit", "expm1", "gammainc", "gammaincc", "gammaln", "i0", "i0e", "i1", "i1e", "log1p", "log_ndtr", "log_softmax",
    "logit", "logsumexp", "modified_bessel_i0", "modified_bessel_i1", "modified_bessel_k0", "modified_bessel_k1",
    "multigammaln", "ndtr", "ndtri", "polygamma", "psi", "round", "scaled_modified_bessel_k0",
    "scaled_modified_bessel_k1", "sinc", "softmax", "spherical_bessel_j0", "xlog1py", "xlogy", "zeta",
]  # fmt: skip
