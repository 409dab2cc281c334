import os

import pytest
import torch
from safetensors.torch import load_file, save_file

import nexnet
import nexnet_nn as nn
from nexnet import LiteTensor


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
