"""Module: an immutable object that is a pytree of its tensors."""

from __future__ import annotations

import dataclasses
import inspect
from types import FunctionType
from typing import TYPE_CHECKING, Any, Self, dataclass_transform

import optree
import torch

import nexnet
from nexnet.errors import message
from nexnet.modules.path import leaves_mark

from ._checks import check_tensors_place
from ._describing import as_html, describe
from ._layout import NAMESPACE, Entry, Layout, split
from ._paths import join
from ._succession import SPENT, spent
from ._walking import below, each_holder, each_module, named_leaves, unflatten
from .errors import FrozenModuleError, ModuleError
from .places import Places

__all__ = ["Module", "describe_as_its_base"]


class _Entry(optree.PyTreeEntry):  # type: ignore[misc]  # optree has no types for mypy
    """A child's place in a module, as errors write it: ``.weight``, ``.layers[0]``."""

    def __call__(self, obj: Any) -> Any:
        return obj._children[obj._layout.entries.index(self.entry)]

    def codify(self, /, node: str = "") -> str:
        name, *index = self.entry
        return f"{node}.{name}" + "".join(f"[{i}]" for i in index)


class _ModuleType(type):
    """Finishes a module when its ``__init__`` is done: from then on it is frozen."""

    if not TYPE_CHECKING:  # to type checkers a call of the class is one of its __init__

        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            module = super().__call__(*args, **kwargs)
            _freeze(module, set())
            return module

    @property
    def __signature__(cls) -> inspect.Signature:
        _, *parameters = inspect.signature(cls.__init__).parameters.values()  # type: ignore[misc]
        return inspect.Signature(parameters)


