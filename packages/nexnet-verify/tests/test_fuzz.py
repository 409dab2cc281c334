"""The fuzzers find faults that were planted, and show them in a few lines."""

import math
import random
import re
import subprocess
import sys
import textwrap
import threading

import pytest
import torch

import nexnet
from nexnet_verify.fuzz import Outcome
from nexnet_verify.fuzz.command import Tally, fuzz, main
from nexnet_verify.fuzz.drawing import draw, pool
from nexnet_verify.fuzz.inputs import Inputs
from nexnet_verify.fuzz.interrupts import WAYS, Injected, Interrupts, aftermath, result_of
from nexnet_verify.fuzz.known import KNOWN
from nexnet_verify.fuzz.library import KEPT, NEXNET, TORCH, check_kept
from nexnet_verify.fuzz.processes import Processes
from nexnet_verify.fuzz.program import MODES, TRANSFORMS, Program, Step, count
from nexnet_verify.fuzz.programs import Programs, verdict

X, Y = torch.tensor([0.3, -0.8, 1.1], dtype=torch.float64), torch.tensor([[0.5, -0.2]], dtype=torch.float64)


def say_nothing(_):
    pass


def drawn(number, seed=0):
    return draw(random.Random(f"{seed} {number}"), pool(seed, 0)[:4])


# Programs -----------------------------------------------------------------------------------------------------------


def test_the_same_seed_draws_the_same_program():
    assert str(drawn(5)) == str(drawn(5))
    assert str(drawn(5)) != str(drawn(6))


def test_programs_have_4_to_40_operators_and_are_right():
    programs = [drawn(number) for number in range(12)]
    counts = [count(each.steps) for each in programs]
    assert min(counts) >= 4
    assert max(counts) <= 41
    assert [verdict(each) for each in programs if verdict(each) not in ("", "refused")] == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_every_transform_in_every_mode(transform, mode):
    inner = (Step("a1", "torch.sin({0}) * {1}", (("ua2", (3,)), ("y", (3,)))),)
    program = Program((X, Y), (Step("a2", transform, (("x", (3,)),), 1.0, inner),), mode)
    assert verdict(program) == ""
    assert isinstance(result_of(program), list)


def test_what_is_printed_runs_and_shows_both_libraries():
    program = Program((X, Y), (Step("a1", "torch.exp({0})", (("x", (3,)),)),), "gradient")
    done = subprocess.run([sys.executable, "-c", str(program)], capture_output=True, text=True, check=True)
    ours, theirs = done.stdout.strip().split("\n(")[0], done.stdout
    assert "LiteTensor" in ours
    assert "tensor(" in theirs


@nexnet.function
class wrong_wave(nexnet.Policy):
    """Its gradient is wrong where it is taken twice."""

    def forward(self, x):
        self.ctx.save(x)
        return torch.sin(x) * torch.cos(x)

    def backward(self, grad):
        (x,) = self.ctx.release
        return grad * torch.cos(2 * nexnet.stop_gradient(x))


@nexnet.function
class writing_same(nexnet.Policy):
    """It writes into the gradient that comes in, which `plus` has handed to another branch too."""

    def forward(self, x):
        return x.clone()

    def backward(self, grad):
        if type(grad) is torch.Tensor and not torch._C._functorch.is_functorch_wrapped_tensor(grad):
            KEPT.append((grad, grad.clone()))
            grad.mul_(2.0)
            return grad * 0.5
        return grad


def findings(name, rule, monkeypatch, numbers=400):
    monkeypatch.setattr(NEXNET, name, rule)
    for number in range(numbers):
        program = drawn(number)
        if f"T.{name}(" in str(program):
            outcome = attempt(program, monkeypatch)
            if outcome.kind == "finding":
                return outcome
    raise AssertionError("the fault was not found")


def attempt(program, monkeypatch):
    monkeypatch.setattr("nexnet_verify.fuzz.programs.draw", lambda *_: program)
    return Programs(0).attempt(0, say_nothing)


@pytest.mark.filterwarnings("ignore:There is a performance drop")  # torch's remark on a program, not on the fuzzer
def test_a_planted_wrong_rule_is_found_and_shrunk_to_few_lines(monkeypatch):
    monkeypatch.setattr("nexnet_verify.fuzz.programs.PATIENCE", math.inf)  # the same on a machine that is busy
    outcome = findings("wave", wrong_wave, monkeypatch)
    lines = re.findall(r"^ +\w+ = .*", outcome.text, re.MULTILINE)
    assert outcome.text.startswith("values: ")
    assert any("T.wave(" in line for line in lines)
    assert len(lines) <= 4


