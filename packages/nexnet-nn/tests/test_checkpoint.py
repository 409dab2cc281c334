import errno
import json
import math
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import nexnet
import nexnet_nn as nn
from nexnet import LiteTensor
from nexnet_nn._atomic import replacing


def model(seed=0, **options):
    return nn.MLP([3, 4, 2], generator=torch.Generator().manual_seed(seed), **options)


def test_load_gives_what_save_was_given(tmp_path):
    saved = model(0, dtype=torch.float64)
    nn.save(saved, tmp_path / "m.safetensors")
    template = model(1, dtype=torch.float64)
    before = [leaf.data.clone() for leaf in template.parameters()]
    loaded = nn.load(template, tmp_path / "m.safetensors")
    assert isinstance(loaded, nn.MLP)
    assert loaded.activation is nexnet.relu
    for a, b in zip(loaded.parameters(), saved.parameters(), strict=True):
        assert a.dtype is torch.float64
        assert torch.equal(a.data, b.data)
    assert all(torch.equal(leaf.data, b) for leaf, b in zip(template.parameters(), before, strict=True))


def test_the_file_is_safetensors_by_path(tmp_path):
    nn.save(model(), tmp_path / "m.safetensors")
    tensors = load_file(tmp_path / "m.safetensors")
    assert set(tensors) == {"layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"}
    assert os.listdir(tmp_path) == ["m.safetensors"]


def test_shared_and_strided_storage_is_saved(tmp_path):
    class Two(nn.Module):
        a: LiteTensor
        b: LiteTensor

    whole = torch.arange(12.0).reshape(3, 4)
    saved = Two(LiteTensor(whole.T), LiteTensor(whole[:, 1]))
    nn.save(saved, tmp_path / "m.safetensors")
    loaded = nn.load(saved, tmp_path / "m.safetensors")
    assert torch.equal(loaded.a.data, whole.T)
    assert torch.equal(loaded.b.data, whole[:, 1])


def test_a_failed_save_leaves_the_old_file(tmp_path):
    class Table(nn.Module):
        table: dict
        sub: object

    path = tmp_path / "m.safetensors"
    nn.save(model(), path)
    before = path.read_bytes()
    with pytest.raises(nn.CheckpointError, match=r"same path[\s\S]*table\.a\.b"):
        nn.save(Table({"a.b": LiteTensor(1.0), "a": {"b": LiteTensor(2.0)}}, None), path)
    assert path.read_bytes() == before


def test_everything_that_does_not_fit_is_named(tmp_path):
    path = tmp_path / "m.safetensors"
    nn.save(model(), path)
    tensors = load_file(path)
    del tensors["layers.0.bias"]
    tensors["layers.1.weight"] = torch.zeros(2, 5)
    tensors["layers.1.bias"] = torch.zeros(2, dtype=torch.float64)
    tensors["extra"] = torch.zeros(1)
    save_file(tensors, path)
    with pytest.raises(nn.CheckpointError) as caught:
        nn.load(model(), path)
    text = str(caught.value)
    assert "missing    layers.0.bias: (4,) float32" in text
    assert "unexpected extra: (1,) float32" in text
    assert "different  layers.1.weight: (2, 5) float32 where the model has (2, 4) float32" in text
    assert "different  layers.1.bias: (2,) float64 where the model has (2,) float32" in text
    assert str(path) in text


def test_a_cut_or_foreign_file_is_a_clear_error(tmp_path):
    path = tmp_path / "m.safetensors"
    nn.save(model(), path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(nn.CheckpointError, match=r"not a complete safetensors file[\s\S]*m\.safetensors"):
        nn.load(model(), path)
    path.write_bytes(b"something else")
    with pytest.raises(nn.CheckpointError, match=r"not a complete safetensors file"):
        nn.load(model(), path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no checkpoint at .*absent"):
        nn.load(model(), tmp_path / "absent.safetensors")


def test_threads_and_processes_may_save_to_one_path(tmp_path):
    path = tmp_path / "m.safetensors"
    models = [model(seed) for seed in range(8)]
    start = threading.Barrier(8)

    def save(mine):
        start.wait()
        for _ in range(10):
            nn.save(mine, path)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(save, models))
    last = nn.load(model(), path)
    assert any(torch.equal(last.layers[0].weight.data, each.layers[0].weight.data) for each in models)
    assert os.listdir(tmp_path) == ["m.safetensors"]


def test_two_containers_whose_processes_have_one_number_may_save_to_one_path(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: 1)
    parts = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda source, target: (parts.append(source), replace(source, target)))
    nn.save(model(), tmp_path / "m.safetensors")
    nn.save(model(), tmp_path / "m.safetensors")
    assert len(set(parts)) == 2


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_file_has_the_permissions_of_any_new_file_and_keeps_those_it_had(tmp_path):
    path = tmp_path / "m.safetensors"
    (tmp_path / "plain").touch()
    nn.save(model(), path)
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
    for mode in (0o644, 0o600, 0o664):
        path.chmod(mode)
        nn.save(model(), path)
        assert path.stat().st_mode & 0o7777 == mode


