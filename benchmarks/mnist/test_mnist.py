import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.mnist.__main__ import main
from benchmarks.mnist.data import DATA, FILES, DataError, Split, load, read_idx
from benchmarks.mnist.experiment import Epoch, Observer, Result, Settings, make_trainers, run

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def data():
    return load(dtype=torch.float64)


@pytest.fixture
def folder(tmp_path):
    """The data in a directory of its own, where a test may break a file."""
    for name in FILES:
        (tmp_path / name).symlink_to(DATA / name)
    return tmp_path


def small(split, count):
    return Split(split.images[:count].float(), split.labels[:count])


# Data


def test_the_files_hold_mnist(data):
    train, val = data
    assert (train.images.shape, train.labels.shape) == ((60_000, 784), (60_000,))
    assert (val.images.shape, val.labels.shape) == ((10_000, 784), (10_000,))
    assert train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert torch.bincount(val.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_pixels_are_standardised(data):
    train, _ = data
    assert train.images.mean().item() == pytest.approx(0, abs=1e-3)
    assert train.images.std().item() == pytest.approx(1, abs=1e-3)
    assert train.images.min().item() == pytest.approx((0 - 0.1307) / 0.3081)


def test_batches_are_all_samples_once_shuffled_by_the_generator():
    split = Split(torch.arange(10.0)[:, None], torch.arange(10))
    assert [y.tolist() for _, y in split.batches(4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    first, again = (split.batches(4, torch.Generator().manual_seed(0)) for _ in range(2))
    order = torch.cat([y for _, y in first]).tolist()
    assert order != list(range(10))
    assert sorted(order) == list(range(10))
    assert order == torch.cat([y for _, y in again]).tolist() == torch.cat([x for x, _ in first]).flatten().tolist()


def test_another_compression_of_the_same_contents_is_read(folder):
    path = folder / "t10k-labels-idx1-ubyte.gz"
    contents = gzip.decompress(path.read_bytes())
    path.unlink()
    path.write_bytes(gzip.compress(contents, 1))
    assert read_idx(path).shape == (10_000,)


def _missing(path):
    path.unlink()


def _cut(path):
    contents = path.read_bytes()
    path.unlink()
    path.write_bytes(contents[: len(contents) // 2])


def _flip_a_byte(path):
    contents = bytearray(path.read_bytes())
    contents[len(contents) // 2] ^= 255
    path.unlink()
    path.write_bytes(contents)


def _no_gzip(path):
    path.unlink()
    path.write_bytes(b"<html>not found</html>")


def _empty(path):
    path.unlink()
    path.write_bytes(b"")


def _other_contents(path):
    contents = gzip.decompress(path.read_bytes())
    path.unlink()
    path.write_bytes(gzip.compress(contents[:-1] + bytes([contents[-1] ^ 1]), 1))


def _too_long(path):
    contents = gzip.decompress(path.read_bytes())
    path.unlink()
    path.write_bytes(gzip.compress(contents + b"\0", 1))


def _a_directory(path):
    path.unlink()
    path.mkdir()


BREAKAGES = {
    _missing: "can't read it (No such file or directory)",
    _cut: "cut short",
    _flip_a_byte: "corrupt",
    _no_gzip: "corrupt (Not a gzipped file",
    _empty: "",
    _other_contents: "corrupt (SHA-256",
    _too_long: "corrupt (SHA-256",
    _a_directory: "can't read it (Is a directory)",
}


@pytest.mark.parametrize("name", ["t10k-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz"])
@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_broken_file_is_one_line_with_path_and_expectation(folder, name, breakage):
    breakage(folder / name)
    with pytest.raises(DataError) as caught:
        read_idx(folder / name)
    text = str(caught.value)
    assert "\n" not in text
    assert str(folder / name) in text
    assert BREAKAGES[breakage] in text
    assert f"expected gzipped IDX of shape {FILES[name].shape}" in text
    assert FILES[name].sha256 in text


# nexnet beside PyTorch


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-10)])
def test_losses_agree_over_the_first_100_steps(data, dtype, tolerance):
    settings = Settings(dtype=dtype)
    mine, theirs = make_trainers(settings)
    train = Split(data[0].images[:6400].to(dtype), data[0].labels[:6400])
    batches = train.batches(settings.batch_size, torch.Generator().manual_seed(settings.seed))
    assert len(batches) == 100
    steps = [(mine.step(x, y), theirs.step(x, y)) for x, y in batches]
    for (mine_loss, mine_logits), (their_loss, their_logits) in steps:
        assert mine_loss.item() == pytest.approx(their_loss.item(), rel=tolerance, abs=0)
        torch.testing.assert_close(mine_logits, their_logits, rtol=tolerance, atol=tolerance)
    assert steps[-1][0][0] < 0.8 * steps[0][0][0]  # and both learn


def test_both_start_from_equal_weights_of_their_own():
    mine, theirs = make_trainers(Settings(seed=3))
    for leaf, parameter in zip(mine.model.parameters(), theirs.model.parameters(), strict=True):
        assert torch.equal(leaf.data, parameter.detach())
        assert leaf.data.data_ptr() != parameter.data_ptr()


def test_epochs_alternate_and_are_reported(data):
    seen = []

    class Log(Observer):
        def advance(self, name, epoch, batches):
            seen.append((name, epoch, batches))

        def finish_epoch(self, name, number, epoch):
            seen.append((name, number, "done"))

    result = run(Settings(epochs=2), small(data[0], 650), small(data[1], 1500), Log())
    assert [each[:2] for each in seen if each[2] == "done"] == [
        ("nexnet", 1),
        ("PyTorch", 1),
        ("PyTorch", 2),
        ("nexnet", 2),
    ]
    assert sum(each[2] for each in seen if each[2] != "done") == 2 * 2 * 11
    assert result.largest_difference("train_acc") == result.largest_difference("val_acc") == 0
    assert result.largest_difference("train_loss") < 1e-5
    assert all(0 < epoch.train_acc < epoch.val_acc for epoch in result.epochs["nexnet"])


def test_medians_ratio_and_lines():
    mine = [Epoch(1.0, 0.586, 0.8, 0.7896, seconds) for seconds in (12.654, 1.0, 2.0)]
    theirs = [Epoch(1.0, 0.586, 0.8, 0.7886, seconds) for seconds in (4.0, 4.0, 40.0)]
    result = Result({"nexnet": mine, "PyTorch": theirs})
    assert result.ratio == 0.5
    assert result.largest_difference("val_acc") == pytest.approx(0.001)
    assert mine[0].line(1) == "Epoch: 1  Train Acc: 0.5860  Val Acc: 0.7896  (12.65s)"


# The command


def test_the_command_prints_both_tables_and_writes_plot_and_figures(monkeypatch, capsys, data, tmp_path):
    pytest.importorskip("matplotlib", reason="the plot needs matplotlib")
    parts = (small(data[0], 640), small(data[1], 500))
    monkeypatch.setattr("benchmarks.mnist.__main__.load", lambda *_: parts)
    out = tmp_path / "new" / "plot.png"
    assert main(["--epochs", "2", "--batch-size", "32", "--lr", "0.01", "--seed", "1", "--out", str(out)]) == 0
    printed, log = capsys.readouterr()
    tables = printed.split("\n\n")
    for name, table in zip(("nexnet", "PyTorch"), tables, strict=False):
        assert table.splitlines()[0] == name
        assert [line[:10] for line in table.splitlines()[1:]] == ["Epoch: 1  ", "Epoch: 2  "]
    assert "ratio" in tables[2]
    assert "Largest difference of accuracies: train 0.000000, val 0.000000" in tables[2]
    assert len(log.splitlines()) == 4
    assert out.read_bytes().startswith(b"\x89PNG")
    figures = json.loads(out.with_suffix(".json").read_text())
    assert figures["settings"]["batch_size"] == 32
    assert len(figures["epochs"]["PyTorch"]) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--epochs", "0"], "argument --epochs: expected a whole number of at least 1, got 0"),
        (["--epochs", "two"], "argument --epochs: invalid whole number value: 'two'"),
        (["--lr", "-1"], "argument --lr: expected a number of at least 0, got -1"),
        (["--lr", "nan"], "argument --lr: expected a number of at least 0, got nan"),
        (["--device", "abacus"], "argument --device: expected a device of this machine, got abacus"),
        (["--dtype", "int8"], "argument --dtype: invalid choice: 'int8'"),
        (["--out", "plot.jpg"], "argument --out: expected a name that ends in .png"),
        (["--unknown"], "unrecognized arguments: --unknown"),
    ],
)
def test_wrong_arguments_are_one_line(arguments, said, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    printed, error = capsys.readouterr()
    assert (caught.value.code, printed, error.count("\n")) == (2, "", 1)
    assert error.startswith("error: ")
    assert said in error


def test_a_missing_file_ends_the_command_with_one_line_and_code_2(tmp_path):
    command = [sys.executable, "-m", "benchmarks.mnist", "--data", str(tmp_path), "--out", str(tmp_path / "x.png")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"error: {tmp_path / 'train-images-idx3-ubyte.gz'}: can't read it (No such file")
    assert "expected gzipped IDX of shape (60000, 28, 28)" in done.stderr
