"""The rows of ``nexnet.ops.signals``."""

from .row import positive, row, x, z

ONE = {"n": 5, "dim": 0, "norm": "ortho"}
MANY = {"s": (2, 5), "dim": (0, 1), "norm": "forward"}
WINDOW = {
    "hop_length": 3,
    "win_length": 6,
    "window": positive(8),
    "center": False,
    "normalized": True,
    "onesided": False,
}

ROWS = {
    **{f"fft_{name}": row(input=z(3, 4, 4), **ONE) for name in ("fft", "hfft", "ifft", "irfft")},
    **{f"fft_{name}": row(input=x(3, 4, 4), **ONE) for name in ("ihfft", "rfft")},
    **{
        f"fft_{name}{many}": row(input=z(3, 4, 4), **MANY)
        for name in ("fft", "hfft", "ifft", "irfft")
        for many in ("2", "n")
    },
    **{f"fft_{name}{many}": row(input=x(3, 4, 4), **MANY) for name in ("ihfft", "rfft") for many in ("2", "n")},
    **{f"fft_{name}": row(input=z(3, 4), dim=1) for name in ("fftshift", "ifftshift")},
    "stft": row(input=x(2, 20), n_fft=8, **WINDOW, pad_mode="constant", return_complex=False, align_to_window=True)
    .always(return_complex=True, window=positive(8))
    .together("win_length", window=positive(6))
    .together("align_to_window", center=False)
    .together("return_complex", return_complex=False),
    "istft": row(input=z(2, 5, 7), n_fft=8, **WINDOW, length=17, return_complex=True)
    .always(window=positive(8))
    .together("win_length", window=positive(6))
    .together("return_complex", onesided=False, input=z(2, 8, 7))
    .together("onesided", input=z(2, 8, 7)),
}
