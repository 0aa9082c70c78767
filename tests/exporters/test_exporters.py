"""TensorBoard's event files, read back with its own reader; what becomes of runs that cannot be sent."""

from __future__ import annotations

import pandas as pd
import pytest
from support import fabricate, records

from wineexp.errors import ExportError
from wineexp.execution.observer import Observer, Observers
from wineexp.exporters.observer import ExportingObserver
from wineexp.exporters.tensorboard import EventLog


@pytest.fixture(autouse=True)
def _threads_first(tensorflow):
    """TensorBoard's reader loads TensorFlow, with as many threads as there are cores."""


def read_events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    found.Reload()
    return found


def test_events_hold_the_history_and_the_metrics_as_tensorboard_reads_them(small_table, tmp_path):
    from tensorboard.util import tensor_util

    losses = [(1.0 / (1 + epoch), 1.2 / (1 + epoch), 0.9 / (1 + epoch)) for epoch in range(6)]
    run = fabricate.save(tmp_path / "runs", small_table, losses=losses, dropout=[0.1], bn="after", eval_train=True)
    assert EventLog(tmp_path / "tb").export(run)
    events = read_events(tmp_path / "tb" / run.path.name)
    history = pd.read_csv(run.history_path)
    for tag in ("loss", "val_loss", "train_loss"):
        values = [float(tensor_util.make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)]
        assert values == pytest.approx(history[tag].tolist(), rel=1e-6)
        assert [event.step for event in events.Tensors(tag)] == history["epoch"].tolist()
    (val_mae,) = events.Tensors("metrics/val_mae")
    assert float(tensor_util.make_ndarray(val_mae.tensor_proto)) == pytest.approx(run.record.metrics.val_mae)


def test_the_hparams_tab_finds_the_settings_and_how_it_ended(small_table, tmp_path):
    from tensorboard.plugins.hparams import api_pb2, metadata

    log = EventLog(tmp_path / "tb")
    log.export(fabricate.save(tmp_path / "runs", small_table, dropout=0.3))
    log.export(fabricate.fail(tmp_path / "runs", small_table, dropout=0.5))
    found = {}
    for folder in (tmp_path / "tb").iterdir():
        plugin = read_events(folder).PluginTagToContent("hparams")
        start = metadata.parse_session_start_info_plugin_data(plugin[metadata.SESSION_START_INFO_TAG])
        end = metadata.parse_session_end_info_plugin_data(plugin[metadata.SESSION_END_INFO_TAG])
        found[start.hparams["dropout"].number_value] = (end.status, start.hparams)
    assert found[0.3][0] == api_pb2.STATUS_SUCCESS
    assert found[0.5][0] == api_pb2.STATUS_FAILURE
    hparams = found[0.3][1]
    assert hparams["widths"].string_value == "8x1"
    assert hparams["bn_input"].bool_value is False
    assert hparams["epochs"].number_value == 6


def test_events_are_written_once_and_replaced_after_another_training(small_table, tmp_path):
    run = fabricate.save(tmp_path / "runs", small_table)
    log = EventLog(tmp_path / "tb")
    assert log.export(run)
    assert not log.export(run)
    records.rewrite(run.path, lambda record: record.update(recorded="2031-01-01T00:00:00+00:00"), sealed=True)
    again = type(run)(run.path)
    assert log.export(again)
    assert len(list((tmp_path / "tb" / run.path.name).iterdir())) == 1


def test_train_and_batch_write_events_also_of_runs_that_were_done(cli, small_csv, tmp_path, tensorflow):
    common = ["--data", small_csv, "--out", tmp_path / "out"]
    quick = ["--widths", "4", "--epochs", "2"]
    cli("train", *quick, *common)
    code, _, _ = cli("train", *quick, *common, "--seeds", 2, "--tensorboard", tmp_path / "tb")
    assert code == 0
    assert len(list((tmp_path / "tb").iterdir())) == 2
    (tmp_path / "c.yaml").write_text("defaults: {widths: 4, epochs: 2}\nseeds: 3\n")
    code, _, _ = cli("batch", tmp_path / "c.yaml", *common, "--jobs", 0, "--tensorboard", tmp_path / "tb")
    assert code == 0
    assert len(list((tmp_path / "tb").iterdir())) == 3
    code, _, err = cli("export", "tensorboard", tmp_path / "out", "--to", tmp_path / "tb")
    assert (code, err) == (0, "TensorBoard: 0 runs sent, 3 already there, 0 failed\n")


