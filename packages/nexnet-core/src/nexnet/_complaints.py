"""What the engine complains of, in words: each function makes the error, the engine raises it."""

from __future__ import annotations

import inspect
import sys
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from .errors import (
    GradientError,
    HigherOrderError,
    InputError,
    MissingAttributeError,
    NoGradientRule,
    RuleError,
    TrackedTensorError,
    message,
)


def remedy_or_call(remedy: str) -> str:
    """Give the remedy for who wrote the code that writes into a LiteTensor, or another where it is torch's own."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("nexnet."):
        frame = frame.f_back
    module = frame.f_globals.get("__name__", "") if frame is not None else ""
    if not module.startswith("torch."):
        return remedy
    return (
        f"it is torch's own code that writes, in {module}: nexnet.functional_call honours it. Make the call in the "
        "forward of a torch.nn.Module: nexnet.functional_call(module, {}, args)"
    )


def assigned_to() -> InputError:
    """A LiteTensor was assigned to by index."""
    return InputError(
        message(
            "a LiteTensor can't be changed: item assignment would write into its storage.",
            got="x[i] = v",
            remedy=remedy_or_call(
                "x = x.at[i].set(v), which is differentiable in x and in v (or .add(v) for x[i] += v)"
            ),
        )
    )


def leaves_nexnet(method: str) -> TrackedTensorError:
    """A tensor's values were asked for by code that nexnet can't see."""
    return TrackedTensorError(
        message(
            f"{method} was called on a tensor that is being differentiated: its gradient would be lost silently.",
            remedy=f"say so with nexnet.stop_gradient(x), or use {method} outside of the differentiated function",
        )
    )


def read_as_number(method: str) -> str:
    """A tensor that is being differentiated was read as a Python number."""
    return message(
        f"{method} of a tensor that is being differentiated is a constant to the gradient.",
        remedy="compute with the tensor itself (nexnet.sin for math.sin); for a constant, or a number to keep, read "
        "nexnet.stop_gradient(x); to print one, f'{x}' is free",
    )


def number_for_output(transform: str) -> TrackedTensorError:
    """A function returned a Python number, after it had read what is being differentiated as one."""
    return TrackedTensorError(
        message(
            f"the function given to {transform} returned a Python number, made from a tensor that is being "
            "differentiated: its gradient would be lost silently.",
            got="float",
            remedy="return the tensor, without float() or item()",
        )
    )


def another_thread() -> TrackedTensorError:
    """An operator met a tensor that another thread is differentiating by."""
    return TrackedTensorError(
        message(
            "a tensor that is being differentiated was computed with in another thread, whose work is not recorded: "
            "its gradient would be lost silently.",
            remedy="compute it in the thread that differentiates, call nexnet.grad inside of the other thread, or say "
            "nexnet.stop_gradient(x) before you hand it over",
        )
    )


def left_open(name: str) -> TrackedTensorError:
    """A generator or a task gave up control inside of a block that hides tapes."""
    return TrackedTensorError(
        message(
            "a block of nexnet.no_tape() (or TapeContext.only) is still open in code that is not at work, and hides "
            "the tape of a tensor that is being differentiated: its gradient would be lost silently.",
            got=f"{name} yielded, or awaited, inside of the block",
            remedy="close the block before the yield, or decorate the generator or coroutine with @nexnet.no_tape(), "
            "which holds in each of its steps",
        )
    )


def no_tape(got: Any) -> InputError:
    """Something that is no tape was to become active."""
    return InputError(
        message("only tapes can be active.", expected="nexnet.Tape", got=f"{got!r} ({type(got).__name__})")
    )


def not_a_tape(got: Any) -> InputError:
    """TapeContext was given something else than a tape."""
    return InputError(
        message(
            "only a tape records.", rule="TapeContext", argument="tape", got=type(got).__name__, remedy="nexnet.Tape()"
        )
    )


def no_observers(got: Any) -> InputError:
    """A new tape was given something: what it differentiates by, perhaps."""
    return InputError(
        message(
            "a new tape takes no tensors: it differentiates by those that it is told to watch.",
            rule="Tape",
            got=f"an argument, {type(got).__name__}",
            remedy="tape = nexnet.Tape(), and tape.watch(x) for each tensor",
        )
    )


def grad_mode_is_off() -> InputError:
    """A tape was to become active where torch's grad mode is off."""
    return InputError(
        message(
            "a tape can't record here: torch's grad mode is off (torch.no_grad or inference_mode).",
            remedy="leave that block first, or open one inside of it: with torch.inference_mode(False)",
        )
    )


