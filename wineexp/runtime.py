"""TensorFlow's environment and threads, set before it loads. Loads nothing heavy itself."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import platform
import resource
import sys
import tempfile
import threading
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from wineexp import compiled, imports
from wineexp.errors import RuntimeSetupError, lack_of_memory
from wineexp.text import format_bytes

__all__ = [
    "LOCK",
    "SMALL_MODEL",
    "available_cores",
    "available_memory",
    "check_address_space",
    "check_bfloat16",
    "choose_threads",
    "environment",
    "give_back_memory",
    "load",
    "note_fork",
    "prepare",
    "prepared_threads",
    "running_threads",
    "total_memory",
    "versions",
]

#: Held while TensorFlow, or a module that loads it, is imported, and while a run trains: another thread would see
#: half a module, and threads share TensorFlow's unfinished graphs and gradients.
LOCK = threading.RLock()

#: TensorFlow's switch for oneDNN's kernels, which it turns on by itself only on processors with AVX-512 VNNI.
#: They round differently, so one default holds everywhere. It is off: on an AMD EPYC (Zen 4) they took a third
#: longer for three layers of 64, and for large models XLA is faster than both. A user's own setting stays.
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"

#: Linux's names of the instructions that multiply bfloat16; without them it is emulated, slower than float32.
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}

#: Up to this many parameters, one thread is at least as fast as two: sharing the work costs as much as it saves.
SMALL_MODEL = 100_000

#: Bytes of address space that loading TensorFlow takes at least (2.21 on x86-64: 1.6 to 1.8 GB). Under a lower
#: limit (``ulimit -v``) the C++ libraries end the process themselves, with messages of their own.
TENSORFLOW_BYTES = 1_600_000_000

#: Whether this process was forked from one in which TensorFlow ran. Its threads stay with the parent, and a call
#: that waits for them here would wait for ever.
_forked = False


def note_fork() -> None:
    """Remember whether TensorFlow runs; called in a process that was forked after TensorFlow was loaded."""
    global _forked
    _forked = _is_running(sys.modules["tensorflow"])


def _is_running(tensorflow: Any) -> bool:
    """Whether TensorFlow has begun to run: only that starts its threads, the import does not."""
    try:
        config = tensorflow.config.threading
        count = config.get_intra_op_parallelism_threads()
        config.set_intra_op_parallelism_threads(count + 1)
    except (AttributeError, RuntimeError):  # another thread is importing it; or it runs, and the count is fixed
        return True
    config.set_intra_op_parallelism_threads(count)
    return False


def _check_fork() -> None:
    if _forked:
        raise RuntimeSetupError(
            "TensorFlow was running in the process that this one was forked from, and would hang here: start "
            'processes with "spawn" (multiprocessing.get_context("spawn")), or fork before first using TensorFlow'
        )


def available_cores() -> int:
    """Cores this process may use; a container or ``taskset`` may allow fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_memory() -> float:
    """Bytes this process may still use: the machine's free memory, or its container's if that is less."""
    import psutil  # imported here, as only a batch needs it

    free = float(psutil.virtual_memory().available)
    limit, used = _container_memory()
    return min(free, limit - used)


def total_memory() -> tuple[float, str]:
    """Bytes that a process could ever use, and whose limit that is: machine, container or ``ulimit``."""
    import psutil

    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    limits = {
        "this machine": float(psutil.virtual_memory().total),
        "this container": _container_memory()[0],
        "a process here (ulimit -v)": math.inf if soft == resource.RLIM_INFINITY else float(soft),
    }
    whose = min(limits, key=lambda name: limits[name])
    return limits[whose], whose


def _container_memory() -> tuple[float, float]:
    """The limit of this process's container and its use so far, in bytes; infinite and 0 without a container."""
    group = Path("/sys/fs/cgroup")
    try:
        limit, used = ((group / f"memory.{name}").read_text() for name in ("max", "current"))
        return float(limit), float(used)
    except (OSError, ValueError):  # no such group, or no limit ("max")
        return math.inf, 0.0


def give_back_memory() -> None:
    """Return the memory that this process has freed to the system. Takes 2 ms.

    The GNU C library keeps it for later, in pieces that may be too small for a large array: in a run of the
    lesson's size 40 MB once XLA has compiled, and 30 MB after the last epoch. Mapping each large array by itself
    (``M_MMAP_THRESHOLD``) keeps even less, but made an epoch up to 1.75 times as slow (AMD EPYC, Zen 5).
    """
    with contextlib.suppress(OSError, TypeError, AttributeError):  # another system, another C library
        ctypes.CDLL(None).malloc_trim(0)


def choose_threads(parameters: int) -> int:
    """Threads for one run of a model with this many parameters: one for a small model, else one per core."""
    return 1 if parameters <= SMALL_MODEL else available_cores()


def check_bfloat16() -> None:
    """Raise ``RuntimeSetupError`` if ``mixed_bfloat16`` would be slower than float32 here, or was never tried."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:  # not Linux
        flags = set()
    if not flags & BFLOAT16_FLAGS:
        raise RuntimeSetupError(
            "precision: expected float32, since this processor shows no bfloat16 instructions (AVX512_BF16 or "
            "AMX): mixed_bfloat16 would be slower"
        )
    if (device := _device()) != "CPU":
        raise RuntimeSetupError(f"precision: expected float32 on {device}; mixed_bfloat16 is for CPUs")


def running_threads() -> int | None:
    """TensorFlow's thread count in this process; None if it is not loaded yet."""
    _check_fork()
    with LOCK:  # waits for another thread that may be importing it
        tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        return None
    given = tensorflow.config.threading.get_intra_op_parallelism_threads()
    return int(given or os.environ.get("TF_NUM_INTRAOP_THREADS", 0)) or available_cores()


