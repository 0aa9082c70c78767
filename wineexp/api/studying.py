"""A whole study: train a config's runs, compare them, write figure, table and page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wineexp import extras, files
from wineexp.api.comparing import check_drawing, check_margin
from wineexp.api.inputs import PathLike, Study, read_study
from wineexp.api.loading import SavedRuns
from wineexp.api.places import check_places, choose_executor, make_exporters
from wineexp.api.saved_run import SavedRun
from wineexp.api.study_result import StudyResult
from wineexp.api.training import Data, choose_observer, plan_batch, train_part, watched
from wineexp.comparison.compare import compare_runs
from wineexp.comparison.comparison import Comparison, Layout
from wineexp.comparison.crossing import crosses_splits
from wineexp.comparison.reference import named_variant
from wineexp.comparison.scale import Metric, Style
from wineexp.comparison.variants import group_specs
from wineexp.execution.executor import Executor
from wineexp.execution.observer import Observer
from wineexp.execution.plan import Plan
from wineexp.exporters.observer import ExportingObserver
from wineexp.runs.curves import save
from wineexp.runs.directory import directory_name, folder_name
from wineexp.runs.reader import load
from wineexp.runs.study_file import FIGURE, PAGE, TABLE, record_study
from wineexp.runs.study_record import PlannedLooks, write_down
from wineexp.runs.writer import restore_runs
from wineexp.specs.looks import Looks
from wineexp.specs.run_spec import RunSpec
from wineexp.text import csv_text

__all__ = ["plan_study", "study"]


def study(
    config: Study,
    *,
    reference: str | None = None,
    margin: float | None = None,
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
        What to compare the others with; by default the config's first variant.
    margin : float, optional
        As in :func:`compare`; overrides the config's.
    looks : sequence of int, optional
        Seeds at each planned look, such as ``[5, 10, 20]``: after each, only variants that cannot be told from the
        reference yet get more seeds, and the error rate of all looks together is kept. Overrides the config's.
    page : bool
        Whether to write the page, for which the extra ``report`` is needed.
    layout : {"auto", "overlay", "grid", "verdict"}
        All curves in one panel, a panel per variant, or the verdicts alone; ``auto``: one panel for what can be
        told apart in it.
    metric : {"both", "val_loss", "loss"}
        Which losses are drawn.
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
        Before anything is trained; also for a reference that matches no variant of the config.

    Examples
    --------
    >>> import wineexp
    >>> config = {"defaults": {"widths": 8, "epochs": 2}, "seeds": 2, "grid": {"dropout": [0, 0.3]}}
    >>> found = wineexp.study(config, jobs=0, data="simulated", page=False)
    >>> [row["seeds"] for row in found.comparison.rows()]
    [2, 2]
    """
    check_places(jobs, dask, timeout, retries)
    check_drawing(layout, metric, smooth)
    restore_runs(Path(out))
    plan, compared_with = plan_study(
        config,
        reference=reference,
        margin=margin,
        looks=looks,
        page=page,
        overrides=overrides,
        data=data,
        sep=sep,
        out=out,
        force=force,
        skip_failed=skip_failed,
    )
    exporters = make_exporters(tensorboard, mlflow, experiment, plan.name)
    executor = choose_executor(plan, jobs=jobs, dask=dask, timeout=timeout, retries=retries, keep_model=keep_model)
    folder = Path(out) / folder_name(plan.name)
    table, entries = plan.table, plan.entries
    simulated = table.kind == "simulated"
    names = [directory_name(entry.spec, table.identity, simulated=simulated) for entry in entries]
    signatures = [entry.signature for entry in entries]  # earlier runs keep theirs
    record_study(
        folder,
        plan.name,
        signatures,
        [f"{name.rpartition('-')[0]}-{signature}" for name, signature in zip(names, signatures, strict=True)],
    )
    with watched(exporters, choose_observer(observer, progress, many=True)) as watching:
        study = _Study(plan, executor, watching, folder, compared_with, fail_fast)
        comparison = study.all_at_once() if plan.looks is None else study.by_looks(plan.looks)
        if comparison is not None and isinstance(watching, ExportingObserver):
            watching.compared(comparison, plan.name)
    if comparison is not None:
        if layout == "verdict" and not comparison.verdicts:
            layout = "auto"
            comparison = replace(
                comparison, notes=(*comparison.notes, "no verdicts to draw: the figure has the curves")
            )
        style = Style(metric, smooth, full_range)
        _write_study(comparison, plan, folder, page=page, layout=layout, style=style)
    return StudyResult(SavedRuns(study.runs, ordered=True), comparison, folder)


