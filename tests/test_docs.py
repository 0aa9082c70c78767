"""What README and docs show is true: every command is run, every config read, every generated part is fresh."""

from __future__ import annotations

import doctest
import inspect
import re
import shlex
import shutil
from dataclasses import replace

import generate
import pandas as pd
import pytest
from conftest import ROOT
from support.configs import read_config

import wineexp
from wineexp.execution.executor import InProcess
from wineexp.specs.parsing import STUDY_KEYS
from wineexp.specs.run_spec import RunSpec
from wineexp.specs.schema import json_schema

PAGES = generate.pages()
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
BLOCK = re.compile(r"(<!-- [^\n]* -->\n)?```(\w+)\n(.*?)```", re.S)

#: Other people's programs, which a page may name beside ours.
OTHERS = {"pip", "python", "python3", "dask", "tensorboard"}


def blocks(page, language):
    for mark, kind, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if kind == language and "not run" not in mark:
            yield text


@each_page
def test_generated_parts_are_fresh(page):
    text = page.read_text(encoding="utf-8")
    assert generate.generated(text) == text, "run: python docs/generate.py"


def test_the_picture_of_the_floors_shows_the_floors_and_imports_of_the_code():
    drawn = generate.pictured(generate.PICTURE.read_text(encoding="utf-8"))
    assert drawn == generate.picture_facts(), "run: python docs/generate.py"
    assert "floor 1: cli" in drawn
    assert "cli imports api" in drawn


@each_page
def test_every_config_that_is_shown_is_one(page, tmp_path):
    for number, text in enumerate(blocks(page, "yaml")):
        (tmp_path / f"{number}.yaml").write_text(text)
        assert read_config(tmp_path / f"{number}.yaml").specs


def test_every_key_of_a_study_is_told_and_completed_by_editors():
    table = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8").split("## YAML")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.M) == [*sorted(STUDY_KEYS, key=table.index)]
    assert json_schema()["anyOf"][1]["properties"].keys() == set(STUDY_KEYS)


@each_page
def test_every_picture_and_page_that_is_linked_is_there(page):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def anchors(page):
    """The names by which GitHub links to a page's sections."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    for heading in re.findall(r"^#+ (.*)", text, re.M):
        yield re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@each_page
def test_every_section_that_is_linked_is_there(page):
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert anchor in anchors(page.parent / target if target else page), f"{target}#{anchor}"


def test_the_index_of_the_docs_names_every_page():
    index = ROOT / "docs" / "README.md"
    linked = re.findall(r"^- \[[^]]*\]\(([^)]*)\)", index.read_text(encoding="utf-8"), re.M)
    assert sorted(linked) == sorted(page.name for page in index.parent.glob("*.md") if page != index)


def test_the_readme_is_one_screen_and_a_half():
    text = re.sub(r"^```.*?^```", "", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.S | re.M)
    assert len(text.split()) <= 950


@pytest.fixture
def reader(monkeypatch, tmp_path, red_wine_path, tensorflow):
    """A reader's folder: configs, the table, and training that is real but small, whatever a spec asks for."""
    from wineexp import runtime
    from wineexp.execution import workers
    from wineexp.training import experiment, prediction

    guarded_run, build_model = experiment.guarded_run, prediction.build_model

    def smaller(spec):
        return RunSpec.parse({**spec.settings(), "widths": [8] * len(spec.widths), "epochs": 2})

    def small(spec, table, base=None, **options):
        if base is not None:  # a run that is amended keeps what it recorded
            spec = base.spec.model_copy(update={"mc_passes": spec.mc_passes})
        return replace(guarded_run(smaller(spec), table, base=base, **options), spec=spec)

    def build_smaller(spec, features, labels=0):
        return build_model(smaller(spec), features, labels)

    def in_this_process(jobs, *, timeout, retries, keep_model):
        return InProcess(1, keep_model, train=small)

    monkeypatch.setattr(experiment, "guarded_run", small)
    monkeypatch.setattr(prediction, "build_model", build_smaller)
    monkeypatch.setattr(workers, "LocalWorkers", in_this_process)
    monkeypatch.setattr(runtime, "choose_threads", lambda parameters: 1)  # as this process has
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WINEEXP_DATA", str(red_wine_path))
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    table = pd.read_csv(red_wine_path, sep=None, engine="python")
    table.head(9).to_csv(tmp_path / "new-wines.csv", index=False)
    shutil.copy(red_wine_path, tmp_path / "winequality-red.csv")
    return tmp_path


def prepare(cli, folder):
    """What a reader has by the time that the later commands are read."""
    if (folder / "mailed.png").exists():
        return
    for flags in ([], ["--dropout", "0.3", "--bn", "after"], ["--bn", "after"]):
        assert cli("train", *flags, "--seeds", 2)[0] == 0
    run = next(folder.glob("outputs/plain-s0-*"))
    shutil.copy(run / "curves.png", folder / "mailed.png")
    (folder / "colleague").mkdir()
    shutil.copy(run / "history.csv", folder / "colleague" / "history.csv")


def prepare_predictions(page, folder):
    """The predictions that a page's Python makes, for its commands."""
    made = {"predictions.md": "ridge.csv", "tables.md": "cancer.csv"}.get(page.name)
    if made is not None and not (folder / made).exists():
        for text in blocks(page, "python"):
            exec(compile(text, page.name, "exec"), {"__name__": "page"})


def expand(word, folder):
    """A word as a shell gives it to a program; SOME-RUN stands for a run of the reader's."""
    if "SOME-RUN" in word:
        name = next(folder.glob("outputs/dropout0.3-bn_after-s0-*")).name
        word = word.replace("SOME-RUN", name)
    if "*" in word and "'" not in word:
        found = sorted(str(path.relative_to(folder)) for path in folder.glob(word))
        assert found, word
        return found
    return [word]


@pytest.mark.slow
@each_page
def test_every_command_that_is_shown_works(page, reader, cli):
    count = 0
    for text in blocks(page, "sh"):
        for line in text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if not words or words[0].removeprefix(".venv/bin/") in OTHERS:
                continue
            assert words[0] == "wineexp", line
            prepare(cli, reader)
            prepare_predictions(page, reader)
            words = words[1 : words.index(">") if ">" in words else None]
            code, out, err = cli(*(part for word in words for part in expand(word, reader)))
            assert code == 0, f"{line}\n{out}\n{err}"
            count += 1
    assert count or not list(blocks(page, "sh"))


@pytest.mark.slow
def test_the_python_that_the_readme_shows_works(reader, capsys):
    (text,) = blocks(ROOT / "README.md", "python")
    assert len(text.splitlines()) <= 10
    exec(compile(text, "README.md", "exec"), {"__name__": "readme"})


#: The public functions, each of which shows an example.
FUNCTIONS = [name for name in wineexp.__all__ if inspect.isfunction(getattr(wineexp, name))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_examples_in_the_docstrings_run(name, monkeypatch, tmp_path, tensorflow):
    from wineexp.data.simulated import simulated_table

    monkeypatch.chdir(tmp_path)
    simulated_table().frame.head(5).to_csv("new-wines.csv", index=False)
    function = getattr(wineexp, name)
    (found,) = doctest.DocTestFinder(recurse=False).find(function, name, globs={})
    assert found.examples, f"{name} shows no example"
    results = doctest.DocTestRunner().run(found)
    assert results.failed == 0
