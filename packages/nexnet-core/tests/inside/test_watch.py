"""watch: norms over the steps of a training."""

import csv
import json

import pytest
import torch

import nexnet as nx
from nexnet.errors import InputError


def trained(watcher, rate=0.1, steps=3):
    params = {"w": nx.tensor([3.0, 4.0]), "b": nx.tensor(1.0)}
    for _ in range(steps):
        grads = nx.grad(lambda p: (p["w"] ** 2).sum() / 2 + p["b"] * 0.0)(params)
        updated = nx.tree.map(lambda p, g: p - rate * g, params, grads)
        watcher(params, grads, updated)
        params = updated


def test_records_norms_by_parameter_and_step():
    watcher = nx.watch()
    trained(watcher)
    first = next(row for row in watcher.rows if row["name"] == "w")
    assert (first["step"], first["gradient"], first["value"]) == (0, 5.0, 5.0)
    assert first["ratio"] == pytest.approx(0.1)
    assert len(watcher.rows) == 6
    assert watcher.marked() == {"b": "vanishing"}


def test_marks_what_explodes_or_is_not_finite():
    watcher = nx.watch(exploding=10)
    watcher({"a": torch.ones(2), "b": torch.ones(1)}, {"a": torch.ones(2) * 100, "b": torch.tensor([float("nan")])})
    assert watcher.marked() == {"a": "exploding", "b": "not finite"}


def test_writes_files(tmp_path):
    watcher = nx.watch(every=2)
    trained(watcher)
    watcher.to_csv(tmp_path / "norms.csv")
    watcher.to_json(tmp_path / "norms.json")
    with (tmp_path / "norms.csv").open(encoding="utf-8") as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["0", "0", "2", "2"]
    assert json.loads((tmp_path / "norms.json").read_text(encoding="utf-8"))[1]["name"] == "w"


def test_writes_to_a_tensorboard_writer():
    told = []

    class Writer:
        def add_scalar(self, name, value, step):
            told.append((name, round(value, 3), step))

    trained(nx.watch(writer=Writer()), steps=1)
    assert ("gradient/w", 5.0, 0) in told
    assert ("update/w", 0.5, 0) in told


def test_tensorboard_reads_what_was_written(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path) as writer:
        trained(nx.watch(writer=writer), steps=2)
    found = EventAccumulator(str(tmp_path)).Reload()
    assert set(found.Tags()["scalars"]) == {
        f"{kind}/{name}" for kind in ("gradient", "value", "update") for name in "wb"
    }
    assert [(each.step, each.value) for each in found.Scalars("gradient/w")] == [(0, 5.0), (1, 4.5)]


def test_shows_a_live_table():
    console = pytest.importorskip("rich.console").Console(width=80, record=True)
    watcher = nx.watch()
    with watcher:
        trained(watcher)
    console.print(watcher.table())
    assert "vanishing" in console.export_text()


def test_draws():
    pytest.importorskip("matplotlib")
    watcher = nx.watch()
    trained(watcher)
    (axes,) = watcher.plot().axes
    assert [each.get_label() for each in axes.lines] == ["b", "w"]


def test_records_other_trees():
    watcher = nx.watch()
    watcher({"w": torch.ones(1)}, {"w": torch.ones(1)}, activations={"%0": torch.ones(4)})
    assert watcher.rows[-1]["name"] == "activations.%0"
    assert watcher.rows[-1]["value"] == 2.0


def test_gradients_of_another_structure_are_refused():
    with pytest.raises(InputError, match="must have the structure of the parameters"):
        nx.watch()({"w": torch.ones(1)}, {"v": torch.ones(1)})


@pytest.mark.parametrize("every", [0, -1, 0.5, None])
def test_a_step_in_none_is_refused(every):
    with pytest.raises(InputError, match=rf"no step would be recorded(.|\n)*every(.|\n)*int >= 1\n.*{every}"):
        nx.watch(every=every)
