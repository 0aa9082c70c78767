"""The spec: everything that determines a run's result, and nothing else.

One flat, frozen model. Flags, YAML keys, JSON schema and docs all come from its fields: a new one is written once.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from wineexp.errors import SpecError
from wineexp.specs import column_fields, layers, parsing, wording
from wineexp.specs.column_fields import Column, Columns
from wineexp.specs.fields import (
    MAX_LAYERS,
    MAX_SEED,
    MAX_WIDTH,
    OF_THE_BATCHES,
    OF_THE_LOOP,
    OF_THE_MODEL,
    OF_THE_ROWS,
    PRECISION,
    Marks,
    Part,
    Patience,
    Rates,
    Real,
    Widths,
    check_precision,
    check_rates,
    check_shares,
    is_label,
    marks_of,
    optimizer_defaults,
    spec_field,
)
from wineexp.specs.keras_names import ACTIVATIONS, OPTIMIZERS
from wineexp.specs.layers import Layer, LayerSize

__all__ = [
    "COSMETIC_FIELDS",
    "MARKS",
    "NEEDED",
    "RECORDING_FIELDS",
    "VARIANT_FIELDS",
    "RunSpec",
    "check_effects",
    "deciding",
    "shape_of",
    "varying",
]


def _decisive(
    settings: Mapping[str, Any], defaults: Mapping[str, Any], cosmetic: Collection[str], later: Collection[str]
) -> dict[str, Any]:
    """What of a spec's settings is signed: not the cosmetic ones, nor ``later`` ones that keep their default."""
    return {
        name: value
        for name, value in settings.items()
        if name not in cosmetic and not (name in later and value == defaults[name])
    }


def _seedless_parts(spec: Mapping[str, Any], table: str) -> tuple[str, str, str]:
    """The canonical JSON of ``spec`` and its table's identity around the seed's digits, and without a seed."""
    without = {name: value for name, value in spec.items() if name != "seed"}
    text, whole = (
        json.dumps({"spec": values, "table": table}, sort_keys=True, separators=(",", ":"))
        for values in (without, without | {"seed": 0})
    )
    key = '"seed":'  # within text its quotes would be escaped
    before, _, after = whole.partition(f"{key}0")
    return before + key, after, text


