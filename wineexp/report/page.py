"""A comparison as one self-contained page: opens from a mail, asks nothing of the network."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from wineexp import extras, runtime
from wineexp.comparison.judge import Comparison
from wineexp.comparison.variants import Variant
from wineexp.comparison.verdict import format_p
from wineexp.report.payload import judged_variants, payload, residual_rows
from wineexp.runs.curves import save
from wineexp.runs.reader import Saved
from wineexp.specs.run_spec import RunSpec, format_value

__all__ = ["config_text", "render"]

#: Key of a row, head of its column, format; None is text.
COLUMNS: tuple[tuple[str, str, str | None], ...] = (
    ("variant", "variant", None), ("verdict", "verdict", None), ("seeds", "seeds", "d"),
    ("val_mae", "val MAE", ".4f"), ("low", "from", ".4f"), ("high", "to", ".4f"),
    ("difference", "difference", "+.4f"), ("p", "p", ".3f"), ("detectable", "detectable", ".4f"),
    ("seeds_needed", "seeds needed", "d"), ("skill", "skill", "+.1%"), ("train_mae", "train MAE", ".4f"),
    ("gap", "gap", "+.4f"), ("val_mae_twins", "MAE twins", ".4f"), ("val_mae_unseen", "MAE unseen", ".4f"),
    ("best_epoch", "best epoch", ".0f"), ("parameters", "parameters", ",d"), ("seconds", "seconds", ".1f"),
)  # fmt: skip


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
    from plotly.offline import get_plotlyjs

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("wineexp.report"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    shown = [variant for variant in comparison.variants if variant.runs]
    judged = judged_variants(comparison, shown)
    heading = title or comparison.title
    page: str = environment.get_template("report.html.j2").render(
        title=heading,
        question=_question(comparison),
        lead=_lead(comparison),
        simulated=comparison.simulated,
        answers=_answers(comparison),
        notes=comparison.notes,
        constant=_constant(comparison),
        overlay_text=_overlay_text(comparison, shown),
        picture=base64.b64encode(save(comparison.draw(title=heading), "png")).decode(),
        sampled=_sampled(shown),
        columns=[{"head": head, "text": form is None, "sorted": key == "val_mae"} for key, head, form in COLUMNS],
        rows=[[_cell(row, key, form) for key, _, form in COLUMNS] for row in comparison.rows()],
        unfinished=[
            f"{run.status}{': ' + run.record['reason'] if run.record.get('reason') else ''} {run.path}"
            for run in comparison.unfinished
        ],
        effects=[_effect(effect) for effect in comparison.effects],
        judged=[one["plain"] for one in judged],
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
        plotly=get_plotlyjs(),
        payload=payload(comparison, shown, judged, _target(comparison)),
    )
    return page


def config_text(comparison: Comparison, name: str) -> str:
    """A config whose runs are those of the comparison; YAML 1.2, values as JSON."""
    variants = [variant for variant in comparison.variants if variant.spec]
    if not variants:
        return "# nothing is known of these runs but their curves"
    plain = RunSpec().settings()
    specs = [variant.spec.settings() for variant in variants if variant.spec]
    shared = {
        field: value
        for field, value in specs[0].items()
        if value != plain[field] and field not in ("seed", "name") and all(spec[field] == value for spec in specs)
    }
    seeds = [[run.spec.seed for run in (*v.runs, *v.unfinished) if run.spec] for v in variants]
    same = all(sorted(found) == sorted(seeds[0]) for found in seeds)
    lines = [f"name: {_json(name[:200])}", f"defaults: {_json(shared)}"]
    lines += [f"seeds: {_json(sorted(seeds[0]))}"] if same else []
    lines.append("runs:")
    for variant, spec, found in zip(variants, specs, seeds, strict=True):
        own = {k: v for k, v in spec.items() if v != plain[k] and k not in shared and k not in ("seed", "name")}
        own |= {"name": variant.name} if variant.name else {}
        lines += [
            f"  - {_json(own | seed)}" for seed in ([{}] if same else [{"seed": number} for number in found])
        ]
    return "\n".join(lines) + "\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


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
    text = f"Lowest val MAE: {best.label}, {best.error.mean:.3f} [{low:.3f}, {high:.3f}]"
    open_to = [verdict for verdict in comparison.verdicts if verdict.word == "cannot tell"]
    if best is comparison.reference and open_to:
        text += f", which cannot be told from {'; '.join(verdict.variant for verdict in open_to)}"
    return text + "."


def _answers(comparison: Comparison) -> list[dict[str, str]]:
    verdicts = sorted(comparison.verdicts, key=lambda verdict: verdict.difference.mean)
    count = len(verdicts)
    found = [{"word": verdict.word, "text": verdict.sentence()} for verdict in verdicts]
    return found + [{"word": "", "text": sentence} for sentence in comparison.sentences()[count:]]


def _constant(comparison: Comparison) -> str:
    known = [run.metrics["baseline_mae"] for run in comparison.runs if run.metrics.get("baseline_mae") is not None]
    return f"{known[0]:.4f}" if known else "an MAE that is not known here"


def _overlay_text(comparison: Comparison, shown: Sequence[Variant]) -> str:
    ends = [
        f"{variant.label} ends at {np.mean([run.history['val_loss'].iloc[-1] for run in variant.runs]):.3f}"
        for variant in shown
    ]
    return "Learning curves by epoch. val_loss: " + "; ".join(ends) + "."


def _judged_text(judged: Sequence[dict[str, Any]]) -> str:
    return "; ".join(f"{one['role']}: {one['plain']}" for one in judged)


def _target(comparison: Comparison) -> str:
    return next((variant.spec.target for variant in comparison.variants if variant.spec), "target")


def _data_text(comparison: Comparison) -> str:
    data = next((run.data for run in comparison.runs if "fingerprint" in run.data), None)
    if data is None:
        return "Of these runs only the curves are known."
    spec = next(variant.spec for variant in comparison.variants if variant.spec)
    return (
        f"Table: {data.get('source')} ({data.get('kind')}; fingerprint {data['fingerprint'][:16]}), "
        f"{data.get('rows')} rows: {data.get('train_rows')} to train on, {data.get('valid_rows')} to validate, "
        f"{data.get('twins')} of these with a twin in training; split {spec.split}, seed {spec.split_seed}. "
        f"What all variants share: {spec.describe(without={*comparison.fields, 'seed'})}."
    )


# -- tables ---------------------------------------------------------------------------------------


def _cell(row: dict[str, Any], key: str, form: str | None) -> dict[str, Any]:
    value = row[key]
    if key == "verdict" and row["reference"]:
        value = "reference"
    shown = "" if value is None else str(value) if form is None else format(value, form)
    if key == "p" and value is not None:
        shown = format_p(value)
    return {"text": form is None, "value": "" if value is None else value, "shown": shown}


def _effect(effect: Any) -> dict[str, str]:
    low, high = effect.difference.interval()
    return {
        "label": effect.label,
        "base": " and ".join(f"{field} {value}" for field, value in effect.base.items()),
        "change": f"{effect.difference.mean:+.4f} [{low:+.4f}, {high:+.4f}]",
        "p": format_p(effect.p),
    }


def _sampled(shown: Sequence[Variant]) -> dict[str, Any]:
    """val_loss at up to 11 epochs, the first and the last among them."""
    last = max(len(run.history) for variant in shown for run in variant.runs) - 1 if shown else 0
    epochs = sorted({round(part * last / 10) for part in range(11)})
    lines = []
    for variant in shown:
        numbers = []
        for epoch in epochs:
            at = [run.history["val_loss"].iloc[epoch] for run in variant.runs if epoch < len(run.history)]
            numbers.append(f"{np.mean(at):.4f}" if at else "")
        lines.append({"label": variant.label, "numbers": numbers})
    return {"epochs": epochs, "lines": lines}


def _environments(comparison: Comparison) -> list[str]:
    found = {
        "\n".join(f"{key}: {value}" for key, value in (run.record.get("environment") or {}).items()): None
        for run in comparison.runs
    }
    return [text for text in found if text] or ["not known"]


def _run(run: Saved) -> dict[str, str]:
    parts = [f"{run.path}"]
    for key in ("spec", "metrics", "timing"):
        values = run.record.get(key) or {}
        if values:
            parts.append(
                f"{key}\n" + "\n".join(f"  {name}: {format_value(value)}" for name, value in values.items())
            )
    head = f"{run.label}{f' seed {run.spec.seed}' if run.spec else ''}: {run.status}"
    return {"head": head, "text": "\n\n".join(parts)}
