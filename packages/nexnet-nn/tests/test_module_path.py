"""Where in a model the running code is: nexnet_nn's modules leave the mark that torch's do."""

from __future__ import annotations

from typing import Any

import nexnet
import nexnet_nn as nn
from nexnet.modules.path import current_path


def test_a_path_is_that_of_named_parameters() -> None:
    notes: list[str] = []

    class Seen(nn.Module):
        weight: nexnet.LiteTensor

        def __call__(self, x: Any) -> Any:
            notes.append(current_path())
            return x * self.weight

    class Model(nn.Module):
        layers: tuple[Any, ...]
        last: Any

        def __call__(self, x: Any) -> Any:
            for layer in self.layers:
                x = layer(x)
            return self.last(x)

    one = nexnet.tensor(1.0)
    model = Model((Seen(one), Seen(one)), Model((Seen(one),), Seen(one)))
    nexnet.grad(lambda model, x: model(x))(model, one)
    assert notes == ["layers.0", "layers.1", "last.layers.0", "last.last"]
    assert [f"{name}.weight" for name in notes] == [name for name, _ in model.named_parameters()]
