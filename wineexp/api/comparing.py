"""Compare runs or write a report: the commands of the same names, as functions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from wineexp import extras
from wineexp.api.inputs import Compared, PathLike, read_compared
from wineexp.api.options import Drawing, Judging
from wineexp.api.saved_run import in_order
from wineexp.comparison.comparison import Comparison, compare_runs
from wineexp.errors import RunError, SelectionError, nearest
from wineexp.outputs import write_output
from wineexp.runs.columns import Condition, parse_conditions, row
from wineexp.runs.curves import save
from wineexp.runs.directory import is_run
from wineexp.runs.names import Meant, Place
from wineexp.runs.prediction_file import Given, LonePredictions
from wineexp.runs.reader import load
from wineexp.runs.run import Run
from wineexp.runs.study_file import LOOKS, studies_with_looks
from wineexp.runs.verification import check_tables
from wineexp.specs.fields import Judge, JudgedRows
from wineexp.text import count_of, some_of

__all__ = [
    "FIGURE_FORMATS",
    "check_figure_name",
    "compare",
    "report",
    "write_figure",
]

OnDamaged = Callable[[RunError], None]

#: Formats for figures, by file suffix.
FIGURE_FORMATS = (".png", ".svg", ".pdf")


def compare(
    *runs: Compared,
    reference: Run | PathLike | None = None,
    where: str | Sequence[str] = (),
    margin: float | None = None,
    judge: Judge | None = None,
    judge_rows: JudgedRows | None = None,
    deterministic: str | Sequence[str] = (),
    out: PathLike = "outputs",
    on_damaged: OnDamaged | None = None,
) -> Comparison:
    """Compare runs, as ``wineexp compare`` does.

    Parameters
    ----------
    *runs : SavedRun, path-like or DataFrame, or sequences of them
        Run directories, folders of them, history CSVs, curves PNGs; predictions of any tool, as a CSV, as
        ``"NAME=FILE"`` or as a DataFrame (see docs/formats.md); or the directory names, signatures, labels or
        studies of runs in ``out``. If a folder, a label or a study has runs on the simulated table beside real
        ones, the simulated ones are left out, with a note; if they are given themselves, they are refused beside
        real ones.
    reference : SavedRun or str, optional
        What the others are compared with: a run, a label, settings such as ``"dropout=0,bn=none"``. By default,
        for runs given one by one (paths, names, a list of your own) it is the first, for a study the config's
        first, and for a folder's runs, also from ``load_runs``, the variant nearest the defaults.
    where : str or sequence of str
        Only runs that meet every condition, such as ``"dropout=0.3"``. If one is about results, such as
        ``"val_mae<0.6"``, nothing is judged.
    margin : float, optional
        The size below which a difference in the score does not matter: a variant may then be the same within it.
    judge : {"mae", "rmse", "log_loss", "error_rate", "brier"}, optional
        The score: mean absolute error, the default, or root mean squared error; of classes log loss, the default,
        error rate or Brier score. With ``_mc`` behind it, of the mean of ``mc_passes``, with dropout left on.
    judge_rows : {"valid", "test"}, optional
        The rows that judge; by default test rows, if all runs have them, else validation rows.
    deterministic : str or sequence of str
        The names of predictions that would be the same if they were fitted again: they have no seeds.
    out : path-like
        The folder in which to look up runs by name.
    on_damaged : callable, optional
        Called with the error of each unreadable run in a folder, instead of a warning.

    Returns
    -------
    Comparison
        With ``table`` (DataFrame), ``verdicts``, ``effects``, ``sentences()`` and ``figure``; a notebook shows the
        answers, the figure and the table.

    Raises
    ------
    RunError, SelectionError
        If something given is not a run, or if the runs cannot be compared with each other.

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
    judging = Judging(margin=margin, judge=judge, judge_rows=judge_rows)
    judging.check()
    meant = read_compared(runs, out)
    places = [one.place if isinstance(one, Meant) else one for one in meant]
    loaded = _with_fixed(load(places, on_damaged or _warn), deterministic)
    found, unchecked = _with_tables_checked(loaded, places, on_damaged or _warn)
    texts = [where] if isinstance(where, str) else list(where)
    if conditions:
        chosen = [run for run in found if _meets(run, conditions)]
        if not chosen:
            raise SelectionError(f"none of {len(found)} runs meets {' and '.join(texts)}")
        found = chosen
    found, left_out = _without_stand_ins(found, places)
    by_results = [text for text, condition in zip(texts, conditions, strict=True) if condition.about_results]
    name = str(reference.path) if isinstance(reference, Run) else None if reference is None else str(reference)
    selected = " and ".join(by_results) or None
    first = in_order(runs, places[0])
    comparison = compare_runs(
        found, reference=name, first=first, margin=margin, selected=selected, score=judging.choice()
    )
    comparison = replace(comparison, notes=(*left_out, *_lacking(meant), *unchecked, *comparison.notes))
    return _with_looks_told(comparison) if comparison.verdicts else comparison


