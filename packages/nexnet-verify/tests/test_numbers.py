"""A number that comes as a tensor that is differentiated by: a right gradient or an error at the call, never 0.

Every parameter of the listing that is a number (or that may be left out) gets a tensor of shape (): the gradient is
compared with finite differences, in float64, central, of 1e-4 of the number; 1e-4 of it may differ.
"""

import inspect

import optree
import pytest
import torch

import nexnet
from nexnet.errors import NexnetError
from nexnet_verify.fuzz.mutations import kernels, right_calls
from nexnet_verify.problem import NAMESPACE, is_float
from nexnet_verify.walking import outcome

CASES = [pytest.param(case, id=f"{case.kind}.{case.name}") for case in kernels()]

TORCHS = (TypeError, ValueError, IndexError, RuntimeError)

LEFT_OUT = {
    # a step, and its documented gradient is 0: where it jumps, its difference is no reference
    ("linalg_pinv", "rtol"),
    ("linalg_pinv", "rcond"),
    ("pinverse", "rcond"),
    # straight through: no gradient by these, as in PyTorch
    ("fake_quantize_per_tensor_affine", "scale"),
    ("fake_quantize_per_tensor_affine", "zero_point"),
    # a tensor
    ("scaled_dot_product_attention", "attn_mask"),
}


def tensor(value):
    return nexnet.LiteTensor(torch.tensor(value, dtype=torch.float64))


def weighed(out):
    """Give a number of all that an operator returns."""
    total = tensor(0.0)
    for each in optree.tree_leaves(out, namespace=NAMESPACE):
        if isinstance(each, nexnet.LiteTensor) and is_float(each):
            parts = torch.view_as_real(each.resolve_conj()) if each.dtype.is_complex else each
            weights = torch.cos(1.0 + torch.arange(parts.numel(), dtype=torch.float64))
            total = total + (parts * weights.reshape(tuple(parts.shape))).sum()
    return total


def numbers(case):
    """Give each parameter that is a number: a function of it alone, and the number."""
    signature = inspect.signature(case.operator)
    for layout, sample in right_calls(case.name, case.kind):
        try:
            bound = signature.bind(*sample.args, **sample.kwargs)
        except TypeError:  # the case calls it by a name of numpy's
            continue
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            if layout != "empty" and (value is None or type(value) in (int, float)):

                def of(number, bound=bound, name=name):
                    torch.manual_seed(0)
                    given = inspect.BoundArguments(signature, {**bound.arguments, name: number})
                    return weighed(case.operator(*given.args, **given.kwargs))

                yield name, of, 1.0 if value is None else value


@pytest.mark.parametrize("case", CASES)
def test_a_number_that_is_differentiated_by(case):
    for name, of, value in numbers(case):
        if (case.name, name) in LEFT_OUT:
            continue
        found = outcome(lambda of=of, value=value: nexnet.grad(of)(tensor(value)).item(), (), {})
        if isinstance(found, Exception):
            # of a dimension, a size or an index, or of what may be left out: torch's own words will do
            wanted = TORCHS if type(value) is int or value == 1.0 else NexnetError
            assert isinstance(found, wanted), found
            assert not isinstance(found, RecursionError)
            continue
        step = max(abs(value), 1e-2) * 1e-4
        difference = (of(tensor(value + step)) - of(tensor(value - step))).item() / (2 * step)
        assert found == pytest.approx(difference, rel=1e-4, abs=1e-4), name
