"""An MLflow tracking server: its address, its experiments, whether it answers, and the runs it has."""

from __future__ import annotations

import contextlib
import getpass
import io
import math
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from wineexp import extras
from wineexp.errors import ExportError, RuntimeSetupError, SelectionError, first_line
from wineexp.runs.record import Record
from wineexp.specs.run_spec import COSMETIC_FIELDS, RunSpec
from wineexp.specs.wording import format_value

__all__ = [
    "DEFAULT_EXPERIMENT",
    "RECORDED",
    "SIGNATURE",
    "UNFINISHED",
    "Chosen",
    "MLflowServer",
    "choose_address",
    "choose_experiment",
    "told_error",
    "without_password",
]

#: The experiment of runs that belong to no study.
DEFAULT_EXPERIMENT = "wineexp"

#: MLflow's own variables.
ADDRESS_VARIABLE, EXPERIMENT_VARIABLE = "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"

#: Code of an MLflow error -> what a person can do about it.
REMEDIES = {
    "UNAUTHENTICATED": "it requires a login: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
    "MLFLOW_TRACKING_TOKEN",
    "PERMISSION_DENIED": "you have no permission there; ask for it, or give another experiment",
    "ENDPOINT_NOT_FOUND": "the server there is not MLflow, or has MLflow under another path",
}


@dataclass(frozen=True)
class Chosen:
    """An address or a name, and the environment variable that gave it; empty if none did."""

    value: str
    variable: str = ""

    def told(self, shown: str) -> str:
        """``shown``, and the variable that gave it."""
        return f"{shown} (${self.variable})" if self.variable else shown


def choose_address(given: str) -> Chosen:
    """The server's address: the given one, else the environment's.

    Raises
    ------
    SelectionError
        When there is neither, or it is no address.
    """
    variable = "" if given else ADDRESS_VARIABLE
    uri = given or os.environ.get(ADDRESS_VARIABLE, "")
    expected = "MLflow: expected a server's address, such as http://host:5000"
    if not uri:
        raise SelectionError(f"{expected}; found none, and ${ADDRESS_VARIABLE} is not set")
    if "://" not in uri and not uri.startswith("databricks"):
        raise SelectionError(Chosen(uri, variable).told(f"{expected}; found {uri!r}"))
    return Chosen(uri, variable)


def choose_experiment(given: str | None) -> Chosen | None:
    """The experiment for everything: the given one, else the environment's; None if each study has its own."""
    if given:
        return Chosen(given)
    name = os.environ.get(EXPERIMENT_VARIABLE)
    return Chosen(name, EXPERIMENT_VARIABLE) if name else None


def told_error(error: Exception, uri: str) -> str:
    """MLflow's error in a few words: for a failed connection, the reason; for a refusal, what to do about it."""
    code = getattr(error, "error_code", None)
    if code in REMEDIES:
        return REMEDIES[code]
    inner: BaseException = error
    while (deeper := inner.__cause__ or inner.__context__) is not None and not isinstance(deeper, LookupError):
        inner = deeper
    reason = getattr(inner, "strerror", None) or first_line(inner)
    if isinstance(inner, ImportError):
        reason += "; a local database needs the whole package: pip install mlflow"
    return str(reason).replace(uri, without_password(uri))


def without_password(uri: str) -> str:
    """The address without a user's name and password, for messages."""
    login, at, _ = urlsplit(uri).netloc.rpartition("@")
    return uri.replace(f"{login}{at}", "", 1) if at else uri


#: Tags by which a run is recognized.
SIGNATURE, RECORDED = "wineexp.signature", "wineexp.recorded"

#: MLflow's status of a run that is being sent.
UNFINISHED = "RUNNING"

#: The tag with the time when a run's sending began; a run still unfinished long after that was cut off.
SENT = "wineexp.sent"
CUT_OFF = timedelta(minutes=10)

#: Seconds to wait for another process that sends the same, and seconds between checks.
PATIENCE, LOOK_SECONDS = 30.0, 0.5

