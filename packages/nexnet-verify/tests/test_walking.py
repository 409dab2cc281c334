"""Every listed operator, one by one: none can be added without being right here.

The examples are those of its case, one of each layout (0-d, empty, broadcast, strided, expanded). Tolerances: 1e-6 of
each number against PyTorch in float64; ``TOLERANCES`` of the largest one in the other dtypes.
"""

import optree
import pytest
import torch

import nexnet
from nexnet.errors import NexnetError
from nexnet.ops._listing import PLACES
from nexnet_verify.problem import NAMESPACE
from nexnet_verify.torch_reference import as_torch, torch_counterpart
from nexnet_verify.walking import (
    TOLERANCES,
    against_torch,
    bad_calls,
    differentiable_cases,
    in_dtype,
    on_meta,
    outcome,
    pullbacks_under_vmap,
    samples,
    under_vmap,
)

CASES = [pytest.param(case, id=f"{case.kind}.{case.name}") for case in differentiable_cases()]
BESIDE_TORCH = [param for param in CASES if torch_counterpart(param.values[0]) is not None]
RECORDS = {each.name: each for each in nexnet.ops.listing()}

# Where torch draws random numbers on the meta device, it takes no generator.
ONLY_WITHOUT_GENERATOR = {"dropout", "gumbel_softmax"}


def record_of(case):
    name = case.name.partition(".")[0] if case.name.partition(".")[0] not in RECORDS else case.name
    return next((each for each in RECORDS.values() if name in (each.name, *each.aliases)), None)


def test_every_differentiable_operator_of_the_listing_is_walked():
    walked = {name.partition(".")[0] for case in differentiable_cases() for name in (case.name, *case.covers)}
    listed = [each for each in RECORDS.values() if each.differentiable]
    assert [each.name for each in listed if not walked & {each.name, *each.aliases}] == []


@pytest.mark.parametrize("case", BESIDE_TORCH)
def test_value_first_and_second_derivative_are_torchs(case):
    for layout, sample in samples(case.name, case.kind):
        assert list(against_torch(case, sample)) == [], f"{layout} {sample}"


@pytest.mark.parametrize("case", CASES)
def test_shapes_and_dtypes_are_right_on_the_meta_device(case):
    for layout, sample in samples(case.name, case.kind)[:2]:
        found = on_meta(case, sample)
        if found.startswith("fails") and case.name in ONLY_WITHOUT_GENERATOR:
            continue
        assert not found or found.startswith("refused"), f"{layout} {sample}: {found}"


@pytest.mark.parametrize("dtype", TOLERANCES, ids=lambda dtype: str(dtype).removeprefix("torch."))
@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients_in_a_dtype_are_those_of_float64(case, dtype):
    refused = False
    for layout, sample in samples(case.name, case.kind)[:2]:
        found = in_dtype(case, sample, dtype)
        refused |= found.startswith("refused")
        assert not found or found.startswith("refused"), f"{layout} {sample}: {found}"
    record = record_of(case)
    if record is not None and "." not in case.name:
        listed = str(dtype).removeprefix("torch.") in record.dtypes
        assert listed is not refused, "nexnet.ops._listing says otherwise"


# Where the examples of a batch would have results of different shapes.
ONE_MASK_FOR_ALL = {"masked_select", "at.set", "at.add"}


@pytest.mark.parametrize("case", [param for param in CASES if param.values[0].mapped])
def test_under_vmap_an_operator_is_mapped_and_not_called_example_by_example(case, capfd):
    _, sample = samples(case.name, case.kind)[0]
    for found in under_vmap(case, sample):
        assert case.name in ONE_MASK_FOR_ALL, found
        assert "under vmap all examples have one shape" in found
    assert list(pullbacks_under_vmap(case, sample)) == []
    assert "batching rule" not in capfd.readouterr().err  # of a kernel that C++ called, torch says it there