def test_a_planted_write_is_found(monkeypatch):
    outcome = findings("same", writing_same, monkeypatch)
    assert outcome.text.startswith(("written into: ", "values: "))
    assert "T.same(" in outcome.text
    check_kept()


def test_a_planted_error_is_found_and_its_class_is_kept(monkeypatch):
    def broken(x):
        raise LookupError("planted")

    outcome = findings("wave", broken, monkeypatch)
    assert outcome.text.startswith("error: LookupError: planted")
    assert len(re.findall(r"T\.\w+\(", outcome.text.partition("for T in")[0])) == 1


def test_differences_say_who_is_right(monkeypatch):
    monkeypatch.setattr(TORCH, "wave", lambda x: (torch.sin(x) * torch.cos(x)).detach() + 0.0 * x)
    program = Program((X, Y), (Step("a1", "T.wave({0})", (("x", (3,)),)),), "gradient")
    assert verdict(program) == "torch is wrong"


def test_differences_decide_on_a_program_that_stops_nothing(monkeypatch):
    """They go through what is stopped: a fault of the stop's is seen where torch is right without it."""
    steps = (Step("a1", "T.wave({0})", (("x", (3,)),)), Step("a2", "T.stop({0}) * {0}", (("y", (2,)),)))
    program = Program((X, Y), steps, "gradient")
    with monkeypatch.context() as planted:
        planted.setattr(TORCH, "wave", lambda x: (torch.sin(x) * torch.cos(x)).detach() + 0.0 * x)
        assert verdict(program) == "torch is wrong"
    monkeypatch.setattr(NEXNET, "stop", lambda x: x)
    assert verdict(program).startswith("values: ")


# Interrupts ---------------------------------------------------------------------------------------------------------


def interrupted(way):
    with way(random.Random(1), 0.001):
        for _ in range(10**6):
            say_nothing(None)


@pytest.mark.parametrize("way", WAYS)
def test_each_way_interrupts(way):
    with pytest.raises((Injected, KeyboardInterrupt)):
        interrupted(way)


# One that comes in a callback of the garbage collector, as JAX has one, Python prints and does not raise.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_leaves_nothing(monkeypatch):
    monkeypatch.setattr("nexnet_verify.fuzz.interrupts.draw", lambda *_: drawn(2))
    kinds = {Interrupts(0).attempt(number, say_nothing).kind for number in range(4)}
    assert kinds <= {"fine", "not interrupted"}


def test_a_tape_that_is_left_and_another_gradient_are_found():
    program = Program((X, Y), (Step("a1", "torch.exp({0})", (("x", (3,)),)),), "gradient")
    expected = result_of(program)
    assert aftermath(program, expected) == ""
    nexnet.TapeContext.push(nexnet.Tape())
    try:
        assert aftermath(program, expected) == "1 tapes are still active"
    finally:
        nexnet.TapeContext.pop()
    assert aftermath(program, [each * 2 for each in expected]) == "the program gives other numbers than before"


# Inputs and processes -----------------------------------------------------------------------------------------------


def first_of(kind, name, fuzzer):
    fuzzer.order = [case for case in fuzzer.order if (case.kind, case.name) == (kind, name)]
    return [fuzzer.attempt(number, say_nothing) for number in fuzzer.numbers(0)]


def test_every_wrong_type_of_an_operator_is_a_sensible_error():
    found = first_of("softmax", "softmax", Inputs(0))
    assert len(found) > 40
    assert [each.text for each in found if each.kind == "finding"] == []


def test_every_mutation_of_an_operator_dies_of_nothing():
    found = first_of("softmax", "softmax", Processes(0))
    assert len(found) > 20
    assert [each.text for each in found if each.kind == "finding"] == []


@pytest.mark.parametrize("fuzzer", [Inputs, Processes])
def test_a_planted_internal_error_is_found(fuzzer, monkeypatch):
    def exp(x):
        raise RuntimeError("x INTERNAL ASSERT FAILED")

    monkeypatch.setattr(nexnet.ops, "exp", exp)
    found = first_of("exponential", "exp", fuzzer(0))
    assert {each.kind for each in found} == {"finding"}
    assert "INTERNAL ASSERT FAILED" in found[0].text
    assert "again('exponential', 'exp'" in found[0].text


