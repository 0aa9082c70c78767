"""Commands and functions are one thing: the same files but for times, the same refusals."""

from __future__ import annotations

import csv
import importlib
import inspect
import io
import json
import zipfile
from pathlib import Path

import pytest
from support import fabricate

import wineexp
from wineexp import WineexpError

QUICK = {"widths": "8,8", "epochs": 2, "batch_size": 32}
FLAGS = ["--widths", "8,8", "--epochs", 2, "--batch-size", 32]
CONFIG = {"name": "cross", "defaults": QUICK, "seeds": 2, "grid": {"dropout": [0, 0.3]}}

#: What tells when and how fast, in run.json, and the checksum of it all.
TIMES = ("timing", "recorded", "planned", "checksum")


@pytest.fixture
def here(tmp_path, monkeypatch, small_csv, tensorflow):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WINEEXP_DATA", str(small_csv))
    Path("c.yaml").write_text(json.dumps(CONFIG))
    return tmp_path


def content(path):
    """A file's content, less what tells the time."""
    data = path.read_bytes()
    if path.name == "run.json":
        record = {key: value for key, value in json.loads(data).items() if key not in TIMES}
        record["files"].pop("model.keras", None)  # its metadata hold the date, so its hash does too
        return record
    if path.name == "compare.csv":
        rows = list(csv.DictReader(io.StringIO(data.decode())))
        return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]
    if path.name == "model.keras":  # its metadata hold the date
        with zipfile.ZipFile(path) as archive:
            return archive.read("config.json"), archive.read("model.weights.h5")
    return data


def tree(folder):
    """Every file below ``folder``, by its place."""
    return {str(path.relative_to(folder)): content(path) for path in Path(folder).rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("command", "function"),
    [
        (
            ["train", *FLAGS, "--dropout", 0.3, "--bn", "after", "--out", "a"],
            lambda: wineexp.train(**QUICK, dropout=0.3, bn="after", out="b"),
        ),
        (
            ["train", *FLAGS, "--seeds", 2, "--no-model", "--name", "mine", "--out", "a"],
            lambda: wineexp.train({**QUICK, "name": "mine"}, seeds=2, keep_model=False, out="b"),
        ),
        (["batch", "c.yaml", "--jobs", 0, "--out", "a"], lambda: wineexp.batch("c.yaml", jobs=0, out="b")),
        (
            ["batch", "c.yaml", "--jobs", 0, "--set", "dropout=0.1", "--out", "a"],
            lambda: wineexp.batch(CONFIG, jobs=0, overrides={"dropout": 0.1}, out="b"),
        ),
        (
            ["study", "c.yaml", "--jobs", 0, "--no-report", "--reference", "dropout=0.3", "--out", "a"],
            lambda: wineexp.study("c.yaml", jobs=0, page=False, reference="dropout=0.3", out="b"),
        ),
    ],
    ids=["train", "train seeds", "batch", "batch set", "study"],
)
def test_a_command_and_its_function_leave_the_same_files(here, cli, command, function):
    code, _, err = cli(*command)
    assert code == 0, err
    function()
    by_command, by_function = tree("a"), tree("b")
    assert by_command.keys() == by_function.keys()
    assert len(by_command) >= 5
    for name, found in by_command.items():
        assert found == by_function[name], name


def test_report_and_study_write_the_same_page_and_figure(here, cli, small_table):
    fabricate.save_cross(here / "runs", small_table)
    flags = ["--where", "bn=none", "--reference", "dropout=0.3", "--margin", 0.5, "--title", "mine"]
    code, _, err = cli("report", "runs", *flags, "-o", "a.html")
    assert code == 0, err
    given = {"where": "bn=none", "reference": "dropout=0.3", "margin": 0.5, "title": "mine"}
    assert wineexp.report("runs", **given, output="b.html") == Path("b.html")
    assert Path("a.html").read_bytes() == Path("b.html").read_bytes()
    page, figure = Path("runs/cross/report.html"), Path("runs/cross/compare.png")
    flags = ["--layout", "grid", "--metric", "val_loss", "--smooth", 3, "--full-range"]
    code, _, err = cli("study", "c.yaml", "--jobs", 0, "--out", "runs", *flags)
    assert code == 0, err
    by_command = page.read_bytes(), figure.read_bytes()
    wineexp.study("c.yaml", jobs=0, out="runs")
    assert page.read_bytes() == by_command[0], "the runs are the same ones"
    assert figure.read_bytes() != by_command[1], "it is drawn otherwise"
    wineexp.study("c.yaml", jobs=0, out="runs", layout="grid", metric="val_loss", smooth=3, full_range=True)
    assert figure.read_bytes() == by_command[1]


