"""A field that only records more: a run that has it stands for one without, and never is another variant."""

from __future__ import annotations

import pytest
from support import fabricate, records
from support.batches import plan, train

import wineexp
from wineexp.runs.run import Run
from wineexp.specs.config import read_mapping
from wineexp.specs.run_spec import RECORDING_FIELDS, RunSpec

FIELDS = {"widths": "8", "epochs": 6}
LOSSES = [(1.0, 1.0, 1.0)] * 6
PLAIN, MORE = RunSpec.parse(FIELDS), RunSpec.parse({**FIELDS, "eval_train": True})


def test_eval_train_is_a_recording_field_and_no_part_of_label_signature_or_title():
    assert {"eval_train"} == RECORDING_FIELDS
    assert MORE.signatures("t") == PLAIN.signatures("t") != MORE.earlier_signatures("t")
    assert (MORE.label(), MORE.describe(), MORE.differing()) == (
        PLAIN.label(),
        PLAIN.describe(),
        PLAIN.differing(),
    )
    assert MORE.records(PLAIN)
    assert not PLAIN.records(MORE)


def test_a_run_that_records_more_stands_for_one_without(small_table, tmp_path):
    fabricate.save(tmp_path, small_table, losses=LOSSES, **FIELDS, eval_train=True)
    assert plan([PLAIN, MORE], small_table, tmp_path).waiting == []


def test_what_was_not_recorded_is_trained_again_in_its_place(small_table, tmp_path, tensorflow):
    (before,) = train([PLAIN], small_table, tmp_path)
    history = before.history_path.read_bytes()
    assert plan([PLAIN], small_table, tmp_path).waiting == []
    (after,) = train([MORE], small_table, tmp_path)
    assert after.path == before.path
    assert "train_loss" in after.history_path.read_text()
    assert [run.path for run in wineexp.load_runs(tmp_path)] == [after.path]
    assert after.history_path.read_bytes() != history
    assert plan([PLAIN, MORE], small_table, tmp_path).waiting == []


def test_asked_for_with_and_without_one_run_records_it(small_table, tmp_path):
    for specs in ([PLAIN, MORE], [MORE, PLAIN]):
        found = plan(specs, small_table, tmp_path)
        assert [entry.spec.eval_train for entry in found.entries] == [True]
        assert [entry.spec.eval_train for entry in found.part({PLAIN}).entries] == [True]
    grid = read_mapping({"defaults": FIELDS, "grid": {"eval_train": [False, True]}, "seeds": 2}).specs
    assert len(plan(grid, small_table, tmp_path).entries) == 2


@pytest.mark.parametrize("fields", [{"eval_train": True}, {"min_delta": 0.5}, {"bn_momentum": 0.5}])
def test_earlier_runs_are_found_by_the_signature_of_then_and_not_trained_again(small_table, tmp_path, fields):
    losses = LOSSES if "eval_train" in fields else None
    earlier = records.as_earlier(fabricate.save(tmp_path, small_table, losses=losses, **FIELDS, **fields))
    spec = RunSpec.parse({**FIELDS, **fields})
    assert earlier.signature != spec.signature(small_table.identity)
    assert plan([spec], small_table, tmp_path).waiting == []
    assert plan([PLAIN], small_table, tmp_path).waiting == []
    assert Run(earlier.path).record.key == PLAIN.signature(small_table.fingerprint)
    assert [run.path for run in wineexp.load_runs(earlier.signature, out=tmp_path)] == [earlier.path]


def test_an_earlier_pair_with_and_without_it_counts_once(small_table, tmp_path):
    """As five seeds with and five without were two variants, two comparisons, and a question in the page."""
    for seed in range(3):
        for fields in ({}, {"eval_train": True}):
            losses = LOSSES if fields else None
            more = fields | {"seed": seed, "name": "more" if fields else None}
            run = fabricate.save(tmp_path, small_table, losses=losses, **FIELDS, **more)
            records.as_earlier(run)
        fabricate.save(tmp_path, small_table, error=0.4, dropout=0.3, seed=seed, **FIELDS)
    found = wineexp.compare(tmp_path, reference="dropout=0")
    assert [(variant.seeds, len(variant.runs)) for variant in found.variants] == [([0, 1, 2], 3)] * 2
    (verdict,) = found.verdicts
    assert verdict.comparisons == 1
    assert "train_loss" in found.reference.lines, "of a pair the one that records more is shown"
    assert not any("train_loss" in question.question for question in found.questions)
