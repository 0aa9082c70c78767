"""Epochs that XLA compiled, kept on the disk for the next process. Loads nothing heavy itself.

Compiling takes two to three seconds of each run of the lesson's size, and 0.1 GB. TensorFlow stores machine code,
with everything it was compiled from, in a folder that is set before it loads. But it trusts whatever it finds
there: a truncated file or a full disk would end the training, and a changed byte might be executed. So
only a folder is used that this user alone can write to and that has room; each file has its SHA-256 beside it
and is checked before TensorFlow looks; and if it fails nevertheless, everything is removed and compiled anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import platformdirs

__all__ = ["FLAGS", "first_call", "folder_in_use", "keeping", "place"]

#: The variable with TensorFlow's settings for XLA. If the user has set it, empty or not, nothing is kept.
FLAGS = "TF_XLA_FLAGS"

#: Limits: files per folder, about 1 MB each; folders, one for each processor, thread count and TensorFlow.
MOST_FILES, MOST_FOLDERS = 32, 8

#: Bytes that must be free on the folder's disk.
ROOM = 64 * 2**20

#: Another process may still be writing a file for this long after the start.
SECONDS_TO_WRITE = 120

_CODE, _SEAL = ".pb", ".sha256"

_T = TypeVar("_T")
_in_use: Path | None = None


def place() -> Path:
    """The parent of these folders, in the user's cache."""
    return Path(platformdirs.user_cache_dir("wineexp")) / "compiled"


def folder_in_use() -> Path | None:
    """The folder where this process's TensorFlow keeps machine code; None if it keeps none."""
    return _in_use


@contextlib.contextmanager
def keeping(threads: int) -> Iterator[None]:
    """For the import of TensorFlow: have it keep what XLA compiles for this many threads, if that is safe.

    The setting is unset afterwards: TensorFlow reads it once, and processes started later should not.
    """
    global _in_use
    folder = None if FLAGS in os.environ or "tensorflow" in sys.modules else _usable(threads)
    if folder is None:
        yield
        return
    os.environ[FLAGS] = f"--tf_xla_persistent_cache_directory={folder} --tf_xla_persistent_cache_device_types=CPU"
    try:
        yield
        _in_use = folder
    finally:
        del os.environ[FLAGS]


def first_call(compile_and_run: Callable[[], _T], failure: type[Exception]) -> _T:
    """The result of a call in which XLA compiles a program or finds it in the folder.

    After a ``failure``, TensorFlow's own kind of error, it is called again, as a file in the folder may be the
    cause. The program must have another name then: TensorFlow remembers what failed. A second error is raised.
    """
    if _in_use is None:
        return compile_and_run()
    _check(_in_use)
    checked = _identities(_in_use)
    try:
        result = compile_and_run()
    except failure:  # caused by a file or a disk, before anything was computed
        _remove(list(_in_use.glob("*")))
        checked = set()
        result = compile_and_run()
    _seal(_in_use, checked)
    return result


def _usable(threads: int) -> Path | None:
    """The folder for this process; None unless it is this user's alone, has room and can be written to."""
    try:
        folder = place() / _key(threads)
        if set(str(folder)) & set(" \t\r\n\"'\\=") or not str(folder).isascii():
            return None  # TensorFlow would read its name as something else
        if not folder.is_absolute():
            return None  # the user has no home
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not all(_is_own(one) for one in (folder.parent, folder)):
            return None
        if shutil.disk_usage(folder).free < ROOM:
            return None
        probe = folder / f"probe-{os.getpid()}"
        try:
            probe.write_bytes(bytes(2**20))  # the only way to notice a quota
        finally:
            probe.unlink(missing_ok=True)
        _remove_folders(folder)
    except (OSError, RuntimeError):  # no home, no such folder, no permission
        return None
    return folder


def _key(threads: int) -> str:
    """A hash of everything that machine code depends on besides its program."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    processor = sorted({line for line in lines if line.startswith(("flags", "Features", "model", "CPU part"))})
    cores = len(os.sched_getaffinity(0))
    made_of = (version("tensorflow"), platform.machine(), *processor, cores, threads, os.environ.get("XLA_FLAGS"))
    return hashlib.sha256(repr(made_of).encode()).hexdigest()[:16]


def _is_own(folder: Path) -> bool:
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022


def _check(folder: Path) -> None:
    """Remove files that changed since they were written, then the oldest beyond the limit, then left-over ones."""
    with contextlib.suppress(OSError):
        codes = [path for path in folder.iterdir() if path.suffix == _CODE]
        _remove([path for path in codes if not _is_sound(path)])
        left = sorted((path for path in codes if path.exists()), key=lambda path: path.stat().st_mtime)
        _remove(left[: -MOST_FILES or None] if len(left) > MOST_FILES else [])
        _remove([path for path in folder.iterdir() if path.suffix != _CODE and _is_left_over(path)])


def _is_sound(path: Path) -> bool:
    try:
        if path.is_symlink():
            return False
        return path.with_suffix(_SEAL).read_text(encoding="ascii") == _sha256(path)
    except (OSError, ValueError):
        return False


def _is_left_over(path: Path) -> bool:
    """Whether this is a seal without its file, or a file that a dead process did not finish."""
    if path.suffix == _SEAL:
        return not path.with_suffix(_CODE).exists()
    return not 0 <= time.time() - path.lstat().st_mtime < SECONDS_TO_WRITE


def _identities(folder: Path) -> set[tuple[str, int]]:
    """Name and inode of each file; a rewritten file has another inode, as TensorFlow renames a new file to it."""
    with contextlib.suppress(OSError):
        return {(path.name, path.stat().st_ino) for path in folder.glob(f"*{_CODE}")}
    return set()


def _seal(folder: Path, checked: set[tuple[str, int]]) -> None:
    """Store the SHA-256 of each file that was written since the check."""
    with contextlib.suppress(OSError):
        for path in folder.glob(f"*{_CODE}"):
            if (path.name, path.stat().st_ino) not in checked:
                staged = folder / f"{path.stem}.{os.getpid()}"
                staged.write_text(_sha256(path), encoding="ascii")
                staged.replace(path.with_suffix(_SEAL))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove(paths: list[Path]) -> None:
    for path in paths:
        for one in (path, path.with_suffix(_SEAL)):
            with contextlib.suppress(OSError):
                one.unlink(missing_ok=True)


def _remove_folders(own: Path) -> None:
    """Remove the least recently used folders of other processors and versions, beyond the limit."""
    os.utime(own)
    others = sorted(own.parent.iterdir(), key=lambda path: path.lstat().st_mtime, reverse=True)
    for path in others[MOST_FOLDERS:]:
        shutil.rmtree(path, ignore_errors=True)
