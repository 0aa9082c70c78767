"""MLflow, with a real server on loopback and its own client; what refuses, with a server that only refuses."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import urllib.request
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from support import fabricate, records
from support.processes import GUARD, wait_for

import wineexp
from wineexp.errors import ExportError, RuntimeSetupError, SelectionError
from wineexp.exporters import mlflow_server
from wineexp.exporters.mlflow import MLflowLog, write_model
from wineexp.exporters.mlflow_server import Chosen, MLflowServer, choose_address, choose_experiment

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
    "ignore::ResourceWarning",
    "ignore:.*Any type hint:UserWarning",  # of MLflow's own code, as it is loaded
)

CONFIG = "defaults: {widths: 4, epochs: 2}\nseeds: 2\ngrid: {bn: [none, after]}\n"


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch):
    """The environment of whoever runs the tests names no server; a dead one is tried once."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


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

        def answers():
            assert process.poll() is None, (folder / "log").read_text()[-3000:]
            with contextlib.suppress(OSError):
                return urllib.request.urlopen(f"{uri}/health", timeout=GUARD)

        wait_for(answers).close()
        yield uri
    finally:
        os.killpg(process.pid, 9)
        process.wait()


@pytest.fixture
def client(server):
    import mlflow

    return mlflow.MlflowClient(tracking_uri=server)


def runs_of(client, experiment):
    return client.search_runs([client.get_experiment_by_name(experiment).experiment_id])


def names_of(client, experiment):
    return sorted(run.info.run_name for run in runs_of(client, experiment))


def told(experiment, server, sent, present, failed=0):
    """The line that says what was sent."""
    runs = "run" if sent == 1 else "runs"
    where = f"MLflow experiment '{experiment}' at {server}"
    return f"{where}: {sent} {runs} sent, {present} already there, {failed} failed\n"


# -- What is there ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_runs_reach_a_real_server_with_all_that_is_known_and_once(cli, server, client, small_table, tmp_path):
    done = fabricate.save(tmp_path / "runs", small_table, dropout=0.3)
    failed = fabricate.fail(tmp_path / "runs", small_table, dropout=0.5)
    stopped = fabricate.interrupt(tmp_path / "runs", small_table, dropout=0.7)
    arguments = ["export", "mlflow", tmp_path / "runs", "--to", server, "--experiment", "later"]
    code, _, err = cli(*arguments)
    assert (code, err) == (0, told("later", server, 3, 0))
    code, _, err = cli(*arguments)
    assert (code, err) == (0, told("later", server, 0, 3))
    found = {run.info.run_name: run for run in runs_of(client, "later")}
    assert sorted(found) == sorted([done.path.name, failed.path.name, stopped.path.name])
    sent = found[done.path.name]
    assert sent.info.status == "FINISHED"
    assert sent.data.params["dropout"] == "0.3"
    assert sent.data.params["widths"] == "8x1"
    assert sent.data.metrics["val_mae"] == pytest.approx(done.record.metrics.val_mae)
    assert sent.data.tags["wineexp.signature"] == done.signature
    assert sent.data.tags["wineexp.fingerprint"] == done.record.data.fingerprint
    assert sent.data.tags["mlflow.source.name"] == "wineexp"
    (table,) = sent.inputs.dataset_inputs
    assert done.record.data.identity.startswith(table.dataset.digest)
    history = pd.read_csv(done.history_path)
    sent_history = client.get_metric_history(sent.info.run_id, "val_loss")
    assert [metric.value for metric in sorted(sent_history, key=lambda m: m.step)] == history["val_loss"].tolist()
    files = sorted(item.path for item in client.list_artifacts(sent.info.run_id))
    assert files == sorted(path.name for path in done.path.iterdir())
    assert found[failed.path.name].info.status == "FAILED"
    assert found[failed.path.name].data.tags["wineexp.reason"] == "diverged"
    assert found[stopped.path.name].info.status == "KILLED"


