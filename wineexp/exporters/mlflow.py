"""Finished runs on an MLflow server: ``wineexp[mlflow]``."""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from wineexp import extras
from wineexp.comparison.comparison import Comparison
from wineexp.errors import ExportError, RuntimeSetupError, first_line
from wineexp.exporters.study import digest_of, variant_facts
from wineexp.runs.directory import Run
from wineexp.runs.reader import LoadedRun, load_run
from wineexp.specs.run_spec import COSMETIC_FIELDS, RunSpec
from wineexp.specs.wording import format_value
from wineexp.text import csv_text

__all__ = ["MLflowLog"]

#: Tags by which a run is recognized.
SIGNATURE, RECORDED, STUDY, STUDY_NAME = (
    "wineexp.signature",
    "wineexp.recorded",
    "wineexp.study",
    "wineexp.study_name",
)

#: What MLflow takes in one call.
METRICS_PER_CALL, PARAMETERS_PER_CALL = 1000, 100

STATUS = {"done": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}


class MLflowLog:
    """An MLflow experiment that runs are sent to.

    Parameters
    ----------
    uri : str
        Of the tracking server, ``http://host:5000``. ``mlflow-skinny`` reaches servers; a local database
        needs the whole ``mlflow``.
    experiment : str
        Created if it does not exist.

    Raises
    ------
    MissingExtraError
        Where MLflow is not installed.
    RuntimeSetupError
        When no server answers at ``uri``.
    """

    name = "MLflow"

    def __init__(self, uri: str, experiment: str) -> None:
        extras.require("mlflow", "--mlflow")
        # Report a dead server after seconds instead of minutes, and send MLflow no telemetry.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        import mlflow

        self.uri = uri
        try:
            self.client: Any = mlflow.MlflowClient(tracking_uri=uri)
            found = self.client.get_experiment_by_name(experiment)
            self.experiment = found.experiment_id if found else self.client.create_experiment(experiment)
        except Exception as error:  # noqa: BLE001 - MLflow raises requests', its own and its stores' errors
            raise RuntimeSetupError(f"--mlflow: no MLflow store answers at {uri}: {first_line(error)}") from None

    def export(self, run: Run) -> bool:
        """Send the run; return False where it is there already.

        Raises
        ------
        ExportError
            When the server refuses or does not answer.
        """
        with self._sending(str(run.path)):
            return self._export(run)

    @contextlib.contextmanager
    def _sending(self, what: str) -> Iterator[None]:
        """What goes wrong as ``ExportError``; and silence, as MLflow prints two lines a run to stdout."""
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                yield
        except Exception as error:  # noqa: BLE001 - see above; what cannot be sent stops no training
            raise ExportError(f"{what}: not sent to {self.uri}: {first_line(error)}") from None

    def _export(self, run: Run) -> bool:
        recorded = run.record.recorded
        for known in self.client.search_runs([self.experiment], f"tags.`{SIGNATURE}` = '{run.signature}'"):
            if known.data.tags.get(RECORDED) == recorded and known.info.status in STATUS.values():
                return False
            if known.info.status == "RUNNING":  # an export that was cut off
                self.client.delete_run(known.info.run_id)
        loaded = load_run(run)
        end = datetime.fromisoformat(recorded).timestamp()
        start = end - (run.record.timing.run_seconds or 0.0)
        tags = {SIGNATURE: run.signature, RECORDED: recorded, **_tags(run)}
        made = self.client.create_run(
            self.experiment, start_time=int(1000 * start), tags=tags, run_name=run.path.name[:250]
        )
        self._log(made.info.run_id, run.spec, loaded, start, end)
        for path in sorted(run.path.iterdir()):
            if path.is_file():
                self.client.log_artifact(made.info.run_id, str(path))
        self.client.set_terminated(made.info.run_id, STATUS[run.status], end_time=int(1000 * end))
        return True

    def export_study(self, comparison: Comparison, name: str) -> bool:
        """Send a study as a run of its own, the parent of its runs: each variant's mean, interval and verdict.

        Metrics are ``<column>/<variant>``; verdicts in words are tags, and the table an artifact.

        Raises
        ------
        ExportError
            When the server refuses or does not answer.
        """
        with self._sending(f"study {name}"):
            return self._export_study(comparison, name)

    def _export_study(self, comparison: Comparison, name: str) -> bool:
        from mlflow.entities import Metric

        digest = digest_of(comparison)
        if self.client.search_runs([self.experiment], f"tags.`{STUDY}` = '{digest}'"):
            return False
        moment = int(1000 * datetime.now(UTC).timestamp())
        facts = variant_facts(comparison)
        self._delete_unfinished(name)
        made = self.client.create_run(
            self.experiment, start_time=moment, tags={STUDY_NAME: name}, run_name=f"study {name}"[:250]
        )
        parent = made.info.run_id
        keys = _keys([one.label for one in facts])
        numbers = [(key, one.label, value) for one in facts for key, value in one.numbers.items()]
        metrics = [Metric(f"{key}/{keys[label]}", value, moment, 0) for key, label, value in numbers]
        for at in range(0, len(metrics), METRICS_PER_CALL):
            self.client.log_batch(parent, metrics=metrics[at : at + METRICS_PER_CALL])
        for one in facts:
            self.client.set_tag(parent, f"verdict/{keys[one.label]}", one.word)
        self.client.set_tag(
            parent, "mlflow.note.content", "\n\n".join((*comparison.sentences(), *comparison.notes))
        )
        self.client.log_text(parent, csv_text(comparison.rows()), "compare.csv")
        for run in comparison.runs:
            if run.record is not None:
                for child in self.client.search_runs(
                    [self.experiment], f"tags.`{SIGNATURE}` = '{run.record.signature}'"
                ):
                    self.client.set_tag(child.info.run_id, "mlflow.parentRunId", parent)
        self.client.set_terminated(parent, "FINISHED")
        self.client.set_tag(parent, STUDY, digest)  # last: what was cut off is sent again
        return True

    def _delete_unfinished(self, name: str) -> None:
        """Remove what a sending that was cut off has left."""
        for known in self.client.search_runs([self.experiment]):
            if known.data.tags.get(STUDY_NAME) == name and known.info.status == "RUNNING":
                self.client.delete_run(known.info.run_id)

    def _log(self, run_id: str, spec: RunSpec, loaded: LoadedRun, start: float, end: float) -> None:
        from mlflow.entities import Metric, Param

        params = [
            Param(field, format_value(getattr(spec, field)))
            for field in RunSpec.model_fields
            if field not in COSMETIC_FIELDS
        ]
        self.client.log_batch(run_id, params=params[:PARAMETERS_PER_CALL])
        metrics = []
        last = max(0, len(loaded.history) - 1)
        for name in loaded.history.columns.drop("epoch"):
            for epoch, value in enumerate(loaded.history[name].tolist()):
                moment = int(1000 * (start + (end - start) * (epoch + 1) / (last + 1)))
                metrics.append(Metric(name, value, moment, epoch))
        metrics += [
            Metric(name, float(value), int(1000 * end), last)
            for name, value in loaded.metrics.known().items()
            if name not in ("loss", "val_loss")
        ]
        finite = [metric for metric in metrics if math.isfinite(metric.value)]
        for at in range(0, len(finite), METRICS_PER_CALL):
            self.client.log_batch(run_id, metrics=finite[at : at + METRICS_PER_CALL])


def _keys(labels: Sequence[str]) -> dict[str, str]:
    """Labels as MLflow takes them in the name of a metric or a tag, each another."""
    keys: dict[str, str] = {}
    for label in labels:
        key = re.sub(r"\.{2,}", "_", re.sub(r"[^\w .:-]", "_", label)).strip(" .")[:180] or "_"
        keys[label] = key if key not in keys.values() else f"{key} {len(keys)}"
    return keys


def _tags(run: Run) -> dict[str, str]:
    record = run.record
    tags = {
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
