"""A Sphinx extension: the reference, written from what the packages say of themselves; and tutorials as notebooks."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

from . import mathml, notebooks, reference, sources

__all__ = ["setup"]


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the reference's pages before Sphinx looks which pages there are."""
    app.connect("builder-inited", reference.write)
    app.connect("builder-inited", notebooks.write)
    app.connect("source-read", notebooks.add_link)
    app.add_role("formula", Formula())
    app.connect("html-page-context", reference.list_names, priority=900)  # behind the theme
    app.connect("viewcode-find-source", sources.beside)
    app.connect("env-updated", sources.by_packages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class Formula(SphinxRole):
    """Draws a formula in a line of text, written as the docstrings write theirs: ``{formula}`dx = g / (2 y)```."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Give its MathML."""
        return [nodes.raw(self.rawtext, mathml.mathml(self.text), format="html")], []
