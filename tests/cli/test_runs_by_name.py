"""Runs by path, directory name, signature, label and study, wherever a command takes RUN."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support import fabricate, records
from support.batches import train

import wineexp
from wineexp.errors import RunError
from wineexp.runs.run import find_runs
from wineexp.runs.study_file import record_study
from wineexp.specs.run_spec import RunSpec

QUICK = {"widths": "8", "epochs": 2, "batch_size": 32}

#: Form -> the text that stands for a run of its own, whose directory is given.
FORMS = {
    "path": lambda run: str(run.path),
    "path with a slash": lambda run: f"{run.path}/",
    "model": lambda run: str(run.model_path),
    "record": lambda run: str(run.path / "run.json"),
    "directory": lambda run: run.path.name,
    "signature": lambda run: run.signature,
    "beginning": lambda run: run.signature[:6],
    "label": lambda run: run.label,
    "study of one run": lambda run: "of one",
    "study's folder": lambda run: "outputs/of_one",
}

#: Command -> its arguments with RUN in their midst; what it prints on stdout tells which run it took.
COMMANDS = {
    "show": ["show", "RUN", "--json"],
    "predict": ["predict", "RUN", "new.csv"],
    "inspect": ["inspect", "RUN", "new.csv", "--json"],
    "diff": ["diff", "RUN", "outputs/OTHER", "--json"],
    "diff, second": ["diff", "outputs/OTHER", "RUN", "--json"],
    "compare": ["compare", "RUN", "--json"],
    "compare, two": ["compare", "outputs/OTHER", "RUN", "--json"],
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory, small_table, tensorflow):
    """Real runs, two seeds of one variant and one with a name, which is a study too."""
    out = tmp_path_factory.mktemp("trained") / "outputs"
    specs = [RunSpec.parse({**QUICK, "seed": seed}) for seed in (0, 1)]
    named = RunSpec.parse({**QUICK, "dropout": 0.3, "name": "my first model"})
    runs = train([*specs, named], small_table, out)
    record_study(out / "of_one", "of one", [runs[2].signature])
    record_study(out / "of_two", "of two", [runs[2].signature, runs[0].signature])
    return out


@pytest.fixture
def here(trained, tmp_path, monkeypatch, small_csv):
    """A folder of one's own with these runs; the run with a name, and the first of the others."""
    shutil.copytree(trained, tmp_path / "outputs")
    shutil.copy(small_csv, tmp_path / "new.csv")
    monkeypatch.chdir(tmp_path)
    runs = {run.label: run for run in find_runs(Path("outputs")) if run.spec.seed == 0}
    return runs["my first model"], runs["8x1-batch_size32-epochs2"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_every_form(cli, here, command, form):
    run, other = here

    def call(text):
        words = [part.replace("OTHER", other.path.name) for part in COMMANDS[command]]
        return cli(*(text if word == "RUN" else word for word in words))

    code, out, err = call(FORMS[form](run))
    assert code == 0, err
    assert out == call(str(run.path))[1]
    assert out


@pytest.mark.parametrize("form", FORMS)
def test_report_export_and_rm_take_every_form(cli, here, form):
    run, _ = here
    text, there = FORMS[form](run), set(Path("outputs").iterdir())
    assert cli("report", text, "-o", "page.html")[0] == 0
    assert "my first model" in Path("page.html").read_text()
    assert cli("export", "tensorboard", text)[::2] == (
        0, "TensorBoard: 1 run sent, 0 already there, 0 failed\n",
    )  # fmt: skip
    code, _, err = cli("rm", text, "--yes")
    if form in ("model", "record"):
        assert code == 1
        assert "expected a run directory, or a name of runs or of a study; found a file" in err
        assert set(Path("outputs").iterdir()) == there
    elif "study" in form:
        # The run is of two studies, so it stays; what was the study's own goes.
        assert there - set(Path("outputs").iterdir()) == {Path("outputs/of_one")}
    else:
        assert there - set(Path("outputs").iterdir()) == {run.path}


@pytest.mark.parametrize("command", ["compare", "report", "export"])
@pytest.mark.parametrize("text", ["8x1-batch_size32-epochs2", "of two", "outputs/of_two"])
def test_a_label_is_all_its_seeds_and_a_study_all_its_runs(cli, here, command, text):
    if command == "compare":
        code, out, _ = cli("compare", text, "--json")
        assert sum(row["seeds"] for row in json.loads(out)["variants"]) == 2
    elif command == "report":
        code, _, _ = cli("report", text)
    else:
        code, _, err = cli("export", "tensorboard", text)
        assert "2 runs sent" in err
    assert code == 0


def test_a_studys_first_run_is_the_reference(cli, here):
    _, out, _ = cli("compare", "of two", "--json")
    found = {row["variant"]: row["reference"] for row in json.loads(out)["variants"]}
    assert found == {"my first model (dropout 0.3)": True, "dropout 0": False}


@pytest.mark.parametrize(
    "arguments",
    [["show"], ["predict", "new.csv"], ["inspect", "new.csv"], ["diff", "outputs/of_one"]],
    ids=lambda words: words[0],
)
@pytest.mark.parametrize("text", ["8x1-batch_size32-epochs2", "of two", "outputs/of_two"])
def test_several_runs_are_refused_with_their_names_where_one_is_taken(cli, here, arguments, text):
    command, *rest = arguments
    code, out, err = cli(command, text, *rest)
    assert (code, out) == (1, "")
    assert err.startswith(f"wineexp: {text}: expected one run, found 2 of that name; give one of ")
    assert here[1].path.name in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "my first modle"], ["predict", "my first modle", "new.csv"], ["inspect", "my first modle"],
        ["diff", "my first modle", "of one"], ["compare", "my first modle"], ["report", "my first modle"],
        ["export", "tensorboard", "my first modle"], ["rm", "my first modle", "--yes"],
    ],
    ids=lambda words: words[0],
)  # fmt: skip
def test_nothing_of_that_name_is_one_line_with_the_nearest(cli, here, arguments):
    code, out, err = cli(*arguments)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "my first modle: no such file or directory, nor a run's directory name" in err
    assert "in outputs (did you mean 'my first model'?)" in err