@dataclass_transform(eq_default=False, field_specifiers=(dataclasses.field,))
class Module(nexnet.tree.Frozen, metaclass=_ModuleType):
    """The base class of layers and models. Annotate fields, or set them in an ``__init__``; write ``__call__``.

    A class without ``__init__`` gets one from its annotated fields, as a dataclass does; where a base has written one
    it is kept, which ``class Deeper(Base, init=False)`` says to type checkers too. Fields that are LiteTensors,
    modules, or containers of these (lists become tuples) are the module's children: transforms differentiate by
    them, and optimisers change them. Everything else (numbers, strings, callables, ``None``) is static: it belongs to
    the structure, and two modules have the same structure only if their static fields are equal. So are buffers,
    tensors that are not learned: fields that are set to ``nn.buffer(tensor)``.

    A module never changes: ``module.replace(field=value)`` gives another one, and ``module.at["layers.0.weight"]`` one
    with another value deep inside. Modules compare and hash by identity.
    A gradient by a module is a module of the same structure, of which each tensor is a gradient.

    The tensors may have any shapes; what a call takes and gives is what ``__call__`` makes of it.

    Example::

        class Affine(nn.Module):
            scale: nexnet.LiteTensor
            shift: nexnet.LiteTensor

            def __call__(self, x):
                return x * self.scale + self.shift

    Raises:
        ModuleError: a field that is a torch tensor or an array; a field that was announced and not set.
        FrozenModuleError: a field of a finished module was assigned to.
        SpentModuleError: it was used after an ``update_`` had written into its tensors.
    """

    _custom_init = False
    _layout: Layout
    _children: tuple[Any, ...]

    def __init_subclass__(cls, *, init: bool = True, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._custom_init = "__init__" in vars(cls) or cls._custom_init
        dataclasses.dataclass(init=init and not cls._custom_init, repr=False, eq=False)(cls)
        if isinstance(vars(cls).get("__call__"), FunctionType):
            leaves_mark(cls.__call__.__code__, below)
        optree.register_pytree_node(cls, _flatten, unflatten, path_entry_type=_Entry, namespace=NAMESPACE)

    if not TYPE_CHECKING:  # type checkers know the fields

        def __getattr__(self, name: str) -> Any:
            if SPENT in self.__dict__ and not name.startswith("__"):
                raise spent(self)
            text = f"{type(self).__name__!r} object has no attribute {name!r}"
            raise AttributeError(text, name=name, obj=self)

    def __setattr__(self, name: str, value: Any) -> None:
        _check_unfrozen(self, name)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        _check_unfrozen(self, name)
        super().__delattr__(name)

    def replace(self, **changes: Any) -> Self:
        """Give this module with other values for some of its fields. A field that is a buffer stays one.

        Raises:
            ModuleError: a name that is not one of the fields; a number or text for a tensor.
        """
        fields = {name: getattr(self, name) for name in self._layout.names}
        for name, value in changes.items():
            if name in fields:
                check_tensors_place(f"{type(self).__name__}.{name}", fields[name], value)
            else:
                raise ModuleError(
                    message(
                        "replace was asked for a field that the module does not have.",
                        argument=name,
                        expected=f"fields of {type(self).__name__}: {', '.join(fields) or 'none'}",
                    )
                )
        module = object.__new__(type(self))
        module.__dict__.update(fields | changes)
        _freeze(module, set(self._layout.buffers), self._layout.told)
        return module

    def _marked(self, buffers: set[Entry]) -> Self:
        """Give this module with its buffers in these places; a tensor that becomes one is a constant."""
        module = object.__new__(type(self))
        module.__dict__.update({name: getattr(self, name) for name in self._layout.names})
        _freeze(module, buffers, self._layout.told)
        new = {entry: module._layout.constants[place] for entry, place in module._layout.buffers.items()}
        return unflatten(module._layout.with_buffers(nexnet.stop_gradient(new)), module._children)  # type: ignore[no-any-return]

    @property
    def is_frozen(self) -> bool:
        """Whether there are tensors and modules alone below it, and no dict, say, that could be written into."""
        return self._layout.frozen

    @property
    def held(self) -> tuple[nexnet.LiteTensor, ...]:
        """The buffers, here and below."""
        return tuple([each for _, each in self.named_buffers()]) if self._layout.holds else ()

    def parameters(self) -> list[Any]:
        """List the tensors that are learned, in the order in which they are flattened."""
        return nexnet.tree.flatten(self)[0]

    def named_parameters(self) -> list[tuple[str, Any]]:
        """List ``(path, tensor)``; a path reads ``layers.0.weight``."""
        leaves, treespec = nexnet.tree.flatten(self)
        return list(zip(nexnet.tree.paths(treespec), leaves, strict=True))

    def named_buffers(self) -> list[tuple[str, Any]]:
        """List ``(path, tensor)`` of the tensors that are not learned; a path reads ``layers.1.running_mean``."""
        found: list[tuple[str, Any]] = []
        for path, module in [("", self), *below(self)]:
            for entry, place in module._layout.buffers.items():
                start = join(path, ".".join(map(str, entry)))
                found += named_leaves(module._layout.constants[place], start)
        return found

    def with_buffers(self, new: dict[str, Any]) -> Self:
        """Give this module with other values for some of its buffers, by their paths.

        Raises:
            ModuleError: a path at which there is no buffer.
        """
        left = dict(new)

        def change(module: Any, path: str) -> Any:
            layout = module._layout
            values = {}
            for entry, place in layout.buffers.items():
                tree = layout.constants[place]
                name = path + (entry[0] if len(entry) == 1 else ".".join(map(str, entry)))
                if type(tree) is nexnet.LiteTensor:
                    if name in left:
                        values[entry] = left.pop(name)
                    continue
                named = named_leaves(tree, name)
                if any(name in left for name, _ in named):
                    changed = [left.pop(name, leaf) for name, leaf in named]
                    values[entry] = nexnet.tree.unflatten(nexnet.tree.flatten(tree)[1], changed)
            return unflatten(layout.with_buffers(values), module._children) if values else module

        module = each_holder(self, change)
        if left:
            raise ModuleError(
                message(
                    "there are no such buffers.",
                    argument=", ".join(left),
                    expected=", ".join(name for name, _ in self.named_buffers()) or "none",
                )
            )
        return module  # type: ignore[no-any-return]

    def renew(self, **buffers: Any) -> None:
        """Tell that buffers of this module, its fields, have new values: ``nn.with_buffers(fn)`` gives them.

        Raises:
            ModuleError: nobody wants to know: the new values would be lost.
        """
        if self._layout.told is None:
            raise ModuleError(
                message(
                    "new values of buffers would be lost.",
                    rule=type(self).__name__,
                    argument=", ".join(buffers),
                    remedy="call the model in a function that nn.with_buffers(fn) made, or the form model.eval()",
                )
            )
        renewals, path = self._layout.told
        renewals.take(path, buffers)

    def newest(self, name: str) -> Any:
        """Give a buffer's value: the newest that was told of in this evaluation, or the module's own."""
        value, told = getattr(self, name), self._layout.told
        if told is None:
            return value
        renewals, path = told
        return value if renewals.new is None else renewals.new.get(path + name, value)

    def train(self, training: bool = True) -> Self:
        """Give the form of this module that trains: of which each module with a field ``training`` has it True."""

        def change(module: Any, _: str) -> Any:
            known = "training" in module._layout.names and module.training is not training
            return module.replace(training=training) if known else module

        return each_module(self, change)  # type: ignore[no-any-return]

    def eval(self) -> Self:
        """Give the form of this module that does not train: ``train(False)``."""
        return self.train(False)

    @property
    def at(self) -> Places[Self]:
        """Places deep in this module: ``model.at["layers.0.weight"].set(value)`` gives another one."""
        return Places(self)

    def to(self, device: Any = None, dtype: torch.dtype | None = None) -> Self:
        """Give this module on another device, and its floating tensors in another dtype.

        The arguments may come in either order, as in torch: ``to("cuda")``, ``to(torch.float64)``. The conversion is
        differentiable.
        """
        if isinstance(device, torch.dtype):
            device, dtype = dtype, device

        def convert(leaf: Any) -> Any:
            return leaf.to(
                device=leaf.device if device is None else device,
                dtype=dtype if dtype is not None and leaf.dtype.is_floating_point else leaf.dtype,
            )

        converted: Self = optree.tree_map(convert, self, namespace=NAMESPACE)
        buffers = {name: convert(each) for name, each in self.named_buffers()}
        return converted.with_buffers(buffers) if buffers else converted

    def _repr_html_(self) -> str:
        """Show a notebook each tensor's path, shape, dtype and statistics."""
        return as_html(self)

    def __repr__(self) -> str:
        if "_layout" in self.__dict__:
            return "\n".join(describe(self))
        return f"<{type(self).__name__}, written into>" if SPENT in self.__dict__ else object.__repr__(self)


def describe_as_its_base(cls: type[Module]) -> None:
    """Add to what describes a layer, before its example, what its base says of the arguments, which they share."""
    base = cls.__bases__[0]
    own, sign, example = (cls.__doc__ or "").partition("    Example::")
    if base.__name__.startswith("_") and "Args:" not in own:
        shared = (base.__doc__ or "").rstrip()
        cls.__doc__ = f"{own.rstrip()}\n\n    {shared}\n\n{sign}{example}".rstrip()


def _flatten(module: Any) -> tuple[tuple[Any, ...], Layout, tuple[Any, ...]]:
    fields = module.__dict__
    if "_layout" not in fields:
        raise spent(module)
    layout = fields["_layout"]
    return fields["_children"], layout, layout.entries


def _freeze(module: Any, buffers: set[Entry], told: Any = None) -> None:
    """Split the fields, and let nobody change them any more."""
    fields = module.__dict__
    for announced in dataclasses.fields(module):
        if announced.name in fields:
            continue
        if announced.default is not dataclasses.MISSING:
            fields[announced.name] = announced.default
        elif announced.default_factory is not dataclasses.MISSING:
            fields[announced.name] = announced.default_factory()
        else:
            raise ModuleError(
                message(
                    f"{type(module).__name__}.__init__ did not set a field that the class announces.",
                    argument=announced.name,
                    remedy=f"assign self.{announced.name}, or None to it",
                )
            )
    layout, children = split(type(module), fields, buffers)
    layout.told = told
    fields["_children"] = children
    fields["_layout"] = layout


def _check_unfrozen(module: Any, name: str) -> None:
    if "_layout" in module.__dict__:
        raise FrozenModuleError(
            message(
                "a module does not change once it is made.",
                argument=f"{type(module).__name__}.{name}",
                remedy=f"model.replace({name}=...) gives a new module (a step of training: optimizer.update)",
            )
        )
