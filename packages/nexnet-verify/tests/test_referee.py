import pytest

from nexnet_verify import referee as module
from nexnet_verify.referee import MUTANTS, RIGHT, referee


@pytest.mark.parametrize("rule", MUTANTS, ids=lambda rule: rule.name)
def test_a_wrong_rule_is_caught(rule):
    report = rule.check()
    assert not report.passed
    assert report.findings[0].rule == rule.name


@pytest.mark.parametrize("rule", RIGHT, ids=lambda rule: rule.name)
def test_a_right_rule_passes(rule):
    report = rule.check()
    assert report.passed, report
    assert bool(report.singular) == rule.name.startswith(("kinks", "a pole"))


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("wrong for strided inputs only", "strided"),
        ("wrong in float32 only", "float64"),
        ("wrong where only the first is asked for", "one input alone"),
        ("wrong in forward mode only", "forward mode"),
        ("wrong under vmap only", "vmap"),
        ("not deterministic", "determinism"),
        ("writes into its output", "untouched"),
        ("square: 2x is a constant", "central finite differences of the order below"),
    ],
)
def test_a_wrong_rule_is_caught_for_its_own_reason(name, reference):
    (rule,) = [rule for rule in MUTANTS if rule.name == name]
    assert rule.check().findings[0].reference == reference


def test_there_are_mutants_enough():
    assert len(MUTANTS) >= 60
    assert len({rule.name for rule in MUTANTS}) == len(MUTANTS)


def test_the_rates_name_what_was_missed(monkeypatch):
    monkeypatch.setattr(module, "MUTANTS", RIGHT[:1])
    monkeypatch.setattr(module, "RIGHT", MUTANTS[:1])
    missed, alarms = referee(seeds=[4])
    assert missed == [f"{RIGHT[0].name}, seed 4"]
    assert alarms == [f"{MUTANTS[0].name}, seed 4"]
