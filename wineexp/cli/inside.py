"""The inside of a run on the terminal: activations, batch normalizations, and what they come to."""

from __future__ import annotations

from wineexp.cli.tables import text_table
from wineexp.runs.inspection import Inspection
from wineexp.text import align, one_line

__all__ = ["inside"]


def inside(found: Inspection) -> str:
    """The whole inspection as text, with a blank line between the parts."""
    parts = [one_line(f"{found.title}: {found.where}")]
    for told, columns, layers in found.parts():
        rows = [{column.key: column.value(layer) for column in columns} for layer in layers]
        parts.append(f"{told}\n{text_table(columns, rows)}")
    return "\n\n".join([*parts, align([[one_line(name), text] for name, text in found.output])])
