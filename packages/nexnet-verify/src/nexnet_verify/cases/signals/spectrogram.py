"""The Fourier transform through a moving window."""

# ruff: noqa: D103  a formula's pieces are described by their names

from __future__ import annotations

from .._case import Case, Sample
from .._draw import COMPLEX, POSITIVE, REAL, Draw

SIGNALS = ("plain", "strided")
OWN = "JAX's stft pads and scales by SciPy's conventions"


def signals(d: Draw) -> Sample:
    width = d.choice(6, 5, 4)
    x = d.tensor(d.choice((14,), (2, 13)), d.choice(REAL, COMPLEX))
    window = d.tensor((width,), d.choice(POSITIVE, COMPLEX))
    whole = x.dtype.is_complex or window.dtype.is_complex
    return Sample(
        x,
        6,
        d.choice(2, None, 3),
        width,
        window,
        d.choice(True, False),
        d.choice("reflect", "constant"),
        normalized=d.flag(),
        onesided=None if whole else d.choice(None, False),
        return_complex=True if whole else d.choice(True, False),
    )


def spectra(d: Draw) -> Sample:
    center, whole = d.choice(True, False), d.flag()
    width = d.choice(6, 5) if center else 6
    x = d.tensor((*d.choice((), (2,)), 6 if whole else 4, 5), COMPLEX)
    # Every place of the signal is in a window; one of 5 misses the last, which center cuts off but for a length.
    options = {"length": d.choice(None, 7, 14 if width == 6 else 10), "return_complex": whole and d.flag()}
    return Sample(x, 6, 2, width, d.tensor((width,), POSITIVE), center, normalized=d.flag(), **options)


CASES = [
    Case(name="stft", inputs=signals, without_jax=OWN, layouts=SIGNALS),
    Case(name="istft", inputs=spectra, without_jax=OWN, layouts=SIGNALS),
]
