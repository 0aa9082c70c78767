"""TensorBoard's events while runs train, read with TensorBoard's own reader."""

from __future__ import annotations

import json
import signal

import pandas as pd
import pytest
from support import fabricate
from support.batches import plan
from support.events import read, reader
from support.processes import GUARD, start, wait_for

from wineexp import signals
from wineexp.errors import ExportError
from wineexp.execution.observer import Observer
from wineexp.exporters import tensorboard as live_events
from wineexp.exporters.observer import ExportingObserver
from wineexp.exporters.tensorboard import EventLog
from wineexp.runs.run import Run
from wineexp.specs.run_spec import RunSpec

LOSSES = [(1 / (1 + epoch), 1.5 / (1 + epoch), 0.5 / (1 + epoch)) for epoch in range(6)]
FIELDS = {"widths": 8, "epochs": 6, "eval_train": True}


@pytest.fixture(autouse=True)
def _threads_first(tensorflow):
    """TensorBoard's reader loads TensorFlow, with as many threads as there are cores."""


def how_it_ended(events):
    from tensorboard.plugins.hparams import metadata

    content = events.PluginTagToContent("hparams")
    end = metadata.parse_session_end_info_plugin_data(content[metadata.SESSION_END_INFO_TAG])
    return metadata.parse_session_start_info_plugin_data(content[metadata.SESSION_START_INFO_TAG]), end.status


@pytest.fixture
def training(small_table, tmp_path, monkeypatch):
    """A run that trains: its observer, its spec, the folder of its events, and how it is recorded."""
    monkeypatch.setattr(live_events, "WRITE_SECONDS", 0.0)
    spec = RunSpec.parse(FIELDS)
    problems = []
    inner = Observer()
    inner.not_sent = problems.append
    observer = ExportingObserver([EventLog(tmp_path / "tb")], inner)
    the_plan = plan([spec], small_table, tmp_path / "runs")
    observer.started(the_plan)
    name = f"8x1-epochs6-s0-{spec.signature(small_table.identity)}"

    def record():
        return fabricate.save(tmp_path / "runs", small_table, losses=LOSSES, **FIELDS)

    return observer, spec, tmp_path / "tb" / name, record, problems


def test_every_epoch_is_there_when_it_is_heard_and_nothing_is_sent_twice(training):
    observer, spec, folder, record, problems = training
    for epoch in range(4):
        observer.losses(spec, epoch, LOSSES[epoch])
        if epoch == 0:
            events = reader(folder)
        for number, tag in enumerate(("loss", "val_loss", "train_loss")):
            steps, values = read(events, tag)
            assert steps == list(range(epoch + 1))
            assert values == pytest.approx([losses[number] for losses in LOSSES[: epoch + 1]])
    run = record()  # the last epochs were not heard, as those of a Dask worker's last moments
    assert run.path.name == folder.name
    observer.ended(run)
    for opened in (events, reader(folder)):
        steps, values = read(opened)
        assert steps == list(range(6))
        assert values == pytest.approx([losses[1] for losses in LOSSES])
        assert read(opened, "metrics/val_mae")[1] == pytest.approx([run.record.metrics.val_mae])
        begun, status = how_it_ended(opened)
        assert begun.hparams["widths"].string_value == "8x1"
        assert status == 1, "success"
    assert not EventLog(folder.parent).export(Run(run.path)), "all of it is there"
    assert len(list(folder.iterdir())) == 1
    assert problems == []


@pytest.mark.parametrize("within", ["epoch_summary", "records"])
@pytest.mark.parametrize("late", [False, True], ids=["before it", "after it"])
@pytest.mark.parametrize("number", signals.ENDING)
def test_a_signal_at_any_moment_loses_no_epoch_and_writes_none_twice(training, monkeypatch, within, late, number):
    observer, spec, folder, record, problems = training
    plain = getattr(live_events, within)

    def interrupted(*arguments):
        if not late:
            signal.raise_signal(number)
        found = plain(*arguments)
        if late:
            signal.raise_signal(number)
        return found

    with signals.answering():
        for epoch in range(3):
            observer.losses(spec, epoch, LOSSES[epoch])
        monkeypatch.setattr(live_events, within, interrupted)
        with pytest.raises(KeyboardInterrupt):
            observer.losses(spec, 3, LOSSES[3])
        monkeypatch.setattr(live_events, within, plain)
    observer.ended(record())
    assert read(reader(folder))[0] == list(range(6))
    assert problems == []


