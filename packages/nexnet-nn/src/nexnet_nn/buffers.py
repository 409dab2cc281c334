"""Tensors that are not learned: buffers, layers that are frozen, and new values for buffers beside a result."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import optree
import torch

import nexnet
from nexnet import LiteTensor
from nexnet.errors import message

from ._layout import NAMESPACE, Buffer, is_module
from ._paths import join, matches
from ._walking import each_holder, each_module, unflatten
from .errors import ModuleError

__all__ = ["buffer", "freeze", "unfreeze", "with_buffers"]

Tree = TypeVar("Tree")


def buffer(value: Any) -> Any:
    """Mark tensors as not learned: what a module's field, or an element of its tuple, is set to.

    The field then holds the tensors themselves. No transform differentiates by them, no optimiser changes them; they
    are saved with the model, and move with ``model.to(...)``. ``model.named_buffers()`` lists them. (In a gradient by
    the model they are what they are in the model.) ::

        class Causal(nn.Module):
            def __init__(self, length):
                self.mask = nn.buffer(nexnet.ones(length, length).tril())

    Args:
        value: a LiteTensor, a torch tensor or an array, of any shape and dtype; or a pytree of these.
            ``None`` stays None.

    Raises:
        ModuleError: there is something else in it.
    """
    if value is None:
        return None
    return Buffer(optree.tree_map(_as_tensor, value, namespace=NAMESPACE))


def _as_tensor(leaf: Any) -> LiteTensor:
    if isinstance(leaf, LiteTensor):
        return leaf
    if isinstance(leaf, torch.Tensor) or hasattr(leaf, "__array__"):
        return LiteTensor(leaf)
    raise ModuleError(message("a buffer is a tensor.", argument="value", got=f"{leaf!r} ({type(leaf).__name__})"))


def freeze(tree: Tree, *patterns: str) -> Tree:
    """Give a model of which some tensors are not learned any more: they become buffers.

    Args:
        tree: a module, or a pytree of modules.
        patterns: which: paths as ``named_parameters`` writes them, with ``*``, ``?`` and ``[...]`` as in file names
            (``*`` matches dots too): ``"encoder.*"``. All of them by default.

    Raises:
        ModuleError: a pattern that matches nothing; one that matches a part of a container's tensors.

    Example::

        frozen = nn.freeze(model, "layers.0.*")
    """
    return _mark(tree, patterns or ("*",), True)


def unfreeze(tree: Tree, *patterns: str) -> Tree:
    """Give a model of which some buffers are learned: the inverse of ``freeze``, with the same arguments.

    Raises:
        ModuleError: a pattern that matches no buffer.

    Example::

        model = nn.unfreeze(nn.freeze(model, "layers.0.*"))
    """
    return _mark(tree, patterns or ("*",), False)


def _mark(tree: Tree, patterns: tuple[str, ...], held: bool) -> Tree:
    used: set[str] = set()

    def change(module: Any, path: str) -> Any:
        layout = module._layout
        places = dict(zip(layout.entries, module._children, strict=True))
        if not held:
            places = {entry: layout.constants[place] for entry, place in layout.buffers.items()}
        marks = set(layout.buffers)
        for entry, value in places.items():
            leaves, treespec = optree.tree_flatten(value, is_leaf=is_module, namespace=NAMESPACE)
            names = [path + join(".".join(map(str, entry)), each) for each in nexnet.tree.paths(treespec)]
            found = [
                {each for each in patterns if matches(name, each)}
                for name, leaf in zip(names, leaves, strict=True)
                if isinstance(leaf, LiteTensor)
            ]
            if not any(found):
                continue
            used.update(*found)
            if not all(found) or len(found) < len(leaves):
                raise ModuleError(
                    message(
                        "a part of the tensors in one container would be buffers.",
                        argument=path + ".".join(map(str, entry)),
                        remedy="freeze all of them, or make it a Module with a field for each",
                    )
                )
            marks = marks | {entry} if held else marks - {entry}
        return module._marked(marks) if marks != set(layout.buffers) else module

    tree = each_module(tree, change)
    unused = [each for each in patterns if each not in used]
    if unused and not (unused == ["*"]):
        raise ModuleError(
            message(
                f"no {'parameter' if held else 'buffer'} has such a path.",
                argument=", ".join(unused),
                remedy=f"model.named_{'parameters' if held else 'buffers'}() lists them",
            )
        )
    return tree


class Renewals:
    """The new values of buffers that the modules of one evaluation tell of. To structures all of these are equal."""

    def __init__(self) -> None:
        self.new: dict[str, Any] | None = {}
        self._level = torch._C._functorch.maybe_current_level()

    def take(self, path: str, values: dict[str, Any]) -> None:
        """Take new values; they are constants. What is computed again, after the evaluation, is not news."""
        if self.new is None:
            return
        if torch._C._functorch.maybe_current_level() != self._level:
            raise ModuleError(
                message(
                    "a buffer can't have a value for each example of a vmap that is inside of nn.with_buffers.",
                    argument=", ".join(path + name for name in values),
                    remedy="nexnet.vmap(nn.with_buffers(fn)) gives the buffers of each example",
                )
            )
        for name, value in values.items():
            self.new[path + name] = nexnet.stop_gradient(value)

    def close(self) -> dict[str, Any]:
        """Give what was told of; from now on nothing is taken."""
        new, self.new = self.new, None
        return new or {}


def with_buffers(fn: Callable[..., Any], has_aux: bool = False) -> Callable[..., Any]:
    """Make a function that gives the new values of a model's buffers beside the result of ``fn(model, ...)``.

    Running statistics come back with the loss so; they are a dict by path, which ``model.with_buffers`` takes::

        def loss(model, x, y):
            return nn.cross_entropy(model(x), y)


        state = adam.init(model)
        step = nexnet.value_and_grad(nn.with_buffers(loss), has_aux=True)
        (value, buffers), grads = step(model, x, y)
        model, state = adam.update(model, grads, state)
        model = model.with_buffers(buffers)

    Args:
        fn: a function of a module, or a pytree of modules, and of anything else.
        has_aux: whether ``fn`` returns ``(value, aux)``; the result then is ``(value, (aux, buffers))``.

    Raises:
        ModuleError: a module in a ``vmap`` within ``fn`` tells of a new value.
    """

    @functools.wraps(fn)
    def call(model: Any, /, *args: Any, **kwargs: Any) -> Any:
        renewals = Renewals()

        def tell(module: Any, path: str) -> Any:
            return unflatten(module._layout.telling((renewals, path)), module._children)

        try:
            result = fn(each_holder(model, tell), *args, **kwargs)
        finally:
            new = renewals.close()
        if not has_aux:
            return result, new
        value, aux = result
        return value, (aux, new)

    return call
