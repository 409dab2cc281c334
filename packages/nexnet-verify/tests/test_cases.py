import dataclasses
import math
import pkgutil

import numpy
import pytest
import torch

import nexnet
from nexnet_verify.cases import LAYOUTS, WINGS, Case, Sample, all_cases, unary
from nexnet_verify.cases._draw import DISTINCT, NONZERO, Domain, Draw
from nexnet_verify.runner import draw_samples, run_case


def case_of(name):
    return next(case for case in all_cases() if case.name == name)


def test_cases_mirror_the_modules_of_operators():
    modules = [each.name.split(".")[2:] for each in pkgutil.walk_packages(nexnet.ops.__path__, "nexnet.ops.")]
    public = {tuple(each) for each in modules if len(each) == 2 and not each[1].startswith("_")}
    public -= {("layers", each) for each in ("recurrence", "packing", "lstm_layer")}  # steps of recurrent's operators
    public -= {("elementwise", "draws")}  # of random numbers: the core's tests compare them with their distributions
    assert {(wing, kind) for wing, kinds in WINGS.items() for kind in kinds} == public
    assert {(case.wing, case.kind) for case in all_cases()} == public | {("constant", "constant"), ("nn", "nn")}
    assert len({(case.kind, case.name) for case in all_cases()}) == len(all_cases())


def test_a_seed_draws_the_same_examples_again():
    drawn = [[(layout, str(sample)) for layout, sample in draw_samples(case_of("mul"), 10, seed)] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_an_example_of_every_layout_is_drawn():
    shown = dict(draw_samples(case_of("add"), len(LAYOUTS), 0))
    assert tuple(shown) == LAYOUTS
    x = {layout: sample.args[0].data for layout, sample in shown.items()}
    assert x["plain"].is_contiguous()
    assert x["scalar"].ndim == 0
    assert not x["strided"].is_contiguous()
    assert 0 in x["expanded"].stride()
    assert x["empty"].numel() == 0
    left, right = shown["broadcast"].args
    assert left.shape != right.shape


def test_a_domain_keeps_away_from_its_kinks():
    generator = numpy.random.default_rng(0)
    assert NONZERO.sample(generator, (1000,)).abs().min() >= 0.3
    around = Domain(-2.0, 2.0, avoid=(-1.0, 1.0), margin=0.2).sample(generator, (1000,))
    assert (around.abs() - 1).abs().min() >= 0.19
    assert len(DISTINCT.sample(generator, (1000,)).unique()) == 1000


def test_numbers_are_exact_in_float32():
    drawn = NONZERO.sample(numpy.random.default_rng(0), (100,))
    assert torch.equal(drawn, drawn.float().double())


@pytest.mark.parametrize("name", ["mul", "softmax", "getitem", "cross_entropy"])
def test_a_case_runs(name):
    result = run_case(case_of(name), examples=3)
    assert result.passed, result.failure
    assert result.examples == 3
    assert result.error("finite differences", 2) < 1e-6
    assert result.error("JAX", 2) < 1e-12


def test_what_a_case_reaches_is_noted():
    assert {"tanh", "tanh_backward"} <= set(run_case(case_of("tanh"), examples=1).reached)


def test_a_wrong_operator_fails_its_case_with_the_inputs_that_show_it():
    wrong = nexnet.custom_grad(lambda x: (torch.sin(x), lambda grad: grad * torch.sin(x)))
    result = run_case(dataclasses.replace(case_of("sin"), call=wrong), examples=4, seed=2)
    assert not result.passed
    assert "the gradient of sin is wrong at order 1" in result.failure
    assert "reproduce: nexnet-verify --op sin --seed 2 --examples 4" in result.failure
    assert "inputs:    plain ((2, 3))" in result.failure


def test_a_case_that_can_not_run_fails():
    def broken(x):
        raise RuntimeError("no such thing")

    result = run_case(dataclasses.replace(case_of("sin"), call=broken), examples=1)
    assert "could not be run" in result.failure
    assert "no such thing" in result.failure


def test_what_a_case_was_not_compared_with_has_its_reason():
    result = run_case(case_of("squeeze"), examples=8)
    assert result.passed, result.failure
    assert result.remarks == {"vmap": case_of("squeeze").without_vmap}
    assert result.unexplained() == []
    result = run_case(case_of("dropout"), examples=1)
    assert not math.isnan(result.error("vmap", 1))
    assert result.remarks["tolerance"] == case_of("dropout").reason


def test_an_obstacle_that_is_not_torchs_fails_the_case():
    def refuses(x):
        if torch._C._functorch.is_batchedtensor(x.data):
            raise KeyError("a mistake of ours")
        return torch.sin(x)

    result = run_case(dataclasses.replace(case_of("sin"), call=refuses), examples=1)
    assert "vmap of sin could not be run, and it is not that torch can't" in result.failure
    assert "a mistake of ours" in result.failure


def test_a_figure_that_is_missing_without_a_reason_is_named():
    result = run_case(case_of("sin"), examples=1, order=1)
    assert result.unexplained() == []
    result.order = 2
    assert result.unexplained() == ["FD 2nd", "JAX 2nd", "torch 2nd"]


def test_a_case_whose_domain_reaches_a_kink_fails():
    def inputs(d: Draw) -> Sample:
        return Sample(nexnet.LiteTensor(torch.zeros(2, dtype=torch.float64)))

    result = run_case(dataclasses.replace(case_of("abs"), inputs=inputs), examples=1)
    assert "reach a point without a derivative; narrow its domain" in result.failure


def test_a_case_without_jax_or_with_a_tolerance_of_its_own_gives_a_reason():
    with pytest.raises(ValueError, match="either a JAX counterpart or the reason"):
        unary("sin", None)
    with pytest.raises(ValueError, match="needs its reason"):
        unary("sin", numpy.sin, rtol=1e-3)
    assert isinstance(unary("sin", None, without_jax="JAX has no such function"), Case)
