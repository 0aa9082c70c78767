"""A comparison as one self-contained page: opens from an email and needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wineexp import extras, runtime
from wineexp.comparison.comparison import Comparison
from wineexp.comparison.effects import family
from wineexp.comparison.variants import Variant
from wineexp.notebook.card import template
from wineexp.page import tables, words
from wineexp.page.charts import judged_variants, payload, residuals
from wineexp.page.repeat import config_text, repeat_text
from wineexp.page.tables import by_label, effect_bars, verdict_bars
from wineexp.text import short_path

__all__ = ["render"]


def render(comparison: Comparison, *, title: str | None = None) -> str:
    """The page as HTML.

    Parameters
    ----------
    comparison : Comparison
    title : str, optional
        For example the study's name.

    Raises
    ------
    MissingExtraError
        When the extra ``report`` is not installed.
    """
    extras.require("report", "the report")
    # Curves first: what is drawn goes by its place.
    shown = sorted(
        (variant for variant in comparison.variants if variant.runs), key=lambda one: not one.has_curves
    )
    heading = title or words.heading(comparison)
    page: str = template("wineexp.page", "report.html.j2").render(
        title=heading,
        single=len(comparison.variants) == 1,
        target=words.target(comparison),
        **_answer(comparison),
        **_charts(comparison, shown),
        **_tables(comparison, shown),
        data_text=words.data_text(comparison),
        repeat_text=repeat_text(comparison),
        config=config_text(comparison, heading),
        environments=tables.environments(comparison),
        runs=[tables.run_facts(run) for run in comparison.runs],
        version=runtime.versions()["wineexp"],
    )
    return page


def _answer(comparison: Comparison) -> dict[str, Any]:
    return {
        "question": words.question(comparison),
        "simulated": comparison.simulated,
        "questions": comparison.questions,
        "lead": words.lead(comparison),
        "reference": comparison.reference.label if comparison.reference else None,
        "notes": [words.without_places(note, comparison) for note in comparison.notes],
        "metric": comparison.metric,
        "brackets": words.brackets(comparison),
        "verdicts": verdict_bars(comparison),
        "measure": comparison.score.measure,
        "constant": words.constant(comparison),
    }


def _charts(comparison: Comparison, shown: Sequence[Variant]) -> dict[str, Any]:
    from wineexp.page.charts import MARGINS, SCREENS, drawn_rows, errors_charts, overlay_chart

    of_classes = comparison.score.of_classes
    judged = [] if of_classes else judged_variants(comparison, shown)
    names = words.judged_names(comparison, judged)
    curves = [variant for variant in shown if variant.has_curves]
    drawn = payload(comparison, shown, judged, words.target(comparison))
    return {
        "curves_caption": words.curves_caption(curves),
        "overlay_text": words.overlay_text(curves),
        "overlay": {screen: overlay_chart(drawn, screen) for screen in SCREENS} if curves else {},
        "errors": errors_charts(drawn) if judged else {},
        "step": drawn_rows(judged),
        "judged_rows": "test" if comparison.score.on_test else "validation",
        "several": any(len(variant.runs) > 1 for variant in shown),
        "judged": [variant["label"] for variant in judged],
        "judged_text": "; ".join(names),
        "legend": [(one["number"], name) for one, name in zip(judged, names, strict=True)],
        "residuals": residuals(judged, words.target(comparison)),
        "by_label": by_label(comparison) if of_classes else None,
        "colours": drawn["colours"],
        "payload": {name: drawn[name] for name in ("variants", "epochs")},
        "margins": MARGINS,
    }


def _tables(comparison: Comparison, shown: Sequence[Variant]) -> dict[str, Any]:
    return {
        "sampled": tables.sampled(shown),
        "variants": tables.variants(comparison),
        "rooms": tables.rooms(comparison),
        "values": tables.sort_values(comparison),
        "facts": tables.facts(comparison) if len(comparison.variants) == 1 and shown else [],
        "unfinished": [f"{run.record.outcome} {short_path(run.path)}" for run in comparison.unfinished],
        "effects": effect_bars(comparison.effects, claimed=bool(comparison.claims)),
        "family": family(claimed=bool(comparison.claims)),
    }
