"""The engine in a hundred lines of docs/tutorials/hundred-lines.md: it means what nexnet means."""

from pathlib import Path

import pytest
import torch

import nexnet

from .pages import blocks, run

PAGE = Path(__file__).parents[1] / "docs" / "tutorials" / "hundred-lines.md"


class Small:
    """The page's engine under nexnet's names."""

    def __init__(self, namespace):
        self.__dict__.update(namespace)
        self.sum, self.tensor = namespace["total"], lambda data: namespace["Array"](torch.as_tensor(data))


@pytest.fixture(scope="module")
def small():
    return Small(run(PAGE.read_text(encoding="utf-8"), PAGE))


PROGRAMS = {
    "a sum and a product": lambda nx: nx.grad(lambda x: x * x + 3.0 * x)(2.0),
    "a value that is used twice": lambda nx: nx.grad(lambda x: nx.exp(x) * nx.sin(x) - x)(0.5),
    "a constant": lambda nx: nx.grad(lambda x: nx.tensor(4.0))(1.0),
    "the second order": lambda nx: nx.grad(nx.grad(lambda x: nx.sin(x) * x * x))(0.7),
    "the third order": lambda nx: nx.grad(nx.grad(nx.grad(lambda x: nx.exp(x) * nx.sin(x))))(0.7),
    "perturbations are not confused": lambda nx: nx.grad(lambda x: x * nx.grad(lambda y: x + y)(x))(2.0),
    "nor where both are the same function's": lambda nx: nx.grad(lambda x: nx.grad(lambda y: x * y * y)(x * x))(1.5),
    "a closure over an outer variable": lambda nx: nx.grad(lambda x: nx.grad(lambda y: nx.sin(x * y))(2.0))(0.3),
    "broadcasting over rows": lambda nx: nx.grad(
        lambda b: nx.sum(nx.tensor(torch.ones(4, 3)) * b)
    )(nx.tensor([1.0, 2.0, 3.0])),
    "broadcasting of a size of 1": lambda nx: nx.grad(
        lambda b: nx.sum(nx.sin(nx.tensor(torch.ones(2, 3)) * b))
    )(nx.tensor([[1.0], [2.0]])),
    "a second order through broadcasting": lambda nx: nx.grad(
        lambda x: nx.sum(nx.grad(lambda b: nx.sum(nx.tensor(torch.arange(6.0).reshape(2, 3)) * b * b))(x))
    )(nx.tensor([1.0, 2.0, 3.0])),
}  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_it_gives_what_nexnet_gives(small, program):
    torch.testing.assert_close(program(small).data, program(nexnet).data)


def test_it_has_a_hundred_lines():
    code = next(body for language, body, *_ in blocks(PAGE.read_text(encoding="utf-8")) if language == "python")
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 110
