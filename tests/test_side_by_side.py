"""Three referees before the same rules: the tables of docs/explanations/verify.md are what is measured here."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy
import pytest
import torch

import nexnet
from nexnet_verify.jax_reference import enable_x64
from nexnet_verify.side_by_side import RIGHT, WRONG, Contender, in_jax, in_nexnet, in_torch, judge, table

PAGE = Path(__file__).parents[1] / "docs" / "explanations" / "verify.md"


def test_the_page_shows_who_catches_what():
    measured = table(WRONG)
    assert measured in PAGE.read_text(encoding="utf-8"), (
        f"docs/explanations/verify.md shows another table than\n\n{measured}"
    )


def test_the_page_shows_who_turns_down_what_is_right():
    measured = table(RIGHT, right=True)
    assert measured in PAGE.read_text(encoding="utf-8"), (
        f"docs/explanations/verify.md shows another table than\n\n{measured}"
    )


def test_twenty_wrong_rules_all_caught_by_nexnet_verify():
    assert len(WRONG) == len({rule.name for rule in WRONG}) == 20
    assert [rule.name for rule in WRONG if judge(rule)[0] != "caught"] == []


@pytest.mark.parametrize(
    "rule", [rule for rule in WRONG if "not the same twice" not in rule.name], ids=lambda r: r.name
)
def test_the_three_forms_of_a_rule_make_the_same_mistake(rule):
    """In the value and the first gradient, with all gradients asked for."""
    inputs = rule.inputs()
    lite = [nexnet.LiteTensor(each.clone()) for each in inputs]
    out, pullback = nexnet.vjp(in_nexnet(rule), *lite)
    grads = [each.numpy() for each in pullback(nexnet.LiteTensor(torch.full(out.shape, 0.5, dtype=torch.float64)))]

    if not rule.name.startswith("writes"):  # torch itself refuses that one
        leaves = [each.clone().requires_grad_() for each in inputs]
        in_torch(rule)(*leaves).backward(torch.full(out.shape, 0.5, dtype=torch.float64))
        for mine, leaf in zip(grads, leaves, strict=True):
            numpy.testing.assert_allclose(mine, leaf.grad.numpy(), rtol=1e-12)

    if not rule.not_in_jax:
        with enable_x64():
            value, back = jax.vjp(in_jax(rule), *[jnp.asarray(each.numpy()) for each in inputs])
            for mine, theirs in zip(grads, back(jnp.full(value.shape, 0.5)), strict=True):
                numpy.testing.assert_allclose(mine, numpy.asarray(theirs), rtol=1e-12)


def test_a_right_rule_is_caught_by_nobody():
    assert judge(Contender("exp", lambda m, x: m.exp(x), lambda m, g, x, y: g * y)) == ("missed",) * 3
