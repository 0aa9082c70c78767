"""A comparison as one self-contained page: opens from an email and needs no network."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from wineexp import extras, runtime
from wineexp.comparison.columns import PAGE, Entry, with_content
from wineexp.comparison.comparison import Comparison
from wineexp.comparison.effects import Effect, effect_sections
from wineexp.comparison.variants import Variant
from wineexp.comparison.verdict import format_p
from wineexp.page.payload import judged_variants, payload, residual_rows
from wineexp.page.repeat import config_text
from wineexp.runs.curves import save
from wineexp.runs.reader import LoadedRun
from wineexp.specs.wording import format_value
from wineexp.text import format_interval, visible

__all__ = ["render"]


def render(comparison: Comparison, *, title: str | None = None, repeat: str | None = None) -> str:
    """The page as HTML.

    Parameters
    ----------
    comparison : Comparison
    title : str, optional
        For example the study's name.
    repeat : str, optional
        The command that made it, for "How to repeat it".

    Raises
    ------
    MissingExtraError
        Where the extra ``report`` is not installed.
    """
    extras.require("report", "the report")
    import jinja2

    from wineexp.page.charts import MARGINS, SCREENS, drawn_rows, errors_charts, overlay_chart

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("wineexp.page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_safe,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = [variant for variant in comparison.variants if variant.runs]
    judged = judged_variants(comparison, shown)
    drawn = payload(comparison, shown, judged, _target(comparison))
    heading = title or comparison.title
    columns = _columns(comparison)
    page: str = environment.get_template("report.html.j2").render(
        title=heading,
        question=_question(comparison),
        lead=_lead(comparison),
        simulated=comparison.simulated,
        answers=_answers(comparison),
        notes=comparison.notes,
        metric=comparison.metric,
        verdicts=_verdicts(comparison),
        verdicts_text=" ".join(verdict.sentence() for verdict in comparison.verdicts),
        constant=_constant(comparison),
        overlay_text=_overlay_text(comparison, shown),
        overlay={screen: overlay_chart(drawn, screen) for screen in SCREENS},
        errors=errors_charts(drawn) if judged else {},
        step=drawn_rows(judged),
        sampled=_sampled(shown),
        columns=columns,
        rows=[_cells(entry, columns) for entry in comparison.entries],
        unfinished=[f"{run.outcome} {run.path}" for run in comparison.unfinished],
        effects=[
            {"heading": heading, "rows": [_effect(effect) for effect in effects]}
            for heading, effects in effect_sections(comparison.effects)
        ],
        judged=[one["label"] for one in judged],
        judged_text=_judged_text(judged),
        actual_text="Predicted against actual. " + _judged_text(judged),
        residual_text="Residuals by actual value. " + _judged_text(judged),
        residual_rows=residual_rows(judged),
        target=_target(comparison),
        data_text=_data_text(comparison),
        repeat_text=repeat or "Save this as study.yaml and run: wineexp study study.yaml",
        config=config_text(comparison, heading),
        environments=_environments(comparison),
        runs=[_run(run) for run in comparison.runs],
        version=runtime.versions()["wineexp"],
        colours=drawn["colours"],
        payload={name: drawn[name] for name in ("variants", "epochs")},
        margins=MARGINS,
    )
    return page


def _safe(value: Any) -> Any:
    """What the template shows, its text made safe; HTML of our own is no plain ``str``."""
    return visible(value) if type(value) is str else value


# -- words ----------------------------------------------------------------------------------------


def _question(comparison: Comparison) -> str:
    fields = comparison.fields
    table = "on " + comparison.title.partition(" on ")[2]
    if not fields:
        return f"How well does it predict {table}?"
    listed = fields[0] if len(fields) == 1 else f"{', '.join(fields[:-1])} and {fields[-1]}"
    return f"What do {listed} change {table}?" if len(fields) > 1 else f"What does {listed} change {table}?"


def _lead(comparison: Comparison) -> str:
    best = comparison.best
    interval = best.error_interval() if best else None
    if best is None or best.error is None or interval is None:
        return "No predictions, so nothing is judged; the curves are below."
    low, high = interval
    count = len(comparison.entries)
    flattered = f" of {count}, flattered by being chosen" if count > 2 else ""
    text = f"Lowest {comparison.metric}{flattered}: {best.label}, {best.error.mean:.3f} [{low:.3f}, {high:.3f}]"
    open_to = [verdict for verdict in comparison.verdicts if not verdict.is_told]
    if best is comparison.reference and open_to:
        text += f", which cannot be distinguished from {'; '.join(verdict.variant_label for verdict in open_to)}"
    return text + "."


def _answers(comparison: Comparison) -> list[dict[str, str]]:
    verdicts = sorted(comparison.verdicts, key=lambda verdict: verdict.difference.mean)
    count = len(verdicts)
    found = [{"word": verdict.kind, "text": verdict.sentence()} for verdict in verdicts]
    return found + [{"word": "", "text": sentence} for sentence in comparison.sentences()[count:]]


def _verdicts(comparison: Comparison) -> str | None:
    """The verdicts as a picture, where there are any."""
    if not comparison.verdicts:
        return None
    return base64.b64encode(save(comparison.draw(layout="verdict"), "png")).decode()


def _constant(comparison: Comparison) -> str:
    known = [run.metrics.baseline_mae for run in comparison.runs if run.metrics.baseline_mae is not None]
    return f"{known[0]:.4f}" if known else "an MAE that is not known here"


def _overlay_text(comparison: Comparison, shown: Sequence[Variant]) -> str:
    ends = []
    for variant in shown:
        last = [_val_losses(run).tail(1) for run in variant.runs]
        told = f"ends at {np.mean(last):.3f}" if all(map(len, last)) else "has none"
        ends.append(f"{variant.label} {told}")
    return "Learning curves by epoch. val_loss: " + "; ".join(ends) + "."


def _judged_text(judged: Sequence[dict[str, Any]]) -> str:
    return "; ".join(f"{one['role']}: {one['label']}" for one in judged)


def _target(comparison: Comparison) -> str:
    return next((variant.spec.target for variant in comparison.variants if variant.spec), "target")


def _data_text(comparison: Comparison) -> str:
    data = next((run.data for run in comparison.runs if run.data), None)
    if data is None:
        return "Only the curves of these runs are known."
    spec = next(variant.spec for variant in comparison.variants if variant.spec)
    return (
        f"Table: {data.source} ({data.kind}; fingerprint {data.fingerprint[:16]}), "
        f"{data.rows} rows: {data.train_rows} to train on, {data.valid_rows} to validate"
        f"{f', {data.test_rows} to test' if data.test_rows else ''}, "
        f"{data.twins} of these also in the training rows; split {spec.split}, {_split_text(comparison)}. "
        f"What all variants share: {spec.describe(without={*comparison.fields, 'seed'})}."
    )


def _split_text(comparison: Comparison) -> str:
    seeds = sorted({run.spec.split_seed for run in comparison.runs if run.spec})
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} of them, the first described here"


# -- tables ---------------------------------------------------------------------------------------


def _columns(comparison: Comparison) -> list[dict[str, Any]]:
    """Each column's head, whether it is of text, and whether the rows are sorted by it."""
    return [
        {
            "column": column,
            "head": column.heading,
            "title": column.meaning,
            "text": any(isinstance(column.value(entry), str) for entry in comparison.entries),
            "sorted": column.key == "val_mae",
        }
        for column in with_content(PAGE, comparison.entries)
    ]


