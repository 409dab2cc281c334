"""Every operator on complex tensors: the derivatives of torch to second order, or an error. Never silently wrong."""

import warnings

import optree
import pytest
import torch

import nexnet
from nexnet.errors import NexnetError
from nexnet.policy import Operator
from nexnet_verify import check_gradients
from nexnet_verify.cases import all_cases
from nexnet_verify.problem import NAMESPACE, Problem, is_float
from nexnet_verify.runner import draw_samples
from nexnet_verify.torch_reference import TorchReference, as_torch, torch_counterpart

RECORDS = {name: each for each in nexnet.ops.listing() for name in (each.name, *each.aliases)}
UP_TO_A_PHASE = {"linalg_eigh", "svd"}  # vectors of which not everything has a gradient, in nexnet and in torch
CASES = [case for case in all_cases() if case.kind != "nn" and torch_counterpart(case) is not None]


def with_imaginary_parts(leaf):
    """Give a real tensor imaginary parts that differ from element to element, any other leaf as it is."""
    if not (isinstance(leaf, (nexnet.LiteTensor, torch.Tensor)) and leaf.dtype is torch.float64):
        return leaf
    data = leaf.data if isinstance(leaf, nexnet.LiteTensor) else leaf
    parts = torch.linspace(0.2, 0.7, data.numel(), dtype=torch.float64).reshape(data.shape)
    return nexnet.LiteTensor(torch.complex(data.clone(), parts))


def verdict(case, sample, which):
    """Say how an operator takes complex tensors: "right", "refused" (by nexnet), "by torch", or what is wrong.

    ``which`` chooses those that are made complex: a slice of the arguments' tensors.
    """
    leaves, treespec = optree.tree_flatten(sample.args, namespace=NAMESPACE)
    floats = [i for i, leaf in enumerate(leaves) if isinstance(leaf, (nexnet.LiteTensor, torch.Tensor))]
    for i in floats[which]:
        leaves[i] = with_imaginary_parts(leaves[i])
    kwargs = optree.tree_map(with_imaginary_parts, sample.kwargs, namespace=NAMESPACE)
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, nexnet.LiteTensor) and is_float(leaf)]

    def with_arguments(fn, prepare, options):
        def call(*tensors):
            filled = dict(zip(places, tensors, strict=True))
            given = [filled[i] if i in filled else prepare(leaf) for i, leaf in enumerate(leaves)]
            return fn(*optree.tree_unflatten(treespec, given), **options)

        return call

    ours = with_arguments(case.operator, lambda leaf: leaf, kwargs)
    theirs = with_arguments(torch_counterpart(case), as_torch, as_torch(kwargs))
    tensors = [leaves[i] for i in places]
    if not any(each.dtype.is_complex for each in tensors):
        return "takes no tensor"
    try:
        ours(*tensors)
    except NexnetError:
        return "refused"
    except (RuntimeError, TypeError, ValueError, NotImplementedError, IndexError):
        return "by torch"
    try:
        problem = Problem.of(ours, tensors, seed=0, order=2)
        mine = [problem.gradient(order) for order in (1, 2)]
    except (NexnetError, RuntimeError, NotImplementedError):
        return "refused"
    reference = TorchReference(theirs, problem, 2)
    try:
        expected = [reference.outputs(), reference.gradient(1), reference.gradient(2)]
    except (RuntimeError, NotImplementedError):
        expected = [None]
    if None in expected:  # torch has no derivative
        report = check_gradients(ours, *tensors, float32=False, strided=False, report=True)
        return "right" if report.passed else str(report.findings[0])
    values = [each.data for each in problem.outputs(problem.leaves)]
    for order, (got, want) in enumerate(zip([values, *mine], expected, strict=True)):
        for i, (a, b) in enumerate(zip(got, want, strict=True)):
            if not torch.allclose(a, b, rtol=1e-9, atol=1e-9, equal_nan=True):
                return f"order {order}, tensor {i}:\n{a}\nand in torch\n{b}"
    return "right"


def is_of_complex(case, sample):
    out = case.operator(*sample.args, **sample.kwargs)
    found = optree.tree_leaves((sample.args, out), namespace=NAMESPACE)
    return any(isinstance(each, nexnet.LiteTensor) and each.dtype.is_complex for each in found)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}.{case.name}")
def test_complex_tensors_are_right_or_refused(case):
    takes_complex = False
    for _, sample in draw_samples(case, 2, 0):
        for which in (slice(None), slice(1), slice(1, None)):  # all of them; the first; all but the first
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch's remarks
                found = verdict(case, sample, which)
            assert found in ("right", "refused", "by torch", "takes no tensor"), f"{sample}: {found}"
            takes_complex |= found == "right" and which == slice(None)
        takes_complex |= is_of_complex(case, sample)
    if "." not in case.name and case.name not in UP_TO_A_PHASE:
        listed = "complex128" in RECORDS[case.name].dtypes
        # Of a function of several rules the listing may leave it out; what it says is true.
        known = isinstance(case.operator, Operator)
        assert takes_complex is listed if known else takes_complex or not listed, "nexnet.ops._listing says otherwise"
