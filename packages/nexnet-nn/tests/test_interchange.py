import pytest
import torch

import nexnet
import nexnet_nn as nn
from nexnet import LiteTensor


class Torchs(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.ModuleList([torch.nn.Linear(3, 4), torch.nn.Linear(4, 2)])
        self.register_buffer("mask", torch.ones(2, 2))

    def forward(self, x):
        return self.body[1](torch.relu(self.body[0](x)))


RENAME = {"body.*.*": "layers.*.*", "mask": None}


def test_a_models_weights_come_from_torch_and_go_back():
    theirs, x = Torchs(), torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    template = nn.MLP([3, 4, 2])
    before = template.layers[0].weight.data.clone()
    mine = nn.from_torch(theirs.state_dict(), into=template, rename=RENAME)
    assert torch.equal(template.layers[0].weight.data, before)
    torch.testing.assert_close(mine(x).data, theirs(x).detach())
    other = Torchs()
    names = nn.to_torch(mine, rename={"layers.*.*": "body.*.*"})
    other.load_state_dict({**names, "mask": theirs.mask})
    assert torch.equal(other(x), theirs(x))


def test_they_are_copies_in_the_models_dtype():
    theirs = torch.nn.Linear(3, 2)
    mine = nn.from_torch(theirs.state_dict(), into=nn.Dense(3, 2, dtype=torch.float64))
    assert mine.weight.dtype is torch.float64
    same = nn.from_torch(theirs.state_dict(), into=nn.Dense(3, 2))
    with torch.no_grad():
        theirs.weight.zero_()
    assert same.weight.data.all()


def test_running_statistics_come_and_go_too():
    theirs = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    theirs(torch.randn(4, 1, 5, 5, generator=torch.Generator().manual_seed(0)))
    rename = {"*.num_batches_tracked": None, "*": "layers.*"}
    mine = nn.from_torch(theirs.state_dict(), nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)), rename)
    assert torch.equal(mine.layers[1].running_var.data, theirs[1].running_var)
    x = torch.randn(4, 1, 5, 5, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(mine.eval()(x).data, theirs.eval()(x).detach())
    names = nn.to_torch(mine, {"layers.*": "*"})
    assert names.keys() == {name for name in theirs.state_dict() if "tracked" not in name}


def test_all_that_does_not_fit_is_named():
    state = {"weight": torch.zeros(2, 2), "extra": torch.zeros(1), "more": torch.zeros(1, dtype=torch.int64)}
    with pytest.raises(nn.CheckpointError) as caught:
        nn.from_torch(
            state, into={"weight": LiteTensor(torch.zeros(2, 3)), "bias": LiteTensor(0.0), "more": nexnet.zeros(1)}
        )
    text = str(caught.value)
    assert "missing    bias: () float32" in text
    assert "unexpected extra: (1,) float32" in text
    assert "different  weight: (2, 2) float32 where the model has (2, 3) float32" in text
    assert "different  more: (1,) int64 where the model has (1,) float32" in text
    assert "rename" in text


def test_the_first_pattern_counts_and_stars_keep_their_order():
    state = {"h.0.ln.3.w": torch.tensor(1.0), "h.1.ln.3.w": torch.tensor(2.0), "hx": torch.tensor(3.0)}
    into = {"b": {"3": {"0": LiteTensor(0.0)}}, "h.1.ln.3.w": LiteTensor(0.0), "hx": LiteTensor(0.0)}
    rename = {"h.1.*": "h.1.*", "h.*.ln.*.w": "b.3.*", "h": "none"}
    got = nn.from_torch(state, into=into, rename=rename)
    assert [got["b"]["3"]["0"].item(), got["h.1.ln.3.w"].item(), got["hx"].item()] == [1, 2, 3]


def test_names_that_fall_together_and_too_many_stars_are_errors():
    state = {"a.0": torch.zeros(1), "b.0": torch.zeros(1)}
    with pytest.raises(nn.CheckpointError, match=r"one name[\s\S]*c\.0[\s\S]*a\.0, and b\.0"):
        nn.from_torch(state, into=[LiteTensor([0.0])], rename={"a.*": "c.*", "b.*": "c.*"})
    with pytest.raises(nn.CheckpointError, match="more stars"):
        nn.from_torch(state, into=[LiteTensor([0.0])], rename={"a.0": "c.*"})