@pytest.mark.slow
def test_stdout_is_for_what_was_asked_for_alone(server, small_csv, tmp_path):
    """MLflow prints where a run can be seen; with --json that is no JSON."""
    flags = ["--widths", "4", "--epochs", "2", "--threads", "1", "--data", small_csv, "--mlflow", server, "--json"]
    command = [sys.executable, "-m", "wineexp", "train", *flags, "--experiment", "quiet"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["status"] == "done"


@pytest.mark.slow
def test_mlflow_loads_the_model_and_knows_its_columns(
    server, client, small_csv, small_table, tmp_path, tensorflow
):
    import mlflow

    run = wineexp.train(widths=4, epochs=2, data=small_csv, out=tmp_path, mlflow=server, experiment="model")
    (sent,) = runs_of(client, "model")
    rows = small_table.frame.loc[run.predictions["row"]]
    expected = pytest.approx(run.predictions["predicted"].to_numpy(), rel=1e-4)
    mlflow.set_tracking_uri(server)
    try:
        kept = mlflow.keras.load_model(f"runs:/{sent.info.run_id}/model")
        plain = mlflow.pyfunc.load_model(f"runs:/{sent.info.run_id}/model")
    finally:
        mlflow.set_tracking_uri(None)
    assert kept.predict(rows[["a", "b", "c"]].to_numpy(), verbose=0)[:, 0] == expected
    assert plain.predict(rows[["c", "a", "b"]]).to_numpy()[:, 0] == expected, "columns are found by name"
    with pytest.raises(mlflow.MlflowException, match="missing inputs"):
        plain.predict(rows[["a", "b"]])


def test_a_model_names_its_columns_only_where_it_takes_them_unscaled(small_csv, tmp_path, tensorflow):
    import mlflow

    for scale in ("none", "standard"):
        run = wineexp.train(widths=4, epochs=1, scale=scale, data=small_csv, out=tmp_path)
        (tmp_path / scale).mkdir()
        made = mlflow.models.Model.load(str(write_model(run, tmp_path / scale)))
        raw = scale == "none" or getattr(run.record.data.scaling, "in_model", False)
        assert (made.get_input_schema() is not None) == raw
        assert ("python_function" in made.flavors) == raw
        assert "keras" in made.flavors
        if raw:
            assert made.get_input_schema().input_names() == ["a", "b", "c"]


def test_the_commit_is_told_of_what_was_trained_there_and_of_nothing_else(
    cli, server, client, small_csv, tmp_path, monkeypatch, tensorflow
):
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q"], check=True)
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *author, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    common = ["--widths", 4, "--epochs", 1, "--data", small_csv, "--mlflow", server, "--experiment", "commits"]
    assert cli("train", *common)[0] == 0
    (live,) = runs_of(client, "commits")
    assert live.data.tags["mlflow.source.git.commit"] == commit
    old = next((tmp_path / "outputs").iterdir())
    records.rewrite(old, lambda record: record.update(recorded="2024-01-01T00:00:00+00:00"), sealed=True)
    assert cli("train", *common)[0] == 0
    (later,) = (run for run in runs_of(client, "commits") if run.info.run_id != live.info.run_id)
    assert "mlflow.source.git.commit" not in later.data.tags


# -- Where it goes ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_export_finds_what_a_batch_has_sent(cli, server, client, small_csv, tmp_path, tensorflow):
    (tmp_path / "c.yaml").write_text("name: sent\ndefaults: {widths: 4, epochs: 2}\nseeds: 2\n")
    common = ["--data", small_csv, "--out", tmp_path / "out"]
    batch = ["batch", tmp_path / "c.yaml", *common, "--jobs", 0, "--mlflow", server]
    code, _, err = cli(*batch)
    assert (code, told("sent", server, 2, 0) in err) == (0, True), err
    code, _, err = cli(*batch)
    assert (code, told("sent", server, 0, 2) in err) == (0, True), err
    assert cli("export", "mlflow", tmp_path / "out", "--to", server)[2] == told("sent", server, 0, 2)
    shutil.copytree(tmp_path / "out", tmp_path / "another machine")
    assert cli("export", "mlflow", tmp_path / "another machine", "--to", server)[2] == told("sent", server, 0, 2)
    train = ["train", "--widths", 4, *common, "--mlflow", server]
    assert told("wineexp", server, 0, 1) in cli(*train, "--epochs", 2)[2], "another experiment has it"
    assert told("wineexp", server, 1, 0) in cli(*train, "--epochs", 1)[2]
    assert len(runs_of(client, "sent")) == 2
    assert names_of(client, "wineexp") == [path.name for path in (tmp_path / "out").glob("*epochs1*")]
    assert cli("export", "mlflow", tmp_path / "out", "--to", server)[2].count(" 0 runs sent") == 2


@pytest.mark.slow
def test_a_study_is_an_experiment_and_its_variants_the_parents_of_their_seeds(
    cli, server, client, small_csv, tmp_path, tensorflow
):
    (tmp_path / "c.yaml").write_text(f"name: judged\n{CONFIG}")
    arguments = ["study", tmp_path / "c.yaml", "--data", small_csv, "--out", tmp_path / "out", "--jobs", 0]
    arguments += ["--no-report", "--mlflow", server]
    assert cli(*arguments)[0] == 0
    found = {run.info.run_name: run for run in runs_of(client, "judged")}
    table = pd.read_csv(tmp_path / "out" / "judged" / "compare.csv").set_index("variant")
    whole, after, none = (found.pop(name) for name in ("study judged", "bn after", "bn none"))
    assert len(found) == 4
    for name, run in found.items():
        parent = after if "bn_after" in name else none
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
    for column in ("val_mae", "low", "high", "difference", "difference_high", "p"):
        assert after.data.metrics[column] == pytest.approx(table.loc["bn after", column])
    assert after.data.tags["wineexp.verdict"] == table.loc["bn after", "verdict"]
    assert none.data.tags["wineexp.verdict"] == "reference"
    assert after.data.params["bn"] == "after"
    assert "seed" not in after.data.params
    assert "bn after" in whole.data.tags["mlflow.note.content"]
    assert [item.path for item in client.list_artifacts(whole.info.run_id)] == ["compare.csv"]
    assert {run.info.status for run in (whole, after, none)} == {"FINISHED"}
    assert cli(*arguments)[0] == 0
    assert {run.info.run_id for run in runs_of(client, "judged")} >= {whole.info.run_id, after.info.run_id}, "once"
    assert cli(*arguments, "--reference", "bn after")[0] == 0
    again = {run.info.run_name: run for run in runs_of(client, "judged")}
    assert len(again) == len(runs_of(client, "judged")) == 7, "another verdict replaces it"
    assert again["bn after"].data.tags["wineexp.verdict"] == "reference"
    assert "difference" not in again["bn after"].data.metrics


@pytest.mark.slow
def test_a_run_of_two_studies_is_in_both_experiments(cli, server, client, small_csv, tmp_path, tensorflow):
    arguments = ["--data", small_csv, "--out", tmp_path / "out", "--jobs", 0, "--no-report"]
    for name, fields in (("one", "bn: [none, after]"), ("two's", "bn: [none, before]")):
        config = tmp_path / f"{name}.yaml"
        config.write_text(f'name: "{name}"\ndefaults: {{widths: 4, epochs: 3}}\nseeds: 1\ngrid: {{{fields}}}\n')
        assert cli("study", config, *arguments)[0] == 0
    export = ["export", "mlflow", "--out", tmp_path / "out", "--to", server]
    assert (
        cli(*export, "two's")[2]
        == f'MLflow experiment "two\'s" at {server}: 2 runs sent, 0 already there, 0 failed\n'
    )
    assert cli(*export, tmp_path / "out" / "two_s")[2].endswith(" 0 runs sent, 2 already there, 0 failed\n")
    code, _, err = cli(*export, tmp_path / "out")
    assert code == 0
    assert told("one", server, 2, 0) in err
    assert len(set(names_of(client, "one")) & set(names_of(client, "two's"))) == 1
    assert cli("study", tmp_path / "two's.yaml", *arguments, "--mlflow", server)[0] == 0
    parents = {run.data.tags.get("mlflow.parentRunId") for run in runs_of(client, "two's")}
    assert len(parents) == 3, "a study that is done is judged there later"


@pytest.mark.parametrize(
    ("given", "environment", "chosen"),
    [
        ("flag", "environment", Chosen("flag")),
        (None, "environment", Chosen("environment", "MLFLOW_EXPERIMENT_NAME")),
        (None, "", None),
        (None, None, None),
    ],
)
def test_the_experiment_is_the_flag_s_then_the_environment_s_then_each_study_s(
    monkeypatch, given, environment, chosen
):
    if environment is not None:
        monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", environment)
    assert choose_experiment(given) == chosen


def test_the_address_is_the_flag_s_then_the_environment_s(monkeypatch):
    with pytest.raises(SelectionError, match=r"found none, and \$MLFLOW_TRACKING_URI is not set"):
        choose_address("")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://b:5000")
    assert choose_address("http://a:5000") == Chosen("http://a:5000")
    assert choose_address("") == Chosen("http://b:5000", "MLFLOW_TRACKING_URI")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "b")
    with pytest.raises(SelectionError, match=r"such as http://host:5000; found 'b' \(\$MLFLOW_TRACKING_URI\)"):
        choose_address("")


