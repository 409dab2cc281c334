"""The reference's pages: an entry for each public thing: names, signature, docstring, and what is known of it."""

from __future__ import annotations

import functools
import inspect
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

import nexnet_verify
from nexnet.ops import listing

from . import calls, table
from .docstrings import members, restructured
from .names import Page, look_up, pages, spellings
from .verified import Verdict, verdicts

__all__ = ["list_names", "write"]

PARTS = {
    "core": "nexnet",
    "operators": "Operators",
    "nn": "nexnet_nn",
    "verify": "nexnet_verify",
}
CASES = Path(nexnet_verify.__file__).parent / "cases"
# What all operators have in common, and is not said of each.
SHARED = (
    "Shapes are those of torch's function of that name: elementwise operands broadcast and promote, a reduction takes "
    "``dim`` and ``keepdim``; the example of each shows what goes in and comes out. Torch tensors, numpy arrays and, "
    "where torch takes them, numbers are constants.",
    "Shapes, dimensions, dtypes and values that torch's kernel looks at itself are torch's errors: ``RuntimeError``, "
    "``IndexError``, ``TypeError``, ``ValueError``, ``torch.linalg.LinAlgError``. What nexnet looks at is "
    ":py:exc:`nexnet.InputError`, whose message names rule, argument, what was expected, what came and the remedy: an "
    "option that there isn't, shapes that do not belong together, ``out=``, a torch tensor that requires grad.",
    "A function of torch's without a rule, or a derivative by an argument that has none, is "
    ":py:exc:`nexnet.NoGradientRule`; an order that a rule does not have (the line below an example says "
    "which there are), :py:exc:`nexnet.HigherOrderError`; a method that would write into a tensor, "
    ":py:exc:`nexnet.MissingAttributeError`; a result that leaves nexnet while it is differentiated, "
    ":py:exc:`nexnet.TrackedTensorError`.",
)
ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def write(app: Sphinx) -> None:
    """Write a page for each module of names, and the operators' table. What has not changed is not written again."""
    root = Path(app.srcdir) / "reference"
    verified = verdicts()
    known = {each.name: each for each in listing()}
    written: set[Path] = set()

    def put(path: str, lines: Sequence[str]) -> None:
        file = root / f"{path}.rst"
        file.parent.mkdir(parents=True, exist_ok=True)
        text = "\n".join(lines) + "\n"
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
        written.add(file)

    everything = _pages()
    for page in everything:
        put(page.path, _page(page, known, verified))
    for part, title in PARTS.items():
        own = [page.path.partition("/")[2] for page in everything if page.path.startswith(f"{part}/")]
        head = _operators_head() if part == "operators" else _scene() if part in ("core", "nn") else []
        put(f"{part}/index", [*_title(title), *head, *_tree(own)])
    for file in set(root.glob("*/**/*.rst")) - written:
        file.unlink()
    table.write(app, everything, known, verified)


def list_names(app: Sphinx, name: str, template: str, context: dict[str, Any], doctree: object) -> None:  # noqa: ARG001
    """List a page's names at its side: as entries of Sphinx's they would be copied for each page's list of pages."""
    page = next((page for page in _pages() if name == f"reference/{page.path}"), None)
    if page is not None:
        links = [f'<li><a href="#{each}"><code>{each.partition(".")[2]}</code></a></li>' for each in page.names]
        context["toc"] = f'<ul><li><a href="#">{page.title}</a><ul>{"".join(links)}</ul></li></ul>'
        context["furo_hide_toc"] = False


_pages = functools.cache(pages)


def _title(text: str, line: str = "=") -> list[str]:
    return [text, line * len(text), ""]


def _tree(places: Sequence[str]) -> list[str]:
    return [".. toctree::", "   :maxdepth: 1", "", *(f"   {each}" for each in places), ""]


def _page(page: Page, known: Mapping[str, Any], verified: Mapping[str, Verdict]) -> list[str]:
    lines = [*_title(page.title), *restructured(page, page.summary), ""]
    for name in page.names:
        lines += _entry(name, known.get(name.removeprefix("nexnet.")), verified)
    return lines


