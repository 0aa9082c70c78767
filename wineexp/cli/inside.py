"""The inside of a run on the terminal: activations, batch normalizations, and what they come to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wineexp.cli.tables import text_table
from wineexp.runs.columns import Column
from wineexp.runs.inside import LayerInside
from wineexp.runs.inspection import ACTIVATIONS, AVERAGES, WEIGHTS, Inspection
from wineexp.text import align, one_line

__all__ = ["inside"]


def inside(found: Inspection) -> str:
    """The whole inspection as text, with a blank line between the parts."""
    parts = [one_line(f"{found.title}: {found.where}")]
    parts.append(
        "activations; off: dropout off, as when it predicts; on: as in training; dead: units that are 0 on every\n"
        "row; noise/signal: what training changes in a unit, beside what it tells one row from another by\n"
        f"{_table(found, ACTIVATIONS)}"
    )
    if found.normalizations:
        parts.append(f"batch normalization, weights\n{_table(found, WEIGHTS)}")
        parts.append(
            "batch normalization, moving averages; distance: |moving mean - mean| of the input in standard\n"
            "deviations, dropout off; ratio: moving variance / variance of the input, dropout off and on\n"
            f"{_table(found, AVERAGES)}"
        )
    return "\n\n".join([*parts, _output(found)])


def _table(found: Inspection, columns: Sequence[Column[LayerInside]]) -> str:
    layers = found.layers if columns is ACTIVATIONS else found.normalizations
    rows: list[dict[str, Any]] = [{column.key: column.value(layer) for column in columns} for layer in layers]
    return text_table(columns, rows)


def _output(found: Inspection) -> str:
    """What comes out, and what should."""
    last = found.layers[-1]
    rows = [("mean prediction", f"{last.inference.mean:.4g} off, {last.training.mean:.4g} on")]
    if found.actual is not None:
        rows.append((f"mean {one_line(found.target)}", f"{found.actual:.4g} of these rows"))
    return align(rows)
