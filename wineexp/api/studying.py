"""A whole study: train a config's runs, compare them, write figure, table and page."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wineexp import extras, files
from wineexp.api.inputs import Study, read_study
from wineexp.api.options import Drawing, Judging, PathLike, Sending, Source, Where
from wineexp.api.places import choose_executor, make_exporters
from wineexp.api.saved_run import SavedRun, SavedRuns
from wineexp.api.training import Data, choose_observer, plan_config, train_part, watched
from wineexp.comparison.columns import Entry, columns
from wineexp.comparison.comparison import Comparison, Layout, compare_runs
from wineexp.comparison.crossing import crosses_splits
from wineexp.comparison.scale import Metric, Scale, seed_mean, shared_scale
from wineexp.comparison.variants import group_specs, named_variant
from wineexp.data.sides import signed_table
from wineexp.errors import SelectionError
from wineexp.execution.executor import Executor
from wineexp.execution.observer import Observer
from wineexp.execution.plan import Plan
from wineexp.exporters.observer import StudyFacts, VariantFacts, send_study
from wineexp.notebook.card import to_html
from wineexp.runs.curves import save
from wineexp.runs.directory import directory_name, folder_name
from wineexp.runs.display import counted, runs_card
from wineexp.runs.reader import load
from wineexp.runs.result import LOSS_COLUMNS
from wineexp.runs.study_file import FIGURE, PAGE, TABLE, PlannedLooks, record_judged, record_study, write_down
from wineexp.runs.writer import restore_runs
from wineexp.specs.fields import Judge, JudgedRows, ScoreChoice
from wineexp.specs.looks import Looks
from wineexp.specs.run_spec import RunSpec
from wineexp.text import csv_text, one_line

if TYPE_CHECKING:
    from wineexp.specs.config import Config

__all__ = ["StudyResult", "plan_study", "run_study", "study"]

#: The message for an interrupted study.
INTERRUPTED = "interrupted; the same call trains the rest"


@dataclass(frozen=True)
class StudyResult:
    """The result of a study.

    Attributes
    ----------
    runs : list of SavedRun
        In the config's order; fewer than planned after an interruption.
    comparison : Comparison or None
        None if it was interrupted; the same call then trains the rest.
    folder : Path
        It contains ``compare.png``, ``compare.csv`` and ``report.html``, and ``study.json``, which lists the runs;
        with ``overrides`` it is a separate folder.
    """

    runs: SavedRuns
    comparison: Comparison | None
    folder: Path

    def __repr__(self) -> str:
        return one_line(f"StudyResult({self._told()}; {self.comparison or INTERRUPTED})")

    def _repr_html_(self) -> str:
        if self.comparison is None:
            card = runs_card(self.runs)
            return to_html(replace(card, lines=(*card.lines, INTERRUPTED)))
        card = self.comparison.card(self.folder.name)
        return to_html(replace(card, lines=(*card.lines, self._told())))

    def _told(self) -> str:
        return f"{counted(self.runs)}; files in {self.folder}/"


#: Columns of a comparison that are sent as numbers, besides the score and that of the training rows.
STUDY_NUMBERS = (
    "low", "high", "skill", "difference", "difference_low", "difference_high", "difference_level", "p",
    "detectable", "seeds", "splits",
)  # fmt: skip


def study(
    config: Study,
    *,
    reference: str | None = None,
    margin: float | None = None,
    judge: Judge | None = None,
    judge_rows: JudgedRows | None = None,
    looks: Sequence[int] | None = None,
    page: bool = True,
    layout: Layout = "auto",
    metric: Metric = "both",
    smooth: int | None = None,
    full_range: bool = False,
    overrides: Mapping[str, Any] | None = None,
    data: Data | None = None,
    sep: str | None = None,
    out: PathLike = "outputs",
    jobs: int | None = None,
    dask: str | None = None,
    timeout: float | None = None,
    retries: int = 1,
    fail_fast: bool = False,
    force: bool = False,
    skip_failed: bool = False,
    keep_model: bool = True,
    tensorboard: PathLike | None = None,
    mlflow: str | None = None,
    experiment: str | None = None,
    progress: bool = False,
    observer: Observer | None = None,
) -> StudyResult:
    """Train a config's runs, compare them and write figure, table and page, as ``wineexp study`` does.

    Parameters
    ----------
    reference : str, optional
        What the others are compared with; by default the config's first variant.
    margin, judge, judge_rows
        As in :func:`compare`; margin and judge override the config's.
    looks : sequence of int, optional
        Seeds at each planned look, such as ``[5, 10, 20]``: after each, only variants that cannot yet be told from
        the reference get more seeds, and the error rate of all looks together is kept. Overrides the config's.
    page : bool
        Whether to write the page, which requires the extra ``report``.
    layout : {"auto", "overlay", "grid", "verdict"}
        All curves in one panel, a panel per variant, or the verdicts alone; ``auto``: one panel if its curves can
        be told apart.
    metric : {"both", "val_loss", "loss"}
        Which losses to draw.
    smooth : int, optional
        Also draw an exponentially weighted mean of this span, in epochs.
    full_range : bool
        A linear axis for all losses.
    config, overrides, data, sep, out, jobs, ...
        As in :func:`wineexp.batch`.

    Returns
    -------
    StudyResult
        With ``comparison`` (see :func:`compare`), ``runs`` and ``folder``; a notebook shows the answers, the
        figure and the table.

    Raises
    ------
    ConfigError, SpecError, DataError, SelectionError, MissingExtraError
        Before any training; also for a reference that matches no variant of the config.

    Examples
    --------
    >>> import wineexp
    >>> config = {"defaults": {"widths": 8, "epochs": 2}, "seeds": 2, "grid": {"dropout": [0, 0.3]}}
    >>> found = wineexp.study(config, jobs=0, data="simulated", page=False)
    >>> [row["seeds"] for row in found.comparison.rows()]
    [2, 2]
    """
    return run_study(
        read_study(config, overrides, looks),
        Judging(reference, margin, judge, judge_rows),
        Source(data, sep, out, force, skip_failed),
        Where(jobs, dask, timeout, retries, fail_fast, keep_model),
        Sending(tensorboard, mlflow, experiment),
        Drawing(layout, metric, smooth, full_range),
        choose_observer(observer, progress, many=True),
        page=page,
    )


def run_study(
    config: Config,
    judging: Judging,
    source: Source,
    where: Where,
    sending: Sending,
    drawing: Drawing,
    observer: Observer,
    *,
    page: bool,
) -> StudyResult:
    """Train a config's runs, compare them and write the results; see :func:`study`."""
    where.check()
    drawing.check()
    restore_runs(source.folder)  # before looking for them
    plan, reference = plan_study(config, judging, source, page=page)
    exporters = make_exporters(sending, plan.name)
    executor = choose_executor(plan, where)
    folder = source.folder / folder_name(plan.name)
    table, entries = plan.table, plan.entries
    simulated = table.kind == "simulated"
    names = [directory_name(entry.spec, signed_table(table, entry.spec), simulated=simulated) for entry in entries]
    signatures = [entry.signature for entry in entries]  # earlier runs keep theirs
    record_study(
        folder,
        plan.name,
        signatures,
        [f"{name.rpartition('-')[0]}-{signature}" for name, signature in zip(names, signatures, strict=True)],
    )
    with watched(exporters, observer) as watching:
        study = _Study(plan, executor, watching, folder, reference, where.fail_fast)
        comparison = study.all_at_once() if plan.looks is None else study.by_looks(plan.looks)
        if comparison is not None and comparison.verdicts and plan.looks is None:
            comparison = _with_added_told(comparison, folder)
        if comparison is not None and exporters:
            send_study(exporters, _facts(comparison, plan.name), watching)
    if comparison is not None:
        comparison = _write_study(comparison, plan, folder, drawing, page=page)
    return StudyResult(SavedRuns(study.runs, ordered=True), comparison, folder)


