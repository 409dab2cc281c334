"""Convolutions, and the transposes of their linear maps, which torch calls transposed convolutions.

Each is linear in x and in w. With C(x, w) for the convolution, X(g, w) for the transpose of its map of x, and W(g, x)
for the transpose of its map of w, every derivative of any of the three is again one of the three:

    <g, C(x, w)> = <X(g, w), x> = <W(g, x), w>.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch

from ...engine import TensorBase
from ...kernels import convolutions
from ...policy import Analytic, Operator, Policy, function, implements
from .._formulas import operator
from .._vmap_kernels import is_mapped

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_tbc",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "convolution",
]

Sizes = int | Sequence[int]


class _Convolution(Analytic):
    """C(x, w) + b:  dx = X(g, w),  dw = W(g, x),  db = the sum of g over everything but the channels.

    x may lack the batch dimension. ``padding`` may be "valid" or "same", whose odd element is at the end.
    """

    dims: ClassVar[int]
    compute: ClassVar[Callable[..., Any]]

    def forward(
        self,
        input: Any,
        weight: Any,
        bias: Any = None,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        groups: int = 1,
    ) -> Any:
        self.ctx.save(input, weight, stride, padding, dilation, groups)
        if groups > 1 and not isinstance(padding, str):
            steps, around, dilations = (_per_dim(each, self.dims) for each in (stride, padding, dilation))
            geometry = convolutions.Geometry(steps, around, dilations, groups)
            out: Any = convolutions.depthwise(input, weight, bias, geometry)
            if out is not None:
                return out
        return type(self).compute(input, weight, bias, stride, padding, dilation, groups)

    def backward(self, grad: Any) -> Any:
        input, weight, stride, padding, dilation, groups = self.ctx.release
        dims, needed = self.dims, self.ctx.needs_input_grad
        dilations = _per_dim(dilation, dims)
        if not isinstance(padding, str):
            around = _per_dim(padding, dims)
        elif padding == "valid":
            around = (0,) * dims
        else:
            total = [d * (size - 1) for d, size in zip(dilations, weight.shape[2:], strict=True)]
            around = tuple([each // 2 for each in total])
            if any(each % 2 for each in total):
                beyond = [side for each in reversed(total) for side in (0, each % 2)]
                input = torch.constant_pad_nd(input, beyond)
                options = (_per_dim(stride, dims), around, dilations, False, (0,) * dims, groups)
                d_input, *others = _gradients(needed, dims, grad, input, weight, *options)
                inside = [-each for each in beyond]
                return None if d_input is None else torch.constant_pad_nd(d_input, inside), *others
        options = (_per_dim(stride, dims), around, dilations, False, (0,) * dims, groups)
        return _gradients(needed, dims, grad, input, weight, *options)


class _Transposed(Analytic):
    """X(x, w) + b, w of shape (in, out / groups, ...):  dx = C(g, w),  dw = W(x, g),  db = the sum over the rest of g.

    x may lack the batch dimension.
    """

    dims: ClassVar[int]
    compute: ClassVar[Callable[..., Any]]

    def forward(
        self,
        input: Any,
        weight: Any,
        bias: Any = None,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        dilation: Sizes = 1,
    ) -> Any:
        self.ctx.save(input, weight, stride, padding, dilation, output_padding, groups)
        if self.dims == 2:
            steps, around, dilations, beyond = (
                _per_dim(each, 2) for each in (stride, padding, dilation, output_padding)
            )
            geometry = convolutions.Geometry(steps, around, dilations, groups)
            out: Any = convolutions.upwards(input, weight, bias, geometry, beyond)
            if out is not None:
                return out
        return type(self).compute(input, weight, bias, stride, padding, output_padding, groups, dilation)

    def backward(self, grad: Any) -> Any:
        input, weight, stride, padding, dilation, output_padding, groups = self.ctx.release
        dims = self.dims
        sizes = _per_dim(stride, dims), _per_dim(padding, dims), _per_dim(dilation, dims)
        options = (*sizes, True, _per_dim(output_padding, dims), groups)
        return _gradients(self.ctx.needs_input_grad, dims, grad, input, weight, *options)


def _per_dim(value: Sizes, dims: int) -> tuple[int, ...]:
    """Give one number for each spatial dimension."""
    if isinstance(value, int):
        return (value,) * dims
    return tuple(value) * dims if len(value) == 1 else tuple(value)


def _gradients(
    needed: Sequence[bool], dims: int, grad: Any, input: Any, weight: Any, *options: Any
) -> tuple[Any, Any, Any]:
    """Give the gradients of x, w and b that are needed; x and g may lack the batch dimension."""
    mask = needed[:3] if len(needed) > 2 else (*needed, False)
    transposed, groups = options[3], options[5]
    channels = [weight.shape[1] * groups if transposed else weight.shape[0]]
    if grad.ndim == dims + 2:
        return _convolution_backward(grad, input, weight, channels, *options, mask)  # type: ignore[no-any-return]
    d_input, d_weight, d_bias = _convolution_backward(
        grad.unsqueeze(0), input.unsqueeze(0), weight, channels, *options, mask
    )
    return None if d_input is None else d_input.squeeze(0), d_weight, d_bias


def _make(rule: type[Any], torch_function: Callable[..., Any], size: int) -> Operator:
    """Make the operator of a rule in some number of spatial dimensions."""

    class policy(rule):  # type: ignore[misc]
        compute = staticmethod(torch_function)
        dims = size

    return operator(policy, rule.__doc__ or "", (torch_function,), __name__)


conv1d = _make(_Convolution, torch.conv1d, 1)
conv2d = _make(_Convolution, torch.conv2d, 2)
conv3d = _make(_Convolution, torch.conv3d, 3)
conv_transpose1d = _make(_Transposed, torch.conv_transpose1d, 1)
conv_transpose2d = _make(_Transposed, torch.conv_transpose2d, 2)
conv_transpose3d = _make(_Transposed, torch.conv_transpose3d, 3)


@implements(torch.convolution)
@function
class convolution(Analytic):
    """C(x, w) + b, or X(x, w) + b if transposed, in any number of dimensions; every option is one number per dimension.

    x, of shape (batch, channels, ...), has its batch dimension.
    """

    def forward(
        self,
        input: Any,
        weight: Any,
        bias: Any,
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        transposed: bool,
        output_padding: Sequence[int],
        groups: int,
    ) -> Any:
        options = (stride, padding, dilation, transposed, output_padding, groups)
        self.ctx.save(input, weight, options)
        return _convolve(input, weight, bias, *options)

    def backward(self, grad: Any) -> Any:
        input, weight, options = self.ctx.release
        return _gradients(self.ctx.needs_input_grad, grad.ndim - 2, grad, input, weight, *options)


@implements(torch.ops.aten.convolution_backward.default)
@function
class convolution_backward(Analytic):
    """(X(g, w), W(g, x), sum g), of which ``output_mask`` says which are wanted.

    For cotangents hx, hw, hb:  dg = C(hx, w) + C(x, hw) + hb,  dx = X(g, hw),  dw = W(g, hx): the identity above.
    """

    materialize_grads = False

    def forward(
        self,
        grad: Any,
        input: Any,
        weight: Any,
        bias_sizes: Sequence[int],
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        transposed: bool,
        output_padding: Sequence[int],
        groups: int,
        output_mask: Sequence[bool],
    ) -> Any:
        options = (stride, padding, dilation, transposed, output_padding, groups)
        self.ctx.save(grad, input, weight, options)
        return _kernel(grad, input, weight, bias_sizes, *options, output_mask)

    def backward(self, h_input: Any, h_weight: Any, h_bias: Any) -> Any:
        grad, input, weight, options = self.ctx.release
        need_grad, need_input, need_weight = self.ctx.needs_input_grad[:3]
        d_grad = d_input = d_weight = None
        if need_grad:
            if h_input is not None:
                d_grad = _convolution(h_input, weight, None, *options)
            if h_weight is not None:
                term = _convolution(input, h_weight, h_bias, *options)
                d_grad = term if d_grad is None else d_grad + term
            elif h_bias is not None:
                term = h_bias.reshape(-1, *[1] * (grad.ndim - 2)).expand(grad.shape)
                d_grad = term if d_grad is None else d_grad + term
        if need_input and h_weight is not None:
            d_input = _convolution_backward(grad, input, h_weight, None, *options, (True, False, False))[0]
        if need_weight and h_input is not None:
            d_weight = _convolution_backward(grad, h_input, weight, None, *options, (False, True, False))[1]
        return d_grad, d_input, d_weight


def _convolution(input: Any, *args: Any) -> Any:
    return (convolution if isinstance(input, TensorBase) else _convolve)(input, *args)


def _convolution_backward(grad: Any, *args: Any) -> Any:
    return (convolution_backward if isinstance(grad, TensorBase) else _kernel)(grad, *args)


# The kernels, which the rules call where nothing is recorded. They are for real numbers; of complex ones a product is
# four of theirs.


def _convolve(input: Any, weight: Any, bias: Any, *options: Any) -> Any:
    if not input.is_complex():
        return convolutions.convolve(input, weight, bias, *options)
    out = _by_parts(lambda x, w: torch.convolution(x, w, None, *options), input, weight)
    return out if bias is None else out + bias.reshape(-1, *[1] * (input.ndim - 2))


def _kernel(grad: Any, input: Any, weight: Any, channels: Any, *rest: Any) -> Any:
    kernel = convolutions.gradients
    if not grad.is_complex():
        return kernel(grad, input, weight, channels, *rest)
    *options, (need_input, need_weight, need_bias) = rest

    def to_input(g: Any, w: Any) -> Any:
        return kernel(g, input.real, w, None, *options, (True, False, False))[0]

    def to_weight(g: Any, x: Any) -> Any:
        return kernel(g, x, weight.real, None, *options, (False, True, False))[1]

    return (
        _by_parts(to_input, grad, weight) if need_input else None,
        _by_parts(to_weight, grad, input) if need_weight else None,
        grad.sum((0, *range(2, grad.ndim))) if need_bias else None,
    )


def _by_parts(product: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    return torch.complex(
        product(a.real, b.real) - product(a.imag, b.imag), product(a.real, b.imag) + product(a.imag, b.real)
    )


@implements(torch.conv_tbc)
@function
class conv_tbc(Policy):
    """C(x, w) + b over time, x of shape (time, batch, in), w of shape (size, in, out), b of shape (out)."""

    def forward(self, input: Any, weight: Any, bias: Any, pad: int = 0) -> Any:
        self.ctx.save(input, weight, bias, pad)
        if is_mapped(input, weight, bias):  # torch.vmap has no rule for the kernel
            return torch.conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad).permute(2, 0, 1)
        return torch.conv_tbc(input.contiguous(), weight.contiguous(), bias, pad)  # the kernel takes no other layout

    def backward(self, grad: Any) -> Any:
        input, weight, bias, pad = self.ctx.release
        if isinstance(grad, TensorBase) or is_mapped(grad, input, weight):
            return _gradients_over_time(self.ctx.needs_input_grad, grad, input, weight, pad)
        contiguous = [each.contiguous() for each in (grad, input, weight)]
        return torch.ops.aten.conv_tbc_backward.default(*contiguous, bias, pad)


def _gradients_over_time(needed: Sequence[bool], grad: Any, input: Any, weight: Any, pad: int) -> tuple[Any, Any, Any]:
    """Give the gradients of conv_tbc by those of conv1d, whose gradients there are."""
    grad, input, weight = grad.permute(1, 2, 0), input.permute(1, 2, 0), weight.permute(2, 1, 0)
    options = ((1,), (pad,), (1,), False, (0,), 1)
    d_input, d_weight, d_bias = _gradients(needed, 1, grad, input, weight, *options)
    return (
        None if d_input is None else d_input.permute(2, 0, 1),
        None if d_weight is None else d_weight.permute(2, 1, 0),
        d_bias,
    )
