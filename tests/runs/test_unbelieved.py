"""What is shown is not believed: a record has a checksum, and of an earlier one what can be is computed."""

from __future__ import annotations

import copy
import hashlib
import json

import pandas as pd
import pytest
from support import fabricate, records
from support.batches import train

import wineexp
from wineexp.data.table import Table
from wineexp.errors import RunError
from wineexp.runs.record import Record
from wineexp.runs.run import Run
from wineexp.specs.run_spec import RunSpec

FIELDS = {"scale": "standard", "test_fraction": 0.2, "encode": "onehot", "split": "grouped", "name": "mine"}


@pytest.fixture(scope="module")
def table(small_table):
    """With a column of text, so that a record has all that a record can have."""
    kinds = ["red", "white", "red", "rosé"] * 30
    return Table(small_table.frame.assign(colour=kinds), "small", "custom", faults={"colour": "text"})


@pytest.fixture
def run(table, tmp_path):
    return fabricate.save(tmp_path / "outputs", table, **FIELDS)


def leaves(values, above=()):
    """Every place of a record that holds a plain value, in lists too."""
    pairs = values.items() if isinstance(values, dict) else enumerate(values)
    for key, value in pairs:
        if isinstance(value, (dict, list)):
            yield from leaves(value, (*above, key))
        else:
            yield (*above, key)


def changed(record, place, value):
    """A copy of the record with another value there; None where that is what it has."""
    found = copy.deepcopy(record)
    inner = found
    for key in place[:-1]:
        inner = inner[key]
    before = inner[place[-1]]
    if value is GONE:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value(before) if callable(value) else value
        if inner[place[-1]] == before and type(inner[place[-1]]) is type(before):
            return None
    return found


GONE = object()

#: Twelve edits of a leaf: absent, nothing, truth, numbers near and far, text like and unlike, a list, a mapping.
EDITS = (
    GONE, None, True, -1, 0, 1e9,
    lambda value: value * 1.0001 + 1 if isinstance(value, (int, float)) else f"{value}0",
    lambda value: -value if isinstance(value, (int, float)) else value[:-1] if isinstance(value, str) else 7,
    "", "x", [], {},
)  # fmt: skip


def test_every_leaf_edited_in_twelve_ways_is_noticed_by_the_reader(run):
    path = run.path / "run.json"
    record = json.loads(path.read_text())
    edits = 0
    for place in leaves(record):
        for value in EDITS:
            edited = changed(record, place, value)
            if edited is None:
                continue
            text = json.dumps(edited, indent=2, ensure_ascii=False) + "\n"
            with pytest.raises(RunError, match=r"run\.json: "):
                Record.of_file(text.encode(), path)
            edits += 1
    assert edits > 11 * len(list(leaves(record)))
    Record.of_file(path.read_bytes(), path)


def test_the_checksum_is_the_sha256_of_all_that_stands_before_it(run):
    content = (run.path / "run.json").read_bytes()
    body, _, rest = content.rpartition(b',\n  "checksum": ')
    assert json.loads(rest.removesuffix(b"\n}\n")) == hashlib.sha256(body).hexdigest()
    assert (
        records.sealed_text({key: value for key, value in json.loads(content).items() if key != "checksum"})
        == content
    )


