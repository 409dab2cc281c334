"""Module: an immutable object that is a pytree of its tensors."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Iterator
from html import escape
from types import FunctionType
from typing import TYPE_CHECKING, Any, Self, dataclass_transform

import optree
import torch

import nexnet
from nexnet.errors import message
from nexnet.modules.path import leaves_mark

from ._layout import NAMESPACE, Layout, split
from .errors import FrozenModuleError, ModuleError

__all__ = ["Module"]


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
            _freeze(module)
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
    the structure, and two modules have the same structure only if their static fields are equal.

    A module never changes: ``module.replace(field=value)`` gives another one. Modules compare and hash by identity.
    A gradient by a module is a module of the same structure, of which each tensor is a gradient.

    Example::

        class Affine(nn.Module):
            scale: nexnet.LiteTensor
            shift: nexnet.LiteTensor

            def __call__(self, x):
                return x * self.scale + self.shift

    Raises:
        ModuleError: a field that is a torch tensor or an array; a field that was announced and not set.
        FrozenModuleError: a field of a finished module was assigned to.
    """

    _custom_init = False
    _layout: Layout
    _children: tuple[Any, ...]

    def __init_subclass__(cls, *, init: bool = True, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._custom_init = "__init__" in vars(cls) or cls._custom_init
        dataclasses.dataclass(init=init and not cls._custom_init, repr=False, eq=False)(cls)
        if isinstance(vars(cls).get("__call__"), FunctionType):
            leaves_mark(cls.__call__.__code__, _below)
        optree.register_pytree_node(cls, _flatten, _unflatten, path_entry_type=_Entry, namespace=NAMESPACE)

    def __setattr__(self, name: str, value: Any) -> None:
        _check_unfrozen(self, name)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        _check_unfrozen(self, name)
        super().__delattr__(name)

    def replace(self, **changes: Any) -> Self:
        """Give this module with other values for some of its fields.

        Raises:
            ModuleError: a name that is not one of the fields.
        """
        fields = {name: getattr(self, name) for name in self._layout.names}
        for name in changes:
            if name not in fields:
                raise ModuleError(
                    message(
                        "replace was asked for a field that the module does not have.",
                        argument=name,
                        expected=f"fields of {type(self).__name__}: {', '.join(fields) or 'none'}",
                    )
                )
        module = object.__new__(type(self))
        module.__dict__.update(fields | changes)
        _freeze(module)
        return module

    @property
    def is_frozen(self) -> bool:
        """Whether there are tensors and modules alone below it, and no dict, say, that could be written into."""
        return self._layout.frozen

    def parameters(self) -> list[Any]:
        """List the tensors, in the order in which they are flattened."""
        return nexnet.tree.flatten(self)[0]

    def named_parameters(self) -> list[tuple[str, Any]]:
        """List ``(path, tensor)``; a path reads ``layers.0.weight``."""
        paths, leaves, _ = optree.tree_flatten_with_path(self, namespace=NAMESPACE)
        steps = [[step for entry in path for step in (entry if type(entry) is tuple else (entry,))] for path in paths]
        return [(".".join(map(str, path)), leaf) for path, leaf in zip(steps, leaves, strict=True)]

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

        return optree.tree_map(convert, self, namespace=NAMESPACE)  # type: ignore[no-any-return]

    def _repr_html_(self) -> str:
        """Show a notebook each tensor's path, shape, dtype and statistics."""
        rows = [
            (name, str(tuple(each.shape)), str(each.dtype), str(nexnet.inside.statistics(each.data)))
            for name, each in self.named_parameters()
            if isinstance(each, nexnet.LiteTensor)
        ]
        cells = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        return f"<b>{type(self).__name__}</b><table>{cells}</table>"

    def __repr__(self) -> str:
        return "\n".join(_describe(self)) if "_layout" in self.__dict__ else object.__repr__(self)


def describe_as_its_base(cls: type[Module]) -> None:
    """Add to the one line that describes a layer what its base class says of the arguments, which they share."""
    base = cls.__bases__[0]
    if base.__name__.startswith("_") and "\n" not in (cls.__doc__ or ""):
        cls.__doc__ = f"{cls.__doc__}\n\n    {base.__doc__}"


def _below(module: Any) -> Iterator[tuple[str, Any]]:
    """Give the modules below one, each with its path, near ones first."""
    near = [(name, getattr(module, name)) for name in module._layout.names]
    while near:
        found = [(name, each) for name, each in near if isinstance(each, Module)]
        yield from found
        inside = [
            (name, each.items() if isinstance(each, dict) else enumerate(each))
            for name, each in near
            if isinstance(each, (tuple, dict))
        ]
        near = [(f"{name}.{part}", each) for name, parts in inside for part, each in parts]
        near += [(f"{name}.{field}", getattr(each, field)) for name, each in found for field in each._layout.names]


def _flatten(module: Any) -> tuple[tuple[Any, ...], Layout, tuple[Any, ...]]:
    fields = module.__dict__
    layout = fields["_layout"]
    return fields["_children"], layout, layout.entries


def _unflatten(layout: Layout, children: tuple[Any, ...]) -> Any:
    module = object.__new__(layout.owner)
    fields = module.__dict__
    fields.update(layout.static)
    fields["_children"] = children
    values = children + layout.constants
    for name, take in layout.takes:
        fields[name] = take(values)
    return module


def _freeze(module: Any) -> None:
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
    layout, children = split(type(module), fields)
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


def _describe(module: Module, name: str = "", indent: str = "") -> Iterator[str]:
    """Give the lines of a module's repr: one for each module, tensor and constant in it."""
    count = sum(math.prod(leaf.shape) for leaf in module.parameters() if isinstance(leaf, nexnet.LiteTensor))
    yield f"{indent}{name}{type(module).__name__} ({count:,} parameter{'' if count == 1 else 's'})"
    for field in module._layout.names:
        value = getattr(module, field)
        elements = enumerate(value) if isinstance(module._layout.places.get(field), tuple) else [(None, value)]
        for i, each in elements:
            label = f"{field}: " if i is None else f"{field}[{i}]: "
            if isinstance(each, Module):
                yield from _describe(each, label, indent + "  ")
            else:
                yield f"{indent}  {label}{_show(each)}"


def _show(value: Any) -> str:
    if isinstance(value, nexnet.LiteTensor):
        device = "" if value.device.type == "cpu" else f" {value.device}"
        return f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}{device}"
    if isinstance(value, (dict, tuple)):
        return str(optree.tree_map(_Shown, value, is_leaf=lambda each: isinstance(each, Module), namespace=NAMESPACE))
    return getattr(value, "__name__", None) or repr(value)


class _Shown:
    def __init__(self, value: Any) -> None:
        self.text = "\n".join(_describe(value)) if isinstance(value, Module) else _show(value)

    def __repr__(self) -> str:
        return self.text