def test_names_are_looked_for_in_out_and_what_is_no_folder_is_no_out(cli, here):
    run, _ = here
    shutil.move("outputs", "elsewhere")
    assert cli("show", run.signature)[0] == 1
    assert cli("show", run.signature, "--out", "elsewhere")[0] == 0
    assert cli("compare", "of two", "--out", "elsewhere")[0] == 0
    assert cli("runs", "--study", "of two", "--out", "elsewhere")[0] == 0
    code, _, err = cli("compare", "of two", "--out", "figure.png")
    assert code == 2
    assert "expected a folder of runs, found none at 'figure.png'" in err


def test_python_takes_the_same(here):
    run, other = here
    assert [one.path for one in wineexp.load_runs("of two")] == [run.path, other.path]
    assert [one.path for one in wineexp.load_runs(run.signature[:4], "my first model")] == [run.path], "each once"
    assert wineexp.predict("my first model", "new.csv").runs[0].path == run.path
    assert wineexp.diff(run, other.signature).first == run.path
    with pytest.raises(RunError, match="expected one run, found 2"):
        wineexp.inspect("of two", "new.csv")


def test_runs_of_a_study_in_its_order_and_the_newest_first(cli, small_table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = [fabricate.save(Path("outputs"), small_table, seed=seed) for seed in (0, 1, 2)]
    for run, recorded in zip(runs, ("2026-01-02", "2026-01-03", "2026-01-01"), strict=True):
        date = f"{recorded}T00:00:00+00:00"
        records.rewrite(run.path, lambda record, date=date: record.update(recorded=date), sealed=True)
    record_study(Path("outputs/x"), "x", [runs[2].signature, runs[0].signature])

    def seeds(*arguments):
        return [row["seed"] for row in json.loads(cli("runs", *arguments, "--json")[1])]

    assert seeds("--study", "x") == [2, 0]
    assert seeds("--newest") == [1, 0, 2]
    assert seeds("--study", "x", "--newest") == [0, 2]
    assert "2026-01-03T00:00:00+00:00" in cli("runs", "--newest")[1]
    code, _, err = cli("runs", "--newest", "--sort", "seed")
    assert (code, err) == (2, "wineexp: --newest and --sort: expected one of them\n")
    code, _, err = cli("runs", "--study", "y")
    assert (code, err) == (
        1, "wineexp: y: no study of that name in outputs; `wineexp study` records one when it starts\n",
    )  # fmt: skip
