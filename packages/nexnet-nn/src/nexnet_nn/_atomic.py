"""A file that has its name once it is complete and on the disk, and what killed processes have left is cleared away.

What is written stands in a hidden folder beside the file, with a lock that the system takes back when its process ends:
a folder that can be locked is nobody's any more. It has its name, ``.part``, once it is locked, and never stands empty.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # not POSIX: nothing is locked there, and nothing cleared away
    fcntl = None  # type: ignore[assignment]

__all__ = ["os_error", "replacing"]


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give the path of an empty file; what it holds at the end takes the place of what was there, unless it raises.

    The new file has the old one's permissions, or those of any new file. A link stays one.

    Raises:
        OSError: there is no such folder, the path is a folder or a device, ...
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise os_error(errno.EISDIR if target.is_dir() else errno.EINVAL, path)
    folder = target.with_name(f".{secrets.token_hex(8)}.part")
    new = folder.with_suffix(".new")
    lock = None
    try:
        new.mkdir()
        lock = _locked(new)
        os.close(os.open(new / "file", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # less what the umask takes
        os.rename(new, folder)
        _clear(target.parent)
        partial = folder / "file"
        mode = (target if target.exists() else partial).stat().st_mode
        yield partial
        partial.chmod(mode & 0o7777)
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, target)
    except OSError as error:
        if error.errno is None:
            raise
        raise os_error(error.errno, path) from error  # of the path that the user knows
    finally:
        _remove(new)
        _remove(folder)
        if lock is not None:
            os.close(lock)


def os_error(code: int, path: str | os.PathLike[str]) -> OSError:
    """Make the system's error of this number."""
    return OSError(code, os.strerror(code), os.fspath(path))


def _locked(folder: Path) -> int | None:
    """Lock a new folder for as long as this process lives."""
    if fcntl is None:
        return None
    lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # a file system without locks: nobody will take it for given up
        os.close(lock)
        os.unlink(folder / "lock")
        return None
    return lock


def _clear(parent: Path) -> None:
    """Remove what killed processes have left in a folder."""
    for each in parent.iterdir():
        if fcntl is None or not re.fullmatch(r"\.[0-9a-f]{16}\.(part|new)", each.name):
            continue
        with contextlib.suppress(OSError):  # somebody's, who writes; or somebody else has just removed it
            if each.suffix == ".new":  # not yet locked, which takes no hour
                if time.time() - each.stat().st_mtime > 3600:
                    _remove(each)
            elif (each / "lock").exists():
                lock = os.open(each / "lock", os.O_RDWR)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _remove(each)
                finally:
                    os.close(lock)
            else:
                each.rmdir()  # what is left when one is killed who removes


def _remove(folder: Path) -> None:
    """Remove a folder, and its lock after all else."""
    with contextlib.suppress(OSError):
        for each in folder.iterdir():
            if each.name != "lock":
                each.unlink()
        (folder / "lock").unlink(missing_ok=True)
        folder.rmdir()
