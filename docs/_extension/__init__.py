"""A Sphinx extension: the reference, written from what the packages say of themselves; and tutorials as notebooks."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

from . import notebooks, reference, sources

__all__ = ["setup"]


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the reference's pages before Sphinx looks which pages there are."""
    app.connect("builder-inited", reference.write)
    app.connect("builder-inited", notebooks.write)
    app.connect("source-read", notebooks.add_link)
    app.connect("viewcode-find-source", sources.beside)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