def test_a_study_is_written_as_mean_and_band_of_each_variant(cli, small_csv, tmp_path, tensorflow):
    from tensorboard.util import tensor_util

    (tmp_path / "c.yaml").write_text(
        "name: my study\ndefaults: {widths: 4, epochs: 3}\nseeds: 3\ngrid: {bn: [none, after]}\n"
    )
    arguments = ["--data", small_csv, "--out", tmp_path / "out", "--jobs", 0, "--no-report"]
    arguments += ["--tensorboard", tmp_path / "tb"]
    assert cli("study", tmp_path / "c.yaml", *arguments)[0] == 0
    assert len(list((tmp_path / "tb").glob("*-s?-*"))) == 6
    folder = tmp_path / "tb" / "study-my_study"
    assert sorted(path.name for path in folder.iterdir()) == ["bn_after", "bn_none"]
    events = read_events(folder / "bn_after")

    def values(tag):
        return [float(tensor_util.make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)]

    histories = [pd.read_csv(path)["val_loss"] for path in (tmp_path / "out").glob("*bn_after*/history.csv")]
    mean = pd.concat(histories, axis=1).mean(axis=1)
    assert values("val_loss/mean") == pytest.approx(mean.tolist(), rel=1e-5)
    half = pd.concat(histories, axis=1).std(axis=1) / 3**0.5 * 4.30265
    assert values("val_loss/high") == pytest.approx((mean + half).tolist(), rel=1e-5)
    table = pd.read_csv(tmp_path / "out" / "my_study" / "compare.csv").set_index("variant")
    for column in ("val_mae", "low", "difference", "difference_low", "p"):
        assert values(f"study/{column}") == pytest.approx([table.loc["bn after", column]], rel=1e-5)
    (text,) = events.Tensors("verdict")
    assert f"**{table.loc['bn after', 'verdict']}**" in tensor_util.make_ndarray(text.tensor_proto).item().decode()
    stamps = {path: path.stat().st_mtime_ns for path in folder.glob("*/*")}
    assert cli("study", tmp_path / "c.yaml", *arguments)[0] == 0
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*/*")} == stamps, "once"
    assert cli("study", tmp_path / "c.yaml", *arguments, "--margin", "0.001")[0] == 0
    assert len(list(folder.glob("*/*"))) == 2, "another verdict replaces it"


def test_a_study_that_cannot_be_sent_is_an_error_at_the_end(cli, small_csv, tmp_path, monkeypatch, tensorflow):
    def refuse(self, study):
        raise ExportError(f"study {study.name}: not sent")

    monkeypatch.setattr(EventLog, "export_study", refuse)
    (tmp_path / "c.yaml").write_text("name: lost\nseeds: 2\ndefaults: {widths: 4, epochs: 1}\n")
    arguments = ["--data", small_csv, "--out", tmp_path / "out", "--jobs", 0, "--no-report"]
    code, _, err = cli("study", tmp_path / "c.yaml", *arguments, "--tensorboard", tmp_path / "tb")
    assert code == 1
    assert "wineexp: study lost: not sent" in err
    assert (tmp_path / "out" / "lost" / "compare.csv").exists()


def test_what_cannot_be_sent_stops_no_training_and_is_told():
    class Broken:
        name = "nowhere"

        def export(self, run):
            raise ExportError("not sent")

    heard, problems = [], []
    first, second = Observer(), Observer()
    first.not_sent, second.ended = problems.append, heard.append
    Observers(first, ExportingObserver([Broken()], first), second).ended("a run")
    assert (problems, heard) == (["not sent"], ["a run"])


def test_without_a_listener_what_cannot_be_sent_is_a_warning():
    with pytest.warns(UserWarning, match="not sent"):
        Observer().not_sent("not sent")


def test_a_run_that_was_not_sent_is_an_error_at_the_end(cli, small_csv, tmp_path, monkeypatch):
    def refuse(self, run):
        raise ExportError(f"{run.path}: not sent")

    monkeypatch.setattr(EventLog, "export", refuse)
    arguments = ["train", "--widths", 4, "--epochs", 1, "--data", small_csv, "--out", tmp_path / "out"]
    code, _, err = cli(*arguments, "--tensorboard", tmp_path / "tb", "--quiet")
    assert code == 1
    assert err.startswith("wineexp: ")
    assert "not sent" in err
    assert len(list((tmp_path / "out").iterdir())) == 1, "the run itself is done"
