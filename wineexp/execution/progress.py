"""Progress on stderr: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time

from wineexp.execution.executor import Place
from wineexp.execution.live_view import LiveView
from wineexp.execution.observer import Observer
from wineexp.execution.plan import Plan
from wineexp.execution.standing import Standing
from wineexp.runs.run import Run
from wineexp.runs.summary import outcome, table_words
from wineexp.specs.run_spec import RunSpec
from wineexp.streams import print_err
from wineexp.text import format_duration, format_number

__all__ = ["BatchProgress", "TrainProgress"]

#: Characters of the line about an ended run, besides its name.
BESIDE_NAME = 48


class BatchProgress(Observer):
    """Many runs at once: the plan, then on a terminal the live view, and a line for each ended run."""

    def __init__(self) -> None:
        self.standing: Standing | None = None
        self.view: LiveView | None = None
        self._told_study = False

    def started(self, plan: Plan) -> None:
        self.close()  # the previous plan's, if a study has several
        if not self._told_study:
            self._tell_study(plan)
            self._told_study = True
        self._tell_left_out(plan)
        self.standing = Standing(plan)
        self._out = plan.out

    def placed(self, place: Place, count: int) -> None:
        print_err(f"runs   {count:,} {place.words}, into {self._out}/")
        if sys.stderr.isatty():
            assert self.standing is not None  # runs are placed once they are planned
            self.view = LiveView(self.standing, self._names(), place.starting)

    def epoch(self, spec: RunSpec, epoch: int, loss: float, val_loss: float) -> None:
        if self.standing is not None:
            self.standing.epoch(spec, epoch, loss, val_loss)
        if self.view is not None and epoch + 1 == spec.epochs:
            self.view.refresh()  # the run's last state, before the line on its end

    def ended(self, run: Run) -> None:
        if self.standing is None:
            return
        self.standing.ended(run)
        self._tell_ended(run)
        if not self.standing.left:
            self.close()  # the next output goes below

    def close(self) -> None:
        """Restore the terminal; also called if the command ends early."""
        if self.view is not None:
            view, self.view = self.view, None
            view.close(keep=self._keeps_view)

    #: Whether the line for all runs stays when training is over.
    _keeps_view = True

    def _tell_study(self, plan: Plan) -> None:
        looks = f", judged at {', '.join(map(str, plan.looks.counts))} seeds" if plan.looks else ""
        print_err(f"study  {plan.name}{looks}")
        print_err(f"table  {table_words(plan.table)}")

    def _tell_left_out(self, plan: Plan) -> None:
        waiting, count = len(plan.waiting), len(plan.entries)
        if waiting < count:
            print_err(f"{count - waiting} of {count} runs are already done or skipped")

    def _names(self) -> dict[RunSpec, tuple[str, str]]:
        assert self.standing is not None
        return {spec: (spec.label(), f"seed {spec.seed}") for spec in self.standing.specs}

    def _tell_ended(self, run: Run) -> None:
        """Print a line for an ended run; without a view, with the view's counts and remaining time."""
        standing = self.standing
        assert standing is not None
        if self.view is not None:
            known = run.spec in self.view.names  # else another process's, which gave it another name
            width = self.view.console.width - BESIDE_NAME
            name = self.view.name(run.spec, width) if known else run.label
            self.view.tell(outcome(run, name, amended=run.spec in standing.amended))
            return
        facts = [f"{standing.failed} failed"] * bool(standing.failed)
        left = standing.seconds_left
        if run.status != "interrupted" and left is not None:
            facts.append(f"about {format_duration(left)} left")
        counted = f"[{standing.done + standing.failed}/{standing.planned}]"
        told = outcome(run, f"{run.label} seed {run.spec.seed}", amended=run.spec in standing.amended)
        line = f"{counted} {told}"
        print_err(f"{line}  ({', '.join(facts)})" if facts else line)


class TrainProgress(BatchProgress):
    """The seeds of one spec, one after the other; outside a terminal, a line per tenth of the epochs."""

    _keeps_view = False

    def placed(self, place: Place, count: int) -> None:
        super().placed(place, count)
        self._began = time.monotonic()

    def epoch(self, spec: RunSpec, epoch: int, loss: float, val_loss: float) -> None:
        super().epoch(spec, epoch, loss, val_loss)
        if self.view is None:
            self._tell_epoch(spec, epoch, loss, val_loss)

    def _tell_study(self, plan: Plan) -> None:
        """Nothing: the command prints what it trains."""

    def _tell_left_out(self, plan: Plan) -> None:
        """Nothing: the command prints which seeds are done."""

    def _names(self) -> dict[RunSpec, tuple[str, str]]:
        return {spec: ("", seed) for spec, (_, seed) in super()._names().items()}

    def _tell_ended(self, run: Run) -> None:
        """Print a line if other runs follow; the summary comes after them."""
        if self.view is not None and self.standing is not None and self.standing.planned > 1:
            super()._tell_ended(run)

    def _tell_epoch(self, spec: RunSpec, epoch: int, loss: float, val_loss: float) -> None:
        if epoch == 0:
            self._began = time.monotonic()
        if (epoch + 1) % max(1, spec.epochs // 10) and epoch + 1 < spec.epochs:
            return
        name = f"seed {spec.seed}  " if self.standing is not None and self.standing.planned > 1 else ""
        left = (time.monotonic() - self._began) / max(1, epoch) * (spec.epochs - epoch - 1)
        losses = f"loss {format_number(loss)}  val_loss {format_number(val_loss)}"
        print_err(f"{name}epoch {epoch + 1}/{spec.epochs}  {losses}  {left:.0f} s left")
