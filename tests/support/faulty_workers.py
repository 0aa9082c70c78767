"""What a worker may be given to train with: functions with faults built in, sent to it by their names."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from support.processes import GUARD, wait_for
from wineexp.errors import RuntimeSetupError
from wineexp.execution.dask_worker import REPORT_SECONDS
from wineexp.execution.executor import train_run

#: More than a process may compile.
XLA_SHAPES = 10**6

#: Seed -> what happens in epoch 2 of a run with that seed.
RAISES, DIES, HANGS = 101, 102, 103


def train(spec, table, *, on_epoch, **options):
    """Train as always, but some seeds meet a fault once two epochs are done."""

    def faulty(epoch, loss, val_loss):
        on_epoch(epoch, loss, val_loss)
        if epoch == 1 and spec.seed == RAISES:
            raise MemoryError("no room for the batch")
        if epoch == 1 and spec.seed == DIES:
            os.kill(os.getpid(), signal.SIGKILL)
        if epoch == 1 and spec.seed == HANGS:
            time.sleep(GUARD)

    return train_run(spec, table, on_epoch=faulty, **options)


def waits_for(spec, table, *, on_epoch, path, **options):
    """Train an epoch, and go on once there is such a file."""

    def waiting(epoch, *losses):
        on_epoch(epoch, *losses)
        wait_for(path.exists)

    return train_run(spec, table, on_epoch=waiting, **options)


def cannot_train(spec, table, **options):
    """A worker on a machine that cannot train at all."""
    raise RuntimeSetupError("no TensorFlow here")


def fills(spec, table, *, cache, **options):
    """As if XLA had compiled so much for this run that its worker should end; leaves its process's number."""
    result = train_run(spec, table, cache=cache, **options)
    cache._compiled_by_xla = XLA_SHAPES
    (Path(os.environ["WINEEXP_TEST_FOLDER"]) / str(os.getpid())).touch()
    return result


def rationed(spec, table, **options):
    """Train only while fewer runs are recorded below ``outputs`` than the file ``allowed`` says."""
    folder = Path(os.environ["WINEEXP_TEST_FOLDER"])
    recorded = (folder / "outputs").glob
    wait_for(lambda: len(list(recorded("[!.]*/run.json"))) < int((folder / "allowed").read_text()))
    return train_run(spec, table, **options)


def ages(spec, table, *, on_epoch, **options):
    """On a Dask worker: a run of very many epochs has taken an hour and more after three."""

    def aging(epoch, *losses):
        on_epoch.start -= 3600 * (epoch == 2 and spec.epochs == 10**6)
        on_epoch(epoch, *losses)

    return train_run(spec, table, on_epoch=aging, **options)


def heard_of(spec, table, *, on_epoch, folder, **options):
    """On a Dask worker: epochs are reported two by two, and go on once the last is a file's name in ``folder``."""

    def waiting(epoch, *losses):
        if epoch % 2 == 0:
            time.sleep(REPORT_SECONDS)  # at least
        on_epoch(epoch, *losses)
        if epoch % 2 == 0:
            wait_for((folder / str(epoch)).exists)

    return train_run(spec, table, on_epoch=waiting, **options)
