"""The greatest element of each window, and the way back: a gradient goes to the element that was chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional

from ...errors import InputError, message
from ...kernels import pooling
from ...policy import Operator, Policy, implements
from .._folded import folded
from .._formulas import operator
from .._kernels import kernel_or_rule
from .._vmap_kernels import in_place_of, is_mapped

__all__ = [
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices",
    "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]

Sizes = int | list[int] | tuple[int, ...]
_ATEN = torch.ops.aten
_CORNER = "Corner: of equal elements the first one is chosen, and NaN is greater than all."
_NN = torch._C._nn


def stride_or(stride: Sizes | None, kernel_size: Sizes) -> Sizes:
    """Give the stride, which is the size of the window if there is none."""
    return kernel_size if stride is None or (not isinstance(stride, int) and len(stride) == 0) else stride


def single(value: Sizes) -> int:
    """Give the one number of an argument of one dimension."""
    return value if isinstance(value, int) else value[0]


def _chosen(x: Any, indices: Any, dims: int) -> Any:
    """Take the elements of x that the indices, into its last dimensions made one, choose."""
    return x.flatten(-dims).gather(-1, indices.flatten(-dims)).reshape(indices.shape)


def _placing(torch_kernel: Callable[..., Any], dims: int) -> Callable[..., Any]:
    """Give a kernel k(g, input, ..., indices), which puts g where it was taken from, its rule, and call either."""

    class rule(Policy):
        def forward(self, grad: Any, input: Any, *options: Any) -> Any:
            self.ctx.save(options[-1])
            return torch_kernel(grad, input, *options)

        def backward(self, cotangent: Any) -> Any:
            (indices,) = self.ctx.release
            return _chosen(cotangent, indices, dims)

    formula = "zeros of the input's shape with g added where it was taken from:  dg = h there"
    return kernel_or_rule(torch_kernel, operator(rule, formula, (torch_kernel,), __name__))


_place2d = _placing(_ATEN.max_pool2d_with_indices_backward.default, 2)
_place3d = _placing(_ATEN.max_pool3d_with_indices_backward.default, 3)
_place_adaptive2d = _placing(_ATEN.adaptive_max_pool2d_backward.default, 2)
_place_adaptive3d = _placing(_ATEN.adaptive_max_pool3d_backward.default, 3)


def _placing_fractional(torch_kernel: Callable[..., Any], dims: int) -> Callable[..., Any]:
    """Do so with a kernel that torch.vmap has no rule for."""

    def kernel(grad: Any, input: Any, indices: Any, kernel_size: Sizes, output_size: Sizes) -> Any:
        indices = indices.contiguous()  # it reads them as if they were
        return torch_kernel(grad, input, kernel_size, output_size, indices)

    @in_place_of(torch_kernel)
    def call(grad: Any, input: Any, kernel_size: Sizes, output_size: Sizes, indices: Any) -> Any:
        return folded(kernel, (dims + 1,) * 3, grad, input, indices, kernel_size, output_size)

    return _placing(call, dims)


_place_fractional2d = _placing_fractional(_ATEN.fractional_max_pool2d_backward.default, 2)
_place_fractional3d = _placing_fractional(_ATEN.fractional_max_pool3d_backward.default, 3)


# ---------------------------------------------------------------------------------------------------------------------
# Windows of a size


def _greatest(torch_functions: tuple[Callable[..., Any], ...], compute: Callable[..., Any], dims: int) -> Operator:
    """Make the operator; ``compute`` gives the values and the indices."""

    class rule(Policy):
        def forward(
            self,
            input: Any,
            kernel_size: Sizes,
            stride: Sizes | None = None,
            padding: Sizes = 0,
            dilation: Sizes = 1,
            ceil_mode: bool = False,
            return_indices: bool = False,
        ) -> Any:
            stride = stride_or(stride, kernel_size)
            out, indices = compute(input, kernel_size, stride, padding, dilation, ceil_mode)
            self.ctx.save(input, indices, kernel_size, stride, padding, dilation, ceil_mode)
            return (out, indices) if return_indices else out

        def backward(self, grad: Any, _: Any = None) -> Any:
            input, indices, kernel_size, stride, padding, dilation, ceil_mode = self.ctx.release
            if dims > 1:
                place = _place2d if dims == 2 else _place3d
                return place(grad, input, kernel_size, stride, padding, dilation, ceil_mode, indices)
            rows = [(1, single(kernel_size)), (1, single(stride)), (0, single(padding)), (1, single(dilation))]
            grad, input, indices = [each.unsqueeze(-2) for each in (grad, input, indices)]
            return _place2d(grad, input, *rows, ceil_mode, indices).squeeze(-2)

    formula = (
        f"the greatest element of each window:  dx = g at it. With ``return_indices``, also where it is.\n\n{_CORNER}"
    )
    return operator(rule, formula, torch_functions, __name__)


max_pool1d = _greatest((functional.max_pool1d, torch.max_pool1d), torch.max_pool1d_with_indices, 1)
max_pool2d = _greatest((functional.max_pool2d, torch.max_pool2d), pooling.max_pool2d_with_indices, 2)
max_pool3d = _greatest((functional.max_pool3d, torch.max_pool3d), pooling.max_pool3d_with_indices, 3)


# ---------------------------------------------------------------------------------------------------------------------
# Windows of which there are as many as the output is to have elements


def _adaptive(torch_functions: tuple[Callable[..., Any], ...], with_indices: Callable[..., Any], dims: int) -> Operator:
    class rule(Policy):
        def forward(self, input: Any, output_size: Any, return_indices: bool = False) -> Any:
            out, indices = with_indices(input, output_size)
            self.ctx.save(input, indices)
            return (out, indices) if return_indices else out

        def backward(self, grad: Any, _: Any = None) -> Any:
            input, indices = self.ctx.release
            if dims > 1:
                return (_place_adaptive2d if dims == 2 else _place_adaptive3d)(grad, input, indices)
            return _place_adaptive2d(grad.unsqueeze(-2), input.unsqueeze(-2), indices.unsqueeze(-2)).squeeze(-2)

    formula = (
        "the greatest element of each of as many windows as the output has elements:  dx = the sum of g over the "
        f"windows of which it is the greatest. A size of None is that of the input.\n\n{_CORNER}"
    )
    return operator(rule, formula, torch_functions, __name__)


adaptive_max_pool1d = _adaptive((functional.adaptive_max_pool1d,), functional.adaptive_max_pool1d_with_indices, 1)
adaptive_max_pool2d = _adaptive((functional.adaptive_max_pool2d,), functional.adaptive_max_pool2d_with_indices, 2)
adaptive_max_pool3d = _adaptive((functional.adaptive_max_pool3d,), functional.adaptive_max_pool3d_with_indices, 3)


# ---------------------------------------------------------------------------------------------------------------------
# Windows at random places


def _fractional(torch_function: Callable[..., Any], with_indices: Callable[..., Any], dims: int) -> Operator:
    def compute(input: Any, samples: Any, kernel_size: Sizes, output_size: Any, output_ratio: Any) -> Any:
        return with_indices(input, kernel_size, output_size, output_ratio, True, samples)

    class rule(Policy):
        def forward(
            self,
            input: Any,
            kernel_size: Sizes,
            output_size: Sizes | None = None,
            output_ratio: Any = None,
            return_indices: bool = False,
            _random_samples: Any = None,
        ) -> Any:
            if any(size < 1 for size in ([kernel_size] if isinstance(kernel_size, int) else kernel_size)):
                raise InputError(
                    message(
                        "a window without elements has no greatest one.",
                        rule=torch_function.__name__,
                        argument="kernel_size",
                        expected="sizes above 0",
                        got=kernel_size,
                    )
                )
            if _random_samples is None and is_mapped(input):  # drawn as the vmap's randomness says
                channels = input.shape[: input.ndim - dims] if input.ndim > dims + 1 else (1, input.shape[0])
                _random_samples = torch.rand(*channels, dims, dtype=input.dtype, device=input.device)
            out, indices = folded(
                compute, (dims + 1, 2), input, _random_samples, kernel_size, output_size, output_ratio
            )
            self.ctx.save(input, kernel_size, out.shape[-dims:], indices)
            return (out, indices) if return_indices else out

        def backward(self, grad: Any, _: Any = None) -> Any:
            return (_place_fractional2d if dims == 2 else _place_fractional3d)(grad, *self.ctx.release)

    formula = (
        "the greatest element of windows whose places are random:  dx = the sum of g over the windows of which it is "
        "the greatest. ``_random_samples``, uniform in [0, 1), says where; without it torch's generator does.\n\n"
        f"{_CORNER}"
    )
    return operator(rule, formula, (torch_function,), __name__)


fractional_max_pool2d = _fractional(functional.fractional_max_pool2d, functional.fractional_max_pool2d_with_indices, 2)
fractional_max_pool3d = _fractional(functional.fractional_max_pool3d, functional.fractional_max_pool3d_with_indices, 3)


def _with_indices(pool: Operator, *torch_functions: Callable[..., Any]) -> Callable[..., Any]:
    """Make the function that also gives the indices, whether it is told to or not."""

    def call(*args: Any, **options: Any) -> Any:
        given = pool.signature.bind(*args, **options).arguments
        return pool(**given | {"return_indices": True})

    call.__signature__ = pool.signature  # type: ignore[attr-defined]
    call.__name__ = call.__qualname__ = torch_functions[0].__name__
    call.__doc__ = f"{pool.name}, and where in the input each value is."
    made: Callable[..., Any] = implements(*torch_functions)(call)
    return made


max_pool1d_with_indices = _with_indices(max_pool1d, functional.max_pool1d_with_indices, torch.max_pool1d_with_indices)
max_pool2d_with_indices = _with_indices(max_pool2d, functional.max_pool2d_with_indices)
max_pool3d_with_indices = _with_indices(max_pool3d, functional.max_pool3d_with_indices)
adaptive_max_pool1d_with_indices = _with_indices(
    adaptive_max_pool1d, functional.adaptive_max_pool1d_with_indices, torch.adaptive_max_pool1d
)
adaptive_max_pool2d_with_indices = _with_indices(adaptive_max_pool2d, functional.adaptive_max_pool2d_with_indices)
adaptive_max_pool3d_with_indices = _with_indices(adaptive_max_pool3d, functional.adaptive_max_pool3d_with_indices)
fractional_max_pool2d_with_indices = _with_indices(fractional_max_pool2d, functional.fractional_max_pool2d_with_indices)
fractional_max_pool3d_with_indices = _with_indices(fractional_max_pool3d, functional.fractional_max_pool3d_with_indices)


# ---------------------------------------------------------------------------------------------------------------------
# The way back as an operator


def _unpool(compute: Callable[..., Any], dims: int) -> Operator:
    class rule(Policy):
        def forward(
            self,
            input: Any,
            indices: Any,
            kernel_size: Sizes,
            stride: Sizes | None = None,
            padding: Sizes = 0,
            output_size: Sequence[int] | None = None,
        ) -> Any:
            self.ctx.save(indices)
            return folded(compute, (dims + 1,) * 2, input, indices, kernel_size, stride, padding, output_size)

        def backward(self, grad: Any) -> Any:
            (indices,) = self.ctx.release
            return _chosen(grad, indices, dims)

    formula = (
        "zeros with x where the indices of a max_pool say:  dx = g there.\n\n"
        "Corner: of several elements with one index any may be stored, and each gets g."
    )
    return operator(rule, formula, (compute,), __name__)


max_unpool1d = _unpool(functional.max_unpool1d, 1)
max_unpool2d = _unpool(functional.max_unpool2d, 2)
max_unpool3d = _unpool(functional.max_unpool3d, 3)