def test_a_run_that_is_tried_again_begins_anew(training):
    observer, spec, folder, record, _ = training
    for epoch in range(3):
        observer.losses(spec, epoch, (9.0, 9.0, 9.0))
    assert read(reader(folder)) == ([0, 1, 2], [9.0, 9.0, 9.0])
    for epoch in range(5):
        observer.losses(spec, epoch, LOSSES[epoch])
    assert read(reader(folder))[0] == list(range(5))
    observer.ended(record())
    events = reader(folder)
    assert read(events)[1] == pytest.approx([losses[1] for losses in LOSSES])
    assert how_it_ended(events)[0].hparams["epochs"].number_value == 6


@pytest.mark.parametrize("heard", [[1, 2], [0, 1, 3, 4]], ids=["from the second on", "with a gap"])
def test_where_an_epoch_was_not_heard_the_whole_is_written_at_the_end(training, heard):
    observer, spec, folder, record, _ = training
    for epoch in heard:
        observer.losses(spec, epoch, LOSSES[epoch])
    observer.ended(record())
    assert read(reader(folder))[0] == list(range(6))
    assert len(list(folder.iterdir())) == 1


def test_events_of_an_earlier_training_go_as_another_begins(training):
    observer, spec, folder, record, _ = training
    run = record()
    assert EventLog(folder.parent).export(run)
    events = reader(folder)
    assert len(read(events)[0]) == 6
    observer.losses(spec, 0, (5.0, 5.0, 5.0))
    assert read(reader(folder)) == ([0], [5.0])
    assert len(list(folder.iterdir())) == 1


def test_quick_epochs_are_written_together(training, monkeypatch):
    observer, spec, folder, record, _ = training
    monkeypatch.setattr(live_events, "WRITE_SECONDS", 600.0)
    for epoch in range(5):
        observer.losses(spec, epoch, LOSSES[epoch])
    assert read(reader(folder))[0] == [0]
    observer.ended(record())
    assert read(reader(folder))[0] == list(range(6))


def test_what_cannot_be_written_is_told_once_and_tried_again_at_the_end(
    training, small_table, tmp_path, monkeypatch
):
    observer, spec, folder, record, problems = training
    folder.parent.write_text("in the way")
    for epoch in range(3):
        observer.losses(spec, epoch, LOSSES[epoch])
    assert len(problems) == 1
    assert str(folder) in problems[0]
    folder.parent.unlink()
    observer.ended(record())
    assert read(reader(folder))[0] == list(range(6))

    def full(self, content):
        raise ExportError("disk full")

    again = RunSpec.parse({**FIELDS, "seed": 1})
    observer.started(plan([again], small_table, tmp_path / "runs"))
    observer.losses(again, 0, LOSSES[0])
    monkeypatch.setattr(live_events.LiveEvents, "_append", full)
    for epoch in range(1, 4):
        observer.losses(again, epoch, LOSSES[epoch])
    assert problems[1:] == ["disk full"]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["train", "batch"])
def test_a_real_training_is_read_while_it_goes_on_and_kept_after_ctrl_c(tmp_path, small_csv, how):
    settings = {"widths": 8, "epochs": 10**6, "batch_size": 32}
    (tmp_path / "c.yaml").write_text(json.dumps(settings))
    flags = ["--data", small_csv, "--tensorboard", "tb", *(["--jobs", 1] if how == "batch" else ["--threads", 1])]
    process = start([how, "c.yaml", *flags], tmp_path)
    wait_for(lambda: list(tmp_path.glob("tb/*/*")))
    (folder,) = (tmp_path / "tb").iterdir()
    events = reader(folder)
    wait_for(lambda: len(read(events)[0]) > 10)
    before = len(read(events)[0])
    wait_for(lambda: len(read(events)[0]) > before)
    assert process.poll() is None
    assert not list(tmp_path.glob("outputs/*/run.json"))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=GUARD)
    assert process.returncode == 130
    (run,) = (tmp_path / "outputs").glob("*/")
    history = pd.read_csv(run / "history.csv")
    steps, values = read(events)
    assert steps == history["epoch"].tolist()
    assert values == pytest.approx(history["val_loss"].tolist(), rel=1e-6)
    assert how_it_ended(events)[1] == 2, "failure: it did not end by itself"
