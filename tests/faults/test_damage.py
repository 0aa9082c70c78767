"""Records and files are checked, not believed: every file damaged in every way, every field with bad values."""

from __future__ import annotations

import copy
import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
from support import fabricate, records
from support.batches import train

from wineexp.errors import RunError
from wineexp.runs.run import Run, find_runs
from wineexp.specs.run_spec import RunSpec

FULL = os.environ.get("WINEEXP_FAULTS") == "full"
QUICK = {"widths": "4", "epochs": 2, "batch_size": 32}


@pytest.fixture(scope="module")
def trained(small_table, tmp_path_factory, tensorflow):
    """Two runs that were trained for real."""
    out = tmp_path_factory.mktemp("trained")
    train([RunSpec.parse({**QUICK, "seed": seed}) for seed in range(2)], small_table, out)
    return out


@pytest.fixture
def outputs(trained, tmp_path):
    """A copy of them to be damaged, and the first of them."""
    shutil.copytree(trained, tmp_path / "outputs")
    return next(find_runs(tmp_path / "outputs"))


def change_a_byte(path):
    """Another digit; of run.json one that the rest contradicts."""
    content = path.read_bytes()
    at = content.find(b'"fingerprint": "') + 16 if path.name == "run.json" else content.find(b"1")
    path.write_bytes(content[:at] + (b"2" if content[at : at + 1] != b"2" else b"3") + content[at + 1 :])


DAMAGE = {
    "gone": lambda path: path.unlink(),
    "emptied": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-7]),
    "one byte changed": change_a_byte,
    "more at the end": lambda path: path.write_bytes(path.read_bytes() + b"\n1"),
    "another file's": lambda path: path.write_bytes(b"\x00\xff" * 500),
}
FILES = ["spec.yaml", "history.csv", "predictions.csv", "curves.png", "model.keras", "run.json"]


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", FILES)
def test_every_file_damaged_in_every_way_is_noticed_and_trained_again(
    outputs, small_csv, small_table, cli, tmp_path, name, damage
):
    where = ["--data", small_csv, "--out", tmp_path / "outputs"]
    before = outputs.path.joinpath("history.csv").read_bytes()
    DAMAGE[damage](outputs.path / name)
    gone = (name, damage) == ("run.json", "gone")  # then it is no run any more
    if (name, damage) == ("model.keras", "gone"):  # a model may be deleted to save space
        assert cli("runs", tmp_path / "outputs", "--check")[0] == 0
        assert "the file was deleted" in cli("predict", outputs.path, small_csv)[2]
        return
    code, out, err = cli("runs", tmp_path / "outputs", "--check", "--csv", "--columns", "run,status")
    assert code == (0 if gone else 1)
    if not gone:
        assert f"{outputs.path.name},damaged" in out
        assert "2 runs checked, 1 damaged" in err
    code, out, err = cli("compare", tmp_path / "outputs", "-o", tmp_path / "x.png", "--csv")
    assert code == 0
    seeds = 1
    assert [row["seeds"] for row in csv_rows(out)] == [str(seeds)]
    assert ("left out" in err) == (seeds == 1 and not gone)
    for command in (["show", outputs.path], ["predict", outputs.path, small_csv]):
        code, out, err = cli(*command)
        assert "Traceback" not in err
        if name == "run.json" or (name, command[0]) == ("model.keras", "predict"):
            assert (code, out) == (1, "")
            assert len(err.splitlines()) == 1
    flags = ["--widths", 4, "--epochs", 2, "--batch-size", 32, "--threads", 1]
    code, _, err = cli("train", *flags, *where)
    assert code == 0
    assert "already done" not in err
    assert outputs.path.joinpath("history.csv").read_bytes() == before, "the same run again"
    assert cli("runs", tmp_path / "outputs", "--check")[0] == 0


def csv_rows(text):
    import csv
    import io

    return list(csv.DictReader(io.StringIO(text)))


BAD_VALUES = [None, True, -1, 0, 1e308, 10**30, "", "x", "\x1b[31m", [], [[]], {}]


def places(values, above=()):
    for key, value in values.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from places(value, (*above, key))


@pytest.mark.slow
def test_every_field_with_every_bad_value_is_a_record_or_an_error_and_never_a_traceback(
    small_table, small_csv, cli, tmp_path
):
    """Each field of run.json in turn x 12 bad values, then ``runs``, ``show``, ``compare``, ``predict`` on it."""
    run = fabricate.save(tmp_path / "outputs", small_table)
    fabricate.save(tmp_path / "outputs", small_table, seed=1)
    records.rewrite(run.path, lambda record: None)  # the checksum would find each of them
    record = json.loads(run.path.joinpath("run.json").read_text())
    commands = [
        ["runs", tmp_path / "outputs", "--json"],
        ["show", run.path],
        ["compare", tmp_path / "outputs", "-o", tmp_path / "x.png"],
        ["predict", run.path, small_csv],
    ]
    edits = [(place, value) for place in places(record) for value in BAD_VALUES]
    refused = 0
    for number, (place, value) in enumerate(edits):
        broken = copy.deepcopy(record)
        inner = broken
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value
        run.path.joinpath("run.json").write_text(json.dumps(broken))
        try:
            Run(run.path).record  # noqa: B018 - reads and checks it
        except RunError as error:
            refused += 1
            assert "\n" not in str(error)  # noqa: PT017 - either is right
        # All commands on all edits are the full form; here, each edit meets one of them.
        for command in commands if FULL else [commands[number % 2]] if number % 7 else [commands[number % 4]]:
            code, _, err = cli(*command)
            assert code in (0, 1, 2), (place, value, command)
            assert "Traceback" not in err
    assert refused > len(edits) / 2


