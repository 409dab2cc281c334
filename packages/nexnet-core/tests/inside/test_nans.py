"""debug_nans: which operation made the first NaN, where, of what, and why."""

import math
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

import nexnet as nx
from nexnet.errors import NonFiniteError

HERE = Path(__file__).name


def caught(fn, *args, infinities=False):
    kept = []  # a result that nobody keeps is nobody's trouble
    with pytest.raises(NonFiniteError) as found, nx.debug_nans(infinities=infinities):
        kept.append(fn(*args))
    return found.value


class TestForward:
    def test_names_rule_line_element_reason_and_remedy(self):
        error = caught(lambda x: nx.log(x).sum(), nx.tensor([1.0, -1.0]))
        assert (error.rule, error.phase, error.indices) == ("log", "forward", ((1,),))
        assert error.source.code.startswith("error = caught(lambda x: nx.log(x)")
        assert str(error).splitlines() == [
            "log made a NaN out of numbers that have none.",
            "  rule:      log (forward)",
            f"  line:      {HERE}:{error.source.line}, in {error.source.function}: {error.source.code}",
            "  inputs:    self [2] from -1 to 1",
            "  elements:  1 of 2; [1]: self -1 -> nan",
            "  reason:    the logarithm of a negative number",
            "  remedy:    clamp it: nexnet.log(x.clamp(min=eps))",
        ]

    @pytest.mark.parametrize(
        ("fn", "values", "rule", "reason"),
        [
            (lambda x: x / (x - x), [0.0], "div", "0 / 0"),
            (lambda x: nx.sqrt(x), [-1.0], "sqrt", "square root of a negative"),
            (lambda x: nx.acos(x), [2.0], "acos", r"outside of \[-1, 1\]"),
            (lambda x: x**0.5, [-2.0], "(sqrt|pow)", "negative number"),
            (lambda x: x - x, [math.inf], "sub", "infinity - infinity"),
            (lambda x: x * 0.0, [math.inf], "mul", "0 x infinity"),
            (lambda x: nx.softmax(x, 0), [-math.inf, -math.inf], "softmax", "fully masked"),
            (lambda x: x[:0].mean(), [1.0], "mean", "too few elements"),
        ],
        ids=lambda each: "" if callable(each) else str(each),
    )
    @pytest.mark.parametrize("differentiated", [False, True])
    def test_knows_reasons(self, fn, values, rule, reason, differentiated):
        run = nx.grad(lambda x: fn(x).sum()) if differentiated else fn
        error = caught(run, nx.tensor(values))
        assert error.phase == "forward"
        assert re.fullmatch(rule, error.rule.strip("_"))
        assert re.search(reason, error.reason)

    def test_an_infinity_counts_if_it_is_asked_for(self):
        with nx.debug_nans():
            nx.exp(nx.tensor(100.0))
        error = caught(nx.exp, nx.tensor(100.0), infinities=True)
        assert error.reason == "exp overflows float32 above 88.72"

    def test_infinities_that_are_there_on_purpose_are_none(self):
        with nx.debug_nans(infinities=True):
            masked = nx.tensor([1.0, 2.0]).masked_fill(torch.tensor([True, False]), -math.inf)
            assert nx.softmax(masked, 0).tolist() == [0.0, 1.0]

    def test_what_went_in_as_a_nan_is_nobodys_fault(self):
        with nx.debug_nans():
            assert nx.grad(lambda x: (x * 2).sum())(torch.tensor([math.nan])).item() == 2.0

    @pytest.mark.parametrize("differentiated", [False, True])
    def test_a_rule_may_make_one_on_its_way_if_it_does_not_give_it_out(self, differentiated):
        @nx.function
        class safe_log(nx.Policy):
            def forward(self, x):
                self.ctx.save(x)
                return torch.where(x > 0, torch.log(x), torch.zeros_like(x))

            def backward(self, grad):
                (x,) = self.ctx.release
                return torch.where(x > 0, grad / x, torch.zeros_like(x))

        run = nx.grad(lambda x: safe_log(x).sum()) if differentiated else safe_log
        with nx.debug_nans():
            out = run(nx.tensor([-1.0, 0.0, 1.0]))
            nx.sin(out)

    @pytest.mark.parametrize("differentiated", [False, True])
    def test_a_users_rule_that_gives_one_out_is_named_with_the_kernel_in_it(self, differentiated):
        @nx.function
        class bad_log(nx.Policy):
            def forward(self, x):
                self.ctx.save(x)
                return torch.log(x) + 1

            def backward(self, grad):
                (x,) = self.ctx.release
                return grad / x

        run = nx.grad(lambda x: bad_log(x).sum()) if differentiated else bad_log
        error = caught(lambda: nx.sin(run(nx.tensor([-1.0, 1.0]))))
        assert "bad_log (forward, in its log)" in str(error)
        assert error.reason == "the logarithm of a negative number"