def plan_study(config: Config, judging: Judging, source: Source, *, page: bool) -> tuple[Plan, RunSpec | None]:
    """The plan of :func:`run_study`, and the variant named as reference; raises the same errors."""
    if page:
        extras.require("report", "the page of a study (or leave it out: --no-report)")
    judging.check()
    margin = config.margin if judging.margin is None else judging.margin
    score = _checked_score(judging.choice(config.judge), config.specs)
    plan = replace(plan_config(config, source), name=config.trial_name, margin=margin, score=score)
    return plan, None if judging.reference is None else _planned_reference(plan, judging.reference)


def _checked_score(score: ScoreChoice, specs: Sequence[RunSpec]) -> ScoreChoice:
    """The score by which these runs will be judged; ``SelectionError``, before any training, if they cannot be."""
    kinds = {spec.has_classes for spec in specs}
    if len(kinds) > 1:
        raise SelectionError(
            "loss: expected losses of classes in every run, or in none: they are scored differently"
        )
    try:
        judge = score.fit(classes=True in kinds)
    except ValueError as error:
        raise SelectionError(f"judge: {error}") from None
    if score.rows == "test" and not all(spec.test_fraction for spec in specs):
        raise SelectionError(
            "judge rows: expected test rows in every run; test_fraction: 0.15 in the config's defaults, or "
            "--set test_fraction=0.15, holds some out"
        )
    counts = sorted({spec.mc_passes for spec in specs if spec.has_dropout()})
    if judge.endswith("_mc") and (0 in counts or len(counts) > 1):
        raise SelectionError(
            f"judge: expected the same mc_passes in every run with dropout, for {judge}; found "
            f"{', '.join(map(str, counts))}; mc_passes: 100 in the config's defaults, or --set mc_passes=100"
        )
    return score._replace(judge=judge)


