"""The spec: everything that determines a run's result, and nothing else.

One flat, frozen model. Its fields are declared in ``declarations.py``; here are its checks, signatures and words.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from pydantic import field_validator, model_validator

from wineexp.errors import SpecError
from wineexp.specs import layers, parsing, wording
from wineexp.specs.declarations import MARKS, Declarations
from wineexp.specs.fields import is_label
from wineexp.specs.keras_names import OPTIMIZERS
from wineexp.specs.layers import Layer, LayerSize
from wineexp.specs.marks import Marks, Part

__all__ = [
    "BFLOAT16_KERNEL",
    "CLASS_LOSSES",
    "COSMETIC_FIELDS",
    "DEPENDENT_FIELDS",
    "FILLING",
    "RECORDING_FIELDS",
    "VARIANT_FIELDS",
    "RunSpec",
    "check_effects",
    "deciding",
    "optimizer_defaults",
    "shape_of",
    "varying",
]


#: From this many values of a hidden layer's kernel on, bfloat16 saves time: at 256x256 an epoch takes 0.95 of
#: float32's time, at 128x128 it takes 1.3 times as long (AMD EPYC, Zen 4, one thread).
BFLOAT16_KERNEL = 256 * 256

#: Fields that affect neither the training nor the recording.
COSMETIC_FIELDS = frozenset(name for name, marks in MARKS.items() if marks.cosmetic)

#: Fields that affect the recording, not the training.
RECORDING_FIELDS = frozenset(name for name, marks in MARKS.items() if marks.recording)

#: Fields that have an effect only beside certain others.
DEPENDENT_FIELDS = tuple(
    name for name, marks in MARKS.items() if marks.needs or marks.only_with or marks.never_with
)

#: Fields that distinguish variants: all but the seed, the cosmetic and the recording ones, in their order.
VARIANT_FIELDS = tuple(name for name in MARKS if name not in COSMETIC_FIELDS | RECORDING_FIELDS | {"seed"})

#: The values of ``missing`` that put a number in place of one that is missing.
FILLING = ("zero", "median")

#: The losses of classes, each with the activation of the last layer.
CLASS_LOSSES = {"binary_crossentropy": "sigmoid", "categorical_crossentropy": "softmax"}

#: Field -> optimizer -> the field's value if none is given.
_BY_OPTIMIZER = {name: marks.by_optimizer for name, marks in MARKS.items() if marks.by_optimizer}

#: The defaults, as a spec holds them and as :meth:`RunSpec.settings` gives them.
_PLAIN = {name: info.default for name, info in Declarations.model_fields.items()}
_DEFAULTS = {name: list(value) if isinstance(value, tuple) else value for name, value in _PLAIN.items()}


class RunSpec(Declarations):
    """Everything that determines a run's result: the model, the training settings, the split, the seed.

    Values are checked strictly (no text for a number) and converted to one canonical form, so that two
    spellings of one variant are equal and have the same signature. Build one with keyword arguments,
    or with :meth:`parse`, whose error messages are written for users.

    Raises
    ------
    pydantic.ValidationError
        From the constructor, when a value is invalid; :meth:`parse` raises ``SpecError`` instead.
    """

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
        _check_rates(self)
        _check_shares(self)
        _check_precision(self)
        _check_passes(self)
        _check_classes(self)
        _check_columns(self)
        _check_split(self)
        return self

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> RunSpec:
        """Return the spec given by ``values``, field name to value; raise ``SpecError`` with all problems."""
        return parsing.parse(cls, values)

    def rates(self) -> tuple[float, ...]:
        """The dropout rate of each hidden layer."""
        count = len(self.widths)
        return self.dropout[:count] if isinstance(self.dropout, tuple) else (self.dropout,) * count

    def has_dropout(self) -> bool:
        """Whether the model has any Dropout layer."""
        return self.dropout_input > 0 or any(self.rates())

    @property
    def split_number(self) -> int:
        """What tells the split from others of the table: its seed, or a number made of its column's name."""
        if self.split_column is None:
            return self.split_seed
        return int(hashlib.sha256(self.split_column.encode()).hexdigest()[:7], 16)

    @property
    def has_classes(self) -> bool:
        """Whether the target is learnt as classes: by the probabilities of its labels."""
        return self.loss in CLASS_LOSSES

    def normalizes(self) -> bool:
        """Whether the model has any batch normalization."""
        return any(layer.kind == "BatchNormalization" for layer in self.layer_plan())

    def layer_plan(self, labels: int = 0) -> tuple[Layer, ...]:
        """The layers in order, as plain tuples; Keras is not needed to read them.

        ``labels`` is the number of the target's labels; without it the last layer of categorical_crossentropy has
        no units.
        """
        hidden = layers.hidden_layers(
            self.widths,
            self.rates(),
            activation=self.activation,
            dropout_input=self.dropout_input,
            dropout_place=self.dropout_place,
            bn=self.bn,
            bn_input=self.bn_input,
            bn_momentum=self.bn_momentum,
        )
        units = labels if self.loss == "categorical_crossentropy" else 1
        return *hidden, Layer("Dense", len(self.widths) + 1, (units, CLASS_LOSSES.get(self.loss, "linear")))

    def layer_sizes(self, features: int, labels: int = 0) -> list[LayerSize]:
        """Each layer of the plan with its output width and parameter count, for so many features and labels."""
        return layers.layer_sizes(self.layer_plan(labels), features)

    def parameter_count(self, features: int, labels: int = 0) -> int:
        """All parameters of the model, moving averages included, as ``keras.Model.count_params``."""
        return sum(size.parameters for size in self.layer_sizes(features, labels))

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
        return self._signatures(self._of_no_matter(), table)

    def earlier_signatures(self, table: str) -> tuple[str, str]:
        """:meth:`signatures` up to schema 2: they included recording fields, and fields without effect."""
        cosmetic = {field: _PLAIN[field] for field in COSMETIC_FIELDS}
        return self._signatures(cosmetic, table)

    def _signatures(self, unsigned: Mapping[str, Any], table: str) -> tuple[str, str]:
        """Signatures with these fields at these values; quick, as many records are held against theirs."""
        values: dict[str, Any] = {**vars(self), **unsigned, "seed": 0}
        before, after, without = _canonical(tuple(values[name] for name in MARKS), table)
        return _digest(f"{before}{self.seed}{after}"), _digest(without)

    def without_effect(self) -> list[str]:
        """The fields without effect, as the fields that they need are switched off or have other values."""
        return [name for name in DEPENDENT_FIELDS if not self._has_what_is_needed(MARKS[name])]

    def _has_what_is_needed(self, marks: Marks) -> bool:
        """Whether the fields that a field of these marks depends on let it have an effect."""
        is_on = not marks.needs or any(
            getattr(self, need) != _PLAIN[need] and self._has_what_is_needed(MARKS[need]) for need in marks.needs
        )
        fits = all(getattr(self, other) == value for other, value in marks.only_with.items())
        never = (getattr(self, other) in values for other, values in marks.never_with.items())
        return is_on and fits and not any(never)

    def trained(self) -> RunSpec:
        """The spec as trained: cosmetic and recording fields, and those without effect, at their defaults."""
        return self.model_copy(update=self._of_no_matter())

    def _of_no_matter(self) -> dict[str, Any]:
        """The defaults of all fields that have no effect on training."""
        free = (*COSMETIC_FIELDS, *RECORDING_FIELDS, *self.without_effect())
        return {field: _PLAIN[field] for field in free}

    def records(self, other: RunSpec, *fields: str) -> bool:
        """Whether a run of this spec records everything that a run of ``other``, which trains the same, would."""
        recorded = {name: getattr(other, name) for name in fields or RECORDING_FIELDS}
        return all(value in (_PLAIN[name], getattr(self, name)) for name, value in recorded.items())

    def without_seed(self, *, across_splits: bool = False) -> RunSpec:
        """The spec that all seeds (and splits) of a variant share: with seed 0 (and split seed 0)."""
        splits = {"split_seed": 0, "split_column": None} if across_splits else {}
        seeds = {"seed": 0, **splits}
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