def broken_promise(rule: str, promise: str, expected: str, wanted: Any, got: Any) -> RuleError:
    """A rule has promised what does not hold: told by the debug form of the engine."""
    return RuleError(
        message(
            f"the rule's promise {promise} is broken.",
            rule=rule,
            expected=f"{expected}: {_kind(wanted) if hasattr(wanted, 'dtype') else repr(wanted)}",
            got=_kind(got) if hasattr(got, "dtype") else repr(got),
            remedy="take the promise back, or keep it",
        )
    )


def no_data(name: str) -> InputError:
    """The engine's part of a tensor was called, which makes none."""
    return InputError(message(f"{name} makes no tensor.", remedy="nexnet.LiteTensor(data)"))


# How a rule is written ------------------------------------------------------------------------------------------------


def no_policy(operator: str) -> RuleError:
    """An operator was made without a rule."""
    return RuleError(
        message(
            "this operator has no rule.",
            rule=operator,
            remedy="a subclass of nexnet.Operator whose __init__ says super().__init__(policy)",
        )
    )


def saves_itself(rule: str) -> RuleError:
    """A rule was to save itself, or what refers to it: a circle that would never be freed."""
    return RuleError(
        message(
            "a rule can't save itself, nor a function, method or container that refers to it: it would never be freed.",
            rule=rule,
            argument="ctx.save",
            remedy="save the values alone; a function that is saved takes them as arguments, not from self",
        )
    )


def asks_for_saved(error: Exception) -> bool:
    """Say whether an error is what Python makes of ``release`` where it is empty, and values were taken from it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or "release" not in trace.tb_frame.f_code.co_names:
        return False
    text = str(error)
    if type(error) is IndexError:
        return text == "tuple index out of range"
    return type(error) is ValueError and "values to unpack" in text and text.endswith("got 0)")


def nothing_saved(rule: str, method: str, error: Exception) -> RuleError:
    """A rule's backward or jvp takes values from ``release``, and forward has saved none."""
    return RuleError(
        message(
            f"{method} takes values from self.ctx.release, and forward has saved none.",
            rule=rule,
            got=f"an empty tuple ({error})",
            remedy="keep them in forward: self.ctx.save(x, ...); self.ctx.release gives the same values in their order",
        )
    )


#: What torch.autograd.Function's ctx has, and what a rule says in its place.
OF_TORCHS_CTX = {
    "save_for_backward": "self.ctx.save(...)",
    "saved_tensors": "self.ctx.release",
    "saved_variables": "self.ctx.release",
    "saved_for_forward": "self.ctx.release, in jvp",
    "save_for_forward": "self.ctx.save(...), for backward and jvp",
    "mark_dirty": "nothing: a rule does not write into its arguments",
    "mark_non_differentiable": "nothing: integer outputs have no gradient, and backward returns None for an argument",
    "set_materialize_grads": "materialize_grads = False, in the class",
}


def of_torchs_ctx(rule: str, name: str) -> MissingAttributeError:
    """A rule was asked for what torch.autograd.Function's ctx has."""
    return MissingAttributeError(
        message(f"a rule has no {name}: that is torch.autograd.Function's.", rule=rule, remedy=OF_TORCHS_CTX[name])
    )


def no_method(rule: str, method: str, kind: str) -> RuleError:
    """A rule's forward or backward is written as torch.autograd.Function's are."""
    return RuleError(
        message(
            f"a rule's {method} is a method of the call.",
            rule=rule,
            expected=f"def {method}(self, ...), with what is kept in self.ctx",
            got=f"a {kind}",
            remedy=f"leave @{kind} out, and call the first argument self: self.ctx is torch's ctx",
        )
    )


