"""A study whose runs train nothing: their epochs and ends are written down, to be seen on a terminal."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from support import fabricate
from support.configs import read_config
from support.processes import wait_for
from wineexp.cli.watch import CommandObserver
from wineexp.data.sources import Found
from wineexp.data.table import read_table
from wineexp.execution import progress
from wineexp.execution.batch_run import execute
from wineexp.execution.executor import Place
from wineexp.execution.live_view import LiveView
from wineexp.execution.plan import make_plan
from wineexp.runs.result import history_frame, unfinished


class CountedView(LiveView):
    """The view, which counts how often it was drawn."""

    begun = 0

    def render(self):
        self.begun += 1
        return super().render()


progress.LiveView = CountedView


class Scripted:
    """An executor of two workers that plays a script: lists of ("epoch", task, epoch, loss, val_loss) and of
    ("done" or another status, task). Whatever is told is drawn before the next.
    """

    def __init__(self, script, observer):
        self.script, self.progress = script, observer.progress

    def place(self, runs):
        return Place.of_workers(2)

    def run(self, tasks, table, on_epoch, begin):
        for kind, number, *numbers in self.script:
            self._wait_until_drawn()
            task = tasks[number]
            if kind == "begin":
                assert begin(task)
            elif kind == "epoch":
                on_epoch(task, *numbers)
            elif kind == "done":
                yield task, fabricate.result(task.spec, table)
            else:
                reason, error = ("diverged", "the loss turned NaN") if kind == "failed" else (None, None)
                history = history_frame([(1.0, 1.0)])
                yield task, unfinished(task.spec, table, reason, error, history=history, threads=1)
        self._wait_until_drawn()

    def _wait_until_drawn(self):
        """Until the view, by itself, has begun two more drawings: what the first showed is on the terminal."""
        view = self.progress.view
        if view is not None:
            enough = view.begun + 2
            wait_for(lambda: view.begun >= enough)


def play(config, data, out, script):
    """Execute a config's plan as the script says, watched as ``wineexp batch`` is."""
    study = read_config(Path(config))
    plan = make_plan(study.specs, Found(read_table(Path(data)), ()), Path(out), name=study.name)
    observer = CommandObserver()
    try:
        execute(plan, Scripted(script, observer), observer.all)
    finally:
        observer.all.close()


if __name__ == "__main__":
    play(*sys.argv[1:4], json.loads(sys.argv[4]))
