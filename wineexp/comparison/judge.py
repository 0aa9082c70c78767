"""Variants compared: what each reaches, and which differences are real."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from wineexp.comparison.figures import Style, grid, overlay
from wineexp.comparison.reference import choose_reference
from wineexp.comparison.variants import Variant, group, listed, val_mae
from wineexp.comparison.verdict import Effect, Verdict, effect_sentences
from wineexp.comparison.verdict import effects as find_effects
from wineexp.comparison.verdict import verdicts as judge_all
from wineexp.errors import RunError, SelectionError
from wineexp.runs.reader import Saved
from wineexp.specs.run_spec import format_value

__all__ = ["Comparison", "compare"]

Layout = Literal["overlay", "grid"]

#: Fields that decide which rows are judged, and on what.
SPLIT_FIELDS = ("target", "split", "train_fraction", "split_seed")

#: Metrics of a variant: the mean over its finished seeds.
MEANS = ("skill", "train_mae", "val_mae_twins", "val_mae_unseen", "best_epoch")


@dataclass(frozen=True)
class Comparison:
    """Variants side by side.

    Attributes
    ----------
    variants : tuple of Variant
        In a fixed order: that of their settings, whatever the order they were given in.
    reference : Variant or None
        What the others are held against; None where no run is finished.
    verdicts : tuple of Verdict
    effects : tuple of Effect
        Main effects and two-factor interactions of a full cross; empty for anything else.
    notes : tuple of str
        What a reader must know of it.
    """

    variants: tuple[Variant, ...]
    reference: Variant | None
    verdicts: tuple[Verdict, ...]
    effects: tuple[Effect, ...]
    notes: tuple[str, ...]

    @property
    def simulated(self) -> bool:
        """Whether the runs were trained on the simulated table."""
        return any(run.data.get("kind") == "simulated" for run in self.runs)

    @property
    def runs(self) -> list[Saved]:
        """Every run, the unfinished ones too."""
        return [run for variant in self.variants for run in (*variant.runs, *variant.unfinished)]

    @property
    def unfinished(self) -> list[Saved]:
        return [run for variant in self.variants for run in variant.unfinished]

    @property
    def fields(self) -> list[str]:
        """The fields of the spec that differ among the variants."""
        return next((list(variant.settings) for variant in self.variants if variant.spec), [])

    @cached_property
    def best(self) -> Variant | None:
        """The variant with the lowest val MAE, where any has one."""
        known = [variant for variant in self.variants if variant.error is not None]
        return min(known, key=val_mae) if known else None

    def rows(self) -> list[dict[str, Any]]:
        """The table, a dict a variant, by val MAE; numbers are plain, what is not known is None."""
        verdicts = {verdict.variant: verdict for verdict in self.verdicts}
        finished = [variant for variant in self.variants if variant.runs]
        return [self._row(variant, verdicts.get(variant.label)) for variant in sorted(finished, key=val_mae)]

    @property
    def table(self) -> pd.DataFrame:
        """:meth:`rows` as a DataFrame."""
        return pd.DataFrame(self.rows())

    def _row(self, variant: Variant, verdict: Verdict | None) -> dict[str, Any]:
        low, high = variant.error_interval() or (None, None)
        error, train_error = variant.mean("val_mae"), variant.mean("train_mae")
        features = [len(run.data["features"]) for run in variant.runs if "features" in run.data]
        seconds: list[Any] = [(run.record.get("timing") or {}).get("run_seconds") for run in variant.runs]
        row: dict[str, Any] = {
            "variant": variant.label,
            **{field: variant.settings.get(field) for field in self.fields},
            "reference": variant is self.reference,
            "seeds": len(variant.runs),
            "val_mae": error,
            "low": low,
            "high": high,
            **{name: variant.mean(name) for name in MEANS},
            "gap": None if error is None or train_error is None else error - train_error,
            "parameters": variant.spec.parameter_count(features[0]) if variant.spec and features else None,
            "seconds": None if not seconds or None in seconds else float(np.mean(seconds)),
        }
        difference = verdict.difference if verdict else None
        near, far = difference.interval() if difference else (None, None)
        row |= {
            "verdict": verdict.word if verdict else None,
            "difference": difference.mean if difference else None,
            "difference_low": near,
            "difference_high": far,
            "p": verdict.p if verdict else None,
            "detectable": difference.detectable() if difference else None,
            "seeds_needed": verdict.needed if verdict else None,
        }
        return row

    @property
    def title(self) -> str:
        """What is compared, in a few words."""
        kinds = {"red-wine": "the red-wine table", "simulated": "the SIMULATED red-wine table"}
        known = [run.data["kind"] for run in self.runs if "kind" in run.data]
        table = kinds.get(known[0], "a table of your own") if known else "a table unknown"
        count = sum(bool(variant.runs) for variant in self.variants)
        return f"{count} variant{'s' if count != 1 else ''} on {table}"

    @property
    def figure(self) -> Figure:
        """:meth:`draw` as it is by default."""
        return self.draw()

    def draw(self, style: Style | None = None, *, layout: Layout = "overlay", title: str | None = None) -> Figure:
        """The learning curves, overlaid or a panel a variant; see :mod:`wineexp.comparison.figures`."""
        how = overlay if layout == "overlay" else grid
        name = f"SIMULATED TABLE: {title}" if title and self.simulated else title
        return how(self.variants, self.reference, style or Style(), name or self.title)

    def as_json(self) -> dict[str, Any]:
        """All of it as plain values: variants, effects, what is unfinished, notes."""
        return {
            "variants": self.rows(),
            "effects": [
                {
                    "effect": effect.levels, "against": effect.base, "difference": effect.difference.mean,
                    "low": effect.difference.interval()[0], "high": effect.difference.interval()[1],
                    "p": effect.p, "seeds": effect.difference.seeds,
                }
                for effect in self.effects
            ],
            "unfinished": [
                {"run": str(run.path), "status": run.status, "reason": run.record.get("reason")}
                for run in self.unfinished
            ],
            "answer": self.sentences(),
            "notes": list(self.notes),
        }  # fmt: skip

    def _repr_html_(self) -> str:
        words = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in (*self.sentences(), *self.notes))
        table = self.table.to_html(index=False, float_format="{:.4f}".format, na_rep="")
        return f"<div>{table}<ul>{words}</ul></div>"

    def sentences(self) -> list[str]:
        """The answer in words: the verdicts, best first, then what the factors do."""
        ordered = sorted(self.verdicts, key=lambda verdict: verdict.difference.mean)
        return [verdict.sentence() for verdict in ordered] + effect_sentences(self.effects)


def compare(runs: Sequence[Saved], *, reference: str | None = None, first: bool = False) -> Comparison:
    """Group runs into variants and judge each against a reference.

    Parameters
    ----------
    runs : sequence of Saved
    reference : str, optional
        A variant's label, name or settings (``dropout=0.3,bn=after``), or one of its runs' directories.
    first : bool
        Without ``reference``: whether the first run's variant is the reference, rather than the one
        nearest the defaults.

    Raises
    ------
    SelectionError
        When the runs cannot stand in one table: different tables, splits or targets, real and simulated
        ones; or when there is no such reference.
    """
    _check_together(runs)
    variants = group(runs)
    chosen = choose_reference(variants, runs, reference, first)
    judged = [variant for variant in variants if variant.judged]
    notes = _notes(variants, judged)
    if chosen is None or not chosen.judged or len(judged) < 2:
        return Comparison(tuple(variants), chosen, (), (), tuple(notes))
    verdicts = judge_all(judged, chosen)
    unpaired = [verdict.variant for verdict in verdicts if not verdict.paired]
    if unpaired:
        notes.append(
            f"{listed(unpaired)}: seeds differ from the reference's; those that both have are paired, "
            "or where there are none, seeds stand side by side in their order"
        )
    return Comparison(tuple(variants), chosen, verdicts, find_effects(judged, chosen), tuple(notes))


# -- what may stand together ----------------------------------------------------------------------


def _check_together(runs: Sequence[Saved]) -> None:
    """Raise ``SelectionError`` unless all runs were judged on the same rows of the same table."""
    known = [run for run in runs if run.spec is not None]
    if any(run.data.get("kind") == "simulated" for run in known):
        _same(known, "kind", "real and simulated runs cannot be ranked against each other")
    _same(known, "fingerprint", "runs on different tables cannot be compared")
    _same_rows(known)
    for name in SPLIT_FIELDS:
        values: dict[str, Saved] = {}
        for run in known:
            values.setdefault(format_value(getattr(run.spec, name)), run)
        if len(values) > 1:
            one, other = list(values.items())[:2]
            what = "targets" if name == "target" else "splits"
            raise SelectionError(
                f"runs on different {what} cannot be compared: {name} is {one[0]} in {one[1].path} and "
                f"{other[0]} in {other[1].path}; choose with --where {name}={one[0]}"
            )


def _same_rows(runs: Sequence[Saved]) -> None:
    """Raise ``RunError`` where predictions were cut or changed: one split has one set of rows."""
    rows: dict[tuple[Any, ...], list[int]] = {}
    for run in runs:
        if run.predictions is not None and run.spec is not None:
            split = tuple(getattr(run.spec, name) for name in SPLIT_FIELDS)
            found = sorted(run.predictions["row"])
            if rows.setdefault(split, found) != found:
                raise RunError(f"{run.path}: its predictions are of other rows than those of the other runs")


def _same(runs: Sequence[Saved], fact: str, refusal: str) -> None:
    values: dict[str, Saved] = {}
    for run in runs:
        if fact in run.data:
            values.setdefault(str(run.data[fact]), run)
    if len(values) > 1:
        one, other = list(values.values())[:2]
        chosen = "kind" if fact == "kind" else "source"
        raise SelectionError(
            f"{refusal}: {one.path} has {_table(one)} and {other.path} has {_table(other)}; "
            f"choose with --where '{chosen}={one.data.get(chosen)}'"
        )


def _table(run: Saved) -> str:
    return f"the {run.data['kind']} table {run.data.get('source')} ({str(run.data.get('fingerprint'))[:8]})"


def _notes(variants: Sequence[Variant], judged: Sequence[Variant]) -> list[str]:
    notes = []
    blind = [variant.label for variant in variants if variant.runs and not variant.judged]
    if blind:
        notes.append(
            f"{listed(blind)}: curves only, no verdict: a CSV or PNG does not hold the predictions; "
            "give the run directories"
        )
    single = [variant.label for variant in judged if len(variant.runs) == 1]
    if len(judged) > 1 and single:
        notes.append(
            f"one seed only ({listed(single)}): the verdict rests on the rows alone and seed noise is NOT in it; "
            "another seed may well turn it round. Train more: --seeds 5"
        )
    patient = {variant.spec.patience is not None for variant in judged if variant.spec}
    if True in patient:
        notes.append(
            "early stopping chose the epoch on the validation rows that judge it here: val MAE is somewhat too low"
            + (", and not in all variants alike" if len(patient) > 1 else "")
        )
    return notes
