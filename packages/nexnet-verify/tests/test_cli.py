import json
import re
import subprocess
import sys
import textwrap

import pytest

from nexnet_verify import cli, runner
from nexnet_verify.cases import all_cases
from nexnet_verify.cli import main


def test_one_operator_is_shown_in_a_row(capsys):
    assert main(["--op", "exp", "--examples", "2"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"exp +exponential +2 .* right", out)
    assert "1 of 1 cases right, 2 examples, seed 0" in out


def test_a_kind_in_two_processes(capsys):
    assert main(["--kind", "einsum", "--kind", "norms", "--examples", "1", "--jobs", "2"]) == 0
    out = capsys.readouterr().out
    assert out.index("vector_norm") < out.index("einsum")  # the order of the cases, whichever ends first


def test_the_figures_are_written(tmp_path):
    assert (
        main(["--op", "abs", "--examples", "1", "--json", str(tmp_path / "v.json"), "--html", str(tmp_path / "v.html")])
        == 0
    )
    figures = json.loads((tmp_path / "v.json").read_text())
    assert figures["passed"]
    assert figures["cases"][0]["name"] == "abs"
    assert figures["cases"][0]["errors"]["finite differences 1"] < 1e-6
    statuses = {corner["point"]: corner["status"] for corner in figures["corners"]}
    assert "abs(0)" in statuses
    assert set(statuses.values()) == {"right"}
    assert {corner["operator"] for corner in figures["corners"]} == {"abs"}
    page = (tmp_path / "v.html").read_text()
    assert not re.search(r"(src|href)=", page)  # nothing is fetched
    assert "<td class=right>right</td>" in page
    assert "abs(0)" in page
    assert 'addEventListener("click"' in page


def test_a_wrong_operator_ends_in_1(monkeypatch, capsys, tmp_path):
    wrong_sin(monkeypatch)
    assert main(["--op", "sin", "--examples", "1", "--html", str(tmp_path / "v.html")]) == 1
    out = capsys.readouterr().out
    assert re.search(r"sin +trigonometric .* WRONG", out)
    assert "reproduce: nexnet-verify --op sin --seed 0 --examples 1" in out
    assert "What failed" in (tmp_path / "v.html").read_text()


def test_fail_fast_stops_at_the_first_failure(monkeypatch, capsys):
    wrong_sin(monkeypatch)
    assert main(["--op", "sin", "--op", "tanh", "--examples", "1", "--jobs", "1", "--fail-fast"]) == 1
    assert "0 of 1 cases right" in capsys.readouterr().out


def wrong_sin(monkeypatch):
    import dataclasses

    import torch

    import nexnet

    wrong = nexnet.custom_grad(lambda x: (torch.sin(x), lambda grad: grad * torch.sin(x)))
    cases = [dataclasses.replace(c, call=wrong) if c.name == "sin" else c for c in all_cases()]
    monkeypatch.setattr(cli, "all_cases", lambda: cases)


def test_a_missing_case_ends_in_1(monkeypatch, capsys):
    cases = [case for case in all_cases() if case.name != "mul"]
    monkeypatch.setattr(cli, "all_cases", lambda: cases)

    def quickly(chosen, examples, seed, order, jobs):
        yield from (runner.Result(case.name, case.kind, 2, 1, ["plain ()"]) for case in chosen)

    monkeypatch.setattr(cli, "run_cases", quickly)
    assert main([]) == 1
    assert "arithmetic.mul has no case" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--op", "softmaks"], "no case is named 'softmaks'; did you mean softmax"),
        (["--kind", "fruit"], "there is no kind 'fruit'; the kinds are"),
        (["--op", "exp", "--kind", "matmul"], "no operator of kind matmul is named exp"),
        (["--examples", "0"], "argument --examples: 0 is less than 1"),
        (["--examples", "many"], "argument --examples: invalid"),
        (["--colour"], "unrecognized arguments: --colour"),
        (["--json", "no/such/directory/v.json"], "there is no directory no/such/directory"),
        (["--shapes", "3"], "--shapes, --positive and --expected are for a rule of your own"),
        (["rules:mine"], "give the shapes of the arguments"),
        (["rules", "--shapes", "3"], "'rules' is not of the form package.module:rule"),
        (["no_such_module:rule", "--shapes", "3"], "no_such_module does not import"),
        (["math:no_such_rule", "--shapes", "3"], "math has no 'no_such_rule'"),
        (["math:pi", "--shapes", "3"], "math:pi is no function or Policy, but float"),
        (["torch:sin", "--shapes", "3x4"], "'3x4' is no shape"),
        (["torch:sin", "--shapes", "-3,4"], "expected at least one argument"),
        (["torch:mm", "--shapes", "2,3", "2,3"], "torch:mm does not take arguments of shapes (2, 3), (2, 3)"),
        (["torch:sin", "--shapes", "3", "--positive", "1"], "there are 1 arguments, counted from 0"),
        (["torch:sin", "--shapes", "3", "--op", "exp"], "--op is for nexnet's own operators"),
        (["torch:sin", "--shapes", "3", "--examples", "9"], "--examples is for nexnet's own operators"),
        (["torch:sin", "--shapes", "3", "--fail-fast"], "--fail-fast is for nexnet's own operators"),
        (["--html", "."], ". is a directory: name a file to write"),
        (["broken_rules:mine", "--shapes", "3"], "broken_rules does not import: SyntaxError"),
        (["leaving_rules:mine", "--shapes", "3"], "leaving_rules does not import: SystemExit: 0"),
        (["torch:argmax", "--shapes", "3"], "the function returns no floating tensor. rule:"),
    ],
)
def test_wrong_use_is_one_line_and_2(arguments, line, capsys, tmp_path, monkeypatch):
    (tmp_path / "broken_rules.py").write_text("def mine(x:\n    return x\n")
    (tmp_path / "leaving_rules.py").write_text("raise SystemExit(0)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert line in error
    assert error.startswith("nexnet-verify: ")
    assert error.count("\n") == 1


def test_a_rule_of_ones_own(tmp_path, monkeypatch, capsys):
    (tmp_path / "my_rules.py").write_text(
        textwrap.dedent("""
            import nexnet

            class root(nexnet.Policy):
                def forward(self, x):
                    out = x ** 0.5
                    self.ctx.save(out)
                    return out

                def backward(self, grad):
                    (out,) = self.ctx.release
                    return grad / (2 * out)

            class wrong_root(root):
                def backward(self, grad):
                    (out,) = self.ctx.release
                    return grad / out
        """)
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert main(["my_rules:root", "--shapes", "3,4", "--positive", "0", "--order", "3"]) == 0
    assert "gradients of root: right" in capsys.readouterr().out
    assert main(["my_rules:wrong_root", "--shapes", "scalar", "--positive", "0"]) == 1
    out = capsys.readouterr().out
    assert "it is 2 times the reference" in out
    assert "reproduce: nexnet-verify my_rules:wrong_root --shapes scalar --positive 0 --order 2 --seed 0" in out


def test_a_rule_that_can_not_be_differentiated_ends_in_1(tmp_path, monkeypatch, capsys):
    (tmp_path / "rules_that_stop.py").write_text(
        textwrap.dedent("""
            import numpy
            import torch

            import nexnet

            @nexnet.custom_grad
            def forgetful(x):
                return x * 2, lambda grad: grad * factor

            @nexnet.custom_grad
            def once(x):
                y = torch.from_numpy(numpy.exp(x.numpy()))
                return y, lambda grad: grad * y
        """)
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert main(["rules_that_stop:forgetful", "--shapes", "3"]) == 1
    out = capsys.readouterr().out
    assert "rules_that_stop:forgetful can't be differentiated.\nNameError: name 'factor' is not defined" in out
    assert re.search(r"at: +.*rules_that_stop.py, line 9, in <lambda>", out)
    assert main(["rules_that_stop:once", "--shapes", "3", "--order", "1"]) == 0
    assert "vmap is not applicable at order 1" in capsys.readouterr().out
    assert main(["rules_that_stop:once", "--shapes", "3"]) == 1
    assert "HigherOrderError" in capsys.readouterr().out


def test_a_rule_that_leaves_does_not_end_in_0(tmp_path, monkeypatch, capsys):
    (tmp_path / "rules_that_leave.py").write_text(
        textwrap.dedent("""
            import sys

            import torch

            import nexnet

            forward = nexnet.custom_grad(lambda x: sys.exit(0))
            backward = nexnet.custom_grad(lambda x: (x * 2, lambda grad: sys.exit(0)))

            class Torchs(torch.autograd.Function):
                @staticmethod
                def forward(ctx, x):
                    return x * 2

                @staticmethod
                def backward(ctx, grad):
                    return grad * 3

            module = torch.nn.Linear(3, 2)
        """)
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for rule in ("forward", "backward"):
        assert main([f"rules_that_leave:{rule}", "--shapes", "3"]) == 1
        assert "a rule has called sys.exit" in capsys.readouterr().out
    assert main(["rules_that_leave:Torchs", "--shapes", "3"]) == 1
    assert "Torchs" in capsys.readouterr().out
    assert main(["rules_that_leave:module", "--shapes", "4,3"]) == 0


def test_a_gradient_that_is_wrong_on_purpose_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "rules_on_purpose.py").write_text(
        textwrap.dedent("""
            import torch

            import nexnet

            rounding = nexnet.custom_grad(lambda x: (torch.round(x), lambda grad: grad))

            def identity(x):
                return x * 1.0
        """)
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert main(["rules_on_purpose:rounding", "--shapes", "3"]) == 1
    capsys.readouterr()
    assert main(["rules_on_purpose:rounding", "--shapes", "3", "--expected", "rules_on_purpose:identity"]) == 0
    assert main(["--op", "abs", "--expected", "rules_on_purpose:identity"]) == 2
    assert "--expected are for a rule of your own" in capsys.readouterr().err


def test_examples_are_as_many_as_are_asked_for(tmp_path):
    figures = tmp_path / "v.json"
    assert main(["--op", "abs", "--op", "neg", "--examples", "9", "--seed", "5", "--json", str(figures)]) == 0
    found = json.loads(figures.read_text())
    assert [len(case["inputs"]) for case in found["cases"]] == [9, 9]
    assert (found["examples"], found["seed"]) == (9, 5)


def test_it_is_a_module_to_run():
    done = subprocess.run(
        [sys.executable, "-m", "nexnet_verify", "--op", "x"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("nexnet-verify: no case is named 'x'")