COMMANDS = {
    "runs": lambda run, csv, tmp: ["runs", run.path.parent],
    "runs --check": lambda run, csv, tmp: ["runs", run.path.parent, "--check"],
    "show": lambda run, csv, tmp: ["show", run.path],
    "compare": lambda run, csv, tmp: ["compare", run.path, "-o", tmp / "x.png"],
    "report": lambda run, csv, tmp: ["report", run.path, "-o", tmp / "x.html"],
    "predict": lambda run, csv, tmp: ["predict", run.path, csv],
    "inspect": lambda run, csv, tmp: ["inspect", run.path, csv],
    "diff": lambda run, csv, tmp: ["diff", run.path, run.path],
    "export": lambda run, csv, tmp: ["export", "tensorboard", run.path, "--to", tmp / "tb"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_leaf_edited_once_is_damaged_for_every_command(run, small_csv, tmp_path, cli, command):
    path = run.path / "run.json"
    record = json.loads(path.read_text())
    places = list(leaves(record))
    for place in places[:: max(1, len(places) // 12)]:
        edited = next(found for value in EDITS[6:] if (found := changed(record, place, value)))
        path.write_text(json.dumps(edited, indent=2, ensure_ascii=False) + "\n")
        code, out, err = cli(*COMMANDS[command](run, small_csv, tmp_path))
        assert "damaged" in out + err, place
        assert code == (0 if command == "runs" else 1)
        assert "Traceback" not in err


METRICS = {
    "val_mae": 0.5, "val_mae_se": 0.5, "val_rmse": 0.5, "skill": 0.9, "best_epoch": 3, "best_val_loss": 0.01,
    "loss": 0.01, "val_loss": 0.01, "last10_val_loss": 0.01, "val_mae_unseen": 0.01, "baseline_mae": 9.0,
    "test_mae": 0.5, "test_mae_se": 0.5, "test_rmse": 0.5,
}  # fmt: skip


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_of_an_earlier_record_is_computed_from_the_files(run, name):
    records.rewrite(run.path, lambda record: record["metrics"].update({name: METRICS[name]}))
    with pytest.raises(RunError, match=rf"is damaged: metrics\.{name}: expected .*, which its files give; found"):
        Run(run.path).read_tables()


FACTS = {
    "train_median": lambda data: data.update(train_median=data["train_median"] + 1),
    "ranges": lambda data: data["ranges"].__setitem__(0, [-9.0, 9.0]),
    "scaling.center": lambda data: data["scaling"]["center"].__setitem__(1, data["scaling"]["center"][1] + 0.01),
    "scaling.scale": lambda data: data["scaling"]["scale"].__setitem__(1, data["scaling"]["scale"][1] * 0.9),
    "target_scaling": lambda data: data["target_scaling"].update(center=data["target_scaling"]["center"] + 0.01),
}  # fmt: skip


def earlier(run, change):
    """A run of schema 2 with a changed table."""
    found = records.as_earlier(run)
    records.rewrite(found.path, lambda record: change(record["data"]))
    return found


@pytest.mark.parametrize("fact", FACTS)
def test_a_fact_of_an_earlier_record_is_held_against_the_table_at_hand(
    small_table, small_csv, tmp_path, monkeypatch, cli, fact
):
    field = "scale_target" if fact == "target_scaling" else "scale"
    run = fabricate.save(tmp_path / "outputs", small_table, **{field: "standard"})
    fabricate.save(tmp_path / "outputs", small_table, **{field: "standard"}, seed=1)
    found = earlier(run, FACTS[fact])
    if fact == "train_median":  # and the figures that go with it
        metrics = json.loads((found.path / "run.json").read_text())
        median = metrics["data"]["train_median"]
        predictions = pd.read_csv(found.predictions_path)
        constant = float((predictions["actual"] - median).abs().mean())
        skill = 1 - metrics["metrics"]["val_mae"] / constant
        new = {"baseline_mae": constant, "baseline_loss": constant, "skill": skill}
        records.rewrite(found.path, lambda record: record["metrics"].update(new))
    monkeypatch.setenv("WINEEXP_DATA", str(small_csv))
    for command in (["compare", found.path, "-o", tmp_path / "x.png"], ["predict", found.path, small_csv]):
        code, _, err = cli(*command)
        assert (code, "is damaged: data." in err) == (1, True), err
    code, out, _ = cli("runs", tmp_path / "outputs", "--check")
    assert (code, "which its table gives" in out) == (1, True)
    code, _, err = cli("compare", tmp_path / "outputs", "-o", tmp_path / "x.png")
    assert (code, "left out" in err) == (0, True)


@pytest.mark.slow
def test_features_of_an_earlier_record_in_another_order_are_refused_by_what_the_model_gives(
    small_table, small_csv, tmp_path, monkeypatch, cli, tensorflow
):
    (run,) = train([RunSpec.parse({"widths": "8", "epochs": 9, "batch_size": 16})], small_table, tmp_path)
    found = records.as_earlier(run)
    monkeypatch.setenv("WINEEXP_DATA", str(small_csv))
    assert cli("predict", found.path, small_csv)[0] == 0
    records.rewrite(found.path, lambda record: record["data"].update(features=["b", "a", "c"]))
    code, out, err = cli("predict", found.path, small_csv)
    assert (code, out) == (1, "")
    assert "its model does not reproduce its recorded predictions with these features" in err


def test_where_the_table_is_not_at_hand_earlier_runs_are_marked(small_table, tmp_path, cli):
    records.as_earlier(fabricate.save(tmp_path / "outputs", small_table))
    code, _, err = cli("compare", tmp_path / "outputs", "-o", tmp_path / "x.png")
    assert code == 0
    assert "1 run written before run.json had a checksum, and the table not at hand: their training median" in err
    code, _, err = cli("runs", tmp_path / "outputs")
    assert code == 0
    assert "1 run written before run.json had a checksum: metrics as recorded" in err


def test_a_scaling_that_the_scale_cannot_give_is_refused(small_table, tmp_path):
    for fields, change in (
        ({}, {"center": [0.5, 0.0, 0.0]}),
        ({}, {"scale": [1.0, 2.0, 1.0]}),
        ({"scale": "minmax"}, {"center": [9.0, 0.0, 0.0]}),
        ({"scale": "standard"}, {"scale": [1e6, 1.0, 1.0]}),
    ):
        run = fabricate.save(tmp_path, small_table, **fields)
        records.rewrite(run.path, lambda record, change=change: record["data"]["scaling"].update(change))
        with pytest.raises(RunError, match=r"is damaged: data\.scaling: expected"):
            Run(run.path).record  # noqa: B018 - reads and checks it


def test_later_names_keep_the_record_whole(run):
    from wineexp.runs.writer import add_names

    add_names(run, ["another"])
    assert Run(run.path).record.names == ("mine", "another")
    assert wineexp.load_runs(run.path.parent)[0].metrics["val_mae"] is not None
