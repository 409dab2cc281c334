"""The Fourier transform of a signal seen through a window that moves along it, and its inverse."""

from __future__ import annotations

from typing import Any

import torch

from ...errors import InputError, message
from ...policy import Policy, function, implements
from .._names import composite
from .._vmap_kernels import is_mapped
from ..elementwise.complex_numbers import view_as_real
from ..shapes.padding import constant_pad_nd, pad
from ..shapes.windows import unfold_backward
from .fourier import ADJOINT, half_adjoint, half_spectrum_adjoint

__all__ = ["istft", "stft"]


_kernels: Any = torch._C._VariableFunctions  # torch.stft without its padding, which is an operator of its own here


class _stft(Policy):
    """y_kt = sum_n w_n x_(t hop + n) exp(-2 pi i k n / N).

    With d_tn = sum_k g_kt exp(2 pi i k n / N), dx_m = the sum of conj(w_n) d_tn over t hop + n = m, and
    dw_n = sum_t conj(x_(t hop + n)) d_tn.
    """

    complex_rule = "own"

    def forward(
        self, input: Any, n_fft: int, hop: int, win_length: int, window: Any, normalized: bool, onesided: bool
    ) -> Any:
        self.ctx.save(input, window, n_fft, hop, win_length, normalized, onesided)
        if not is_mapped(input, window):
            return _kernels.stft(input, n_fft, hop, win_length, window, normalized, onesided, True)
        seen = input.unfold(-1, n_fft, hop) * _seen_through(window, input, n_fft, win_length)
        transform = torch.fft.rfft if onesided else torch.fft.fft
        return transform(seen, norm="ortho" if normalized else "backward").transpose(-1, -2)

    def backward(self, grad: Any) -> Any:
        input, window, n_fft, hop, win_length, normalized, onesided = self.ctx.release
        norm = "ortho" if normalized else "forward"
        spectra = grad.transpose(-1, -2)
        if onesided:
            frames = half_spectrum_adjoint(spectra, (n_fft,), (spectra.ndim - 1,), norm)
        else:
            frames = torch.fft.ifft(spectra, norm=norm)
        dx = dw = None
        if self.ctx.needs_input_grad[0]:
            seen = frames if window is None else frames * torch.conj(_centred(window, n_fft, win_length))
            dx = unfold_backward(seen, input.shape, -1, n_fft, hop)
        if self.ctx.needs_input_grad[4]:
            products = torch.conj(input.unfold(-1, n_fft, hop)) * frames
            products = products.sum(tuple(range(products.ndim - 1)))
            dw = _middle(products, win_length)
        return dx, None, None, None, dw


_transform = function(_stft)
_transform.leaf = True


def _centred(window: Any, n_fft: int, win_length: int) -> Any:
    """Give the window with zeros around it, as wide as the transform."""
    left = (n_fft - win_length) // 2
    return torch.constant_pad_nd(window, [left, n_fft - win_length - left]) if win_length != n_fft else window


