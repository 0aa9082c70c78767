"""The command line, end to end: what it prints, what it leaves, how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import jsonschema
import pandas as pd
import pytest
from conftest import ROOT
from support.processes import GUARD, TELLING, count_training, loads_tensorflow, start, wait_for
from support.terminal import shown_on_a_terminal

from wineexp.cli import COMMANDS, group
from wineexp.specs.run_spec import RunSpec
from wineexp.specs.wording import format_value

QUICK = ["--widths", "8", "--epochs", "3", "--threads", "1"]


@pytest.fixture
def train(cli, small_csv, tmp_path, tensorflow):
    return lambda *arguments: cli("train", *QUICK, "--data", small_csv, "--out", tmp_path / "out", *arguments)


def test_train_leaves_a_run_and_a_summary(train, tmp_path):
    code, out, err = train("--dropout", "0.3", "--bn", "after")
    assert code == 0
    assert "8x1 relu, dropout 0.3, batch norm after the activation" in err
    assert "epoch 3/3" in err
    for word in ("validation MAE", "constant's MAE", "skill", "training MAE", "best epoch", "files"):
        assert word in out
    (directory,) = (tmp_path / "out").iterdir()
    assert directory.name.startswith("8x1-dropout0.3-bn_after-epochs3-s0-")


def test_json_is_the_record_alone_on_stdout(train, tmp_path):
    code, out, _ = train("--json")
    assert code == 0
    (directory,) = (tmp_path / "out").iterdir()
    record = json.loads((directory / "run.json").read_text())
    assert record.pop("checksum"), "of the file, not of the record"
    assert json.loads(out) == record


def test_what_is_done_is_not_trained_again_without_force(train, tmp_path):
    train()
    (record,) = (tmp_path / "out").glob("*/run.json")
    stamp = record.stat().st_mtime_ns
    code, out, err = train()
    assert code == 0
    assert "already done" in err
    assert "validation MAE" in out
    assert record.stat().st_mtime_ns == stamp
    train("--force")
    assert record.stat().st_mtime_ns > stamp


def test_a_saved_spec_repeats_the_run(train, cli, small_csv, tmp_path):
    train("--dropout", "0.2", "--name", "mine")
    (spec,) = (tmp_path / "out").glob("*/spec.yaml")
    code, _, _ = cli("train", spec, "--data", small_csv, "--out", tmp_path / "again", "--threads", "1")
    assert code == 0
    (other,) = (tmp_path / "again").iterdir()
    assert other.name == spec.parent.name
    for name in ("spec.yaml", "history.csv", "predictions.csv"):
        assert (other / name).read_bytes() == (spec.parent / name).read_bytes()


def test_flags_stand_over_the_file_and_the_file_over_the_defaults(cli, tmp_path, small_csv):
    (tmp_path / "s.yaml").write_text("widths: 16\ndropout: 0.4\npatience: 3\n")
    code, out, err = cli(
        "train", tmp_path / "s.yaml", "--dropout", "0.2", "--patience", "none", "--data", small_csv, "--dry-run"
    )
    assert code == 0
    assert "16x1 relu, dropout 0.2, adam" in err
    assert "patience" not in err
    assert "16 units, relu" in out


def test_seeds_are_one_table_with_mean_and_spread(train, tmp_path):
    code, out, _ = train("--seeds", "3", "--seed", "5")
    assert code == 0
    records = [json.loads(p.read_text()) for p in (tmp_path / "out").glob("*/run.json")]
    assert sorted(record["spec"]["seed"] for record in records) == [5, 6, 7]
    values = pd.Series([record["metrics"]["val_mae"] for record in records])
    heads, *rows = (line.split() for line in out.splitlines())
    assert heads[:4] == ["seed", "run", "val", "MAE"]
    assert [row[0] for row in rows[:5]] == ["5", "6", "7", "mean", "sd"]
    assert {row[1] for row in rows[:3]} == {record["signature"] for record in records}
    assert (rows[3][1], rows[4][1]) == (f"{values.mean():.4f}", f"{values.std():.4f}")
    assert out.count("constant's MAE") == 1
    assert f"files {tmp_path / 'out'}/" in out
    assert len(json.loads(train("--seeds", "3", "--seed", "5", "--json")[1])) == 3


def test_a_dry_run_prints_the_lessons_layers_and_trains_nothing(cli, tmp_path, small_csv):
    code, out, _ = cli(
        "train", "--dropout", "0.3", "--bn", "after", "--dry-run", "--data", small_csv, "--out", tmp_path / "o"
    )
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == [
        "layer", *["Dense", "Dropout", "BatchNormalization"] * 3, "Dense", "total",
    ]  # fmt: skip
    assert "(rows, 1024)" in out
    assert not (tmp_path / "o").exists()


def test_a_run_that_diverges_ends_with_1_and_keeps_its_history(train, tmp_path):
    code, out, _ = train("--optimizer", "sgd", "--learning-rate", "1e6", "--loss", "mse", "--epochs", "50")
    assert code == 1
    assert "failed: diverged" in out
    (directory,) = (tmp_path / "out").iterdir()
    assert json.loads((directory / "run.json").read_text())["reason"] == "diverged"
    assert (directory / "error.txt").exists()
    assert len(pd.read_csv(directory / "history.csv")) >= 1


#: What the spec refuses is tested in specs/test_run_spec.py; here, how a command refuses.
BAD = [
    (["--dropout", "1.0"], "dropout: expected a rate"),
    (["--widths", ""], "widths: expected"),
    (["--batch-size", "x"], "batch_size: expected a whole number from 1 to 2147483647; found 'x'"),
    (["missing.yaml"], "missing.yaml: no such file"),
    (["."], "expected a YAML file, found a directory"),
    (["--target", "qualitty"], "no column 'qualitty' (did you mean 'quality'?)"),
    (["--data", "missing.csv"], "missing.csv: no such file"),
    (["--seeds", "0"], "'--seeds'"),
    (["--threads", "0"], "'--threads'"),
    (["--frobnicate"], "--frobnicate: unknown option; see wineexp train --help"),
]


@pytest.mark.parametrize(("arguments", "says"), BAD)
def test_bad_input_is_one_line_with_exit_2_and_nothing_written(
    cli, tmp_path, monkeypatch, small_csv, arguments, says
):
    monkeypatch.chdir(tmp_path)
    if "--data" not in arguments:
        arguments = [*arguments, "--data", small_csv]
    code, out, err = cli("train", *arguments)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("wineexp: ")
    assert says in err
    assert list(tmp_path.iterdir()) == []


def test_the_stand_in_says_so_everywhere(cli, tmp_path, monkeypatch, tensorflow):
    monkeypatch.chdir(tmp_path)
    code, out, err = cli("train", *QUICK)
    assert code == 0
    assert "SIMULATED" in err
    assert "SIMULATED" in out
    (directory,) = (tmp_path / "outputs").iterdir()
    assert directory.name.startswith("simulated-")
    assert json.loads((directory / "run.json").read_text())["data"]["kind"] == "simulated"
    from wineexp.runs.curves import figure
    from wineexp.runs.picture import read_png

    texts = [text.get_text() for text in figure(*read_png(directory / "curves.png")).axes[0].texts]
    assert any(text.startswith("SIMULATED TABLE") for text in texts)


def test_data_tells_which_table_and_why(cli, small_csv, tmp_path, monkeypatch):
    code, out, err = cli("data", "--data", small_csv)
    assert code == 0
    assert "rows         120 (120 distinct)" in out
    assert "named by --data" in err
    facts = json.loads(cli("data", "info", "--data", small_csv, "--json")[1])
    assert facts["kind"] == "custom"
    monkeypatch.chdir(tmp_path)
    code, _, err = cli("data", "fetch")
    assert code == 1
    assert "no address to fetch from" in err


def test_show_prints_a_run_whole(train, cli, tmp_path):
    train("--dropout", "0.2")
    (directory,) = (tmp_path / "out").iterdir()
    code, out, _ = cli("show", directory)
    assert code == 0
    for word in ("dropout", "Dense", "val_mae", "where the time went", "tensorflow", "model.keras"):
        assert word in out
    assert json.loads(cli("show", directory, "--json")[1])["status"] == "done"
    code, _, err = cli("show", tmp_path)
    assert code == 1
    assert "no run here" in err


def test_the_schema_accepts_what_the_reader_accepts(cli):
    schema = json.loads(cli("schema")[1])
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    good = [
        RunSpec().settings(),
        {"widths": "1024x3", "dropout": [0.1, 0.2, 0.3]},
        {"name": "s", "seeds": 5, "defaults": {"epochs": 3}, "grid": {"dropout": [0.0, 0.3], "bn": ["none"]}},
        {"seeds": [1, 2], "runs": [{"name": "a", "bn": "after"}]},
        {"drop": "alcohol,pH", "encode": "onehot", "split": "grouped", "group": "artist"},
        {"grid": {"drop": ["none", None, "alcohol", ["alcohol", "pH"]]}},
    ]
    bad = [
        {"drpout": 1},
        {"dropout": 1.0},
        {"bn": False},
        {"grid": {"bn": "none"}},
        {"runs": [{"seeds": 1}]},
        {"seeds": 0},
        {"drop": 0.3},
        {"features": []},
        {"encode": True},
    ]
    assert all(validator.is_valid(config) for config in good)
    assert not any(validator.is_valid(config) for config in bad)
    fields = schema["anyOf"][0]["properties"]
    assert all(field["description"] for field in fields.values())


def test_every_command_lists_its_own_first_line():
    for name, line in COMMANDS.items():
        command = group.get_command(None, name)
        assert command.get_short_help_str(200) == line, name


def test_every_field_of_the_spec_has_a_flag_with_its_default(cli):
    _, out, _ = cli("train", "--help")
    text = " ".join(out.split())
    for name, info in RunSpec.model_fields.items():
        assert f"--{name.replace('_', '-')}" in text
        default = "the optimizer's" if name in ("learning_rate", "weight_decay") else format_value(info.default)
        assert f"{info.description[1:]}. [default: {default}]" in text


@pytest.mark.parametrize("moment", ["training", "loading"])
def test_ctrl_c_records_an_interrupted_run(tmp_path, small_csv, moment):
    endless = ["train", "--widths", "8", "--epochs", 10**6, "--threads", "1", "--data", small_csv]
    process = start(endless, tmp_path, stdout=subprocess.PIPE, code=TELLING)
    wait_for(lambda: count_training(tmp_path) if moment == "training" else loads_tensorflow(process))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=GUARD)
    assert process.returncode == 130, out + err
    assert "Traceback" not in err
    (directory,) = (tmp_path / "outputs").iterdir()
    record = json.loads((directory / "run.json").read_text())
    assert record["status"] == "interrupted"
    assert "interrupted" in out
    if moment == "training":
        assert len(pd.read_csv(directory / "history.csv")) > 10


def test_tensorflows_chatter_does_not_reach_the_user(tmp_path, small_csv):
    process = start(["train", *QUICK, "--data", small_csv], tmp_path)
    _, err = process.communicate(timeout=GUARD)
    assert process.returncode == 0
    assert [line.split()[0] for line in err.splitlines()] == ["model", "table", "size", "runs", *["epoch"] * 3]


def test_on_a_terminal_a_live_bar_is_shown(tmp_path, small_csv):
    text = shown_on_a_terminal(["train", *QUICK, "--data", small_csv], tmp_path)
    assert "3/3" in text
    assert "val_loss" in text


def test_python_dash_m_is_the_same_program():
    done = subprocess.run(
        [sys.executable, "-m", "wineexp", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("wineexp ")
    assert "Keras" in done.stdout


def test_an_unknown_error_keeps_its_traceback(cli, monkeypatch, small_csv):
    from wineexp.api import training

    def broken(*_, **__):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(training, "find_table", broken)
    with pytest.raises(ZeroDivisionError):
        cli("train", "--data", small_csv)


def test_readme_and_changelog_are_there():
    root = ROOT
    assert (root / "README.md").read_text().startswith("# wineexp")
    assert (root / "CHANGELOG.md").read_text().startswith("# Changelog")


def test_a_long_training_says_first_how_long_it_may_take(cli, small_csv, tmp_path, monkeypatch, tensorflow):
    from wineexp.cli import watch

    options = ["--data", small_csv, "--widths", "8", "--epochs", 1, "--out", tmp_path]
    assert "operations a second" not in cli("train", *options)[2]
    monkeypatch.setattr(watch, "LONG", 0.0)
    said = cli("train", *options, "--seed", 1)[2]
    assert said.index("time   up to about 0 s at 40e9 operations a second") < said.index("epoch 1/1")
