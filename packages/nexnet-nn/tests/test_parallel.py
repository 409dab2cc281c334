"""Several processes: two are started once, and each does all that stands in ``two_processes``."""

import ast
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import nexnet
import nexnet_nn as nn
from nexnet import LiteTensor
from nexnet_nn import parallel

sys.path.insert(0, str(Path(__file__).parent))
from two_processes import blank, checkpointed, close

SCRIPT = Path(__file__).with_name("two_processes.py")
CHECKS = [
    each.name
    for each in ast.parse(SCRIPT.read_text(encoding="utf-8")).body
    if isinstance(each, ast.FunctionDef) and [ast.unparse(mark) for mark in each.decorator_list] == ["check"]
]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each process found, by check, and what they said."""
    path = tmp_path_factory.mktemp("found")
    parallel.save(checkpointed()[0], path / "of_one")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, SCRIPT, path],
            env={**os.environ, **common, "RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    said = [each.communicate(timeout=60)[1] for each in processes]
    results = (
        [json.loads((path / f"{rank}.json").read_text()) for rank in (0, 1)]
        if not any("json" in s for s in said)
        else said
    )
    return results, [each.returncode for each in processes], said, (path / "end.txt").read_text(), path


@pytest.mark.parametrize("name", CHECKS)
def test_in_two_processes(found, name):
    results, *_ = found
    assert [each[name] for each in results] == ["", ""]


def test_a_checkpoint_of_two_processes_is_read_by_one(found):
    tree, layers, moments = checkpointed()
    read = parallel.load(blank(tree), found[-1] / "of_two")
    close([each.gather() for each in read["layers"]], layers, 0)
    close(read["adam"].exp_avg, moments, 0)


def test_a_checkpoint_that_does_not_fit_says_all_that_is_wrong(tmp_path):
    parallel.save({"a": LiteTensor(torch.ones(2)), "b": LiteTensor(torch.ones(3))}, tmp_path / "saved")
    like = {"a": LiteTensor(torch.ones(3)), "c": LiteTensor(torch.ones(3))}
    with pytest.raises(
        nn.CheckpointError,
        match=r"does not fit:[\s\S]*missing +c[\s\S]*different +a[\s\S]*a tree like the one that was saved",
    ):
        parallel.load(like, tmp_path / "saved")
    with pytest.raises(nn.CheckpointError, match=r"is LiteTensors(.|\n)*step(.|\n)*int(.|\n)*nn\.save"):
        parallel.save({"step": 3}, tmp_path / "other")


def test_buffers_come_along(tmp_path):
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).with_buffers(
        {"layers.1.running_mean": LiteTensor(torch.ones(3))}
    )
    parallel.save(model, tmp_path / "saved")
    found = parallel.load(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), tmp_path / "saved")
    assert found.layers[1].running_mean.tolist() == [1.0, 1.0, 1.0]
    close(found, model, 0)


def test_a_process_that_fails_ends_the_run_and_is_named(found):
    _, codes, said, end, _ = found
    assert codes[1] != 0
    assert "ValueError: out of luck" in said[1]
    assert "rank 1 failed: ValueError: out of luck" in end
    assert "rank 0 of 2" in end


def test_who_calls_alone_is_told_that_all_must():
    said = str(parallel.processes.failed(RuntimeError("Connection closed by peer")))
    assert "it has ended or is late, and has not said why" in said
    assert "every process calls average" in said
    assert "--max-restarts" in said


class TestOneProcess:
    def test_everything_is_the_identity(self):
        tree = {"a": LiteTensor([1.0])}
        assert (parallel.rank(), parallel.size()) == (0, 1)
        assert parallel.average(tree) is tree
        assert parallel.broadcast(tree) is tree
        value, grads = parallel.value_and_grad(lambda tree: (tree["a"] ** 2).sum())(tree)
        assert (value.item(), grads["a"].tolist()) == (1.0, [2.0])

    def test_main_runs_the_function(self):
        @parallel.main
        def double(x):
            return 2 * x

        assert double(3) == 6

    def test_a_sharded_module_is_whole(self):
        dense, x = nn.Dense(3, 2), nexnet.ones(4, 3)
        sharded = parallel.shard(dense)
        assert torch.equal(sharded(x).data, dense(x).data)
        grads = nexnet.grad(lambda model: (model(x) ** 2).sum())(sharded)
        expected = nexnet.grad(lambda model: (model(x) ** 2).sum())(dense)
        assert torch.equal(grads.parts.weight.data, expected.weight.data.reshape(-1))

    @pytest.mark.parametrize("wrong", [nn.LBFGS(), 3, nn.Adam, None], ids=["LBFGS", "number", "class", "None"])
    def test_what_can_not_be_sharded_is_refused(self, wrong):
        kind = "type" if wrong is nn.Adam else type(wrong).__name__
        with pytest.raises(nn.ParallelError, match=rf"by its own gradient(.|\n)*optimizer\n.*{kind}(.|\n)*nn\.Adam"):
            parallel.Sharded(wrong)

    def test_a_leaf_that_is_no_tensor_is_refused(self):
        with pytest.raises(nn.ParallelError, match=r"LiteTensors[\s\S]*weight[\s\S]*int"):
            parallel.shard(nexnet.tree.map(lambda _: 1, nn.Dense(3, 2)))
        with pytest.raises(nn.ParallelError, match=r"no mean|the mean is that[\s\S]*tree\['a'\][\s\S]*str"):
            parallel.average({"a": "text"})
