"""run.json as one frozen type: written from it, read and validated into it once. Loads nothing heavy."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_serializer,
)

from wineexp.data.facts import TableFacts
from wineexp.errors import RunError, SpecError
from wineexp.listing import TARGET
from wineexp.specs.fields import MAX_SEED
from wineexp.specs.run_spec import FILLING, RunSpec

__all__ = ["SCHEMA", "Environment", "FileFacts", "Metrics", "Reason", "Record", "Status", "Timing"]

#: The version of run.json that is written. 1: by wineexp 0.1.0, without this number; 2: without a checksum.
SCHEMA = 3


Status = Literal["done", "failed", "interrupted"]
Reason = Literal["diverged", "error", "timeout", "killed"]


def _drawable(value: float) -> float:
    """Limit a value so that even twice as much can be drawn; squared float32 targets stay far below."""
    if abs(value) > 1e100:
        raise ValueError("expected a number up to 1e100")
    return value


_Number = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_drawable)]
_Seconds = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]

# Keys that a later version may add are kept, so that a record is shown and sent on unchanged.
_PART = ConfigDict(frozen=True, strict=True, extra="allow")


#: The unit of a metric that is the number of an epoch, counted from 0.
EPOCH = "epoch"


def _metric(heading: str, form: str, meaning: str, *, unit: str = "", listed: int = 0) -> Any:
    """A metric with its heading, the format of its numbers, its meaning and its place in ``wineexp runs``.

    ``listed``: the place among the columns shown by default; 0: not among them.
    """
    extra: Any = {"form": form, "unit": unit, "listed": listed}
    return Field(default=None, title=heading, description=meaning, json_schema_extra=extra)


def _error(heading: str, meaning: str, *, listed: int = 0) -> Any:
    return _metric(heading, ".4f", meaning, unit=TARGET, listed=listed)


_PASSES = "the mean of mc_passes passes with dropout on"


def _share(heading: str, meaning: str, listed: int = 0) -> Any:
    """A metric of predicted classes."""
    return _metric(heading, ".4f", f"classes: {meaning}", listed=listed)


_LOG_LOSS = "mean of minus the logarithm of the own label's probability, clipped to [1e-7, 1 - 1e-7],"
_BRIER = "mean squared error of the second label's probability, of more than two labels their sum,"
_AUC = "area under the ROC curve, of more than two labels the mean of each against the rest,"
_SHARES = "always predicting the training rows' shares of the labels"


class Metrics(BaseModel):
    """The metrics of a run, each None if it is not known or not finite. One declared here is shown everywhere.

    An unfinished run only has the metrics of the constant predictor.
    """

    model_config = _PART

    loss: _Number | None = _metric("loss", ".4f", "training loss of the last epoch, dropout on")
    val_loss: _Number | None = _metric("val_loss", ".4f", "validation loss of the last epoch")
    best_val_loss: _Number | None = _metric("best val_loss", ".4f", "lowest validation loss of any epoch")
    best_epoch: int | None = _metric(
        "best epoch", ".0f", "epoch of the lowest val_loss; from 0 in data", unit=EPOCH, listed=9
    )
    last10_val_loss: _Number | None = _metric(
        "last 10 val_loss", ".4f", "mean validation loss of the last ten epochs"
    )
    train_mae: _Number | None = _error(
        "train MAE", "mean absolute error on the training rows, dropout off", listed=7
    )
    train_rmse: _Number | None = _error("train RMSE", "root mean squared error on the training rows, dropout off")
    val_mae: _Number | None = _error("val MAE", "mean absolute error on the validation rows", listed=1)
    val_mae_se: _Number | None = _error("val MAE se", "standard error of val MAE over the rows", listed=3)
    val_rmse: _Number | None = _error("val RMSE", "root mean squared error on the validation rows")
    baseline_mae: _Number | None = _error(
        "constant's MAE", "validation MAE of always predicting the training median"
    )
    baseline_rmse: _Number | None = _error(
        "constant's RMSE", "validation RMSE of always predicting the training mean"
    )
    baseline_loss: _Number | None = _metric(
        "constant's loss", ".4f", "validation loss of always predicting the training rows' best constant"
    )
    skill: _Number | None = _metric(
        "skill", "+.1%", "1 - val MAE / constant's MAE; of classes 1 - val log loss / constant's", listed=6
    )
    val_mae_twins: _Number | None = _error(
        "MAE twins", "val MAE on rows that also occur, value for value, in the training rows"
    )
    val_mae_unseen: _Number | None = _error("MAE unseen", "val MAE on the other rows")
    test_mae: _Number | None = _error("test MAE", "mean absolute error on the test rows")
    test_mae_se: _Number | None = _error("test MAE se", "standard error of the test MAE over its rows")
    test_rmse: _Number | None = _error("test RMSE", "root of the mean squared error on the test rows")
    val_mae_mc: _Number | None = _error("val MAE (MC)", f"val MAE of {_PASSES}")
    val_rmse_mc: _Number | None = _error("val RMSE (MC)", f"val RMSE of {_PASSES}")
    test_mae_mc: _Number | None = _error("test MAE (MC)", f"test MAE of {_PASSES}")
    test_rmse_mc: _Number | None = _error("test RMSE (MC)", f"test RMSE of {_PASSES}")
    train_log_loss: _Number | None = _share("train log loss", f"{_LOG_LOSS} on the training rows, dropout off", 8)
    train_error_rate: _Number | None = _share("train error rate", "share of wrong labels on the training rows")
    train_brier: _Number | None = _share("train Brier score", f"{_BRIER} on the training rows")
    val_log_loss: _Number | None = _share("val log loss", f"{_LOG_LOSS} on the validation rows", 2)
    val_log_loss_se: _Number | None = _share("val log loss se", "standard error of val log loss over the rows", 4)
    val_error_rate: _Number | None = _share("val error rate", "share of wrong labels on the validation rows", 5)
    val_brier: _Number | None = _share("val Brier score", f"{_BRIER} on the validation rows")
    val_accuracy: _Number | None = _share("val accuracy", "share of right labels on the validation rows")
    val_auc: _Number | None = _share("val AUC", f"{_AUC} on the validation rows")
    baseline_log_loss: _Number | None = _share("constant's log loss", f"validation log loss of {_SHARES}")
    baseline_error_rate: _Number | None = _share(
        "constant's error rate", "validation error rate of always predicting the training rows' commonest label"
    )
    baseline_brier: _Number | None = _share("constant's Brier score", f"validation Brier score of {_SHARES}")
    val_log_loss_twins: _Number | None = _share(
        "log loss twins", "val log loss on rows that also occur, value for value, in the training rows"
    )
    val_log_loss_unseen: _Number | None = _share("log loss unseen", "val log loss on the other rows")
    test_log_loss: _Number | None = _share("test log loss", f"{_LOG_LOSS} on the test rows")
    test_log_loss_se: _Number | None = _share(
        "test log loss se", "standard error of the test log loss over its rows"
    )
    test_error_rate: _Number | None = _share("test error rate", "share of wrong labels on the test rows")
    test_brier: _Number | None = _share("test Brier score", f"{_BRIER} on the test rows")
    test_accuracy: _Number | None = _share("test accuracy", "share of right labels on the test rows")
    test_auc: _Number | None = _share("test AUC", f"{_AUC} on the test rows")
    val_log_loss_mc: _Number | None = _share("val log loss (MC)", f"val log loss of {_PASSES}")
    val_error_rate_mc: _Number | None = _share("val error rate (MC)", f"val error rate of {_PASSES}")
    val_brier_mc: _Number | None = _share("val Brier score (MC)", f"val Brier score of {_PASSES}")
    test_log_loss_mc: _Number | None = _share("test log loss (MC)", f"test log loss of {_PASSES}")
    test_error_rate_mc: _Number | None = _share("test error rate (MC)", f"test error rate of {_PASSES}")
    test_brier_mc: _Number | None = _share("test Brier score (MC)", f"test Brier score of {_PASSES}")

    @classmethod
    def of(cls, values: Mapping[str, float | None]) -> Metrics:
        """The metrics with these values; NaN and infinity, which JSON cannot represent, as None."""
        finite = {name: value for name, value in values.items() if value is not None and math.isfinite(value)}
        return cls(**{**dict.fromkeys(values), **finite})

    def known(self) -> dict[str, float | int]:
        """Name to value of the known metrics."""
        return {name: value for name, value in self.model_dump().items() if value is not None}


class Timing(BaseModel):
    """Wall seconds of a run: all epochs, the first (which includes the compilation), and the whole run."""

    model_config = _PART

    epochs: Annotated[int, Field(ge=0)] | None = None
    fit_seconds: _Seconds | None = None
    first_epoch_seconds: _Seconds | None = None
    run_seconds: _Seconds | None = None

    @property
    def epoch_seconds(self) -> float | None:
        """Seconds per epoch after the first, which also compiles; for a single epoch, all of it."""
        if not self.epochs or self.fit_seconds is None or self.first_epoch_seconds is None:
            return None
        if self.epochs == 1:
            return self.first_epoch_seconds
        return (self.fit_seconds - self.first_epoch_seconds) / (self.epochs - 1)


class Environment(BaseModel):
    """Everything that may affect a result besides its spec and table: versions, machine, threads."""

    model_config = _PART

    python: str | None = None
    wineexp: str | None = None
    tensorflow: str | None = None
    keras: str | None = None
    numpy: str | None = None
    pandas: str | None = None
    platform: str | None = None
    processor: str | None = None
    cores: int | None = None
    threads: Annotated[int, Field(ge=1)] | None = None
    device: str | None = None
    onednn: bool | None = None
    compiler: str | None = None

    def known(self) -> dict[str, Any]:
        """Name to value of the recorded facts."""
        return self.model_dump(exclude_unset=True)


def _checksum(body: bytes) -> bytes:
    """The end of run.json, whose last key is the SHA-256 of all bytes before it."""
    return b',\n  "checksum": "%s"\n}\n' % hashlib.sha256(body).hexdigest().encode()


_CHECKSUM = re.compile(rb',\n  "checksum": "[0-9a-f]{64}"\n\}\n')
_CHECKSUM_BYTES = len(_checksum(b""))


def _spec(value: Any) -> RunSpec:
    if isinstance(value, RunSpec):
        return value
    if not isinstance(value, dict):
        raise ValueError("expected a mapping of fields")
    seed = value.get("seed")
    if type(seed) is not int or not 0 <= seed <= MAX_SEED:
        return RunSpec.parse(value)
    return _variant(json.dumps({**value, "seed": 0})).model_copy(update={"seed": seed})


@functools.lru_cache(maxsize=1024)
def _variant(text: str) -> RunSpec:
    """The variant's spec; for many seeds of one variant, the fields that they share are validated once."""
    return RunSpec.parse(json.loads(text))


