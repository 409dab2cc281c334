"""A model of torch's as a function of its parameters."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from ..engine import TensorBase, this_thread, wrap
from ..engine.noted import note_place
from ..errors import InputError, message
from ..tensor import LiteTensor
from . import methods as methods
from .leaving import check_constants, clean, entered, result, return_adopted
from .path import begins, current_modules
from .swapping import Place, Places, places_of, release, relist, take
from .tensors import Call, ModelTensor, begin, running, stand_in, value_of
from .writing import check_unsaved

__all__ = ["functional_call", "parameters_of", "set_gradients"]


def parameters_of(module: nn.Module) -> dict[str, LiteTensor]:
    """Give a module's parameters by their names, as LiteTensors that share its memory.

    A parameter that stands in several places is there once, under its first name, as in ``named_parameters()``. What
    an optimiser of nexnet_nn writes into these (``update_``) the module has.
    """
    return {name: wrap(each.detach()) for name, each in module.named_parameters()}


def set_gradients(module: nn.Module, gradients: Mapping[str, Any]) -> None:
    """Put gradients into ``.grad`` of a module's parameters, where ``torch.optim`` looks for them.

    Args:
        module: the module; a parameter that ``gradients`` lacks has no gradient afterwards (``None``).
        gradients: by name, as ``nexnet.grad`` gives them for ``parameters_of(module)``: LiteTensors or torch tensors,
            each of its parameter's shape. They are not copied, and have the parameter's dtype afterwards.

    Raises:
        InputError: a name that is no parameter's; a shape that is not the parameter's.
    """
    named = dict(module.named_parameters())
    unknown = [name for name in gradients if name not in named]
    if unknown:
        raise _unknown(module, unknown[0], named)
    for name, parameter in named.items():
        gradient = gradients.get(name)
        if isinstance(gradient, TensorBase):
            gradient = gradient.data
        if gradient is not None and gradient.shape != parameter.shape:
            raise InputError(
                message(
                    "a gradient does not have the shape of its parameter.",
                    rule="set_gradients",
                    argument=name,
                    expected=tuple(parameter.shape),
                    got=tuple(gradient.shape),
                )
            )
        parameter.grad = None if gradient is None else gradient.detach().to(parameter)


@begins("module")
def functional_call(
    module: nn.Module,
    parameters_and_buffers: Mapping[str, Any],
    args: Any = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
    with_buffers: bool = False,
) -> Any:
    """Call an unmodified module of torch's on LiteTensors: with these parameters and buffers in the place of its own.

    It is ``torch.func.functional_call``, differentiable by nexnet to any order. Whatever the module's code does with
    tensors is nexnet's: its functions are the rules, and what it writes (``x += y``, ``x[i] = v``, ``inplace=True``,
    ``out=``) is honoured, through views too, without touching the memory of a LiteTensor that goes in.

    Args:
        module: the module; it is as before when the call ends, also under an exception.
        parameters_and_buffers: by name, LiteTensors or torch tensors. Parameters and buffers that are not among them
            are the module's own, as constants.
        args: the module's positional arguments, a tuple (or one argument); LiteTensors in them, also in containers.
        kwargs: its keyword arguments.
        tie_weights: whether a parameter that has several names is the one that is given for all of them.
        strict: whether every name must be given.
        with_buffers: whether to return ``(result, buffers)``, with the buffers as they are after the call, and not
            write anything into the module's own or the given ones. Else what the module writes into its buffers
            (running statistics) is written into their memory, as torch does.

    Returns:
        What the module returns, with LiteTensors for its tensors.

    Raises:
        InputError: a name that the module does not have; with ``strict``, one that is missing; tied names with
            different tensors; a module that another thread is calling.
    """
    places = places_of(module)
    given = _given(module, places, parameters_and_buffers, tie_weights, strict)
    args = args if isinstance(args, tuple) else (args,)
    return _called(module, places, given, (args, dict(kwargs or {})), with_buffers)


def _called(module: nn.Module, places: Places, given: dict[str, Any], inputs: Any, with_buffers: bool) -> Any:
    """Call the module, as ``functional_call`` does: whoever asks for the path looks into that one's frame, not this."""
    mine = take({id(place.owner) for place in places.by_path.values()}, type(module).__name__)
    outer = running()
    call = Call(type(module).__name__) if outer is None else outer
    call.modules.append(module)
    begin(call)
    try:
        return _evaluated(module, places, given, inputs, call, outer is not None, with_buffers)
    except Exception as error:
        note_place(error, [], current_modules(_innermost(error)))
        raise
    finally:
        begin(outer)
        release(mine)
        if outer is None:
            if (looking_on := this_thread().observers) is not None:
                looking_on.left()
            try:
                return_adopted(call)
                check_constants(call)
            finally:
                modules, reference = call.modules, weakref.ref(call)
                del call
                if (kept := reference()) is not None:  # what stands for a tensor refers to it: the model has kept some
                    clean(modules)
                    kept.ended = True


