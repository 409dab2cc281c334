import re
import subprocess
import sys
from pathlib import Path

import pytest

import nexnet
from nexnet_verify import check_gradients

pytest_plugins = "pytester"

RULES = """
    import nexnet
    import pytest


    @nexnet.function
    class root(nexnet.Policy):
        def forward(self, x):
            out = x**0.5
            self.ctx.save(out)
            return out

        def backward(self, grad):
            (out,) = self.ctx.release
            return grad / (2 * out)


    @nexnet.function
    class wrong_root(nexnet.Policy):
        def forward(self, x):
            out = x**0.5
            self.ctx.save(out)
            return out

        def backward(self, grad):
            (out,) = self.ctx.release
            return grad / (2 * nexnet.stop_gradient(out))
"""


@pytest.fixture(scope="module", autouse=True)
def loaded():
    """Load everything that a check imports: a run in this process forgets the modules it has loaded, and torch can't
    be loaded twice.
    """
    check_gradients(nexnet.exp, nexnet.ones(2))


@pytest.fixture
def run(pytester):
    """Runs a page of tests with the plugin, in this process."""

    def run(tests, *options):
        pytester.makepyfile(rules=RULES, test_rules="from rules import *\n" + tests)
        return pytester.runpytest("-p", "nexnet_verify.pytest_plugin", "--strict-markers", *options)

    return run


def test_the_fixture_checks_with_a_seed_of_the_tests_own(run):
    result = run(
        """
def test_root(check_gradients):
    check_gradients(root, nexnet.tensor([1.0, 4.0]), order=3)

def test_wrong_root(check_gradients):
    check_gradients(wrong_root, nexnet.tensor([1.0, 4.0]))

@pytest.mark.gradients(order=1, seed=7)
def test_wrong_root_at_first_order(check_gradients):
    check_gradients(wrong_root, nexnet.tensor([1.0, 4.0]))
    assert check_gradients(wrong_root, nexnet.tensor([1.0]), order=2, report=True).findings[0].seed == 7
"""
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            ">       check_gradients(wrong_root, nexnet.tensor([1.0, 4.0]))",
            "E       *GradientMismatch: the gradient of wrong_root is wrong at order 2.",
            "E         argument:  args[[]0[]], float64 of shape (2,)",
            "E         seed:      *",
        ]
    )
    result.stdout.no_fnmatch_line("*checker.py*")  # the traceback ends in the test


def test_a_marked_test_is_the_function_that_is_checked(run):
    result = run(
        """
@pytest.mark.gradients(shapes=[(3, 4), (4,)], positive=["x"], order=3)
def test_of_two(x, y):
    assert (x.data > 0).all() and not (y.data > 0).all()
    return root(x) * y

@pytest.mark.gradients(shapes=[()], positive=[0])
@pytest.mark.gradients(shapes=[(2, 3)], positive=[0])
@pytest.mark.gradients(shapes=[5], positive=[0], order=1)
def test_wrong_root(x):
    return wrong_root(x)

class TestMethods:
    @pytest.mark.parametrize("power", [2, 3])
    @pytest.mark.gradients(shapes=[(2,)])
    def test_power(self, x, power, tmp_path):
        assert tmp_path.exists()
        return x**power
""",
        "-v",
    )
    result.assert_outcomes(passed=4, failed=2)
    result.stdout.fnmatch_lines(
        [
            "test_rules.py::test_of_two[[]3x4-4[]] PASSED*",
            "test_rules.py::test_wrong_root[[]scalar[]] FAILED*",
            "test_rules.py::test_wrong_root[[]2x3[]] FAILED*",
            "test_rules.py::test_wrong_root[[]5[]] PASSED*",
        ]
    )
    result.stdout.fnmatch_lines(
        [
            "the gradient of test_wrong_root[[]2x3[]] is wrong at order 2.",
            "*reproduce: pytest 'test_rules.py::test_wrong_root[[]2x3[]]'",
        ]
    )


def test_another_seed_draws_other_numbers_and_the_same_one_the_same(run):
    page = """
@pytest.mark.gradients(shapes=[(2,)])
def test_it(x):
    print("drawn", x.tolist())
    return x * x
"""

    def drawn(*options):
        return next(line for line in run(page, "-s", *options).outlines if "drawn" in line)

    assert drawn() == drawn() != drawn("--gradients-seed", "1")


@pytest.mark.parametrize(
    ("marked", "line"),
    [
        ("gradients(shapes=[2])\ndef test_it(): ...", "1 shapes do not fit the arguments (none)"),
        ("gradients(shapes=[2], positive=['y'])\ndef test_it(x): ...", "positive=['y'] is no argument; they are x"),
        ("gradients(shape=[2])\ndef test_it(x): ...", "it has no option 'shape'; they are shapes, positive, order"),
        ("gradients(2)\ndef test_it(x): ...", "it takes keyword arguments only"),
        ("gradients(order=2)\ndef test_it(): ...", "give it shapes=[...], or let the test use the fixture"),
    ],
)
def test_wrong_use_of_the_marker_is_a_line(run, marked, line):
    result = run(f"@pytest.mark.{marked}")
    result.assert_outcomes(errors=1)
    assert f"the gradients marker of test_it: {line}" in result.stdout.str()


def test_a_marked_test_that_returns_nothing_fails(run):
    result = run("@pytest.mark.gradients(shapes=[2])\ndef test_it(x):\n    x * x")
    result.assert_outcomes(failed=1)
    assert "the function returns no floating tensor" in result.stdout.str()


def test_the_readmes_example(run):
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    (page,) = re.findall(r"^```py\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    run(page).assert_outcomes(passed=4)


def test_the_plugin_costs_nobody_the_import_of_torch():
    code = "import sys, nexnet_verify.pytest_plugin; print(*{'torch', 'nexnet', 'jax'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
