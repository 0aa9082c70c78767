"""TensorBoard's event files, read back with its own reader; MLflow, with a real server on loopback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

import pandas as pd
import pytest
from support import fabricate

from wineexp.errors import ExportError, RuntimeSetupError
from wineexp.execution.observer import Observer
from wineexp.exporters.mlflow import _keys
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
    text = (run.path / "run.json").read_text()
    (run.path / "run.json").write_text(text.replace(run.record.recorded, "2031-01-01T00:00:00+00:00"))
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
    assert (code, err) == (0, "TensorBoard: 0 runs sent, 3 were there already, 0 failed\n")


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


# -- MLflow ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A real tracking server with its SQLite store, on a free port of loopback."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    uri = f"http://127.0.0.1:{port}"
    command = [
        sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination", str(folder / "artifacts"), "--host", "127.0.0.1", "--port", str(port),
        "--workers", "1",
    ]  # fmt: skip
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=environment, cwd=folder, start_new_session=True
        )
    try:
        until = time.monotonic() + 120
        while True:
            assert process.poll() is None, (folder / "log").read_text()[-3000:]
            assert time.monotonic() < until, (folder / "log").read_text()[-3000:]
            try:
                urllib.request.urlopen(f"{uri}/health", timeout=2)
                break
            except OSError:
                time.sleep(0.3)
        yield uri
    finally:
        os.killpg(process.pid, 9)
        process.wait()


@pytest.fixture
def client(server):
    import mlflow

    return mlflow.MlflowClient(tracking_uri=server)


pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"
)


def runs_of(client, experiment):
    return client.search_runs([client.get_experiment_by_name(experiment).experiment_id])


@pytest.mark.slow
def test_runs_reach_a_real_server_with_all_that_is_known_and_once(cli, server, client, small_table, tmp_path):
    done = fabricate.save(tmp_path / "runs", small_table, dropout=0.3)
    failed = fabricate.fail(tmp_path / "runs", small_table, dropout=0.5)
    code, _, err = cli("export", "mlflow", tmp_path / "runs", "--to", server, "--experiment", "later")
    assert (code, err) == (0, "MLflow: 2 runs sent, 0 were there already, 0 failed\n")
    code, _, err = cli("export", "mlflow", tmp_path / "runs", "--to", server, "--experiment", "later")
    assert (code, err) == (0, "MLflow: 0 runs sent, 2 were there already, 0 failed\n")
    found = {run.info.run_name: run for run in runs_of(client, "later")}
    assert sorted(found) == sorted([done.path.name, failed.path.name])
    sent = found[done.path.name]
    assert sent.info.status == "FINISHED"
    assert sent.data.params["dropout"] == "0.3"
    assert sent.data.params["widths"] == "8x1"
    assert sent.data.metrics["val_mae"] == pytest.approx(done.record.metrics.val_mae)
    assert sent.data.tags["wineexp.signature"] == done.signature
    history = pd.read_csv(done.history_path)
    sent_history = client.get_metric_history(sent.info.run_id, "val_loss")
    assert [metric.value for metric in sorted(sent_history, key=lambda m: m.step)] == history["val_loss"].tolist()
    files = sorted(item.path for item in client.list_artifacts(sent.info.run_id))
    assert files == sorted(path.name for path in done.path.iterdir())
    assert found[failed.path.name].info.status == "FAILED"
    assert found[failed.path.name].data.tags["wineexp.reason"] == "diverged"


@pytest.mark.slow
def test_stdout_is_for_what_was_asked_for_alone(server, small_csv, tmp_path):
    """MLflow prints where a run can be seen; with --json that is no JSON."""
    flags = ["--widths", "4", "--epochs", "2", "--threads", "1", "--data", small_csv, "--mlflow", server, "--json"]
    command = [sys.executable, "-m", "wineexp", "train", *flags]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["status"] == "done"


def test_a_batch_sends_each_run_as_it_ends(cli, server, client, small_csv, tmp_path, tensorflow):
    (tmp_path / "c.yaml").write_text("name: sent\ndefaults: {widths: 4, epochs: 2}\nseeds: 2\n")
    arguments = ["--data", small_csv, "--out", tmp_path / "out", "--jobs", 0, "--mlflow", server]
    assert cli("batch", tmp_path / "c.yaml", *arguments)[0] == 0
    assert len(runs_of(client, "sent")) == 2
    assert cli("batch", tmp_path / "c.yaml", *arguments)[0] == 0
    assert len(runs_of(client, "sent")) == 2


@pytest.mark.slow
def test_a_study_is_the_parent_of_its_runs(cli, server, client, small_csv, tmp_path, tensorflow):
    (tmp_path / "c.yaml").write_text(
        "name: judged\ndefaults: {widths: 4, epochs: 2}\nseeds: 2\ngrid: {bn: [none, after]}\n"
    )
    arguments = ["--data", small_csv, "--out", tmp_path / "out", "--jobs", 0, "--no-report", "--mlflow", server]
    assert cli("study", tmp_path / "c.yaml", *arguments)[0] == 0
    found = {run.info.run_name: run for run in runs_of(client, "judged")}
    parent = found.pop("study judged")
    assert len(found) == 4
    assert {run.data.tags["mlflow.parentRunId"] for run in found.values()} == {parent.info.run_id}
    table = pd.read_csv(tmp_path / "out" / "judged" / "compare.csv").set_index("variant")
    for column in ("val_mae", "low", "high", "difference", "difference_high", "p"):
        assert parent.data.metrics[f"{column}/bn after"] == pytest.approx(table.loc["bn after", column])
    assert parent.data.tags["verdict/bn after"] == table.loc["bn after", "verdict"]
    assert parent.data.tags["verdict/bn none"] == "reference"
    assert "bn after" in parent.data.tags["mlflow.note.content"]
    assert [item.path for item in client.list_artifacts(parent.info.run_id)] == ["compare.csv"]
    assert parent.info.status == "FINISHED"
    assert cli("study", tmp_path / "c.yaml", *arguments)[0] == 0
    assert len(runs_of(client, "judged")) == 5, "once"


def test_labels_become_names_that_mlflow_takes_each_another():
    labels = ["dropout 0.3", "a//b", "../up", "a/", "a+b (x)", "a*b (x)", "...", "🍷"]
    keys = _keys(labels)
    assert keys["dropout 0.3"] == "dropout 0.3"
    assert len(set(keys.values())) == len(labels)
    for key in keys.values():
        assert os.path.normpath(f"val_mae/{key}") == f"val_mae/{key}"


def test_a_study_that_cannot_be_sent_is_an_error_at_the_end(cli, small_csv, tmp_path, monkeypatch, tensorflow):
    def refuse(self, comparison, name):
        raise ExportError(f"study {name}: not sent")

    monkeypatch.setattr(EventLog, "export_study", refuse)
    (tmp_path / "c.yaml").write_text("name: lost\nseeds: 2\ndefaults: {widths: 4, epochs: 1}\n")
    arguments = ["--data", small_csv, "--out", tmp_path / "out", "--jobs", 0, "--no-report"]
    code, _, err = cli("study", tmp_path / "c.yaml", *arguments, "--tensorboard", tmp_path / "tb")
    assert code == 1
    assert "wineexp: study lost: not sent" in err
    assert (tmp_path / "out" / "lost" / "compare.csv").exists()


def test_a_server_that_does_not_answer_is_told_before_anything_trains(cli, small_csv, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    code, out, err = cli("train", "--data", small_csv, "--out", tmp_path / "out", "--mlflow", "http://127.0.0.1:9")
    assert (code, out) == (2, "")
    assert "--mlflow: no MLflow store answers at http://127.0.0.1:9" in err
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_sent_stops_no_training_and_is_told():
    class Broken:
        name = "nowhere"

        def export(self, run):
            raise ExportError("not sent")

    heard, problems = [], []
    inner = Observer()
    inner.ended, inner.not_sent = heard.append, problems.append
    ExportingObserver([Broken()], inner).ended("a run")
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


def test_a_store_without_the_whole_mlflow_is_told(monkeypatch):
    import mlflow

    from wineexp.exporters.mlflow import MLflowLog

    def without(**_):
        raise ImportError("No module named 'sqlalchemy'")

    monkeypatch.setattr(mlflow, "MlflowClient", without)
    with pytest.raises(RuntimeSetupError, match=r"no MLflow store answers at sqlite:///x.db: No module named"):
        MLflowLog("sqlite:///x.db", "e")
