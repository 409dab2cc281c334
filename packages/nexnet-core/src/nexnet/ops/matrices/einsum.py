"""Sums of products by index letters."""

from __future__ import annotations

import string
from functools import lru_cache
from typing import Any

import torch

from ...engine import TensorBase
from ...errors import InputError, message
from ...policy import Analytic, function, implements

__all__ = ["einsum"]

_NUMBERED = string.ascii_uppercase + string.ascii_lowercase  # the letters that numbers stand for, in order


class _einsum(Analytic):
    """y = einsum(...):  the gradient by an operand is the einsum of g with the other operands, to its letters.

    What that lacks is supplied by constants: a letter that only this operand has is repeated along ones, and of a
    letter that it has twice only the diagonal has a gradient, as of a product with a unit matrix.
    """

    def forward(self, *operands: Any, inputs: tuple[str, ...], output: str) -> Any:
        self.ctx.save(inputs, output, *operands)
        return torch.einsum(f"{','.join(inputs)}->{output}", *operands)

    def backward(self, grad: Any) -> Any:
        inputs, output, *operands = self.ctx.release
        sizes: dict[str, int] = {}
        for letters, operand in zip(inputs, operands, strict=True):
            for letter, size in zip(letters, operand.shape, strict=True):
                sizes[letter] = size if sizes.get(letter, 1) == 1 else sizes[letter]

        def by(place: int) -> Any:
            terms = [output, *inputs[:place], *inputs[place + 1 :]]
            others = [*operands[:place], *operands[place + 1 :]]  # a product without a sum takes any dtypes, as a mask
            factors = [grad, *[each if each.dtype == grad.dtype else each.to(grad.dtype) for each in others]]
            known = {
                letter
                for letters, factor in zip(terms, factors, strict=True)
                for letter, size in zip(letters, factor.shape, strict=True)
                if size == sizes[letter]  # not where it broadcasts
            }
            wanted = ""
            for letter in inputs[place]:
                if letter in wanted:
                    fresh = next(each for each in string.ascii_letters if each not in sizes and each not in wanted)
                    terms.append(letter + fresh)
                    factors.append(torch.eye(sizes[letter], dtype=grad.dtype, device=grad.device))
                    letter = fresh
                elif letter not in known:
                    terms.append(letter)
                    factors.append(torch.ones(sizes[letter], dtype=grad.dtype, device=grad.device))
                wanted += letter
            return torch.einsum(f"{','.join(terms)}->{wanted}", *factors)

        return tuple(by(i) if needed else None for i, needed in enumerate(self.ctx.needs_input_grad))


_sum_of_products = implements()(function(_einsum))


@implements(torch.einsum)
def einsum(equation: str | torch.Tensor, *operands: Any) -> Any:
    """The sum of products that an equation such as ``"bij,jk->bik"`` describes, by torch.einsum's rules.

    Or, without an equation, each operand with the list of its indices, numbers from 0 to 51, and those of the result:
    ``einsum(x, [0, 1], y, [1, 2], [0, 2])``.
    """
    if isinstance(equation, (TensorBase, torch.Tensor)):
        equation, operands = _written((equation, *operands))
    if not isinstance(equation, str):
        raise InputError(
            message(
                "einsum's first argument is the equation.", rule="einsum", expected="a str", got=type(equation).__name__
            )
        )
    if len(operands) == 1 and isinstance(operands[0], (tuple, list)):
        operands = tuple(operands[0])
    left, arrow, output = equation.replace(" ", "").partition("->")
    inputs = left.split(",")
    if len(inputs) != len(operands):
        raise InputError(
            message(
                "an equation names the indices of each operand.",
                rule="einsum",
                expected=f"{len(inputs)} operands for {equation!r}",
                got=len(operands),
            )
        )
    if not arrow:  # the letters that occur once, in order
        output = "..." * ("..." in left) + "".join(
            each for each in sorted(set(left) - set(".,")) if left.count(each) == 1
        )
    if "..." in left:
        named, output = _name_ellipsis(tuple(inputs), output, tuple([each.ndim for each in operands]))
        return _sum_of_products(*operands, inputs=named, output=output)
    return _sum_of_products(*operands, inputs=tuple(inputs), output=output)


def _written(parts: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """Write the equation of operands with lists of indices, and of the result's list, if there is one."""
    terms, result = list(parts[1::2]), list(parts[len(parts) - 1 :]) if len(parts) % 2 else []
    try:
        letters = ["".join(["..." if i is Ellipsis else _NUMBERED[i] for i in each]) for each in terms + result]
    except (TypeError, IndexError):
        raise InputError(
            message(
                "einsum takes an equation, or each operand followed by the list of its indices.",
                rule="einsum",
                expected="einsum('ij,jk->ik', x, y), or einsum(x, [0, 1], y, [1, 2], [0, 2]) with numbers from 0 to 51",
                got=", ".join(
                    [f"{each!r}" if isinstance(each, (list, tuple)) else type(each).__name__ for each in parts]
                ),
            )
        ) from None
    count = len(terms)
    return ",".join(letters[:count]) + "->" * len(result) + "".join(letters[count:]), parts[: 2 * count : 2]


@lru_cache(256)
def _name_ellipsis(inputs: tuple[str, ...], output: str, ndims: tuple[int, ...]) -> tuple[tuple[str, ...], str]:
    """Write letters for ``...``, the same from the right in each operand."""
    covered = [
        ndim - len(each.replace("...", "")) if "..." in each else 0 for each, ndim in zip(inputs, ndims, strict=True)
    ]
    taken = set("".join(inputs))
    free = "".join([each for each in string.ascii_letters if each not in taken][: max([*covered, 0])])
    named = [
        each.replace("...", free[len(free) - n :] if n > 0 else "") for each, n in zip(inputs, covered, strict=True)
    ]
    return tuple(named), output.replace("...", free)