#: Runs and experiments requested in one call, and MLflow's limit of metrics in one call.
PAGE, METRICS_PER_CALL = 1000, 1000


class MLflowServer:
    """A tracking server.

    Parameters
    ----------
    address : str
        ``http://host:5000``; empty for ``$MLFLOW_TRACKING_URI``. ``mlflow-skinny`` reaches servers; a local
        database needs the whole ``mlflow``.

    Attributes
    ----------
    client : mlflow.MlflowClient
    place : str
        The address as shown to people: without a password, with the variable that gave it.

    Raises
    ------
    MissingExtraError
        When MLflow is not installed.
    SelectionError
        See :func:`choose_address`.
    RuntimeSetupError
        When MLflow cannot use the address.
    """

    def __init__(self, address: str) -> None:
        extras.require("mlflow", "--mlflow")
        chosen = choose_address(address)
        self._uri = chosen.value
        self.place = chosen.told(without_password(chosen.value))
        # Report a dead server after seconds instead of minutes, and send MLflow no telemetry.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        with self.setting_up():
            import mlflow

            self.client: Any = mlflow.MlflowClient(tracking_uri=chosen.value)

    def experiment(self, name: str) -> str:
        """The id of an experiment, which is created if it does not exist.

        Raises
        ------
        RuntimeSetupError
            When no server answers, when it refuses, or when the experiment is deleted.
        """
        with self.setting_up():
            experiment = self.client.get_experiment_by_name(name)
            if experiment is None:
                try:
                    return str(self.client.create_experiment(name))
                except Exception:
                    experiment = self.client.get_experiment_by_name(name)  # another process may have been quicker
                    if experiment is None:
                        raise
        if experiment.lifecycle_stage != "active":
            raise RuntimeSetupError(
                f"MLflow at {self.place}: expected an existing experiment {name!r}, found it deleted; give "
                f"another, or restore it: mlflow experiments restore --experiment-id {experiment.experiment_id}"
            )
        return str(experiment.experiment_id)

    def known(self, record: Record, experiments: Sequence[str]) -> list[Any]:
        """The copies of a run in these experiments; copies of an earlier training do not count."""
        runs = self.tagged(SIGNATURE, record.signature, experiments)
        return [run for run in runs if run.data.tags.get(RECORDED) == record.recorded]

    def tagged(self, tag: str, value: str, experiments: Sequence[str]) -> list[Any]:
        """The runs of these experiments with this value of a tag; the value must have no quotes."""
        return self._runs(f"tags.`{tag}` = '{value}'", experiments)

    def having(self, tag: str, experiments: Sequence[str]) -> list[Any]:
        """The runs of these experiments with a tag, whatever its value."""
        return self._runs(f"tags.`{tag}` LIKE '%'", experiments)

    def holder(self, record: Record) -> str | None:
        """The name of the oldest experiment that has a whole copy of a run; None if none has."""
        experiments = self._pages(self.client.search_experiments)
        names = {experiment.experiment_id: str(experiment.name) for experiment in experiments}
        ids = sorted(names, key=_age)
        for at in range(0, len(ids), PAGE):
            copies = self.known(record, ids[at : at + PAGE])
            if whole := [copy.info.experiment_id for copy in copies if copy.info.status != UNFINISHED]:
                return names[min(whole, key=_age)]
        return None

    def is_there(self, what: str, find: Callable[[], list[Any]]) -> bool:
        """Whether ``find`` finds a whole run; waits for another process that is sending one.

        A run whose sending began long ago and never ended is removed.

        Raises
        ------
        ExportError
            When another process does not end.
        """
        until = time.monotonic() + PATIENCE
        while runs := find():
            if any(run.info.status != UNFINISHED for run in runs):
                return True
            for run in runs:
                if _begun(run) < datetime.now(UTC) - CUT_OFF:
                    self.client.delete_run(run.info.run_id)
                elif time.monotonic() > until:
                    again = (_begun(run) + CUT_OFF).strftime("%H:%M UTC")
                    raise ExportError(
                        f"{what}: not sent to {self.place}: another process is still sending it; if none is, "
                        f"send it again after {again}"
                    )
            time.sleep(LOOK_SECONDS)
        return False

    @contextlib.contextmanager
    def new_run(self, experiment: str, name: str, start: float, tags: Mapping[str, str]) -> Iterator[str]:
        """Create a run and give its id; the caller ends it. It is removed if the block fails.

        Parameters
        ----------
        start : float
            Seconds since 1970.
        """
        made = self.client.create_run(
            experiment,
            start_time=int(1000 * start),
            run_name=name[:250],
            tags={SENT: datetime.now(UTC).isoformat(timespec="seconds"), **_origin(), **tags},
        )
        try:
            yield made.info.run_id
        except BaseException:  # a Ctrl-C too: no partial run is left there
            with contextlib.suppress(Exception):
                self.client.delete_run(made.info.run_id)
            raise

    @contextlib.contextmanager
    def sending(self, what: str) -> Iterator[None]:
        """Turn errors into ``ExportError``, and silence stdout, to which MLflow prints two lines a run."""
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                yield
        except ExportError:
            raise
        except Exception as error:  # noqa: BLE001 - a failed sending stops no training
            raise ExportError(f"{what}: not sent to {self.place}: {told_error(error, self._uri)}") from None

    @contextlib.contextmanager
    def setting_up(self) -> Iterator[None]:
        """Turn errors before anything is sent into ``RuntimeSetupError``, and silence stdout."""
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                yield
        except RuntimeSetupError:
            raise
        except Exception as error:  # noqa: BLE001 - MLflow raises requests', its own and its stores' errors
            raise RuntimeSetupError(
                f"MLflow at {self.place}: cannot be used: {told_error(error, self._uri)}"
            ) from None

    def log_settings(self, run_id: str, spec: RunSpec, without: Collection[str] = ()) -> None:
        """Log the fields of a spec as parameters, except those that change no result."""
        from mlflow.entities import Param

        fields = [field for field in RunSpec.model_fields if field not in COSMETIC_FIELDS.union(without)]
        params = [Param(field, format_value(getattr(spec, field))) for field in fields]
        self.client.log_batch(run_id, params=params)

    def log_numbers(self, run_id: str, numbers: Iterable[tuple[str, float, float, int]]) -> None:
        """Log metrics, as (name, value, seconds since 1970, step); those that are not finite are left out."""
        from mlflow.entities import Metric

        finite = [
            Metric(name, value, int(1000 * moment), step)
            for name, value, moment, step in numbers
            if math.isfinite(value)
        ]
        for at in range(0, len(finite), METRICS_PER_CALL):
            self.client.log_batch(run_id, metrics=finite[at : at + METRICS_PER_CALL])

    def _runs(self, wanted: str, experiments: Sequence[str]) -> list[Any]:
        return list(self._pages(self.client.search_runs, experiment_ids=list(experiments), filter_string=wanted))

    def _pages(self, search: Any, **what: Any) -> Iterator[Any]:
        token = None
        while True:
            page = search(max_results=PAGE, page_token=token, **what)
            yield from page
            token = page.token
            if not token:
                return


def _age(experiment: str) -> tuple[int, str]:
    """Sort key for the ids of experiments, numbers as text: from the oldest to the newest."""
    return len(experiment), experiment


def _begun(run: Any) -> datetime:
    """When the sending of a run began; long ago if its tags do not say."""
    try:
        return datetime.fromisoformat(run.data.tags[SENT])
    except (KeyError, ValueError):
        return datetime.min.replace(tzinfo=UTC)


def _origin() -> dict[str, str]:
    """The tags that MLflow shows as user and source."""
    tags = {"mlflow.source.name": "wineexp", "mlflow.source.type": "LOCAL"}
    with contextlib.suppress(KeyError, OSError, ImportError):  # an account without a name
        tags["mlflow.user"] = getpass.getuser()
    return tags
