"""Signals and their spectra.

``fourier`` has what stands in ``torch.fft``, ``spectrogram`` stft and istft.
"""

from .fourier import *
from .spectrogram import *