def _cells(entry: Entry, columns: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row: what each cell shows, and the value that it is sorted by."""
    cells = [(head, head["column"], head["column"].value(entry)) for head in columns]
    return [
        {"text": head["text"], "value": "" if value is None else value, "shown": column.text(value)}
        for head, column, value in cells
    ]


def _effect(effect: Effect) -> dict[str, str]:
    change = format_interval(effect.difference.mean, *effect.interval, sign="+")
    return {"label": effect.label, "base": effect.base_label, "change": change, "p": format_p(effect.p)}


def _val_losses(run: LoadedRun) -> pd.Series:
    """val_loss by epoch, where the run has one."""
    return run.history.set_index("epoch")["val_loss"][run.written("val_loss")]


def _sampled(shown: Sequence[Variant]) -> dict[str, Any]:
    """val_loss at up to 11 epochs, the first and the last among them."""
    losses = {variant.label: [_val_losses(run) for run in variant.runs] for variant in shown}
    known = sorted({epoch for lines in losses.values() for line in lines for epoch in line.index})
    epochs = sorted({known[round(part * (len(known) - 1) / 10)] for part in range(11)}) if known else []
    lines = []
    for label, runs in losses.items():
        at = [[line[epoch] for line in runs if epoch in line.index] for epoch in epochs]
        numbers = [f"{np.mean(values):.4f}" if values else "" for values in at]
        lines.append({"label": label, "numbers": numbers})
    return {"epochs": epochs, "lines": lines}


def _environments(comparison: Comparison) -> list[str]:
    """Each environment that runs were trained in, once."""
    known = [run.record.environment.known() for run in comparison.runs if run.record]
    found = ["\n".join(f"{key}: {value}" for key, value in values.items()) for values in known if values]
    return list(dict.fromkeys(found)) or ["not known"]


def _run(run: LoadedRun) -> dict[str, str]:
    parts = [f"{run.path}"]
    if run.record is not None:
        record = run.record
        facts = {
            "spec": record.spec.settings(),
            "metrics": record.metrics.model_dump(exclude_unset=True),
            "timing": record.timing.model_dump(exclude_unset=True),
        }
        for key, values in facts.items():
            lines = [f"  {name}: {format_value(value)}" for name, value in values.items()]
            parts += ["\n".join([key, *lines])] if lines else []
    head = f"{run.label}{f' seed {run.spec.seed}' if run.spec else ''}: {run.status}"
    return {"head": head, "text": "\n\n".join(parts)}
