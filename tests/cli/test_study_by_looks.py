"""A study with planned looks, from its config to its words: it trains what it must, wherever it is stopped."""

from __future__ import annotations

import json

import pytest
from support.configs import read_config

import wineexp
from wineexp.errors import ConfigError
from wineexp.execution.observer import Observer
from wineexp.page.repeat import config_text

STUDY = {
    "name": "looked",
    "defaults": {"widths": 8, "epochs": 20, "batch_size": 32, "learning_rate": 0.05, "scale": "standard"},
    "looks": [4, 5, 6],
    "runs": [{"name": "plain"}, {"name": "deaf", "learning_rate": 1e-9}, {"name": "like", "activation": "elu"}],
}


def study(out, table, observer=None, **options):
    return wineexp.study(
        STUDY, data=table, out=out, jobs=0, page=False, keep_model=False, observer=observer, **options
    )


def trained(out):
    return sorted(path.name for path in out.glob("*-s?-*"))


class Stops(Observer):
    """Ctrl-C when so many runs have ended."""

    def __init__(self, after):
        self.left = after

    def ended(self, run):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def whole(small_csv, tmp_path_factory, tensorflow):
    out = tmp_path_factory.mktemp("whole")
    return out, study(out, small_csv)


def test_seeds_are_added_only_while_it_cannot_be_told(whole):
    out, found = whole
    words = {verdict.variant_label.partition(" ")[0]: verdict for verdict in found.comparison.verdicts}
    assert "found at look 1 of 3 (4 seeds)" in words["deaf"].sentence()
    assert "cannot tell after all planned looks" in words["like"].sentence()
    names = trained(out)
    counts = [sum(name.startswith(f"{label}-") for name in names) for label in ("plain", "deaf", "like")]
    assert counts == [6, 4, 6]
    assert len(found.runs) == 16
    assert {row["variant"].partition(" ")[0]: row["look"] for row in found.comparison.rows()} == {
        "plain": None, "deaf": 1, "like": None
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 12, 15])
def test_stopped_anywhere_and_resumed_it_is_the_same(whole, small_csv, tmp_path, after):
    """In the midst of a look, at its end, and in the last one."""
    out, expected = whole
    stopped = study(tmp_path, small_csv, Stops(after))
    assert stopped.comparison is None
    assert len(trained(tmp_path)) == after
    found = study(tmp_path, small_csv)
    assert trained(tmp_path) == trained(out)
    assert found.comparison.sentences() == expected.comparison.sentences()
    assert found.comparison.rows() == [
        {**row, "seconds": again["seconds"]}
        for row, again in zip(expected.comparison.rows(), found.comparison.rows(), strict=True)
    ]
    assert found.comparison.notes == expected.comparison.notes, "stopping is no change of the study"


def test_looks_are_written_down_first_and_a_change_is_told(whole, small_csv):
    out, before = whole
    record = out / "looked" / "looks.json"
    (entry,) = json.loads(record.read_text())["entries"]
    assert (entry["planned"]["counts"], entry["runs_before"]) == ([4, 5, 6], 0)
    assert not any("was changed" in note for note in before.comparison.notes)
    found = study(out, small_csv, looks=[4, 5])
    assert "looks from 4, 5, 6 to 4, 5" in found.comparison.notes[0]
    assert "its error rate is not kept" in found.comparison.notes[0]
    assert "cannot tell after all planned looks" in " ".join(found.comparison.sentences())
    record.write_text("{")
    damaged = study(out, small_csv)
    assert "looks.json is damaged: whether the looks were changed" in damaged.comparison.notes[0]
    assert "16 of the study's runs existed before its looks were recorded" in damaged.comparison.notes[1]


def test_a_batch_does_not_judge_and_says_what_does(small_csv, tmp_path):
    with pytest.raises(ConfigError, match=r"looks: a batch does not judge what it trains; `wineexp study` does"):
        wineexp.batch(STUDY, data=small_csv, out=tmp_path, jobs=0)
    assert not list(tmp_path.iterdir())


def test_the_plan_tells_the_least_and_the_most(cli, small_csv, tmp_path):
    (tmp_path / "c.yaml").write_text(
        "looks: [2, 6]\ndefaults: {widths: 8, epochs: 1}\ngrid: {bn: [none, after]}\n"
    )
    for command in (["study"], ["batch"], ["study", "--looks", "2,6"]):
        arguments = [*command, tmp_path / "c.yaml", "--data", small_csv, "--out", tmp_path / "out", "--dry-run"]
        code, out, err = cli(*arguments)
        assert code == 0
        assert "at least 4 runs, 4 of them to train, and at most 12" in err
        assert len(out.splitlines()) == 13
    code, _, err = cli("study", tmp_path / "c.yaml", "--looks", "5;10")
    assert code == 2
    assert "expected numbers of seeds such as 5,10,20; found '5;10'" in err


SMALL = {"widths": 4, "epochs": 1, "batch_size": 64}


