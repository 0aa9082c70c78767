"""The values that the page's charts are drawn from, as plain data; its script uses some of them too."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wineexp.comparison.comparison import Comparison
from wineexp.comparison.drawing import MIN_BAND, colour_numbers
from wineexp.comparison.scale import Scale, Style, loss_axis_of, seed_mean, shared_scale
from wineexp.comparison.variants import Variant
from wineexp.listing import Column, Listing
from wineexp.runs.curves import COLOURS, LOSS_NAMES
from wineexp.text import epoch_number, format_number

__all__ = ["judged_variants", "payload", "residuals"]

#: The curves' colours (see :data:`wineexp.runs.curves.COLOURS`), lightened for a dark background.
DARK_COLOURS = (
    "#5AAEE8",
    "#FF8B3D",
    "#2FC998",
    "#E79CCB",
    "#9AD7F7",
    "#FFC34F",
    "#CC9166",
    "#A395F5",
    "#E56AA3",
    "#D3D35F",
)

#: Up to this many different actual values, residuals are shown as one box per value.
MAX_BOXES = 20


def payload(
    comparison: Comparison, shown: Sequence[Variant], judged: Sequence[dict[str, Any]], target: str
) -> dict[str, Any]:
    """All values to draw, JSON-ready; values that are not finite are None."""
    scale, numbers = shared_scale(shown), colour_numbers(shown)
    return {
        "variants": [_lines(scale, variant) for variant in shown],
        "colours": {
            scheme: [colours[number] for number in numbers.values()]
            for scheme, colours in (("light", COLOURS), ("dark", DARK_COLOURS))
        },
        "baseline": scale.baseline,
        "axis": loss_axis_of(shown, scale, Style()),
        "epochs": scale.epochs,
        "loss_name": "loss / the constant's" if scale.relative else LOSS_NAMES.get(scale.loss, "loss"),
        "judged": judged,
        "grouped": len({value for one in judged for value in one["actual"]}) <= MAX_BOXES,
        "ends": _ends(judged),
        "target": target,
    }


def _lines(scale: Scale, variant: Variant) -> dict[str, Any]:
    lines = scale.values(variant, "val_loss")
    mean, half = seed_mean(lines)
    several = len(lines) >= MIN_BAND
    others = [name for name in scale.columns(variant, Style()) if name != "val_loss"]
    return {
        "label": variant.label,
        "epochs": epoch_number(variant.epochs).tolist(),
        "val_loss": _plain(mean),
        **{name: _plain(seed_mean(scale.values(variant, name))[0]) for name in others},
        "seeds": [_plain(line) for line in lines] if 1 < len(lines) < MIN_BAND else [],
        "low": _plain(mean - half) if several else None,
        "high": _plain(mean + half) if several else None,
    }


def _plain(values: npt.NDArray[Any]) -> list[float | None]:
    return [float(f"{value:.7g}") if math.isfinite(value) else None for value in values]


def judged_variants(comparison: Comparison, shown: Sequence[Variant]) -> list[dict[str, Any]]:
    """Actual values and mean predictions of the variant with the lowest error, and of the reference."""
    lowest = f"lowest {comparison.metric}"
    roles: dict[str, tuple[str, Variant]] = {}
    for role, variant in ((lowest, comparison.best), ("reference", comparison.reference)):
        if variant is not None and variant.judged:
            before = roles.get(variant.label)
            roles[variant.label] = (f"{before[0]} and {role}" if before else role, variant)
    return [_errors(role, variant, list(shown).index(variant)) for role, variant in roles.values()]


def _errors(role: str, variant: Variant, number: int) -> dict[str, Any]:
    tables = [run.predictions for run in variant.runs if run.predictions is not None]
    by_row = pd.concat(tables).groupby("row")[["actual", "predicted"]].mean()  # over seeds, and splits
    actual, predicted = (by_row[column].to_numpy(np.float64) for column in by_row)
    # The golden ratio spreads the points evenly without randomness, so that a page is reproducible.
    spread = (np.arange(len(actual)) * 0.61803398875) % 1 - 0.5
    step = np.diff(np.unique(actual)).min() if len(np.unique(actual)) > 1 else 1.0
    return {
        "role": role,
        "number": number,
        "label": variant.label,
        "actual": _plain(actual),
        "jittered": _plain(actual + 0.5 * step * spread),
        "predicted": _plain(predicted),
        "residual": _plain(predicted - actual),
    }


def _ends(judged: Sequence[dict[str, Any]]) -> list[float]:
    values = [value for one in judged for value in one["actual"]]
    return [min(values), max(values)] if values else []


def residuals(judged: Sequence[dict[str, Any]], target: str) -> Listing | None:
    """Mean residual of each judged variant by actual value, or by tenth of the values; None if none is judged."""
    if not judged:
        return None
    size = float(np.abs([value for one in judged for value in one["residual"]]).mean())
    actual = np.array(judged[0]["actual"])
    values = np.unique(actual)
    groups = [(f"{value:g}", actual == value) for value in values]
    if len(values) > MAX_BOXES:
        edges = np.quantile(actual, np.linspace(0, 1, 11))
        groups = [
            (f"{low:g} to {high:g}", (actual >= low) & (actual <= high)) for low, high in itertools.pairwise(edges)
        ]

    def mean_text(residual: float) -> str:
        return format_number(residual, "+.3f", size)

    columns = (
        Column("actual", f"actual {target}", "", str),
        Column("rows", "rows", "", str),
        *(Column(one["label"], f"mean residual, {one['label']}", "", str, mean_text) for one in judged),
    )
    rows = [
        {"actual": name, "rows": int(mask.sum())}
        | {one["label"]: float(np.array(one["residual"])[mask].mean()) for one in judged}
        for name, mask in groups
        if mask.any()
    ]
    return Listing(columns, tuple(rows))
