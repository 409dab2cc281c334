"""vmap: a function of one example, over a batch of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy
import optree
from torch import Tensor

from .. import ops
from ..errors import InputError, message
from ..tensor import LiteTensor
from ._evaluate import NAMESPACE, check_callable, path_to
from ._mapped import run_mapped

if TYPE_CHECKING:
    from ._signatures import P, R

__all__ = ["vmap"]


class _Whole:
    """Stands for None, not mapped, in ``in_dims`` and ``out_dims``: None itself is an empty pytree."""

    def __repr__(self) -> str:
        return "None"


_WHOLE = _Whole()


def vmap(
    fn: Callable[P, R],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    chunk_size: int | None = None,
    *,
    axis_size: int | None = None,
) -> Callable[P, R]:
    """Make a function that applies ``fn`` to every example of a batch at once.

    It composes with every other transform, in both orders: ``vmap(grad(fn))`` gives per-example gradients,
    ``grad(lambda w: vmap(...)(xs).sum())`` differentiates through the batch, also by what ``fn`` closes over. A user's
    rule needs nothing for it: torch batches the kernels that its ``forward`` and ``backward`` call.

    Args:
        fn: a function of pytrees that returns a pytree of tensors. It sees one example: tensors without the mapped
            dimension. Python control flow can't depend on a mapped tensor's values (use ``nexnet.where``).
        in_dims: which dimension of each argument is mapped: an int for all, or a tuple with one entry per positional
            argument, each an int, None (the same for every example) or a pytree of such (a prefix of the argument).
        out_dims: where the mapped dimension goes in the output: an int, or a pytree prefix of the output.
        randomness: of torch's random functions in ``fn``: "error", "different" for each example, or "same".
        chunk_size: how many examples at once, to bound memory; None for all.
        axis_size: how many examples there are, where no argument is mapped (else it is the mapped dimension's).

    Raises:
        InputError: no function; ``in_dims`` that do not match the arguments, batches of different sizes, an output that
            is no tensor, Python control flow on a mapped tensor's values.
        RuntimeError: torch's: a random function in ``fn``, where ``randomness`` is "error".

    Example::

        >>> per_example = nexnet.vmap(nexnet.grad(lambda w, x: (w * x).sum() ** 2), in_dims=(None, 0))
        >>> per_example(nexnet.tensor([1.0, 2.0]), nexnet.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
        LiteTensor([[2., 0.],
                    [0., 4.],
                    [6., 6.]])
    """
    check_callable(fn, "vmap")
    if randomness not in ("error", "different", "same"):
        raise InputError(
            message("vmap does not know this randomness.", argument="randomness",
                    expected="'error', 'different' or 'same'", got=repr(randomness))
        )  # fmt: skip
    if chunk_size is not None and chunk_size < 1:
        raise InputError(
            message("a chunk must have at least one example.", argument="chunk_size", expected=">= 1", got=chunk_size)
        )

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        leaves, treespec = optree.tree_flatten(args, namespace=NAMESPACE)
        dims = _prefix(in_dims, args, treespec, "in_dims", "the arguments")
        mapped = [i for i, dim in enumerate(dims) if dim is not _WHOLE]
        inputs = [_to_front(leaves[i], dims[i], path_to(treespec, i, "args")) for i in mapped]
        size = _common_size(inputs, mapped, treespec, axis_size)
        out_spec: list[optree.PyTreeSpec] = []

        def body(examples: Sequence[LiteTensor]) -> list[LiteTensor]:
            call = list(leaves)
            for i, example in zip(mapped, examples, strict=True):
                call[i] = example
            with _explained():
                out = fn(*optree.tree_unflatten(treespec, call), **kwargs)
            outs, spec = optree.tree_flatten(out, namespace=NAMESPACE)
            out_spec[:] = [spec]
            return [_as_output(each, path_to(spec, i, "out")) for i, each in enumerate(outs)]

        step = size if chunk_size is None else chunk_size
        if step >= size:
            results = run_mapped(body, inputs, size, randomness)
        else:
            chunks = [
                run_mapped(body, [x[start : start + step] for x in inputs], min(step, size - start), randomness)
                for start in range(0, size, step)
            ]
            results = [ops.cat(parts) for parts in zip(*chunks, strict=True)]
        out = optree.tree_unflatten(out_spec[0], results)
        places = _prefix(out_dims, out, out_spec[0], "out_dims", "the output")
        moved = [
            _from_front(each, place, path_to(out_spec[0], i, "out"))
            for i, (each, place) in enumerate(zip(results, places, strict=True))
        ]
        return optree.tree_unflatten(out_spec[0], moved)

    return wrapper


@contextmanager
def _explained() -> Iterator[None]:
    """Say in nexnet's words what torch says of code that asks for a mapped tensor's values."""
    try:
        yield
    except RuntimeError as error:
        found = next((what for sign, what in _SIGNS.items() if sign in str(error)), None)
        if found is None:
            raise
        raise InputError(message(found[0], got=found[1], remedy=found[2])) from error


_BY_VALUE = (
    "under vmap a mapped tensor has a value for each example, and no single one for Python to go by.",
    "a mapped tensor in if, while, and, or, not, int(), float(), equal(), allclose(), or its item(), tolist(), numpy()",
    "nexnet.where(condition, a, b) computes both and chooses for each example; or loop over the examples in Python",
)
_BY_SHAPE = (
    "under vmap all examples have one shape, and this operation's result has another for each.",
    "a mapped tensor in nonzero(), unique(), masked_select() or as a mask, x[mask]",
    "nexnet.where(mask, x, 0) keeps the shape, and x[integers] has one; or loop over the examples in Python",
)
#: What torch says, and what nexnet says of it.
_SIGNS = {
    "data-dependent control flow": _BY_VALUE,
    "calling .item()": _BY_VALUE,
    "Cannot access data pointer": _BY_VALUE,
    "vmap over torch.allclose": _BY_VALUE,
    "Batching rule not implemented for aten::equal": _BY_VALUE,
    "dynamic shape": _BY_SHAPE,
    "a differently shaped Tensor": _BY_SHAPE,
}


_SIMPLE = frozenset((int, type(None)))


def _prefix(dims: Any, tree: Any, treespec: optree.PyTreeSpec, name: str, model: str) -> list[Any]:
    """Give one dimension (or _WHOLE) for every leaf of the tree."""
    if type(dims) is int:
        return [dims] * treespec.num_leaves
    is_flat = type(dims) is tuple is treespec.type and _SIMPLE.issuperset(map(type, dims))
    if is_flat and len(dims) == treespec.num_children:  # as mostly: there is no tree to broadcast
        counts = [each.num_leaves for each in treespec.children()]
        return [_WHOLE if dim is None else dim for dim, n in zip(dims, counts, strict=True) for _ in range(n)]
    marked = optree.tree_map(lambda dim: _WHOLE if dim is None else dim, dims, none_is_leaf=True, namespace=NAMESPACE)
    if isinstance(marked, list) and isinstance(tree, tuple):
        marked = tuple(marked)
    try:
        found: list[Any] = optree.broadcast_prefix(marked, tree, namespace=NAMESPACE)
    except ValueError as error:
        raise InputError(
            message(
                f"{name} does not match {model}.",
                argument=name,
                expected=f"an int or a prefix of {model}",
                got=dims,
                remedy="give an int or None for all, or one for each "
                + ("positional argument (or a tree of them)" if name == "in_dims" else "part of the output"),
            )
        ) from error
    if any(dim is not _WHOLE and type(dim) is not int for dim in found):
        raise InputError(
            message(
                f"{name} holds ints and None.",
                argument=name,
                got=repr(dims),
                remedy="an int names a dimension; None stands for what is the same for every example",
            )
        )
    return found


def _to_front(leaf: Any, dim: int, path: Callable[[], str]) -> LiteTensor:
    if isinstance(leaf, (Tensor, numpy.ndarray)):
        leaf = LiteTensor(leaf)
    if not isinstance(leaf, LiteTensor) or not -leaf.ndim <= dim < leaf.ndim:
        raise InputError(
            message(
                "vmap can't map over this argument.",
                argument=path(),
                expected=f"a tensor with a dimension {dim}",
                got=f"a tensor of shape {tuple(leaf.shape)}" if isinstance(leaf, LiteTensor) else repr(leaf),
                remedy="give None in in_dims for what is the same for every example",
            )
        )
    return leaf if dim == 0 else leaf.movedim(dim, 0)


def _from_front(result: LiteTensor, place: Any, path: Callable[[], str]) -> Any:
    if place is _WHOLE or place == 0:
        return result[0] if place is _WHOLE else result
    if not -result.ndim <= place < result.ndim:
        raise InputError(
            message(
                "vmap can't put the examples into this dimension of the output.",
                argument=path(),
                expected=f"an entry of out_dims from {-result.ndim} to {result.ndim - 1}",
                got=place,
            )
        )
    return result.movedim(0, place)


def _common_size(
    inputs: list[LiteTensor], mapped: list[int], treespec: optree.PyTreeSpec, axis_size: int | None
) -> int:
    sizes = [each.shape[0] for each in inputs]
    common = {*sizes} if axis_size is None else {*sizes, axis_size}
    if len(common) != 1:
        raise InputError(
            message(
                "vmap needs one batch size, and at least one mapped argument, or axis_size.",
                argument="in_dims" if axis_size is None else "axis_size",
                expected=axis_size,
                got=", ".join(
                    f"{path_to(treespec, i, 'args')()}: {size}" for i, size in zip(mapped, sizes, strict=True)
                ) or "no mapped argument",
                remedy="name in in_dims the dimension of each argument that the examples are in, or None",
            )
        )  # fmt: skip
    return common.pop()


def _as_output(value: Any, path: Callable[[], str]) -> LiteTensor:
    if isinstance(value, (float, int, Tensor)):
        value = LiteTensor(value)
    if not isinstance(value, LiteTensor):
        raise InputError(
            message("the function given to vmap must return tensors.", argument=path(), got=type(value).__name__)
        )
    return value