def called_as_it_is(rule: str) -> RuleError:
    """A rule was called in place of the operator that is made of it."""
    return RuleError(
        message(
            "a rule is no function: an operator is made of it.",
            rule=rule,
            remedy=f"@nexnet.function above the class, or {rule.lower()} = nexnet.function({rule}), and call that",
        )
    )


# Arguments of an operator ---------------------------------------------------------------------------------------------


def look_for_no_tensor(rule: str, args: tuple[Any, ...], kwargs: dict[str, Any], error: AttributeError) -> None:
    """Raise an error where an operator has asked an argument for what tensors have, and it is none."""
    met = getattr(error, "obj", None)
    if type(met) not in _NO_TENSORS:
        return
    for place, each in (*enumerate(args), *kwargs.items()):
        among = isinstance(each, (list, tuple, dict, str)) and any(met is element for element in each)
        if met is each or among:
            raise InputError(
                message(
                    f"{rule} takes {'tensors' if among else 'a tensor'}.",
                    rule=rule,
                    argument=place,
                    got=f"{met!r:.60} ({type(met).__name__}){' among them' if among else ''}",
                    remedy="nexnet.tensor(...) makes one of numbers, nexnet.stack([x, y]) of a list of tensors",
                )
            ) from error


_NO_TENSORS = (list, tuple, dict, str, int, float, complex, bool, type(None))


def writes_into_out(rule: str) -> InputError:
    """An operator was given ``out=``."""
    return InputError(
        message(
            "out= writes into a tensor, and nexnet is functional.",
            rule=rule,
            remedy="use the value that the operator returns",
        )
    )


def static_tensor(rule: str, argument: str) -> InputError:
    """A LiteTensor was given for a keyword-only argument."""
    return InputError(
        message(
            "a rule's keyword-only arguments are static: they get no gradient.",
            rule=rule,
            argument=argument,
            got="a LiteTensor",
            remedy="make it a positional parameter of forward",
        )
    )


def not_by_number(rule: str, argument: str) -> InputError:
    """A tensor that is being differentiated was given for a number that the rule has no gradient for."""
    return InputError(
        message(
            "this argument is a number, by which nexnet does not differentiate: its gradient would be lost silently.",
            rule=rule,
            argument=argument,
            got="a LiteTensor that is being differentiated",
            remedy="pass a number, or nexnet.stop_gradient(x) for a constant; for its gradient write the formula with "
            "operators that take tensors",
        )
    )


def requires_grad(rule: str, tensor: Tensor, in_model: bool = False) -> InputError:
    """A torch tensor was given that torch's own autograd follows."""
    remedy = "pass tensor.detach() for a constant, or nexnet.LiteTensor(tensor) to differentiate by it"
    if isinstance(tensor, torch.nn.Parameter) and not in_model:
        remedy = (
            "call its module as nexnet.functional_call(module, parameters, args), with nexnet.parameters_of(module) to "
            "differentiate by them (under as_torch dict(module.named_parameters()), as an argument), or {} for "
            "constants; of a parameter alone, pass nexnet.LiteTensor(tensor), or tensor.detach() for a constant"
        )
    elif not in_model and not tensor.is_leaf:
        remedy += (
            "; if a module has made it of its parameters, call that as nexnet.functional_call(module, parameters, "
            "args), with nexnet.parameters_of(module)"
        )
    elif in_model and tensor.is_leaf:
        remedy += (
            "; if the model itself sets requires_grad of what it was given (wav2vec2 does, in training), give it that "
            "argument as a LiteTensor"
        )
    elif in_model:
        remedy += (
            "; if the model has kept it from a run in torch, as a cache, let it be dropped (model.train().eval() does, "
            "in timm), or take a fresh model"
        )
    return InputError(
        message(
            "a torch tensor that requires grad met a nexnet operator: torch's graph would be cut silently.",
            rule=rule,
            got=f"torch.Tensor of shape {tuple(tensor.shape)} with requires_grad=True",
            remedy=remedy,
        )
    )


