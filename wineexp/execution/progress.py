"""Progress on stderr: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

from wineexp.execution.observer import Observer
from wineexp.execution.plan import Plan
from wineexp.runs.directory import Run
from wineexp.runs.summary import outcome
from wineexp.specs.run_spec import RunSpec
from wineexp.streams import print_err
from wineexp.text import format_duration, visible

__all__ = ["BatchProgress", "TrainProgress"]


class TrainProgress(Observer):
    """One run after another: a bar with epoch, losses and time left, or a line per tenth of the epochs."""

    def __init__(self) -> None:
        self.bar: Any = None
        self.began = time.monotonic()
        self.many = False

    def started(self, plan: Plan) -> None:
        self.many = len(plan.entries) > 1

    def epoch(self, spec: RunSpec, epoch: int, loss: float, val_loss: float) -> None:
        name = f"seed {spec.seed}  " if self.many else ""
        if not sys.stderr.isatty():
            if epoch == 0:
                self.began = time.monotonic()
            if (epoch + 1) % max(1, spec.epochs // 10) == 0 or epoch + 1 == spec.epochs:
                passed = time.monotonic() - self.began
                left = passed / max(1, epoch) * (spec.epochs - epoch - 1)
                print_err(
                    f"{name}epoch {epoch + 1}/{spec.epochs}  loss {loss:.4f}  val_loss {val_loss:.4f}  "
                    f"{left:.0f} s left"
                )
            return
        if self.bar is None:
            self._open(spec)
        self.bar.update(
            self.task,
            completed=epoch + 1,
            description=f"{name}epoch",
            loss=f"loss {loss:.4f}",
            val_loss=f"val_loss {val_loss:.4f}",
        )

    def _open(self, spec: RunSpec) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.bar = Progress(
            TextColumn("{task.description}"),
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn("{task.fields[loss]}"),
            TextColumn("{task.fields[val_loss]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self.bar.start()
        self.task = self.bar.add_task("epoch", total=spec.epochs, loss="", val_loss="")

    def ended(self, run: Run) -> None:
        self.close()

    def close(self) -> None:
        """Leave the terminal as it was; called too when the command ends early."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


class BatchProgress(Observer):
    """Many runs at once: an overall bar with time left, a bar for each that trains, a line for each that ended.

    The overall bar counts epochs weighted by the size of the model, as a wide run takes longer.
    """

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.view: Any = None
        self.running: dict[RunSpec, tuple[int, Any]] = {}  # epochs done, and the bar
        self.ended_runs = self.planned = 0
        self.work_done = self.work = 0.0

    def started(self, plan: Plan) -> None:
        self.close()  # of the plan before, where a study has several
        waiting, count = plan.waiting, len(plan.entries)
        self.ended_runs, self.work_done = 0, 0.0
        self.plan = plan
        self.planned = len(waiting)
        self.work = sum(map(self._work, waiting))
        self.began = time.monotonic()
        if len(waiting) < count:
            print_err(f"{count - len(waiting)} of {count} runs are done already or left alone")
        if waiting and sys.stderr.isatty():
            self._open()

    def epoch(self, spec: RunSpec, epoch: int, loss: float, val_loss: float) -> None:
        _, bar = self.running.get(spec, (0, None))
        if self.view is not None and bar is None:
            bar = self.view.add_task(visible(f"{spec.label()[:40]} seed {spec.seed}"), total=spec.epochs, note="")
        self.running[spec] = epoch + 1, bar
        if self.view is not None:
            self.view.update(bar, completed=epoch + 1, note=f"val_loss {val_loss:.4f}")
            self.view.update(self.overall, completed=self._completed())

    def ended(self, run: Run) -> None:
        _, bar = self.running.pop(run.spec, (0, None))
        self.ended_runs += 1
        self.work_done += self._work(run.spec)
        line = outcome(run)
        if self.view is None:
            passed = time.monotonic() - self.began
            left = format_duration(passed * (self.work / self._completed() - 1))
            print_err(f"[{self.ended_runs}/{self.planned}] {line}  (about {left} left)")
            return
        if bar is not None:
            self.view.remove_task(bar)
        self.view.console.print(visible(line), markup=False, highlight=False)
        self.view.update(self.overall, completed=self._completed(), note=f"{self.ended_runs}/{self.planned} runs")

    def close(self) -> None:
        """Leave the terminal as it was; called too when the command ends early."""
        if self.view is not None:
            self.view.stop()
            self.view = None

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.view = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[note]}", markup=False),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self.view.start()
        self.overall = self.view.add_task("all runs", total=self.work, note=f"0/{self.planned} runs")

    def _work(self, spec: RunSpec) -> float:
        parameters = self.plan.parameters(spec) if self.plan else 0
        return float(spec.epochs * (parameters + 1000))

    def _completed(self) -> float:
        under_way = sum(self._work(spec) * done / spec.epochs for spec, (done, _) in self.running.items())
        return self.work_done + under_way