def _entry(name: str, listed: Any, verified: Mapping[str, Verdict]) -> Iterator[str]:
    """Give the entry of one thing, under all of its names."""
    thing = look_up(name)
    kind = "exception" if isinstance(thing, type) and issubclass(thing, BaseException) else "class"
    kind = kind if isinstance(thing, type) else "function" if callable(thing) else "data"
    signature = "" if kind == "data" else _signature(thing)
    package = name.partition(".")[0]
    own = [each for each in spellings()[name] if each.startswith(f"{package}.")]
    first, *others = (each.removeprefix(f"{package}.") for each in own)
    yield f".. py:{kind}:: {first}{signature}"
    if kind == "exception" and others:  # that ":raises InputError:" may lead to one place
        yield f"   :canonical: {package}.{others.pop(0)}"
    else:
        yield from (f"{' ' * len(f'.. py:{kind}:: ')}{each}{signature}" for each in others)
    yield f"   :module: {package}"
    yield ""
    body = [] if kind == "data" else restructured(thing)
    yield from _indented(body)
    if listed is not None:
        yield from _indented([f"For example {calls.example(listed.name, first)}"])
        yield from _indented(_facts(listed, verified))
    if isinstance(thing, type):
        for method in _methods(thing):
            yield from _indented(method)
    yield ""
    for other in spellings()[name]:
        if other not in own:
            module, _, last = other.rpartition(".")
            yield from (f".. py:{kind}:: {last}{signature}", f"   :module: {module}", "")
            yield from (f"   The same as :py:obj:`{name}`.", "")


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"   {line}".rstrip() for line in lines] + [""]


def _signature(thing: Any) -> str:
    """Give the signature without types, which the docstring tells in words, and without an object's address."""
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return "()"
    bare = [
        each.replace(
            annotation=each.empty, default=_Shown(each.default) if each.default is not each.empty else each.empty
        )
        for each in signature.parameters.values()
        if each.name != "self"
    ]
    return str(signature.replace(parameters=bare, return_annotation=signature.empty))


class _Shown:
    """A default as a reader knows it: a function by its name, a module by its own."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __repr__(self) -> str:
        if isinstance(self.value, types.FunctionType | type | types.BuiltinFunctionType):
            return self.value.__name__
        return ADDRESS.sub("", repr(self.value))


def _methods(thing: type) -> Iterator[list[str]]:
    """Give entries for the documented methods and properties that are shown with a class."""
    for name, member in members(thing):
        if not getattr(member, "__doc__", None):
            continue
        if isinstance(member, property):
            yield [f".. py:property:: {name}", "", *_indented(restructured(member))]
        elif isinstance(member, classmethod | staticmethod):
            option = "classmethod" if isinstance(member, classmethod) else "staticmethod"
            function = member.__func__
            signature = _signature(getattr(thing, name))
            yield [f".. py:method:: {name}{signature}", f"   :{option}:", "", *_indented(restructured(function))]
        else:
            signature = _signature(member)
            yield [f".. py:method:: {name}{signature}", "", *_indented(restructured(member))]


def _facts(listed: Any, verified: Mapping[str, Verdict]) -> list[str]:
    """Say of an operator its orders and dtypes, what reaches it in torch, where its case is, and what that found."""
    facts = [table.ORDERS[listed.orders], ", ".join(listed.dtypes)]
    facts += [", ".join(f"``{each}``" for each in listed.torch)] if listed.torch else []
    case = f"nexnet_verify/cases/{listed.wing}/{listed.kind}.py"
    facts += [f"verified by ``{case}``"] if (CASES / listed.wing / f"{listed.kind}.py").exists() else []
    facts += [str(verified[listed.name])] if listed.name in verified else []
    return [".. rst-class:: facts", "", " · ".join(facts), ""]


def _scene() -> list[str]:
    """Show what the examples begin with."""
    _, _, code = (Path(__file__).parent / "scene.py").read_text(encoding="utf-8").partition('"""\n\n')
    lines = [f"   {line}".rstrip() for line in code.splitlines()]
    return ["The examples begin with", "", ".. code-block:: python", "", *lines, ""]


def _operators_head() -> list[str]:
    return [
        "Each has torch's name, signature and defaults: ``nexnet.exp(x)``, ``x.exp()`` and ``torch.exp(x)`` are one.",
        "",
        *(line for each in SHARED for line in (each, "")),
        ".. raw:: html",
        "   :file: ../../_drawn/operators.html",
        "",
        "By where they are defined:",
        "",
    ]
