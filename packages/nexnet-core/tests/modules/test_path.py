"""Where in a model the running code is."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from torch import nn

import nexnet as nx
from nexnet.modules.path import current_modules, current_path


class Seen(nn.Module):
    """Notes where it is called."""

    def __init__(self, notes: list[str]) -> None:
        super().__init__()
        self.notes = notes

    def forward(self, x: Any) -> Any:
        self.notes.append(current_path())
        return x


def test_a_path_is_that_of_the_module_which_is_being_called() -> None:
    notes: list[str] = []
    inner = nn.Sequential(Seen(notes), nn.Identity())
    model = nn.Sequential(nn.ModuleDict({"a": inner})["a"], Seen(notes))
    model(torch.zeros(2))
    assert notes == ["0.0", "1"]
    assert current_path() == ""
    assert current_modules() == ()


def test_the_modules_stand_outermost_first() -> None:
    found: list[Any] = []

    class Asks(nn.Module):
        def forward(self, x: Any) -> Any:
            found.extend(current_modules())
            return x

    model = nn.Sequential(nn.Sequential(Asks()))
    model(torch.zeros(2))
    assert found == [("", model), ("0", model[0]), ("0.0", model[0][0])]


def test_a_shared_module_has_the_path_of_the_place_that_calls_it() -> None:
    notes: list[str] = []
    shared = Seen(notes)
    nn.ModuleList([nn.Sequential(shared), nn.Sequential(shared)])
    nn.Sequential(nn.Sequential(shared), nn.Sequential(nn.Identity(), shared))(torch.zeros(2))
    assert notes == ["0.0", "1.1"]


def test_a_grandchild_and_a_forward_that_is_called_directly_have_their_path() -> None:
    notes: list[str] = []

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleDict({"first": Seen(notes)})

        def forward(self, x: Any) -> Any:
            x = self.blocks["first"](x)
            return self.blocks["first"].forward(x)

    Model()(torch.zeros(2))
    assert notes == ["blocks.first", "blocks.first"]


def test_a_module_that_has_moved_has_its_new_path() -> None:
    notes: list[str] = []

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList([Seen(notes), nn.Identity()])

        def forward(self, x: Any) -> Any:
            for block in self.blocks:
                x = block(x)
            return x

    model = Model()
    model(torch.zeros(2))
    model.blocks = nn.ModuleList(reversed(model.blocks))
    model(torch.zeros(2))
    assert notes == ["blocks.0", "blocks.1"]


def test_each_thread_has_its_own() -> None:
    notes: list[str] = []

    class Threaded(nn.Module):
        def forward(self, x: Any) -> Any:
            thread = threading.Thread(target=lambda: notes.append(current_path()))
            thread.start()
            thread.join()
            notes.append(current_path())
            return x

    nn.Sequential(Threaded())(torch.zeros(2))
    assert notes == ["", "0"]


_PLACES = {
    "layers": "(in linear of shapes (2, 4), (2, 5), (2,), in the module layers.1 (Linear))",
    "norm": "in the module norm (LayerNorm))",
    "own": "(in mul of shapes (2, 3), (2,), in the model (Net))",
    "constant": "(in the model (Net))",
}


class TestErrorsSayWhere:
    """An error out of a model has a note that names the operator, the shapes and the module's path."""

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(5, 2))
            self.norm = torch.nn.LayerNorm(7)

        def forward(self, x: Any, which: str) -> Any:
            if which == "norm":
                return self.norm(x)
            if which == "own":
                return x * torch.ones(2)
            if which == "constant":
                return x + torch.ones(2) @ torch.ones(3)
            return self.layers(x)

    @pytest.mark.parametrize("differentiated", [True, False])
    @pytest.mark.parametrize("which", _PLACES)
    def test_in_a_model_of_torchs(self, which: str, differentiated: bool) -> None:
        net = self.Net()

        def out(parameters: Any, x: Any) -> Any:
            return nx.functional_call(net, parameters, (x, which)).sum()

        call = nx.grad(out, argnums=(0, 1)) if differentiated else out
        with pytest.raises((RuntimeError, nx.InputError)) as caught:
            call(nx.parameters_of(net), nx.ones(2, 3))
        (note,) = caught.value.__notes__
        assert note.endswith(_PLACES[which])

    def test_outside_of_one(self) -> None:
        for call, said in (
            (lambda x: x + nx.ones(3), "(in add of shapes (2,), (3,))"),
            (lambda x: torch.cat([x, nx.ones(3, 3)]), "(in cat of shapes (2,), (3, 3))"),
            (lambda x: x.reshape(5), "(in reshape of shape (2,))"),
        ):
            with pytest.raises(RuntimeError) as caught:
                call(nx.ones(2))
            assert caught.value.__notes__ == [said]

    def test_nothing_that_nexnet_has_said_itself_is_said_again(self) -> None:
        with pytest.raises(nx.InputError) as caught:
            nx.cat(nx.ones(2))
        assert not hasattr(caught.value, "__notes__")