def without_checksums(record):
    record.pop("files")
    record.pop("schema")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda r: r.update(signature="01234567"), "signature and variant: expected"),
        (lambda r: r["spec"].update(dropout=0.5), "signature and variant: expected"),
        (lambda r: r["data"].update(fingerprint="0" * 64), "signature and variant: expected"),
        (lambda r: r.update(status="failed"), "reason: expected one for a failed run alone"),
        (lambda r: r["data"].update(rows=7), "data.rows: expected the sum of the sides"),
        (lambda r: r["data"].update(features=["a", "quality"]), "data.features: expected distinct columns"),
        (lambda r: r["data"]["scaling"].update(center=[0.0]), "data.scaling: expected 3 numbers each"),
        (
            lambda r: r["data"]["scaling"].update(scale=[1.0, 0.0, 1.0]),
            "data.scaling.scale: expected numbers",
        ),
        (
            lambda r: r["timing"].update(epochs=3),
            "expected 3 epochs, as recorded, found 2",
        ),
        (lambda r: r["metrics"].update(val_mae=0.5), "is damaged: metrics.val_mae: expected"),
        (lambda r: r["data"].update(twins=3), "predictions.csv: is damaged: expected 3 twins"),
        (
            lambda r: r["files"]["history.csv"].update(sha256="0" * 64),
            "history.csv: is damaged: its content",
        ),
    ],
)
def test_what_contradicts_itself_is_damaged(outputs, change, says):
    records.rewrite(outputs.path, change)
    with pytest.raises(RunError) as caught:
        Run(outputs.path).read_tables()
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("history.csv", lambda f: f.assign(epoch=f["epoch"] + 1), "expected epochs 0, 1, 2, ... in their order"),
        ("history.csv", lambda f: f.iloc[:1], "expected 2 epochs, as recorded, found 1"),
        ("history.csv", lambda f: f.assign(train_loss=1.0), "expected columns epoch, loss, val_loss, by its spec"),
        ("predictions.csv", lambda f: f.iloc[:-1], "expected 36 rows of the table's 120, found 35"),
        ("predictions.csv", lambda f: f.assign(row=f["row"].iloc[0]), "a row occurs twice"),
        ("predictions.csv", lambda f: f.assign(row=f["row"] + 100), "expected 36 rows of the table's 120"),
        ("predictions.csv", lambda f: f.assign(twin=1), "expected 0 twins, as recorded, found 36"),
        ("predictions.csv", lambda f: f.assign(actual=f["actual"] + 9), "metrics.val_mae: expected"),
        ("predictions.csv", lambda f: f.assign(predicted=float("nan")), "expected finite numbers"),
    ],
)
def test_runs_without_checksums_are_checked_for_the_rest(outputs, name, change, says):
    """As those of wineexp 0.1.0 are."""
    records.rewrite(outputs.path, without_checksums)
    Run(outputs.path).read_tables()
    path = outputs.path / name
    change(pd.read_csv(path)).to_csv(path, index=False, na_rep="nan")
    with pytest.raises(RunError) as caught:
        Run(outputs.path).read_tables()
    assert "is damaged: " in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (lambda run: run.model_path.unlink(), "has no model.keras: the file was deleted"),
        (
            lambda run: (
                records.rewrite(run.path, lambda r: r["files"].pop("model.keras")),
                run.model_path.unlink(),
            ),
            "has no model.keras: it was trained with --no-model",
        ),
        (
            lambda run: (records.rewrite(run.path, without_checksums), run.model_path.unlink()),
            "it was trained with --no-model, or the file was deleted",
        ),
        (lambda run: run.model_path.write_bytes(b"no model"), "model.keras: is damaged: expected"),
    ],
    ids=["deleted", "never saved", "of 0.1.0", "overwritten"],
)
def test_a_model_that_is_not_there_is_told_as_it_is(outputs, small_csv, cli, prepare, says):
    prepare(outputs)
    code, out, err = cli("predict", outputs.path, small_csv)
    assert (code, out) == (1, "")
    assert says in err


def test_a_record_nested_ten_thousand_deep_is_one_line(outputs, cli):
    for text in ("[" * 10_000, '{"data": ' + '{"a": ' * 10_000 + "1" + "}" * 10_001):
        outputs.path.joinpath("run.json").write_text(text)
        code, _, err = cli("show", outputs.path)
        assert code == 1
        assert len(err.splitlines()) == 1


def test_checking_reads_everything_once_and_says_how_much(outputs, cli):
    code, out, err = cli("runs", Path(outputs.path).parent, "--check")
    assert (code, err) == (0, "2 runs checked, 0 damaged\n")
    assert "damaged" not in out


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9, 1e30])
def test_targets_of_any_size_make_sound_runs(small_table, tmp_path, tensorflow, scale):
    from wineexp.data.table import Table

    table = Table(small_table.frame.assign(quality=small_table.frame["quality"] * scale), "scaled", "custom")
    (run,) = train([RunSpec.parse({**QUICK, "split": "grouped"})], table, tmp_path)
    assert run.status == "done"
    records.rewrite(run.path, without_checksums)
    assert Run(run.path).predictions is not None