def _digest(text: str) -> str:
    """The signature of canonical JSON."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


class RunSpec(BaseModel):
    """Everything that determines a run's result: the model, the training settings, the split, the seed.

    Values are checked strictly (no text for a number) and converted to one canonical form, so that two
    spellings of one variant are equal and have the same signature. Build one with keyword arguments,
    or with :meth:`parse`, whose error messages are written for users.

    Raises
    ------
    pydantic.ValidationError
        From the constructor, when a value is invalid; :meth:`parse` raises ``SpecError`` instead.
    """

    # Built at first use: `train --help` reads the fields alone and need not wait for the checks.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, title="wineexp run spec", defer_build=True)

    widths: Widths = spec_field(
        (1024, 1024, 1024),
        "hidden layer sizes; 1024x3 is short for 1024,1024,1024",
        f"one to {MAX_LAYERS} whole numbers from 1 to {MAX_WIDTH}, such as 512,256 or 1024x3",
        min_length=1,
        max_length=MAX_LAYERS,
        free=OF_THE_MODEL,
    )
    activation: Literal[ACTIVATIONS] = spec_field(  # type: ignore[valid-type]
        "relu", "activation of the hidden layers, by its Keras name", "a Keras activation name", free=OF_THE_MODEL
    )
    dropout: Rates = spec_field(
        0.0,
        "dropout rate after each hidden layer; a list gives one rate per layer",
        "a rate from 0 to below 1, or one such rate for each hidden layer",
        free=OF_THE_MODEL,
    )
    bn: Literal["none", "before", "after"] = spec_field(
        "none",
        "batch normalization: none, before or after the activation",
        "none, before or after",
        free=OF_THE_BATCHES,
    )
    bn_input: bool = spec_field(
        False,
        "batch normalization as the very first layer, in place of a scaler",
        "true or false",
        free=OF_THE_BATCHES,
    )
    bn_momentum: Real = spec_field(
        0.99,
        "momentum of batch normalization's moving averages, as Keras defines it",
        "a number from 0 to below 1",
        free=OF_THE_MODEL,
        needs=("bn", "bn_input"),
        ge=0.0,
        lt=1.0,
    )
    optimizer: Literal[tuple(OPTIMIZERS)] = spec_field(  # type: ignore[valid-type]
        "adam", "optimizer, by its Keras name", "a Keras optimizer name", free=OF_THE_MODEL
    )
    learning_rate: Real | None = spec_field(
        None,
        "learning rate; by default the optimizer's in Keras",
        "a number above 0, up to 1e30",
        free=OF_THE_LOOP,
        gt=0.0,
        le=1e30,
    )
    weight_decay: Real | None = spec_field(
        None,
        "share of each kernel taken off per step, times the learning rate; by default the optimizer's in Keras",
        "a number from 0 to 1e30",
        later=True,
        free=OF_THE_MODEL,
        ge=0.0,
        le=1e30,
    )
    loss: Literal["mae", "mse", "huber"] = spec_field(
        "mae",
        "loss: mean absolute error, mean squared error or Huber (delta 1)",
        "mae, mse or huber",
        free=OF_THE_MODEL - {"constant"},
    )
    precision: Literal["float32", "mixed_bfloat16"] = PRECISION
    batch_size: int = spec_field(
        256,
        "rows per training step",
        "a whole number from 1 to 2147483647",
        free=OF_THE_BATCHES,
        ge=1,
        le=2**31 - 1,
    )
    epochs: int = spec_field(
        100, "passes over the training rows", "a whole number from 1 to 1000000", free=OF_THE_LOOP, ge=1, le=10**6
    )
    eval_train: bool = spec_field(
        False,
        "record train_loss: the training loss in inference mode, by epoch",
        "true or false",
        recording=True,
        later=True,
        free=OF_THE_MODEL,
    )
    patience: Patience = spec_field(
        None,
        "early stopping: epochs without a better val_loss to wait; none switches it off",
        "a whole number of at least 0, or none",
        free=OF_THE_LOOP,
        ge=0,
        le=10**6,
    )
    min_delta: Real = spec_field(
        0.0,
        "early stopping: how much lower val_loss must be to count as better",
        "a number from 0 to 1e30",
        free=OF_THE_LOOP,
        needs=("patience",),
        ge=0.0,
        le=1e30,
    )
    restore_best: bool = spec_field(
        True,
        "early stopping: end with the weights of the best epoch",
        "true or false",
        free=OF_THE_LOOP,
        needs=("patience",),
    )
    scale: Literal["none", "standard", "minmax"] = spec_field(
        "none",
        "scaling of the features, fitted on the training rows",
        "none, standard or minmax",
        free=OF_THE_ROWS | {"rows", "constant"},
    )
    train_fraction: Real = spec_field(
        0.7,
        "share of the rows to train on; the rest validates",
        "a number between 0 and 1, both excluded",
        free=OF_THE_ROWS,
        gt=0.0,
        lt=1.0,
    )
    test_fraction: Real = spec_field(
        0.0,
        "share of the rows that neither train nor choose; metrics on them are computed once, at the end",
        "a number from 0 to below 1",
        later=True,
        free=OF_THE_ROWS,
        ge=0.0,
        lt=1.0,
    )
    split_seed: int = spec_field(
        0, "seed of the split", f"a whole number from 0 to {MAX_SEED}", free=OF_THE_ROWS, ge=0, le=MAX_SEED
    )
    split: Literal["random", "grouped"] = spec_field(
        "random",
        "random is the lesson's split; grouped keeps identical rows on one side",
        "random or grouped",
        free=OF_THE_ROWS,
    )
    group: Column = column_fields.GROUP
    target: str = spec_field(
        "quality", "column to predict", "the name of a column", free=OF_THE_ROWS, min_length=1, max_length=200
    )
    features: Columns = column_fields.FEATURES
    drop: Columns = column_fields.DROP
    encode: Literal["none", "onehot"] = column_fields.ENCODE
    seed: int = spec_field(
        0,
        "seed of initial weights, dropout masks and batch order",
        f"a whole number from 0 to {MAX_SEED}",
        free=OF_THE_LOOP,
        ge=0,
        le=MAX_SEED,
    )
    name: str | None = spec_field(
        None,
        "a label; it has no effect on the results",
        "text of 1 to 200 printable characters, or none",
        cosmetic=True,
        free=OF_THE_LOOP,
        min_length=1,
        max_length=200,
    )

    @model_validator(mode="before")
    @classmethod
    def _resolve(cls, values: Any) -> Any:
        return values | optimizer_defaults(values) if isinstance(values, dict) else values

    @field_validator("name", "target")
    @classmethod
    def _printable(cls, value: str | None) -> str | None:
        if value is not None and not is_label(value):
            raise ValueError("control characters")
        return value

    @model_validator(mode="after")
    def _agreeing(self) -> RunSpec:
        check_rates(self.dropout, self.widths)
        check_shares(self.train_fraction, self.test_fraction)
        check_precision(self.precision, self.widths)
        column_fields.check_columns(self.target, self.features, self.drop, self.group, self.split)
        return self

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> RunSpec:
        """Return the spec given by ``values``, field name to value; raise ``SpecError`` with all problems."""
        return parsing.parse(cls, values)

    def rates(self) -> tuple[float, ...]:
        """The dropout rate of each hidden layer."""
        return self.dropout if isinstance(self.dropout, tuple) else (self.dropout,) * len(self.widths)

    def layer_plan(self) -> tuple[Layer, ...]:
        """The layers in order, as plain tuples; Keras is not needed to read them."""
        return layers.layer_plan(
            self.widths,
            self.rates(),
            activation=self.activation,
            bn=self.bn,
            bn_input=self.bn_input,
            bn_momentum=self.bn_momentum,
        )

    def layer_sizes(self, features: int) -> list[LayerSize]:
        """Each layer of the plan with its output width and parameter count, for this many features."""
        return layers.layer_sizes(self.layer_plan(), features)

    def parameter_count(self, features: int) -> int:
        """All parameters of the model, moving averages included, as ``keras.Model.count_params``."""
        return sum(size.parameters for size in self.layer_sizes(features))

    def settings(self) -> dict[str, Any]:
        """The resolved spec as JSON-ready values (lists, numbers, text), in field order."""
        return self.model_dump(mode="json")

    def to_yaml(self) -> str:
        """The full resolved spec as YAML, each value as JSON, which YAML 1.2 contains."""
        lines = (f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in self.settings().items())
        return "".join(lines)

    def signature(self, table: str) -> str:
        """8 hex characters identifying what is trained on the table of that identity: see :meth:`trained`."""
        return self.signatures(table)[0]

    def variant_signature(self, table: str) -> str:
        """As :meth:`signature`, with the seed left out: shared by all seeds of one variant."""
        return self.signatures(table)[1]

    def signatures(self, table: str) -> tuple[str, str]:
        """:meth:`signature` and :meth:`variant_signature`."""
        return _signatures(self.without_seed(), self.seed, table)

    def earlier_signatures(self, table: str) -> tuple[str, str]:
        """:meth:`signatures` until schema 2: recording fields, and fields without effect, stood in them."""
        cosmetic = {field: _PLAIN[field] for field in COSMETIC_FIELDS}
        return _signatures(self.model_copy(update={"seed": 0} | cosmetic), self.seed, table)

    def without_effect(self) -> list[str]:
        """The fields that have no effect beside the others, as what they need is switched off."""
        return [
            name for name, needed in NEEDED.items() if all(getattr(self, one) == _PLAIN[one] for one in needed)
        ]

    def trained(self) -> RunSpec:
        """What is trained: cosmetic and recording fields, and those without effect, at their defaults."""
        return self.model_copy(update=self._of_no_matter())

    def _of_no_matter(self) -> dict[str, Any]:
        """The defaults of the fields that decide nothing of what is trained."""
        free = (*COSMETIC_FIELDS, *RECORDING_FIELDS, *self.without_effect())
        return {field: _PLAIN[field] for field in free}

    def records(self, other: RunSpec, *fields: str) -> bool:
        """Whether a run of it holds all that one of ``other`` would record, which trains the same."""
        asked = {name: getattr(other, name) for name in fields or RECORDING_FIELDS}
        return all(value in (_PLAIN[name], getattr(self, name)) for name, value in asked.items())

    def without_seed(self, *, across_splits: bool = False) -> RunSpec:
        """What all seeds of a variant, and if so all its splits, train: seed 0 (and split seed 0)."""
        seeds = {"seed": 0, "split_seed": 0} if across_splits else {"seed": 0}
        return self.model_copy(update=self._of_no_matter() | seeds)

    def with_seed(self, seed: int) -> RunSpec:
        """The same spec with another seed."""
        return self if seed == self.seed else RunSpec.parse({**self.settings(), "seed": seed})

    def differing(self) -> dict[str, Any]:
        """The settings that distinguish its variant from the default one, in field order."""
        plain = RunSpec(optimizer=self.optimizer).settings() | {"optimizer": _DEFAULTS["optimizer"]}
        settings = self.trained().settings()
        return {name: settings[name] for name in VARIANT_FIELDS if settings[name] != plain[name]}

    def label(self) -> str:
        """The name, or the settings that differ from the defaults (``dropout0.3-bn_after``), or ``plain``."""
        if self.name is not None:
            return self.name
        return "-".join(wording.tag(name, value) for name, value in self.differing().items()) or "plain"

    def describe(self, without: Collection[str] = ()) -> str:
        """One line for people: layers, regularization, optimizer, training; some fields may be left out."""
        return wording.describe(self.trained().settings(), _DEFAULTS, without)


def _signatures(variant: RunSpec, seed: int, table: str) -> tuple[str, str]:
    before, after, without = _canonical(variant, table)
    return _digest(f"{before}{seed}{after}"), _digest(without)


@functools.lru_cache(maxsize=1024)
def _canonical(variant: RunSpec, table: str) -> tuple[str, str, str]:
    """See :func:`~wineexp.specs.signature._seedless_parts`; of many seeds of one variant it is made once."""
    plain = RunSpec(optimizer=variant.optimizer).settings()
    later = {name for name, marks in MARKS.items() if marks.later}
    return _seedless_parts(_decisive(variant.settings(), plain, COSMETIC_FIELDS, later), table)


#: Field -> what it was declared to be, in the order of the fields.
MARKS: Mapping[str, Marks] = {name: marks_of(info) for name, info in RunSpec.model_fields.items()}

#: Fields that affect neither what is trained nor what is recorded of it.
COSMETIC_FIELDS = frozenset(name for name, marks in MARKS.items() if marks.cosmetic)

#: Fields that affect what is recorded, not what is trained.
RECORDING_FIELDS = frozenset(name for name, marks in MARKS.items() if marks.recording)

#: Field -> the fields of which it needs one that is switched on.
NEEDED: Mapping[str, tuple[str, ...]] = {name: marks.needs for name, marks in MARKS.items() if marks.needs}

#: Fields that distinguish variants: all but the seed, the cosmetic and the recording ones, in their order.
VARIANT_FIELDS = tuple(name for name in MARKS if name not in COSMETIC_FIELDS | RECORDING_FIELDS | {"seed"})

#: The defaults, as a spec holds them and as :meth:`RunSpec.settings` gives them.
_PLAIN = {name: info.default for name, info in RunSpec.model_fields.items()}
_DEFAULTS = {name: list(value) if isinstance(value, tuple) else value for name, value in _PLAIN.items()}


def deciding(part: Part) -> tuple[str, ...]:
    """The fields that are not declared free of ``part``, in their order: a new one is among them until it is."""
    return tuple(name for name, marks in MARKS.items() if part not in marks.free)


def varying(specs: Iterable[RunSpec]) -> list[str]:
    """The fields, in their order, that distinguish variants and whose values are not the same in all ``specs``."""
    trained = [spec.trained() for spec in specs]
    return [name for name in VARIANT_FIELDS if len({getattr(spec, name) for spec in trained}) > 1]


def check_effects(specs: Sequence[RunSpec]) -> list[str]:
    """Raise ``SpecError`` with each field that varies among ``specs`` and has an effect in none of them.

    Returns, in words, the values that are given to no effect in all of them.
    """
    told, problems = [], []
    for name in [name for name in NEEDED if specs and all(name in spec.without_effect() for spec in specs)]:
        values = list(dict.fromkeys(wording.format_value(getattr(spec, name)) for spec in specs))
        reason = f"has no effect without {' or '.join(NEEDED[name])}, which no run has"
        if len(values) > 1:
            problems.append((name, f"expected one value, as it {reason}; found {', '.join(values)}"))
        elif getattr(specs[0], name) != _PLAIN[name]:
            told.append(f"{name} {values[0]} {reason}")
    if problems:
        raise SpecError(problems)
    return told


def shape_of(spec: RunSpec) -> RunSpec:
    """What specs share that one compiled epoch can train, if they have as many rows.

    Left out is what is declared to be no part of it, as a graph takes it as input: seeds, the rows, the learning
    rate; and how large a dropout rate above 0 is.
    """
    kept = {name: getattr(spec, name) for name in deciding("shape")}
    plain = RunSpec(optimizer=spec.optimizer)
    return plain.model_copy(update=kept | {"dropout": tuple(0.5 if rate else 0.0 for rate in spec.rates())})