def left_by_a_call(tensor: Tensor) -> str:
    """A model met what an earlier call has left in it, where a gradient passed through that."""
    return message(
        "an earlier call has left this tensor in a module, where it was being differentiated; now it is a constant.",
        got=f"torch.Tensor of shape {tuple(tensor.shape)}",
        remedy="if the module is to make it anew, drop it (timm's caches: model.train().eval()); if it is to be a "
        "constant, let the module keep x.detach()",
    )


def tensor_in_container(rule: str, container: Any) -> InputError:
    """A LiteTensor was given inside of a list, a tuple or a dict."""
    return InputError(
        message(
            "a LiteTensor inside of a container gets no gradient.",
            rule=rule,
            got=f"a {type(container).__name__} with a LiteTensor in it",
            remedy="pass each tensor as a positional argument of its own (forward(self, *tensors))",
        )
    )


# Outputs of forward ---------------------------------------------------------------------------------------------------


def no_output(rule: str, out: Any, tracked: bool) -> RuleError:
    """Forward returned something that is no torch tensor."""
    return RuleError(
        message(
            "forward must return a torch tensor, or a tuple of them, computed from its arguments.",
            rule=rule,
            got="a LiteTensor that is being differentiated, from outside of the rule"
            if tracked
            else type(out).__name__,
            remedy="pass what forward needs as positional arguments: they arrive as torch tensors",
        )
    )


def not_for_complex(rule: str, got: str) -> NoGradientRule:
    """A rule that does not say what it is for complex tensors has met one."""
    return NoGradientRule(
        message(
            "this rule has no gradient for complex tensors.",
            rule=rule,
            got=got,
            remedy="compute with real and imaginary parts (nexnet.view_as_real), or cut the gradient on purpose with "
            "nexnet.stop_gradient; a rule of your own says complex_rule = 'own' or 'analytic'",
        )
    )


# Gradients that backward returned -------------------------------------------------------------------------------------


def too_many_gradients(rule: str, expected: int, got: int) -> GradientError:
    """Backward returned more gradients than there are arguments."""
    return GradientError(
        message(
            "backward returned more gradients than forward has positional arguments.",
            rule=rule,
            expected=f"at most {expected}",
            got=got,
            remedy="return one gradient per positional argument of forward, None where there is none",
        )
    )


def wrong_gradient(why: str, grad: Any, node: Any, key: Any) -> GradientError:
    """Backward returned a gradient that its argument can't have."""
    data = getattr(grad, "data", None)
    is_tensor = isinstance(data, Tensor)
    index = next(i for i, parent in enumerate(node.parents) if parent is key)
    parameters = list(inspect.signature(node.forward).parameters)
    return GradientError(
        message(
            why,
            rule=node.name,
            argument=f"{index} ({parameters[min(index, len(parameters) - 1)]})",
            expected=_kind(key),
            got=_kind(data) if is_tensor else f"{grad!r} ({type(grad).__name__})",
            remedy="a gradient has its argument's shape, dtype and device"
            if node.exact
            else "a gradient has its argument's shape and device, and is floating or complex (what broadcasting added "
            "is summed for you, and the dtype cast)",
        )
    )


def gradient_written(rule: str) -> RuleError:
    """A rule's backward wrote into the gradient that it was given."""
    return RuleError(
        message(
            "backward wrote into the gradient that it was given, which others hold, too.",
            rule=rule,
            remedy="write into a copy: grad = grad.clone()",
        )
    )


def argument_written(rule: str) -> RuleError:
    """A rule's forward wrote into an argument."""
    return RuleError(
        message(
            "forward wrote into its argument, which others hold, too.",
            rule=rule,
            remedy="write into a copy: x = x.clone()",
        )
    )


def wrong_number_of_gradients(rule: str, expected: int, got: int) -> GradientError:
    """The backward of a torch.autograd.Function returned another number of gradients than torch asks for."""
    return GradientError(
        message(
            "backward must return one gradient per argument of apply.",
            rule=rule,
            expected=expected,
            got=got,
            remedy="return None for an argument that has none",
        )
    )


