"""The rows of ``nexnet.ops.images``."""

import torch

from .row import each, of, row, x

WIDE = {1: (1, 2, 7), 2: (1, 2, 5, 6), 3: (1, 2, 4, 4, 5)}
DIMS = (1, 2, 3)


def wide(dims):
    return x(*WIDE[dims])


def places(dims):
    """Give indices for max_unpool: where a maximum was taken from."""
    pool = {1: torch.nn.functional.max_pool1d, 2: torch.nn.functional.max_pool2d, 3: torch.nn.functional.max_pool3d}
    return of(lambda a: pool[dims](a, 2, return_indices=True)[1], 1, 2, *[4] * dims)


WINDOW = {"stride": 1, "padding": 1, "ceil_mode": True}
UNPOOL = {"stride": 2, "padding": 0}

ROWS = {
    **{
        f"conv{n}d": row(
            input=x(*WIDE[n]),
            weight=x(4, 2, *[2] * n),
            bias=x(4),
            stride=each(2, (2,) * n),
            padding=each(1, (1,) * n, "same", "valid"),
            dilation=2,
            groups=2,
        ).together("groups", weight=x(4, 1, *[2] * n))
        for n in DIMS
    },
    **{
        f"conv_transpose{n}d": row(
            input=x(*WIDE[n]),
            weight=x(2, 4, *[2] * n),
            bias=x(4),
            stride=2,
            padding=1,
            output_padding=1,
            groups=2,
            dilation=2,
        ).together("output_padding", stride=2)
        for n in DIMS
    },
    **{f"adaptive_avg_pool{n}d": row(input=wide(n), output_size=2) for n in DIMS},
    **{f"adaptive_max_pool{n}d": row(input=wide(n), output_size=2, return_indices=True) for n in DIMS},
    **{f"adaptive_max_pool{n}d_with_indices": row(input=wide(n), output_size=2, return_indices=True) for n in DIMS},
    **{
        f"avg_pool{n}d": row(
            input=wide(n),
            kernel_size=2,
            **WINDOW,
            count_include_pad=False,
            **({"divisor_override": 3} if n > 1 else {}),
        ).together("count_include_pad", padding=1)
        for n in DIMS
    },
    **{
        f"lp_pool{n}d": row(input=x(*WIDE[n], low=0.2), norm_type=3.0, kernel_size=2, stride=1, ceil_mode=True)
        for n in DIMS
    },
    **{f"max_pool{n}d": row(input=wide(n), kernel_size=2, **WINDOW, dilation=2, return_indices=True) for n in DIMS},
    **{
        f"max_pool{n}d_with_indices": row(input=wide(n), kernel_size=2, **WINDOW, dilation=2, return_indices=True)
        for n in DIMS
    },
    **{
        f"fractional_max_pool{n}d": row(
            input=wide(n),
            kernel_size=2,
            output_size=2,
            output_ratio=(0.5,) * n,
            return_indices=True,
            _random_samples=x(1, 2, n, low=0.0, high=1.0),
        )
        .constant("_random_samples")
        .always(output_size=2)
        .together("output_ratio", output_size=None)
        for n in (2, 3)
    },
    **{
        f"fractional_max_pool{n}d_with_indices": row(
            input=wide(n),
            kernel_size=2,
            output_size=2,
            output_ratio=(0.5,) * n,
            return_indices=True,
            _random_samples=x(1, 2, n, low=0.0, high=1.0),
        )
        .constant("_random_samples")
        .always(output_size=2)
        .together("output_ratio", output_size=None)
        for n in (2, 3)
    },
    **{
        f"max_unpool{n}d": row(
            input=x(1, 2, *[2] * n),
            indices=places(n),
            kernel_size=2,
            stride=2,
            padding=1,
            output_size=(5,) * n,
        ).together("padding", kernel_size=4, stride=2)
        for n in DIMS
    },
    "affine_grid": row(theta=x(1, 2, 3), size=(1, 2, 3, 4), align_corners=True),
    "affine_grid_generator": row(theta=x(1, 2, 3), size=(1, 2, 3, 4), align_corners=True),
    "channel_shuffle": row(input=x(1, 4, 2, 2), groups=2),
    "conv_tbc": row(input=x(5, 2, 3), weight=x(2, 3, 4), bias=x(4), pad=1),
    "convolution": row(
        input=x(1, 2, 5, 6),
        weight=x(4, 2, 2, 2),
        bias=x(4),
        stride=(1, 1),
        padding=(0, 0),
        dilation=(1, 1),
        transposed=False,
        output_padding=(0, 0),
        groups=1,
    ),
    "fold": row(input=x(1, 8, 4), output_size=(3, 3), kernel_size=2, dilation=2, padding=1, stride=2)
    .together("dilation", input=x(1, 8, 1))
    .together("padding", input=x(1, 8, 16))
    .together("stride", input=x(1, 8, 1)),
    "grid_sample": row(
        input=wide(2),
        grid=x(1, 3, 3, 2, low=-1.2, high=1.2),
        mode=each("nearest", "bicubic"),
        padding_mode=each("border", "reflection"),
        align_corners=True,
    ).always(align_corners=False),
    "grid_sampler": row(
        input=wide(2), grid=x(1, 3, 3, 2, low=-1.2, high=1.2), interpolation_mode=0, padding_mode=1, align_corners=True
    ),
    "interpolate": row(
        input=wide(2),
        size=(3, 4),
        scale_factor=1.5,
        mode=each("bilinear", "bicubic", "area"),
        align_corners=True,
        recompute_scale_factor=True,
        antialias=True,
    )
    .always(size=4)
    .together("scale_factor", size=None)
    .together("align_corners", mode="bilinear")
    .together("recompute_scale_factor", size=None, scale_factor=1.5)
    .together("antialias", mode="bilinear"),
    "pixel_shuffle": row(input=x(1, 4, 2, 2), upscale_factor=2),
    "pixel_unshuffle": row(input=x(1, 1, 4, 4), downscale_factor=2),
    "unfold": row(input=wide(2), kernel_size=2, dilation=2, padding=1, stride=2),
    "upsample": row(input=wide(2), size=(3, 4), scale_factor=1.5, mode="bilinear", align_corners=True)
    .always(size=4)
    .together("scale_factor", size=None)
    .together("align_corners", mode="bilinear"),
    "upsample_bilinear": row(input=wide(2), size=(3, 4), scale_factor=2)
    .always(size=4)
    .together("scale_factor", size=None),
    "upsample_nearest": row(input=wide(2), size=(3, 4), scale_factor=2)
    .always(size=4)
    .together("scale_factor", size=None),
}
