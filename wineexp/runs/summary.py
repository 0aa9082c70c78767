"""A run or the seeds of a spec in words: what is about to be trained, the outcome, everything known about it."""

from __future__ import annotations

import shlex
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wineexp.data.simulated import NOT_ABOUT_WINE
from wineexp.data.table import Table
from wineexp.errors import RunError
from wineexp.listing import Column, Listing, as_text, row_texts
from wineexp.runs.columns import COLUMNS, told_metrics
from wineexp.runs.diagnosis import first_fault
from wineexp.runs.directory import MODEL, RECORD
from wineexp.runs.metrics import Stopping, stopping
from wineexp.runs.number_table import read_columns
from wineexp.runs.record import Metrics, Record
from wineexp.runs.run import Run
from wineexp.runs.score import own_score
from wineexp.specs.layers import Layer
from wineexp.specs.run_spec import RunSpec
from wineexp.specs.wording import worded
from wineexp.text import align, count_of, format_number, indent, largest, one_line, short_source, some_of

__all__ = [
    "ending",
    "facts",
    "header",
    "layer_table",
    "outcome",
    "seeds_table",
    "spread",
    "summary",
    "table_words",
    "time_spent",
    "whole_run",
]

_TABLES = {
    "red-wine": "the real red-wine table",
    "simulated": "SIMULATED red-wine table",
    "custom": "a table",
}

#: Facts of a table that are visible in its features, or of no interest to a person.
_UNTOLD = {"scaling", "categories"}


def header(spec: RunSpec, table: Table, features: int, labels: int = 0) -> str:
    """What is about to be trained, on which table."""
    rows = [
        ("model", spec.describe()),
        ("table", table_words(table)),
        ("size", f"{spec.parameter_count(features, labels):,} parameters"),
    ]
    return align(rows)


def table_words(table: Table) -> str:
    """A table, its rows, and its source."""
    return f"{_TABLES[table.kind]}, {len(table.frame):,} rows, {short_source(table.source)}"


