"""A batch of one row teaches batch normalization nothing: it is refused, or noted where it is the last alone."""

from __future__ import annotations

import numpy as np
import pytest

from wineexp.data.split import split_table
from wineexp.errors import SpecError
from wineexp.execution.plan import check_table
from wineexp.specs.run_spec import RunSpec

NORMALIZED = ({"bn": "before"}, {"bn": "after"}, {"bn_input": True})


@pytest.mark.parametrize("fields", NORMALIZED, ids=str)
def test_batches_of_one_row_are_refused_before_training(cli, small_table, small_csv, tmp_path, fields):
    with pytest.raises(SpecError, match=r"batch_size: expected 2 rows or more .* found 1: .*; use "):
        check_table([RunSpec(), RunSpec(batch_size=1, **fields)], small_table)
    flags = ["--bn-input"] if "bn_input" in fields else ["--bn", fields["bn"]]
    code, out, err = cli("train", "--data", small_csv, "--batch-size", 1, *flags, "--out", tmp_path / "runs")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "batch_size: expected 2 rows or more" in err
    assert not (tmp_path / "runs").exists()


def test_without_batch_normalization_they_train(small_table):
    assert check_table([RunSpec(batch_size=1)], small_table)[1] == ()


@pytest.mark.parametrize("fields", NORMALIZED, ids=str)
@pytest.mark.parametrize("split", ["random", "grouped"])
def test_a_last_batch_of_one_row_is_noted_with_a_size_that_leaves_none(small_table, fields, split):
    seeds = range(3)
    for size in (*range(2, 90), 500):
        specs = [RunSpec(batch_size=size, split=split, split_seed=seed, **fields) for seed in seeds]
        rows = {len(split_table(small_table, spec).y_train) for spec in specs}
        alone = {count for count in rows if count % size == 1}
        notes = check_table(specs, small_table)[1]
        assert len(notes) == len(alone), size
        for note in notes:
            told = [int(word) for word in note.replace(",", " ").replace(";", " ").split() if word.isdigit()]
            assert told[:2] == [next(iter(alone)), size]
            assert next(iter(alone)) % told[-1] != 1


def test_keras_itself_gives_zeros_for_one_row(tensorflow):
    import keras

    layer = keras.layers.BatchNormalization()
    assert not np.any(layer(np.array([[3.0, -2.0]], np.float32), training=True))