def plan_study(
    config: Study,
    *,
    reference: str | None,
    margin: float | None,
    looks: Sequence[int] | None,
    page: bool,
    overrides: Mapping[str, Any] | None,
    data: Data | None,
    sep: str | None,
    out: PathLike,
    force: bool,
    skip_failed: bool,
) -> tuple[Plan, RunSpec | None]:
    """What :func:`study` would do, and the variant that is named as reference; refuses what it refuses."""
    if page:
        extras.require("report", "the page of a study (or leave it out: --no-report)")
    check_margin(margin)
    asked = read_study(config, overrides, looks)
    plan = plan_batch(asked, data=data, sep=sep, out=out, force=force, skip_failed=skip_failed)
    plan = replace(plan, name=asked.trial_name, margin=plan.margin if margin is None else margin)
    return plan, None if reference is None else _planned_reference(plan, reference)


@dataclass
class _Study:
    """A study under way; ``runs`` are those that are there so far."""

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
        """Train to one look after another while there is something open; None if it was interrupted.

        What a look judges are the seeds that were planned for it, whatever else is there, so the same config
        trains the same runs and finds the same, wherever it was stopped.
        """
        before = sum(entry.before is not None for entry in self.plan.entries)
        variants = group_specs(self.plan.specs)
        named = (
            next((one.label for one in variants if one.spec == self.reference), None) if self.reference else None
        )
        planned = PlannedLooks.of(looks, self.plan.margin, named, [variant.label for variant in variants])
        table = self.plan.table
        # Runs of a study that an earlier version began have the table's fingerprint alone in them.
        known = dict.fromkeys((table.identity, table.fingerprint))
        signatures = [one.spec.variant_signature(name) for one in variants if one.spec for name in known]
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
            # By spec: runs that were there keep the names they were trained under.
            going_on = [one for one in comparison.variants if one.label in still_open]
            wanted = {variant.spec for variant in (comparison.reference, *going_on)}
        assert comparison is not None  # there is a look at least
        return replace(comparison, notes=(*notes, *comparison.notes))

    def _train(self, plan: Plan) -> bool:
        """Train a part; whether it ended by itself."""
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
        )


def _write_study(
    comparison: Comparison,
    plan: Plan,
    folder: Path,
    *,
    page: bool,
    layout: Layout,
    style: Style,
) -> None:
    figure = comparison.draw(style, layout=layout, title=plan.name)
    files.write_file(folder / FIGURE, save(figure, "png"))
    table = csv_text(comparison.rows())
    files.write_file(folder / TABLE, table.encode())
    if page:
        from wineexp.page.render import render

        files.write_file(folder / PAGE, render(comparison, title=plan.name).encode())


def _planned_reference(plan: Plan, reference: str) -> RunSpec | None:
    """The variant that ``reference`` names; raise ``SelectionError`` unless it will be one, before training."""
    table, across = plan.table, crosses_splits(plan.specs)
    directories = {
        directory_name(spec, table.identity, simulated=table.kind == "simulated"): spec.without_seed(
            across_splits=across
        )
        for spec in plan.specs
    }
    return named_variant(group_specs(plan.specs), reference, directories).spec
