"""Which MLflow server and experiment: flag before environment before default; and MLflow's errors in words."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from wineexp.errors import SelectionError, first_line

__all__ = [
    "DEFAULT_EXPERIMENT",
    "Chosen",
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
    "UNAUTHENTICATED": "it asks who you are: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
    "MLFLOW_TRACKING_TOKEN",
    "PERMISSION_DENIED": "you have no permission there; ask for it, or give another experiment",
    "ENDPOINT_NOT_FOUND": "what answers there is no MLflow server, or it is one below another path",
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
