"""The MNIST files: gzipped IDX, each checked against the SHA-256 of its contents."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = ["DATA", "FILES", "DataError", "Split", "load", "read_idx"]

DATA = Path(__file__).parent / "data"

#: Mean and standard deviation of the training images' pixels, on a scale from 0 to 1.
MEAN, STD = 0.1307, 0.3081


class DataError(Exception):
    """A file is missing, cut or corrupt. The text is one line."""


class File(NamedTuple):
    """What a file holds once it is unpacked."""

    name: str
    shape: tuple[int, ...]
    sha256: str

    @property
    def header(self) -> bytes:
        """IDX: two zero bytes, the type (8: unsigned bytes), the number of dimensions, and each as a big-endian int."""
        return bytes([0, 0, 8, len(self.shape)]) + b"".join(size.to_bytes(4, "big") for size in self.shape)

    @property
    def size(self) -> int:
        """The number of bytes, unpacked."""
        return len(self.header) + torch.Size(self.shape).numel()

    def __str__(self) -> str:
        return f"expected gzipped IDX of shape {self.shape}, {self.size:,} bytes unpacked with SHA-256 {self.sha256}"


FILES = {
    file.name: file
    for file in (
        File(
            "train-images-idx3-ubyte.gz",
            (60_000, 28, 28),
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        File(
            "train-labels-idx1-ubyte.gz",
            (60_000,),
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        File(
            "t10k-images-idx3-ubyte.gz",
            (10_000, 28, 28),
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        File(
            "t10k-labels-idx1-ubyte.gz",
            (10_000,),
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    )
}


class Split(NamedTuple):
    """Images (n, 784), standardised, and labels (n,) of dtype int64."""

    images: Tensor
    labels: Tensor

    def batches(self, size: int, generator: torch.Generator | None = None) -> list[tuple[Tensor, Tensor]]:
        """Give all samples in batches, the last of which may be smaller; shuffled if a generator is given.

        The shuffled samples are gathered once, so that a batch is a contiguous view.
        """
        images, labels = self
        if generator is not None:
            order = torch.randperm(len(labels), generator=generator).to(labels.device)
            images, labels = images[order], labels[order]
        return list(zip(images.split(size), labels.split(size), strict=True))


def load(folder: Path = DATA, dtype: torch.dtype = torch.float32, device: Any = "cpu") -> tuple[Split, Split]:
    """Read the 60,000 training and the 10,000 validation samples; pixels are standardised by MEAN and STD.

    Raises:
        DataError: a file is missing, cut or corrupt.
    """
    splits = []
    for prefix in ("train", "t10k"):
        images = read_idx(folder / f"{prefix}-images-idx3-ubyte.gz")
        labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz")
        pixels = images.flatten(1).to(device=device, dtype=dtype)
        splits.append(Split(pixels.div_(255).sub_(MEAN).div_(STD), labels.to(device=device, dtype=torch.int64)))
    return splits[0], splits[1]


def read_idx(path: Path) -> Tensor:
    """Read one of the four files, known by its name, as a tensor of unsigned bytes.

    Raises:
        DataError: it is missing, cut or corrupt.
    """
    file = FILES[path.name]
    try:
        with gzip.open(path) as stream:
            contents = stream.read(file.size + 1)
    except EOFError:
        raise DataError(f"{path}: the file is cut short ({path.stat().st_size:,} bytes); {file}") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: the file is corrupt ({error}); {file}") from None
    except OSError as error:
        raise DataError(f"{path}: can't read it ({error.strerror or error}); {file}") from None
    sha256 = hashlib.sha256(contents).hexdigest()
    if sha256 != file.sha256 or not contents.startswith(file.header):
        raise DataError(f"{path}: the file is corrupt (SHA-256 {sha256} unpacked); {file}")
    return torch.frombuffer(bytearray(contents), dtype=torch.uint8, offset=len(file.header)).reshape(file.shape)
