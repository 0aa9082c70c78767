"""Many runs: the plan, what is skipped, what is recorded when."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from conftest import ROOT
from support.batches import plan, train

from wineexp.errors import DataError, RunError
from wineexp.execution.batch_run import execute
from wineexp.execution.executor import Task, always
from wineexp.execution.observer import Observer
from wineexp.execution.plan import check_table
from wineexp.runs.result import history_frame, unfinished
from wineexp.specs.run_spec import RunSpec

SPECS = [RunSpec.parse({"widths": "8", "epochs": 2, "seed": seed}) for seed in range(4)]


class Fake:
    """Ends each task at once, ``bad`` ones as failed; after ``stop`` results it meets a Ctrl-C."""

    def __init__(self, bad=(), stop=None, losses=(1.0, 0.9)):
        self.bad, self.stop, self.begun, self.interrupted = bad, stop, [], False
        self.losses = losses

    def run(self, tasks, table, on_epoch, begin=always):
        try:
            for count, task in enumerate(tasks):
                if not begin(task):
                    continue
                if count == self.stop:
                    raise KeyboardInterrupt
                self.begun.append(task.spec.seed)
                on_epoch(task, 0, 1.0, 0.9)
                status = "failed" if task.spec.seed in self.bad else "done"
                yield task, ended(task, table, status, self.losses)
        except KeyboardInterrupt:
            self.interrupted = True
            yield task, ended(task, table, "interrupted")


def ended(task: Task, table, status, losses=(1.0, 0.9)):
    failed = {"reason": "error", "error": "it burst"} if status == "failed" else {}
    result = unfinished(task.spec, table, history=history_frame([losses]), threads=1, **failed)
    return replace(result, status=status)


def test_runs_with_one_signature_are_planned_once_with_all_names(small_table, tmp_path):
    specs = [RunSpec(widths="8", name="a"), RunSpec(widths="8,4"), RunSpec(widths="8", name="b")]
    planned = plan(specs, small_table, tmp_path)
    assert [(entry.spec.widths, entry.names) for entry in planned.entries] == [((8,), ("a", "b")), ((8, 4), ())]
    (run, _) = execute(planned, Fake()).runs
    assert run.record.names == ("a", "b")


def test_only_what_is_not_done_is_trained_again(small_table, tmp_path):
    first = Fake(bad=[1])
    train(SPECS, small_table, tmp_path, first)
    assert first.begun == [0, 1, 2, 3]
    again = Fake()
    runs = train(SPECS, small_table, tmp_path, again)
    assert again.begun == [1]
    assert [run.spec.seed for run in runs] == [0, 1, 2, 3]
    forced = plan(SPECS, small_table, tmp_path, force=True)
    assert all(entry.train for entry in forced.entries)


def test_skip_failed_leaves_failures_alone(small_table, tmp_path):
    train(SPECS, small_table, tmp_path, Fake(bad=[1]))
    planned = plan(SPECS, small_table, tmp_path, skip_failed=True)
    assert [entry.train for entry in planned.entries] == [False] * 4
    assert planned.entries[1].before is not None
    assert planned.entries[1].before.status == "failed"


def test_one_bad_run_never_stops_the_others_but_fail_fast_does(small_table, tmp_path):
    all_of_them, some = Fake(bad=[1]), Fake(bad=[1])
    runs = train(SPECS, small_table, tmp_path, all_of_them)
    assert [run.status for run in runs] == ["done", "failed", "done", "done"]
    planned = plan(SPECS, small_table, tmp_path / "other")
    runs = execute(planned, some, fail_fast=True).runs
    assert some.begun == [0, 1]
    assert [run.status for run in runs] == ["done", "failed"]


def test_each_run_is_recorded_the_moment_it_ends(small_table, tmp_path):
    class Watcher(Observer):
        def ended(self, run):
            counts.append(len(list(tmp_path.glob("*/run.json"))))

    counts = []
    train(SPECS, small_table, tmp_path, Fake(), Watcher())
    assert counts == [1, 2, 3, 4]


def test_ctrl_c_keeps_what_ended_and_the_history_of_what_ran(small_table, tmp_path):
    runs = train(SPECS, small_table, tmp_path, Fake(stop=2))
    assert [run.status for run in runs] == ["done", "done", "interrupted"]


def test_ctrl_c_while_a_run_is_written_reaches_the_executor_too(small_table, tmp_path):
    class Impatient(Observer):
        def ended(self, run):
            if run.spec.seed == 1 and run.status == "done":
                raise KeyboardInterrupt

    executor = Fake()
    runs = train(SPECS, small_table, tmp_path, executor, Impatient())
    assert executor.interrupted
    assert executor.begun == [0, 1]
    assert [run.status for run in runs] == ["done", "interrupted"]  # the fake stops the same task again


def test_an_interrupted_run_does_not_replace_a_whole_one(small_table, tmp_path):
    train(SPECS[:1], small_table, tmp_path, Fake())
    planned = plan(SPECS[:1], small_table, tmp_path, force=True)
    execute(planned, Fake(stop=0))
    (again,) = plan(SPECS[:1], small_table, tmp_path).entries
    assert not again.train


def test_a_folder_that_cannot_be_written_is_found_before_training(small_table, tmp_path):
    (tmp_path / "file").write_text("no folder")
    executor = Fake()
    planned = plan(SPECS, small_table, tmp_path / "file" / "outputs")
    with pytest.raises(RunError, match="cannot be written"):
        execute(planned, executor)
    assert executor.begun == []


def test_specs_that_the_table_cannot_serve_are_found_before_training(small_table):
    check_table(SPECS, small_table)
    with pytest.raises(DataError, match="no column 'taste'"):
        check_table([*SPECS, RunSpec(target="taste")], small_table)
    with pytest.raises(DataError, match="too few"):
        check_table([RunSpec(train_fraction=0.999)], small_table)


def test_every_ready_study_reads_and_plans(red_wine, tmp_path):
    from support.configs import read_config
    from support.fields import table_for

    counts = {
        "lesson": 1,
        "dropout": 30,
        "batchnorm": 20,
        "dropout-and-bn": 30,
        "no-scaler": 20,
        "sgd": 27,
        "looks": 100,
        "regularizers": 40,
        "order": 25,
        "classes": 20,
    }
    folder = ROOT / "configs"
    studies = [path for path in folder.rglob("*.yaml") if path.parent.name != "course"]
    assert {path.stem for path in studies} == set(counts)
    for path in studies:
        assert path.read_text().startswith("# "), f"{path} asks no question"
        config = read_config(path)
        assert config.name == path.stem
        table = table_for("positive", red_wine, "diagnosis") if path.stem == "classes" else red_wine
        check_table(config.specs, table)
        assert len(plan(config.specs, table, tmp_path).entries) == counts[path.stem]


def test_the_lessons_config_is_the_lesson():
    from support.configs import read_config

    (spec,) = read_config(ROOT / "configs/lesson.yaml").specs
    assert spec.model_copy(update={"name": None}) == RunSpec(dropout=0.3, bn="after", eval_train=True)


def test_closing_early_ends_the_executor(small_table, tmp_path):
    closed = []

    class Watched(Fake):
        def run(self, tasks, table, on_epoch, begin=always):
            with contextlib.closing(super().run(tasks, table, on_epoch, begin)) as results:
                try:
                    yield from results
                finally:
                    closed.append(True)

    train(SPECS, small_table, tmp_path, Watched(bad=[0]), fail_fast=True)
    assert closed == [True]
