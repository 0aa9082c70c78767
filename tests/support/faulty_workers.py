"""Workers with faults built in, for tests: the module is imported in the worker, which is spawned."""

from __future__ import annotations

import os
import signal
import time

from wineexp.execution import workers

#: Seed -> what happens in epoch 2 of a run with that seed.
RAISES, DIES, HANGS = 101, 102, 103

serve = workers._serve


def faulty_serve(pipe, lifeline, table, keep_model):
    """``workers._serve``, but some seeds meet a fault in training."""
    from wineexp import runtime

    runtime.load(1)
    from wineexp.training import experiment

    real, seed_of = experiment.shuffled, {}
    real_derive = experiment.derive_seed

    def derive_seed(seed, layer, purpose):
        derived = real_derive(seed, layer, purpose)
        seed_of[derived] = seed
        return derived

    def shuffled(rows, derived):
        order = real(rows, derived)

        def faulty(epoch):
            if epoch == 2 and seed_of[derived] == RAISES:
                raise MemoryError("no room for the batch")
            if epoch == 2 and seed_of[derived] == DIES:
                os.kill(os.getpid(), signal.SIGKILL)
            if epoch == 2 and seed_of[derived] == HANGS:
                time.sleep(600)
            return order(epoch)

        return faulty

    experiment.derive_seed, experiment.shuffled = derive_seed, shuffled
    serve(pipe, lifeline, table, keep_model)
