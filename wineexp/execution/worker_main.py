"""The code that runs in a worker process: it loads TensorFlow once and trains each spec from its pipe."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import traceback
from multiprocessing.connection import Connection
from typing import Any

from wineexp import imports, runtime
from wineexp.errors import WineexpError, lack_of_memory

__all__ = ["serve"]


def serve(pipe_descriptor: int, lifeline_descriptor: int) -> None:
    """Train until the parent is gone.

    Messages to the parent: ``("started",)``, which it answers with table, ``keep_model`` and ``train``;
    ``("ready",)`` once TensorFlow is loaded; then for each spec that it sends, with its task's options,
    ``("epoch", epoch, *losses)`` and ``("result", RunResult, last)``, with ``last`` true if nothing more is
    trained here; or ``("broken", why)`` if nothing can be trained here at all.
    """
    pipe = Connection(pipe_descriptor)
    lifeline = Connection(lifeline_descriptor, writable=False)
    threading.Thread(target=_die_with_parent, args=(lifeline,), daemon=True).start()
    with contextlib.suppress(EOFError, OSError):  # the parent is gone, so nobody would read a traceback
        _serve(pipe)


def _serve(pipe: Connection) -> None:
    pipe.send(("started",))
    try:
        table, keep_model, train = pipe.recv()
        imports.leave_out("matplotlib", "matplotlib.pyplot", "sklearn")  # the parent draws
        imports.postpone(*imports.TENSORFLOW_LATER)
        runtime.load(1)
        gc.enable()  # the parent started us without
        from wineexp.training.trainer_cache import TrainerCache  # loads TensorFlow, which must be set up before
    except Exception as error:  # noqa: BLE001 - reported to the parent, which stops the batch
        pipe.send(("broken", lack_of_memory(error) or traceback.format_exc()))
        return
    cache = TrainerCache()
    pipe.send(("ready",))

    def on_epoch(*numbers: Any) -> None:
        pipe.send(("epoch", *numbers))

    while True:
        spec, options = pipe.recv()
        try:
            result = train(
                spec, table, threads=1, keep_model=keep_model, on_epoch=on_epoch, cache=cache, **options
            )
            last = cache.is_full
            pipe.send(("result", result, last))
        except (WineexpError, MemoryError) as error:
            pipe.send(("broken", lack_of_memory(error) or str(error)))
            return
        if last:
            return


def _die_with_parent(lifeline: Connection) -> None:
    """Block until the parent's end closes; this also happens if the parent dies, in any way."""
    with contextlib.suppress(EOFError, OSError):
        lifeline.recv_bytes()
    os._exit(1)
