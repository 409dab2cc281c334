"""Views, splits, repetitions and conversions of one tensor beside torch."""

import pytest
import torch

import nexnet as nx

VIEWS = {
    "reshape": lambda x: x.reshape(4, 6),
    "reshape to a tuple": lambda x: x.reshape((6, -1)),
    "view": lambda x: x.view(3, 8),
    "view_as": lambda x: x.view_as(x.reshape(12, 2)),
    "reshape_as": lambda x: x.reshape_as(x.reshape(12, 2)),
    "flatten": lambda x: x.flatten(),
    "flatten some": lambda x: torch.flatten(x, 1, 2),
    "unflatten": lambda x: x.unflatten(2, (2, -1)),
    "ravel": lambda x: x.permute(2, 0, 1).ravel(),
    "transpose": lambda x: x.transpose(0, -1),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "swapdims": lambda x: torch.swapdims(x, 0, 1),
    "permute": lambda x: x.permute(1, -1, 0),
    "permute by a tuple": lambda x: torch.permute(x, (2, 0, 1)),
    "movedim": lambda x: x.movedim(0, 2),
    "movedim of several": lambda x: torch.movedim(x, (0, 1), (-1, 0)),
    "moveaxis": lambda x: x.moveaxis(-1, 0),
    "mT": lambda x: x.mT,
    "adjoint": lambda x: x.adjoint(),
    "unsqueeze": lambda x: x.unsqueeze(1),
    "unsqueeze at the end": lambda x: torch.unsqueeze(x, -1),
    "squeeze all": lambda x: x[:, :1].squeeze(),
    "squeeze one": lambda x: x[:, :1].squeeze(1),
    "squeeze none": lambda x: x.squeeze(0),
    "squeeze several": lambda x: x[:1, :, :1].squeeze((0, 2)),
    "expand": lambda x: x[:, :1].expand(2, 5, 4),
    "expand by a tuple": lambda x: x[:, :1].expand((6, -1, 3, -1)),
    "expand_as": lambda x: x[:1].expand_as(x),
    "broadcast_to": lambda x: torch.broadcast_to(x[:, :1], (2, 3, 4)),
    "diagonal": lambda x: x.diagonal(),
    "diagonal with an offset": lambda x: torch.diagonal(x, -1, 1, 2),
    "tril": lambda x: x.tril(),
    "triu": lambda x: torch.triu(x, 1),
    "diag_embed": lambda x: torch.diag_embed(x, 1),
    "chunk": lambda x: x.chunk(2, 1),
    "split": lambda x: x.split(2, dim=2),
    "split by sizes": lambda x: torch.split(x, [1, 2], 1),
    "one piece of a split": lambda x: x.split(2, dim=2)[1],
    "unbind": lambda x: x.unbind(1),
    "one slice of unbind": lambda x: torch.unbind(x)[1],
    "repeat": lambda x: x.repeat(2, 1, 3),
    "repeat in new dimensions": lambda x: x.repeat((2, 2, 1, 1, 2)),
    "tile": lambda x: x.tile(2),
    "tile by a tuple": lambda x: torch.tile(x, (2, 1, 2, 1)),
    "flip": lambda x: x.flip(0, 2),
    "flip by a tuple": lambda x: torch.flip(x, (1,)),
    "fliplr": lambda x: x.fliplr(),
    "flipud": lambda x: torch.flipud(x),
    "roll": lambda x: x.roll(1, 2),
    "roll over all": lambda x: torch.roll(x, 5),
    "roll of several": lambda x: torch.roll(x, (1, -2), (0, 2)),
    "narrow": lambda x: x.narrow(2, 1, 2),
    "narrow from the end": lambda x: torch.narrow(x, 2, -3, 2),
    "narrow to nothing": lambda x: torch.narrow(x, 2, 4, 0),
    "select": lambda x: x.select(1, -1),
    "contiguous": lambda x: x.mT.contiguous(),
    "clone": lambda x: x.clone(),
    "to": lambda x: x.to(torch.float32),
    "to by keyword": lambda x: x.to(dtype=torch.float64),
    "float": lambda x: x.float(),
    "double": lambda x: x.double(),
    "type_as": lambda x: x.type_as(x.float()),
    "cpu": lambda x: x.cpu(),
}


