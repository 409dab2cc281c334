"""What the gradient transforms share: tensors of arguments, a recorded evaluation, gradients that are the user's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy
import optree
import torch
from torch import Tensor

from .. import _complaints
from .. import _trees as trees
from .._complaints import requires_grad
from .._trees import NAMESPACE as NAMESPACE
from ..engine import COMPLEX, DIFFERENTIABLE, aliases, is_recording, unwrap, wrap
from ..errors import InputError, message
from ..ops import alias
from ..tape import Tape
from ..tensor import LiteTensor

_REAL = DIFFERENTIABLE - COMPLEX


def flatten(tree: Any, name: str) -> tuple[list[LiteTensor], optree.PyTreeSpec]:
    """Flatten a pytree of things to differentiate by into LiteTensors; ``name`` is what errors call the tree."""
    leaves, treespec = trees.flatten(tree)
    for i, leaf in enumerate(leaves):
        if type(leaf) is not LiteTensor or leaf.dtype not in DIFFERENTIABLE:
            leaves[i] = _to_tensor(leaf, path_to(treespec, i, name))
    return leaves, treespec


def path_to(treespec: optree.PyTreeSpec, i: int, name: str) -> Callable[[], str]:
    """Say, when it is asked for, how one writes leaf i of a tree of that name: ``args[0]['w'][1]``."""
    return lambda: str(treespec.accessors()[i].codify(name))


def _to_tensor(leaf: Any, path: Callable[[], str]) -> LiteTensor:
    if hasattr(leaf, "__lite__"):  # a torch tensor that stands for a LiteTensor
        leaf = leaf.__lite__()
    if isinstance(leaf, (float, complex, numpy.ndarray, numpy.generic, Tensor)):
        leaf = LiteTensor(leaf)
    if not isinstance(leaf, LiteTensor) or leaf.data.dtype not in DIFFERENTIABLE:
        raise InputError(
            message(
                "can't differentiate by this argument.",
                argument=path(),
                expected="a tensor, array or number of floating or complex dtype",
                got=f"dtype {leaf.dtype}" if isinstance(leaf, LiteTensor) else f"{leaf!r} ({type(leaf).__name__})",
                remedy="convert it to a floating dtype, or leave it out of what is differentiated (argnums)",
            )
        )
    return leaf


def check_function(fn: Any, argnums: Any, transform: str) -> None:
    """Refuse what is given to a transform in place of a function, or beside it, at once and not at its first call."""
    if isinstance(argnums, str) or (isinstance(argnums, (tuple, list)) and any(isinstance(i, str) for i in argnums)):
        raise _by_name(fn, argnums)
    if not callable(fn) or not isinstance(argnums, (int, tuple, list)):
        raise InputError(
            message(
                f"{transform} makes a function of a function, and that one takes the arguments.",
                argument="fn" if not callable(fn) else "argnums",
                got=type(fn if not callable(fn) else argnums).__name__,
                remedy=f"{transform}(fn)(x, ...), where fn returns what is to be differentiated",
            )
        )


def check_callable(fn: Any, transform: str, argument: str = "fn") -> None:
    """Refuse what can't be called where a function is wanted, at once and not where it would be called."""
    if not callable(fn):
        raise InputError(
            message(
                f"{transform} wants a function.",
                argument=argument,
                got=type(fn).__name__,
                remedy="give the function itself, not what it returns",
            )
        )


def _by_name(fn: Any, argnums: Any) -> InputError:
    """Arguments are differentiated by at their places: say which place a name has."""
    try:
        names = list(inspect.signature(fn).parameters)
    except (TypeError, ValueError):
        names = []
    single = isinstance(argnums, str)
    wanted = [each if isinstance(each, int) or each not in names else names.index(each)
              for each in ((argnums,) if single else argnums)]  # fmt: skip
    known = all(isinstance(each, int) for each in wanted)
    return InputError(
        message(
            "argnums are the places of arguments, not their names.",
            argument="argnums",
            expected="an int or a tuple of ints",
            got=repr(argnums),
            remedy=f"argnums={wanted[0] if single else tuple(wanted)}, and pass the argument by position"
            if known
            else f"the places of {', '.join(names) or 'the arguments'} are counted from 0",
        )
    )


