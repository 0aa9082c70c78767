"""``wineexp why`` on real runs: every planted fault is found, and healthy runs are left in peace."""

from __future__ import annotations

import pytest
from support import troubled
from support.batches import train

import wineexp
from wineexp.specs.run_spec import RunSpec


@pytest.fixture(scope="module")
def tables(red_wine):
    return troubled.tables(red_wine)


@pytest.fixture
def diagnosed(tables, tmp_path, tensorflow, monkeypatch):
    """Train each case and return what is said of it, with its table and fields."""

    def diagnose(cases):
        for number, (name, fields) in enumerate(cases):
            (run,) = train([RunSpec.parse(fields)], tables[name], tmp_path / str(number))
            assert run.status == "done"
            path = tmp_path / f"{number}.csv"
            tables[name].frame.to_csv(path, index=False)
            monkeypatch.setenv("WINEEXP_DATA", str(path))
            found = wineexp.why(run)
            assert found.left_out == ()
            yield found, (name, fields)

    return diagnose


@pytest.mark.slow
@pytest.mark.parametrize("fault", troubled.FAULTY)
def test_a_planted_fault_is_found_in_every_run_that_has_it(fault, diagnosed):
    cases = troubled.FAULTY[fault]
    assert len(cases) >= 5
    missed = [(case, found) for found, case in diagnosed(cases) if fault not in [one.key for one in found.faults]]
    assert missed == []


@pytest.mark.slow
def test_of_forty_healthy_runs_at_most_one_has_a_fault(diagnosed):
    cases = troubled.healthy()
    assert len(cases) == 40
    false = [(case, found.faults) for found, case in diagnosed(cases) if found.faults]
    assert sum(len(faults) for _, faults in false) <= 1, false


def test_the_model_is_asked_on_the_runs_own_rows(tables, diagnosed):
    """A layer whose units are all dead, and the passes that mc_passes would record."""
    from wineexp.api.explaining import _ask
    from wineexp.runs.run import Run
    from wineexp.runs.symptoms import Facts

    fields = {"widths": "16,8", "epochs": 3, "dropout": 0.3, "bn": "after", "scale": "standard", "mc_passes": 50}
    cases = [("few", fields), ("few", {**fields, "mc_passes": 0})]
    recorded, other = (Run(found.run) for found, _ in diagnosed(cases))
    asked, again = (_ask(run, tables["few"]) for run in (recorded, other))
    val_mae_mc = recorded.record.metrics.val_mae_mc
    assert asked.passes_error is None, "they are recorded"
    assert Facts.of(recorded, asked).model.passes_error == pytest.approx(val_mae_mc)
    assert again.passes_error == pytest.approx(val_mae_mc, rel=1e-5)
    assert again.batches_error == asked.batches_error
    assert [layer for layer, _ in asked.dead] == ["dense", "dense_1"]