# A torch.autograd.Function ------------------------------------------------------------------------------------------


def writes_into_argument() -> RuleError:
    """A Function said that it writes into its arguments."""
    return RuleError(
        message(
            "ctx.mark_dirty says that forward writes into an argument, and nexnet is functional.",
            remedy="write into a clone, and return that",
        )
    )


def leaves_in_forward() -> RuleError:
    """A Function's forward, which is being differentiated, made a tensor that nexnet knows nothing of."""
    return RuleError(
        message(
            "forward made a torch tensor from what is no operation of nexnet's.",
            remedy="save inputs and outputs only, or compute with torch's functions of the arguments",
        )
    )


def asks_torchs_graph(rule: str) -> RuleError:
    """A Function's backward called torch.autograd, whose graph nexnet's tensors are not in."""
    return RuleError(
        message(
            "the backward of a torch.autograd.Function asks torch's own graph for gradients, where there are none of "
            "nexnet's.",
            rule=rule,
            remedy="call nexnet.vjp(fn, *inputs) there; or, where the Function only saves memory (reversible layers, "
            "checkpoints), call what it calls, under nexnet.checkpoint",
        )
    )


def once_differentiable(rule: str) -> HigherOrderError:
    """The derivative of a backward was asked for that says it has none."""
    return HigherOrderError(
        message(
            "backward is marked @once_differentiable, and its derivative was asked for (a second derivative, or jvp).",
            rule=rule,
            remedy="drop the mark, if backward is made of torch's functions; for jvp alone, give the Function a jvp",
        )
    )


# Tangents that a rule of its own pushes forward -----------------------------------------------------------------------


def wrong_number_of_tangents(rule: str, outputs: int, returned: int) -> GradientError:
    """A rule's jvp returned more or fewer tangents than there are outputs."""
    return GradientError(
        message(
            "jvp returned another number of tangents than forward has outputs.",
            rule=rule,
            expected=f"{outputs}, one per output, None for one that has none",
            got=returned,
        )
    )


def wrong_tangent(why: str, tangent: Any, node: Any, index: int) -> GradientError:
    """A rule's jvp returned a tangent that its output can't have."""
    return GradientError(
        message(
            why,
            rule=node.name,
            argument=f"output {index}",
            expected=_kind(node.outputs[index]),
            got=_kind(tangent) if isinstance(tangent, Tensor) else f"{tangent!r} ({type(tangent).__name__})",
            remedy="a tangent has its output's shape, dtype and device (it is broadcast and promoted for you)",
        )
    )


def _kind(tensor: Any) -> str:
    return f"shape {tuple(tensor.shape)}, {tensor.dtype}, {tensor.device}"


# Higher orders --------------------------------------------------------------------------------------------------------


class NoLinks:
    """Stands for what a rule saved where that can't be differentiated, and says why when it is asked for."""

    def __init__(self, rule: str, value: Any, obstacle: Exception | None, leaf: bool) -> None:
        self.rule, self.value, self.obstacle, self.leaf = rule, value, obstacle, leaf

    def error(self) -> HigherOrderError:
        """A higher derivative needs the value as a function of the inputs."""
        what = f"a tensor of shape {tuple(self.value.shape)}" if isinstance(self.value, Tensor) else repr(self.value)
        why = "forward is a torch kernel, recorded as one operation" if self.leaf else "forward leaves nexnet"
        if self.obstacle is not None and str(self.obstacle):
            why += f" ({type(self.obstacle).__name__}: {str(self.obstacle).splitlines()[0]})"
        error = HigherOrderError(
            message(
                "the second derivative needs a saved intermediate as a function of the inputs, and can't have it: "
                f"{why}.",
                rule=self.rule,
                got=f"{what} that is neither an input nor an output",
                remedy="save only inputs and outputs (an intermediate may be returned as a further output), "
                "or write forward with operations that nexnet knows",
            )
        )
        error.__cause__ = self.obstacle
        return error