@dataclass
class _Study:
    """A study in progress; ``runs`` are those that exist so far."""

    plan: Plan
    executor: Executor
    observer: Observer
    folder: Path
    reference: RunSpec | None
    fail_fast: bool
    runs: list[SavedRun] = field(default_factory=list)

    def all_at_once(self) -> Comparison | None:
        """Train every run, then judge; None if it was interrupted."""
        return self._judge() if self._train(self.plan) else None

    def by_looks(self, looks: Looks) -> Comparison | None:
        """Train from look to look while a verdict is open; None if it was interrupted.

        Each look judges only the seeds planned for it, so the same config trains the same runs and has the same
        results, wherever it was interrupted.
        """
        before = sum(entry.before is not None for entry in self.plan.entries)
        variants = group_specs(self.plan.specs)
        named = (
            next((one.label for one in variants if one.spec == self.reference), None) if self.reference else None
        )
        labels = [variant.label for variant in variants]
        planned = PlannedLooks.of(looks, self.plan.margin, named, labels, self.plan.score)
        table = self.plan.table
        # Runs of a study that an earlier version began were signed with the table's fingerprint alone.
        signatures = [
            one.spec.variant_signature(name)
            for one in variants
            if one.spec
            for name in dict.fromkeys((signed_table(table, one.spec), table.fingerprint))
        ]
        notes = write_down(self.folder, planned, before, signatures)
        wanted = {variant.spec for variant in variants}
        comparison: Comparison | None = None
        for number in range(1, len(looks.counts) + 1):
            added = set(looks.added(number))
            part = {spec for spec in self.plan.specs if spec.seed in added and spec.without_seed() in wanted}
            damaged = self.plan.damaged if number == 1 else ()
            if not self._train(replace(self.plan.part(part), damaged=damaged)):
                return None
            comparison = self._judge()
            if comparison.reference is None:
                break
            told = [verdict.variant_label for verdict in comparison.verdicts if verdict.is_told]
            still_open = [verdict.variant_label for verdict in comparison.verdicts if not verdict.is_told]
            self.observer.looked(number, looks, told, still_open)
            failed = self.fail_fast and any(run.status == "failed" for run in self.runs)
            if not still_open or failed:
                break
            # By spec: existing runs keep the names that they were trained under.
            going_on = [one for one in comparison.variants if one.label in still_open]
            wanted = {variant.spec for variant in (comparison.reference, *going_on)}
        assert comparison is not None  # there is at least one look
        return replace(comparison, notes=(*notes, *comparison.notes))

    def _train(self, plan: Plan) -> bool:
        """Train a part of the plan; return whether it ended without interruption."""
        runs, interrupted = train_part(plan, self.executor, self.observer, fail_fast=self.fail_fast)
        self.runs += runs
        return not interrupted

    def _judge(self) -> Comparison:
        return compare_runs(
            load([run.path for run in self.runs]),
            reference=self.reference,
            first=True,
            margin=self.plan.margin,
            planned=True,
            looks=self.plan.looks,
            score=self.plan.score,
        )


