import pytest

from nexnet_verify import referee as module
from nexnet_verify.referee import MUTANTS, RIGHT, main, referee


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
        ("jvp: the sign", "forward mode"),
        ("jvp: the second tangent is left out", "forward mode"),
        ("jvp: 2x is a constant", "forward mode"),
        ("jvp: a tangent of another shape", "forward mode"),
        ("wrong under vmap only", "vmap"),
        ("keeps its input in a global", "two calls"),
        ("hands out one buffer for all gradients", "two calls"),
        ("maximum: ties to the first, not by halves", "PyTorch"),
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


def test_the_command_prints_the_rates(capsys):
    assert main(["--seeds", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("  ") == ["seed", "wrong rules", "missed", "miss rate", "right rules", "false alarms",
                                    "false alarm rate"]  # fmt: skip
    assert lines[1].split() == ["0", str(len(MUTANTS)), "0", "0.0%", str(len(RIGHT)), "0", "0.0%"]
    assert lines[2].split()[0] == "all"


def test_the_command_ends_in_1_and_names_what_was_missed(monkeypatch, capsys):
    monkeypatch.setattr(module, "MUTANTS", [*MUTANTS[:1], RIGHT[0]])
    monkeypatch.setattr(module, "RIGHT", RIGHT[:1])
    assert main(["--seeds", "2"]) == 1
    out = capsys.readouterr().out
    assert f"missed: {RIGHT[0].name}, seed 1" in out
    assert [line.split()[:4] for line in out.splitlines()[1:4]] == [
        ["0", "2", "1", "50.0%"],
        ["1", "2", "1", "50.0%"],
        ["all", "4", "2", "50.0%"],
    ]


def test_wrong_use_of_the_command_ends_in_2(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--seeds", "0"])
    assert caught.value.code == 2
    assert "--seeds: 0 is less than 1" in capsys.readouterr().err
