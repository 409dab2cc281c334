"""Where in the user's code something happens: the innermost frame that is not nexnet's, torch's or Python's own."""

from __future__ import annotations

import linecache
import os
import sys
import sysconfig
from dataclasses import dataclass
from types import CodeType, FrameType

import torch

__all__ = ["Source", "here", "is_library", "source_of"]

_LIBRARIES = (
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep,
    os.path.dirname(os.path.abspath(torch.__file__)) + os.sep,
    sysconfig.get_paths()["stdlib"] + os.sep + "contextlib",
    sysconfig.get_paths()["stdlib"] + os.sep + "functools",
    "<frozen ",
)
_SIBLINGS = ("nexnet_nn",)
_known: dict[str, bool] = {}  # by file


@dataclass(frozen=True, slots=True)
class Source:
    """A line of the user's.

    Attributes:
        file: the file's path.
        line: the line's number.
        function: the name of the function that it is in.
        code: its text, without the indentation; empty where nobody has it.
    """

    file: str
    line: int
    function: str
    code: str

    def __str__(self) -> str:
        return f"{os.path.basename(self.file)}:{self.line}"


def here(depth: int = 1) -> tuple[CodeType, int] | None:
    """Give the code and the line at which the user's code is, ``depth`` frames up at least; None if there is none."""
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None:
        if not is_library(frame):
            return frame.f_code, frame.f_lineno
        frame = frame.f_back
    return None


def is_library(frame: FrameType) -> bool:
    """Say whether a frame runs code of nexnet's, torch's or Python's own."""
    file = frame.f_code.co_filename
    of_library = _known.get(file)
    if of_library is None:
        of_library = _known[file] = _is_of_library(file, frame)
    return of_library


def source_of(place: tuple[CodeType, int] | None) -> Source | None:
    """Give what ``here`` found as something to read."""
    if place is None:
        return None
    code, line = place
    text = linecache.getline(code.co_filename, line).strip()
    return Source(code.co_filename, line, code.co_qualname, text)


def _is_of_library(file: str, frame: FrameType) -> bool:
    package = frame.f_globals.get("__name__", "").partition(".")[0]
    return package in _SIBLINGS or file.startswith(_LIBRARIES)