@pytest.mark.slow
def test_what_the_environment_chose_is_told(cli, server, client, small_table, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "environment")
    run = fabricate.save(tmp_path / "runs", small_table)
    where = f"MLflow experiment 'environment' ($MLFLOW_EXPERIMENT_NAME) at {server} ($MLFLOW_TRACKING_URI)"
    code, _, err = cli("export", "mlflow", tmp_path / "runs")
    assert (code, err) == (0, f"{where}: 1 run sent, 0 already there, 0 failed\n")
    assert names_of(client, "environment") == [run.path.name]
    for flags in (["--mlflow"], ["--mlflow", "--seeds", 1]):
        _, _, err = cli(
            "train", "--widths", 4, "--epochs", 1, "--data", "simulated", "--out", tmp_path / "out", *flags
        )
        assert f"{where}: " in err


# -- Twice, at once, cut off --------------------------------------------------------------------------


@pytest.fixture
def log(server):
    return MLflowLog(MLflowServer(server), Chosen("together"))


def begun(client, log, run, when):
    """What a sending that was begun at ``when`` has there."""
    tags = {"wineexp.signature": run.signature, "wineexp.recorded": run.record.recorded, "wineexp.sent": when}
    return client.create_run(log.experiment, tags=tags).info.run_id


@pytest.mark.slow
def test_a_sending_that_was_cut_off_long_ago_is_made_anew(client, log, small_table, tmp_path):
    run = fabricate.save(tmp_path, small_table, dropout=0.1)
    old = begun(client, log, run, (datetime.now(UTC) - timedelta(hours=1)).isoformat())
    assert log.export(run)
    assert not log.export(run)
    assert client.get_run(old).info.lifecycle_stage == "deleted"


