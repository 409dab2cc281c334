"""How a call becomes a node on the tapes: its outputs get an identity, and the tapes track them from then on."""

from __future__ import annotations

from typing import Any

import torch

from .. import _complaints
from . import autocast
from .attributes import dtype_of
from .key import DIFFERENTIABLE, Key, are_alike, fits, is_complex, is_half, key_like, key_of
from .rule import Node, make_node
from .tape import TapeBase, active_tapes, those_tracking, tracked_key
from .tensor import TensorBase, wrap

_FLOAT16, _BFLOAT16 = torch.float16, torch.bfloat16


def record(node: Node, args: tuple[Any, ...], result: Any, recorders: list[TapeBase]) -> None:
    """Append a node to the tapes; its differentiable outputs are identified, and tracked from now on."""
    home = recorders[0]
    if isinstance(result, TensorBase):
        node.output = _identify(result, node, home)
        if node.output is None:
            _ended_here(node, args, result, recorders)
            return
    else:
        output = tuple([None if each is None else _identify(each, node, home) for each in result])
        if output.count(None) == len(output):
            _ended_here(node, args, result, recorders)
            return
        node.output = output
    append(_for_dtypes(node), args, result, recorders)


def record_alike(node: Node, args: tuple[Any, ...], result: Any, recorders: list[TapeBase]) -> bool:
    """Do the same for an elementwise rule's node if the operands are alike: the output is as they are, then.

    What is known need not be asked of torch, which takes longer than the rest of recording does.
    """
    common = _common_key(node.parents, args)
    if common is None or is_complex(common) or not isinstance(result, TensorBase) or is_autocast(common):
        return False
    tensor: TensorBase = result
    home = recorders[0]
    tensor.key = key_like(common, home.token)
    node.output = tensor.key
    node.exact = True
    append(node, args, result, recorders)
    return True


def is_autocast(key: Key) -> bool:
    """Say whether torch's autocast may have cast a tensor of that kind, or to it."""
    return is_half(key) and bool(autocast.is_on())


def may_have_cast(node: Node, result: Any) -> bool:
    """Say whether torch's autocast may have had a part in a call: half precision came in, or went out."""
    for key in node.parents:
        if key is not None and is_half(key):
            return bool(autocast.is_on())
    if isinstance(result, TensorBase):
        tensor: TensorBase = result
        dtype = dtype_of(tensor.raw)
        return (dtype is _FLOAT16 or dtype is _BFLOAT16) and bool(autocast.is_on())
    return bool(autocast.is_on())


def append(node: Node, args: tuple[Any, ...], result: Any, recorders: list[TapeBase]) -> None:
    """Append a node whose outputs are identified to the tapes."""
    for i in range(len(recorders)):
        tape = recorders[i]
        tape.nodes.append(node)
        if tape.observers is not None:
            tape.observers.recorded(tape, node, args, result)
        if i > 0:  # the first is the outputs' home
            if type(node.output) is tuple:
                tape.tracked.update([key for key in node.outputs if key is not None])
            else:
                tape.tracked.add(node.output)


def record_composite(
    policy: type[Node], parents: tuple[Any, ...], saved: tuple[Any, ...], links: Any, result: Any, tapes: list[TapeBase]
) -> None:
    """Append a node for what was computed outside of an operator call, as ``vmap`` does for a whole function."""
    record(make_node(policy, saved, parents, links, None), (), result, tapes)


def aliases(tensors: Any, policy: type[Node]) -> list[Any]:
    """Give new tensors of the same values, linked to the old ones on the tapes that track those.

    The rule is one whose ``backward`` is ``passes_on``.
    """
    tapes = active_tapes()
    found = []
    for tensor in tensors:
        fresh = wrap(tensor.raw)
        key = tracked_key(tensor, tapes)
        if key is not None:
            recorders = those_tracking((key,), tapes)
            home = recorders[0]
            fresh.key = key_like(key, home.token)
            node = make_node(policy, (), (key,), None, fresh.key, True)
            node.passes = 1
            append(node, (tensor,), fresh, recorders)
        found.append(fresh)
    return found


def _identify(tensor: TensorBase, node: Node, home: TapeBase) -> Key | None:
    """Give an output its identity, or None to one that can't carry a gradient."""
    dtype = dtype_of(tensor.raw)
    if dtype in DIFFERENTIABLE:
        tensor.key = key_of(tensor.raw, dtype, home.token)
        return tensor.key
    if dtype.is_complex:
        raise _complaints.not_for_complex(node.name, f"an output of dtype {dtype}")
    return None


def _ended_here(node: Node, args: tuple[Any, ...], result: Any, recorders: list[TapeBase]) -> None:
    """Tell who looks on that nothing of an operation's carries a gradient: it is on no tape."""
    for tape in recorders:
        if tape.observers is not None:
            tape.observers.ended(node.name, args, result)


def _for_dtypes(node: Node) -> Node:
    """Give the node; if a tensor is complex, as one of the form that its rule has for complex tensors."""
    gives = _has_complex(node.output) if type(node.output) is tuple else is_complex(node.output)
    if not gives and not _has_complex(node.parents):
        return node
    policy = type(node).for_complex(gives)  # type: ignore[attr-defined]
    made = make_node(policy, node._saved, node.parents, node.links, node.output)
    made.foreign = node.foreign
    return made


def _has_complex(keys: tuple[Any, ...]) -> bool:
    for key in keys:  # noqa: SIM110  any() would make a generator
        if key is not None and is_complex(key):
            return True
    return False


def _common_key(parents: tuple[Any, ...], args: tuple[Any, ...]) -> Key | None:
    """Give a key with the shape, dtype and device of all operands, if they are alike, and a parent's."""
    common: Key | None = None
    for i in range(len(parents)):
        key: Key | None = parents[i]
        if key is not None:
            if common is None:
                common = key
            elif not are_alike(key, common):
                return None
    for i in range(len(args)):
        if common is not None and parents[i] is None:
            arg = args[i]
            if isinstance(arg, TensorBase):
                tensor: TensorBase = arg
                if not fits(tensor.raw, common):
                    return None
            elif type(arg) is not float and type(arg) is not int and arg is not None and type(arg) is not bool:
                return None
    return common