def prepared_threads() -> int | None:
    """The thread count that :func:`prepare` set; None before it."""
    count = os.environ.get("TF_NUM_INTRAOP_THREADS")
    return running_threads() or (int(count) if count else None)


def prepare(threads: int) -> int:
    """Set up TensorFlow for ``threads`` threads, before or after its import; return the count in force.

    Results depend on the thread count, so it is never changed silently. Keras's backend is fixed too, as
    a user's own Keras settings must not decide what a spec means.

    Raises
    ------
    RuntimeSetupError
        When TensorFlow already runs with another count, without graphs, or in the process that this one was
        forked from; or when Keras runs with another backend.
    """
    _check_fork()
    if threads < 1:
        raise RuntimeSetupError(f"threads: expected a whole number of at least 1, found {threads}")
    with LOCK:
        return _prepare(threads)


def _prepare(threads: int) -> int:
    keras = sys.modules.get("keras")
    if keras is not None and keras.backend.backend() != "tensorflow":
        raise RuntimeSetupError(
            f"Keras was imported with the {keras.backend.backend()!r} backend; wineexp needs 'tensorflow': "
            "set KERAS_BACKEND=tensorflow before importing Keras"
        )
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        os.environ.setdefault(ONEDNN, "0")
        os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
        os.environ["TF_NUM_INTEROP_THREADS"] = str(min(2, threads))  # two operations at once need no more threads
        return threads
    if tensorflow.config.functions_run_eagerly():
        raise RuntimeSetupError(
            "TensorFlow runs functions eagerly in this process, and wineexp trains in compiled ones: "
            "call tf.config.run_functions_eagerly(False) first"
        )
    return _set_threads(tensorflow, threads)


def load(threads: int) -> None:
    """:func:`prepare`, then import TensorFlow and find its devices, without its start-up messages.

    TensorFlow writes to the file descriptor before its log level is in force, so the descriptor is
    redirected to a file meanwhile; its content is shown if the import fails.
    """
    with LOCK:
        _load(threads)


def _load(threads: int) -> None:
    threads = prepare(threads)
    if "tensorflow" not in sys.modules:
        check_address_space()
    if sys.stderr is not None:
        sys.stderr.flush()
    with _anonymous_file() as output:
        try:
            saved = os.dup(2)
        except OSError:  # stderr is closed, so no message can appear
            _import(threads)
            return
        os.dup2(output.fileno(), 2)
        failed = True
        try:
            _import(threads)
            failed = False
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            error = sys.exc_info()[1]
            explained = isinstance(error, KeyboardInterrupt) or lack_of_memory(error) is not None
            if failed and sys.stderr is not None and not explained:
                output.seek(0)
                sys.stderr.write(output.read().decode(errors="replace"))


def check_address_space(*, new_process: bool = False) -> None:
    """Raise ``MemoryError`` if a process's limit leaves too little memory to load TensorFlow.

    It needs next to no memory itself: nothing is imported. Only Linux enforces such a limit.

    Parameters
    ----------
    new_process : bool
        Whether a process that is yet to start, which inherits the limit and uses nothing, will load it.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY or sys.platform != "linux":
        return
    used = 0 if new_process else _address_space()
    left = max(0, limit - used)
    if left < TENSORFLOW_BYTES:
        raise MemoryError(
            f"TensorFlow takes about {format_bytes(TENSORFLOW_BYTES)}, and {format_bytes(left)} are left of the "
            f"{format_bytes(limit)} that a process here may have (ulimit -v)"
        )


def _address_space() -> int:
    """Bytes of this process's address space (proc(5))."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def _anonymous_file() -> IO[bytes]:
    """A file without a name, in memory if the system can: the disk for temporary files may be full."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("wineexp"), "w+b")
    return tempfile.TemporaryFile()


def _import(threads: int) -> None:
    with compiled.keeping(threads), imports.lean():
        import keras  # noqa: F401 - TensorFlow loads it too, but a later version may not
        import tensorflow as tf

        # Whoever loads the package `tensorflow.lite` later puts it in the place of the interface `tf.lite`;
        # in TensorFlow's own order the interface comes last.
        interface = tf.lite
        import tensorflow.lite

        tf.lite = interface
        tf.config.list_logical_devices()  # starts the runtime, so that it prints its messages now


def _set_threads(tensorflow: Any, threads: int) -> int:
    config = tensorflow.config.threading
    given = config.get_intra_op_parallelism_threads() or int(os.environ.get("TF_NUM_INTRAOP_THREADS", "0"))
    if given == threads:
        return threads
    try:
        config.set_intra_op_parallelism_threads(threads)
        config.set_inter_op_parallelism_threads(min(2, threads))
    except RuntimeError:
        running = given or available_cores()
        if running != threads:
            raise RuntimeSetupError(
                f"TensorFlow already runs in this process with {running} threads and cannot change to "
                f"{threads}; ask for {running}, or start a new process"
            ) from None
    return threads


def versions() -> dict[str, str]:
    """The versions that a result may depend on, read without importing the packages."""
    return {name: version(name) for name in ("wineexp", "tensorflow", "keras", "numpy", "pandas")}


def environment(threads: int) -> dict[str, Any]:
    """Everything besides spec and table that a run's result may depend on, JSON-ready."""
    return {
        "python": platform.python_version(),
        **versions(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": available_cores(),
        "threads": threads,
        "device": _device(),
    }


def _device() -> str:
    """The device that TensorFlow trains on in this process; "CPU" while it is not loaded."""
    tensorflow = sys.modules.get("tensorflow")
    gpus = [device.name for device in tensorflow.config.list_logical_devices("GPU")] if tensorflow else []
    return str(gpus[0]) if gpus else "CPU"
