"""A comparison as one self-contained page: opens from an email and needs no network."""

from __future__ import annotations

from typing import Any

from wineexp import extras, runtime
from wineexp.comparison.comparison import Comparison
from wineexp.page import tables, words
from wineexp.page.bars import effect_bars, verdict_bars
from wineexp.page.payload import judged_variants, payload, residual_rows
from wineexp.page.repeat import config_text, repeat_text
from wineexp.text import visible

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
    single = len(comparison.variants) == 1
    target, judged_text = words.target(comparison), words.judged_text(comparison, judged)
    drawn = payload(comparison, shown, judged, target)
    heading = title or words.heading(comparison)
    heads = tables.columns(comparison)
    page: str = environment.get_template("report.html.j2").render(
        title=heading,
        single=single,
        question=words.question(comparison),
        simulated=comparison.simulated,
        questions=comparison.questions,
        lead=words.lead(comparison),
        reference=comparison.reference.label if comparison.reference else None,
        notes=[words.without_places(note, comparison) for note in comparison.notes],
        metric=comparison.metric,
        brackets=words.brackets(comparison),
        verdicts=verdict_bars(comparison),
        constant=_constant(comparison),
        curves_caption=words.curves_caption(shown),
        overlay_text=words.overlay_text(shown),
        overlay={screen: overlay_chart(drawn, screen) for screen in SCREENS} if shown else {},
        errors=errors_charts(drawn) if judged else {},
        step=drawn_rows(judged),
        sampled=tables.sampled(shown),
        columns=heads,
        rows=tables.rows(comparison, heads),
        facts=tables.facts(comparison) if single and shown else [],
        unfinished=[f"{run.outcome} {words.short_path(run.path)}" for run in comparison.unfinished],
        effects=effect_bars(comparison.effects),
        judged=[one["label"] for one in judged],
        judged_text=judged_text,
        residual_rows=residual_rows(judged),
        several=any(len(variant.runs) > 1 for variant in shown),
        target=target,
        data_text=words.data_text(comparison),
        repeat_text=repeat or repeat_text(comparison),
        config=config_text(comparison, heading),
        environments=tables.environments(comparison),
        runs=[tables.run_facts(run) for run in comparison.runs],
        version=runtime.versions()["wineexp"],
        colours=drawn["colours"],
        payload={name: drawn[name] for name in ("variants", "epochs")},
        margins=MARGINS,
    )
    return page


def _constant(comparison: Comparison) -> str | None:
    known = [run.metrics.baseline_mae for run in comparison.runs if run.metrics.baseline_mae is not None]
    return f"{known[0]:.4f}" if known else None


def _safe(value: Any) -> Any:
    """What the template shows, its text made safe; HTML of our own is no plain ``str``."""
    return visible(value) if type(value) is str else value
