"""A table is its values and its headings: two that share the values alone are two, wherever it matters."""

from __future__ import annotations

import hashlib
import json

import pandas as pd
import pytest
from support import fabricate, records
from support.batches import plan

import wineexp
from wineexp.data.facts import RED_WINE_COLUMNS, RED_WINE_FINGERPRINT, table_identity
from wineexp.data.red_wine import difference
from wineexp.data.sources import find_again
from wineexp.data.table import Table, read_table, table_of_frame
from wineexp.errors import DataError, RunError, SelectionError
from wineexp.execution.batch_run import execute
from wineexp.runs.run import Run
from wineexp.specs.run_spec import RunSpec

FIELDS = {"widths": "8", "epochs": 6}


def renamed(table, **names):
    """The same values under other headings."""
    return Table(table.frame.rename(columns=names), "renamed", table.kind)


@pytest.fixture
def other(small_table):
    """The values of the small table; its target is what was a feature there."""
    return renamed(small_table, quality="a", a="quality")


def waiting(table, out, **fields):
    return plan([RunSpec.parse({**FIELDS, **fields})], table, out).waiting


def test_the_identity_is_the_sha256_of_fingerprint_and_trimmed_headings():
    text = json.dumps(["f" * 64, ["a b", "é"]]).encode()
    assert table_identity("f" * 64, [" a b", "é "]) == hashlib.sha256(text).hexdigest()
    assert table_identity("f" * 64, list(RED_WINE_COLUMNS)) == "f" * 64, "signatures of the real table stay"
    assert table_identity("f" * 64, reversed(RED_WINE_COLUMNS)) != "f" * 64


def test_the_red_wine_table_is_known_by_values_and_headings_together(red_wine, red_wine_path, tmp_path, cli):
    assert (red_wine.kind, red_wine.identity) == ("red-wine", RED_WINE_FINGERPRINT)
    assert RunSpec.parse({"dropout": 0.3, "bn": "after"}).signature(red_wine.identity) == "e8e7f751"
    swapped = red_wine.frame.rename(columns={"alcohol": "quality", "quality": "alcohol"})
    swapped.to_csv(tmp_path / "swapped.csv", index=False)
    found = read_table(tmp_path / "swapped.csv")
    assert (found.kind, found.fingerprint) == ("custom", RED_WINE_FINGERPRINT)
    assert found.identity != red_wine.identity
    assert difference(found) == "its values under other column names"
    assert table_of_frame(swapped).kind == "custom"
    assert "kind         custom" in cli("data", "--data", tmp_path / "swapped.csv")[1]
    spaced = red_wine.frame.rename(columns=lambda name: f" {name} ")
    assert table_of_frame(spaced).kind == "red-wine", "spaces around headings do not count"


@pytest.mark.parametrize("seen_as", ["file", "frame"])
def test_a_run_on_the_same_values_under_other_headings_is_not_done_already(small_table, other, tmp_path, seen_as):
    if seen_as == "file":
        for name, table in (("m1.csv", small_table), ("m2.csv", other)):
            table.frame.to_csv(tmp_path / name, index=False)
        small_table, other = read_table(tmp_path / "m1.csv"), read_table(tmp_path / "m2.csv")
    else:
        small_table, other = table_of_frame(small_table.frame), table_of_frame(other.frame)
    assert small_table.fingerprint == other.fingerprint
    first = fabricate.save(tmp_path / "out", small_table, **FIELDS)
    assert waiting(small_table, tmp_path / "out") == []
    assert len(waiting(other, tmp_path / "out")) == 1
    second = fabricate.save(tmp_path / "out", other, **FIELDS)
    assert first.path != second.path
    assert second.record.data.columns == tuple(other.frame.columns)
    with pytest.raises(SelectionError, match=r"on different tables cannot be compared: .* under other headings"):
        wineexp.compare(tmp_path / "out")
    assert "they used different tables" in " ".join(wineexp.diff(first, second).notes)


def test_swapped_features_are_another_table_too(small_table, tmp_path):
    swapped = renamed(small_table, a="b", b="a")
    fabricate.save(tmp_path, small_table, **FIELDS)
    assert len(waiting(swapped, tmp_path)) == 1
    facts = next(iter(wineexp.load_runs(tmp_path))).record.data
    with pytest.raises(DataError, match="found its values under other headings"):
        find_again(facts, swapped.frame)


def test_an_earlier_run_counts_as_one_of_its_table(small_table, tmp_path):
    """Schema 2 recorded no headings: target, features and the target's values tell whose it was."""
    earlier = records.as_earlier(fabricate.save(tmp_path, small_table, **FIELDS))
    assert earlier.signature != RunSpec.parse(FIELDS).signature(small_table.identity)
    assert waiting(small_table, tmp_path) == []
    (entry,) = plan([RunSpec.parse(FIELDS)], small_table, tmp_path).entries
    assert entry.signature == earlier.signature, "a study finds it by that"
    fabricate.save(tmp_path, small_table, **FIELDS, seed=1)
    (variant,) = wineexp.compare(tmp_path).variants
    assert variant.seeds == [0, 1], "compared with later ones, as one variant"
    fabricate.save(tmp_path, small_table, **FIELDS)
    (variant,) = wineexp.compare(tmp_path).variants
    assert variant.seeds == [0, 1], "and with its own successor counted once"


@pytest.mark.parametrize("names", [{"quality": "a", "a": "quality"}, {"a": "b", "b": "a"}, {"c": "d"}])
def test_an_earlier_run_of_another_table_with_the_same_values_stays_and_is_not_taken_for_one(
    small_table, tmp_path, names
):
    earlier = records.as_earlier(fabricate.save(tmp_path, small_table, **FIELDS))
    before = {path.name: path.read_bytes() for path in earlier.path.iterdir()}
    present = renamed(small_table, **names)
    assert len(waiting(present, tmp_path)) == 1
    fabricate.save(tmp_path, present, **FIELDS)
    assert {path.name: path.read_bytes() for path in earlier.path.iterdir()} == before
    with pytest.raises((SelectionError, RunError), match="on different tables cannot be compared"):
        wineexp.compare(tmp_path)


def test_an_earlier_run_on_the_real_tables_values_under_swapped_headings_is_not_the_real_tables(
    red_wine, tmp_path
):
    """Its signature is the lesson's, so its directory is in the way: it is told, and stays."""
    swapped = Table(
        red_wine.frame.rename(columns={"alcohol": "quality", "quality": "alcohol"}), "swapped", "custom"
    )
    records.as_earlier(fabricate.save(tmp_path, swapped, **FIELDS))
    asked = plan([RunSpec.parse(FIELDS)], red_wine, tmp_path)
    assert len(asked.waiting) == 1
    with pytest.raises(RunError, match="one of another table, with the same values under other headings"):
        execute(asked, executor=None)
    (path,) = tmp_path.iterdir()
    assert Run(path).record.data.kind == "custom"


def test_columns_of_one_name_but_for_case_are_others(small_table):
    upper = renamed(small_table, a="A")
    assert upper.identity != small_table.identity
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    assert table_of_frame(frame).identity != table_of_frame(frame[["b", "a"]]).identity