def layer_table(spec: RunSpec, features: int, labels: int = 0) -> str:
    """The layers with output shapes and parameter counts, as Keras's summary shows them."""
    sizes = spec.layer_sizes(features, labels)
    rows = [("layer", "setting", "output shape", "parameters")]
    rows += [(s.layer.kind, _setting(s.layer), f"(rows, {s.width})", f"{s.parameters:,}") for s in sizes]
    total = sum(size.parameters for size in sizes)
    averages = sum(size.parameters // 2 for size in sizes if size.layer.kind == "BatchNormalization")
    counts = f"total {total:,}, of which {total - averages:,} are trained and {averages:,} are moving averages"
    return f"{align(rows, right=(3,))}\n{counts}"


def _setting(layer: Layer) -> str:
    if layer.kind == "Dense":
        units, activation = layer.setting
        return f"{units} units, {activation}"
    names = {"Dropout": "rate ", "BatchNormalization": "momentum "}
    return f"{names.get(layer.kind, '')}{layer.setting}"


def summary(run: Run) -> str:
    """A finished run in a few lines; for another one, its outcome."""
    record = run.record
    rows = facts(run) if run.status == "done" else []
    if fault := _worst_fault(run):
        rows.append(("stands out", fault))
    if record.simulated:
        rows.append(("SIMULATED", f"the real table was not used; {NOT_ABOUT_WINE}"))
    rows.append(("files", f"{run.path}/"))
    lines = [f"{name:<15} {text}" for name, text in rows]
    if run.status != "done":
        details = [f"{'details':<15} {run.error_path}"] if run.error_path.exists() else []
        lines = [ending(run), *details, *lines]
    return "\n".join(lines)


def ending(run: Run) -> str:
    """How an unfinished run ended, and what is left of it."""
    cause = run.record.error or "by Ctrl-C or a signal"
    return f"{run.status}: {cause}, history of {count_of(_epochs(run), 'epoch')} kept"


def facts(run: Run) -> list[tuple[str, str]]:
    """The results of a finished run: names and values in words."""
    record = run.record
    metrics, data = record.metrics, record.data

    score = own_score(record.spec)
    name = "val" if score.of_classes else "validation"
    error, se, constant, train = (
        getattr(metrics, key) for key in (score.key, f"{score.key}_se", f"baseline_{score.judge}", score.train_key)
    )
    size = largest((error, constant))
    loss_size = largest((metrics.best_val_loss, metrics.baseline_loss))

    def shown(value: float | None, form: str = ".4f", size: float | None = size) -> str:
        return "not finite" if value is None else format_number(value, form, size)

    best, epochs = COLUMNS["best_epoch"].text(metrics.best_epoch), _epochs(run)
    stopped = _stopping(run)
    after = f"; last {shown(metrics.val_loss, size=loss_size)}"
    if metrics.best_epoch == epochs - 1:
        after = ": the last epoch" + _outlook(stopped)
    scaled = worded("scale_target", record.spec.scale_target)
    of = f" (of the {scaled})" if scaled else ""
    skill = "no skill defined" if metrics.skill is None else f"skill {metrics.skill:+.1%} over it"
    gap = None if error is None or train is None else error - train
    rows = [
        (
            f"{name} {score.measure}",
            f"{shown(error)} ± {shown(se)} (standard error over {data.valid_rows} rows)",
        ),
        (
            "constant's" if score.of_classes else f"constant's {score.measure}",
            f"{shown(constant)} (always predicting {score.constant_words}); {skill}",
        ),
        (
            f"{'train' if score.of_classes else 'training'} {score.measure}",
            f"{shown(train)} (dropout off); gap {shown(gap, '+.4f')}",
        ),
        *(_of_labels(metrics) if score.of_classes else ()),
        *_with_dropout_on(record, shown),
        ("best epoch", f"{best} of {epochs}, val_loss {shown(metrics.best_val_loss, size=loss_size)}{of}{after}"),
        *([("early stopping", stopped.words)] if stopped else []),
    ]
    of_twins, unseen = (getattr(metrics, f"{score.key}_{part}") for part in ("twins", "unseen"))
    if of_twins is not None and unseen is not None:
        twins = f"{score.measure} {shown(of_twins)} on {data.twins} rows that also occur in the training rows"
        rows.append(("rows seen", f"{twins}, {shown(unseen)} on the others"))
    on_test, test_se = (getattr(metrics, f"test_{score.judge}{end}") for end in ("", "_se"))
    if on_test is not None:
        rows.append(
            (
                f"test {score.measure}",
                f"{shown(on_test)} ± {shown(test_se)} (over {data.test_rows} rows held out for testing)",
            )
        )
    if run.model_path.is_file() and record.spec.scale != "none" and not data.scaling.in_model:
        rows.append(("model", _model(record)))
    threads, device = record.environment.threads, record.environment.device
    seconds = record.timing.fit_seconds
    spent = f"{'not finite' if seconds is None else format(seconds, '.1f')} s"
    rows.append(("time", f"{spent}, {threads} thread{'s' if threads != 1 else ''} on {device}"))
    return rows


def _of_labels(metrics: Metrics) -> list[tuple[str, str]]:
    """The share of wrong labels, beside the constant's, and the area under the curve."""
    if metrics.val_error_rate is None or metrics.baseline_error_rate is None:
        return []
    area = "" if metrics.val_auc is None else f"; AUC {metrics.val_auc:.3f}"
    constant = f"always predicting the commonest label gives {metrics.baseline_error_rate:.3f}"
    return [("val error rate", f"{metrics.val_error_rate:.3f} ({constant}){area}")]


def _with_dropout_on(record: Record, shown: Callable[..., str]) -> list[tuple[str, str]]:
    """The errors of the mean of passes with dropout left on, if there are any."""
    spec, metrics = record.spec, record.metrics
    if not spec.mc_passes or not spec.has_dropout():
        return []
    score = own_score(spec)
    error, on_test = (getattr(metrics, f"{side}_{score.judge}_mc") for side in ("val", "test"))
    test = f", test {score.measure} {shown(on_test)}" if on_test is not None else ""
    words = f"validation {score.measure} {shown(error)}{test} (the mean of {spec.mc_passes} passes)"
    return [("dropout left on", words)]


def _stopping(run: Run) -> Stopping | None:
    """What early stopping did in a finished run; raise ``RunError`` if its history cannot be read."""
    if run.status != "done" or run.spec.patience is None:
        return None
    try:
        losses = read_columns(run.history_path.read_bytes(), ("val_loss",), ())["val_loss"]
    except ValueError as error:
        raise RunError(f"{run.history_path}: is damaged: {error}") from None
    return stopping(run.spec, losses.tolist())


def _outlook(stopped: Stopping | None) -> str:
    """The conclusion if the last epoch was the best one."""
    if stopped is not None and stopped.best != stopped.epochs - 1:
        return ", by less than min_delta"
    return "" if stopped is not None and stopped.epochs < stopped.planned else ", more of them may lower it"


def _model(record: Record) -> str:
    """The input that model.keras expects if Keras loads it, and the units of what it predicts."""
    text = f", text as data.categories of {RECORD} encode it" if record.data.categories else ""
    if record.spec.scale == "none":
        takes = f"features as the table has them{text}{_filled(record)}"
    elif record.data.scaling.in_model:
        takes = f"features as the table has them{text}: it begins with their scaling{_filled(record)}"
    else:
        takes = f"scaled features: (value - center) / scale, of data.scaling in {RECORD}"
    if record.spec.has_classes:
        return f"{MODEL} takes {takes}; it predicts {_probabilities(record)}"
    gives = "" if record.spec.scale_target == "none" else f"; it predicts {record.spec.target} in its own units"
    return f"{MODEL} takes {takes}{gives}"


def _filled(record: Record) -> str:
    return ", NaN where a value is missing" if record.data.fills else ""


def _probabilities(record: Record) -> str:
    """What the outputs of a model of classes are."""
    labels = record.data.labels
    if record.spec.loss == "binary_crossentropy":
        return f"the probability of {one_line(record.spec.positive or labels[1])!r}"
    return f"the probabilities of {some_of([repr(one_line(label)) for label in labels])}, in this order"


def _epochs(run: Run) -> int:
    with run.history_path.open() as file:
        return sum(1 for _ in file) - 1


def _worst_fault(run: Run) -> str | None:
    """The worst fault of a finished run that shows without its model."""
    fault = first_fault(run) if run.status == "done" else None
    return f"{fault.sentence}; see wineexp why {shlex.quote(str(run.path))}" if fault else None


def whole_run(run: Run) -> str:
    """Everything that is known about a run."""
    record = run.record
    spent, stopped, fault = time_spent(record), _stopping(run), _worst_fault(run)
    parts = [
        f"{record.directory}: {record.outcome}, recorded {record.recorded}",
        *([f"names\n{indent(_lines(record.names))}"] if record.names else []),
        *([f"error\n{indent(record.error)}"] if record.error else []),
        _block("spec", record.spec.settings()),
        f"layers\n{indent(layer_table(record.spec, len(record.data.features), len(record.data.labels)))}",
        *([f"model\n{indent(_model(record))}"] if run.model_path.is_file() else []),
        _block("data", record.data.model_dump(mode="json", exclude=_UNTOLD, exclude_unset=True)),
        _block("metrics", told_metrics(record.metrics)),
        *([f"early stopping\n{indent(stopped.words)}"] if stopped else []),
        *([f"stands out\n{indent(fault)}"] if fault else []),
        f"where the time went\n{indent(align(spent, right=(1, 2)) if spent else 'none')}",
        _block("environment", record.environment.known()),
        "files\n" + indent("\n".join(str(path) for path in sorted(run.path.iterdir()))),
    ]
    return "\n\n".join(parts)


def time_spent(record: Record) -> list[tuple[str, str, str]]:
    """How a run's time was spent: activity, seconds, share of the whole."""
    timing = record.timing
    whole, fit, epochs, each = timing.run_seconds, timing.fit_seconds, timing.epochs, timing.epoch_seconds
    if not whole or fit is None or not epochs or each is None:
        return []
    parts = {
        f"{epochs} epochs, {1000 * each:.1f} ms each" if epochs > 1 else "1 epoch": each * epochs,
        # The first epoch compiles the training loop; the time it takes beyond a later one is the compilation.
        "compiling, within the first epoch": fit - each * epochs,
        "building the model, predicting, measuring, saving the weights": whole - fit,
        "whole": whole,
    }
    return [(name, f"{seconds:.2f} s", f"{seconds / whole:.0%}") for name, seconds in parts.items()]


def outcome(run: Run, name: str, *, amended: bool = False) -> str:
    """A run that has just ended, or was amended, in a line, under ``name``."""
    record, metrics = run.record, run.record.metrics
    if run.status == "done":
        error = "not finite"
        score = own_score(run.spec)
        mean, se = (getattr(metrics, f"{score.key}{end}") for end in ("", "_se"))
        if mean is not None and se is not None:
            error = f"{format_number(mean)} ± {format_number(se, size=mean)}"
        if amended:
            return f"amended      {name}  {score.name} {error}, as before  {run.spec.mc_passes} passes"
        return f"done         {name}  {score.name} {error}  {record.timing.run_seconds:.1f} s"
    if run.status == "interrupted":
        return f"interrupted  {name}  {count_of(_epochs(run), 'epoch')} kept"
    return f"failed       {name}  {record.error}"


def _block(title: str, values: Mapping[str, Any]) -> str:
    rows = [(key, ", ".join(map(str, v)) if isinstance(v, list) else _number(v)) for key, v in values.items()]
    return f"{title}\n{indent(align(rows)) if rows else '  none'}"


def _lines(names: Sequence[str]) -> str:
    return "\n".join(map(one_line, names))


def _number(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


#: The columns for each seed; the first ones also get mean and standard deviation.
_SPREAD = (
    "val_mae", "val_log_loss", "val_error_rate", "skill", "train_mae", "train_log_loss", "test_mae",
    "test_log_loss",
)  # fmt: skip
_COLUMNS = (
    "val_mae", "val_mae_se", "val_log_loss", "val_log_loss_se", "val_error_rate", "skill", "train_mae",
    "train_log_loss", "test_mae", "test_log_loss", "best_epoch", "seconds",
)  # fmt: skip


def seeds_table(runs: Sequence[Run]) -> str:
    """A line for each seed, then mean and standard deviation over finished ones, then what all share.

    Parameters
    ----------
    runs : sequence of Run
        Of one spec, finished or not.
    """
    done = [run for run in runs if run.status == "done"]
    keys = [key for key in _COLUMNS if any(COLUMNS[key].value(run) is not None for run in done)]
    columns: list[Column[Any]] = [COLUMNS["seed"], Column("run", "run", "", str), *(COLUMNS[key] for key in keys)]
    rows = [
        {"seed": run.spec.seed, "run": run.signature}
        | ({key: COLUMNS[key].value(run) for key in keys} if run.status == "done" else {})
        for run in runs
    ]
    table = Listing(tuple(columns), tuple(rows), footer=_footer(keys, done) if len(done) > 1 else ())
    lines = [as_text(table)]
    lines += [f"seed {run.spec.seed} {_became(run)}" for run in runs if run.status != "done"]
    lines += _shared(runs, done)
    return "\n".join(lines)


def _footer(keys: Sequence[str], done: Sequence[Run]) -> tuple[tuple[str, ...], ...]:
    """Mean and standard deviation over the finished seeds."""
    means = (_mean(key, done) for key in keys)
    return ("mean", "", *means), ("sd", "", *(_deviation(key, done) for key in keys))


def spread(runs: Sequence[Run]) -> list[str]:
    """Mean and standard deviation of each metric over the finished seeds, a line each."""
    done = [run for run in runs if run.status == "done"]
    over = f"(standard deviation over {len(done)} seeds)"
    return [
        f"{COLUMNS[key].heading} {mean} ± {_deviation(key, done)} {over}"
        for key in _SPREAD
        if (mean := _mean(key, done))
    ]


def _mean(key: str, done: Sequence[Run]) -> str:
    """The mean of a metric; empty if it has no spread."""
    values = _values(key, done)
    return row_texts([COLUMNS[key]], [statistics.mean(values)])[0] if values else ""


def _deviation(key: str, done: Sequence[Run]) -> str:
    """The standard deviation of a metric, in its format without the sign; empty if it has none."""
    values = _values(key, done)
    form = str(Metrics.model_fields[key].json_schema_extra["form"]) if values else ""  # type: ignore[index]
    if not values:
        return ""
    deviation, form = statistics.stdev(values), form.removeprefix("+")
    measured = COLUMNS[key].measure
    return format_number(deviation, form, statistics.mean(values)) if measured else format(deviation, form)


def _values(key: str, done: Sequence[Run]) -> list[float]:
    """A metric of each run; empty unless it can be averaged and two runs have it."""
    values = [value for run in done if (value := COLUMNS[key].value(run)) is not None]
    return values if key in _SPREAD and len(values) > 1 else []


def _became(run: Run) -> str:
    """The outcome of a run that is not done."""
    text = one_line(run.record.error or "by Ctrl-C or a signal")
    return f"{run.status}: {text}{f'; details: {run.error_path}' if run.error_path.exists() else ''}"


def _shared(runs: Sequence[Run], done: Sequence[Run]) -> list[str]:
    """What all runs share: the constant's MAE, the folder, a simulated table."""
    lines = [f"{len(done)} of {len(runs)} seeds done; sd: standard deviation over seeds"]
    score = own_score(runs[0].spec)
    constant = next((getattr(run.record.metrics, f"baseline_{score.judge}") for run in done), None)
    if constant is not None:
        number = f"constant's {score.measure} {format_number(constant)}"
        lines.append(f"{number} (always predicting {score.constant_words})")
    if any(run.record.simulated for run in runs):
        lines.append(f"SIMULATED: the real table was not used; {NOT_ABOUT_WINE}")
    return [*lines, f"files {runs[0].path.parent}/"]
