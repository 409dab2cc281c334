"""What is private to a distribution is used by it alone: of the others' modules only those without an underscore."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGES = Path(__file__).parents[1] / "packages"
SOURCES = {"nexnet": "nexnet-core", "nexnet_nn": "nexnet-nn", "nexnet_verify": "nexnet-verify"}


@pytest.mark.parametrize("own", SOURCES)
def test_no_package_uses_what_is_private_to_another(own):
    found = []
    for file in sorted((PACKAGES / SOURCES[own] / "src").rglob("*.py*")):
        if file.suffix in (".py", ".pyi"):
            for line, name in names(file.read_text(encoding="utf-8")):
                root, *parts = name.split(".")
                if root in SOURCES and root != own and any(map(is_private, parts)):
                    found.append(f"{file.relative_to(PACKAGES)}, line {line}: {name}")
    assert not found


@pytest.mark.parametrize(
    "source",
    [
        "from nexnet._trees import held",
        "from nexnet import _trees",
        "import nexnet._trees as trees",
        "nexnet._trees.held(1)",
        "nexnet.engine._direct",
    ],
)
def test_it_would_be_found(source):
    assert any(any(map(is_private, name.split("."))) for _, name in names(source))


def names(source: str) -> Iterator[tuple[int, str]]:
    """Give the line and the dotted name of all that is imported from elsewhere, and of all attributes of a name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from ((node.lineno, f"{node.module}.{each.name}") for each in node.names)
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, each.name) for each in node.names)
        elif isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            if name.replace(".", "").isidentifier():
                yield node.lineno, name


def is_private(part: str) -> bool:
    return part.startswith("_") and not part.startswith("__")
