"""The picture of a result: accuracy and loss by epoch, of both frameworks."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .experiment import Result

__all__ = ["save_plot"]

COLOURS = {"train": "#0072b2", "val": "#d55e00"}  # told apart by every kind of colour vision (Okabe and Ito)


def save_plot(result: Result, path: Path) -> None:
    """Write a PNG: nexnet as lines, PyTorch as rings on them, so that two equal curves are both seen."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    panels = figure.subplots(1, 2)
    for panel, what in zip(panels, ("acc", "loss"), strict=True):
        for split, colour in COLOURS.items():
            for name, epochs in result.epochs.items():
                style = {"linewidth": 2} if name == "nexnet" else {"linestyle": "", "marker": "o", "fillstyle": "none"}
                values = [getattr(each, f"{split}_{what}") for each in epochs]
                panel.plot(range(1, len(values) + 1), values, color=colour, label=f"{name}, {split}", **style)
        panel.set_xlabel("epoch")
        panel.set_ylabel({"acc": "accuracy", "loss": "cross-entropy"}[what])
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.grid(alpha=0.3)
        panel.legend()
    figure.suptitle(
        "MNIST, 784-256-64-10: median epoch "
        + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in result.median_seconds.items())
        + f" (ratio {result.ratio:.2f})"
    )
    figure.savefig(path, dpi=150)