# -- signatures -----------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1024)
def _canonical(values: tuple[Any, ...], table: str) -> tuple[str, str, str]:
    """Canonical JSON of a spec's values and its table: before and after the seed's digits, and without a seed.

    It is made once for all seeds of a variant.
    """
    signed = _signed(RunSpec.model_construct(**dict(zip(MARKS, values, strict=True))))
    del signed["seed"]
    without, whole = (
        json.dumps({"spec": values, "table": table}, sort_keys=True, separators=(",", ":"))
        for values in (signed, signed | {"seed": 0})
    )
    key = '"seed":'  # within text its quotes would be escaped
    before, _, after = whole.partition(f"{key}0")
    return before + key, after, without


def _signed(spec: RunSpec) -> dict[str, Any]:
    """The settings in the signature: not the cosmetic ones, nor ``later`` ones at their defaults."""
    plain = RunSpec(optimizer=spec.optimizer).settings()
    return {
        name: value
        for name, value in spec.settings().items()
        if not MARKS[name].cosmetic and not (MARKS[name].later and value == plain[name])
    }


def _digest(text: str) -> str:
    """The signature of canonical JSON."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


# -- fields beside each other ---------------------------------------------------------------------


def optimizer_defaults(values: Mapping[str, Any]) -> dict[str, float]:
    """Keras's values for settings that depend on the optimizer and are not given.

    They are written into the spec at once: a later Keras with other defaults must not change its meaning.
    """
    optimizer = str(values.get("optimizer", _PLAIN["optimizer"]))
    if optimizer not in OPTIMIZERS:
        return {}
    return {name: own[optimizer] for name, own in _BY_OPTIMIZER.items() if values.get(name) is None}


def _check_rates(spec: RunSpec) -> None:
    """Raise ``ValueError`` unless there is one rate, or one for each hidden layer."""
    dropout, widths = spec.dropout, spec.widths
    if isinstance(dropout, tuple) and len(dropout) != len(widths) > 0:
        raise ValueError(
            f"dropout: expected one rate or {len(widths)}, one for each hidden layer of "
            f"{wording.format_widths(widths)}; found {len(dropout)} rates: "
            f"{', '.join(f'{rate:g}' for rate in dropout)}"
        )


def _check_shares(spec: RunSpec) -> None:
    """Raise ``ValueError`` if training and test rows leave no rows to validate."""
    train, test = spec.train_fraction, spec.test_fraction
    if test and train + test >= 1:
        raise ValueError(
            f"test_fraction: expected less than 1 - train_fraction, {1 - train:g}, so that rows are left for "
            f"validation; found {test:g}"
        )


def _check_precision(spec: RunSpec) -> None:
    """Raise ``ValueError`` if bfloat16 would take longer than float32 on every known processor."""
    largest = max((width * next_width for width, next_width in itertools.pairwise(spec.widths)), default=0)
    if spec.precision != "float32" and largest < BFLOAT16_KERNEL:
        raise ValueError(
            f"precision: expected float32 for {wording.format_widths(spec.widths)}, where {spec.precision} would "
            f"be slower: it pays off from two consecutive hidden layers of 256; found {spec.precision}"
        )


def _check_passes(spec: RunSpec) -> None:
    """Raise ``ValueError`` for a single pass."""
    if spec.mc_passes == 1:
        raise ValueError("mc_passes: expected 0, or 2 or more, as one pass has no spread; found 1")


def _check_classes(spec: RunSpec) -> None:
    """Raise ``ValueError`` for what is about a target of numbers, or of labels, beside the other."""
    if spec.has_classes and spec.scale_target != "none":
        raise ValueError(
            f"scale_target: expected none with {spec.loss}, as labels have no scale; found {spec.scale_target}"
        )


def _check_columns(spec: RunSpec) -> None:
    """Raise ``ValueError`` if names of columns contradict each other."""
    if spec.features is not None and spec.drop is not None:
        raise ValueError("features: expected either features or drop, found both")
    for field, names in {"features": spec.features, "drop": spec.drop, "group": (spec.group,)}.items():
        if spec.target in (names or ()):
            raise ValueError(f"{field}: expected columns other than the target; found {spec.target!r}")
    if spec.group is not None and spec.split not in ("grouped", "stratified"):
        told = f"found {spec.group!r} with split {spec.split}"
        raise ValueError(f"group: expected with split grouped or stratified; {told}")


def _check_split(spec: RunSpec) -> None:
    """Raise ``ValueError`` for a split that lacks what it is made by."""
    if spec.split == "stratified" and not spec.has_classes:
        raise ValueError(
            "split: expected a loss of classes with stratified, such as binary_crossentropy, as their shares are "
            f"kept; found {spec.loss}"
        )
    if spec.split == "column" and spec.split_column is None:
        raise ValueError("split: expected split_column beside column, to say which; found none")
    if spec.split != "column" and spec.split_column is not None:
        raise ValueError(f"split_column: expected with split column; found it with split {spec.split}")
    if spec.splits is not None and spec.split != "column":
        raise ValueError(f"splits: expected with split column; found {spec.splits!r} with split {spec.split}")


# -- several specs --------------------------------------------------------------------------------


def deciding(part: Part) -> tuple[str, ...]:
    """The fields that are not declared free of ``part``, in their order; a new field is included by default."""
    return tuple(name for name, marks in MARKS.items() if part not in marks.free)


def varying(specs: Iterable[RunSpec]) -> list[str]:
    """The fields, in their order, that distinguish variants and whose values are not the same in all ``specs``."""
    trained = [spec.trained() for spec in specs]
    return [name for name in VARIANT_FIELDS if len({getattr(spec, name) for spec in trained}) > 1]


def check_effects(specs: Sequence[RunSpec]) -> list[str]:
    """Raise ``SpecError`` with each field that varies among ``specs`` and has an effect in none of them.

    Returns a note on each non-default value that has no effect in any of them.
    """
    notes, problems = [], []
    nowhere = [name for name in DEPENDENT_FIELDS if specs and all(name in spec.without_effect() for spec in specs)]
    for name in nowhere:
        values = list(dict.fromkeys(wording.format_value(getattr(spec, name)) for spec in specs))
        reason = f"has no effect without {_needed(MARKS[name])}, which no run has"
        if len(values) > 1:
            problems.append((name, f"expected one value, as it {reason}; found {', '.join(values)}"))
        elif getattr(specs[0], name) != _PLAIN[name]:
            notes.append(f"{name} {values[0]} {reason}")
    if problems:
        raise SpecError(problems)
    return notes


def _needed(marks: Marks) -> str:
    """The fields and values that a field of these marks depends on: ``bn after and dropout``."""
    values = (f"{other} {wording.format_value(value)}" for other, value in marks.only_with.items())
    others = (
        f"{other} other than {' and '.join(map(wording.format_value, values))}"
        for other, values in marks.never_with.items()
    )
    return " and ".join(filter(None, (*values, *others, " or ".join(marks.needs))))


def shape_of(spec: RunSpec) -> RunSpec:
    """The part of a spec that a compiled epoch depends on: specs of one shape and as many rows can share an epoch.

    Fields that are declared free of it keep their defaults, as a graph takes them as input: seeds, rows, learning
    rate. For each rate of dropout, it only matters whether it is above 0.
    """
    kept = {name: getattr(spec, name) for name in deciding("shape")}
    plain = RunSpec(optimizer=spec.optimizer)
    on_input, *rates = (0.5 if rate else 0.0 for rate in (spec.dropout_input, *spec.rates()))
    return plain.model_copy(update=kept | {"dropout": tuple(rates), "dropout_input": on_input})