class TestBackward:
    def test_names_the_line_of_the_forward(self):
        def fn(x):
            y = x * 2
            return nx.sqrt(y).sum()

        error = caught(nx.grad(lambda x: fn(x) * 0.0), torch.zeros(2))
        assert (error.rule, error.phase) == ("sqrt", "backward")
        assert error.source.code == "return nx.sqrt(y).sum()"
        assert error.reason == "the slope of sqrt at 0 is infinite"

    def test_knows_the_trap_of_where(self):
        error = caught(nx.grad(lambda x: nx.where(x > 0, nx.sqrt(x), 0.0).sum()), torch.tensor([0.0, 1.0]))
        assert error.indices == ((0,),)
        assert error.reason.startswith("the trap of where")
        assert "gradient 0, saved 0 -> nan" in str(error)

    def test_at_second_order(self):
        def fn(x):
            return x.abs() ** 1.5

        error = caught(nx.grad(nx.grad(fn)), 0.0)
        assert error.rule == "pow"
        assert error.source.code == "return x.abs() ** 1.5"

    def test_under_vmap_and_checkpoint(self):
        def fn(x):
            return nx.checkpoint(lambda a: nx.where(a > 0, nx.sqrt(a), 0.0))(x)

        error = caught(lambda x: nx.vmap(nx.grad(fn))(x), torch.tensor([1.0, 0.0]))
        assert (error.rule, error.phase) == ("sqrt", "backward")

    def test_in_another_thread(self):
        found = []

        def work():
            try:
                with nx.debug_nans():
                    nx.grad(lambda x: nx.sqrt(x) * 0.0)(0.0)
            except NonFiniteError as error:
                found.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert found[0].rule == "sqrt"

    def test_complex_numbers(self):
        error = caught(nx.grad(lambda z: (z * 0.0).abs().log().sum()), torch.ones(2, dtype=torch.complex64))
        assert (error.rule, error.phase) in {("abs", "backward"), ("mul", "backward"), ("log", "backward")}

    def test_afterwards_nobody_looks_on(self):
        with nx.debug_nans():
            pass
        assert nx.grad(lambda x: nx.sqrt(x) * 0.0)(0.0).isnan().item()
        assert nx.Tape().observers is None

    def test_as_a_decorator(self):
        @nx.debug_nans()
        def step(x):
            return nx.log(x)

        with pytest.raises(NonFiniteError):
            step(nx.tensor(-1.0))
        with pytest.raises(NonFiniteError):
            step(nx.tensor(-1.0))


class TestSwitches:
    def test_torchs_own_turns_it_on(self):
        with (
            pytest.warns(UserWarning, match="Anomaly Detection"),
            torch.autograd.detect_anomaly(),
            pytest.raises(NonFiniteError, match=r"sqrt \(backward\)"),
        ):
            nx.grad(lambda x: nx.sqrt(x) * 0.0)(0.0)
        assert nx.grad(lambda x: nx.sqrt(x) * 0.0)(0.0).isnan().item()

    def test_torchs_own_does_so_in_a_trace_and_in_what_is_differentiated_in_it(self):
        def root(x):
            return nx.sqrt(x) * 0.0

        for run in (nx.trace(root, gradients=True), nx.trace(nx.grad(root))):
            with (
                pytest.warns(UserWarning, match="Anomaly Detection"),
                torch.autograd.detect_anomaly(),
                pytest.raises(NonFiniteError, match=r"sqrt \(backward\)"),
            ):
                run(0.0)

    def test_torchs_own_without_its_check_does_not(self):
        with pytest.warns(UserWarning, match="Anomaly Detection"), torch.autograd.detect_anomaly(check_nan=False):
            assert nx.grad(lambda x: nx.sqrt(x) * 0.0)(0.0).isnan().item()

    @pytest.mark.process
    def test_the_environment_turns_it_on(self):
        code = "import nexnet, torch; nexnet.log(nexnet.tensor(-1.0))"
        settings = {**os.environ, "NEXNET_DEBUG_NANS": "1"}
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=settings)
        assert "NonFiniteError: log made a NaN" in told.stderr