# Wrong calls of which nexnet makes more than torch does, and why.
TAKEN = {
    "cartesian_prod": "integers are promoted, as by stack",
    "cumulative_trapezoid": "bools are numbers",
    "hinge_embedding_loss": "integers are promoted",
    "meshgrid": "each grid has the dtype of its vector",
    "nanmean": "integers have a mean",
    "multilabel_soft_margin_loss": "a score without dimensions is one label",
    "trapezoid": "bools are numbers",
    "trapz": "bools are numbers",
    "kl_div": "integers are promoted",
    "max_pool1d": "integers have no gradient, and the largest of them is known",
    "trace": "the sum of a bool diagonal counts it",
    "triangular_solve": "integers are promoted, as by linalg.solve_triangular",
}
LEFT = {"affine_grid_generator": "of integers torch makes a grid of integers, all of them -1, 0 or 1"}
# How Python, torch's parser and torch's kernels say that an argument is of the wrong kind.
OF_THE_WRONG_KIND = (TypeError, AttributeError, RuntimeError)


def kinds(out):
    leaves = optree.tree_leaves(out, namespace=NAMESPACE)
    return [(tuple(each.shape), each.dtype) for each in leaves if isinstance(each, (torch.Tensor, nexnet.LiteTensor))]


def plain(case):
    return case.torch is None and case.call is None


@pytest.mark.parametrize("case", [param for param in BESIDE_TORCH if plain(param.values[0])])
def test_a_wrong_call_is_refused_as_torch_refuses_it(case):
    _, sample = samples(case.name, case.kind)[0]
    function = torch_counterpart(case)
    for wrong, args, kwargs in bad_calls(case, sample):
        expected = outcome(function, as_torch(tuple(args)), as_torch(kwargs))
        got = outcome(case.operator, args, kwargs)
        if not isinstance(expected, Exception):
            if isinstance(got, NexnetError | ValueError) and case.name in LEFT:
                continue
            assert not isinstance(got, Exception), f"{wrong}: {got!r}"
            assert kinds(got) == kinds(expected), wrong
            continue
        if isinstance(got, Exception):
            unclear = isinstance(expected, OF_THE_WRONG_KIND) or wrong in ("no argument", "another shape")
            if case.name in LEFT:
                continue
            allowed = OF_THE_WRONG_KIND if unclear else type(expected)
            assert isinstance(got, (allowed, NexnetError, IndexError)), f"{wrong}: {got!r}, torch: {expected!r}"
        else:
            assert case.name in TAKEN, f"{wrong}: taken, torch: {expected!r}"


# Functions of torch whose parser does not take what its other forms take: the reduction by name, or return_indices.
NARROWER = {
    f"torch.{name}"
    for name in (
        "true_divide", "hinge_embedding_loss", "margin_ranking_loss", "cosine_embedding_loss", "poisson_nll_loss",
        "max_pool1d", "max_pool2d", "max_pool3d",
    )
}  # fmt: skip
DIRECT = [param for param in CASES if param.values[0].call is None and record_of(param.values[0]) is not None]


def tensors_in(out):
    leaves = optree.tree_leaves(out, namespace=NAMESPACE)
    return [each for each in leaves if isinstance(each, (torch.Tensor, nexnet.LiteTensor))]


@pytest.mark.filterwarnings("ignore")  # torch's own remarks on what it deprecates
@pytest.mark.parametrize("case", DIRECT)
def test_each_torch_function_gives_what_the_operator_gives(case):
    _, sample = samples(case.name, case.kind)[0]
    expected = tensors_in(case.operator(*sample.args, **sample.kwargs))
    for path in record_of(case).torch:
        place, _, name = path.rpartition(".")
        if path in NARROWER:
            continue
        function, args = getattr(PLACES[place], name), sample.args
        if place == "torch.Tensor" and isinstance(args[0], nexnet.LiteTensor):
            function, args = getattr(args[0], name), args[1:]
        found = tensors_in(function(*args, **sample.kwargs))
        assert len(found) == len(expected), path
        for got, want in zip(found, expected, strict=True):
            assert isinstance(got, nexnet.LiteTensor), path
            torch.testing.assert_close(got.data, want.data, rtol=1e-12, atol=1e-12, equal_nan=True)
