"""``wineexp why``: each fault is found in plain facts, and said by the command."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import fabricate

import wineexp
from wineexp.runs.diagnosis import EXPLANATIONS, FAULTS, diagnose, first_fault
from wineexp.runs.learning import Learning, TargetScale
from wineexp.runs.record import Metrics
from wineexp.runs.score import VAL_MAE, Figures
from wineexp.runs.summary import summary
from wineexp.runs.symptoms import Facts, ModelFacts
from wineexp.specs.run_spec import RunSpec

EPOCHS = 60
LOSSES = 0.4 + 0.4 * np.exp(-np.arange(EPOCHS) / 5)
ACTUAL = np.random.RandomState(0).normal(5.6, 0.8, 200)
LEARNT = Learning(VAL_MAE, Figures(0.4, 0.66), False, 0.0, False, False, None)
METRICS = Metrics(train_mae=0.39, val_mae=0.4, baseline_loss=0.66)
FAR = TargetScale("price", 200_000.0, 80_000.0)

HEALTHY = Facts(
    path=Path("outputs/a run"),
    spec=RunSpec(epochs=EPOCHS, scale="standard"),
    metrics=METRICS,
    learning=LEARNT,
    loss=LOSSES,
    val_loss=LOSSES + 0.02,
    actual=ACTUAL,
    predicted=ACTUAL + 0.4,
    train_rows=1000,
    features=(("a", 2.0), ("b", 3.0)),
    loss_unit=1.0,
)


def spec(**fields):
    return RunSpec.parse({"epochs": EPOCHS, "scale": "standard", **fields})


def spiked(losses, epoch, factor=2):
    return np.where(np.arange(len(losses)) == epoch, factor * losses, losses)


RISING = np.where(np.arange(EPOCHS) > 8, 0.6, LOSSES)
LOST = replace(LEARNT, loses_to_constant=True, figures=Figures(1.9, 0.66))
DROPPED = {"spec": spec(dropout=0.3), "predicted": ACTUAL - 1.9}
NORMALIZED = {"spec": spec(bn="after")}
STARTED = {"spec": spec(epochs=300, patience=3), "val_loss": np.full(EPOCHS, 2.6), "loss": LOSSES + 2}

#: Key -> the facts that have it, as changes to healthy ones.
WITH = {
    "diverged": {"learning": replace(LEARNT, diverged=True), "loss": np.array([9.0, np.nan]), "predicted": None},
    "dropout": {**DROPPED, "model": ModelFacts(passes_error=0.6, passes_mean=5.5)},
    "dropout without the model": {**DROPPED, "metrics": METRICS.model_copy(update={"train_mae": 1.87})},
    "moving_averages": {**NORMALIZED, "model": ModelFacts(batches_error=0.2)},
    "moving_averages without the model": {
        "spec": spec(bn="before"),
        "metrics": METRICS.model_copy(update={"train_mae": 2.0}),
    },
    "dead_units": {"model": ModelFacts(dead=(("dense", 0.1), ("dense_1", 0.95)))},
    "constant": {"learning": replace(LEARNT, constant_predictions=True)},
    "loses": {"learning": LOST},
    "still_falling": {"learning": replace(LEARNT, falls=0.2)},
    "best_past": {"val_loss": RISING, "metrics": METRICS.model_copy(update={"train_mae": 0.1})},
    "spikes": {"loss": spiked(LOSSES, 40)},
    "spikes of val_loss": {"val_loss": spiked(LOSSES, 30)},
    "target_scale": {"learning": replace(LOST, target_scale=FAR)},
    "feature_scale": {"learning": LOST, "spec": spec(scale="none"), "features": (("a", 2.0), ("b", 289.0))},
    "few_rows": {"spec": spec(bn="after", batch_size=4)},
    "cut": STARTED,
}

#: Facts that only come near to one.
WITHOUT = {
    "passes that are hardly better": {**DROPPED, "model": ModelFacts(passes_error=1.7, passes_mean=5.5)},
    "passes that are better without a shift": {
        "spec": spec(dropout=0.3),
        "model": ModelFacts(passes_error=0.2, passes_mean=float(ACTUAL.mean()) + 0.3),
    },
    "averages that fit": {**NORMALIZED, "model": ModelFacts(batches_error=0.38)},
    "many dead units, not all": {"model": ModelFacts(dead=(("dense", 0.83),))},
    "a far target that is learnt": {"learning": replace(LEARNT, target_scale=FAR)},
    "far features that are learnt": {"spec": spec(scale="none"), "features": (("a", 289.0),)},
    "scaled features": {"features": (("a", 289.0),)},
    "the best epoch's weights": {"val_loss": RISING, "spec": spec(patience=EPOCHS)},
    "a best epoch in the second half": {"val_loss": spiked(LOSSES, 35, 0.5)},
    "a loss that falls fast at first": {"loss": spiked(LOSSES, 3, 3)},
    "few rows without batch norm": {"spec": spec(batch_size=4)},
    "patience that ran out below the constant": {"spec": spec(epochs=300, patience=3), "val_loss": RISING},
}


@pytest.mark.parametrize("case", WITH)
def test_a_fault_is_found_with_its_figures_and_a_command(case):
    faults, _ = diagnose(replace(HEALTHY, **WITH[case]))
    (fault,) = [fault for fault in faults if fault.key == case.split(" ")[0]]
    assert any(letter.isdigit() for letter in fault.evidence)
    assert fault.as_text().splitlines()[0] == f"{fault.title}: {fault.evidence}"
    assert fault.command.startswith("wineexp train 'outputs/a run/spec.yaml' --")


@pytest.mark.parametrize("case", WITH)
def test_what_is_to_be_tried_is_another_spec(case):
    """Read as the command line reads it."""
    facts = replace(HEALTHY, **WITH[case])
    for finding in diagnose(facts)[0]:
        flag, value = shlex.split(finding.command)[-2:]
        field = flag.removeprefix("--").replace("-", "_")
        text = {"epochs": int, "patience": int, "batch_size": int}.get(field, str)(value)
        text = float(text) if field in ("dropout", "learning_rate", "bn_momentum") else text
        changed = RunSpec.parse({**facts.spec.settings(), field: text})
        assert changed.trained() != facts.spec.trained(), finding.command


@pytest.mark.parametrize("case", WITHOUT)
def test_what_only_comes_near_is_no_fault(case):
    assert diagnose(replace(HEALTHY, **WITHOUT[case]))[0] == []


def test_every_fault_is_planted_here_and_they_come_worst_first():
    assert {cause.key for cause in FAULTS} == {case.split(" ")[0] for case in WITH}
    keys = [cause.key for cause in FAULTS]
    for case in WITH.values():
        found = [fault.key for fault in diagnose(replace(HEALTHY, **case))[0]]
        assert found == sorted(found, key=keys.index)


def test_the_explanations():
    below = {"val_loss": LOSSES - 0.1, "spec": spec(dropout=0.3)}
    _, (finding,) = diagnose(replace(HEALTHY, **below))
    assert finding.key == "val_loss_below"
    assert finding.meaning == "Dropout is on while loss is measured, and off for val_loss."
    assert finding.command.endswith("--eval-train")
    _, (finding,) = diagnose(replace(HEALTHY, **below | {"spec": spec()}))
    assert "weights still improve" in finding.meaning
    _, (finding,) = diagnose(replace(HEALTHY, **below | {"spec": spec(dropout=0.3, eval_train=True)}))
    assert finding.command == "wineexp inspect 'outputs/a run'"
    twins = METRICS.model_copy(update={"val_mae_twins": 0.2, "val_mae_unseen": 0.45})
    _, (finding,) = diagnose(replace(HEALTHY, metrics=twins))
    assert (finding.key, finding.command[-15:]) == ("twins", "--split grouped")
    assert diagnose(HEALTHY) == ([], [])
    assert {cause.key for cause in EXPLANATIONS} == {"val_loss_below", "twins"}


# -- of runs --------------------------------------------------------------------------------------


def test_the_command_says_and_returns_what_python_does(cli, small_table, tmp_path):
    run = fabricate.save(tmp_path, small_table, error=5, name="off")
    found = wineexp.why(run.path)
    code, out, err = cli("why", "off", "--out", tmp_path)
    assert (code, err) == (0, "note: left out, as the run has no model: dead units\n")
    assert out == "\n\n".join(found.parts()) + "\n"
    assert out.startswith("off, seed 0\n\nIt loses to a constant: val MAE ")
    code, out, err = cli("why", run.path, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == found.as_json()
    assert [fault["key"] for fault in json.loads(out)["faults"]] == ["loses"]
    assert "It loses to a constant" in repr(found)
    assert "It loses to a constant" in found._repr_html_()


def test_nothing_stands_out_in_a_healthy_run(cli, small_table, tmp_path):
    run = fabricate.save(tmp_path, small_table, losses=[(0.2, 0.2)] * 20, epochs=20, activation="tanh")
    code, out, err = cli("why", run.path)
    assert (code, out, err) == (0, f"{run.label}, seed 0\nNothing stands out.\n", "")
    assert "stands out" not in summary(run)
    assert "Nothing stands out." in wineexp.why(run)._repr_html_()


def test_what_needs_the_model_is_left_out_with_a_word(small_table, tmp_path):
    run = fabricate.save(tmp_path, small_table, dropout=0.3, bn="after")
    (word,) = wineexp.why(run).left_out
    assert word == (
        "left out, as the run has no model: whether dropout shifts the predictions, whether batch norm's moving "
        "averages fit, dead units"
    )


def test_a_run_that_diverged_is_diagnosed_and_of_another_its_end_is_said(cli, small_table, tmp_path):
    run = fabricate.fail(tmp_path, small_table)
    assert [fault.key for fault in wineexp.why(run).faults] == ["diverged"]
    for other in (
        fabricate.fail(tmp_path, small_table, reason="timeout", seed=1),
        fabricate.interrupt(tmp_path, small_table, seed=2),
    ):
        code, out, err = cli("why", other.path)
        assert (code, err) == (0, "")
        assert f"It has not finished: {other.record.outcome} after " in out
        assert f"try: wineexp train {other.path}/spec.yaml\n" in out


def test_the_first_fault_that_needs_no_model_is_a_line_of_the_summary(small_table, tmp_path):
    run = fabricate.save(tmp_path, small_table, error=5)
    fault = first_fault(run)
    assert fault.key == "loses"
    assert f"stands out      {fault.sentence}; see wineexp why {run.path}\n" in summary(run)


def test_recorded_passes_are_taken_where_there_are_any(small_table, tmp_path):
    found = fabricate.result(
        RunSpec.parse({"widths": "8", "epochs": 6, "dropout": 0.3, "mc_passes": 10}), small_table, error=5
    )
    table = found.predictions.assign(predicted_mc=found.predictions["actual"] + 0.1, predicted_mc_sd=0.1)
    metrics = found.metrics.model_copy(update={"val_mae_mc": 0.1, "val_rmse_mc": 0.1})
    run = fabricate.write(replace(found, predictions=table, metrics=metrics), tmp_path)
    fault = first_fault(run)
    assert fault.key == "dropout"
    assert "0.100 as the mean of passes with it on" in fault.evidence
