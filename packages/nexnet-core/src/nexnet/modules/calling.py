"""A model of torch's as a function of its parameters."""

from __future__ import annotations

import functools
import inspect
import re
import weakref
from collections.abc import Mapping
from types import FrameType
from typing import Any

from torch import Tensor, nn

from ..engine import TensorBase, this_thread, wrap
from ..engine.noted import note_place
from ..errors import InputError, message
from ..policy import Operator
from ..tensor import LiteTensor
from . import methods as methods
from . import scripted as scripted
from .leaving import check_constants, clean, entered, result, return_adopted
from .path import begins, current_modules
from .swapping import Places, Swap, places_of, release, take
from .tensors import Call, begin, running

__all__ = ["functional_call", "parameters_of", "set_gradients"]


def parameters_of(module: nn.Module) -> dict[str, LiteTensor]:
    """Give a module's parameters by their names, as LiteTensors of their shapes that share its memory.

    A parameter that stands in several places is there once, under its first name, as in ``named_parameters()``. What
    an optimiser of nexnet_nn writes into these (``update_``) the module has.

    Raises:
        InputError: no module of torch's.

    Example::

        >>> {name: tuple(each.shape) for name, each in nexnet.parameters_of(torch.nn.Linear(3, 2)).items()}
        {'weight': (2, 3), 'bias': (2,)}
    """
    _check_module(module, "parameters_of")
    return {name: wrap(each.detach()) for name, each in module.named_parameters()}


def set_gradients(module: nn.Module, gradients: Mapping[str, Any]) -> None:
    """Put gradients into ``.grad`` of a module's parameters, where ``torch.optim`` looks for them.

    Args:
        module: the module; a parameter that ``gradients`` lacks has no gradient afterwards (``None``).
        gradients: by name, as ``nexnet.grad`` gives them for ``parameters_of(module)``: LiteTensors or torch tensors,
            each of its parameter's shape. They are not copied, and have the parameter's dtype afterwards.

    Raises:
        InputError: no module of torch's; a name that is no parameter's; what is no tensor, or not of the parameter's
            shape.

    Example::

        >>> linear = torch.nn.Linear(3, 1)
        >>> loss = lambda params: nexnet.functional_call(linear, params, (torch.ones(1, 3),)).sum()
        >>> nexnet.set_gradients(linear, nexnet.grad(loss)(nexnet.parameters_of(linear)))
        >>> linear.weight.grad
        tensor([[1., 1., 1.]])
    """
    _check_module(module, "set_gradients")
    _check_by_name(gradients, "set_gradients", "gradients")
    named = dict(module.named_parameters())
    unknown = [name for name in gradients if name not in named]
    if unknown:
        raise _unknown(module, unknown[0], named)
    for name, parameter in named.items():
        gradient = gradients.get(name)
        if isinstance(gradient, TensorBase):
            gradient = gradient.data
        if not (gradient is None or isinstance(gradient, Tensor)):
            raise InputError(
                message(
                    "a gradient is no tensor.",
                    rule="set_gradients",
                    argument=name,
                    expected="a LiteTensor, a torch tensor, or None",
                    got=repr(gradient),
                )
            )
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
        What the module returns, with LiteTensors for its tensors, of the same shapes.

    Raises:
        InputError: no module of torch's; parameters that come without names, or are no tensors; a name that the module
            does not have; with ``strict``, one that is missing; tied names with different tensors; a module that
            another thread is calling.

    Example::

        >>> linear = torch.nn.Linear(3, 2)
        >>> loss = lambda params, x: nexnet.functional_call(linear, params, (x,)).square().mean()
        >>> gradients = nexnet.grad(loss)(nexnet.parameters_of(linear), torch.ones(4, 3))
        >>> {name: tuple(each.shape) for name, each in gradients.items()}
        {'weight': (2, 3), 'bias': (2,)}
    """
    _check_module(module, "functional_call")
    _check_by_name(parameters_and_buffers, "functional_call", "parameters_and_buffers")
    places = places_of(module)
    given = _given(module, places, parameters_and_buffers, tie_weights, strict)
    args = args if isinstance(args, tuple) else (args,)
    return _called(module, places, given, (args, dict(kwargs or {})), with_buffers)


def _check_module(module: Any, rule: str) -> None:
    if not isinstance(module, nn.Module):
        raise InputError(
            message(
                "a module of torch's is expected, and this is none.",
                rule=rule,
                argument="module",
                expected="a torch.nn.Module",
                got=_described(module),
                remedy=_in_its_place(module),
            )
        )


def _described(given: Any) -> str:
    """Say what was given for a module: its kind, and its name if it has one."""
    name = getattr(given, "__name__", None)
    kind = "class" if isinstance(given, type) else type(given).__name__
    return kind if name is None else f"{kind} {name}"


def _in_its_place(given: Any) -> str:
    if isinstance(given, type) and issubclass(given, nn.Module):
        return f"make a module of the class first: {given.__name__}(...)"
    if inspect.isroutine(given) or isinstance(given, (functools.partial, Operator)):
        return "give the module whose parameters the function uses, not the function"
    return "give a model of nexnet_nn itself to the transform: it is a pytree of its parameters"


def _check_by_name(given: Any, rule: str, argument: str) -> None:
    if not hasattr(given, "items"):
        raise InputError(
            message(
                "tensors are given by their names.",
                rule=rule,
                argument=argument,
                expected="a dict, as parameters_of(module) gives one",
                got=type(given).__name__,
            )
        )


def _called(module: nn.Module, places: Places, given: dict[str, Any], inputs: Any, with_buffers: bool) -> Any:
    """Call the module, as ``functional_call`` does: whoever asks for the path looks into that one's frame, not this."""
    mine = take(places.owners, type(module).__name__)
    outer = running()
    call = Call(type(module).__name__) if outer is None else outer
    call.modules.append(module)
    begin(call)
    try:
        return _evaluated(module, places, given, inputs, call, outer is not None, with_buffers)
    except Exception as error:
        note_place(error, [], current_modules(_innermost(error)))
        if type(error) in (RuntimeError, NotImplementedError) and _ON_META.search(str(error)):
            raise _not_asked(error) from error
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