def places(argnums: int | tuple[int, ...], count: int) -> tuple[int, ...]:
    """Give the positions that ``argnums`` names among so many arguments."""
    if isinstance(argnums, int) and 0 <= argnums < count:
        return (argnums,)
    wanted = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    found = tuple(i + count if i < 0 else i for i in wanted)
    if any(not 0 <= i < count for i in found) or len(set(found)) < len(found):
        raise InputError(
            message(
                "argnums does not name distinct positional arguments.",
                argument="argnums",
                expected=f"indices of the {count} positional arguments given",
                got=argnums,
                remedy="pass what is differentiated by position, not by keyword",
            )
        )
    return found


def fresh_aliases(leaves: Sequence[LiteTensor]) -> list[LiteTensor]:
    """Give new tensors of the same values, linked to the old ones on the outer tapes.

    Differentiating these, not the tensors themselves, is what tells an argument from a closed-over variable.
    """
    return aliases(leaves, alias.policy)  # type: ignore[attr-defined]  # in the stub operators are functions


def check_output(out: Any, transform: str, tape: Tape) -> LiteTensor:
    """Take what the differentiated function returned as one floating tensor."""
    if type(out) is LiteTensor and out.data.dtype in _REAL:
        return out
    if hasattr(out, "__lite__"):
        out = out.__lite__()
    if tape.was_read and not isinstance(out, (LiteTensor, Tensor)):
        raise _complaints.number_for_output(transform)
    if isinstance(out, Tensor):
        out = as_constant(out, transform)
    elif isinstance(out, float):
        out = LiteTensor(out)
    if not isinstance(out, LiteTensor) or out.data.dtype not in DIFFERENTIABLE or out.data.dtype in COMPLEX:
        complex_out = isinstance(out, LiteTensor) and out.data.dtype in COMPLEX
        raise InputError(
            message(
                f"the function given to {transform} must return one tensor of real floating dtype.",
                got=f"dtype {out.dtype}" if isinstance(out, LiteTensor) else f"{type(out).__name__}",
                remedy="a complex output has no gradient: return a real number (out.abs(), out.real), or use "
                "nexnet.vjp with a complex cotangent"
                if complex_out
                else "return the tensor to differentiate, and anything else as (out, aux) with has_aux=True",
            )
        )
    return out


def check_outputs(out: Any, transform: str) -> tuple[list[LiteTensor], optree.PyTreeSpec]:
    """Take what the differentiated function returned as a pytree of floating tensors."""
    outs, treespec = trees.flatten(out)
    for i, each in enumerate(outs):
        if isinstance(each, Tensor):  # it depends on no argument: a constant
            each = outs[i] = as_constant(each, transform)
        if not isinstance(each, LiteTensor) or each.data.dtype not in DIFFERENTIABLE:
            raise InputError(
                message(
                    f"the function given to {transform} must return tensors of floating or complex dtype.",
                    argument=path_to(treespec, i, "out")(),
                    got=f"dtype {each.dtype}" if isinstance(each, LiteTensor) else f"{each!r} ({type(each).__name__})",
                    remedy="return anything else as (out, aux) with has_aux=True",
                )
            )
    return outs, treespec


def as_constant(out: Tensor, transform: str) -> LiteTensor:
    """Take a torch tensor that a differentiated function returned: its derivatives are zero."""
    if out.requires_grad:
        raise requires_grad(transform, out)
    return LiteTensor(out)


def split_aux(result: Any) -> tuple[Any, Any]:
    """Take ``(out, aux)`` apart."""
    if not (isinstance(result, (tuple, list)) and len(result) == 2):
        raise InputError(
            message(
                "with has_aux=True the function must return (out, aux).",
                got=f"{type(result).__name__}"
                + (f" of length {len(result)}" if isinstance(result, (tuple, list)) else ""),
            )
        )
    out, aux = result
    return out, aux


def by_key(seeds: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """Give seeds as the backward loop takes them: one sum per key, of torch tensors unless a tape is active."""
    recorded = is_recording()
    grads: dict[Any, Any] = {}
    for key, seed in seeds:
        seed = seed if recorded else unwrap(seed)
        grads[key] = grads[key] + seed if key in grads else seed
    return grads


def ones(out: LiteTensor) -> Any:
    """Give the seed of an output that has no other: ones, the gradient of its sum.

    It is made anew for each gradient: a rule gets it, and may write into it in ways that nobody counts.
    """
    seed = torch.ones_like(out.data)
    return wrap(seed) if is_recording() else seed
