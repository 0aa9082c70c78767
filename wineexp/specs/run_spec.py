"""The spec: everything that decides a run's result, and nothing else.

One flat, frozen model. The command line's flags, the YAML keys, the JSON schema and the documentation's
table all come from the fields of :class:`RunSpec`, so that a new field is written once, here.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from wineexp.errors import SpecError, nearest

__all__ = ["ACTIVATIONS", "OPTIMIZERS", "Layer", "RunSpec", "format_value", "format_widths"]

#: Keras's activation names (``keras.activations``, 3.15), less ``glu``, which halves the
#: layer's width, and ``threshold``, which has no defaults for its two settings.
ACTIVATIONS = (
    "celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish",
    "hard_tanh", "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu",
    "sigmoid", "silu", "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid",
    "sparsemax", "squareplus", "swish", "tanh", "tanh_shrink",
)  # fmt: skip

#: Keras's optimizer names (``keras.optimizers``, 3.15) with their default learning rates. Left out:
#: those that wrap another optimizer, and ``schedulefreeadamw``, whose weights must be swapped around
#: each evaluation. A test holds this table against the installed Keras.
OPTIMIZERS: dict[str, float] = {
    "adadelta": 0.001, "adafactor": 0.001, "adagrad": 0.001, "adam": 0.001, "adamax": 0.001,
    "adamw": 0.001, "ftrl": 0.001, "lion": 0.001, "muon": 0.001, "nadam": 0.001, "rmsprop": 0.001,
    "sgd": 0.01,
}  # fmt: skip

MAX_LAYERS = 100
MAX_WIDTH = 65_536
MAX_SEED = 2**31 - 1

#: One layer of the plan: Keras's class name, the hidden layer it belongs to (1 is the first hidden
#: layer, 0 stands for the input, the last number for the output), and its one setting: units and
#: activation of a Dense, momentum of a BatchNormalization, name of an Activation, rate of a Dropout.
Layer = tuple[str, int, Any]

_TIMES = re.compile(r"\s*(\d{1,9})\s*x\s*(\d{1,9})\s*")
_WHOLE = re.compile(r"\s*\d{1,9}\s*")


def _widths(value: object) -> object:
    """``1024x3``, ``512,256``, ``64`` or a list of such, as a tuple of layer sizes."""
    parts = value.split(",") if isinstance(value, str) else value
    if isinstance(parts, int) and not isinstance(parts, bool):
        parts = [parts]
    if not isinstance(parts, (list, tuple)):
        return value
    sizes: list[object] = []
    for part in parts:
        if isinstance(part, str) and (times := _TIMES.fullmatch(part)):
            width, count = int(times[1]), int(times[2])
            if count > MAX_LAYERS:  # checked before the list is made: `1024x999999999` costs nothing
                raise ValueError(f"at most {MAX_LAYERS} hidden layers, found {part.strip()!r}")
            sizes += [width] * count
        elif isinstance(part, str) and _WHOLE.fullmatch(part):
            sizes.append(int(part))
        else:
            sizes.append(part)
    return tuple(sizes)


def _rates(value: object) -> object:
    """``0.3``, ``0.2,0.3`` or a list, as one rate where all are equal, else a tuple of rates."""
    if isinstance(value, str):
        try:
            value = [float(part) for part in value.split(",")]
        except ValueError:
            return value
        value = value[0] if len(value) == 1 else value
    if isinstance(value, (list, tuple)) and value:
        # One variant, one spelling: [0.3, 0.3] is 0.3, so that both have the same signature.
        same = len(set(map(repr, map(_as_float, value)))) == 1
        return _as_float(value[0]) if same else tuple(map(_as_float, value))
    return _as_float(value)


def _as_float(value: object) -> object:
    """An int as float, and -0.0 as 0.0, so that equal numbers have one canonical form."""
    return float(value) + 0.0 if isinstance(value, (int, float)) and not isinstance(value, bool) else value


Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
Rate = Annotated[float, Field(ge=0.0, lt=1.0, allow_inf_nan=False)]
Real = Annotated[float, BeforeValidator(_as_float), Field(allow_inf_nan=False)]


def _field(default: Any, meaning: str, expected: str, **limits: Any) -> Any:
    """A field with its one-line meaning and the words for what is legal, used in every error."""
    return Field(default=default, description=meaning, json_schema_extra={"expected": expected}, **limits)


class RunSpec(BaseModel):
    """Everything that decides a run's result: the model, the training settings, the split, the seed.

    Values are checked strictly (no text for a number) and brought to one canonical form, so that two
    spellings of one variant are equal and have the same signature. Build one with keyword arguments,
    or with :meth:`parse`, whose errors are written for people.

    Raises
    ------
    pydantic.ValidationError
        From the constructor, when a value is illegal; :meth:`parse` raises ``SpecError`` instead.
    """

    # Built at first use: `train --help` reads the fields alone and need not wait for the checks.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, title="wineexp run spec", defer_build=True)

    #: Cosmetic fields: they stay out of the signature.
    COSMETIC: ClassVar[frozenset[str]] = frozenset({"name"})

    widths: Annotated[tuple[Width, ...], BeforeValidator(_widths)] = _field(
        (1024, 1024, 1024), "hidden layer sizes; 1024x3 is short for 1024,1024,1024",
        f"one to {MAX_LAYERS} whole numbers from 1 to {MAX_WIDTH}, such as 512,256 or 1024x3",
        min_length=1, max_length=MAX_LAYERS,
    )  # fmt: skip
    activation: Literal[ACTIVATIONS] = _field(  # type: ignore[valid-type]
        "relu", "activation of the hidden layers, by its Keras name", "a Keras activation name"
    )
    dropout: Annotated[Rate | tuple[Rate, ...], BeforeValidator(_rates)] = _field(
        0.0, "dropout rate after each hidden layer; a list gives one rate a layer",
        "a rate from 0 to below 1, or one such rate for each hidden layer",
    )  # fmt: skip
    bn: Literal["none", "before", "after"] = _field(
        "none", "batch normalization: none, before or after the activation", "none, before or after"
    )
    bn_input: bool = _field(
        False, "batch normalization as the very first layer, in place of a scaler", "true or false"
    )
    bn_momentum: Real = _field(
        0.99, "momentum of batch normalization's moving averages, as Keras defines it",
        "a number from 0 to below 1", ge=0.0, lt=1.0,
    )  # fmt: skip
    optimizer: Literal[tuple(OPTIMIZERS)] = _field(  # type: ignore[valid-type]
        "adam", "optimizer, by its Keras name", "a Keras optimizer name"
    )
    learning_rate: Real | None = _field(
        None, "learning rate; left out, the optimizer's default in Keras", "a number above 0", gt=0.0
    )
    loss: Literal["mae", "mse", "huber"] = _field(
        "mae", "loss: mean absolute error, mean squared error or Huber (delta 1)", "mae, mse or huber"
    )
    batch_size: int = _field(
        256, "rows a training step", "a whole number from 1 to 2147483647", ge=1, le=2**31 - 1
    )
    epochs: int = _field(100, "passes over the training rows", "a whole number from 1 to 1000000", ge=1, le=10**6)
    patience: int | None = _field(
        None, "early stopping: epochs without a better val_loss to wait; none switches it off",
        "a whole number of at least 0, or none", ge=0, le=10**6,
    )  # fmt: skip
    min_delta: Real = _field(
        0.0, "early stopping: how much lower val_loss must be to count as better",
        "a number of at least 0", ge=0.0,
    )  # fmt: skip
    restore_best: bool = _field(True, "early stopping: end with the weights of the best epoch", "true or false")
    scale: Literal["none", "standard", "minmax"] = _field(
        "none", "scaling of the features, fitted on the training rows", "none, standard or minmax"
    )
    train_fraction: Real = _field(
        0.7, "share of the rows to train on; the rest validates", "a number between 0 and 1, both excluded",
        gt=0.0, lt=1.0,
    )  # fmt: skip
    split_seed: int = _field(0, "seed of the split", f"a whole number from 0 to {MAX_SEED}", ge=0, le=MAX_SEED)
    split: Literal["random", "grouped"] = _field(
        "random", "random is the lesson's split; grouped keeps identical rows on one side",
        "random or grouped",
    )  # fmt: skip
    target: str = _field("quality", "column to predict", "the name of a column", min_length=1, max_length=200)
    seed: int = _field(
        0, "seed of initial weights, dropout masks and batch order",
        f"a whole number from 0 to {MAX_SEED}", ge=0, le=MAX_SEED,
    )  # fmt: skip
    name: str | None = _field(
        None, "a label for people; it changes nothing else", "text of 1 to 200 printable characters, or none",
        min_length=1, max_length=200,
    )  # fmt: skip

    @model_validator(mode="before")
    @classmethod
    def _resolve_learning_rate(cls, values: Any) -> Any:
        # Written down at once: a later Keras with another default must not change what this spec means.
        if isinstance(values, dict) and values.get("learning_rate") is None:
            rate = OPTIMIZERS.get(str(values.get("optimizer", "adam")))
            return values if rate is None else {**values, "learning_rate": rate}
        return values

    @field_validator("name", "target")
    @classmethod
    def _printable(cls, value: str | None) -> str | None:
        if value is not None and not value.isprintable():  # it goes to terminals, files and pictures
            raise ValueError("control characters")
        return value

    @model_validator(mode="after")
    def _one_rate_a_layer(self) -> RunSpec:
        if isinstance(self.dropout, tuple) and len(self.dropout) != len(self.widths):
            raise ValueError(
                f"dropout: expected one rate or {len(self.widths)}, one for each hidden layer of "
                f"{format_widths(self.widths)}; found {len(self.dropout)} rates: "
                f"{', '.join(f'{rate:g}' for rate in self.dropout)}"
            )
        return self

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> RunSpec:
        """Return the spec of ``values``, field name to value; raise ``SpecError`` with all problems."""
        unknown = [
            (str(key), f"unknown field{nearest(str(key), cls.model_fields)}")
            for key in values
            if key not in cls.model_fields
        ]
        known = {key: value for key, value in values.items() if key in cls.model_fields}
        try:
            spec = cls(**known)
        except ValidationError as error:
            raise SpecError([*unknown, *_problems(error, known)]) from None
        if unknown:
            raise SpecError(unknown)
        return spec

    def rates(self) -> tuple[float, ...]:
        """The dropout rate of each hidden layer."""
        return self.dropout if isinstance(self.dropout, tuple) else (self.dropout,) * len(self.widths)

    def layer_plan(self) -> tuple[Layer, ...]:
        """The layers in order, as plain tuples; see :data:`Layer`. Keras is not needed to read them."""
        plan: list[Layer] = []
        if self.bn_input:
            plan.append(("BatchNormalization", 0, self.bn_momentum))
        for index, (width, rate) in enumerate(zip(self.widths, self.rates(), strict=True), start=1):
            drop: list[Layer] = [("Dropout", index, rate)] if rate > 0 else []
            norm: Layer = ("BatchNormalization", index, self.bn_momentum)
            if self.bn == "before":
                plan += [("Dense", index, (width, "linear")), norm, ("Activation", index, self.activation)]
                plan += drop
            else:
                plan += [("Dense", index, (width, self.activation)), *drop]
                plan += [norm] if self.bn == "after" else []
        plan.append(("Dense", len(self.widths) + 1, (1, "linear")))
        return tuple(plan)

    def parameters(self, features: int) -> list[tuple[Layer, int, int]]:
        """Each layer of the plan with its output width and parameter count, for so many features."""
        rows, width = [], features
        for layer in self.layer_plan():
            count = 0
            if layer[0] == "Dense":
                count = (width + 1) * layer[2][0]
                width = layer[2][0]
            elif layer[0] == "BatchNormalization":
                count = 4 * width  # gamma, beta, moving mean, moving variance
            rows.append((layer, width, count))
        return rows

    def parameter_count(self, features: int) -> int:
        """All parameters of the model, moving averages included, as ``keras.Model.count_params``."""
        return sum(count for _, _, count in self.parameters(features))

    def settings(self) -> dict[str, Any]:
        """The resolved spec as JSON-ready values (lists, numbers, text), in field order."""
        return self.model_dump(mode="json")

    def to_yaml(self) -> str:
        """The full resolved spec as YAML, each value as JSON, which YAML 1.2 contains."""
        lines = (f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in self.settings().items())
        return "".join(lines)

    def signature(self, fingerprint: str) -> str:
        """8 hex characters naming this spec on the table of that fingerprint; cosmetics stay out."""
        return _digest(self.settings(), self.COSMETIC, fingerprint)

    def variant(self, fingerprint: str) -> str:
        """As :meth:`signature`, with the seed left out: shared by all seeds of one variant."""
        return _digest(self.settings(), self.COSMETIC | {"seed"}, fingerprint)

    def differing(self) -> dict[str, Any]:
        """The settings that differ from the defaults, seed and cosmetics left out, in field order."""
        plain = RunSpec(optimizer=self.optimizer).settings() | {"optimizer": "adam"}
        skip = self.COSMETIC | {"seed"}
        return {k: v for k, v in self.settings().items() if k not in skip and v != plain[k]}

    def label(self) -> str:
        """The name, or the settings that differ from the defaults (``dropout0.3-bn_after``), or ``plain``."""
        if self.name is not None:
            return self.name
        return "-".join(_tag(key, value) for key, value in self.differing().items()) or "plain"

    def describe(self, without: Collection[str] = ()) -> str:
        """One line for people: layers, regularization, optimizer, training; some fields may be left out."""
        parts = {
            "widths": format_widths(self.widths),
            "activation": self.activation,
            "dropout": f"dropout {format_value(self.dropout)}" if any(self.rates()) else "",
            "bn": f"batch norm {self.bn} activation" if self.bn != "none" else "",
            "bn_input": "batch norm on the input" if self.bn_input else "",
            "scale": f"{self.scale} scaling" if self.scale != "none" else "",
            "optimizer": f"{self.optimizer} {self.learning_rate:g}",
            "loss": self.loss,
            "batch_size": f"batch {self.batch_size}",
            "epochs": f"{self.epochs} epochs",
            "patience": f"patience {self.patience}" if self.patience is not None else "",
            "seed": f"seed {self.seed}",
        }
        told = {field: text for field, text in parts.items() if text and field not in without}
        if "widths" in told and "activation" in told:
            told["widths"] += f" {told.pop('activation')}"
        return ", ".join(told.values())


def format_widths(widths: tuple[int, ...] | list[int]) -> str:
    """``1024x3`` for equal widths, else ``512,256,64``."""
    if len(set(widths)) == 1:
        return f"{widths[0]}x{len(widths)}"
    return ",".join(map(str, widths))


def format_value(value: Any) -> str:
    """A field's value as a person would write it in a config: ``1024x3``, ``0.3``, ``true``, ``none``."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        whole = all(isinstance(item, int) for item in value)
        return format_widths(value) if whole else ",".join(f"{item:g}" for item in value)
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _tag(key: str, value: Any) -> str:
    """One setting in a label: ``dropout0.3``, ``bn_after``, ``bn_input``, ``64x3``."""
    if key == "widths":
        return format_widths(value).replace(",", "-")
    if isinstance(value, bool):
        return key if value else f"no_{key}"
    if isinstance(value, list):
        return key + "-".join(f"{item:g}" for item in value)
    return f"{key}{value:g}" if isinstance(value, (int, float)) else f"{key}_{value}"


