import math

import pytest

from nexnet_verify.differences import EPSILON, central, derivative, judge, one_sided


def values_at(f, x):
    """f near x, as a function of the step relative to x; nan outside of f's domain."""

    def shifted(t):
        try:
            return f(x + t * (abs(x) or 1.0))
        except (ValueError, ZeroDivisionError):
            return math.nan
        except OverflowError:
            return math.inf

    return shifted


@pytest.mark.parametrize(
    ("f", "x", "slope"),
    [
        (math.exp, 1.0, math.e),
        (math.log, 1e-6, 1e6),
        (math.sin, 1000.0, math.cos(1000.0)),
        (lambda x: x**50, 2.0, 50 * 2.0**49),
        (lambda x: math.exp(1000 * x), 0.3, 1000 * math.exp(300)),
        (lambda x: math.tanh(1000 * x), 0.0, 1000.0),
        (lambda x: max(x, 0.0), 1e-9, 1.0),
        (lambda x: abs(x - 0.001), 0.0, -1.0),
        (lambda x: 1e-8 * x, 0.3, 1e-8),
    ],
)
def test_the_step_chooses_itself_over_many_scales(f, x, slope):
    size = abs(x) or 1.0
    found = central(values_at(f, x), EPSILON * abs(f(x)), abs(slope) * size)
    assert found.value / size == pytest.approx(slope, rel=1e-9)
    assert found.error <= 1e-7 * abs(slope) * size


def test_the_estimated_error_covers_rounding():
    found = central(values_at(lambda x: 1e8 + math.sin(x), 1.0), EPSILON * 1e8, 1.0)
    assert abs(found.value - math.cos(1.0)) <= found.error <= 1e-4


def test_steps_that_leave_the_domain_are_left_out():
    found = central(lambda t: math.log(1e-3 + t) if t > -1e-3 else math.nan, 1e-15, 1e3)
    assert found.value == pytest.approx(1e3, rel=1e-8)


def test_a_function_that_is_nowhere_defined_has_no_estimate():
    assert central(lambda _: math.nan, 0.0, 1.0).error == math.inf


def test_what_central_differences_only_approach_is_taken_from_both_sides():
    crooked = lambda t: t * abs(t)  # noqa: E731
    assert central(crooked, EPSILON, 1.0).error > 1e-9
    assert derivative(crooked, EPSILON, 1.0).value == pytest.approx(0.0, abs=1e-14)


def test_one_sided_derivatives_of_a_kink():
    assert one_sided(abs, EPSILON, 1.0, 1).value == 1.0
    assert one_sided(abs, EPSILON, 1.0, -1).value == -1.0


@pytest.mark.parametrize(
    ("f", "reason"),
    [
        (abs, "a kink: -1 from the left, 1 from the right"),
        (lambda t: float(t > 0), "the derivative from the right does not exist"),
        (lambda t: math.sqrt(t) if t >= 0 else math.nan, "the derivative from the right does not exist"),
        (lambda t: -1.0 if t < 0 else t, "the derivative from the left does not exist"),
    ],
)
def test_a_point_without_a_derivative_is_told(f, reason):
    verdict = judge(f, EPSILON, 1.0)
    assert not verdict.smooth
    assert verdict.reason.startswith(reason)


@pytest.mark.parametrize("f", [math.sin, lambda t: t * abs(t), lambda t: 0.0, lambda t: math.exp(50 * t)])
def test_a_smooth_point_is_told(f):
    assert judge(f, EPSILON, 1.0).smooth
