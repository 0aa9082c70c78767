"""A whole study: train a config's runs, compare them, write figure, table and page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wineexp import extras, files
from wineexp.api.comparing import check_margin, write_figure
from wineexp.api.inputs import PathLike, Study
from wineexp.api.places import check_places, choose_executor, make_exporters
from wineexp.api.saved_run import SavedRun
from wineexp.api.training import Data, plan_batch, train_plan
from wineexp.comparison.compare import compare_runs
from wineexp.comparison.comparison import Comparison, Layout
from wineexp.comparison.reference import named_variant
from wineexp.comparison.scale import Style
from wineexp.comparison.variants import group_specs
from wineexp.execution.observer import Observer
from wineexp.execution.plan import Plan
from wineexp.runs.directory import directory_name, folder_name
from wineexp.runs.reader import load
from wineexp.text import csv_text

__all__ = ["StudyResult", "study"]


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
        Where ``compare.png``, ``compare.csv`` and ``report.html`` are.
    """

    runs: list[SavedRun]
    comparison: Comparison | None
    folder: Path


def study(
    config: Study,
    *,
    reference: str | None = None,
    margin: float | None = None,
    page: bool = True,
    layout: Layout = "overlay",
    style: Style | None = None,
    overrides: Mapping[str, Any] | None = None,
    data: Data | None = None,
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
    observer: Observer | None = None,
) -> StudyResult:
    """Train a config's runs, compare them and write figure, table and page, as ``wineexp study`` does.

    Parameters
    ----------
    reference : str, optional
        What to compare the others with; by default the config's first variant.
    margin : float, optional
        As in :func:`compare`; overrides the config's.
    page : bool
        Whether to write the page, for which the extra ``report`` is needed.
    layout, style
        How the figure is drawn.
    config, overrides, data, out, jobs, ...
        As in :func:`wineexp.batch`.

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
    if page:
        extras.require("report", "the page of a study (or leave it out: --no-report)")
    check_places(jobs, dask, timeout, retries)
    check_margin(margin)
    plan = plan_batch(config, overrides=overrides, data=data, out=out, force=force, skip_failed=skip_failed)
    if reference is not None:
        _check_reference(plan, reference)
    exporters = make_exporters(tensorboard, mlflow, plan.name)
    executor = choose_executor(plan, jobs=jobs, dask=dask, timeout=timeout, retries=retries, keep_model=keep_model)
    runs, interrupted = train_plan(plan, executor, exporters, observer or Observer(), fail_fast=fail_fast)
    folder = Path(out) / folder_name(plan.name)
    if interrupted:
        return StudyResult(runs, None, folder)
    comparison = compare_runs(
        load([run.path for run in runs]),
        reference=reference,
        first=True,
        margin=plan.margin if margin is None else margin,
        planned=True,
    )
    _write_study(comparison, plan, folder, page=page, layout=layout, style=style)
    return StudyResult(runs, comparison, folder)


def _write_study(
    comparison: Comparison,
    plan: Plan,
    folder: Path,
    *,
    page: bool,
    layout: Layout,
    style: Style | None,
) -> None:
    write_figure(comparison, folder / "compare.png", title=plan.name, layout=layout, style=style)
    table = csv_text(comparison.rows())
    files.write_file(folder / "compare.csv", table.encode())
    if page:
        from wineexp.page.render import render

        repeat = f"wineexp study {plan.file or 'study.yaml'}, which is:"
        files.write_file(folder / "report.html", render(comparison, title=plan.name, repeat=repeat).encode())


def _check_reference(plan: Plan, reference: str) -> None:
    """Raise ``SelectionError`` unless ``reference`` will be a variant: before training, not after it."""
    table = plan.table
    directories = {
        directory_name(spec, table.fingerprint, simulated=table.kind == "simulated"): spec.without_seed()
        for spec in plan.specs
    }
    named_variant(group_specs(plan.specs), reference, directories)