def _middle(x: Any, win_length: int) -> Any:
    """Give what ``_centred`` was given."""
    n_fft = x.shape[-1]
    return x.narrow(-1, (n_fft - win_length) // 2, win_length) if win_length != n_fft else x


@implements(torch.stft)
@composite
def stft(
    input: Any,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Any = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Any:
    """The spectra of the frames of a signal, shape (..., frequencies, frames), by torch.stft's rules."""
    is_complex = input.dtype.is_complex or (window is not None and window.dtype.is_complex)
    if return_complex is None and not is_complex:
        raise InputError(
            message("stft needs to know what to return.", rule="stft", argument="return_complex",
                    expected="True, or False for real and imaginary parts in a last dimension")
        )  # fmt: skip
    win_length = n_fft if win_length is None else win_length
    if center:
        if align_to_window is not None:
            raise InputError(message("align_to_window is for center=False.", rule="stft", argument="align_to_window"))
        both = [n_fft // 2] * 2
        input = pad(input, both, pad_mode) if input.ndim > 1 else pad(input.unsqueeze(0), both, pad_mode).squeeze(0)
    elif align_to_window:
        left = (n_fft - win_length) // 2
        input = constant_pad_nd(input, [left, n_fft - win_length - left])
    hop = n_fft // 4 if hop_length is None else hop_length
    out = _transform(
        input, n_fft, hop, win_length, window, normalized, not is_complex if onesided is None else onesided
    )
    return view_as_real(out) if return_complex is False else out


class _istft(Policy):
    """The frames f_tn = (F^-1 y_t)_n w_n, added to s_m where t hop + n = m, over e_m, the same sum of w_n^2.

    With d = g / e:  dy_t = (F^-1)^H (d_(t hop + n) conj w_n), and dw_n = sum_t d_(t hop + n) conj(F^-1 y_t)_n less
    2 conj w_n times the sum over t of (d conj(s / e))_(t hop + n).
    """

    complex_rule = "own"

    def forward(
        self,
        input: Any,
        window: Any,
        n_fft: int,
        hop: int,
        win_length: int,
        norm: str,
        return_complex: bool,
        start: int,
        end: int,
    ) -> Any:
        frames = _frames(input, n_fft, norm, return_complex)
        seen = _seen_through(window, frames, n_fft, win_length)
        size = n_fft + hop * (frames.shape[-2] - 1)
        signal = unfold_backward(frames * seen, [*frames.shape[:-2], size], -1, n_fft, hop)
        envelope = _envelope(seen, frames.shape[-2], hop, start, min(end, size))
        if not (envelope.is_meta or bool(_plainly(envelope.abs() > 1e-11).all())):
            raise InputError(
                message(
                    "the window is zero at a place that no other frame covers: the signal there is lost.",
                    rule="istft",
                    argument="window",
                    remedy="a smaller hop_length or length, another window, or center=True",
                )
            )
        out = signal[..., start:end] / envelope
        self.ctx.save(input, window, out, n_fft, hop, win_length, norm, return_complex, start, size)
        return out

    def backward(self, grad: Any) -> Any:
        input, window, out, n_fft, hop, win_length, norm, return_complex, start, size = self.ctx.release
        count, length = input.shape[-1], out.shape[-1]
        seen = _seen_through(window, grad, n_fft, win_length)
        d = grad / _envelope(seen, count, hop, start, start + length).conj()
        d = torch.constant_pad_nd(d, [start, size - start - length]) if length != size else d
        by_frame = d.unfold(-1, n_fft, hop)
        dx = dw = None
        if self.ctx.needs_input_grad[0]:
            spectra = by_frame * seen.conj()
            if return_complex:
                dx = torch.fft.fft(spectra, norm=ADJOINT[norm])
            else:
                dx = half_adjoint(spectra, (n_fft,), (spectra.ndim - 1,), ADJOINT[norm])
                if dx.shape[-1] != input.shape[-2]:
                    dx = torch.constant_pad_nd(dx, [0, input.shape[-2] - dx.shape[-1]])
            dx = dx.transpose(-1, -2)
        if self.ctx.needs_input_grad[1]:
            whole = torch.constant_pad_nd(out, [start, size - start - length]) if length != size else out
            through = (d * whole.conj()).unfold(-1, n_fft, hop)
            products = by_frame * _frames(input, n_fft, norm, return_complex).conj() - 2 * through * seen.conj()
            dw = _middle(products.sum(tuple(range(products.ndim - 1))), win_length)
        return dx, dw


_inverse_transform = function(_istft)
_inverse_transform.leaf = True


def _frames(spectra: Any, n_fft: int, norm: str, return_complex: bool) -> Any:
    spectra = spectra.transpose(-1, -2)
    if return_complex:
        return torch.fft.ifft(spectra, norm=norm)
    half = n_fft // 2 + 1
    return torch.fft.irfft(spectra if spectra.shape[-1] == half else spectra[..., :half], n_fft, norm=norm)


def _seen_through(window: Any, like: Any, n_fft: int, win_length: int) -> Any:
    """Give the window, centred; without one, ones."""
    if window is None:
        window = torch.ones(win_length, dtype=like.dtype, device=like.device)
    return _centred(window, n_fft, win_length)


def _plainly(x: Any) -> Any:
    """Give all examples of a mapped tensor at once."""
    while torch._C._functorch.is_functorch_wrapped_tensor(x):
        x = torch._C._functorch.get_unwrapped(x)
    return x


def _envelope(window: Any, count: int, hop: int, start: int, end: int) -> Any:
    """Give the sum of the squares of a centred window in all its places."""
    n_fft = window.shape[-1]
    size = n_fft + hop * (count - 1)
    return unfold_backward((window * window).expand(count, n_fft), [size], -1, n_fft, hop)[start:end]


@implements(torch.istft)
@composite
def istft(
    input: Any,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Any = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Any:
    """The signal of which these are the spectra: the frames through the window, added, over the sum of its squares."""
    hop = n_fft // 4 if hop_length is None else hop_length
    win_length = n_fft if win_length is None else win_length
    onesided = input.shape[-2] != n_fft if onesided is None else onesided
    _check_spectra(input, n_fft, hop, win_length, window, onesided, return_complex)
    size = n_fft + hop * (input.shape[-1] - 1)
    start = n_fft // 2 if center else 0
    end = start + length if length is not None else size - start
    norm = "ortho" if normalized else "backward"
    signal = _inverse_transform(input, window, n_fft, hop, win_length, norm, return_complex, start, end)
    return constant_pad_nd(signal, [0, end - size]) if end > size else signal


def _check_spectra(
    input: Any, n_fft: int, hop: int, win_length: int, window: Any, onesided: bool, return_complex: bool
) -> None:
    rows = n_fft // 2 + 1 if onesided else n_fft
    complex_window = window is not None and window.dtype.is_complex
    wrong = [
        ("input", "a complex tensor, as of stft with return_complex=True", input.dtype, not input.dtype.is_complex),
        ("input", "shape (frequencies, frames) or (batch, frequencies, frames), not empty", tuple(input.shape),
         input.ndim not in (2, 3) or input.numel() == 0),
        ("input", f"{rows} frequencies", tuple(input.shape), input.shape[-2] != rows),
        ("win_length", f"more than 0, at most n_fft={n_fft}", win_length, not 0 < win_length <= n_fft),
        ("hop_length", f"more than 0, at most win_length={win_length}", hop, not 0 < hop <= win_length),
        ("window", f"shape ({win_length},)", None if window is None else tuple(window.shape),
         window is not None and tuple(window.shape) != (win_length,)),
        ("onesided", "False for a complex signal or window", onesided, onesided and (return_complex or complex_window)),
        ("return_complex", "True for a complex window", return_complex, complex_window and not return_complex),
    ]  # fmt: skip
    for argument, expected, got, is_wrong in wrong:
        if is_wrong:
            raise InputError(
                message("istft can't take this argument.", rule="istft", argument=argument, expected=expected, got=got)
            )