#: What torch says of a tensor without elements, which is what a ModelTensor is to a function that asks it nothing.
_ON_META = re.compile(r"meta tensor|device:? \"?meta|on meta device|set tensor of type")


def _not_asked(error: Exception) -> InputError:
    made = InputError(
        message(
            "code that asks a tensor nothing was given one of the model's: it finds no elements there.",
            got=str(error).splitlines()[0],
            remedy="write what torch's functions do: x.real.copy_(v) for x.real = v, x.copy_(v) for x.set_(v); or a "
            "rule of your own for the function (nexnet.implements)",
        )
    )
    for each in getattr(error, "__notes__", ()):
        made.add_note(each)
    return made


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
    swap = Swap(places, call, with_buffers)
    args, kwargs = entered(inputs, swap.standing)
    try:
        swap.put(given)
        out = module(*args, **kwargs)
        if with_buffers:
            out = (out, swap.buffers())
        else:
            swap.write_back()
        return out if nested else result(out)
    finally:
        swap.put_back()


def _given(
    module: nn.Module, places: Places, values: Mapping[str, Any], tie_weights: bool, strict: bool
) -> dict[str, Any]:
    """Give what is to stand in each place, by its path."""
    try:
        found = places.given(values, tie_weights)
    except KeyError as error:
        raise _unknown(module, error.args[0], places.by_path) from None
    missing = places.missing(found) if strict else None
    if missing is not None:
        raise InputError(
            message(
                "strict=True asks for every parameter and buffer of the module.",
                argument=missing,
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
