"""The recipes of CONTRIBUTING.md, applied to a copy of the package: each works as it is written there.

A field and a metric are declared once, in a line or two, and are everywhere: flag, YAML, schema, docs, ``runs``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

#: A recipe's block: its file, the line that it goes before (or none: a new file), its code.
BLOCK = re.compile(r'```python\n# (\S+), (?:before "([^\n]*)"|a new file)\n(.*?)```', re.S)

RECIPES = BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of package and docs with every recipe applied."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("wineexp", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "README.md", folder)
    (folder / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "test_layering.py", folder / "tests")
    for file, before, code in RECIPES:
        path = folder / file
        if not before:
            assert not path.exists()
            path.write_text(code)
            continue
        text, place = path.read_text(), before.replace('\\"', '"')
        assert text.count(place) == 1, f"{file}: {place}"
        path.write_text(text.replace(place, code + place))
    return folder


def test_every_recipe_is_found():
    assert len(RECIPES) == 8
    assert len(RECIPES) == (ROOT / "CONTRIBUTING.md").read_text().count("```python")


@pytest.fixture
def run(copy, tmp_path, small_csv):
    def run(*arguments):
        environment = {**os.environ, "PYTHONPATH": str(copy), "WINEEXP_DATA": str(small_csv)}
        done = subprocess.run(
            [sys.executable, *map(str, arguments)], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_flag_schema_and_docs_have_it(run, copy):
    shown = " ".join(run("-m", "wineexp", "train", "--help").split())
    assert "--bn-epsilon NUMBER What batch normalization adds to each variance. [default: 0.001]" in shown
    fields = json.loads(run("-m", "wineexp", "schema"))["anyOf"][0]["properties"]
    assert fields["bn_epsilon"]["description"] == "what batch normalization adds to each variance"
    run(copy / "docs" / "generate.py")
    page = (copy / "docs" / "formats.md").read_text()
    assert "| `bn_epsilon` | 0.001 | a number above 0 | what batch normalization adds to each variance |" in page
    assert "| `val_bias` | val bias | mean error on validation rows |" in page


def test_titles_questions_and_hints_have_its_words(run):
    code = """
import numpy as np

from wineexp import RunSpec, WineexpError
from wineexp.comparison.questions import ask
from wineexp.comparison.judge import judge_errors
from wineexp.comparison.variants import Variant

plain, changed = RunSpec(bn="after"), RunSpec(bn="after", bn_epsilon=1.0)
print(plain.describe())
print(changed.describe())
variants = [Variant("one", {}, changed, None), Variant("other", {}, plain, None)]
verdicts = judge_errors({"one": {0: np.ones(9)}, "other": {0: np.zeros(9)}}, "other")
print(ask(variants, variants[1], verdicts)[0].question)
try:
    RunSpec.parse({"eps": 1})
except WineexpError as error:
    print(error)
"""
    plain, changed, question, hint = run("-c", code).splitlines()
    assert "epsilon" not in plain
    assert "batch norm epsilon 1," in changed
    assert question == "Is batch norm epsilon 1 better than batch norm epsilon 0.001?"
    assert "did you mean 'bn_epsilon'?" in hint


@pytest.mark.slow
def test_yaml_run_directory_and_table_have_it_and_old_signatures_stand(run, tmp_path, small_table):
    quick = {"widths": 8, "epochs": 2, "bn": "after"}
    config = {"defaults": quick, "runs": [{"name": "as before"}, {"bn_epsilon": 1.0, "mood": "glad"}]}
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    run("-m", "wineexp", "batch", "c.yaml", "--jobs", "0", "--no-model")
    runs = {}
    for path in (tmp_path / "outputs").glob("*/run.json"):
        record = json.loads(path.read_text())
        runs[record["spec"]["bn_epsilon"]] = record, (path.parent / "history.csv").read_bytes()
    (before, history), (changed, other) = runs[0.001], runs[1.0]
    from wineexp.specs.run_spec import RunSpec

    assert before["signature"] == RunSpec.parse(quick).signature(small_table.identity)
    assert changed["signature"] != before["signature"]
    assert other != history, "after a run without it, in one process, it trains differently"
    run(
        "-m",
        "wineexp",
        "train",
        *("--widths", 8, "--epochs", 2, "--bn", "after", "--bn-epsilon", 1.0),
        "--out",
        "alone",
    )
    (alone,) = (tmp_path / "alone").glob("*/history.csv")
    assert alone.read_bytes() == other, "as in a process of its own"
    assert changed["label"] == "8x1-bn_after-epochs2-bn_epsilon1", "a cosmetic field is in no label"
    assert isinstance(changed["metrics"]["val_bias"], float)
    (row,) = json.loads(run("-m", "wineexp", "runs", "--where", "bn_epsilon>0.5", "--json"))
    assert row["val_bias"] == changed["metrics"]["val_bias"]
    table = json.loads(run("-m", "wineexp", "runs", "--json"))
    assert sorted(row["bn_epsilon"] for row in table) == [0.001, 1.0], "it tells the two apart"
    assert "mood" not in table[0]
    assert "val bias" in run("-m", "wineexp", "runs").splitlines()[0]
    assert "bn_epsilon 1" in run("-m", "wineexp", "compare", "outputs")


def test_a_new_command_runs_and_is_listed(run):
    run("-m", "wineexp", "train", "--widths", 8, "--epochs", 1, "--no-model")
    assert run("-m", "wineexp", "best").startswith("outputs/8x1-epochs1-s0-")
    assert "best        Print the run with the lowest val MAE." in run("-m", "wineexp", "--help")


def test_a_new_exporter_and_a_new_executor_serve(run):
    code = """
from pathlib import Path
from wineexp.api.inputs import read_study
from wineexp.api.options import Source
from wineexp.api.training import plan_config, train_plan
from wineexp.execution.backwards import Backwards
from wineexp.execution.observer import Observer
from wineexp.exporters.lines import Lines

class Order(Observer):
    def ended(self, run):
        print(run.spec.seed)

config = {"defaults": {"widths": 8, "epochs": 1}, "seeds": 3}
for _ in range(2):
    plan = plan_config(read_study(config), Source())
    train_plan(plan, Backwards(1), [Lines(Path("lines.txt"))], Order())
print(len(Path("lines.txt").read_text().splitlines()), "lines")
"""
    assert run("-c", code).split() == ["2", "1", "0", "3", "lines"]
