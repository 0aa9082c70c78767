"""Finished runs and judged studies on an MLflow server: ``wineexp[mlflow]``."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path

import pandas as pd

from wineexp.exporters.mlflow_server import RECORDED, SIGNATURE, UNFINISHED, Chosen, MLflowServer
from wineexp.exporters.observer import StudyFacts, VariantFacts
from wineexp.runs.directory import MODEL
from wineexp.runs.probabilities import probability_columns
from wineexp.runs.record import Metrics, Record
from wineexp.runs.run import Run

__all__ = ["MLflowLog", "write_model"]

#: Name of the folder among a run's artifacts, as ``runs:/ID/model`` has it.
FOLDER = "model"

REQUIREMENTS, PYTHON = "requirements.txt", "python_env.yaml"

#: Tags: the study's name; of its own run what it is recognized by; of a variant its verdict in a word.
STUDY, DIGEST, VERDICT = "wineexp.study", "wineexp.digest", "wineexp.verdict"

#: MLflow's own tags: what is shown as description, and of whom a run is a child.
NOTE, PARENT = "mlflow.note.content", "mlflow.parentRunId"

#: Characters that every server takes for a tag's value.
MAX_NOTE = 5000

STATUS = {"done": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}


class MLflowLog:
    """An MLflow experiment that runs are sent to.

    Parameters
    ----------
    server : MLflowServer
    experiment : Chosen
        Created if it does not exist.
    anywhere : bool
        A run is there already where any experiment of the server has it: so it is for runs of no study.

    Raises
    ------
    RuntimeSetupError
        When no server answers, when it refuses, or when the experiment is deleted.
    """

    def __init__(self, server: MLflowServer, experiment: Chosen, *, anywhere: bool = False) -> None:
        self.server, self._client = server, server.client
        self._anywhere = anywhere
        self.experiment = server.experiment(experiment.value)
        self.name = f"MLflow experiment {experiment.told(repr(experiment.value))} at {server.place}"
        self._commit, self._since = _commit_here(), math.floor(time.time())

    def export(self, run: Run) -> bool:
        """Send the run; return False where it is there already.

        Raises
        ------
        ExportError
            When the server refuses or does not answer.
        """
        with self.server.sending(str(run.path)):
            if self._is_there(run) or (self._anywhere and self.server.holder(run.record)):
                return False
            return self._send(run)

    def export_study(self, study: StudyFacts) -> bool:
        """Send what is said of a study: a run of its own, and one for each variant, the parent of its seeds.

        Raises
        ------
        ExportError
            When the server refuses or does not answer.
        """
        with self.server.sending(f"study {study.name}"):
            return _send_study(self.server, self.experiment, study)

    def _is_there(self, run: Run) -> bool:
        return self.server.is_there(str(run.path), lambda: self.server.known(run.record, [self.experiment]))

    def _send(self, run: Run) -> bool:
        history = run.read_tables().history
        end = datetime.fromisoformat(run.record.recorded).timestamp()
        start = end - (run.record.timing.run_seconds or 0.0)
        tags = _tags(run)
        if self._commit and end >= self._since:  # where it was trained before, this folder may have had another
            tags["mlflow.source.git.commit"] = self._commit
        with self.server.new_run(self.experiment, run.path.name, start, tags) as made:
            self.server.log_settings(made, run.spec)
            self.server.log_numbers(made, _numbers(run.record.metrics, history, start, end))
            self._log_files(made, run)
            copies = self.server.known(run.record, [self.experiment])
            if any(copy.info.status != UNFINISHED for copy in copies):  # another process was quicker
                self._client.delete_run(made)
                return False
            self._client.set_terminated(made, STATUS[run.status], end_time=int(1000 * end))
        return True

    def _log_files(self, run_id: str, run: Run) -> None:
        """The table as MLflow's dataset; every file of the run's directory, its model as MLflow's."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        data = run.record.data
        table = Dataset(
            name=data.kind,
            digest=data.identity[:36],  # MLflow takes no more
            source_type="local",
            source=json.dumps({"uri": data.source}),
            profile=json.dumps({"num_rows": data.rows}),
        )
        self._client.log_inputs(run_id, [DatasetInput(table, [InputTag("mlflow.data.context", "training")])])
        for path in sorted(run.path.iterdir()):
            if path.is_file() and path.name != MODEL:
                self._client.log_artifact(run_id, str(path))
        if run.model_path.is_file():
            with tempfile.TemporaryDirectory(prefix="wineexp-") as folder:
                self._client.log_artifact(run_id, str(write_model(run, Path(folder))))


def _tags(run: Run) -> dict[str, str]:
    record = run.record
    tags = {
        SIGNATURE: record.signature,
        RECORDED: record.recorded,
        "wineexp.label": record.label,
        "wineexp.variant": record.variant_signature,
        "wineexp.status": record.status,
        "wineexp.reason": record.reason,
        "wineexp.table": record.data.kind,
        "wineexp.fingerprint": record.data.fingerprint,
        "wineexp.version": record.environment.wineexp,
        "wineexp.tensorflow": record.environment.tensorflow,
    }
    return {name: value for name, value in tags.items() if value is not None}


