"""PyTorch's database of layers: every sample, in training and in evaluation, beside torch's autograd.

The modules are torch's own, unmodified; their parameters are LiteTensors, and gradients are by them and by the inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import pytest

from .examine import examine
from .judge import judge
from .modules import layer_problems, layers

LAYERS = layers()


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_layer(name: str, pytestconfig: pytest.Config, record_property: Callable[[str, object], None]) -> None:
    """What differs, or is refused, has its line in the table; what the table says of it, is."""
    limit = pytestconfig.getoption("--part")
    found = examine(name, islice(layer_problems(name, LAYERS[name]), limit), ["gradient"])
    judge(name, found, "layers", limit is None, record_property)
