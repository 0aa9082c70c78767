"""Execute a plan of many runs and record each run the moment it ends."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wineexp import files, signals
from wineexp.data.sides import signed_table
from wineexp.errors import RunError
from wineexp.execution.claims import Claims
from wineexp.execution.executor import Executor, Placed, Results, Task
from wineexp.execution.observer import Observer
from wineexp.execution.plan import Plan, PlanEntry
from wineexp.runs.directory import RUN_FILES, is_run
from wineexp.runs.reader import check_run
from wineexp.runs.result import RunResult
from wineexp.runs.run import Run
from wineexp.runs.writer import add_names, write_run

__all__ = ["Executed", "execute"]

#: Seconds between two looks at other processes' claims while there is nothing else to do.
LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Executed:
    """The outcome of a plan.

    Attributes
    ----------
    runs : list of Run
        Every entry's run, if it has one now, in the plan's order.
    interrupted : bool
        Whether Ctrl-C or a signal ended it; the last runs may then be ``interrupted`` too.
    gone : tuple of Path
        Runs that someone else deleted meanwhile.
    """

    runs: list[Run]
    interrupted: bool
    gone: tuple[Path, ...]


def execute(
    plan: Plan, executor: Executor, observer: Observer | None = None, *, fail_fast: bool = False
) -> Executed:
    """Train the runs that are still to be trained, and record each the moment it ends.

    Runs that another process trains meanwhile are waited for, not trained twice. With ``fail_fast``, nothing more
    is started after a failure.

    Raises
    ------
    RunError
        Before any training, if ``plan.out`` cannot be written, or a file that is not ours is in a run's place; at
        the end, if every run was deleted meanwhile.
    """
    observer = observer or Observer()
    runs = {number: entry.done for number, entry in enumerate(plan.entries) if entry.done}
    if plan.waiting:
        files.check_writable(plan.out, error=RunError)
        for entry in plan.entries:
            if entry.train:
                if any(run.path == entry.place for run in entry.strangers):
                    raise RunError(
                        f"{entry.place}: expected a free place for a run, found one of another table, with the "
                        "same values under other headings; move it away"
                    )
                files.check_replaceable(entry.place, RUN_FILES, error=RunError)
    observer.started(plan)
    if plan.waiting and isinstance(executor, Placed):
        observer.placed(executor.place(len(plan.waiting)), len(plan.waiting))
    with contextlib.closing(Claims(plan.out)) as claims:
        _add_names(plan, claims, observer)
        batch = _Batch(plan, executor, observer, claims, runs, fail_fast=fail_fast)
        try:
            batch.train()
        except KeyboardInterrupt:
            batch.interrupted = True
    ended = [runs[number] for number in sorted(runs)]
    there = [run for run in ended if is_run(run.path)]
    gone = tuple(run.path for run in ended if not is_run(run.path))
    for path in gone:
        observer.gone(path)
    if gone and not there:
        raise RunError(f"{plan.out}: the runs were deleted as soon as they were written")
    return Executed(there, batch.interrupted, gone)


class _Batch:
    """One plan being executed.

    Attributes
    ----------
    interrupted : bool
        Whether it was ended from outside.
    """

    def __init__(
        self,
        plan: Plan,
        executor: Executor,
        observer: Observer,
        claims: Claims,
        runs: dict[int, Run],
        *,
        fail_fast: bool,
    ) -> None:
        self._plan, self._executor, self._observer, self._claims = plan, executor, observer, claims
        self._runs = runs  # those that have ended, by their number in the plan
        self.interrupted = False
        self._elsewhere: list[Task] = []
        self._left_out = 0
        self._fail_fast, self._failed = fail_fast, False

    def train(self) -> None:
        """Train the free tasks, then those that other processes had claimed and not finished."""
        tasks = [
            Task(number, entry.spec, entry.amends)
            for number, entry in enumerate(self._plan.entries)
            if entry.train
        ]
        while tasks and not self.interrupted and not self._over:
            self._elsewhere = []
            self._train(tasks)
            tasks = [] if self.interrupted else self._wait_for_others()

    def _train(self, tasks: list[Task]) -> None:
        self._left_out = ended = 0
        results = self._executor.run(tasks, self._plan.table, self._on_epoch, self._begin)
        with contextlib.closing(_Outcomes(results)) as outcomes:
            for task, result in outcomes:
                ended += 1
                self.interrupted |= result.status == "interrupted"
                self._failed |= result.status == "failed"
                try:
                    self._record(task, result)
                except KeyboardInterrupt:
                    self.interrupted = True
                    outcomes.interrupt()
                if self._over:
                    return
        # An executor that receives Ctrl-C while no run is being trained yields nothing for it.
        self.interrupted |= ended + self._left_out < len(tasks)

    @property
    def _over(self) -> bool:
        """Whether a failure, in any process, ends the batch."""
        return self._fail_fast and self._failed

    def _on_epoch(self, task: Task, epoch: int, *losses: float) -> None:
        self._observer.losses(task.spec, epoch, losses)

    def _begin(self, task: Task) -> bool:
        """Claim a task's run; False if another process has it, or has trained it since it was planned."""
        if self._over:
            begin = False
        elif not self._claims.take(self._signature(task)):
            self._elsewhere.append(task)
            begin = False
        else:
            begin = not self._trained_meanwhile(task)
        self._left_out += not begin
        return begin

    def _trained_meanwhile(self, task: Task) -> bool:
        """Take a claimed task's run from the disk, if another process wrote it since we planned."""
        run = _written_since(self._plan.entries[task.number])
        if run is None:
            return False
        self._claims.release(self._signature(task))
        self._runs[task.number] = run
        self._failed |= run.status == "failed"
        self._observer.ended(run)
        return True

    def _record(self, task: Task, result: RunResult) -> None:
        entry = self._plan.entries[task.number]
        if result.status == "interrupted" and entry.before and entry.before.status == "done":
            return  # an interrupted run does not replace a finished one
        names, planned = entry.names, self._plan.planned
        if entry.amends is not None:
            if result.status == "failed":  # it does not replace a finished one either
                raise RunError(f"{entry.amends.path}: cannot be amended: {result.error}; --force trains it again")
            names, planned = (*entry.amends.record.names, *names), entry.amends.record.planned
        with signals.held():
            self._runs[task.number] = write_run(
                result,
                self._plan.out,
                names=tuple(dict.fromkeys(names)),
                planned=planned,
                place=None if entry.amends is None else entry.place,
            )
            self._claims.release(self._signature(task))
        self._observer.ended(self._runs[task.number])

    def _wait_for_others(self) -> list[Task]:
        """Wait until a run of another process is free and untrained; return it, and those still to wait for."""
        told = ""
        while self._elsewhere and not self._over:
            signals.check()
            for task in list(self._elsewhere):
                if self._claims.take(self._signature(task)):
                    if not self._trained_meanwhile(task):  # the others are claimed as they are begun
                        return self._elsewhere
                    self._elsewhere.remove(task)
            if self._elsewhere:
                first = self._signature(self._elsewhere[0])
                if (owner := self._claims.owner(first)) != told:
                    self._observer.waiting(len(self._elsewhere), owner, self._claims.path(first))
                    told = owner
            time.sleep(LOOK_SECONDS)
        return []

    def _signature(self, task: Task) -> str:
        return task.spec.signature(signed_table(self._plan.table, task.spec))