def report(
    *runs: Compared,
    output: PathLike = "report.html",
    title: str | None = None,
    reference: Run | PathLike | None = None,
    where: str | Sequence[str] = (),
    margin: float | None = None,
    judge: Judge | None = None,
    judge_rows: JudgedRows | None = None,
    deterministic: str | Sequence[str] = (),
    out: PathLike = "outputs",
    on_damaged: OnDamaged | None = None,
) -> Path:
    """Compare runs and write one self-contained page, as ``wineexp report`` does; return its path.

    Parameters
    ----------
    output : path-like
    title : str, optional
        The title of the page.
    *runs, reference, where, margin, judge, judge_rows, deterministic, out, on_damaged
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

    comparison = compare(
        *runs,
        reference=reference,
        where=where,
        margin=margin,
        judge=judge,
        judge_rows=judge_rows,
        deterministic=deterministic,
        out=out,
        on_damaged=on_damaged,
    )
    write_output(Path(output), render(comparison, title=title).encode())
    return Path(output)


def write_figure(comparison: Comparison, path: Path, drawing: Drawing) -> None:
    """Draw the curves into ``path``, in the format given by its suffix.

    Raises
    ------
    SelectionError, OutputError
        For any other format; if it cannot be written.
    """
    form = check_figure_name(path)
    write_output(path, save(comparison.draw(drawing.style, layout=drawing.layout), form))


def check_figure_name(path: Path) -> str:
    """The format given by a figure's suffix; raise ``SelectionError`` if it is not supported."""
    form = path.suffix.lower()
    if form not in FIGURE_FORMATS:
        raise SelectionError(f"expected a name that ends in {', '.join(FIGURE_FORMATS)}; found {path.name!r}")
    return form[1:]


def _with_fixed(runs: list[Run], names: str | Sequence[str]) -> list[Run]:
    """The runs, where predictions of these names are marked as the same if they were fitted again.

    Raises
    ------
    SelectionError
        If there are no predictions of such a name, or several on one split: then something does change.
    """
    wanted = (names,) if isinstance(names, str) else tuple(names)
    lone = [run for run in runs if isinstance(run.alone, LonePredictions)]
    for name in wanted:
        own = [run.split_seed for run in lone if run.label == name]
        if not own:
            legal = sorted({run.label for run in lone})
            hint = nearest(name, legal) or (f"; there are: {some_of(legal)}" if legal else "")
            raise SelectionError(f"deterministic: expected the name of predictions, found {name!r}{hint}")
        if len(set(own)) < len(own):
            raise SelectionError(f"deterministic: expected one table of {name!r}, found {len(own)}")

    def marked(run: Run) -> Run:
        if isinstance(run.alone, LonePredictions) and run.label in wanted:
            return replace(run, alone=replace(run.alone, is_fixed=True))
        return run

    return [marked(run) for run in runs]


def _with_tables_checked(
    runs: list[Run], places: Sequence[Place | Given], on_damaged: OnDamaged
) -> tuple[list[Run], tuple[str, ...]]:
    """The runs whose records agree with their tables, and notes on unchecked ones; a run given directly raises."""
    done = [(run.path, run.record) for run in runs if run.is_recorded and run.predictions is not None]
    damaged, notes = check_tables(done)
    for path, error in damaged.items():
        if path in places or len(damaged) == len(runs):
            raise error
        on_damaged(error)
    return [run for run in runs if run.path not in damaged], notes


def _with_looks_told(comparison: Comparison) -> Comparison:
    """The comparison, with a note if the runs were trained by planned looks, which are not known here."""
    records = [(run.path.parent, run.record) for run in comparison.runs if run.is_recorded]
    signatures = {name for _, record in records for name in (record.variant_signature, record.variant_key)}
    studies = [name for out in sorted({out for out, _ in records}) for name in studies_with_looks(out, signatures)]
    if not studies:
        return comparison
    note = (
        f"seeds were added by planned looks ({some_of(studies)}), so their number depends on earlier results: "
        "judged all at once, as here, the error rate is not kept. Repeating `wineexp study` trains nothing "
        "and keeps it"
    )
    return replace(comparison, notes=(*comparison.notes, note))


def _without_stand_ins(runs: list[Run], places: Sequence[Place | Given]) -> tuple[list[Run], list[str]]:
    """The runs without those on the simulated table that only happen to lie beside real ones, and a note on these.

    If a folder, a label or a study has both, the simulated ones were not meant: they are a first try, from before
    the table was there. A run that is given itself stays, and is refused beside real ones.
    """
    given = {place for place in places if isinstance(place, Path) and (is_run(place) or not place.is_dir())}
    left: set[Path] = set()
    for place in places:
        if place in given:
            continue
        inside = place if isinstance(place, tuple) else ()
        here = [run for run in runs if run.path.parent == place or run.path in inside]
        simulated = {run.path for run in here if run.is_recorded and run.record.simulated}
        if len(simulated) < len(here):
            left |= simulated - given
    if not left:
        return runs, []
    count, them = ("1 run", "it") if len(left) == 1 else (f"{len(left)} runs", "them")
    names = some_of(sorted(path.name for path in left))
    told = f"left out: {count} on the SIMULATED table ({names}); to see {them} alone: --where kind=simulated"
    return [run for run in runs if run.path not in left], [told]


def _lacking(meant: Sequence[Meant | Given]) -> list[str]:
    """A note for each study with missing runs."""
    notes = []
    for one in meant:
        if isinstance(one, Meant) and one.study is not None and one.lacking:
            by_looks = (one.study / LOOKS).exists()
            why = "removed, or not needed at its looks" if by_looks else "the same `wineexp study` trains them"
            count = f"{count_of(len(one.lacking), 'run')} of {len(one.lacking) + len(one.place)}"  # type: ignore[arg-type]
            notes.append(f"study {one.study.name} lacks {count}: {some_of(one.lacking)}; {why}")
    return notes


def _meets(run: Run, conditions: Sequence[Condition]) -> bool:
    """Whether a run meets all conditions; a lone CSV has no record, so it meets none."""
    if not run.is_recorded:
        return False
    known = row(run)
    return all(condition.met(known) for condition in conditions)


def _warn(error: RunError) -> None:
    warnings.warn(f"left out: {error}", stacklevel=3)
