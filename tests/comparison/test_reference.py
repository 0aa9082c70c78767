"""One rule chooses the reference: for commands, functions and what a notebook shows."""

from __future__ import annotations

import itertools
import json
import pickle
import shutil

import pytest
from matplotlib.figure import Figure
from support import fabricate

from wineexp import compare, load_runs
from wineexp.api.saved_run import SavedRuns
from wineexp.comparison.comparison import Comparison
from wineexp.runs.study_file import record_study

SETTINGS = ({}, {"bn": "after"}, {"bn": "before", "dropout": 0.3})
PLAIN = "dropout 0, bn none"


@pytest.fixture(scope="module")
def runs(small_table, tmp_path_factory):
    """Two seeds of three variants; the plain one is neither the first nor the last by name."""
    folder = tmp_path_factory.mktemp("runs")
    for seed in range(2):
        for number, settings in enumerate(SETTINGS):
            name = ("m", "a", "z")[number]
            fabricate.save(folder / "outputs", small_table, error=0.3 + 0.1 * number, seed=seed, **settings)
            fabricate.save(folder / "named", small_table, seed=seed, name=name, **settings)
    return folder


@pytest.fixture
def here(runs, tmp_path, monkeypatch):
    """A folder of one's own with them."""
    monkeypatch.setattr(Comparison, "draw", lambda *_, **__: Figure((1, 1)))  # which is not what is tested
    monkeypatch.chdir(shutil.copytree(runs, tmp_path, dirs_exist_ok=True))
    return tmp_path


@pytest.fixture
def reference(cli):
    """The reference as the command says it."""

    def of(*arguments):
        code, out, err = cli("compare", *arguments, "--json")
        assert code == 0, err
        return next(row["variant"] for row in json.loads(out)["variants"] if row["reference"])

    return of


def in_words(found):
    """The reference as a notebook says it."""
    return found._repr_html_().partition("compares with the reference, \N{LEFT DOUBLE QUOTATION MARK}")[2]


def test_of_runs_given_one_by_one_the_first_is_the_reference_in_every_order(here, reference):
    for order in itertools.permutations(load_runs(where="seed=0")):
        first = compare("outputs", reference=order[0]).reference.label
        assert reference(*(run.path for run in order)) == first
        assert reference(*(run.signature for run in order)) == first
        for given in (order, [list(order)], [run.path for run in order], [run.signature for run in order]):
            found = compare(*given)
            assert found.reference.label == first
            assert in_words(found).startswith(first)


@pytest.mark.parametrize("where", [[], ["epochs=6"], ["epochs=6", "seed=0"]])
@pytest.mark.parametrize("folder", ["outputs", "named"])
def test_of_runs_that_were_found_the_one_nearest_the_defaults_is_the_reference(here, reference, folder, where):
    told = reference(folder, *(f"--where={text}" for text in where))
    assert told.removeprefix("m (").removesuffix(")") == PLAIN
    runs = load_runs(folder, where=where)
    copies = (runs, runs[::-1], runs[:], pickle.loads(pickle.dumps(runs)))
    found = [compare(folder, where=where), *map(compare, copies)]
    first = [run for run in runs if run.spec.seed == 0]
    found += [compare(SavedRuns(order)) for order in itertools.permutations(first)]
    assert {one.reference.label for one in found} == {told}
    assert in_words(found[1]).startswith(told)


def test_among_equally_near_ones_the_order_does_not_matter_either(here, small_table):
    for dropout in (0.2, 0.1):
        fabricate.save(here / "equal", small_table, dropout=dropout)
    runs = load_runs("equal")
    assert {compare(given).reference.label for given in ("equal", runs, runs[::-1])} == {"dropout 0.1"}


def test_of_a_study_the_first_of_its_config_is_the_reference(here, reference):
    for order in itertools.permutations(load_runs(where="seed=0")):
        record_study(here / "outputs" / "mine", "mine", [run.signature for run in order])
        first = compare("outputs", reference=order[0]).reference.label
        runs = load_runs("mine")
        found = [compare(given).reference.label for given in ("mine", "outputs/mine", runs, runs[:])]
        assert [reference("mine"), *found] == [first] * 5


def test_names_given_to_load_runs_are_as_if_given_to_compare(here, reference):
    for names in itertools.permutations("maz"):
        told = reference(*names, "--out", "named")
        assert told.startswith(f"{names[0]} (")
        assert compare(*names, out="named").reference.label == told
        assert compare(load_runs(*names, out="named")).reference.label == told
