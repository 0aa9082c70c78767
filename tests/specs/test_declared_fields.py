"""What a field is declared to be holds, for every field there is: nothing depends on anyone remembering it."""

from __future__ import annotations

import numpy as np
import pytest
from support.batches import plan
from support.fields import FIELDS, another, table_for

from wineexp.data.split import split_table
from wineexp.errors import ConfigError, SpecError
from wineexp.runs.metrics import baseline_loss
from wineexp.specs.config import read_mapping
from wineexp.specs.declarations import MARKS
from wineexp.specs.fields import choices_of, is_legal
from wineexp.specs.keras_names import OPTIMIZERS
from wineexp.specs.run_spec import (
    COSMETIC_FIELDS,
    DEPENDENT_FIELDS,
    RECORDING_FIELDS,
    VARIANT_FIELDS,
    RunSpec,
    deciding,
    shape_of,
    varying,
)
from wineexp.specs.wording import asked, say, without

each_field = pytest.mark.parametrize("field", FIELDS)

BASE = {"widths": (8, 8), "epochs": 2, "batch_size": 32, "dropout": 0.2}


@pytest.fixture
def pair(field):
    """Two specs that differ in the field alone."""
    return tuple(RunSpec.parse(values) for values in another(field, BASE))


@each_field
def test_every_field_is_signed_unless_it_is_declared_to_be_of_no_matter(field, pair):
    spec, changed = pair
    signed = field not in COSMETIC_FIELDS | RECORDING_FIELDS
    assert (spec.signature("t") != changed.signature("t")) == signed
    assert (spec.variant_signature("t") != changed.variant_signature("t")) == (signed and field != "seed")
    assert varying(pair) == ([field] if field in VARIANT_FIELDS else [])


@each_field
def test_what_is_declared_free_of_the_rows_and_the_constant_leaves_them_as_they_are(small_table, field, pair):
    table = table_for(field, small_table)
    split, changed = (split_table(table, spec) for spec in pair)
    if "rows" in MARKS[field].free:
        for name in ("train_rows", "valid_rows", "test_rows", "y_valid"):
            assert np.array_equal(getattr(split, name), getattr(changed, name)), name
    if "constant" in MARKS[field].free:
        losses = [
            baseline_loss(spec.loss, rows.loss_train, rows.loss_valid)
            for spec, rows in zip(pair, (split, changed), strict=True)
        ]
        assert losses[0] == losses[1]
    if "table" in MARKS[field].free:
        assert split.features == changed.features


@each_field
def test_what_a_declaration_names_is_there(field):
    marks, info = MARKS[field], RunSpec.model_fields[field]
    named = {
        *marks.needs,
        *marks.only_with,
        *marks.never_with,
        *marks.checked_against,
        marks.words.behind,
        marks.hints.number_means,
    }
    assert named - {None, ""} <= set(FIELDS) - {field}
    assert all(is_legal(value, info) for value in marks.words.off)
    others = [
        *marks.only_with.items(),
        *((name, one) for name, found in marks.never_with.items() for one in found),
    ]
    assert all(is_legal(value, RunSpec.model_fields[other]) for other, value in others)
    assert marks.by_optimizer.keys() in (set(), OPTIMIZERS.keys())
    assert all((text or "").count("{") <= 1 for text in (marks.words.title, marks.words.question))


@each_field
def test_words_tell_two_values_apart_in_titles_and_questions(field, pair):
    values = [getattr(spec, field) for spec in pair]
    assert len({say(field, value) for value in values}) == 2
    assert len({asked(field, value) or without(field) for value in values}) == 2
    assert all(say(field, value) and (asked(field, value) or without(field)) for value in values)


def test_what_decides_rows_constant_table_and_shape_is_what_it_was_but_for_nothing_forgotten():
    rows = ("train_fraction", "test_fraction", "split_seed", "split", "split_column", "group", "target")
    assert deciding("rows") == rows
    assert set(deciding("constant")) == {"loss", "scale_target", "missing", *rows, "features", "drop"}
    assert set(deciding("table")) == {
        "loss", "positive", "missing", "scale", "scale_target", *rows, "features", "drop", "encode", "bn",
        "bn_input", "batch_size",
    }  # fmt: skip
    assert set(deciding("shape")) == {
        "widths", "activation", "dropout", "dropout_input", "bn", "dropout_place", "bn_input", "bn_momentum",
        "optimizer", "weight_decay", "loss", "precision", "batch_size", "eval_train", "features", "drop", "encode",
    }  # fmt: skip


def effectless():
    """Each field that needs others, with each way in which they can leave it without effect."""
    for field in DEPENDENT_FIELDS:
        marks = MARKS[field]
        if marks.needs:
            yield field, {name: RunSpec.model_fields[name].default for name in marks.needs}
        for name, value in marks.only_with.items():
            choices = choices_of(RunSpec.model_fields[name].annotation)
            yield from ((field, {name: choice}) for choice in choices if choice != value)
        yield from ((field, {name: value}) for name, values in marks.never_with.items() for value in values)


