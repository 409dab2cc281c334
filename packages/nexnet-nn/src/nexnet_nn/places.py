"""Replacement deep in a tree of modules: what ``model.at["layers.0.weight"]`` is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from nexnet.errors import message

from ._checks import check_tensors_place
from ._layout import is_module
from .errors import ModuleError

__all__ = ["Place", "Places"]

AnyModule = TypeVar("AnyModule")


class Places(Generic[AnyModule]):
    """The places in a module: ``places["layers.0.weight"]``, by their paths."""

    __slots__ = ("_module",)

    def __init__(self, module: AnyModule) -> None:
        self._module = module

    def __getitem__(self, path: str) -> Place[AnyModule]:
        return Place(self._module, path)


class Place(Generic[AnyModule]):
    """A place in a module: a tensor, a layer, any field, or an element of one, by its path.

    Raises:
        ModuleError: there is no such place: of each method.
    """

    __slots__ = ("_module", "_path")

    def __init__(self, module: AnyModule, path: str) -> None:
        self._module, self._path = module, path

    def get(self) -> Any:
        """Give what is there."""
        value: Any = self._module
        for step in self._path.split("."):
            value = _parts(value, step, self._path)[_key(value, step, self._path)]
        return value

    def set(self, value: Any) -> AnyModule:
        """Give the module with this value there. A buffer's place stays one.

        Raises:
            ModuleError: a number or text where a tensor was; ``None`` is taken.
        """
        check_tensors_place(self._path, self.get(), value)
        return _put(self._module, self._path.split("."), value, self._path)  # type: ignore[no-any-return]

    def apply(self, fn: Callable[[Any], Any]) -> AnyModule:
        """Give the module with ``fn`` of what is there."""
        return self.set(fn(self.get()))


def _put(tree: Any, steps: list[str], value: Any, path: str) -> Any:
    if not steps:
        return value
    parts, key = _parts(tree, steps[0], path), _key(tree, steps[0], path)
    new = _put(parts[key], steps[1:], value, path)
    if is_module(tree):
        return tree.replace(**{key: new})
    if isinstance(tree, dict):
        return type(tree)({**tree, key: new})
    made = [new if i == key else each for i, each in enumerate(tree)]
    return tree._make(made) if hasattr(tree, "_make") else type(tree)(made)


def _parts(tree: Any, step: str, path: str) -> Any:
    """Give what is in a module or container, by field, key or index."""
    if is_module(tree):
        return {name: getattr(tree, name) for name in tree._layout.names}
    if isinstance(tree, (dict, tuple, list)):
        return tree
    raise _nowhere(path, step, f"nothing is inside of a {type(tree).__name__}")


def _key(tree: Any, step: str, path: str) -> Any:
    parts = _parts(tree, step, path)
    keys = list(getattr(tree, "_fields", ())) or (list(parts) if isinstance(parts, dict) else list(range(len(parts))))
    for i, key in enumerate(keys):
        if str(key) == step or (not isinstance(parts, dict) and str(i) == step):
            return key if isinstance(parts, dict) else i
    raise _nowhere(path, step, f"{type(tree).__name__} has {', '.join(map(str, keys)) or 'nothing'}")


def _nowhere(path: str, step: str, has: str) -> ModuleError:
    return ModuleError(message("there is no such place in the module.", argument=path, got=repr(step), expected=has))
