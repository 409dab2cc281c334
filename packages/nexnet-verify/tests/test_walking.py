"""Every listed operator, one by one: none can be added without being right here.

The examples are those of its case, one of each layout (0-d, empty, broadcast, strided, expanded). Tolerances: 1e-6 of
each number against PyTorch in float64; ``TOLERANCES`` of the largest one in the other dtypes.
"""

import pytest

import nexnet
from nexnet_verify.torch_reference import torch_counterpart
from nexnet_verify.walking import TOLERANCES, against_torch, differentiable_cases, in_dtype, on_meta, samples

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
