"""What all suites share: ``--device``, on which device the tests make their tensors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--device", default="cpu", help="where the tests make their tensors: cpu (by default) or cuda")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "cpu_only(reason): is about the CPU, and left out with --device cuda")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    device = config.getoption("--device")
    if device == "cpu":
        return
    import torch

    if not torch.cuda.is_available():
        for item in items:
            item.add_marker(pytest.mark.skip(reason=f"--device {device}: torch finds no NVIDIA GPU here"))
        return
    for item in items:
        marker = item.get_closest_marker("cpu_only")
        if marker is not None:
            item.add_marker(pytest.mark.skip(reason=f"about the CPU: {marker.args[0]}"))


@pytest.fixture
def device(request: pytest.FixtureRequest) -> str:
    """Where the test is to make its tensors, as it was asked for."""
    chosen: str = request.config.getoption("--device")
    return chosen


@pytest.fixture(autouse=True)
def _on_device(device: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let torch make tensors and generators on the device where a test does not say."""
    if device == "cpu":
        yield
        return
    import torch

    original = torch.Generator

    class _Meta(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, original)

        def __call__(cls, device: object = device) -> torch.Generator:
            return original(device)

    monkeypatch.setattr(torch, "Generator", _Meta("Generator", (), {}))
    before = torch.get_default_device()
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_device(None if before.type == "cpu" else before)
