"""A field that only records more: a run that has it stands for one without, and never is another variant."""

from __future__ import annotations

import pytest
from support import fabricate, records
from support.batches import plan, train

import wineexp
from wineexp.errors import RunError
from wineexp.execution.batch_run import execute
from wineexp.execution.executor import InProcess
from wineexp.execution.progress import BatchProgress
from wineexp.execution.workers import LocalWorkers
from wineexp.runs.result import history_frame, unfinished
from wineexp.runs.run import Run
from wineexp.specs.config import read_mapping
from wineexp.specs.run_spec import RECORDING_FIELDS, RunSpec

FIELDS = {"widths": "8", "epochs": 6}
LOSSES = [(1.0, 1.0, 1.0)] * 6
PLAIN, MORE = RunSpec.parse(FIELDS), RunSpec.parse({**FIELDS, "eval_train": True})


def test_eval_train_is_a_recording_field_and_no_part_of_label_signature_or_title():
    assert {"eval_train", "mc_passes"} == RECORDING_FIELDS
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
    study = read_mapping({"defaults": FIELDS, "runs": [{}, {"eval_train": True}], "seeds": 2}).specs
    assert len(plan(study, small_table, tmp_path).entries) == 2


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


# -- amended, not trained again ------------------------------------------------------------------

DROPPED = {**FIELDS, "dropout": 0.3, "bn": "after", "test_fraction": 0.2}


def passes(count, **fields):
    return RunSpec.parse({**DROPPED, "mc_passes": count, **fields})


def kept(run):
    """What no pass may change: the training's files, the names and the moment of the plan."""
    files = [run.history_path.read_bytes(), run.model_path.read_bytes()]
    columns = [frame[["row", "actual", "predicted", "twin"]] for frame in (run.predictions, run.test_predictions)]
    texts = [frame.to_csv(index=False) for frame in columns]
    return files, texts, run.record.names, run.record.planned, run.record.timing, run.record.environment


def test_a_finished_run_is_amended_to_the_passes_asked_for_and_not_trained_again(
    small_table, tmp_path, tensorflow
):
    (before,) = train([passes(0, name="mine")], small_table, tmp_path / "runs")
    (fresh,) = train([passes(8)], small_table, tmp_path / "fresh")
    untouched = kept(before)
    for count in (8, 5, 8):
        entry = plan([passes(count)], small_table, tmp_path / "runs").entries[0]
        assert entry.train
        assert entry.amends is not None
        (after,) = train([passes(count)], small_table, tmp_path / "runs")
        assert kept(Run(after.path)) == untouched
        assert after.path == before.path
        assert after.record.spec.mc_passes == count
        assert plan([passes(count)], small_table, tmp_path / "runs").waiting == []
        assert plan([passes(0)], small_table, tmp_path / "runs").waiting == [], "it stands for one without"
    for one, other in ((after.predictions, fresh.predictions), (after.test_predictions, fresh.test_predictions)):
        assert one.to_csv() == other.to_csv(), "as if it had been trained with them"
    assert after.record.metrics == fresh.record.metrics


@pytest.mark.parametrize("executor", [LocalWorkers(1), InProcess(1)], ids=["a worker", "this process"])
def test_a_run_is_amended_wherever_runs_are_trained(executor, small_table, tmp_path, tensorflow, capsys):
    (before,) = train([passes(0)], small_table, tmp_path)
    found = plan([passes(4)], small_table, tmp_path)
    (after,) = execute(found, executor, BatchProgress()).runs
    assert "[1/1] amended      " in capsys.readouterr().err
    assert kept(Run(after.path)) == kept(before)
    assert after.record.spec.mc_passes == 4


def test_without_its_model_a_run_is_trained_again_in_its_place(small_table, tmp_path, tensorflow):
    (before,) = train([passes(0)], small_table, tmp_path)
    before.model_path.unlink()
    (entry,) = plan([passes(4)], small_table, tmp_path).entries
    assert entry.train
    assert entry.amends is None
    (after,) = train([passes(4)], small_table, tmp_path)
    assert after.path == before.path
    assert after.model_path.is_file()


def test_without_dropout_the_mean_of_passes_is_the_prediction(small_table, tmp_path):
    """No model is needed for that, nor TensorFlow's numbers."""
    fabricate.save(tmp_path, small_table, **FIELDS)
    (after,) = train([passes(4, dropout=0, bn="none", test_fraction=0)], small_table, tmp_path)
    table = after.predictions
    assert (table["predicted_mc"] == table["predicted"]).all()
    assert (table["predicted_mc_sd"] == 0).all()
    assert after.record.metrics.val_mae_mc == pytest.approx(after.record.metrics.val_mae, rel=1e-6)


def test_what_is_asked_for_with_several_numbers_of_passes_gets_the_most(small_table, tmp_path):
    (entry,) = plan([passes(0), passes(8), passes(5)], small_table, tmp_path).entries
    assert entry.spec.mc_passes == 8


def test_a_run_that_cannot_be_amended_stays_as_it_was(small_table, tmp_path):
    fabricate.save(tmp_path, small_table, **FIELDS)
    (run,) = wineexp.load_runs(tmp_path)
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    found = plan([passes(4, dropout=0, bn="none", test_fraction=0)], small_table, tmp_path)
    with pytest.raises(RunError, match=r"cannot be amended: .*no room.*; --force trains it again"):
        execute(found, InProcess(1, train=no_room))
    assert {path.name: path.read_bytes() for path in run.path.iterdir()} == before


def test_a_model_that_is_not_the_runs_own_is_not_asked_for_passes(small_table, tmp_path, tensorflow):
    """Its checksum may agree, as whoever wrote the record may have written that too."""
    (run,) = train([passes(0)], small_table, tmp_path / "runs")
    (other,) = train([passes(0, seed=1)], small_table, tmp_path / "other")
    run.model_path.write_bytes(other.model_path.read_bytes())
    facts = {"model.keras": other.record.files["model.keras"].model_dump()}
    records.rewrite(run.path, lambda record: record["files"].update(facts), sealed=True)
    before = run.predictions_path.read_bytes()
    with pytest.raises(RunError, match=r"cannot be amended: .*does not reproduce its recorded predictions"):
        train([passes(4)], small_table, tmp_path / "runs")
    assert run.predictions_path.read_bytes() == before


def no_room(spec, table, *, threads, **options):
    return unfinished(spec, table, "error", "no room", history=history_frame([]), threads=threads)