@pytest.mark.parametrize("name", VIEWS)
def test_against_torch(name, check_against_torch, draw):
    def fn(x):
        return VIEWS[name](x * x)  # a product, for a second derivative that is not zero

    tolerance = {"rtol": 1e-6, "atol": 1e-6} if name in ("to", "float", "type_as") else {}
    check_against_torch(fn, fn, draw(2, 3, 4), **tolerance)


SMALL = {
    "t of a matrix": ((3, 2), lambda x: x.t()),
    "t of a vector": ((3,), lambda x: x.t()),
    "T": ((3, 2), lambda x: x.T),
    "T of a scalar": ((), lambda x: x.reshape(()).mul(2)),
    "diag of a matrix": ((3, 3), lambda x: torch.diag(x, 1)),
    "diag of a vector": ((3,), lambda x: x.diag(-1)),
    "trace": ((3, 4), lambda x: x.trace()),
    "reshape of a scalar": ((), lambda x: x.reshape(1, 1)),
    "flatten of a scalar": ((), lambda x: x.flatten()),
    "repeat of a scalar": ((), lambda x: x.repeat(2, 3)),
    "repeat of a scalar, not at all": ((), lambda x: x.repeat(())),
    "expand of a scalar": ((), lambda x: x.expand(2, 3)),
    "expand to nothing": ((1, 2), lambda x: x.expand(0, 2)),
    "tile": ((2,), lambda x: x.tile(2, 2)),
    "empty reshape": ((0, 3), lambda x: x.reshape(3, 0)),
    "empty chunks": ((0, 3), lambda x: x.chunk(2, 1)),
    "atleast_1d": ((), torch.atleast_1d),
    "atleast_2d": ((3,), torch.atleast_2d),
    "atleast_3d of a vector": ((3,), torch.atleast_3d),
    "atleast_3d of a matrix": ((3, 2), torch.atleast_3d),
    "atleast_3d of several": ((), lambda x: torch.atleast_3d(x, x.reshape(1, 1, 1, 1))),
    "broadcast_tensors": ((3, 1), lambda x: torch.broadcast_tensors(x, x[:2, 0])),
}


@pytest.mark.parametrize("name", SMALL)
def test_small_shapes_against_torch(name, check_against_torch, draw):
    shape, fn = SMALL[name]
    check_against_torch(lambda x: fn(x * x), lambda x: fn(x * x), draw(*shape))


def test_views_share_memory_and_copies_do_not(draw):
    x = nx.LiteTensor(draw(2, 3))
    for same in (x.view(6), x.T, x[0], x.unsqueeze(0), x.expand(4, 2, 3), x.contiguous(), x.diagonal()):
        assert same.data.untyped_storage().data_ptr() == x.data.untyped_storage().data_ptr()
    for other in (x.clone(), x.T.contiguous(), x.repeat(1, 1), x.flip(0)):
        assert other.data.untyped_storage().data_ptr() != x.data.untyped_storage().data_ptr()


def test_an_impossible_view_is_refused(draw):
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        nx.LiteTensor(draw(2, 3)).T.view(6)
    with pytest.raises(RuntimeError, match="invalid for input of size 6"):
        nx.LiteTensor(draw(2, 3)).reshape(4)
    with pytest.raises(nx.InputError, match="reads the bits anew"):
        nx.LiteTensor(draw(2, 3)).view(torch.int64)
    with pytest.raises(nx.InputError, match="trace takes a matrix"):
        nx.LiteTensor(draw(2)).trace()


def test_integers_pass_through(draw):
    x = nx.arange(6).reshape(2, 3)
    assert x.T.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert nx.cat([x, x]).dtype == torch.int64


def test_a_conversion_to_integers_ends_the_gradient():
    assert nx.grad(lambda x: (x.long() * x).sum())(nx.tensor([1.5, 2.5])).tolist() == [1.0, 2.0]


def test_shapes_without_storage():
    x = nx.zeros(2, 3, device="meta")
    value, gradient = nx.value_and_grad(lambda x: (x.reshape(3, 2) @ nx.zeros(2, 4, device="meta")).sum())(x)
    assert (value.shape, gradient.shape, gradient.device.type) == ((), (2, 3), "meta")