def test_the_rates_of_dropout_are_no_part_of_the_shape_but_whether_there_are_layers_is():
    rates = [{"dropout": 0.3, "dropout_input": 0.2}, {"dropout": [0.1, 0.9, 0.5], "dropout_input": 0.5}]
    other = [{}, {"dropout": 0.3}, {"dropout_input": 0.2}, {"dropout": [0.3, 0.0, 0.3], "dropout_input": 0.2}]
    shapes = [shape_of(RunSpec.parse(values)) for values in (*rates, *other)]
    assert shapes[0] == shapes[1]
    assert all(shapes[number] not in shapes[:number] for number in range(2, len(shapes)))


@pytest.mark.parametrize(("field", "lacking"), list(effectless()))
def test_a_field_without_effect_is_no_part_of_what_a_run_is_known_by(field, lacking):
    beside, _ = another(field, BASE)
    values = [getattr(RunSpec.parse(value), field) for value in another(field, BASE)]
    specs = [RunSpec.model_construct(**{**dict(RunSpec()), **beside, **lacking, field: value}) for value in values]
    assert all(field in spec.without_effect() for spec in specs)
    assert len({spec.signature("t") for spec in specs}) == 1
    assert len({spec.label() for spec in specs}) == 1
    assert len({spec.describe() for spec in specs}) == 1
    assert varying(specs) == []


@pytest.mark.parametrize(
    ("grid", "says"),
    [
        ({"min_delta": [0.0, 0.1]}, "min_delta: expected one value, as it has no effect without patience, which"),
        (
            {"restore_best": [True, False]},
            "restore_best: expected one value, as it has no effect without patience",
        ),
        (
            {"bn_momentum": [0.9, 0.5]},
            "bn_momentum: expected one value, as it has no effect without bn or bn_input",
        ),
        (
            {"dropout": [0, 0.3], "widths": ["none"]},
            "dropout: expected one value, as it has no effect without widths other than none, which no run has",
        ),
        ({"bn_momentum": [0.9, 0.5], "dropout": [0, 0.3]}, "which no run has; found 0.9, 0.5"),
        (
            {"dropout_place": ["before_bn", "after_bn"], "bn": ["none", "before"]},
            "dropout_place: expected one value, as it has no effect without bn after and dropout, which",
        ),
    ],
)
def test_varying_what_has_an_effect_in_no_cell_is_refused_with_the_reason(small_table, tmp_path, grid, says):
    with pytest.raises(ConfigError) as error:
        read_mapping({"grid": grid})
    (problem,) = error.value.problems
    assert says in problem
    field = next(iter(grid))
    beside = {name: values[0] for name, values in grid.items()}
    specs = [RunSpec.parse({**beside, field: value}) for value in grid[field]]
    with pytest.raises(SpecError, match=field):
        plan(specs, small_table, tmp_path)


def test_cells_of_one_identity_are_one_run(small_table, tmp_path):
    specs = read_mapping({"grid": {"bn": ["none", "after"], "bn_momentum": [0.9, 0.5]}}).specs
    entries = plan(specs, small_table, tmp_path).entries
    assert [(entry.spec.bn, entry.spec.bn_momentum) for entry in entries] == [
        ("none", 0.9), ("after", 0.9), ("after", 0.5),
    ]  # fmt: skip


def test_a_place_without_effect_is_noted_where_batch_norm_is_elsewhere_or_dropout_is_off(small_table, tmp_path):
    for beside in ({"bn": "before", "dropout": 0.3}, {"dropout": 0.3}, {"bn": "after", "dropout_input": 0.2}):
        spec = RunSpec.parse({"dropout_place": "after_bn", **beside})
        assert spec.signature("t") == RunSpec.parse(beside).signature("t")
        (note,) = plan([spec], small_table, tmp_path).notes
        assert note == "dropout_place after_bn has no effect without bn after and dropout, which no run has"


def test_the_place_of_dropout_counts_where_there_is_dropout_and_batch_norm_after_the_activation(
    small_table, tmp_path
):
    grid = {"dropout": [0, 0.3], "bn": ["none", "before", "after"], "dropout_place": ["before_bn", "after_bn"]}
    entries = plan(read_mapping({"grid": grid}).specs, small_table, tmp_path).entries
    assert len(entries) == 7
    (moved,) = [entry.spec for entry in entries if entry.spec.trained().dropout_place == "after_bn"]
    assert (moved.dropout, moved.bn) == (0.3, "after")
    assert RunSpec(dropout_place="after_bn", bn="after", dropout_input=0.2).without_effect() == [
        "dropout_place", "positive", "min_delta", "restore_best", "group",
    ]  # fmt: skip


def test_one_value_without_effect_is_noted(small_table, tmp_path):
    noted = plan([RunSpec.parse({"min_delta": 0.1})], small_table, tmp_path).notes
    assert "min_delta 0.1 has no effect without patience, which no run has" in noted
    assert plan([RunSpec.parse({"min_delta": 0.1, "patience": 3})], small_table, tmp_path).notes == ()
