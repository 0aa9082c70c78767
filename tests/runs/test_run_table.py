"""``wineexp runs``: rows, conditions, order, columns."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fields import table_for

from wineexp.errors import SelectionError
from wineexp.runs.columns import COLUMNS, Condition, sort_rows
from wineexp.runs.record import Metrics, Timing
from wineexp.runs.result import history_frame, unfinished
from wineexp.runs.writer import write_run
from wineexp.specs.fields import read_text
from wineexp.specs.run_spec import RunSpec


@pytest.fixture(scope="module")
def outputs(small_table, tmp_path_factory):
    """Four runs: two rates, one of them failed, one of other widths; to be read only."""
    folder = tmp_path_factory.mktemp("outputs")
    start = unfinished(
        RunSpec(), small_table, history=history_frame([]), threads=1, timing=Timing(run_seconds=1.5)
    )

    def write(name, val_mae=None, reason=None, **fields):
        result = replace(
            start,
            spec=RunSpec.parse(fields),
            status="failed" if reason else "done",
            reason=reason,
            error=reason and f"{reason}: so",
            metrics=Metrics() if val_mae is None else Metrics(val_mae=val_mae, best_epoch=3),
        )
        write_run(result, folder).path.rename(folder / name)

    write("a", val_mae=0.61)
    write("b", val_mae=0.55, dropout=0.3)
    write("c", reason="timeout", dropout=0.3, bn_input=True)
    write("d", val_mae=0.58, widths="64x3", dropout=[0.1, 0.2, 0.3])
    (folder / "no-run").mkdir()
    return folder


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        ([], "abcd"),
        (["dropout=0.3"], "bc"),
        (["dropout = 0.30"], "bc"),
        (["dropout!=0.3"], "ad"),
        (["val_mae<0.6"], "bd"),
        (["val_mae>=0.58"], "ad"),
        (["val_mae<0.6", "dropout=0.3"], "b"),
        (["status=failed"], "c"),
        (["reason=timeout"], "c"),
        (["reason=none"], "abd"),
        (["widths=64x3"], "d"),
        (["widths=1024x3"], "abc"),
        (["widths=1024,1024,1024"], "abc"),
        (["widths!=64, 64, 64"], "abc"),
        (["dropout=.1,.20,0.3"], "d"),
        (["dropout=0.1,0.2,0.3"], "d"),
        (["bn_input=true"], "c"),
        (["learning_rate<0.01"], "abcd"),
        (["loss_name=mae"], "abcd"),
        (["patience=none"], "abcd"),
        (["val_mae<0.1"], ""),
        (["val MAE < 0.6"], "bd"),
        (["Best Epoch=3"], "abd"),
    ],
)
def test_conditions_choose_runs(cli, outputs, conditions, found):
    flags = [part for condition in conditions for part in ("--where", condition)]
    code, out, _ = cli("runs", outputs, *flags, "--csv", "--columns", "run")
    assert code == 0
    assert out.split() == (["run", *found] if found else [])


#: Each as several people would write it for a flag, and something else.
SPELLINGS = {
    "widths": (["64", "64x1", " 64 "], "64x2"),
    "dropout": (["0.3", ".30", "0.3,0.3,0.3"], "0.3,0.3,0.2"),
    "learning_rate": (["0.001", "1e-3"], "0.01"),
    "epochs": (["100", "0100"], "10"),
    "patience": (["none", "None"], "0"),
    "bn_input": (["true", "True"], "false"),
    "features": (["pH,alcohol", "alcohol, pH", '"pH",alcohol'], "alcohol"),
}


@pytest.mark.parametrize("field", SPELLINGS)
def test_a_condition_finds_what_a_flag_of_the_same_text_made(field):
    spellings, other = SPELLINGS[field]
    info = RunSpec.model_fields[field]
    for given_so in spellings:
        value = getattr(RunSpec.parse({"widths": "64x3"} | {field: read_text(given_so, info)}), field)
        row = {field: list(value) if isinstance(value, tuple) else value}
        assert all(Condition.parse(f"{field}={text}").met(row) for text in spellings)
        assert not any(Condition.parse(f"{field}!={text}").met(row) for text in spellings)
        assert not Condition.parse(f"{field}={other}").met(row)


@given(st.lists(st.integers(1, 65536), min_size=1, max_size=5))
def test_a_condition_finds_every_list_of_widths(widths):
    text = ",".join(map(str, widths))
    assert Condition.parse(f"widths={text}").met({"widths": list(RunSpec.parse({"widths": text}).widths)})
    assert not Condition.parse(f"widths={text}").met({"widths": [*widths, 1]})


def test_by_default_only_columns_that_differ_are_shown(cli, outputs):
    _, out, _ = cli("runs", outputs, "--csv")
    header = next(csv.reader(io.StringIO(out)))
    assert header == [
        "run", "status", "reason", "widths", "dropout", "bn_input", "seed",
        "val_mae", "val_mae_se", "skill", "train_mae", "best_epoch", "seconds",
    ]  # fmt: skip
    _, out, _ = cli("runs", outputs, "--where", "dropout=0.3", "--where", "status=done")
    assert out.splitlines()[0].split()[:3] == ["run", "status", "seed"]


def test_rows_are_sorted_and_those_without_a_value_come_last(cli, outputs):
    orders = {
        "val_mae": "bdac",
        "val mae": "bdac",
        "-val_mae": "adbc",
        "-val MAE": "adbc",
        "run": "abcd",
        "-run": "dcba",
    }
    for flag, order in orders.items():
        _, out, _ = cli("runs", outputs, f"--sort={flag}", "--json", "--columns", "run,val_mae")
        assert "".join(row["run"] for row in json.loads(out)) == order


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--where", "dropuot=0.3"], "unknown column 'dropuot' (did you mean 'dropout'?)"),
        (["--where", "dropout"], "expected a condition such as dropout=0.3"),
        (
            ["--where", "learning_rate=none"],
            "every run has one; where none was given, it is the optimizer's own (adam: 0.0",
        ),
        (
            ["--where", "weight_decay!=None"],
            "every run has one; where none was given, it is the optimizer's own (adam: 0)",
        ),
        (["--where", "val_mae<much"], "expected a number after <, found 'much'"),
        (["--sort", "mae"], "unknown column 'mae'"),
        (["--columns", "run,"], "unknown column ''"),
        (["--json", "--csv"], "--json and --csv: expected one of them"),
        (["no-such-folder"], "'no-such-folder' does not exist"),
    ],
)
def test_what_makes_no_sense_is_one_line_with_exit_2(cli, outputs, arguments, says):
    code, out, err = cli("runs", outputs, *arguments)
    assert (code, out) == (2, "")
    assert says in err


def test_what_is_damaged_is_listed_as_that_with_the_reason(cli, outputs, tmp_path):
    outputs = shutil.copytree(outputs, tmp_path / "damaged")
    (outputs / "b" / "run.json").write_text("{")
    (outputs / "d" / "history.csv").unlink()
    code, out, err = cli("runs", outputs, "--csv", "--columns", "run,status,reason")
    assert (code, out.splitlines()[0]) == (0, "run,status,reason")
    assert [line.split(",")[:2] for line in out.splitlines()[1:]] == [
        ["a", "done"], ["b", "damaged"], ["c", "failed"], ["d", "damaged"],
    ]  # fmt: skip
    assert "run.json: is damaged: expected JSON" in out
    assert "found no file" in out
    assert err == "note: 2 damaged: left out of comparisons, trained again by batch and train\n"
    _, out, _ = cli("runs", outputs, "--where", "status=damaged", "--csv", "--columns", "run")
    assert out.split() == ["run", "b", "d"]


def test_settings_are_shown_as_in_a_config(cli, outputs):
    _, out, _ = cli("runs", outputs, "--columns", "run,widths,dropout,learning_rate,bn_input,val_mae")
    assert out.splitlines()[4].split() == ["d", "64x3", "0.1,0.2,0.3", "0.001", "false", "0.5800"]


def test_no_runs_is_said_so(cli, tmp_path):
    assert cli("runs", tmp_path)[:2] == (0, "no runs\n")
    assert cli("runs", tmp_path, "--json")[:2] == (0, "[]\n")


def test_the_metrics_are_those_of_a_finished_run(small_table, tensorflow):
    from wineexp.training import experiment

    common = {"widths": "4", "epochs": 1, "test_fraction": 0.1, "mc_passes": 2}
    measured = set()
    for loss, table in (("mae", small_table), ("binary_crossentropy", table_for("positive", small_table))):
        spec = RunSpec.parse({**common, "loss": loss})
        measured |= experiment.run(spec, table, threads=1).metrics.model_fields_set
    assert measured == set(Metrics.model_fields) <= COLUMNS.keys()


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False))))
def test_sorting_keeps_every_row(values):
    rows = [{**dict.fromkeys(COLUMNS), "val_mae": value, "run": i} for i, value in enumerate(values)]
    ordered = sort_rows(rows, "val_mae")
    assert sorted(row["run"] for row in ordered) == list(range(len(values)))
    known = [row["val_mae"] for row in ordered if row["val_mae"] is not None]
    assert known == sorted(known)


@given(st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), st.floats(allow_nan=False, allow_infinity=False))
def test_a_condition_and_its_opposite_share_out_the_runs_with_a_value(comparison, value):
    opposite = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}[comparison]
    row = {"val_mae": 0.5}
    assert Condition("val_mae", comparison, repr(value)).met(row) != Condition(
        "val_mae", opposite, repr(value)
    ).met(row)


def test_a_condition_needs_a_known_column():
    with pytest.raises(SelectionError):
        Condition.parse("no_such=1")
