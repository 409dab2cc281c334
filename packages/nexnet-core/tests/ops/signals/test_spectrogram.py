"""stft and istft: torch's values and errors, and the way there and back. The cases verify the gradients."""

import pytest
import torch

import nexnet as nx
from nexnet.errors import InputError

SIGNAL = torch.linspace(-1, 2, 40, dtype=torch.float64).sin().reshape(2, 20)
WINDOW = torch.hann_window(8, dtype=torch.float64)
CALLS = {
    "plain": {},
    "hop": {"hop_length": 3},
    "narrow window": {"win_length": 5, "window": WINDOW[:5]},
    "not centred": {"center": False},
    "aligned": {"center": False, "align_to_window": True, "win_length": 4, "window": WINDOW[2:6]},
    "normalized": {"normalized": True, "pad_mode": "constant"},
    "both sides": {"onesided": False},
    "real and imaginary": {"return_complex": False},
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.filterwarnings("ignore:stft with return_complex=False")
def test_stft_gives_what_torch_gives(name):
    options = {"window": WINDOW, "return_complex": True, **CALLS[name]}
    for data in (SIGNAL, SIGNAL[0]):
        expected = torch.stft(data, 8, **options)
        x = nx.LiteTensor(data)
        for got in (nx.stft(x, 8, **options), torch.stft(x, 8, **options), x.stft(8, **options)):
            torch.testing.assert_close(got.data, expected)


@pytest.mark.parametrize(
    "options",
    [{}, {"length": 15}, {"length": 25}, {"normalized": True}, {"win_length": 6, "window": WINDOW[1:7]}],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:The length of signal is shorter")
def test_istft_gives_what_torch_gives(options):
    options = {"window": WINDOW, **options}
    spectra = torch.stft(SIGNAL, 8, window=WINDOW, return_complex=True)
    expected = torch.istft(spectra, 8, **options)
    x = nx.LiteTensor(spectra)
    for got in (nx.istft(x, 8, **options), torch.istft(x, 8, **options), x.istft(8, **options)):
        torch.testing.assert_close(got.data, expected)


def test_there_and_back_is_the_identity():
    def way(x, window):
        return nx.istft(nx.stft(x, 8, window=window, return_complex=True), 8, window=window, length=20)

    x, window = nx.LiteTensor(SIGNAL), nx.LiteTensor(WINDOW + 0.1)
    torch.testing.assert_close(way(x, window).data, SIGNAL)
    slope, none = nx.grad(lambda x, window: (way(x, window) ** 2).sum(), (0, 1))(x, window)
    torch.testing.assert_close(slope.data, 2 * SIGNAL)
    torch.testing.assert_close(none.data, torch.zeros(8, dtype=torch.float64), atol=1e-12, rtol=0)


def test_in_single_precision_and_on_the_meta_device():
    for data in (SIGNAL.to("meta"), SIGNAL.to("meta", torch.float32)):
        window = WINDOW.to(data)

        def loss(x, window=window):
            return nx.istft(nx.stft(x, 8, window=window, return_complex=True), 8, window=window).sum()

        gradient = nx.grad(loss)(nx.LiteTensor(data))
        assert (gradient.shape, gradient.dtype, gradient.device.type) == (data.shape, data.dtype, "meta")


def test_bad_calls():
    x = nx.LiteTensor(SIGNAL)
    for options, what in [
        ({}, "needs to know what to return"),
        ({"return_complex": True, "align_to_window": True}, "align_to_window is for center=False"),
        ({"return_complex": True, "hop_length": 0}, "expected hop_length > 0"),
        ({"return_complex": True, "win_length": 9}, "expected 0 < win_length <= n_fft"),
    ]:
        with pytest.raises((InputError, RuntimeError), match=what):
            nx.stft(x, 8, window=WINDOW, **options)
    spectra = nx.LiteTensor(torch.stft(SIGNAL, 8, window=WINDOW, return_complex=True))
    for z, options, argument in [
        (x, {}, "input"),
        (spectra[0, 0][None, None, None], {}, "input"),
        (spectra[:, :4], {}, "input"),
        (spectra, {"win_length": 9}, "win_length"),
        (spectra, {"hop_length": 9}, "hop_length"),
        (spectra, {"window": WINDOW[:7]}, "window"),
        (spectra, {"onesided": True, "return_complex": True}, "onesided"),
    ]:
        with pytest.raises(InputError, match=rf"istft can't take this(.|\n)*argument: +{argument}"):
            nx.istft(z, 8, **{"window": WINDOW, **options})
    with pytest.raises(InputError, match="the window is zero at a place"):
        nx.istft(spectra, 8, window=torch.zeros(8))