def small_study(out, table, runs, **options):
    config = {"name": "small", "defaults": SMALL, "looks": [2, 3], "runs": runs}
    return wineexp.study(config, data=table, out=out, jobs=0, page=False, keep_model=False, **options)


def test_runs_that_were_there_under_other_names_are_taken_up(small_csv, tmp_path, tensorflow):
    before = {"defaults": SMALL, "seeds": 2, "runs": [{"name": "foo"}, {"name": "bar", "dropout": 0.1}]}
    wineexp.batch(before, data=small_csv, out=tmp_path, jobs=0)
    found = small_study(tmp_path, small_csv, [{"name": "a"}, {"name": "b", "dropout": 0.1}])
    assert len(found.runs) == 6
    assert "4 of the study's runs existed before its looks were recorded" in found.comparison.notes[0]


def test_a_reference_may_be_the_directory_of_a_run_that_comes_later(small_csv, tmp_path, tensorflow):
    spec = wineexp.RunSpec.parse({**SMALL, "widths": "4", "dropout": 0.1, "seed": 2})
    later = wineexp.train(spec, data=small_csv, out=tmp_path / "elsewhere").path.name
    found = small_study(tmp_path, small_csv, [{}, {"dropout": 0.1}], reference=later)
    assert found.comparison.reference.label == "dropout 0.1"


def test_the_first_failure_ends_it_where_that_was_asked_for(small_csv, tmp_path, tensorflow):
    runs = [{}, {"optimizer": "sgd", "learning_rate": 1e30, "loss": "mse"}, {"dropout": 0.1}]
    found = small_study(tmp_path, small_csv, runs, fail_fast=True)
    assert {run.spec.seed for run in found.runs} <= {0, 1}, "the second look is not trained"
    assert found.runs[-1].status == "failed"
    assert not any(verdict.is_told for verdict in found.comparison.verdicts), "nor the first one concluded from"


@pytest.mark.parametrize(
    "config", [{"split_seeds": 5, "runs": [{}]}, {"grid": {"split_seed": [0, 1], "bn": ["none", "after"]}}]
)
def test_looks_are_for_one_split(small_csv, tmp_path, config):
    with pytest.raises(ConfigError, match="looks"):
        wineexp.study(config, looks=[2, 3], data=small_csv, out=tmp_path, jobs=0, page=False)
    assert not list(tmp_path.iterdir())


def test_the_page_repeats_the_study_that_was_run(whole, tmp_path):
    _, found = whole
    (tmp_path / "again.yaml").write_text(config_text(found.comparison, "looked"))
    again = read_config(tmp_path / "again.yaml")
    assert again.looks.counts == (4, 5, 6)
    assert {spec.without_seed() for spec in again.specs} == {variant.spec for variant in found.comparison.variants}


def test_without_verdicts_the_figure_has_the_curves(small_csv, tmp_path, tensorflow):
    config = {"name": "alone", "defaults": SMALL, "seeds": 2}
    found = wineexp.study(config, data=small_csv, out=tmp_path, jobs=0, page=False, layout="verdict")
    assert (tmp_path / "alone" / "compare.png").exists()
    assert "no verdicts to draw: the figure shows the curves" in found.comparison.notes


def test_a_reference_that_failed_is_replaced_with_a_note(small_csv, tmp_path, tensorflow):
    runs = [{"name": "lost", "optimizer": "sgd", "learning_rate": 1e30, "loss": "mse"}, {}, {"dropout": 0.1}]
    notes = small_study(tmp_path, small_csv, runs).comparison.notes
    assert any("was to be the reference and has no finished run" in note for note in notes)


def test_a_plain_comparison_knows_that_looks_decided_on_the_seeds(whole, small_csv, tmp_path, tensorflow):
    out, found = whole
    told = "seeds were added by planned looks (looked)"
    (note,) = [note for note in wineexp.compare(out).notes if note.startswith(told)]
    assert "the error rate is not kept" in note
    assert not any(note.startswith(told) for note in found.comparison.notes), "the study itself keeps it"
    some = wineexp.compare(out, where="learning_rate=0.05").notes
    assert any(note.startswith(told) for note in some)
    plain = {"defaults": SMALL, "seeds": 2, "grid": {"bn": ["none", "after"]}}
    wineexp.batch(plain, data=small_csv, out=tmp_path, jobs=0)
    assert not any("planned looks" in note for note in wineexp.compare(tmp_path).notes)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "looks.json").write_text("{}")
    assert any("planned looks (other)" in note for note in wineexp.compare(tmp_path).notes), "it cannot be told"


def test_a_plan_of_looks_over_several_splits_is_refused_too(cli, small_csv, tmp_path):
    (tmp_path / "c.yaml").write_text("grid: {split_seed: [0, 1], bn: [none, after]}\nlooks: [2, 3]\n")
    code, _, err = cli("study", tmp_path / "c.yaml", "--data", small_csv, "--dry-run")
    assert code == 2
    assert "c.yaml:2: looks: expected one split of the table, found 2" in err
