"""Where in a model the running code is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

import nexnet as nx
from nexnet.modules.path import Trail, current_modules, current_path


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


def test_a_trail_says_what_looking_anew_says() -> None:
    trail = Trail()
    notes: list[Any] = []

    class Asks(nn.Module):
        def forward(self, x: Any) -> Any:
            notes.append((trail.innermost(), current_modules()[-1]))
            return x

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(nn.Sequential(Asks(), nn.Sequential(Asks())) for _ in range(2))
            self.last = Asks()

        def outputs(self, x: Any) -> Iterator[Any]:
            for block in self.blocks:
                yield block(x)  # resumed in turn from forward and from last's place
                yield self.last(x)

        def forward(self, x: Any) -> Any:
            outputs = self.outputs(x)
            total = next(outputs) + self.last.forward(x)
            for each in outputs:
                total = total + self.last(each)
            return total

    model = Model()
    for _ in range(2):
        model(torch.zeros(2))
        nx.grad(lambda x: nx.functional_call(model, {}, (x,)).sum())(torch.zeros(2))
        nn.Sequential(nn.Identity(), model)(torch.zeros(2))
    assert len(notes) == 2 * 3 * 10
    assert all(told == anew for told, anew in notes)
    assert {told[0] for told, _ in notes} >= {"last", "blocks.1.1.0", "1.blocks.0.0"}
    assert trail.innermost() is None


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