class FileFacts(BaseModel):
    """Size in bytes and SHA-256 of a file of the run, as it was written."""

    model_config = _PART

    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

    @classmethod
    def of(cls, content: bytes) -> FileFacts:
        return cls(size=len(content), sha256=hashlib.sha256(content).hexdigest())


class Record(BaseModel):
    """The content of run.json.

    Attributes
    ----------
    schema_version : int
        ``schema`` in the file.
    status, reason, error
        ``failed`` has a reason, and the first line of error.txt; the other statuses have neither.
    directory : str
        The run directory's name as it was written.
    label : str
        Its name, or the settings that differ from the defaults.
    names : tuple of str
        All names of its spec in a config.
    signature, variant_signature : str
        8 hex characters of spec and table; the second (``variant`` in the file) leaves the seed out.
    recorded : str
        When it was recorded, ISO 8601, UTC.
    planned : str
        When its batch was planned: runs that are added to a study later come after it, and do not take its colour.
        Empty in records of wineexp 0.1.0.
    files : dict of str to FileFacts, or None
        Each other file of the directory; None in records of wineexp 0.1.0.
    """

    model_config = ConfigDict(**_PART, populate_by_name=True)

    schema_version: Annotated[int, Field(ge=1)] = Field(default=1, alias="schema")
    status: Status
    reason: Reason | None = None
    error: str | None = None
    directory: str = ""
    label: str
    names: tuple[str, ...] = ()
    signature: str
    variant_signature: str = Field(alias="variant")
    spec: Annotated[RunSpec, BeforeValidator(_spec)]
    data: TableFacts
    metrics: Metrics = Metrics()
    timing: Timing = Timing()
    environment: Environment = Environment()
    recorded: str = ""
    planned: str = ""
    files: dict[str, FileFacts] | None = None

    @field_serializer("spec")
    def _whole_spec(self, spec: RunSpec) -> dict[str, Any]:
        return spec.settings()  # all fields, not only those that were set

    @property
    def keys(self) -> tuple[str, str]:
        """Today's signature and variant signature, which runs of one spec, or of one variant, share.

        Up to schema 2, the recorded ones also covered recording fields and fields without effect.
        """
        return self.spec.signatures(self.data.signed)

    @property
    def key(self) -> str:
        """Today's signature: see :attr:`keys`."""
        return self.keys[0]

    @property
    def variant_key(self) -> str:
        """Today's variant signature: see :attr:`keys`."""
        return self.keys[1]

    @property
    def simulated(self) -> bool:
        """Whether it was trained on the simulated table."""
        return self.data.kind == "simulated"

    @property
    def outcome(self) -> str:
        """``done``, ``interrupted`` or ``failed (diverged)``."""
        return f"{self.status} ({self.reason})" if self.reason else self.status

    @property
    def is_sealed(self) -> bool:
        """Whether run.json has a checksum of itself, as from schema 3 on."""
        return self.schema_version >= 3

    def text(self) -> bytes:
        """run.json: the record, its last key the SHA-256 of the bytes before it."""
        content = json.dumps(self.as_json(), indent=2, ensure_ascii=False, allow_nan=False)
        body = content.removesuffix("\n}").encode()
        return body + _checksum(body) if self.is_sealed else f"{content}\n".encode()

    @classmethod
    def of_file(cls, content: bytes, source: Path) -> Record:
        """:meth:`from_json` of run.json, which must match its own checksum; earlier files have none."""
        body, end = content[:-_CHECKSUM_BYTES], content[-_CHECKSUM_BYTES:]
        sealed = _CHECKSUM.fullmatch(end) is not None
        if sealed and end != _checksum(body):
            raise RunError(f"{source}: is damaged: its content is not what was written, by its checksum")
        record = cls.from_json(body + b"\n}" if sealed else content, source)
        if sealed != record.is_sealed or "checksum" in (record.model_extra or {}):
            expected = "a checksum at its end" if record.is_sealed else "none before schema 3"
            raise RunError(f"{source}: is damaged: checksum: expected {expected}")
        return record

    def as_json(self) -> dict[str, Any]:
        """The record as in run.json."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    @classmethod
    def from_json(cls, content: str | bytes, source: Path) -> Record:
        """Validate the text of a record; raise ``RunError`` with ``source`` and the first fault."""
        try:
            record = cls.model_validate_json(content)
        except ValidationError as error:
            raise RunError(f"{source}: {_first_fault(error)}") from None
        except SpecError as error:
            raise RunError(f"{source}: spec: {'; '.join(str(error).splitlines())}") from None
        if record.schema_version > SCHEMA:
            raise RunError(
                f"{source}: written by a later wineexp (schema {record.schema_version}; "
                f"this one reads up to {SCHEMA})"
            )
        if disagreement := record._disagreement():
            raise RunError(f"{source}: is damaged: {disagreement}")
        return record

    def _disagreement(self) -> str | None:
        """The first contradiction within the record; None if there is none."""
        found = self.signature, self.variant_signature
        earlier = self.spec.earlier_signatures(self.data.identity) if self.schema_version < 3 else None
        if found not in (self.keys, earlier):
            signature, variant = self.keys
            return (
                f"signature and variant: expected {signature} and {variant}, those of spec and table; "
                f"found {self.signature} and {self.variant_signature}"
            )
        if (self.reason is None) == (self.status == "failed"):
            return f"reason: expected one for a failed run alone; the run is {self.status}, reason {self.reason}"
        if self.data.scaling.in_model and self.spec.scale == "none":
            return "data.scaling.in_model: expected true with a scale alone; the spec's is none"
        spec = self.spec
        if bool(self.data.sides) != (spec.split == "column"):
            return f"data.sides: expected {'some' if spec.split == 'column' else 'none'}, as split is {spec.split}"
        fault = self.data.contradiction(
            spec.target, spec.scale, spec.scale_target, has_classes=spec.has_classes
        ) or _other_classes(spec, self.data.labels)
        if not fault and bool(self.data.fills) > (spec.missing in FILLING):
            fault = f"fills: expected none, as the spec's missing is {spec.missing}"
        return None if fault is None else f"data.{fault}"


def _other_classes(spec: RunSpec, labels: tuple[str, ...]) -> str | None:
    """Why labels cannot be those that a spec was trained on; None if they can."""
    if spec.loss == "binary_crossentropy" and len(labels) != 2:
        return f"labels: expected two, by the spec's loss, found {len(labels)}"
    if spec.positive is not None and labels and spec.positive not in labels:
        return f"labels: expected the spec's positive {spec.positive!r} among them"
    return None


def _first_fault(error: ValidationError) -> str:
    """Pydantic's first error as ``data.rows: expected ..., found ...``."""
    fault = error.errors(include_url=False)[0]
    if fault["type"] == "json_invalid":
        return f"is damaged: expected JSON, found {fault['ctx']['error']}"
    where = ".".join(map(str, fault["loc"])) or "the record"
    if fault["type"] == "missing":
        return f"is damaged: expected {where}, found none"
    found = json.dumps(fault["input"], default=str)
    message = fault["msg"].removeprefix("Value error, ")
    return f"is damaged: {where}: {message[0].lower()}{message[1:]}, found {found[:60]}"
