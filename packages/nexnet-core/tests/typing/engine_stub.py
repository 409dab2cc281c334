"""The stubs of the engine's tensors: as they are written, without ``__getattr__`` and the signs.

The one only words an error, but to a type checker that sees it a tensor has every attribute; of the signs LiteTensor's
methods tell more.
"""

from __future__ import annotations

import ast
from pathlib import Path

HEADER = '"""The engine\'s tensors, as type checkers see them. Written by tests/typing/stubs.py: do not edit."""\n\n'
_KEPT = frozenset({"property"})
_LEFT_OUT = frozenset({"__getattr__", "__add__", "__sub__", "__mul__", "__truediv__", "__matmul__", "__neg__"})


def stub(source: Path) -> str:
    """Give the text of the file, from that of the module."""
    body = [_bare(node) for node in ast.parse(source.read_text(encoding="utf-8")).body]
    return HEADER + "\n".join(ast.unparse(node) for node in body if node is not None) + "\n"


def _bare(node: ast.stmt) -> ast.stmt | None:
    """Give a statement without docstrings, values and bodies; None for one that tells a type checker nothing."""
    if isinstance(node, ast.ClassDef):
        members = [_bare(each) for each in node.body]
        node.body = [each for each in members if each is not None] or [ast.Expr(ast.Constant(...))]
        return node
    if isinstance(node, ast.FunctionDef):
        if node.name in _LEFT_OUT:
            return None
        node.decorator_list = [each for each in node.decorator_list if ast.unparse(each) in _KEPT]
        node.body = [ast.Expr(ast.Constant(...))]
        return node
    if isinstance(node, ast.AnnAssign):
        node.value = None
        return node
    if isinstance(node, ast.Assign):
        (name,) = node.targets
        return ast.parse(f"{ast.unparse(name)}: Any").body[0] if isinstance(name, ast.Name) else None
    return node if isinstance(node, (ast.Import, ast.ImportFrom)) and ast.unparse(node).find("cpython") < 0 else None
