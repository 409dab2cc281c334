"""Both trainings side by side: epochs alternate, so that what else the machine does hits both alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from . import train_nexnet, train_torch
from .data import Split

__all__ = ["CHUNK", "Epoch", "Observer", "Result", "Settings", "Trainer", "make_trainers", "run"]

#: Batches between two updates of the progress bar. The clock stands still while it is drawn.
CHUNK = 128


@dataclass(frozen=True)
class Settings:
    """What the experiment is run with; the defaults are the published recipe."""

    epochs: int = 10
    batch_size: int = 64
    val_batch_size: int = 1000
    lr: float = 1e-3
    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32


class Epoch(NamedTuple):
    """What one epoch gave.

    Attributes:
        train_loss: mean over the epoch's batches of the loss on which each was trained.
        train_acc: share of right answers among the same logits, each from before its batch's step.
        val_loss: mean loss on the validation set after the epoch.
        val_acc: share of right answers there.
        seconds: time of the training steps: forward, loss, gradients and update. Shuffling (done once, for both),
            accuracies and validation are not in it.
    """

    train_loss: float
    train_acc: float
    val_loss: float
    val_acc: float
    seconds: float

    def line(self, number: int) -> str:
        """Give the epoch's line of the table."""
        return f"Epoch: {number}  Train Acc: {self.train_acc:.4f}  Val Acc: {self.val_acc:.4f}  ({self.seconds:.2f}s)"


class Trainer(Protocol):
    """What the experiment asks of a framework."""

    name: str

    def step(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Train on a batch; give its loss and its logits, both from before the step."""

    def evaluate(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Give the loss and the logits of a batch."""


class Observer:
    """Is told how the experiment goes; a subclass shows it."""

    def advance(self, name: str, epoch: int, batches: int) -> None:
        """A framework has trained on some more batches of an epoch."""

    def finish_epoch(self, name: str, number: int, epoch: Epoch) -> None:
        """A framework has finished an epoch."""


@dataclass
class Result:
    """The epochs of each framework, by its name."""

    epochs: dict[str, list[Epoch]]

    @property
    def median_seconds(self) -> dict[str, float]:
        """The median time of an epoch's training steps, by framework."""
        return {name: statistics.median(each.seconds for each in epochs) for name, epochs in self.epochs.items()}

    @property
    def ratio(self) -> float:
        """The median time of nexnet over that of PyTorch."""
        medians = self.median_seconds
        return medians["nexnet"] / medians["PyTorch"]

    def largest_difference(self, column: str) -> float:
        """Give the largest difference of a column of ``Epoch`` between the two, over all epochs."""
        pairs = zip(self.epochs["nexnet"], self.epochs["PyTorch"], strict=True)
        return max(abs(getattr(mine, column) - getattr(theirs, column)) for mine, theirs in pairs)


def make_trainers(settings: Settings) -> tuple[Trainer, Trainer]:
    """Give the nexnet trainer, and the PyTorch trainer that starts from a copy of its weights."""
    mine = train_nexnet.Trainer(settings.seed, settings.lr, settings.device, settings.dtype)
    theirs = train_torch.Trainer([each.data for each in mine.model.parameters()], settings.lr)
    return mine, theirs


def run(settings: Settings, train: Split, val: Split, observer: Observer | None = None) -> Result:
    """Train both for all epochs; in odd epochs nexnet goes first, in even ones PyTorch.

    Args:
        settings: the recipe.
        train: the training samples, on the settings' device and in their dtype.
        val: the validation samples, likewise.
        observer: told about the progress.
    """
    observer = observer or Observer()
    trainers = make_trainers(settings)
    result = Result({trainer.name: [] for trainer in trainers})
    shuffle = torch.Generator().manual_seed(settings.seed)
    val_batches = val.batches(settings.val_batch_size)
    for epoch in range(1, settings.epochs + 1):
        train_batches = train.batches(settings.batch_size, shuffle)
        for trainer in trainers if epoch % 2 else trainers[::-1]:
            advance = partial(observer.advance, trainer.name, epoch)
            result.epochs[trainer.name].append(_epoch(trainer, train_batches, val_batches, settings.device, advance))
            observer.finish_epoch(trainer.name, epoch, result.epochs[trainer.name][-1])
        del train_batches  # before the next ones are gathered
    return result


def _epoch(
    trainer: Trainer,
    train_batches: Sequence[tuple[Tensor, Tensor]],
    val_batches: Sequence[tuple[Tensor, Tensor]],
    device: torch.device,
    advance: Callable[[int], None],
) -> Epoch:
    seconds = 0.0
    outcomes: list[tuple[Tensor, Tensor]] = []
    for start in range(0, len(train_batches), CHUNK):
        chunk = train_batches[start : start + CHUNK]
        _synchronize(device)
        before = time.perf_counter()
        for x, y in chunk:
            outcomes.append(trainer.step(x, y))
        _synchronize(device)
        seconds += time.perf_counter() - before
        advance(len(chunk))
    train_loss, train_acc = _mean(outcomes, train_batches)
    val_loss, val_acc = _mean([trainer.evaluate(x, y) for x, y in val_batches], val_batches)
    return Epoch(train_loss, train_acc, val_loss, val_acc, seconds)


def _mean(outcomes: Sequence[tuple[Tensor, Tensor]], batches: Sequence[tuple[Tensor, Tensor]]) -> tuple[float, float]:
    """Give the mean loss and the accuracy over all samples, from the losses and logits of the batches."""
    labels = [y for _, y in batches]
    sizes = torch.tensor([len(y) for y in labels], dtype=torch.float64)
    losses = torch.stack([loss for loss, _ in outcomes]).to("cpu", torch.float64)
    answers = torch.cat([logits for _, logits in outcomes]).argmax(1)
    right = (answers == torch.cat(labels)).sum().item()
    return (losses @ sizes / sizes.sum()).item(), right / int(sizes.sum())


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