@pytest.mark.skipif(os.name != "posix", reason="links are POSIX's")
def test_a_link_stays_one_and_its_file_is_replaced(tmp_path):
    (tmp_path / "run").mkdir()
    real, link = tmp_path / "run" / "m.safetensors", tmp_path / "latest"
    link.symlink_to(real)
    nn.save(model(), link)
    assert link.is_symlink()
    assert not real.is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["latest", "run"]
    assert os.listdir(tmp_path / "run") == ["m.safetensors"]


def test_a_missing_folder_or_one_in_the_place_of_a_file_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent/m\.safetensors") as caught:
        nn.save(model(), tmp_path / "absent" / "m.safetensors")
    assert caught.value.filename == str(tmp_path / "absent" / "m.safetensors")
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        nn.save(model(), tmp_path)
    (tmp_path / "plain").touch()
    with pytest.raises(NotADirectoryError, match=r"plain/m"):
        nn.save(model(), tmp_path / "plain" / "m")


@pytest.mark.skipif(os.name != "posix", reason="devices are POSIX's")
def test_a_device_or_a_pipe_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="Invalid argument"):
        nn.save(model(), tmp_path / "pipe")
    assert not (tmp_path / "pipe").is_file()


FILLS_THE_DISK = """
import errno, resource, sys
import nexnet_nn as nn
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    nn.save(nn.MLP([30, 40, 20]), sys.argv[1])
except OSError as error:
    print(errno.errorcode[error.errno], error.filename)
"""


@pytest.mark.skipif(os.name != "posix", reason="limits are POSIX's")
def test_a_full_disk_is_the_systems_error_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "m.safetensors"
    nn.save(model(), path)
    before = path.read_bytes()
    done = subprocess.run([sys.executable, "-c", FILLS_THE_DISK, path], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [errno.errorcode[errno.EFBIG], str(path)]
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["m.safetensors"]


def test_what_is_written_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    steps = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, name=name, real=real: (steps.append(name), real(*args)))
    nn.save(model(), tmp_path / "m.safetensors")
    assert steps == ["fsync", "replace"]


def test_names_of_an_untrusted_file_are_shown_and_not_obeyed(tmp_path):
    path = tmp_path / "m.safetensors"
    names = ["\x1b]0;title\x07\x1b[2J", "two\nlines", "\u202eright to left", "long" * 1000]
    save_file({name: torch.zeros(1) for name in names}, path)
    with pytest.raises(nn.CheckpointError) as caught:
        nn.load(model(), path)
    text = str(caught.value)
    assert r"unexpected \x1b]0;title\x07\x1b[2J: (1,)" in text
    assert r"unexpected two\nlines: (1,)" in text
    assert r"unexpected \u202eright to left" in text
    assert "long..." in text
    assert len(text) < 2000
    assert all(line.isprintable() for line in text.splitlines())


def test_what_safetensors_says_of_an_untrusted_file_is_shown_and_not_obeyed(tmp_path):
    path = tmp_path / "m.safetensors"
    header = b'{"a": {"dtype": "\\u001b[2J", "shape": [1], "data_offsets": [0, 4]}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(nn.CheckpointError, match=r"not a complete safetensors file") as caught:
        nn.load(model(), path)
    assert all(line.isprintable() for line in str(caught.value).splitlines())


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_file_that_may_not_be_read_is_the_systems_error(tmp_path):
    nn.save(model(), tmp_path / "m.safetensors")
    (tmp_path / "m.safetensors").chmod(0)
    user, here = os.geteuid(), os.getcwd()
    os.chdir(tmp_path)
    try:
        os.seteuid(user or 65534)  # permissions do not hold root back
        with pytest.raises(PermissionError, match=r"m\.safetensors"):
            nn.load(model(), "m.safetensors")
    finally:
        os.seteuid(user)
        os.chdir(here)


# Any tree, and a run that goes on


class Step(NamedTuple):
    """A node of a kind of its own, with a leaf of each kind."""

    tensor: object
    lite: object
    generator: torch.Generator
    numbers: tuple
    name: str


def everything(fill=1.5, seed=3):
    numbers = (True, 7, fill, math.inf)
    return {"all": Step(torch.full((2,), fill), LiteTensor(fill), torch.Generator().manual_seed(seed), numbers, "adam")}