#: What a command has of its own: how it prints, and where to.
OWN = {"form", "as_json", "as_csv", "dry_run", "quiet", "verbose"}

#: What a command does with what its function returns, which has methods for it.
AFTERWARDS = {
    "compare": {"output", "layout", "metric", "smooth", "full_range", "title", "plan"},
    "predict": {"output"},
    "inspect": {"output"},
}

#: Parameters that Python calls otherwise.
RENAMED = {"spec_file": "spec", "configs": "config", "csv": "rows"}


@pytest.mark.parametrize(
    "name", ["train", "batch", "study", "compare", "report", "predict", "inspect", "why", "diff"]
)
def test_every_flag_of_a_command_is_a_parameter_of_its_function(name):
    command = importlib.import_module(f"wineexp.cli.commands.{name}").command
    fields = set(wineexp.RunSpec.model_fields) if name == "train" else set()
    flags = {RENAMED.get(one.name, one.name) for one in command.params}
    missing = flags - OWN - AFTERWARDS.get(name, set()) - fields
    assert missing <= set(inspect.signature(getattr(wineexp, name)).parameters)


def test_compare_says_the_same(here, cli, small_table):
    fabricate.save_cross(here / "runs", small_table)
    _, out, _ = cli("compare", "runs", "--where", "bn=none", "--json")
    assert json.loads(out) == json.loads(json.dumps(wineexp.compare("runs", where="bn=none").as_json()))


