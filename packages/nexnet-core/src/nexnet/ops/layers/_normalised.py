"""Normalisation by the mean and variance of a group of elements: a layer's features, a batch's channels, and so on.

All of them are y = w z + b, z = (x - m) r: m the group's mean (0 for rms_norm), r = 1 / sqrt(variance + eps). With
the gradient c = w g of z, <> a mean over the group, and P the projection by which z moves, dz = P(dx)::

    P(c) = r (c - <c> - z <c z>),    dx = P(c),    dw = sum g z,    db = sum g

P is self-adjoint, and torch has a kernel for it in each layout. Its rule, for the cotangents h, u, v of dx, dw, db::

    dg = w P(h) + u z + v,    dw = sum g P(h),    dx = P(u g) - r (z <h P(c)> + P(h) <c z> + P(c) <h z>)

A class per layout says how the kernels are called and how the statistics and the weight broadcast against x.
"""

# ruff: noqa: ARG004  layouts share signatures of which each uses a part

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from ...engine.attributes import shape_of
from ...errors import InputError, message
from ...kernels import replaceable
from ...policy import Operator, Policy, function, implements
from .._kernels import kernel_or_rule, overload
from .._layout import plain_layouts

_aten = torch.ops.aten
_by_batch = overload(_aten.native_batch_norm_backward.default)
_by_channels = overload(_aten.native_group_norm_backward.default)


def count_normalised(input: Any, normalized_shape: Sequence[int], weight: Any, bias: Any, rule: str) -> int:
    """Give how many dimensions are normalised; refuse what are not the input's last ones."""
    shape = tuple(normalized_shape)
    if not shape or input.shape[-len(shape) :] != shape:
        raise InputError(
            message(
                "normalized_shape is the shape of the last dimensions.",
                rule=rule,
                expected=f"an input whose shape ends in {shape}" if shape else "one dimension or more",
                got=f"shape {tuple(input.shape)}",
            )
        )
    if (weight is None or weight.shape == shape) and (bias is None or bias.shape == shape):
        return len(shape)
    for name, each in (("weight", weight), ("bias", bias)):
        if each is not None and each.shape != shape:
            raise InputError(
                message(
                    "this has not the shape of what is normalised.",
                    rule=rule,
                    argument=name,
                    expected=shape,
                    got=tuple(each.shape),
                )
            )
    return len(shape)


class _OverFeatures:
    """The groups are the last dimensions; statistics keep them as 1, and weights have their shape."""

    parameters = 2  # that backward needs too

    @staticmethod
    def forward(x: Any, weight: Any, bias: Any, count: int, eps: float) -> Any:
        return replaceable.layer_norm(x, shape_of(x)[-count:], weight, bias, eps)

    @staticmethod
    def backward(grad: Any, x: Any, weight: Any, mean: Any, rstd: Any, mask: Any, count: int, eps: float) -> Any:
        # Of a bias the kernel wants to know only that there is one, and its shape.
        return replaceable.layer_norm_backward(grad, x, shape_of(x)[-count:], mean, rstd, weight, weight, mask)

    @staticmethod
    def average(x: Any, count: int, eps: float) -> Any:
        return x.mean(tuple(range(-count, 0)), keepdim=True)

    @staticmethod
    def spread(statistic: Any, x: Any, count: int, eps: float) -> Any:
        return statistic

    @staticmethod
    def weigh(weight: Any, x: Any) -> Any:
        return weight

    @staticmethod
    def gather(by_element: Any) -> Any:
        return by_element  # the engine sums over what the weight was broadcast to


class _OverFeaturesWithoutMean(_OverFeatures):
    """As _OverFeatures, with 0 for the mean. torch has a kernel for the forward only."""

    @staticmethod
    def forward(x: Any, weight: Any, bias: None, count: int, eps: float | None) -> Any:
        out, rstd = _aten._fused_rms_norm.default(x, shape_of(x)[-count:], weight, eps)
        return out, None, rstd

    @staticmethod
    def backward(grad: Any, x: Any, weight: Any, mean: None, rstd: Any, mask: Any, count: int, eps: Any) -> Any:
        z = x * rstd
        dx = None
        if mask[0]:
            c = grad if weight is None else grad * weight
            dims = tuple(range(-count, 0))
            dx = (c - z * (c * z).mean(dims, keepdim=True)) * rstd
        return dx, grad * z if mask[1] else None, None