def test_any_tree_comes_back_with_every_kind_of_leaf(tmp_path):
    saved, like = everything(), everything(0.0, seed=0)
    nn.save(saved, tmp_path / "run")
    loaded = nn.load(like, tmp_path / "run")["all"]
    assert type(loaded) is Step
    assert (loaded.tensor.tolist(), loaded.lite.item()) == ([1.5, 1.5], 1.5)
    assert (type(loaded.tensor), type(loaded.lite)) == (torch.Tensor, LiteTensor)
    assert (loaded.numbers, loaded.name) == ((True, 7, 1.5, math.inf), "adam")
    expected = torch.rand(3, generator=saved["all"].generator)
    untouched = torch.rand(3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(torch.rand(3, generator=loaded.generator), expected)
    assert torch.equal(torch.rand(3, generator=like["all"].generator), untouched)


def test_a_tensor_alone_is_a_tree(tmp_path):
    nn.save(LiteTensor([1.0, 2.0]), tmp_path / "run")
    assert nn.load(LiteTensor([0.0, 0.0]), tmp_path / "run").tolist() == [1, 2]


def test_leaves_of_another_kind_are_named(tmp_path):
    nn.save({"a": 1, "b": torch.Generator(), "c": LiteTensor(1.0), "e": 2}, tmp_path / "run")
    with pytest.raises(nn.CheckpointError) as caught:
        nn.load({"a": 1.0, "b": LiteTensor(1.0), "c": torch.Generator(), "d": "text"}, tmp_path / "run")
    text = str(caught.value)
    assert "missing    d: str" in text
    assert "unexpected e: int" in text
    assert "different  a: int where the model has float" in text
    assert "different  b: generator cpu where the model has () float32" in text
    assert "different  c: () float32 where the model has generator cpu" in text


def test_what_a_file_cant_hold_is_named(tmp_path):
    with pytest.raises(nn.CheckpointError, match=r"numbers and strings[\s\S]*schedule\.0[\s\S]*StepLR"):
        nn.save({"schedule": [nn.schedules.StepLR(0.1, 3)]}, tmp_path / "run")


def test_the_structure_stands_in_the_metadata_as_json(tmp_path):
    nn.save({"model": nn.Dense(1, 2), "epoch": 3}, tmp_path / "run")
    with safe_open(tmp_path / "run", framework="pt") as file:
        structure = json.loads(file.metadata()["structure"])
    leaves = {"weight": {"leaf": "(2, 1) float32"}, "bias": {"leaf": "(2,) float32"}}
    assert structure == {
        "kind": "dict",
        "children": {"epoch": {"value": 3}, "model": {"kind": "Dense", "children": leaves}},
    }


@pytest.mark.parametrize("structure", ["{", "[]", "3", '{"children": 3}', "[" * 100_000, '{"leaf": {}}'])
def test_a_structure_that_is_none_is_a_clear_error(tmp_path, structure):
    save_file({"a": torch.zeros(1)}, tmp_path / "run", metadata={"structure": structure})
    with pytest.raises(nn.CheckpointError, match="not a complete safetensors file"):
        nn.load({"a": LiteTensor([0.0])}, tmp_path / "run")


class Run:
    """A small training run, with every kind of state: what it is after some steps is in its tensors."""

    def __init__(self):
        self.optimizer = nn.AdamW(nn.schedules.CosineAnnealingLR(0.1, 10), groups={"*.bias": {"weight_decay": 0}})
        model = nn.MLP([3, 8, 1], generator=torch.Generator().manual_seed(0))
        self.state = {
            "model": model,
            "optimiser": self.optimizer.init(model),
            "average": nn.EMA(0.9).init(model),
            "scale": nn.LossScale(growth_interval=2).init(),
            "generator": torch.Generator().manual_seed(1),
            "step": 0,
        }

    def go(self, steps):
        for _ in range(steps):
            now = self.state
            x = torch.randn(4, 3, generator=now["generator"])
            scaler = nn.LossScale(growth_interval=2)

            def loss(model):
                noisy = nexnet.dropout(model(x), 0.5, generator=now["generator"])  # noqa: B023
                return scaler.scale(noisy.square().mean(), now["scale"])  # noqa: B023

            grads, is_finite = scaler.unscale(nexnet.grad(loss)(now["model"]), now["scale"])
            model, optimiser = self.optimizer.update_(now["model"], grads, now["optimiser"])
            average = nn.EMA(0.9).update_(now["average"], model)
            scale = scaler.update(now["scale"], is_finite)
            rest = {"generator": now["generator"], "step": now["step"] + 1}
            self.state = {"model": model, "optimiser": optimiser, "average": average, "scale": scale, **rest}


def test_a_resumed_run_is_the_uninterrupted_one_bit_by_bit(tmp_path):
    whole, first, second = Run(), Run(), Run()
    whole.go(6)
    first.go(3)
    nn.save(first.state, tmp_path / "run")
    second.state = nn.load(second.state, tmp_path / "run")
    second.go(3)
    assert second.state.pop("step") == whole.state.pop("step") == 6
    generators = [run.state.pop("generator").get_state() for run in (second, whole)]
    assert torch.equal(*generators)
    for a, b in zip(*(nexnet.tree.leaves(run.state) for run in (second, whole)), strict=True):
        assert torch.equal(a.data, b.data)


def test_buffers_are_saved_with_the_model_and_once_where_others_hold_the_same(tmp_path):
    def make(seed, fill):
        draw = torch.Generator().manual_seed(seed)
        model = nn.freeze(nn.Sequential(nn.Dense(2, 3, generator=draw), nn.BatchNorm(3)), "layers.0.*")
        model = model.with_buffers({"layers.1.running_mean": torch.full((3,), fill)})
        return {"model": model, "optimiser": nn.Adam().init(model)}

    saved, like = make(0, 2.0), make(1, 0.0)
    nn.save(saved, tmp_path / "run")
    tensors = load_file(tmp_path / "run")
    assert "optimiser.exp_avg.layers.1.weight" in tensors
    assert len(tensors) == 2 + 2 + 2 + 4 + 1  # frozen, learned, statistics, moments, the step
    loaded = nn.load(like, tmp_path / "run")
    for a, b in zip(loaded["model"].named_buffers(), saved["model"].named_buffers(), strict=True):
        assert a[0] == b[0]
        assert torch.equal(a[1].data, b[1].data)
    assert loaded["optimiser"].exp_avg.layers[1].running_mean.tolist() == [2, 2, 2]
    nn.save(nn.MLP([2, 3]), tmp_path / "other")
    with pytest.raises(nn.CheckpointError, match=r"missing    layers\.1\.running_mean: \(3,\) float32"):
        nn.load(like["model"], tmp_path / "other")


# Kills

KILLS = """
import os, random, signal, sys, time
import torch
import nexnet_nn as nn
from nexnet import LiteTensor

torch.set_num_threads(1)
draw, path = random.Random(0), sys.argv[1]


def tree(fill):
    return {"number": fill, "parts": [LiteTensor(torch.full((50_000,), fill)) for _ in range(4)]}


nn.save(tree(0.0), path)
cut_short = 0
for kill in range(int(sys.argv[2])):
    pid = os.fork()
    if pid == 0:
        while True:
            nn.save(tree(draw.random()), path)
    time.sleep(0.002 + 0.01 * draw.random())
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    loaded = nn.load(tree(0.0), path)
    fill = torch.tensor(loaded["number"], dtype=torch.float32)
    assert all(torch.equal(each.data, fill.expand(50_000)) for each in loaded["parts"]), kill
    cut_short += len(os.listdir(os.path.dirname(path))) > 1
nn.save(tree(0.0), path)  # which clears away what the killed have left
left = [each for each in os.listdir(os.path.dirname(path)) if not each.endswith(".new")]  # these hold nothing
print("loaded after each kill", left, cut_short)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the kills are those of forked processes")
def test_every_kill_leaves_a_file_that_loads(tmp_path):
    """``NEXNET_KILLS=200`` for more of them."""
    kills = int(os.environ.get("NEXNET_KILLS", "40"))
    call = [sys.executable, "-c", KILLS, tmp_path / "run", str(kills)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("loaded after each kill ['run'] ")
    assert int(done.stdout.split()[-1]) > kills / 10  # they did come in the middle


@pytest.mark.skipif(not hasattr(os, "fork"), reason="locks are POSIX's")
def test_what_others_write_and_what_is_none_of_its_own_is_left_alone(tmp_path):
    with replacing(tmp_path / "others") as partial:
        (tmp_path / ".mine.part").mkdir()
        (tmp_path / ".0123456789abcdef.part").mkdir()
        (tmp_path / ".0123456789abcdef.part" / "file").touch()  # without a lock: nobody can tell whose it is
        for name in (".0123456789abcdef.new", ".1123456789abcdef.new", ".1123456789abcdef.part"):
            (tmp_path / name).mkdir()
        os.utime(tmp_path / ".0123456789abcdef.new", (0, 0))
        nn.save(model(), tmp_path / "m.safetensors")
        assert partial.exists()
    left = [".0123456789abcdef.part", ".1123456789abcdef.new", ".mine.part", "m.safetensors", "others"]
    assert sorted(os.listdir(tmp_path)) == left
