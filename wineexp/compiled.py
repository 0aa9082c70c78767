"""Epochs that XLA compiled, kept on the disk for the next process. Loads nothing heavy itself.

Compiling takes two to three seconds of each run of the lesson's size, and 0.1 GB. TensorFlow keeps what it
compiled, with all it was made of, in a folder that it is told before it loads. But it believes what it finds
there: a file that was cut short or a full disk would end the training, and a changed byte might be executed. So
only a folder is used in which this user alone can write and which has room; each file has its SHA-256 beside it
and is checked before TensorFlow looks; and where it fails nevertheless, everything is removed and compiled anew.
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

#: TensorFlow's settings for XLA. Where the user has set it, empty or not, nothing is kept.
FLAGS = "TF_XLA_FLAGS"

#: Files of one folder, some 1 MB each, and folders: one for each processor, thread count and TensorFlow.
MOST_FILES, MOST_FOLDERS = 32, 8

#: Bytes that must be free on its disk.
ROOM = 64 * 2**20

#: So long after it began, another process may still be writing a file.
SECONDS_TO_WRITE = 120

_CODE, _SEAL = ".pb", ".sha256"

_T = TypeVar("_T")
_in_use: Path | None = None


def place() -> Path:
    """The folder of these folders, in the user's cache."""
    return Path(platformdirs.user_cache_dir("wineexp")) / "compiled"


def folder_in_use() -> Path | None:
    """Where this process's TensorFlow keeps what it compiles; None where it does not."""
    return _in_use


@contextlib.contextmanager
def keeping(threads: int) -> Iterator[None]:
    """Import TensorFlow within: it keeps what XLA compiles for so many threads, where that is safe.

    The setting is TensorFlow's alone: it reads it once, and no process that is started later should.
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

    It is called again after a ``failure``, TensorFlow's own kind of error, as it may have failed on what it found.
    The program must have another name then: TensorFlow remembers what failed. What fails again is raised.
    """
    if _in_use is None:
        return compile_and_run()
    _check(_in_use)
    checked = _identities(_in_use)
    try:
        result = compile_and_run()
    except failure:  # of a file or a disk, before anything was computed
        _remove(list(_in_use.glob("*")))
        checked = set()
        result = compile_and_run()
    _seal(_in_use, checked)
    return result


def _usable(threads: int) -> Path | None:
    """The folder for this process, where it is this user's alone, has room and can be written into."""
    try:
        folder = place() / _key(threads)
        if set(str(folder)) & set(" \t\r\n\"'\\=") or not str(folder).isascii():
            return None  # TensorFlow would read its name as something else
        if not folder.is_absolute():
            return None  # there is no home
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not all(_is_own(one) for one in (folder.parent, folder)):
            return None
        if shutil.disk_usage(folder).free < ROOM:
            return None
        probe = folder / f"probe-{os.getpid()}"
        try:
            probe.write_bytes(bytes(2**20))  # a quota does not show otherwise
        finally:
            probe.unlink(missing_ok=True)
        _remove_folders(folder)
    except (OSError, RuntimeError):  # no home, no such folder, no right to it
        return None
    return folder


def _key(threads: int) -> str:
    """What machine code depends on beside the program that it is made of."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    processor = sorted({line for line in lines if line.startswith(("flags", "Features", "model", "CPU part"))})
    cores = len(os.sched_getaffinity(0))
    made_of = (version("tensorflow"), platform.machine(), *processor, cores, threads, os.environ.get("XLA_FLAGS"))
    return hashlib.sha256(repr(made_of).encode()).hexdigest()[:16]


def _is_own(folder: Path) -> bool:
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022


def _check(folder: Path) -> None:
    """Remove what is not as it was written, and the oldest beyond what is kept."""
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
    """A seal whose file is gone, or what a process that ended has not finished."""
    if path.suffix == _SEAL:
        return not path.with_suffix(_CODE).exists()
    return not 0 <= time.time() - path.lstat().st_mtime < SECONDS_TO_WRITE


def _identities(folder: Path) -> set[tuple[str, int]]:
    """Name and inode of each file: TensorFlow writes another file and renames it."""
    with contextlib.suppress(OSError):
        return {(path.name, path.stat().st_ino) for path in folder.glob(f"*{_CODE}")}
    return set()


def _seal(folder: Path, checked: set[tuple[str, int]]) -> None:
    """Write down the SHA-256 of what was written since the check."""
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
    """Those of other processors and versions that were not used for longest."""
    os.utime(own)
    others = sorted(own.parent.iterdir(), key=lambda path: path.lstat().st_mtime, reverse=True)
    for path in others[MOST_FOLDERS:]:
        shutil.rmtree(path, ignore_errors=True)