class _OverBatch:
    """The groups are the channels, dimension 1, each over the batch and over places."""

    parameters = 1

    @staticmethod
    def forward(
        x: Any, weight: Any, bias: Any, eps: float, mean: Any = None, var: Any = None, momentum: float = 0.0
    ) -> Any:
        return torch.native_batch_norm(x, weight, bias, mean, var, True, momentum, eps)

    @staticmethod
    def backward(grad: Any, x: Any, weight: Any, mean: Any, rstd: Any, mask: Any, eps: float) -> Any:
        grad, x, weight = plain_layouts(grad, x, weight)
        return _by_batch(grad, x, weight, None, None, mean, rstd, True, eps, mask)

    @staticmethod
    def average(x: Any, eps: float) -> Any:
        return x.mean(_all_but_channels(x), keepdim=True)

    @staticmethod
    def spread(statistic: Any, x: Any, eps: float) -> Any:
        return _by_channel(statistic, x)

    @staticmethod
    def weigh(weight: Any, x: Any) -> Any:
        return _by_channel(weight, x)

    @staticmethod
    def gather(by_element: Any) -> Any:
        return by_element.sum(_all_but_channels(by_element))


class _OverChannels:
    """The groups are runs of the channels of one example; statistics have the shape (examples, groups)."""

    parameters = 2

    @staticmethod
    def forward(x: Any, weight: Any, bias: Any, groups: int, eps: float) -> Any:
        n, c = x.shape[:2]
        x, weight, bias = _contiguous(x, weight, bias)
        return torch.native_group_norm(x, weight, bias, n, c, math.prod(x.shape[2:]), groups, eps)

    @staticmethod
    def backward(grad: Any, x: Any, weight: Any, mean: Any, rstd: Any, mask: Any, groups: int, eps: float) -> Any:
        n, c = x.shape[:2]
        places = math.prod(x.shape[2:])
        grad, x, weight = _contiguous(grad, x, weight)
        return _by_channels(grad, x, mean, rstd, weight, n, c, places, groups, mask)

    @staticmethod
    def average(x: Any, groups: int, eps: float) -> Any:
        n, size = x.shape[0], math.prod(x.shape[1:]) // groups
        return _OverChannels.spread(x.reshape(n, groups, size).mean(2), x, groups, eps)

    @staticmethod
    def spread(statistic: Any, x: Any, groups: int, eps: float) -> Any:
        n, c = x.shape[:2]
        each = statistic.reshape(n, groups, 1).expand(n, groups, c // groups)
        return each.reshape(n, c, *[1] * (x.ndim - 2))

    weigh = _OverBatch.weigh
    gather = _OverBatch.gather


def _contiguous(*tensors: Any) -> list[Any]:
    """Give what the kernels for groups read as memory, whatever the strides (the weight, too)."""
    return [None if each is None else each.contiguous() for each in tensors]


def _all_but_channels(x: Any) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _by_channel(each: Any, x: Any) -> Any:
    return each.reshape(-1, *[1] * (x.ndim - 2))


# The rule, in every layout --------------------------------------------------------------------------------------------


def _normalisation(layout: Any, name: str) -> tuple[Operator, Callable[..., Any]]:
    """Make the operator (x, weight, bias, *layout) -> (y, m, r), and the function that is its gradient's kernel."""

    class normalised(Policy):
        materialize_grads = False

        def forward(self, x: Any, weight: Any, bias: Any, *parameters: Any) -> Any:
            out, mean, rstd = layout.forward(x, weight, bias, *parameters)
            self.ctx.save(x, weight, mean, rstd, parameters[: layout.parameters])
            return out, mean, rstd

        def backward(self, grad: Any, grad_mean: Any, grad_rstd: Any) -> Any:
            x, weight, mean, rstd, parameters = self.ctx.release
            need_x, need_weight, need_bias = self.ctx.needs_input_grad[:3]
            dx = dw = db = None
            if grad is not None:
                mask = (need_x, need_weight, need_bias and weight is not None)
                dx, dw, db = gradient(grad, x, weight, mean, rstd, mask, *parameters)
                if need_bias and weight is None:  # torch's kernels give it the weight's shape
                    db = layout.gather(grad)
            if grad_mean is not None or grad_rstd is not None:
                further = _through_statistics(layout, x, mean, rstd, grad_mean, grad_rstd, parameters)
                dx = further if dx is None else dx + further
            return dx, dw, db

    class normalised_backward(Policy):
        materialize_grads = False

        def forward(self, grad: Any, x: Any, weight: Any, mean: Any, rstd: Any, mask: Any, *parameters: Any) -> Any:
            self.ctx.save(grad, x, weight, mean, rstd, parameters)
            grads = layout.backward(grad, x, weight, mean, rstd, mask, *parameters)
            return tuple([each if wanted else None for each, wanted in zip(grads, mask, strict=True)])

        def backward(self, h: Any, u: Any, v: Any) -> Any:
            grad, x, weight, mean, rstd, parameters = self.ctx.release
            _, need_x, need_weight = self.ctx.needs_input_grad[:3]
            w = None if weight is None else layout.weigh(weight, x)
            r = layout.spread(rstd, x, *parameters)
            z = (x if mean is None else x - layout.spread(mean, x, *parameters)) * r

            def project(c: Any) -> Any:
                c = c if c.dtype is x.dtype else c.to(x.dtype)
                return gradient(c, x, None, mean, rstd, (True, False, False), *parameters)[0]

            def average(each: Any) -> Any:
                return layout.average(each, *parameters)

            terms: list[Any] = []
            dx = dw = None
            if h is not None:
                moved = project(h)
                terms.append(moved if w is None else moved * w)
                if need_weight:
                    dw = layout.gather(grad * moved)
                if need_x:
                    c = grad if w is None else grad * w
                    p = project(c)
                    dx = r * -(z * average(h * p) + moved * average(c * z) + p * average(h * z))
            if u is not None:
                u = layout.weigh(u, x)
                terms.append(z * u)
                if need_x:
                    through_weight = project(grad * u)
                    dx = through_weight if dx is None else dx + through_weight
            if v is not None:
                terms.append(layout.weigh(v, x).expand(x.shape))
            dg = terms[0] if terms else None
            for term in terms[1:]:
                dg = dg + term
            return dg, dx, dw

    normalised.forward.__signature__ = _as_method(layout.forward)  # type: ignore[attr-defined]  # names for numbers
    normalised.__name__ = normalised.__qualname__ = f"_{name}"
    normalised.__doc__ = f"{name}: see the module. The mean and r are further outputs, and have their gradients."
    normalised_backward.__name__ = normalised_backward.__qualname__ = f"_{name}_backward"
    normalised_backward.__doc__ = f"The gradient of {name}: see the module."
    gradient = kernel_or_rule(layout.backward, implements()(function(normalised_backward)))
    return implements()(function(normalised)), gradient


def _as_method(fn: Callable[..., Any]) -> inspect.Signature:
    signature = inspect.signature(fn)
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    return signature.replace(parameters=[own, *signature.parameters.values()])


def _through_statistics(
    layout: Any, x: Any, mean: Any, rstd: Any, grad_mean: Any, grad_rstd: Any, parameters: Any
) -> Any:
    """Give what reaches x through the statistics:  dm = <dx>,  dr = -r^2 <z dx>."""
    count = max(math.prod(x.shape), 1) / max(math.prod(rstd.shape), 1)
    parts = []
    if grad_mean is not None:
        parts.append(layout.spread(grad_mean, x, *parameters).expand(x.shape) / count)
    if grad_rstd is not None:
        r = layout.spread(rstd, x, *parameters)
        z = (x if mean is None else x - layout.spread(mean, x, *parameters)) * r
        parts.append(z * -(layout.spread(grad_rstd, x, *parameters) * (r * r)) / count)
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]


_layer_norm, _ = _normalisation(_OverFeatures, "layer_norm")
_rms_norm, _ = _normalisation(_OverFeaturesWithoutMean, "rms_norm")
_batch_norm, _batch_norm_gradient = _normalisation(_OverBatch, "batch_norm")
_group_norm, _ = _normalisation(_OverChannels, "group_norm")