@pytest.mark.slow
def test_what_another_process_is_sending_is_waited_for(client, log, small_table, tmp_path, monkeypatch):
    run = fabricate.save(tmp_path, small_table, dropout=0.2)
    other = begun(client, log, run, datetime.now(UTC).isoformat())
    monkeypatch.setattr(mlflow_server, "PATIENCE", 0.0)
    with pytest.raises(ExportError, match="another process is still sending it; if none is, send it again"):
        log.export(run)
    monkeypatch.setattr(mlflow_server.time, "sleep", lambda _: client.set_terminated(other, "FINISHED"))
    monkeypatch.setattr(mlflow_server, "PATIENCE", GUARD)
    assert not log.export(run)


@pytest.mark.slow
def test_of_two_that_send_the_same_run_at_once_one_is_kept(
    client, server, log, small_table, tmp_path, monkeypatch
):
    run = fabricate.save(tmp_path, small_table, dropout=0.3)
    other = MLflowLog(MLflowServer(server), Chosen("together"))
    monkeypatch.setattr(other, "_is_there", lambda run: not log.export(run))  # once the other has looked
    assert not other.export(run)
    assert len([one for one in runs_of(client, "together") if one.data.params.get("dropout") == "0.3"]) == 1


@pytest.mark.slow
def test_nothing_half_is_left_of_a_sending_that_fails(client, log, small_table, tmp_path, monkeypatch):
    run = fabricate.save(tmp_path, small_table, dropout=0.4)

    for broken in (OSError(28, "No space left on device"), KeyboardInterrupt()):
        with monkeypatch.context() as patch:
            patch.setattr(log.server, "log_numbers", raiser(broken))
            with pytest.raises((ExportError, KeyboardInterrupt)) as caught:
                log.export(run)
        assert isinstance(caught.value, KeyboardInterrupt) or "No space left on device" in str(caught.value)
    assert not log.server.known(run.record, [log.experiment])
    assert log.export(run)


def raiser(error):
    def refuse(*_, **__):
        raise error

    return refuse


# -- What refuses -------------------------------------------------------------------------------------


class _Refusing(http.server.BaseHTTPRequestHandler):
    """Answers with the status that is the first part of the path, and a page of HTML."""

    def do_GET(self):
        self.send_response(int(self.path.split("/")[1]))
        self.end_headers()
        self.wfile.write(b"<html>\nno</html>")

    def log_message(self, *_):
        pass


_Refusing.do_POST = _Refusing.do_GET


@pytest.fixture(scope="module")
def refusing():
    found = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{found.server_port}"
    found.shutdown()
    found.server_close()


