"""run.json: read once, checked there, damage named and never a traceback further down."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from support import fabricate

from wineexp.errors import RunError
from wineexp.runs.columns import COLUMNS, row
from wineexp.runs.record import SCHEMA, Environment, Metrics, Record, Timing
from wineexp.specs.fields import MAX_SEED
from wineexp.specs.run_spec import RunSpec


@pytest.fixture(scope="module")
def record(small_table, tmp_path_factory):
    """The JSON of a finished run."""
    run = fabricate.save(tmp_path_factory.mktemp("runs"), small_table, dropout=0.3)
    found = json.loads((run.path / "run.json").read_text())
    found.pop("checksum")  # of the file, not of the record
    return found


def read(values):
    return Record.from_json(json.dumps(values), Path("x/run.json"))


def test_a_record_reads_back_as_it_was_written(record):
    assert record["schema"] == SCHEMA == 3, "a new schema is a decision, and needs a reader of the old one"
    assert read(record).as_json() == record


def test_what_a_later_version_adds_is_kept_and_a_later_schema_refused(record):
    more = {**record, "tags": ["a"], "metrics": {**record["metrics"], "val_r2": 0.5}}
    assert read(more).as_json() == more
    with pytest.raises(RunError, match=rf"x/run.json: written by a later wineexp \(schema {SCHEMA + 1}"):
        read({**record, "schema": SCHEMA + 1})


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("status",), "finished", "status: input should be 'done', 'failed' or 'interrupted', found \"finished\""),
        (("signature",), None, "signature: "),
        (("spec",), [1], "spec: expected a mapping of fields, found [1]"),
        (("spec", "dropout"), 2, "spec: dropout: expected a rate from 0 to below 1"),
        (("spec", "colour"), "red", "spec: colour: unknown field"),
        (("data",), "wine", "data: "),
        (("data", "rows"), -1, "data.rows: input should be greater than or equal to 0, found -1"),
        (("data", "rows"), "120", "data.rows: "),
        (("data", "kind"), "white-wine", "data.kind: "),
        (("data", "scaling", "scale"), [1, None], "data.scaling.scale.1: "),
        (("metrics", "val_mae"), "low", "metrics.val_mae: "),
        (("metrics", "best_epoch"), 1.5, "metrics.best_epoch: "),
        (("timing", "run_seconds"), -1, "timing.run_seconds: "),
        (("environment", "threads"), 0, "environment.threads: "),
        (("names",), "plain", "names: "),
    ],
)
def test_what_is_wrong_is_named_with_its_place(record, path, value, says):
    broken = copy.deepcopy(record)
    place = broken
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(RunError) as caught:
        read(broken)
    assert str(caught.value).startswith("x/run.json: ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '"x"', "{}", '{"status": "done"}', "[" * 10_000, "NaN", "\xff"]
)
def test_what_is_no_record_is_refused_in_one_line(text):
    with pytest.raises(RunError) as caught:
        Record.from_json(text, Path("x/run.json"))
    assert str(caught.value).startswith("x/run.json: is damaged: ")
    assert len(str(caught.value).splitlines()) == 1


def fields(values, path=()):
    """Every place in a record: its keys, the nested ones too."""
    for key, value in values.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from fields(value, (*path, key))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
def test_any_single_edit_is_a_record_or_an_error_of_ours(record, data):
    broken = copy.deepcopy(record)
    *above, last = data.draw(st.sampled_from(sorted(fields(record))))
    place = broken
    for key in above:
        place = place[key]
    place[last] = data.draw(JSON)
    try:
        found = read(broken)
    except RunError as error:
        assert str(error).startswith("x/run.json: ")  # noqa: PT017 - either is right
    else:
        assert set(row(Shown(found))) == set(COLUMNS)


class Shown:
    """A record as a row of the table needs it."""

    path = Path("x")

    def __init__(self, record):
        self.record, self.label, self.status = record, record.label, record.status


def test_numbers_that_json_has_no_words_for_are_unknown():
    found = Metrics.of({"val_mae": float("inf"), "skill": float("nan"), "loss": 1.0, "best_epoch": 3})
    assert found.known() == {"loss": 1.0, "best_epoch": 3}
    assert found.model_dump(exclude_unset=True) == {"loss": 1.0, "best_epoch": 3, "val_mae": None, "skill": None}


@pytest.mark.parametrize(
    ("facts", "seconds"),
    [
        ({"epochs": 3, "fit_seconds": 10.0, "first_epoch_seconds": 4.0}, 3.0),
        ({"epochs": 1, "fit_seconds": 4.5, "first_epoch_seconds": 4.0}, 4.0),
        ({"epochs": 0, "fit_seconds": 4.5, "first_epoch_seconds": 4.0}, None),
        ({"epochs": 3, "first_epoch_seconds": 4.0}, None),
        ({"epochs": 3, "fit_seconds": 10.0}, None),
        ({}, None),
    ],
)
def test_seconds_of_an_epoch_leave_out_the_first_which_compiles(facts, seconds):
    assert Timing(**facts).epoch_seconds == seconds


def test_an_environment_tells_what_was_recorded_and_a_record_whether_its_table_was_simulated(record):
    known = Environment(python="3.12", threads=2)
    assert known.known() == {"python": "3.12", "threads": 2}
    with pytest.raises(ValidationError):
        known.threads = 3
    assert not read(record).simulated
    assert read({**record, "data": {**record["data"], "kind": "simulated"}}).simulated


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("signature",), "00000000", "signature and variant: expected "),
        (("reason",), "diverged", "reason: expected one for a failed run alone; the run is done, reason diverged"),
        (("status",), "failed", "reason: expected one for a failed run alone; the run is failed, reason None"),
        (("data", "rows"), 7, "data.rows: expected the sum of the sides of the split, found 7"),
        (("data", "columns"), ["a", "b", "c"], "signature and variant: expected "),
        (("data", "features"), [], "data.features: expected distinct columns without the target"),
        (("data", "features"), ["a", "a", "b"], "data.features: expected distinct columns without the target"),
        (("data", "features"), ["b", "a", "c"], "data.features: expected columns of the table, in its order"),
        (
            ("data", "features"),
            ["a", "b", "quality"],
            "data.features: expected distinct columns without the target",
        ),
        (("data", "scaling", "center"), [0.0], "data.scaling: expected 3 numbers each, one per feature"),
        (("data", "scaling", "scale"), [1.0, 0.0, 1.0], "data.scaling.scale: expected numbers above 0"),
        (
            ("data", "categories"),
            {"a": ["x"]},
            "data.categories: expected the features of 'a', one after the other",
        ),
        (("data", "ranges"), [[0.0, 1.0]], "data.ranges: expected 3 pairs of numbers, one per feature"),
        (("metrics", "val_mae"), "0.5", "metrics.val_mae: input should be a valid number"),
        (("metrics", "val_mae"), float("nan"), "metrics.val_mae: input should be a finite number"),
        (
            ("metrics", "baseline_loss"),
            1e308,
            "metrics.baseline_loss: expected a number up to 1e100",
        ),
        (("timing", "run_seconds"), float("inf"), "timing.run_seconds: input should be a finite number"),
        (("spec", "seed"), -1, "spec: seed: expected a whole number from 0"),
        (("spec", "seed"), MAX_SEED + 1, "spec: seed: expected a whole number from 0"),
        (("spec", "seed"), True, "spec: seed: expected a whole number from 0"),
        (("spec", "seed"), 0.0, "spec: seed: expected a whole number from 0"),
    ],
)
def test_what_contradicts_the_rest_is_named(record, path, value, says):
    changed = copy.deepcopy(record)
    part = changed
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    with pytest.raises(RunError) as error:
        read(changed)
    assert str(error.value).startswith("x/run.json: ")
    assert says in str(error.value)


def test_seeds_are_read_up_to_their_bounds(record):
    for seed in (0, 1, MAX_SEED):
        spec = {**record["spec"], "seed": seed}
        signature, variant = RunSpec.parse(spec).signatures(read(record).data.identity)
        found = read({**record, "spec": spec, "signature": signature, "variant": variant})
        assert (found.spec.seed, found.spec.dropout) == (seed, 0.3)


def test_metrics_that_are_listed_stand_in_a_settled_order():
    places = {key: COLUMNS[key].listed for key in Metrics.model_fields if COLUMNS[key].listed}
    listed = sorted(places, key=places.__getitem__)
    assert len({COLUMNS[key].listed for key in listed}) == len(listed)
    assert listed[-1] == "best_epoch"