def _innermost(error: Exception) -> FrameType | None:
    """Give the frame in which an error was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return None if trace is None else trace.tb_frame


def _evaluated(
    module: nn.Module, places: Places, given: dict[str, Any], inputs: Any, call: Call, nested: bool, with_buffers: bool
) -> Any:
    """Call the module with other tensors in its places, and put its own back."""
    stands: dict[int, Any] = {}
    swapped: list[tuple[Place, Any, Any, Any]] = []
    lists: list[tuple[nn.RNNBase, list[Any]]] = []
    args, kwargs = entered(inputs, lambda each: _standing(each, call, stands))
    try:
        for place in places.held():
            old = place.owner[place.name]
            value = given.get(place.path)
            if value is None:
                if isinstance(old, ModelTensor) or (place.is_buffer and not with_buffers):
                    continue
                value = old
            new = _standing(value, call, stands, with_buffers and place.is_buffer)
            if not place.is_buffer:
                new._is_param = True
            place.owner[place.name] = new
            swapped.append((place, old, new, value))
        lists = relist(places)
        out = module(*args, **kwargs)
        if with_buffers:
            held = {place.path: place.owner[place.name] for place in places.held() if place.is_buffer}
            out = (out, held)
        else:
            _write_back(swapped)
        return out if nested else result(out)
    finally:
        for each, weights in lists:
            each._flat_weights = weights
        for place, old, new, _ in swapped:
            if place.owner.get(place.name) is new or with_buffers:
                place.owner[place.name] = old


def _given(
    module: nn.Module, places: Places, values: Mapping[str, Any], tie_weights: bool, strict: bool
) -> dict[str, Any]:
    """Give what is to stand in each place, by its path."""
    known = places.by_path
    for name in values:
        if name not in known:
            raise _unknown(module, name, known)
    tied = places.tied()
    found: dict[str, Any] = {}
    for name, value in values.items():
        for place in tied.get(name, [known[name]]) if tie_weights else [known[name]]:
            other = values.get(place.path, value)
            if other is not value:
                raise InputError(
                    message(
                        "two names of one parameter were given different tensors.",
                        argument=f"{name}, {place.path}",
                        remedy="give one of them, or the same tensor for both, or say tie_weights=False",
                    )
                )
            found[place.path] = value
    if strict:
        for place in places.held():
            if place.path not in found:
                raise InputError(
                    message(
                        "strict=True asks for every parameter and buffer of the module.",
                        argument=place.path,
                        got="nothing of that name",
                    )
                )
    return found


def _unknown(module: nn.Module, name: str, known: Mapping[str, Any]) -> InputError:
    return InputError(
        message(
            "the module has no parameter or buffer of this name.",
            argument=name,
            expected=f"of {type(module).__name__}: {', '.join(list(known)[:6]) or 'none'}{', ...' * (len(known) > 6)}",
        )
    )


def _standing(value: Any, call: Call, stands: dict[int, Any], own: bool = False) -> Any:
    """Give what stands for a tensor inside of the model: the same for the same."""
    if isinstance(value, ModelTensor):
        return value
    found = stands.get(id(value))
    if found is None:
        lite = value if isinstance(value, TensorBase) else wrap(value.detach())
        if own and lite.key is None:
            lite = wrap(lite.data.clone())
        found = stands[id(value)] = stand_in(lite, call)
    return found


def _write_back(swapped: list[tuple[Place, Any, Any, Any]]) -> None:
    """Write into the given tensors, and the module's own, what the module has written into those that stood there."""
    done: set[int] = set()
    for place, _, new, value in swapped:
        if id(new) in done or isinstance(value, ModelTensor):
            continue
        done.add(id(new))
        home = value.data if isinstance(value, TensorBase) else value.detach()
        now = value_of(new).data
        if now is not home and value_of(new) is not value and isinstance(home, Tensor):
            if now.data_ptr() == home.data_ptr() and now.shape == home.shape:
                continue
            check_unsaved(home, f"{place.path} of the model")
            with torch.no_grad():
                home.copy_(now)
