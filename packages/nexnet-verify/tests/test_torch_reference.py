import dataclasses

import pytest
import torch

import nexnet
from nexnet_verify import check_gradients
from nexnet_verify.cases import all_cases, unary
from nexnet_verify.runner import run_case
from nexnet_verify.torch_reference import as_torch, torch_counterpart


def case_of(name):
    return next(case for case in all_cases() if case.name == name)


def test_the_counterpart_is_the_function_whose_rule_the_operator_is():
    assert torch_counterpart(case_of("exp")) is torch.exp
    assert torch_counterpart(case_of("softmax")) in (torch.softmax, torch.nn.functional.softmax)
    assert torch_counterpart(case_of("vector_norm")) is torch.linalg.vector_norm
    assert torch_counterpart(case_of("reshape_as")) is torch.Tensor.reshape_as


def test_a_case_may_name_its_own_or_say_why_there_is_none():
    assert torch_counterpart(dataclasses.replace(case_of("exp"), torch=torch.expm1)) is torch.expm1
    assert torch_counterpart(dataclasses.replace(case_of("exp"), without_torch="no such function")) is None
    with pytest.raises(ValueError, match="either a PyTorch counterpart or the reason"):
        unary("exp", torch.exp, torch=torch.exp, without_torch="no such function")


@pytest.mark.parametrize("name", ["mul", "softmax", "amax", "getitem"])
def test_value_and_both_derivatives_are_compared(name):
    result = run_case(case_of(name), examples=3)
    assert result.passed, result.failure
    assert max(result.error("PyTorch", order) for order in (0, 1, 2)) < 1e-12


def test_another_function_in_torch_is_a_failure():
    result = run_case(dataclasses.replace(case_of("exp"), torch=lambda x: torch.exp(x) + 1e-6 * x), examples=1)
    assert "the value of exp is not PyTorch's at order 0" in result.failure


def test_a_wrong_second_derivative_is_found_where_the_first_is_right():
    class frozen(nexnet.Policy):
        def forward(self, x):
            self.ctx.save(x.exp().detach().numpy())
            return x.exp()

        def backward(self, grad):
            return grad * torch.from_numpy(self.ctx.release[0])

    x = nexnet.tensor([0.5, 1.0], dtype=torch.float64)
    report = check_gradients(nexnet.function(frozen), x, torch_reference=torch.exp, order=1, float32=False, report=True)
    assert report.passed
    wrong = nexnet.custom_grad(lambda x: (x.exp(), lambda g: g * nexnet.stop_gradient(x.exp())))
    report = check_gradients(wrong, x, torch_reference=torch.exp, report=True)
    assert not report.passed


def test_another_shape_or_dtype_in_torch_is_an_error():
    x = nexnet.ones(3, dtype=torch.float64)
    for torch_function in (lambda x: x.exp().sum(), lambda x: x.exp().float()):
        with pytest.raises(nexnet.InputError, match="PyTorch does not return what nexnet returns"):
            check_gradients(nexnet.exp, x, torch_reference=torch_function)


def test_where_torch_has_no_second_derivative_a_remark_says_so():
    result = run_case(case_of("hardsigmoid"), examples=1)
    assert result.passed, result.failure
    assert result.remarks["PyTorch"].startswith("it has no derivative of order 2: derivative for aten::hardsigmoid_")


def test_a_first_derivative_that_torch_lacks_is_a_failure():
    class refusing(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            raise NotImplementedError("the derivative of this is not implemented")

    case = dataclasses.replace(case_of("positive"), torch=refusing.apply)
    assert "the derivative of this is not implemented" in run_case(case, examples=1).failure


def test_arguments_in_containers_arrive_as_torch_tensors():
    lite = nexnet.ones(2)
    assert as_torch([lite, (lite, 1)])[1][0] is lite.data
    assert as_torch({"weight": lite})["weight"] is lite.data