def test_a_planted_wrong_value_and_gradient_are_found(monkeypatch):
    wrong = nexnet.custom_grad(lambda x: (torch.exp(x), lambda grad: grad * 3.0))
    monkeypatch.setattr(nexnet.ops, "exp", wrong)
    text = first_of("exponential", "exp", Processes(0))[0].text
    assert re.match(r"exponential.exp, nothing, gradient: tensor 0 at .* is 3, torch gives", text)


# The command --------------------------------------------------------------------------------------------------------

HOSTILE = """
import itertools, os, signal, time
from nexnet_verify.fuzz import Outcome

class Hostile:
    def __init__(self, seed):
        assert seed == 7

    def numbers(self, first):
        return iter(range(first, 6))

    def attempt(self, number, tell):
        tell(f"attempt {number}, of which")
        if number == 1:
            os.kill(os.getpid(), signal.SIGSEGV)
        if number == 2:
            time.sleep(60)
        if number == 3:
            raise SystemError("it has left")
        if number == 4:
            return Outcome("finding", "found", "group")
        if number == 5:
            tell("torch's own")
            os.kill(os.getpid(), signal.SIGSEGV)
        return Outcome("fine")
"""


def test_a_process_that_dies_or_hangs_is_a_finding_and_another_goes_on(tmp_path, monkeypatch):
    (tmp_path / "hostile_fuzzer.py").write_text(textwrap.dedent(HOSTILE))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    *_, tally = fuzz("hostile_fuzzer:Hostile", 7, 120.0, patience=4.0)
    assert tally.counts == {"fine": 1, "finding": 4, "torch died": 1}
    assert list(tally.findings) == ["died attempt 1", "hangs attempt 2", "died attempt 3", "group"]
    assert "SIGSEGV" in tally.findings["died attempt 1"]
    assert "SystemError: it has left" in tally.findings["died attempt 3"]
    assert tally.findings["group"] == "found\n(--first 4)"


def test_the_command_counts_shows_and_ends_in_1_where_something_was_found(monkeypatch, capsys):
    def fake(name, seed, seconds, first):
        tally = Tally(name, seed)
        for _ in range(3):
            tally.add("fine")
            yield tally
        if name == "inputs":
            tally.add("finding", "what was found", "group")
            yield tally

    monkeypatch.setattr("nexnet_verify.fuzz.command.fuzz", fake)
    assert main(["--only", "programs", "--seed", "3"]) == 0
    assert "programs: 3 fine; 0 groups of findings" in capsys.readouterr().out
    assert main(["--minutes", "0.1"]) == 1
    out = capsys.readouterr().out
    assert "what was found" in out
    assert "inputs: 1 finding, 3 fine; 1 groups of findings" in out


@pytest.mark.parametrize("names", [("inputs", "programs"), ("programs", "inputs")])
def test_fuzzers_run_side_by_side_and_end_together(names, monkeypatch):
    both = threading.Barrier(2)

    def fake(name, seed, seconds, first):
        both.wait(60)
        if name == "inputs":
            raise RuntimeError("it could not be run")
        while True:  # until the command has been told
            yield Tally(name, seed)

    monkeypatch.setattr("nexnet_verify.fuzz.command.fuzz", fake)
    with pytest.raises(RuntimeError, match="could not be run"):
        main(["--jobs", "2", *(f"--only={each}" for each in names)])


@pytest.mark.parametrize("arguments", [["--minutes", "0"], ["--only", "fruit"], ["--jobs", "0"]])
def test_wrong_use_ends_in_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "--" in capsys.readouterr().err


def test_known_findings_are_counted_and_each_has_a_reason():
    tally = Tally("inputs", 0)
    tally.add("finding", "text", next(iter(KNOWN)))
    assert (tally.counts, tally.findings) == ({"known": 1}, {})
    assert all(KNOWN.values())


def test_findings_of_one_group_are_shown_once():
    tally = Tally("programs", 0)
    for text in ("first", "second"):
        tally.add("finding", text, "group")
    assert (tally.counts["finding"], tally.findings) == (2, {"group": "first"})
    assert Outcome("fine").text == ""
