"""The file that a person names with ``-o`` for an answer: a plain file is replaced, anything else is written to.

A device, a named pipe, a terminal and ``/dev/stdout`` are places to write to, and a link means its target;
replacing any of them by a file would break it. Our own files, which are never links, are written by
:mod:`wineexp.files` alone.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from wineexp import files
from wineexp.errors import OutputError
from wineexp.streams import print_err

__all__ = ["write_output"]

#: Limit of links to follow, as in Linux.
_MAX_LINKS = 40


def write_output(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``.

    Parameters
    ----------
    path : Path
        A plain file, existing or not, is written whole or not at all; missing parent folders are created. Links
        are followed. If a named pipe has no reader yet, a line on stderr says so, and this waits for one.
    content : bytes

    Raises
    ------
    OutputError
        With path and reason, if it cannot be written.
    """
    with files.refusing(path, OutputError):
        descriptor = _own_descriptor(path)
        if descriptor is not None:  # opened anew, a file of `>> FILE` would be cut, or written from its beginning
            descriptor = os.dup(descriptor)
        elif (kind := _kind(path)) is None or stat.S_ISREG(kind) or stat.S_ISDIR(kind):
            files.write_file(Path(os.path.realpath(path)) if path.is_symlink() else path, content)
            return
        else:
            descriptor = _opened(path, kind)
        with open(descriptor, "wb") as file:
            file.write(content)


def _kind(path: Path) -> int | None:
    """The mode of the target of ``path``, None if it does not exist yet."""
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None


def _own_descriptor(path: Path) -> int | None:
    """The descriptor of this process that ``path`` stands for, as ``/dev/stdout`` does; else None."""
    step = os.fspath(path)
    for _ in range(_MAX_LINKS):
        folder, name = os.path.split(step)
        if name.isdecimal() and os.path.realpath(folder) == os.path.realpath("/proc/self/fd"):
            return int(name)
        if not os.path.islink(step):
            return None
        step = os.path.join(folder, os.readlink(step))
    return None


def _opened(path: Path, kind: int) -> int:
    """A descriptor of something that is no plain file; creates nothing, and takes no controlling terminal."""
    flags = os.O_WRONLY | os.O_NOCTTY
    if stat.S_ISFIFO(kind):
        try:
            descriptor = os.open(path, flags | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            print_err(f"{path}: waiting for a reader of this pipe")
        else:
            os.set_blocking(descriptor, True)
            return descriptor
    return os.open(path, flags)