def _with_added_told(comparison: Comparison, folder: Path) -> Comparison:
    """The comparison, with a note if variants were added after the study had been judged.

    Planned looks have a record of their own.
    """
    judged = [variant for variant in comparison.variants if variant.judged]
    note = record_judged(folder, [variant.runs[0].record.variant_key for variant in judged])
    return comparison if note is None else replace(comparison, notes=(*comparison.notes, note))


def _write_study(comparison: Comparison, plan: Plan, folder: Path, drawing: Drawing, *, page: bool) -> Comparison:
    """Write figure, table and page; return the comparison with any notes on them."""
    layout = drawing.layout
    if layout == "verdict" and not comparison.verdicts:
        layout = "auto"
        note = "no verdicts to draw: the figure shows the curves"
        comparison = replace(comparison, notes=(*comparison.notes, note))
    figure = comparison.draw(drawing.style, layout=layout, title=plan.name)
    files.write_file(folder / FIGURE, save(figure, "png"))
    files.write_file(folder / TABLE, csv_text(comparison.rows()).encode())
    if page:
        from wineexp.page.render import render

        files.write_file(folder / PAGE, render(comparison, title=plan.name).encode())
    return comparison


def _planned_reference(plan: Plan, reference: str) -> RunSpec | None:
    """The variant that ``reference`` names; raise ``SelectionError``, before training, if there will be none."""
    table, across = plan.table, crosses_splits(plan.specs)
    directories = {
        directory_name(spec, signed_table(table, spec), simulated=table.kind == "simulated"): spec.without_seed(
            across_splits=across
        )
        for spec in plan.specs
    }
    return named_variant(group_specs(plan.specs), reference, directories).spec


def _facts(comparison: Comparison, name: str) -> StudyFacts:
    """The facts of a study that are sent besides its runs."""
    scale = shared_scale([entry.variant for entry in comparison.entries])
    recorded = {run.path.name: run.record.recorded for run in comparison.runs if run.is_recorded}
    said = [*comparison.sentences(), *comparison.notes]
    known = "\n".join([*sorted(f"{path} {moment}" for path, moment in recorded.items()), *said])
    return StudyFacts(
        name,
        hashlib.sha256(known.encode()).hexdigest()[:16],
        max(recorded.values(), default=""),
        "\n\n".join(said),
        csv_text(comparison.rows()),
        tuple(_facts_of(entry, scale) for entry in comparison.entries),
    )


def _facts_of(entry: Entry, scale: Scale) -> VariantFacts:
    variant = entry.variant
    known, score = columns(variant.score), variant.score
    values = {key: known[key].value(entry) for key in (score.key, score.train_key, *STUDY_NUMBERS)}
    return VariantFacts(
        variant.label,
        entry.word or "not judged",
        entry.verdict.sentence() if entry.verdict else "the reference" if entry.is_reference else "",
        {key: float(value) for key, value in values.items() if value is not None and math.isfinite(value)},
        variant.spec,
        frozenset({"seed", "split_seed", "split_column"} if variant.across_splits else {"seed"}),
        tuple(run.record for run in (*variant.runs, *variant.unfinished) if run.is_recorded),
        {column: seed_mean(scale.values(variant, column)) for column in LOSS_COLUMNS[:2]},
    )
