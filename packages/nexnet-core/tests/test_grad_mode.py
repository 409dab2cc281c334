"""torch.no_grad() and inference_mode(): inside of a differentiated function they make constants, as in torch.func."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch

import nexnet as nx

blocks = pytest.mark.parametrize("block", [torch.no_grad, torch.inference_mode, lambda: torch.set_grad_enabled(False)])


def cube(x: nx.LiteTensor) -> nx.LiteTensor:
    return (x * x * x).sum()


@blocks
def test_what_a_block_without_gradients_computes_is_a_constant_at_every_order(
    block: Callable[[], AbstractContextManager[Any]],
) -> None:
    def fn(x: Any) -> Any:
        with block():
            c = x * x
        return x**3 - c * x

    assert nx.grad(fn)(3.0).item() == 3 * 9 - 9
    if block is torch.no_grad:  # torch.func refuses what inference mode made
        assert torch.func.grad(fn)(torch.tensor(3.0)).item() == 18
    assert nx.hessian(fn)(3.0).item() == 6 * 3
    assert nx.jvp(fn, (3.0,), (1.0,))[1].item() == 18
    assert nx.vmap(nx.grad(fn))(nx.tensor([3.0, 1.0])).tolist() == [18.0, 2.0]
    assert nx.grad(nx.checkpoint(fn))(3.0).item() == 18


@blocks
def test_a_transform_inside_of_such_a_block_differentiates_and_its_result_is_a_constant(
    block: Callable[[], AbstractContextManager[Any]],
) -> None:
    def fn(x: Any) -> Any:
        with block():
            slope = nx.grad(cube)(x)
            _, pullback = nx.vjp(cube, x)
            same = pullback(nx.tensor(1.0))[0]
        return x * slope + x * same

    assert nx.grad(fn)(2.0).item() == 12 + 12


@blocks
def test_grad_mode_can_be_turned_on_again_inside(block: Callable[[], AbstractContextManager[Any]]) -> None:
    def fn(x: Any) -> Any:
        with block(), torch.inference_mode(False), torch.enable_grad():
            return x * x

    assert nx.grad(fn)(3.0).item() == 6


def test_a_pullback_called_in_no_grad_gives_a_constant() -> None:
    def fn(x: Any) -> Any:
        _, pullback = nx.vjp(cube, x)
        with torch.no_grad():
            slope = pullback(nx.tensor(1.0))[0]
        return x * slope

    assert nx.grad(fn)(2.0).item() == 12


_TRANSFORMS: dict[str, Callable[[torch.Tensor], Any]] = {
    "grad": lambda t: nx.grad(cube)(t),
    "value_and_grad": lambda t: nx.value_and_grad(cube)(t)[1],
    "vjp": lambda t: nx.vjp(cube, t)[1](1.0)[0],
    "linearize": lambda t: nx.linearize(lambda x: x * x * x, t)[1](nx.ones_like(nx.LiteTensor(t))),
    "jvp": lambda t: nx.jvp(lambda x: x * x * x, (t,), (nx.ones_like(nx.LiteTensor(t)),))[1],
    "jacobian": lambda t: nx.jacobian(lambda x: x * x * x)(t).sum(0),
    "jacfwd": lambda t: nx.jacfwd(lambda x: x * x * x)(t).sum(0),
    "hessian": lambda t: nx.hessian(cube)(t).sum(0) * nx.LiteTensor(t) / 2,
    "hvp": lambda t: nx.hvp(cube, (t,), (nx.LiteTensor(t),))[1][0] / 2,
    "vmap": lambda t: nx.vmap(nx.grad(cube))(t),
    "checkpoint": lambda t: nx.grad(nx.checkpoint(cube))(t),
}


@pytest.mark.parametrize("inside", [False, True], ids=["a tensor made in it", "inside of it"])
@pytest.mark.parametrize("name", _TRANSFORMS)
def test_inference_mode_and_its_tensors_are_taken_by_every_transform(name: str, inside: bool) -> None:
    with torch.inference_mode():
        t = torch.tensor([1.0, 2.0])
    with torch.inference_mode(inside):
        assert _TRANSFORMS[name](t).tolist() == [3.0, 12.0]


def test_a_gradient_made_in_inference_mode_is_an_ordinary_tensor() -> None:
    with torch.inference_mode():
        gradient = nx.grad(cube)(torch.tensor([1.0, 2.0]))
    assert not gradient.data.is_inference()


def test_a_tape_is_not_pushed_where_nothing_would_be_recorded() -> None:
    with torch.no_grad(), pytest.raises(nx.InputError, match="a tape can't record here: torch's grad mode is off"):
        nx.TapeContext.push(nx.Tape())
    with torch.no_grad(), pytest.raises(nx.InputError, match="grad mode is off"), nx.TapeContext.recording(nx.Tape()):
        pass
    assert nx.TapeContext.current() is None