def _numbers(
    metrics: Metrics, history: pd.DataFrame, start: float, end: float
) -> Iterator[tuple[str, float, float, int]]:
    """Name, value, moment in seconds and epoch of the losses, and at the last epoch of the other metrics."""
    epochs = len(history)
    for name in history.columns.drop("epoch"):
        for epoch, value in enumerate(history[name].tolist()):
            yield name, value, start + (end - start) * (epoch + 1) / epochs, epoch
    for name, value in metrics.known().items():
        if name not in history:  # of classes, also the accuracies by epoch
            yield name, float(value), end, max(0, epochs - 1)


def _commit_here() -> str | None:
    """The commit of the git repository that this command runs in; None where there is none."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--verify", "HEAD"], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _outputs(record: Record) -> list[str]:
    """The names of what a model of classes gives; empty for one that gives a number."""
    labels = record.data.labels
    if record.spec.loss == "binary_crossentropy":
        labels = (record.spec.positive or labels[1],)
    return probability_columns(labels)


def write_model(run: Run, folder: Path) -> Path:
    """Write a run's model into ``folder/model``, as ``mlflow.keras`` saves one, but without loading Keras.

    Where it takes features as the table has them, its signature has their names, so that ``mlflow.pyfunc`` finds
    them in any order and refuses rows that lack one. Where it takes scaled ones, it is for ``mlflow.keras`` alone.
    """
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec

    record, versions = run.record, run.record.environment
    made = folder / FOLDER
    made.mkdir()
    shutil.copyfile(run.model_path, made / MODEL)
    described = Model()
    described.add_flavor(
        "keras",
        data=Path(MODEL).stem,  # its loader adds the suffix
        keras_version=versions.keras,
        keras_backend="tensorflow",
        save_exported_model=False,
    )
    # A record from before models could begin with their scaling does not say so.
    if record.spec.scale == "none" or record.data.scaling.in_model:
        columns: list[ColSpec | TensorSpec] = [ColSpec(DataType.double, name) for name in record.data.features]
        outputs: list[ColSpec | TensorSpec] = [ColSpec(DataType.double, name) for name in _outputs(record)]
        if not outputs:
            outputs.append(ColSpec(DataType.double))
        described.signature = ModelSignature(Schema(columns), Schema(outputs))
        described.add_flavor(
            "python_function",
            loader_module="mlflow.keras",
            python_version=versions.python,
            env={"virtualenv": PYTHON},
        )
    else:
        described.metadata = {"takes": "scaled features: (value - center) / scale, of data.scaling in run.json"}
    described.save(str(made / "MLmodel"))
    packages = {"keras": versions.keras, "tensorflow": versions.tensorflow, "numpy": versions.numpy}
    pinned = [f"{name}=={version}" if version else name for name, version in packages.items()]
    (made / REQUIREMENTS).write_text("\n".join(["mlflow", *pinned]) + "\n")
    python = f"python: {versions.python}\n" if versions.python else ""
    (made / PYTHON).write_text(f"{python}build_dependencies: [pip]\ndependencies: [-r {REQUIREMENTS}]\n")
    return made


def _send_study(server: MLflowServer, experiment: str, study: StudyFacts) -> bool:
    """Send what is said of a study, instead of what was said before; return False where it is there already."""
    name = f"study {study.name}"
    if server.is_there(name, lambda: server.tagged(DIGEST, study.digest, [experiment])):
        return False
    tags = {STUDY: study.name, DIGEST: study.digest, NOTE: study.text[:MAX_NOTE]}
    with server.new_run(experiment, name, time.time(), tags) as own:
        server.client.log_text(own, study.table, "compare.csv")
        sent = {own, *(_send_variant(server, experiment, study.name, variant) for variant in study.variants)}
        _remove_earlier(server, experiment, study.name, sent)
        server.client.set_terminated(own, "FINISHED")
    return True


def _send_variant(server: MLflowServer, experiment: str, study: str, variant: VariantFacts) -> str:
    """Send a variant and make it the parent of its seeds; return its id."""
    moment = time.time()
    tags = {STUDY: study, VERDICT: variant.word, NOTE: variant.sentence[:MAX_NOTE]}
    with server.new_run(experiment, variant.label, moment, tags) as parent:
        if variant.spec is not None:
            server.log_settings(parent, variant.spec, variant.varying)
        server.log_numbers(parent, [(key, value, moment, 0) for key, value in variant.numbers.items()])
        for record in variant.records:
            for child in server.known(record, [experiment]):
                server.client.set_tag(child.info.run_id, PARENT, parent)
        server.client.set_terminated(parent, "FINISHED")
    return parent


def _remove_earlier(server: MLflowServer, experiment: str, study: str, sent: Collection[str]) -> None:
    """Delete a study's earlier results, and the rest of a sending that was cut off; MLflow can restore them."""
    for earlier in server.having(STUDY, [experiment]):
        if earlier.data.tags.get(STUDY) == study and earlier.info.run_id not in sent:
            server.client.delete_run(earlier.info.run_id)
