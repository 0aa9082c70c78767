"""Observers for the training commands: they show progress, keep the plan and choose the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wineexp import runtime
from wineexp.cli.notes import INTERRUPTED, detail, is_quiet, note, say
from wineexp.execution.executor import OPERATIONS_A_SECOND, operations
from wineexp.execution.observer import Observer, Observers, names_text, not_named_text, waiting_text
from wineexp.execution.plan import Plan
from wineexp.execution.progress import BatchProgress, TrainProgress
from wineexp.runs.run import Run
from wineexp.runs.summary import header
from wineexp.specs.looks import Looks
from wineexp.streams import print_err
from wineexp.text import format_duration

__all__ = ["CommandObserver", "TrainObserver", "announce", "tell_table"]


class CommandObserver(Observer):
    """Prints a command's notes; keeps the plan and the problems of sending.

    Attributes
    ----------
    progress : Observer
        The progress display; silent under ``--quiet``.
    plan : Plan or None
        The last plan that was begun; None until training begins.
    planned : int
        Number of runs in all plans that were begun: a study with looks has one plan for each.
    told, problems : list of str
        What was sent where, and what could not be sent.
    deleted : list of Path
        Runs that someone else deleted meanwhile.
    """

    def __init__(self, progress: Observer | None = None) -> None:
        self.progress = Observer() if is_quiet() else progress or BatchProgress()
        self.plan: Plan | None = None
        self.planned = 0
        self.told: list[str] = []
        self.problems: list[str] = []
        self.deleted: list[Path] = []

    def started(self, plan: Plan) -> None:
        if self.plan is None:
            tell_table(plan)
        self.plan = plan
        self.planned += len(plan.entries)
        for problem in plan.damaged:
            note(f"trained again: {problem}")

    def waiting(self, count: int, owner: str, claim: Path) -> None:
        note(waiting_text(count, owner, claim))

    def gone(self, path: Path) -> None:
        self.deleted.append(path)
        print_err(f"wineexp: {path}: was deleted while other runs were training")

    def named(self, run: Run, names: Sequence[str]) -> None:
        note(f"{names_text(names)} added to {run.path}, which is already done")

    def not_named(self, run: Run, names: Sequence[str], problem: str) -> None:
        note(not_named_text(run, names, problem))

    def looked(self, number: int, looks: Looks, told: Sequence[str], still_open: Sequence[str]) -> None:
        last = number == len(looks.counts)
        text = f"look {number} of {len(looks.counts)} ({looks.counts[number - 1]} seeds): {len(told)} decided"
        if still_open and last:
            text += f", {len(still_open)} undecided after all planned looks"
        elif still_open:
            text += f", {len(still_open)} undecided: on to {looks.counts[number]} seeds"
        say(text)

    def sent(self, text: str) -> None:
        self.told.append(text)

    def not_sent(self, problem: str) -> None:
        self.problems.append(problem)

    def close(self) -> None:
        """Report what was sent and, even under ``--quiet``, what could not be sent."""
        for text in self.told:
            say(text)
        for problem in self.problems:
            print_err(f"wineexp: {problem}")
        if self.problems:
            note("send them later with wineexp export")

    @property
    def all(self) -> Observers:
        """The observers of a command: itself, then its progress, which is closed first."""
        return Observers(self, self.progress)

    def exit_code(self, runs: Sequence[Run]) -> int:
        """0 if all planned runs are done and sent, 1 if something failed, 130 if training was interrupted."""
        assert self.plan is not None
        states = {run.status for run in runs}
        if "interrupted" in states:
            return INTERRUPTED
        if "failed" in states:
            return 1
        if len(runs) + len(self.deleted) < self.planned:
            return INTERRUPTED
        return 1 if self.problems or self.deleted else 0


class TrainObserver(CommandObserver):
    """A :class:`CommandObserver` for the seeds of one spec: first says what is trained, and on which table."""

    def __init__(self) -> None:
        super().__init__(TrainProgress())

    def started(self, plan: Plan) -> None:
        announce(plan)
        for entry in plan.entries:
            if entry.done:
                note(f"seed {entry.spec.seed} is already done (--force trains it again): {entry.done.path}")
        versions = ", ".join(f"{name} {number}" for name, number in runtime.versions().items())
        detail(f"threads {runtime.prepared_threads()}; {versions}")
        super().started(plan)


#: A training of more seconds than this is announced with how long it may take.
LONG = 60.0


def tell_table(plan: Plan) -> None:
    """Print the notes on the table; under ``--verbose``, also which table it is."""
    table = plan.table
    for text in plan.notes:
        note(text)
    detail(f"table  {table.kind}, {table.source}, fingerprint {table.fingerprint}")


def announce(plan: Plan) -> None:
    """Say what is trained, and where its table came from."""
    table, first = plan.table, plan.specs[0]
    for step in plan.found.steps:
        detail(f"table  {step}")
    say(header(first, table, plan.feature_count(first), plan.label_count(first)))
    work = sum(operations(spec, len(table.frame), plan.parameters(spec)) for spec in plan.to_train)
    if (seconds := work / OPERATIONS_A_SECOND) > LONG:
        speed = f"{OPERATIONS_A_SECOND / 1e9:.0f}e9 operations a second"
        say(f"time   up to about {format_duration(seconds)} at {speed}")