def _add_names(plan: Plan, claims: Claims, observer: Observer) -> None:
    """Add the newly requested names to finished runs; a failure to do so is reported."""
    for entry in plan.entries:
        run = entry.done
        if run is None or run.status != "done" or set(entry.names) <= set(run.record.names):
            continue
        signature = run.signature
        try:
            if claims.take(signature):
                if new := add_names(run, entry.names):
                    observer.named(run, new)
            else:
                observer.not_named(
                    run, entry.names, f"{claims.owner(signature)} is training it; name it afterwards"
                )
        except RunError as error:
            observer.not_named(run, entry.names, str(error))
        finally:
            claims.release(signature)


def _written_since(entry: PlanEntry) -> Run | None:
    """The run that another process recorded since the plan was made, if it is sound and was not interrupted."""
    run = Run(entry.place)
    if not is_run(run.path):
        return None
    with contextlib.suppress(RunError):
        old = any(run.path == known.path and _same(run, known) for known in entry.known)
        if not old and run.status != "interrupted" and run.spec.records(entry.spec):
            check_run(run)
            return run
    return None


def _same(run: Run, known: Run) -> bool:
    """Whether it is the same training, even if names were added since."""
    one, other = (each.record.model_copy(update={"names": ()}) for each in (run, known))
    return one == other


class _Outcomes:
    """An executor's results; it can be notified of a Ctrl-C that came while one of them was written."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self._interrupted = False

    def __iter__(self) -> Iterator[tuple[Task, RunResult]]:
        return self

    def __next__(self) -> tuple[Task, RunResult]:
        if self._interrupted:
            self._interrupted = False
            return self._results.throw(KeyboardInterrupt)
        return next(self._results)

    def interrupt(self) -> None:
        """Stop the running tasks: the interrupted runs follow."""
        self._interrupted = True

    def close(self) -> None:
        self._results.close()
