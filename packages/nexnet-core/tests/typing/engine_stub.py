"""The engine's stub: its classes and functions with their own annotations, and without the compiler's decorators.

Cython's decorators and declarations tell type checkers nothing, or wrong things; and to one that sees ``__getattr__``,
which only words an error, a tensor has every attribute.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

HEADER = '"""The engine, as type checkers see it. Written by tests/typing/stubs.py: do not edit."""\n'

#: What a declaration to the compiler says.
_TYPES = {
    "object": "Any", "list": "list[Any]", "tuple": "tuple[Any, ...]", "dict": "dict[Any, Any]", "set": "set[Any]",
    "type": "type[Any]", "cython.bint": "bool", "cython.int": "int", "cython.Py_ssize_t": "int",
}  # fmt: skip
#: What the methods of LiteTensor tell more about, and what is there to word an error.
_LEFT_OUT = frozenset({"__add__", "__sub__", "__mul__", "__truediv__", "__matmul__", "__neg__", "__getattr__"})
_KEPT = frozenset({"property", "staticmethod", "classmethod", "contextmanager"})


def stub(sources: Iterable[Path]) -> str:
    """Give the text of the file, from that of the engine's modules."""
    body = [node for path in sources for node in ast.parse(path.read_text(encoding="utf-8")).body]
    imports = dict.fromkeys(ast.unparse(each) for each in body if _is_import(each))
    return "\n".join([HEADER, *imports, "", *(line for node in body for line in _lines(node))]) + "\n"


def _is_import(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import):
        return all(each.name != "cython" for each in node.names)
    return isinstance(node, ast.ImportFrom) and not node.level and not (node.module or "").startswith(("cython", "__"))


def _lines(node: ast.stmt) -> Iterator[str]:
    """Give what stands in the stub for a statement of a module."""
    if isinstance(node, ast.ClassDef):
        yield f"class {node.name}({', '.join(map(ast.unparse, node.bases))}):".replace("()", "")
        inside = [line for each in node.body for line in _members(each)]
        yield from inside or ["    ..."]
        yield ""
    elif isinstance(node, ast.FunctionDef):
        yield from _function(node)
    elif isinstance(node, ast.AnnAssign) and not _is_private(ast.unparse(node.target)):
        yield f"{ast.unparse(node.target)}: {ast.unparse(node.annotation)}"
    elif isinstance(node, ast.Assign) and not _is_declaration(node.value):
        names = [each.id for each in node.targets if isinstance(each, ast.Name)]
        yield from (f"{name}: Any" for name in names if not _is_private(name))


def _members(node: ast.stmt) -> Iterator[str]:
    """Give what stands in the stub for a statement in a class."""
    if isinstance(node, ast.FunctionDef) and node.name not in _LEFT_OUT:
        yield from ("    " + line for line in _function(node))
    elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and _is_visible(node.value):
        yield f"    {ast.unparse(node.targets[0])}: {_type(node.value.args[0])}"


def _function(node: ast.FunctionDef) -> Iterator[str]:
    decorators = [ast.unparse(each) for each in node.decorator_list]
    if _is_private(node.name) or "cython.cfunc" in decorators:
        return
    for each in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
        if each.annotation is not None:
            each.annotation = ast.parse(_type(each.annotation), mode="eval").body
    yield from (f"@{each}" for each in decorators if each in _KEPT)
    gives = "Any" if node.returns is None else _type(node.returns)
    yield f"def {node.name}({ast.unparse(node.args)}) -> {gives}: ..."


def _type(annotation: ast.expr) -> str:
    written = ast.unparse(annotation)
    return _TYPES.get(written, written)


def _is_declaration(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and ast.unparse(value.func) == "cython.declare"


def _is_visible(value: ast.Call) -> bool:
    return _is_declaration(value) and any(each.arg == "visibility" for each in value.keywords)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")
