"""Tables with text, an ID and groups, from the command line to predictions."""

from __future__ import annotations

import io
import json

import numpy as np
import pandas as pd
import pytest
from support import fabricate

import wineexp
from wineexp import compare
from wineexp.data.table import table_of_frame
from wineexp.errors import SelectionError
from wineexp.runs.run import find_runs

SMALL = ["--widths", "8", "--epochs", 2, "--batch-size", 32]


@pytest.fixture(scope="module")
def songs():
    """150 songs of 30 artists, in two keys."""
    random = np.random.RandomState(0)
    frame = pd.DataFrame(
        {
            "id": [f"s{number}" for number in random.permutation(150)],
            "artist": [f"artist {number}" for number in random.randint(0, 30, 150)],
            "key": random.choice(["C", "Am"], 150),
            "length": random.normal(3, 1, 150).round(2),
            "quality": random.normal(5, 1, 150).round(2),
        }
    )
    return frame


@pytest.fixture
def csv(songs, tmp_path):
    path = tmp_path / "songs.csv"
    songs.to_csv(path, index=False)
    return path


def test_text_that_trains_also_predicts(cli, csv, songs, tmp_path, tensorflow):
    out = tmp_path / "runs"
    table = ["--data", csv, "--out", out]
    code, _, err = cli("train", *SMALL, *table)
    assert code == 2
    assert err == (
        f"wineexp: {csv}:2: column 'id': expected a number, found '{songs['id'][0]}'; others like it: artist; "
        "key; leave them out with --drop id,artist,key\n"
    )
    assert not out.exists()
    code, _, err = cli("train", *SMALL, *table, "--drop", "id", "--drop", "artist", "--encode", "onehot")
    assert code == 0, err
    (run,) = find_runs(out)
    assert run.spec.drop == ("artist", "id")
    data = json.loads((run.path / "run.json").read_text())["data"]
    assert data["features"] == ["key=Am", "key=C", "length"]
    assert data["categories"] == {"key": ["Am", "C"]}
    recorded = pd.read_csv(run.predictions_path)
    new = songs.loc[recorded["row"], ["quality", "key", "length"]].assign(id="?", artist=None)
    new.to_csv(tmp_path / "new.csv", index=False, sep=";", decimal=",")
    code, printed, err = cli("predict", run.path, tmp_path / "new.csv")
    assert code == 0, err
    np.testing.assert_array_equal(pd.read_csv(io.StringIO(printed))["predicted"], recorded["predicted"])
    assert f"MAE {run.record.metrics.val_mae:.4f}" in err
    assert wineexp.predict(run, new).metrics["mae"] == pytest.approx(run.record.metrics.val_mae)
    code, printed, _ = cli("train", run.path / "spec.yaml", *table, "--json")
    assert json.loads(printed)["signature"] == run.signature, "its own spec is the run that is there"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            "key,length\nC,1\nDm,2\n",
            "note: column 'key': 1 row with a category that the run was not trained on",
        ),
        ("key,length,x,x,\nC,1,?,,5\n", "note: not used: x, x\n"),
        ("length,key,quality\n1, C ,\n", ": dropped empty column: 'quality'\n"),
        ("key,length\nC,1\n\n,2\n", ":4: column 'key': expected text, found nothing\n"),
        ("key,key,length\nC,Am,1\n", ":1: column 'key' occurs twice in the header\n"),
        ("keys,length\nC,1\n", ": no column 'key' (did you mean 'keys'?); the run was trained on: key, length\n"),
        ("key,length\nC,x\n", ":2: column 'length': expected a number, found 'x'\n"),
    ],
)
def test_new_rows_with_text(cli, songs, tmp_path, tensorflow, encoded_run, content, says):
    path = tmp_path / "new.csv"
    path.write_text(content)
    code, out, err = cli("predict", encoded_run.path, path)
    assert says in err
    assert code == (0 if "note: " in err else 2)
    assert bool(out) == (code == 0)
    assert "MAE" not in err


@pytest.fixture(scope="module")
def encoded_run(songs, tmp_path_factory, tensorflow):
    return wineexp.train(
        widths=8,
        epochs=1,
        encode="onehot",
        drop=["artist", "id"],
        data=songs,
        out=tmp_path_factory.mktemp("encoded"),
    )


def test_a_dry_run_counts_the_features_and_tells_of_an_index(cli, csv, songs, tmp_path):
    songs.assign(row=range(150)).to_csv(csv, index=False)
    flags = ["--data", csv, "--dry-run", "--widths", "8", "--drop", "id,artist", "--encode", "onehot"]
    code, out, err = cli("train", *flags)
    assert code == 0
    assert "total 49," in out  # (4 features + 1) * 8 + 8 + 1
    assert err.endswith(
        f"note: {csv}: column 'row' numbers the rows; if it is an index, leave it out with --drop artist,id,row\n"
    )
    code, out, err = cli("train", *flags, "--drop", "row")
    assert "total 41," in out
    assert "note: " not in err


def test_data_tells_of_text(cli, csv):
    code, out, _ = cli("data", "--data", csv, "--json")
    assert code == 0
    assert json.loads(out)["text"] == {"id": 150, "artist": 30, "key": 2}
    assert (
        "text         id (150 different), artist (30 different), key (2 different)"
        in cli("data", "--data", csv)[1]
    )


def test_an_ablation_is_planned_and_listed(cli, csv, tmp_path):
    (tmp_path / "c.yaml").write_text(
        "name: ablation\nseeds: 1\n"
        "defaults: {widths: 8, features: none, encode: onehot, split: grouped, group: artist}\n"
        "grid: {drop: [id, 'key, id', [id, length]]}\n"
    )
    code, out, err = cli("batch", tmp_path / "c.yaml", "--data", csv, "--dry-run", "--csv")
    assert code == 0, err
    plan = pd.read_csv(io.StringIO(out))
    assert plan["drop"].tolist() == ["id", "id,key", "id,length"]
    assert plan["parameters"].tolist() == [41, 25, 33]
    (tmp_path / "c.yaml").write_text("grid: {drop: [none, id]}\n")
    code, _, err = cli("batch", tmp_path / "c.yaml", "--data", csv, "--dry-run")
    assert (code, err.count("--drop id,artist,key")) == (2, 1)


def test_leaving_out_is_compared_and_asked(small_table, tmp_path, cli):
    for seed in range(2):
        for drop, error in ((None, 0.1), ("a", 0.4), ("a,b", 0.7)):
            fabricate.save(tmp_path, small_table, seed=seed, drop=drop, error=error)
    found = compare(tmp_path)
    assert [variant.label for variant in found.variants] == ["drop none", "drop a", "drop a,b"]
    assert found.questions[0].question == "Does leaving out a help?"
    for condition in ("drop=a,b", "drop=b,a", 'drop="b", a'):
        assert len(wineexp.load_runs(tmp_path, where=condition)) == 2
    assert len(wineexp.load_runs(tmp_path, where="drop=none")) == 2
    assert cli("compare", tmp_path, "--reference", "drop=a,b", "-o", tmp_path / "x.png")[0] == 0


def test_splits_that_the_columns_make_different_are_not_compared(small_table, tmp_path):
    """With an ID no rows are identical, and other groups are drawn than without."""
    frame = pd.concat([small_table.frame] * 2, ignore_index=True)
    table = table_of_frame(frame.assign(id=np.random.RandomState(0).permutation(len(frame))))
    for drop in (None, "id"):
        fabricate.save(tmp_path, table, split="grouped", drop=drop)
    with pytest.raises(
        SelectionError, match=r"runs on different splits cannot be compared: .* other validation rows"
    ):
        compare(tmp_path)
