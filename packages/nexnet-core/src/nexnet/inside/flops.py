"""How many floating-point operations a rule takes, by formula.

A product of m x k and k x n takes 2 m k n, a multiplication and an addition for each (G. Golub, C. Van Loan, Matrix
Computations, 1.1.15); a convolution 2 x (elements of the output) x (elements of the filter that each one sees), and
attention the two products that it is of. These are the counts of ``torch.utils.flop_counter``. A backward that is
asked for both operands of a product takes two products of the same size; that of attention, whose kernels compute the
weights anew, five where forward takes two. A recurrent layer multiplies its state in each step, and its backward is
asked for the state before the first one only if that is differentiated by. Elsewhere an elementwise rule is counted
as one operation an element of its output, a reduction as one an element of its input, and what only moves or looks at
memory as none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["PRODUCTS", "flops"]

Shape = tuple[int, ...]


def _mm(shapes: Sequence[Shape], out: Shape, static: dict[str, Any]) -> int:
    return 2 * math.prod(out) * shapes[0][-1]


def _added_mm(shapes: Sequence[Shape], out: Shape, static: dict[str, Any]) -> int:
    return 2 * math.prod(out) * shapes[1][-1]


def _vector(shapes: Sequence[Shape], out: Shape, static: dict[str, Any]) -> int:
    return 2 * max(math.prod(each) for each in shapes)


def _outer(shapes: Sequence[Shape], out: Shape, static: dict[str, Any]) -> int:
    return math.prod(out)


def _addbmm(shapes: Sequence[Shape], out: Shape, static: dict[str, Any]) -> int:
    return 2 * math.prod(shapes[1]) * shapes[2][-1]


def _convolution(shapes: Sequence[Shape], out: Shape, static: dict[str, Any]) -> int:
    weight = shapes[1]  # (out channels, in channels / groups, *kernel)
    if static.get("transposed"):
        return _transposed(shapes, out, static)
    return 2 * math.prod(out) * math.prod(weight[1:])


def _transposed(shapes: Sequence[Shape], out: Shape, static: dict[str, Any]) -> int:
    return 2 * math.prod(shapes[0]) * math.prod(shapes[1][1:])


def _conv_tbc(shapes: Sequence[Shape], out: Shape, static: dict[str, Any]) -> int:
    return 2 * math.prod(out) * math.prod(shapes[1][:2])


def _attention(shapes: Sequence[Shape], out: Shape, static: dict[str, Any]) -> int:
    query, key, value = shapes[:3]
    pairs = math.prod(query[:-1]) * key[-2]
    return 2 * pairs * (query[-1] + value[-1])


def _bilinear(shapes: Sequence[Shape], out: Shape, static: dict[str, Any]) -> int:
    return 2 * math.prod(out) * (shapes[0][-1] * shapes[1][-1] + shapes[1][-1])


def _einsum(shapes: Sequence[Shape], out: Shape, static: dict[str, Any]) -> int:
    inputs: Sequence[str] = static["inputs"]
    sizes = {
        letter: size
        for term, shape in zip(inputs, shapes, strict=True)
        for letter, size in zip(term, shape, strict=True)
    }
    return (2 if len(shapes) > 1 else 1) * math.prod(sizes.values())


def _tensordot(shapes: Sequence[Shape], out: Shape, static: dict[str, Any]) -> int:
    left: Sequence[int] = static["left"]
    return 2 * math.prod(out) * math.prod(shapes[0][i] for i in left)


def _gru(shapes: Sequence[Shape], out: Shape, static: dict[str, Any]) -> int:
    return 2 * math.prod(shapes[0]) * shapes[2][-1]  # (rows, 3 H) and (3 H, H)


def _lstm(shapes: Sequence[Shape], out: Shape, static: dict[str, Any]) -> int:
    gates, _, _, weight, *projection = shapes
    return 2 * math.prod(gates) * weight[-1] + sum(2 * gates[0] * math.prod(each) for each in projection)


def _lstm_layer(shapes: Sequence[Shape], out: Shape, static: dict[str, Any]) -> int:
    return 2 * shapes[0][0] * (math.prod(shapes[3]) + math.prod(shapes[4]))


def _gradient_of_linear(shapes: Sequence[Shape], out: Shape, static: dict[str, Any]) -> int:
    return 2 * math.prod(shapes[0]) * shapes[1][-1]  # the gradient and the input, which is the first operand


def _gradient_of_convolution(shapes: Sequence[Shape], out: Shape, static: dict[str, Any]) -> int:
    grad, input, weight = shapes[:3]
    return 2 * math.prod(input if static.get("transposed") else grad) * math.prod(weight[1:])


_Formula = Callable[[Sequence[Shape], Shape, dict[str, Any]], int]

#: The formulas of what is made of products, by rule.
PRODUCTS: dict[str, _Formula] = {
    **dict.fromkeys(("mm", "matmul", "bmm", "linear", "linear_relu"), _mm),
    **dict.fromkeys(("addmm", "baddbmm"), _added_mm),
    **dict.fromkeys(("mv", "dot", "vdot", "linalg_vecdot"), _vector),
    **dict.fromkeys(("outer", "ger", "kron"), _outer),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d", "convolution"), _convolution),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _transposed),
    "addmv": lambda shapes, out, static: 2 * math.prod(shapes[1]),
    "addr": _outer,
    "addbmm": _addbmm,
    "conv_tbc": _conv_tbc,
    "scaled_dot_product_attention": _attention,
    **dict.fromkeys(
        ("attention", "flash_attention", "flash_on_gpu", "efficient_on_gpu", "cudnn_on_gpu"),
        _attention,
    ),
    "bilinear": _bilinear,
    "einsum": _einsum,
    "TensorDot": _tensordot,
    "gru_through_time": _gru,
    "lstm_through_time": _lstm,
    "lstm_by_onednn": _lstm_layer,
    **dict.fromkeys(("linear_backward", "product_backward"), _gradient_of_linear),
    "convolution_backward": _gradient_of_convolution,
}
#: Those that give the gradients of a product, of which either may not be asked for: what the formula says is of one.
_GRADIENTS = frozenset({_gradient_of_linear, _gradient_of_convolution})

#: The wings and modules of operators of which each element of the input is taken once, and those that move memory.
_REDUCTIONS = tuple(
    f"nexnet.ops.{each}"
    for each in (
        "reductions",
        "losses",
        "layers._normalised",
        "layers.normalisation",
        "layers.softmax",
        "layers.batch",
        "images.pooling",
    )
)
_MOVES = ("nexnet.ops.shapes", "nexnet.ops.layers.embedding", "nexnet.ops.images.pixel", "nexnet.transforms")


def flops(
    rule: str,
    module: str,
    shapes: Sequence[Shape],
    wanted: Sequence[bool],
    outs: Sequence[Shape | None],
    static: dict[str, Any],
) -> tuple[int, int]:
    """Give what a call takes forward, and what its backward takes.

    Args:
        rule: the rule's name.
        module: where it is written.
        shapes: of the tensors that it is given, in their order.
        wanted: for each of these, whether its gradient is asked for.
        outs: the shape of each output, None for one that is not there.
        static: the other arguments, the defaults too.
    """
    rule = rule.lstrip("_")
    formula = PRODUCTS.get(rule)
    out = next(each for each in outs if each is not None)
    if formula is not None:
        forward = formula(shapes, out, static)
        if formula in _GRADIENTS:
            asked = sum(each is not None for each in outs[:2])
            return forward * asked, forward * (asked * wanted[0] + sum(wanted[1:3]))
        if formula in (_gru, _lstm, _lstm_layer):
            return forward, forward + (forward if wanted[1] else _after_the_first_step(forward, shapes, static))
        if formula is _attention:
            return forward, forward * 5 // 2
        operands = wanted[1:3] if formula is _added_mm or rule in ("addmv", "addr", "addbmm") else wanted[:2]
        return forward, forward * sum(operands)
    if module.startswith(_MOVES):
        return 0, 0
    elements = math.prod(shapes[0]) if module.startswith(_REDUCTIONS) and shapes else math.prod(out)
    return elements, elements * max(1, sum(wanted))


def _after_the_first_step(forward: int, shapes: Sequence[Shape], static: dict[str, Any]) -> int:
    rows = shapes[0][0]
    first = static["sizes"][0] if "sizes" in static else shapes[1][0]
    return forward * (rows - first) // rows