@pytest.mark.parametrize(
    ("command", "function"),
    [
        (["train", "--dropout", 2], lambda: wineexp.train(dropout="2")),
        (["train", "bad.yaml"], lambda: wineexp.train("bad.yaml")),
        (["train", "c.yaml"], lambda: wineexp.train("c.yaml")),
        (["train", "."], lambda: wineexp.train(".")),
        (["train", "--data", "no.csv"], lambda: wineexp.train(data="no.csv")),
        (["train", "--target", "qualitty"], lambda: wineexp.train(target="qualitty")),
        (["train", "--threads", 2], lambda: wineexp.train(threads=2)),
        (["batch", "no.yaml"], lambda: wineexp.batch("no.yaml")),
        (["batch", "bad.yaml"], lambda: wineexp.batch("bad.yaml")),
        (["batch", "c.yaml", "--data", "no.csv"], lambda: wineexp.batch("c.yaml", data="no.csv")),
        (["batch", "c.yaml", "--set", "target=x"], lambda: wineexp.batch("c.yaml", overrides={"target": "x"})),
        (
            ["batch", "c.yaml", "--jobs", 1, "--dask", "tcp://127.0.0.1:9"],
            lambda: wineexp.batch("c.yaml", jobs=1, dask="tcp://127.0.0.1:9"),
        ),
        (["batch", "c.yaml", "--jobs", 0, "--timeout", 3], lambda: wineexp.batch("c.yaml", jobs=0, timeout=3)),
        (["study", "c.yaml", "--reference", "nobody"], lambda: wineexp.study("c.yaml", reference="nobody")),
        (["study", "c.yaml", "--jobs", 0, "--timeout", 3], lambda: wineexp.study("c.yaml", jobs=0, timeout=3)),
        (["compare", "nowhere"], lambda: wineexp.compare("nowhere")),
        (["compare", "runs", "--where", "dropuot=1"], lambda: wineexp.compare("runs", where="dropuot=1")),
        (["compare", "runs", "--where", "dropout=0.9"], lambda: wineexp.compare("runs", where=["dropout=0.9"])),
        (["compare", "runs", "--reference", "nobody"], lambda: wineexp.compare("runs", reference="nobody")),
        (["report", "nowhere"], lambda: wineexp.report("nowhere")),
        (["predict", "nowhere", "new.csv"], lambda: wineexp.predict("nowhere", "new.csv")),
        (["diff", "nowhere", "runs"], lambda: wineexp.diff("nowhere", "runs")),
        (["diff", "runs", "runs"], lambda: wineexp.diff("runs", "runs")),
        (["rm", "nowhere", "--yes"], lambda: wineexp.remove("nowhere")),
        (["rm", "runs", "--yes"], lambda: wineexp.remove("runs")),
        (["compare", "nowhere", "--out", "runs"], lambda: wineexp.compare("nowhere", out="runs")),
        (["inspect", "nowhere"], lambda: wineexp.inspect("nowhere")),
        (["inspect", "runs/8x1-s0-cross", "new.csv"], lambda: wineexp.inspect("runs/8x1-s0-cross", "new.csv")),
        (["why", "nowhere"], lambda: wineexp.why("nowhere")),
        (["export", "tensorboard", "empty"], lambda: wineexp.export("empty", tensorboard="tb")),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_what_one_refuses_the_other_refuses_in_the_same_words(here, cli, small_table, command, function):
    fabricate.save(here / "runs", small_table)
    (here / "bad.yaml").write_text("dropout: 2\n")
    (here / "empty").mkdir()
    before = tree(".")
    code, out, err = cli(*command)
    assert out == ""
    assert code in (1, 2)
    with pytest.raises(WineexpError) as caught:
        function()
    assert err.splitlines() == [f"wineexp: {line}" for line in str(caught.value).splitlines()]
    assert caught.value.exit_code == code
    assert tree(".") == before, "nothing is written"


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: wineexp.train(3), "spec: expected a RunSpec, a YAML file or a mapping, found int 3"),
        (lambda: wineexp.train(wineexp.RunSpec(), dropout=0.3), "expected a spec or fields, found both: dropout"),
        (lambda: wineexp.train({"dropuot": 1}), "unknown field (did you mean 'dropout'?)"),
        (
            lambda: wineexp.train(widths=8, seeds=0),
            "seeds: expected how many (a whole number from 1 to 10000) or a list of seeds",
        ),
        (lambda: wineexp.batch([]), "config: expected a YAML file, a mapping or a list of RunSpecs, found none"),
        (lambda: wineexp.batch(7), "config: expected a YAML file, a mapping or a list of RunSpecs, found int 7"),
        (lambda: wineexp.batch({"seeds": {1, 2}}), "config: expected text, numbers, booleans, lists and mappings"),
        (lambda: wineexp.batch("c.yaml", jobs=-1), "jobs: expected a whole number of at least 0, found -1"),
        (lambda: wineexp.batch("c.yaml", retries=-1), "retries: expected a whole number of at least 0"),
        (lambda: wineexp.batch("c.yaml", timeout=0), "timeout: expected seconds above 0"),
        (lambda: wineexp.load_runs("nope"), "nope: no such file or directory, and outputs has no runs"),
        (lambda: wineexp.load_runs(where="val_mae"), "expected a condition such as dropout=0.3"),
        (lambda: wineexp.study("c.yaml", layout="rows"), "layout: expected one of auto, overlay, grid, verdict"),
        (
            lambda: wineexp.study("c.yaml", metric="mae"),
            "metric: expected one of both, val_loss, loss",
        ),
        (lambda: wineexp.study("c.yaml", smooth=1), "smooth: expected a whole number of epochs from 2, found 1"),
        (lambda: wineexp.compare(), "expected runs: run directories, folders of them"),
        (lambda: wineexp.compare(3), "expected a run, a path or a list of them, found int 3"),
        (lambda: wineexp.export("runs"), "expected one place, tensorboard or mlflow"),
        (lambda: wineexp.train(widths=8, data=[[1, 2]]), "data: expected"),
    ],
)
def test_what_only_python_can_say_is_refused_with_what_was_expected(here, call, says):
    with pytest.raises(WineexpError) as caught:
        call()
    assert says in str(caught.value)
    assert not Path("outputs").exists()
