"""Two runs side by side: how they differ in what they were, and in what they reached."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from wineexp.data.facts import same_table
from wineexp.data.simulated import NOT_ABOUT_WINE
from wineexp.data.split import ROW_FIELDS
from wineexp.listing import Column, Listing, plain, row_texts
from wineexp.notebook.card import Card, to_html
from wineexp.runs.columns import COLUMNS, FIELD_KEYS
from wineexp.runs.record import Environment, Metrics
from wineexp.runs.run import Run
from wineexp.text import format_number, largest, one_line, some_of

__all__ = ["NO_SETTING", "Difference", "Pair", "difference"]

NO_SETTING = "no setting differs"

#: Facts of a run, besides its spec, that may explain a difference.
_FACTS = ("status", "reason", "kind", "source")


@dataclass(frozen=True)
class Pair:
    """One value of two runs.

    Attributes
    ----------
    part : str
        ``setting`` of the spec, ``circumstance`` (table, outcome, environment) or ``metric``.
    key : str
        As in ``wineexp runs``; for the environment as in run.json.
    first, second
        Plain values; None if not known.
    difference : float or None
        For a metric: the second minus the first, if both are known.
    """

    part: Literal["setting", "circumstance", "metric"]
    key: str
    first: Any
    second: Any
    difference: float | None = None

    @property
    def told(self) -> tuple[str, ...]:
        """For people: heading, first, second; for a metric also the change, in its format with its sign."""
        column = COLUMNS.get(self.key)
        if column is None:
            return (self.key, plain(self.first), plain(self.second))
        words = (column.heading, *row_texts([column, column], [self.first, self.second]))
        return (*words, self._change(column)) if self.part == "metric" else words

    def _change(self, column: Column[Any]) -> str:
        if self.difference is None:
            return ""
        form = f"+{Metrics.model_fields[self.key].json_schema_extra['form'].removeprefix('+')}"  # type: ignore
        if not column.measure:
            return format(self.difference, form)
        return format_number(self.difference, form, largest((self.first, self.second)))


@dataclass(frozen=True)
class Difference:
    """Two runs: the settings and circumstances that differ, and all metrics that either has.

    Attributes
    ----------
    first, second : Path
        The run directories.
    pairs : tuple of Pair
        Settings, then circumstances, then metrics.
    notes : tuple of str
        Caveats for the reader.
    """

    first: Path
    second: Path
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]

    def part(self, name: str) -> list[Pair]:
        """The settings, circumstances or metrics alone."""
        return [pair for pair in self.pairs if pair.part == name]

    def listings(self) -> tuple[Listing, ...]:
        """The differences for people: a table for each part, with a row for each pair."""
        parts = {part: self.part(part) for part in ("setting", "circumstance", "metric")}
        return tuple(Listing.of(_columns(part), pairs) for part, pairs in parts.items() if pairs)

    def rows(self) -> list[dict[str, Any]]:
        """Each pair as a mapping, in order."""
        return [asdict(pair) for pair in self.pairs]

    def as_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            "first": str(self.first),
            "second": str(self.second),
            "differences": self.rows(),
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        settings = [" ".join((pair.told[0], pair.told[1], "or", pair.told[2])) for pair in self.part("setting")]
        return one_line(
            f"Difference({str(self.first)!r}, {str(self.second)!r}: {some_of(settings) or NO_SETTING})"
        )

    def _repr_html_(self) -> str:
        card = Card(
            "Two runs side by side",
            lines=() if self.part("setting") else (NO_SETTING,),
            facts=(("first", str(self.first)), ("second", str(self.second))),
            tables=self.listings(),
            notes=self.notes,
        )
        return to_html(card)


def _columns(part: str) -> list[Column[Pair]]:
    """The columns of one part; a metric's values are numbers, each in its own format."""
    metric = part == "metric"
    heads = (part, "first", "second", *(["second - first"] if metric else []))
    return [
        Column(head, head, "", lambda pair, place=place: pair.told[place], right=metric and place > 0)  # type: ignore[misc]
        for place, head in enumerate(heads)
    ]


def difference(first: Run, second: Run) -> Difference:
    """Compare two runs side by side."""
    pairs = (*_settings(first, second), *_circumstances(first, second), *_metrics(first, second))
    return Difference(first.path, second.path, pairs, tuple(_notes(first, second)))


def _settings(first: Run, second: Run) -> Iterator[Pair]:
    for key in FIELD_KEYS.values():
        one, other = (COLUMNS[key].value(run) for run in (first, second))
        if one != other:
            yield Pair("setting", key, one, other)


def _circumstances(first: Run, second: Run) -> Iterator[Pair]:
    pairs = {key: [COLUMNS[key].value(run) for run in (first, second)] for key in _FACTS}
    pairs["fingerprint"] = [run.record.data.fingerprint for run in (first, second)]
    for name in Environment.model_fields:
        pairs[name] = [getattr(run.record.environment, name) for run in (first, second)]
    for key, (one, other) in pairs.items():
        if one != other:
            yield Pair("circumstance", key, one, other)


def _metrics(first: Run, second: Run) -> Iterator[Pair]:
    for name in Metrics.model_fields:
        one, other = (getattr(run.record.metrics, name) for run in (first, second))
        if one is not None or other is not None:
            yield Pair("metric", name, one, other, None if one is None or other is None else other - one)


def _notes(first: Run, second: Run) -> Iterator[str]:
    one, other = first.record, second.record
    for run in (first, second):
        if run.status != "done":
            yield f"{run.path} is {run.record.outcome}: its metrics are unknown"
    if one.simulated or other.simulated:
        yield f"on a SIMULATED table: {NOT_ABOUT_WINE}"
    if not same_table(one.data, other.data):
        yield "they used different tables: their metrics are on different rows"
    elif differing := [name for name in ROW_FIELDS if getattr(one.spec, name) != getattr(other.spec, name)]:
        yield f"they differ in {', '.join(differing)}: their metrics are on different rows or targets"
    if first.has_classes != second.has_classes:
        yield "one predicts classes, the other numbers: their metrics are of other kinds"
    if one.key == other.key:
        yield "same spec and table: any difference in metrics comes from the environment"
    elif one.variant_key == other.variant_key:
        yield "two seeds of one variant: any difference between them is chance"
    else:
        yield "two runs give no verdict, as another seed may differ as much: `wineexp compare` judges over seeds"
