"""The page: one file, without a network. Its text is ``page.html``, with the trace's data put in."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from .data import data_of

if TYPE_CHECKING:
    from ..trace import Trace

__all__ = ["to_html"]


def to_html(trace: Trace, path: str | Path | None = None) -> str:
    """Give the page, and write it to a file if there is a path."""
    text = files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    data = json.dumps(data_of(trace), separators=(",", ":")).replace("</", "<\\/")
    page = text.replace("/*DATA*/null", data)
    if path is not None:
        Path(path).write_text(page, encoding="utf-8")
    return page
