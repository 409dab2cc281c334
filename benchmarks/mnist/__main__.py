"""The command line: ``python -m benchmarks.mnist``, or ``nox -s mnist``, from the root of the repository."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from .data import DATA, DataError, load
from .experiment import Epoch, Observer, Result, Settings, run

DTYPES = {"float32": torch.float32, "float64": torch.float64}


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments, and exit with code 2."""
        self.exit(2, f"error: {message} (see --help)\n")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the arguments."""
    parser = Parser(
        prog="python -m benchmarks.mnist",
        description="Train 784-256-64-10 on MNIST with nexnet and with PyTorch, from the same weights and batches.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    defaults = Settings()
    parser.add_argument("--epochs", type=_positive, default=defaults.epochs, help="how often to see all samples")
    parser.add_argument("--batch-size", type=_positive, default=defaults.batch_size, help="samples per training step")
    parser.add_argument("--lr", type=_rate, default=defaults.lr, help="learning rate of SGD")
    parser.add_argument("--device", type=_device, default="cpu", help="where to train both")
    parser.add_argument("--data", type=Path, metavar="DIR", default=DATA, help="where the four MNIST files are")
    parser.add_argument("--seed", type=int, default=defaults.seed, help="of the weights and of the shuffling")
    parser.add_argument("--out", type=Path, default="reports/mnist.png", help="the plot; figures go beside it as JSON")
    parser.add_argument("--threads", type=_positive, help="torch's threads; left as they are by default")
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="of parameters and pixels")
    arguments = parser.parse_args(arguments)
    if arguments.out.suffix.lower() != ".png":
        parser.error(f"argument --out: expected a name that ends in .png, got {arguments.out}")
    return arguments


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment; give the exit code."""
    options = parse(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    settings = Settings(
        options.epochs,
        options.batch_size,
        lr=options.lr,
        seed=options.seed,
        device=options.device,
        dtype=DTYPES[options.dtype],
    )
    try:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        train, val = load(options.data, settings.dtype, settings.device)
        with Screen(settings, len(train.labels)) as screen:
            result = run(settings, train, val, screen)
        print(report(result))
        save(result, settings, options.out)
    except (DataError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    print(f"\nplot: {options.out}")
    return 0


class Screen(Observer):
    """What is seen while the experiment runs: both tables growing, and a progress bar.

    It is drawn only when told to, never by a thread that would take time from what is measured. Where the output is no
    terminal, each epoch is a line on stderr instead.
    """

    def __init__(self, settings: Settings, samples: int) -> None:
        self.tables: dict[str, list[str]] = {"nexnet": [], "PyTorch": []}
        self.console = Console()
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            auto_refresh=False,
        )
        batches = 2 * settings.epochs * math.ceil(samples / settings.batch_size)
        self.task = self.progress.add_task("batches", total=batches)
        self.live = Live(self._draw(), console=self.console, auto_refresh=False, transient=True)

    def __enter__(self) -> Screen:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.live.stop()

    def advance(self, name: str, epoch: int, batches: int) -> None:
        """Move the bar."""
        self.progress.update(self.task, advance=batches, description=f"{name}, epoch {epoch}")
        if self.console.is_terminal:
            self.live.update(self._draw(), refresh=True)

    def finish_epoch(self, name: str, number: int, epoch: Epoch) -> None:
        """Add a line to a table."""
        self.tables[name].append(epoch.line(number))
        if not self.console.is_terminal:
            print(f"{name:<8}{epoch.line(number)}", file=sys.stderr, flush=True)

    def _draw(self) -> Group:
        tables = [Text("\n".join([name, *lines, ""])) for name, lines in self.tables.items()]
        return Group(*tables, self.progress)


def report(result: Result) -> str:
    """Give both tables, and how they compare."""
    parts = [
        "\n".join([name, *(epoch.line(i) for i, epoch in enumerate(epochs, 1)), ""])
        for name, epochs in result.epochs.items()
    ]
    seconds = result.median_seconds
    parts.append(
        "Median time of an epoch's training steps (forward, loss, gradients, update;\n"
        "without shuffling, accuracies and validation): "
        f"nexnet {seconds['nexnet']:.3f} s, PyTorch {seconds['PyTorch']:.3f} s, ratio {result.ratio:.3f}\n"
        "Largest difference of accuracies: "
        f"train {result.largest_difference('train_acc'):.6f}, val {result.largest_difference('val_acc'):.6f}"
    )
    return "\n".join(parts)


def save(result: Result, settings: Settings, path: Path) -> None:
    """Write the plot, and the figures beside it."""
    from .plot import save_plot  # matplotlib takes a second to import: not before there is something to draw

    save_plot(result, path)
    figures = {
        "settings": {name: _plain(value) for name, value in vars(settings).items()},
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "epochs": {name: [epoch._asdict() for epoch in epochs] for name, epochs in result.epochs.items()},
        "median_seconds": result.median_seconds,
        "ratio": result.ratio,
    }
    path.with_suffix(".json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    return value if isinstance(value, (int, float)) else str(value).removeprefix("torch.")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text}")
    return number


_positive.__name__ = "whole number"  # what argparse calls it


def _rate(text: str) -> float:
    number = float(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number of at least 0, got {text}")
    return number


_rate.__name__ = "number"


def _device(text: str) -> torch.device:
    try:
        device = torch.device(text)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch raises the latter for a backend that it was built without
        why = str(error).splitlines()[0]
        raise argparse.ArgumentTypeError(f"expected a device of this machine, got {text} ({why})") from None
    return device


if __name__ == "__main__":
    sys.exit(main())
