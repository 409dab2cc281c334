import dataclasses

import pytest

import nexnet
from nexnet.ops.elementwise import arithmetic
from nexnet_verify.cases import all_cases
from nexnet_verify.discovery import compare_with_cases, inner_operators, is_constant, public_operators
from nexnet_verify.summary import missing_layers

EVERY_INNER = dict.fromkeys(inner_operators(), "a case")


def test_every_operator_has_a_case_and_every_case_an_operator():
    coverage = compare_with_cases(all_cases(), EVERY_INNER)
    assert coverage.problems() == []
    assert coverage.complete


def test_an_operator_without_a_case_is_named():
    cases = [case for case in all_cases() if case.name != "mul"]
    coverage = compare_with_cases(cases, EVERY_INNER)
    assert not coverage.complete
    assert coverage.problems() == ["arithmetic.mul has no case: add one to nexnet_verify.cases.elementwise.arithmetic"]


def test_a_case_without_pytorch_is_named():
    cases = [dataclasses.replace(case, call=lambda x: x) if case.name == "exp" else case for case in all_cases()]
    assert compare_with_cases(cases, EVERY_INNER).problems() == [
        "the case exp is compared with no torch function: give one (torch=), or without_torch=, the reason"
    ]


def test_a_new_operator_is_seen(monkeypatch):
    @nexnet.function
    class doubled(nexnet.Policy):
        def forward(self, x):
            return x * 2

        def backward(self, grad):
            return grad * 2

    monkeypatch.setattr(arithmetic, "doubled", doubled, raising=False)
    monkeypatch.setattr(arithmetic, "__all__", [*arithmetic.__all__, "doubled"])
    (missing,) = compare_with_cases(all_cases(), EVERY_INNER).missing
    assert (missing.name, missing.kind) == ("doubled", "arithmetic")


def test_a_case_for_nothing_is_named():
    sum_case = next(case for case in all_cases() if case.name == "sum")
    stray = type(sum_case)(name="no_such_operator", inputs=sum_case.inputs, jax=sum_case.jax)
    assert compare_with_cases([*all_cases(), stray], EVERY_INNER).unknown == ("no_such_operator",)


def test_an_inner_operator_that_no_case_reaches_is_named():
    coverage = compare_with_cases(all_cases(), {})
    assert not coverage.complete
    assert any("tanh_backward is reached by no case" in problem for problem in coverage.problems())


def test_constants_are_known_by_how_they_are_made():
    assert is_constant(nexnet.ops.floor)
    assert not is_constant(nexnet.ops.abs)
    assert not {"floor", "argmax", "eq", "zeros_like"} & {each.name for each in public_operators()}


def test_several_names_of_one_operator_count_once():
    (found,) = [each for each in public_operators() if each.name == "div"]
    assert {"divide", "true_divide"} <= set(found.aliases)


def test_a_layer_without_a_case_is_named():
    pytest.importorskip("nexnet_nn")
    cases = all_cases()
    assert missing_layers(cases) == []
    assert missing_layers([case for case in cases if case.name != "Dense"]) == [
        "nexnet_nn.Dense has no case: add one to nexnet_verify.cases.nn"
    ]
