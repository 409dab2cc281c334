"""What a rule's backward returned, made to fit the arguments, or an error that says why it can't."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import _complaints
from .._nested import leaves_of
from .attributes import dtype_of, shape_of
from .debug import CHECKED
from .direct import direct
from .key import COMPLEX, DIFFERENTIABLE, Key, fits, is_on_device
from .products import Product
from .rule import Node
from .tensor import TensorBase, is_wrapped, unwrap, version_of, wrap

_sum = direct(Tensor.sum)
_NO_TENSOR = "backward returned something that is no tensor."


def call_backward(node: Node, grad: Any, fuses: bool) -> tuple[Any, ...]:
    """Call a rule's backward; give at most one gradient per parent, as a tuple."""
    node.fuses = fuses
    before = versions_of(grad) if node.foreign else None
    try:
        result = node.backward(*grad) if type(grad) is tuple else node.backward(grad)  # type: ignore[attr-defined]
    except Exception as error:
        if not node._saved and _complaints.asks_for_saved(error):
            raise _complaints.nothing_saved(node.name, "backward", error) from error
        error.add_note(f"(in the backward of the nexnet rule {node.name})")
        if "values to unpack" in str(error) or "tuple index" in str(error):
            error.add_note(f"(self.ctx.save kept {len(node.saved)} values, and self.ctx.release gives as many)")
        raise
    finally:
        node.fuses = False
    if before is not None and versions_of(grad) != before:
        raise _complaints.gradient_written(node.name)
    if type(result) is not tuple:
        result = tuple(result) if type(result) is list else (result,)
    count = len(node.parents)
    if len(result) > count:
        if leaves_of(result[count:]):
            raise _complaints.too_many_gradients(node.name, count, len(result))
        result = result[:count]
    return result


def versions_of(grads: Any) -> list[Any]:
    """Give how often each of a rule's incoming gradients has been written into; in the debug form, their values.

    So of LiteTensors on the CPU, too: what is written past torch's count is not differentiated.
    """
    found: list[Any] = []
    for each in grads if type(grads) is tuple else (grads,):
        data = unwrap(each)
        if type(data) is Tensor:
            found.append(version_of(data))
            if CHECKED or (data is not each and data.is_cpu):
                found.append(_values_of(data))
    return found


def _values_of(tensor: Tensor) -> bytes:
    try:
        plain = tensor.resolve_conj().resolve_neg().reshape(-1)
        return b"" if is_wrapped(tensor) else plain.view(torch.uint8).cpu().numpy().tobytes()
    except RuntimeError:  # a tensor without a storage of its own, as inside of torch.vmap's older form
        return b""


def fitted(grad: Any, node: Node, key: Key, recorded: bool) -> Any:
    """Give a gradient as its argument's: a LiteTensor if the loop is recorded, else a torch tensor."""
    if type(grad) is Product:
        grad = _computed(grad, node)
    if type(grad) is not Tensor or recorded:
        grad = _as_kind(grad, node, key, recorded)
    if node.exact and not CHECKED:
        return grad
    data = unwrap(grad)
    if fits(data, key):
        return grad
    if node.exact:
        raise _complaints.wrong_gradient("a gradient does not fit, which the rule has promised.", grad, node, key)
    return _fit(grad, data, node, key)


def _computed(product: Product, node: Node) -> Any:
    """Multiply what a rule left to the loop; what is wrong about it is the rule's error."""
    try:
        return product.compute()
    except Exception as error:
        error.add_note(f"(in the backward of the nexnet rule {node.name})")
        raise


def _as_kind(grad: Any, node: Node, key: Key, recorded: bool) -> Any:
    if recorded and isinstance(grad, TensorBase):
        return grad
    grad = unwrap(grad)
    if not isinstance(grad, Tensor):
        raise _complaints.wrong_gradient(_NO_TENSOR, grad, node, key)
    return wrap(grad) if recorded else grad


def _fit(grad: Any, data: Tensor, node: Node, key: Key) -> Any:
    """Undo broadcasting and dtype promotion: the one place where a gradient is summed or cast to its argument's kind.

    The same lines serve torch tensors and LiteTensors, so that the sum is itself differentiable.
    """
    shape, came = key.shape, shape_of(data)
    if not is_on_device(data, key) and shape:  # a number may stand beside tensors of any device, as in torch
        raise _complaints.wrong_gradient("backward returned a gradient on another device.", grad, node, key)
    dtype = dtype_of(data)
    if dtype not in DIFFERENTIABLE:
        raise _complaints.wrong_gradient("backward returned a gradient of a dtype that can't be one.", grad, node, key)
    if dtype in COMPLEX and key.dtype not in COMPLEX:
        grad = grad.real  # of dL/d(re) + i dL/d(im), what a real argument can move by
        dtype = grad.dtype
    if came != shape:
        dims = _broadcast_dims(shape, came)
        if dims is not None:
            extra = len(came) - len(shape)
            if len(dims) == extra:
                grad = _sum(grad, 0) if extra == 1 and type(grad) is Tensor else grad.sum(dims)
            else:
                grad = grad.sum(dims, keepdim=True)
                grad = grad if extra == 0 else grad.reshape(shape)
        elif [size for size in shape if size != 1] == [size for size in came if size != 1]:
            grad = grad.reshape(shape)
        else:
            raise _complaints.wrong_gradient("backward returned a gradient of the wrong shape.", grad, node, key)
    if not is_on_device(data, key):
        grad = grad.to(key.device)
    return grad if dtype is key.dtype else grad.to(key.dtype)


def _broadcast_dims(shape: Any, came: Any) -> Any:
    """Give the dimensions that broadcasting a shape to another has added or made larger; None if it can't."""
    extra = len(came) - len(shape)
    if extra < 0:
        return None
    dims = list(range(extra))
    for i in range(len(shape)):
        if shape[i] != came[extra + i]:
            if shape[i] != 1:
                return None
            dims.append(extra + i)
    return dims
