"""Discrete Fourier transforms: torch's values and errors, the facade, dtypes. The cases verify the gradients."""

import pytest
import torch

import nexnet as nx

REAL = torch.tensor([[1.0, -2.0, 0.5, 3.0, 1.5], [0.0, 1.0, 2.0, -1.0, 4.0]], dtype=torch.float64)
COMPLEX = torch.complex(REAL, REAL.flip(0))
TRANSFORMS = [each for each in nx.fft.__all__ if not each.endswith("freq")]
OF_REAL = [each for each in TRANSFORMS if each.startswith(("rfft", "ihfft"))]


@pytest.mark.parametrize("name", TRANSFORMS)
def test_gives_what_torch_gives(name):
    data = REAL if name in OF_REAL else COMPLEX
    ours, torchs = getattr(nx.fft, name), getattr(torch.fft, name)
    calls = [lambda fn, x: fn(x), lambda fn, x: fn(x, dim=(0, 1) if name[-1] in "n2" else 0)]
    if not name.endswith("shift"):
        calls.append(lambda fn, x: fn(x, (3, 6) if name[-1] in "n2" else 3, norm="ortho"))
    for call in calls:
        expected = call(torchs, data)
        for fn in (ours, torchs):
            got = call(fn, nx.LiteTensor(data))
            assert isinstance(got, nx.LiteTensor)
            assert got.dtype == expected.dtype
            torch.testing.assert_close(got.data, expected)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_in_single_precision_and_on_the_meta_device(name):
    data = (REAL if name in OF_REAL else COMPLEX).to("meta")
    single = data.to(torch.float32 if name in OF_REAL else torch.complex64)
    for each in (data, single):
        gradient = nx.grad(lambda x: getattr(nx.fft, name)(x).abs().sum())(nx.LiteTensor(each))
        assert (gradient.shape, gradient.dtype, gradient.device.type) == (each.shape, each.dtype, "meta")


def test_frequencies():
    for name in ("fftfreq", "rfftfreq"):
        assert torch.equal(getattr(nx.fft, name)(5, 0.5).data, getattr(torch.fft, name)(5, 0.5))
        assert getattr(nx.fft, name)(4, dtype=torch.float64).dtype is torch.float64


def test_numpys_names():
    assert torch.equal(nx.fft.rfft(nx.LiteTensor(REAL), axis=0).data, torch.fft.rfft(REAL, dim=0))
    assert torch.equal(nx.fft.hfft(nx.LiteTensor(COMPLEX), axis=0).data, torch.fft.hfft(COMPLEX, dim=0))
    assert torch.equal(nx.fft.fftshift(nx.LiteTensor(REAL), axis=0).data, torch.fft.fftshift(REAL, dim=0))


def test_bad_calls_raise_what_torch_raises():
    x, z = nx.LiteTensor(REAL), nx.LiteTensor(COMPLEX)
    for call, what in [
        (lambda lib: lib.fft(x, norm="unit"), "Invalid normalization mode"),
        (lambda lib: lib.hfft(z, norm="unit"), "Invalid normalization mode"),
        (lambda lib: lib.rfft(z), "expects a real input"),
        (lambda lib: lib.fft(x, dim=2), "Dimension out of range"),
        (lambda lib: lib.fft(x, n=0), "Invalid number of data points"),
        (lambda lib: lib.fftn(x, (2, 3), dim=(0, 0)), "must be unique"),
    ]:
        for lib in (nx.fft, torch.fft):
            with pytest.raises((RuntimeError, IndexError), match=what):
                call(lib)


def test_parseval():
    """The gradient of a signal's energy, taken in its spectrum, is that of the signal."""
    energy = nx.grad(lambda x: (nx.fft.fft(x, norm="ortho").abs() ** 2).sum())
    torch.testing.assert_close(energy(REAL).data, 2 * REAL)
    torch.testing.assert_close(energy(COMPLEX).data, 2 * COMPLEX)


def test_a_convolution_in_the_spectrum():
    """Its gradient by signal and filter is that of the sum of products."""
    x, w = REAL[0], REAL[1, :3]

    def by_spectrum(x, w):
        return nx.fft.irfft(nx.fft.rfft(x, 7) * nx.fft.rfft(w, 7), 7).tanh().sum()

    def by_sums(x, w):
        return nx.conv1d(x.reshape(1, 1, -1), w.flip(0).reshape(1, 1, -1), padding=2).tanh().sum()

    for got, expected in zip(nx.grad(by_spectrum, (0, 1))(x, w), nx.grad(by_sums, (0, 1))(x, w), strict=True):
        torch.testing.assert_close(got.data, expected.data)