REFUSALS = {
    "http://127.0.0.1:9": "at http://127.0.0.1:9: cannot be used: Connection refused",
    "http://someone:secret@127.0.0.1:9": "at http://127.0.0.1:9: cannot be used: Connection refused",
    "http://REFUSING/401": "it requires a login: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
    "http://REFUSING/403": "you have no permission there; ask for it, or give another experiment",
    "http://REFUSING/404": "the server there is not MLflow",
    "http://REFUSING/500": "too many 500 error responses",
    "http://REFUSING/200": "the response body was not in a valid JSON format",
    "https://REFUSING/200": "[SSL",
    "http://127.0.0.1:99999": "Failed to parse",
    "htp://host": "unsupported URI 'htp://host'",
    "spec.yaml": "MLflow: expected a server's address, such as http://host:5000; found 'spec.yaml'",
    "host:5000": "found 'host:5000'",
}


@pytest.mark.parametrize("uri", REFUSALS)
@pytest.mark.parametrize("command", ["train", "export"])
def test_what_cannot_be_used_is_told_in_a_line_before_anything_trains(
    cli, small_csv, small_table, tmp_path, refusing, command, uri
):
    fabricate.save(tmp_path / "runs", small_table)
    before = sorted(tmp_path.rglob("*"))
    arguments = {
        "train": ["train", "--data", small_csv, "--out", tmp_path / "out", "--mlflow"],
        "export": ["export", "mlflow", tmp_path / "runs", "--to"],
    }[command]
    code, out, err = cli(*arguments, uri.replace("REFUSING", refusing))
    assert (code, out) == (2, "")
    assert REFUSALS[uri] in err
    assert "secret" not in err
    assert err.startswith("wineexp: MLflow")
    assert err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_an_experiment_without_mlflow_is_refused(cli, small_csv, tmp_path):
    code, _, err = cli("train", "--data", small_csv, "--out", tmp_path / "out", "--experiment", "x")
    assert (code, err) == (
        2,
        "wineexp: experiment: expected together with mlflow; found 'x' alone\n",
    )


@pytest.mark.slow
def test_a_deleted_experiment_is_told_with_what_restores_it(cli, server, client, small_table, tmp_path):
    fabricate.save(tmp_path / "runs", small_table)
    number = client.create_experiment("gone")
    client.delete_experiment(number)
    code, _, err = cli("export", "mlflow", tmp_path / "runs", "--to", server, "--experiment", "gone")
    assert code == 2
    assert err.endswith(f"or restore it: mlflow experiments restore --experiment-id {number}\n")


@pytest.mark.slow
def test_a_server_that_goes_down_loses_no_training_and_export_sends_the_rest(
    cli, server, client, small_csv, tmp_path, monkeypatch, tensorflow
):
    import mlflow

    (tmp_path / "c.yaml").write_text(f"name: downtime\n{CONFIG}")
    create, calls = mlflow.MlflowClient.create_run, []

    def down_after_one(self, *arguments, **named):
        calls.append(named)
        if len(calls) > 1:
            raise ConnectionRefusedError(111, "Connection refused")
        return create(self, *arguments, **named)

    arguments = ["--data", small_csv, "--out", tmp_path / "out", "--jobs", 0, "--no-report", "--mlflow", server]
    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "create_run", down_after_one)
        code, _, err = cli("study", tmp_path / "c.yaml", *arguments)
    assert code == 1
    assert told("downtime", server, 1, 0, 3) in err
    problems = [line for line in err.splitlines() if line.startswith("wineexp: ")]
    assert len(problems) == 4, "three runs and the verdict"
    assert all(line.endswith(f"not sent to {server}: Connection refused") for line in problems)
    assert len(list((tmp_path / "out").glob("*/run.json"))) == 4
    assert (tmp_path / "out" / "downtime" / "compare.csv").exists()
    code, _, err = cli("export", "mlflow", "downtime", "--out", tmp_path / "out", "--to", server)
    assert (code, err) == (0, told("downtime", server, 3, 1))


def test_a_store_without_the_whole_mlflow_is_told(monkeypatch):
    import mlflow

    monkeypatch.setattr(mlflow, "MlflowClient", raiser(ImportError("No module named 'sqlalchemy'")))
    with pytest.raises(
        RuntimeSetupError, match="No module named 'sqlalchemy'; a local database needs the whole package"
    ):
        MLflowServer("sqlite:///x.db")
