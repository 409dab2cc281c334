"""The rows of ``nexnet.ops.elementwise``."""

import torch

from .row import each, of, positive, row, t, unit, x, z

A, B = x(2, 3), x(3)
GREAT = x(2, 3, low=1.1, high=3.0)


def unary(names, tensor):
    return {name: row(input=tensor) for name in names.split()}


ROWS = {
    **unary(
        "abs asinh atan conj conj_physical cos cosh deg2rad erf erfc exp exp2 expm1 frac frexp i0 neg positive "
        "rad2deg resolve_conj resolve_neg sgn sigmoid sin sinc sinh special_bessel_j0 special_bessel_j1 "
        "special_erfcx special_i0e special_i1 special_i1e special_log_ndtr special_modified_bessel_i0 "
        "special_modified_bessel_i1 special_ndtr special_spherical_bessel_j0 square tan tanh angle",
        A,
    ),
    **unary("imag real view_as_real", z(2, 3)),
    **unary("view_as_complex", x(2, 3, 2)),
    **unary("acos asin atanh erfinv special_entr special_ndtri", unit(2, 3)),
    **unary("acosh", GREAT),
    **unary(
        "digamma lgamma log log10 log1p log2 reciprocal rsqrt special_bessel_y0 special_bessel_y1 "
        "special_modified_bessel_k0 special_modified_bessel_k1 special_scaled_modified_bessel_k0 "
        "special_scaled_modified_bessel_k1 sqrt",
        positive(2, 3),
    ),
    **{
        name: row(input=A, other=B)
        for name in [
            "atan2",
            "copysign",
            "fmax",
            "fmin",
            "fmod",
            "hypot",
            "logaddexp",
            "logaddexp2",
            "maximum",
            "minimum",
            "mul",
            "nextafter",
        ]
    },
    **{name: row(input=A, other=positive(3)) for name in ("ldexp", "remainder", "special_xlog1py", "xlogy")},
    **{name: row(input=positive(2, 3), other=positive(3)).constant("input") for name in ("igamma", "igammac")},
    "add": row(input=A, other=B, alpha=2.5),
    "addcdiv": row(input=A, tensor1=B, tensor2=positive(2, 3), value=2.5),
    "addcmul": row(input=A, tensor1=B, tensor2=x(2, 3), value=2.5),
    "clamp": row(input=A, min=-0.5, max=0.5).always(min=-1.0),
    "clamp_max": row(input=A, max=B),
    "clamp_min": row(input=A, min=B),
    "complex": row(real=A, imag=x(2, 3)),
    "div": row(input=A, other=positive(3), rounding_mode=each("floor", "trunc")),
    "fake_quantize_per_channel_affine": row(
        input=x(2, 3, dtype=torch.float32),
        scale=t([0.1, 0.2], torch.float32),
        zero_point=t([0, 1], torch.int32),
        axis=0,
        quant_min=-8,
        quant_max=8,
    ).constant("scale"),
    "fake_quantize_per_tensor_affine": row(input=A, scale=0.1, zero_point=1, quant_min=-8, quant_max=8),
    "float_power": row(input=positive(2, 3), exponent=B),
    "heaviside": row(input=A, values=B),
    "lerp": row(input=A, end=B, weight=unit(2, 3)),
    "logit": row(input=unit(2, 3), eps=0.3),
    "mvlgamma": row(input=GREAT, p=2),
    "nan_to_num": row(input=of(lambda a: a / a.clamp(min=0), 2, 3), nan=1.0, posinf=2.0, neginf=3.0),
    "polar": row(abs=positive(2, 3), angle=x(2, 3)),
    "polygamma": row(n=1, input=positive(2, 3)),
    "pow": row(input=positive(2, 3), exponent=B),
    "rsub": row(input=A, other=B, alpha=2.5),
    "special_zeta": row(input=GREAT, other=positive(3)).constant("input"),
    "sub": row(input=A, other=B, alpha=2.5),
    "where": row(condition=of(lambda a: a > 0, 2, 3), input=A, other=B).always(input=A, other=B),
}