def _digest(settings: dict[str, Any], without: frozenset[str], fingerprint: str) -> str:
    spec = {key: value for key, value in settings.items() if key not in without}
    text = json.dumps({"spec": spec, "table": fingerprint}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _problems(error: ValidationError, values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Pydantic's errors as one (field, "expected ...; found ...") a field, in field order."""
    found: dict[str, str] = {}
    for item in error.errors(include_url=False):
        if not item["loc"]:  # a check over several fields, whose message starts with the field
            field, _, text = str(item["ctx"]["error"]).partition(": ")
        else:
            field, text = str(item["loc"][0]), _expected(str(item["loc"][0]), values)
        found.setdefault(field, text)
    return [(field, found[field]) for field in RunSpec.model_fields if field in found]


def _expected(field: str, values: Mapping[str, Any]) -> str:
    extra = RunSpec.model_fields[field].json_schema_extra
    expected = extra["expected"] if isinstance(extra, dict) else ""
    value = values.get(field)
    legal = {"activation": ACTIVATIONS, "optimizer": tuple(OPTIMIZERS)}.get(field, ())
    hint = nearest(value, legal) if isinstance(value, str) and legal else ""
    if legal and not hint:
        expected = f"{expected}: {', '.join(legal)}"
    if field == "bn" and value in ("no", "off", "false", False):
        hint = " (did you mean 'none'?)"
    shown = repr(value) if not isinstance(value, float) or math.isfinite(value) else str(value)
    return f"expected {expected}; found {shown if len(shown) <= 80 else shown[:77] + '...'}{hint}"
