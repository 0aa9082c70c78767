"""Compare runs, write a report or do a whole study: the commands of the same names, as functions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from wineexp import extras, files
from wineexp.api.inputs import PathLike, Runs, Study, read_runs
from wineexp.api.places import check_places, choose_executor, make_exporters
from wineexp.api.saved_run import SavedRun
from wineexp.api.training import Data, plan_batch, train_plan
from wineexp.comparison.compare import compare_runs
from wineexp.comparison.comparison import Comparison, Layout
from wineexp.comparison.reference import named_variant
from wineexp.comparison.scale import Style
from wineexp.comparison.variants import group_specs
from wineexp.errors import RunError, SelectionError
from wineexp.execution.observer import Observer
from wineexp.execution.plan import Plan
from wineexp.runs.columns import Recorded
from wineexp.runs.curves import save
from wineexp.runs.directory import Run, directory_name, folder_name, is_run
from wineexp.runs.reader import LoadedRun, load
from wineexp.runs.run_table import Condition, parse_conditions, row
from wineexp.text import csv_text

__all__ = ["FIGURE_FORMATS", "StudyResult", "check_figure_name", "compare", "report", "study", "write_figure"]

OnDamaged = Callable[[RunError], None]

#: Formats that a figure can be saved in, by the ending of its name.
FIGURE_FORMATS = (".png", ".svg", ".pdf")


def compare(
    *runs: Runs,
    reference: Run | PathLike | None = None,
    where: str | Sequence[str] = (),
    on_damaged: OnDamaged | None = None,
) -> Comparison:
    """Compare runs, as ``wineexp compare`` does.

    Parameters
    ----------
    *runs : SavedRun or path-like, or sequences of them
        Run directories, folders of them, history CSVs, curves PNGs.
    reference : SavedRun or str, optional
        What to compare the others with: a run, a label, settings such as ``"dropout=0,bn=none"``; by default
        the first run given or, for a folder, the variant nearest the defaults.
    where : str or sequence of str
        Only runs that meet every condition, such as ``"dropout=0.3"``.
    on_damaged : callable, optional
        Called with the error of each run in a folder that cannot be read, instead of a warning.

    Returns
    -------
    Comparison
        With ``table`` (DataFrame), ``verdicts``, ``effects``, ``sentences()`` and ``figure``.

    Raises
    ------
    RunError, SelectionError
        For what is not a run, and for runs that cannot be compared with each other.

    Examples
    --------
    >>> import wineexp
    >>> plain = wineexp.train(widths=8, epochs=2, data="simulated")
    >>> dropped = wineexp.train(widths=8, epochs=2, dropout=0.3, data="simulated")
    >>> found = wineexp.compare(plain, dropped)
    >>> found.reference.label, [verdict.variant_label for verdict in found.verdicts]
    ('dropout 0', ['dropout 0.3'])
    """
    conditions = parse_conditions(where)
    paths = read_runs(runs)
    found = load(paths, on_damaged or _warn)
    if conditions:
        chosen = [run for run in found if _meets(run, conditions)]
        if not chosen:
            texts = [where] if isinstance(where, str) else where
            raise SelectionError(f"none of {len(found)} runs meets {' and '.join(texts)}")
        found = chosen
    first = not paths[0].is_dir() or is_run(paths[0])
    name = str(reference.path) if isinstance(reference, Run) else None if reference is None else str(reference)
    return compare_runs(found, reference=name, first=first)


def report(
    *runs: Runs,
    output: PathLike = "report.html",
    title: str | None = None,
    reference: Run | PathLike | None = None,
    where: str | Sequence[str] = (),
    on_damaged: OnDamaged | None = None,
) -> Path:
    """Compare runs and write one self-contained page, as ``wineexp report`` does; return its path.

    Parameters
    ----------
    output : path-like
    title : str, optional
        The title of the page.
    *runs, reference, where, on_damaged
        As in :func:`compare`.

    Raises
    ------
    MissingExtraError
        If the extra ``report`` is not installed.
    RunError, SelectionError, OutputError
        As in :func:`compare`; if the page cannot be written.

    Examples
    --------
    >>> import wineexp
    >>> run = wineexp.train(widths=8, epochs=2, data="simulated")
    >>> wineexp.report(run, output="page.html").name
    'page.html'
    """
    extras.require("report", "the report")
    from wineexp.page.render import render

    comparison = compare(*runs, reference=reference, where=where, on_damaged=on_damaged)
    files.write_file(Path(output), render(comparison, title=title).encode())
    return Path(output)


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
    plan = plan_batch(config, overrides=overrides, data=data, out=out, force=force, skip_failed=skip_failed)
    if reference is not None:
        _check_reference(plan, reference)
    exporters = make_exporters(tensorboard, mlflow, plan.name)
    executor = choose_executor(plan, jobs=jobs, dask=dask, timeout=timeout, retries=retries, keep_model=keep_model)
    runs, interrupted = train_plan(plan, executor, exporters, observer or Observer(), fail_fast=fail_fast)
    folder = Path(out) / folder_name(plan.name)
    if interrupted:
        return StudyResult(runs, None, folder)
    comparison = compare_runs(load([run.path for run in runs]), reference=reference, first=True)
    _write_study(comparison, plan, folder, page=page, layout=layout, style=style)
    return StudyResult(runs, comparison, folder)


def write_figure(
    comparison: Comparison,
    path: Path,
    *,
    title: str | None = None,
    layout: Layout = "overlay",
    style: Style | None = None,
) -> None:
    """Draw the curves into ``path``, in the format given by its suffix.

    Raises
    ------
    SelectionError, OutputError
        For any other format; if it cannot be written.
    """
    form = check_figure_name(path)
    files.write_file(path, save(comparison.draw(style, layout=layout, title=title), form))


def check_figure_name(path: Path) -> str:
    """The format given by a figure's suffix; raise ``SelectionError`` if it is not supported."""
    form = path.suffix.lower()
    if form not in FIGURE_FORMATS:
        raise SelectionError(f"expected a name that ends in {', '.join(FIGURE_FORMATS)}; found {path.name!r}")
    return form[1:]


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


def _meets(run: LoadedRun, conditions: Sequence[Condition]) -> bool:
    """Whether a run meets all conditions; a CSV on its own has no record, so it meets none."""
    if run.record is None:
        return False
    known = row(cast(Recorded, run))  # it has a record, which is all that a column asks of it
    return all(condition.met(known) for condition in conditions)


def _warn(error: RunError) -> None:
    warnings.warn(f"left out: {error}", stacklevel=3)
