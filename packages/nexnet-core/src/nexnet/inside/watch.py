"""watch: the norms of gradients, parameters and updates over the steps of a training."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import optree
import torch
from torch import Tensor

from .._trees import NAMESPACE, paths
from ..engine import unwrap
from ..errors import InputError, check_count, message

__all__ = ["Watcher", "watch"]


class Watcher:
    """A recorder of norms over steps, by parameter.

    Attributes:
        rows: one dict per parameter and step: step, name, gradient, value, update, ratio (update to value), state.
    """

    def __init__(self, exploding: float, vanishing: float, every: int, writer: Any) -> None:
        self.rows: list[dict[str, Any]] = []
        self._exploding, self._vanishing, self._every, self._writer = exploding, vanishing, every, writer
        self._step = 0
        self._live: Any = None

    def __call__(self, parameters: Any, gradients: Any, updated: Any = None, **extra: Any) -> None:
        """Record a step.

        Args:
            parameters: a pytree of tensors: a module, or a dict of a torch module's parameters.
            gradients: their gradients, of the same structure.
            updated: the parameters after the step, for the size of the update.
            extra: other pytrees to record the norms of, by name: ``activations=tape.values``.
        """
        step, self._step = self._step, self._step + 1
        if step % self._every:
            return
        norms = {name: _norms(tree) for name, tree in extra.items()}
        values, grads = _named(parameters), _named(gradients)
        after = {} if updated is None else _named(updated)
        if values.keys() != grads.keys() or (after and after.keys() != values.keys()):
            raise InputError(
                message(
                    "the gradients must have the structure of the parameters.",
                    argument="gradients",
                    expected=", ".join(values),
                    got=", ".join(grads),
                )
            )
        for name, value in values.items():
            size, grad = _norm(value), _norm(grads[name])
            update = _norm(after[name] - value) if after else None
            self._add(step, name, grad, size, update)
        for kind, found in norms.items():
            for name, size in found.items():
                self._add(step, f"{kind}.{name}", None, size, None)
        if self._live is not None:
            self._live.update(self.table())

    def marked(self) -> dict[str, str]:
        """Give the parameters whose latest gradient is "exploding", "vanishing" or "not finite", and which it is."""
        return {row["name"]: row["state"] for row in self._latest() if row["state"]}

    def table(self) -> Any:
        """Give the latest step as a table of rich, for a terminal."""
        table_of = _needed("rich.table", "rich").Table
        table = table_of("parameter", "gradient", "value", "update / value", "", title=f"step {self._step - 1}")
        for row in self._latest():
            cells = (_shown(row["gradient"]), _shown(row["value"]), _shown(row["ratio"]))
            table.add_row(row["name"], *cells, row["state"], style="red" if row["state"] else None)
        return table

    def plot(self, column: str = "gradient") -> Any:
        """Draw a column over the steps, a line for each parameter, with matplotlib; gives the figure."""
        figure = _needed("matplotlib.figure", "matplotlib").Figure()
        axes = figure.add_subplot()
        for name in dict.fromkeys(row["name"] for row in self.rows):
            points = [
                (row["step"], row[column]) for row in self.rows if row["name"] == name and row[column] is not None
            ]
            if points:
                axes.plot(*zip(*points, strict=True), label=name)
        axes.set(xlabel="step", ylabel=f"norm of {column}", yscale="log")
        axes.legend()
        return figure

    def to_csv(self, path: str | Path) -> None:
        """Write the rows as CSV."""
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ("step", "name", "gradient", "value", "update", "ratio", "state"))
            writer.writeheader()
            writer.writerows(self.rows)

    def to_json(self, path: str | Path) -> None:
        """Write the rows as JSON; a number that is not finite is null."""
        rows = [{name: _plain(value) for name, value in row.items()} for row in self.rows]
        Path(path).write_text(json.dumps(rows), encoding="utf-8")

    def __enter__(self) -> Self:
        """Show the table, live, for as long as the block lasts."""
        self._live = _needed("rich.live", "rich").Live(self.table())
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.stop()
        self._live = None

    def _add(self, step: int, name: str, grad: float | None, value: float, update: float | None) -> None:
        ratio = None if update is None or not value else update / value
        row = {"step": step, "name": name, "gradient": grad, "value": value, "update": update, "ratio": ratio}
        self.rows.append({**row, "state": self._state(value if grad is None else grad)})
        if self._writer is not None:
            for kind in ("gradient", "value", "update"):
                if row[kind] is not None:
                    self._writer.add_scalar(f"{kind}/{name}", row[kind], step)

    def _state(self, norm: float) -> str:
        if not math.isfinite(norm):
            return "not finite"
        return "exploding" if norm > self._exploding else "vanishing" if norm < self._vanishing else ""

    def _latest(self) -> Iterator[dict[str, Any]]:
        last = self.rows[-1]["step"] if self.rows else 0
        return (row for row in self.rows if row["step"] == last)


def watch(*, exploding: float = 1e3, vanishing: float = 1e-7, every: int = 1, writer: Any = None) -> Watcher:
    """Make a recorder of what gradients do while training.

    Args:
        exploding: a gradient's norm above this is marked.
        vanishing: so is one below this.
        every: only each so-manieth step is recorded.
        writer: a ``torch.utils.tensorboard.SummaryWriter`` to write to as well.

    Raises:
        InputError: ``every`` is no number of steps; when it is called: gradients of another structure than the
            parameters, of any shapes; as a block: rich is not installed.

    Example::

        state, watcher = sgd.init(model), nexnet.watch()
        with watcher:  # a live table, with rich
            for x, y in batches:
                value, grads = nexnet.value_and_grad(loss)(model, x, y)
                updated, state = sgd.update(model, grads, state)
                watcher(model, grads, updated)
                model = updated
        watcher.to_csv("norms.csv")
        print(watcher.marked())
    """
    check_count(every, InputError, "no step would be recorded.", rule="watch", argument="every")
    return Watcher(exploding, vanishing, every, writer)


def _named(tree: Any) -> dict[str, Tensor]:
    leaves, treespec = optree.tree_flatten(tree, namespace=NAMESPACE)
    pairs = zip(paths(treespec), leaves, strict=True)
    return {path: unwrap(leaf) for path, leaf in pairs if isinstance(unwrap(leaf), Tensor)}


def _norms(tree: Any) -> dict[str, float]:
    return {name: _norm(each) for name, each in _named(tree).items()}


def _norm(value: Tensor) -> float:
    return float(torch.linalg.vector_norm(value.detach().to(torch.complex128 if value.is_complex() else torch.float64)))


def _needed(module: str, package: str) -> Any:
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError:
        raise InputError(
            message(
                f"{package} is not installed.", remedy="pip install 'nexnet-core[inside]'; rows and files need nothing"
            )
        ) from None


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
