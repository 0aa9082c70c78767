"""What commands print of runs, as plain text that fits a terminal and a mail."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from wineexp.runs.directory import Run
from wineexp.specs.run_spec import Layer, RunSpec

__all__ = [
    "columns",
    "duration",
    "header",
    "interval",
    "layers",
    "outcome",
    "run_row",
    "seeds_summary",
    "summary",
    "time_spent",
    "whole_run",
]


def header(spec: RunSpec, source: str, kind: str, features: int) -> str:
    """What is about to be trained, on what."""
    table = {
        "red-wine": "the real red-wine table",
        "simulated": "SIMULATED red-wine table",
        "custom": "a table",
    }
    return "\n".join(
        [
            f"model  {spec.describe()}",
            f"table  {table[kind]}, {source}",
            f"size   {spec.parameter_count(features):,} parameters",
        ]
    )


def layers(spec: RunSpec, features: int) -> str:
    """The layers with output shapes and parameter counts, as Keras's summary shows them."""
    rows = [("layer", "setting", "output shape", "parameters")]
    for layer, width, count in spec.parameters(features):
        rows.append((layer[0], _setting(layer), f"(rows, {width})", f"{count:,}"))
    total = spec.parameter_count(features)
    trained = total - sum(n // 2 for layer, _, n in spec.parameters(features) if layer[0] == "BatchNormalization")
    return (
        columns(rows, right=(3,))
        + f"\ntotal {total:,}, of which {trained:,} are trained and {total - trained:,} are moving averages"
    )


def _setting(layer: Layer) -> str:
    kind, _, setting = layer
    if kind == "Dense":
        return f"{setting[0]} units, {setting[1]}"
    names = {"Dropout": "rate ", "BatchNormalization": "momentum "}
    return f"{names.get(kind, '')}{setting}"


def columns(rows: Sequence[Sequence[str]], right: tuple[int, ...] = ()) -> str:
    """``rows`` as aligned columns; those numbered in ``right`` are set flush right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = (
        "  ".join(
            cell.rjust(w) if i in right else cell.ljust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def summary(run: Run) -> str:
    """A finished run in a few lines; for another one, what became of it."""
    record, metrics = run.record, run.record["metrics"]
    lines = []
    if run.status != "done":
        reason = f"{run.status}: {record['error'] or 'by Ctrl-C'}"
        seconds = f", history of {_epochs(run)} epochs kept"
        lines.append(reason + seconds)
        if run.error_path.exists():
            lines.append(f"details         {run.error_path}")
    else:
        skill = metrics["skill"]
        judged = "no skill defined" if skill is None else f"skill {skill:+.1%} over it"
        gap = metrics["val_mae"] - metrics["train_mae"]
        lines += [
            f"validation MAE  {metrics['val_mae']:.4f} ± {metrics['val_mae_se']:.4f} "
            f"(standard error over {record['data']['valid_rows']} rows)",
            f"constant's MAE  {metrics['baseline_mae']:.4f} (always the training median); {judged}",
            f"training MAE    {metrics['train_mae']:.4f} (dropout off); gap {gap:+.4f}",
            f"best epoch      {metrics['best_epoch']} of {_epochs(run)}, val_loss {metrics['best_val_loss']:.4f}; "
            f"last {metrics['val_loss']:.4f}",
        ]
        if metrics["val_mae_twins"] is not None and metrics["val_mae_unseen"] is not None:
            lines.append(
                f"rows seen       MAE {metrics['val_mae_twins']:.4f} on {record['data']['twins']} with a twin in "
                f"training, {metrics['val_mae_unseen']:.4f} on the others"
            )
        lines.append(f"time            {record['timing']['fit_seconds']:.1f} s, {_threads(record)}")
    if record["data"]["kind"] == "simulated":
        lines.append("SIMULATED       the real table was not used; these figures say nothing about wine")
    return "\n".join([*lines, f"files           {run.path}/"])


def _epochs(run: Run) -> int:
    with run.history_path.open() as file:
        return sum(1 for _ in file) - 1


def _threads(record: dict[str, Any]) -> str:
    threads = record["environment"]["threads"]
    return f"{threads} thread{'s' if threads > 1 else ''} on {record['environment']['device']}"


def seeds_summary(runs: Sequence[Run]) -> str:
    """Mean and spread over the seeds of one variant."""
    done = [run.record["metrics"] for run in runs if run.status == "done"]
    lines = [f"{len(done)} of {len(runs)} seeds done"]
    for name in ("val_mae", "train_mae", "skill"):
        values = [metrics[name] for metrics in done if metrics[name] is not None]
        if len(values) > 1:
            lines.append(
                f"{name:<15} {statistics.mean(values):.4f} ± {statistics.stdev(values):.4f} "
                f"(standard deviation over seeds; {min(values):.4f} to {max(values):.4f})"
            )
    return "\n".join(lines)


def whole_run(run: Run) -> str:
    """Everything that is known of one run."""
    record = run.record
    spec = run.spec
    reason = f" ({record['reason']})" if record["reason"] else ""
    parts = [
        f"{record['directory']}: {run.status}{reason}, recorded {record['recorded']}",
        _block("spec", record["spec"]),
        "layers\n" + _indent(layers(spec, len(record["data"]["features"]))),
        _block("data", {k: v for k, v in record["data"].items() if k != "scaling"}),
        _block("metrics", record["metrics"]),
        "where the time went\n" + _indent(columns(time_spent(run), right=(1, 2)) if time_spent(run) else "none"),
        _block("environment", record["environment"]),
        "files\n" + _indent("\n".join(str(path) for path in sorted(run.path.iterdir()))),
    ]
    if record["error"]:
        parts.insert(1, f"error\n{_indent(record['error'])}")
    return "\n\n".join(parts)


def time_spent(run: Run) -> list[tuple[str, str, str]]:
    """Where a run's time went: what, seconds, share of the whole."""
    timing = run.record["timing"]
    whole = timing.get("run_seconds")
    if not whole:
        return []
    fit, first, epochs = timing.get("fit_seconds", 0.0), timing.get("first_epoch_seconds", 0.0), timing["epochs"]
    # The first epoch compiles the training loop; what it takes beyond a later one is that.
    each = (fit - first) / (epochs - 1) if epochs > 1 else 0.0
    parts = {
        f"{epochs} epochs, {1000 * each:.1f} ms each" if epochs > 1 else "1 epoch": each * epochs or fit,
        "compiling, within the first epoch": fit - each * epochs if epochs > 1 else 0.0,
        "building the model, predicting, measuring, saving the weights": whole - fit,
        "whole": whole,
    }
    return [(name, f"{seconds:.2f} s", f"{seconds / whole:.0%}") for name, seconds in parts.items()]


def run_row(run: Run) -> dict[str, Any]:
    """One run as a row of a table."""
    record = run.record
    return {
        "run": run.path.name,
        "status": run.status,
        "reason": record["reason"],
        "error": record["error"],
        "seed": run.spec.seed,
        "val_mae": record["metrics"].get("val_mae"),
        "val_mae_se": record["metrics"].get("val_mae_se"),
        "skill": record["metrics"].get("skill"),
        "seconds": record["timing"].get("run_seconds"),
    }


def outcome(run: Run) -> str:
    """A run that has just ended, in a line."""
    record, metrics = run.record, run.record["metrics"]
    name = f"{record['label']} seed {run.spec.seed}"
    if run.status == "done":
        seconds = record["timing"]["run_seconds"]
        return (
            f"done         {name}  val MAE {metrics['val_mae']:.4f} ± {metrics['val_mae_se']:.4f}  {seconds:.1f} s"
        )
    if run.status == "interrupted":
        return f"interrupted  {name}  {_epochs(run)} epochs kept"
    return f"failed       {name}  {record['error']}"


def interval(value: float | None, low: float | None, high: float | None, *, sign: str = "") -> str:
    """``0.508 [0.463, 0.554]``, as much of it as is known."""
    if value is None:
        return ""
    if low is None or high is None:
        return f"{value:{sign}.4f}"
    return f"{value:{sign}.4f} [{low:{sign}.4f}, {high:{sign}.4f}]"


def duration(seconds: float) -> str:
    """Seconds as a person says them: ``42 s``, ``7 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _block(title: str, values: dict[str, Any]) -> str:
    rows = [(key, ", ".join(map(str, v)) if isinstance(v, list) else _number(v)) for key, v in values.items()]
    return f"{title}\n{_indent(columns(rows)) if rows else '  none'}"


def _number(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
