"""The grammar of a study: the meaning of its keys, and the runs that they describe."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wineexp.errors import SpecError, closest, folded
from wineexp.specs.fields import JUDGED_BY, MIN_SPLITS, Judge, is_label, read_seeds
from wineexp.specs.looks import Looks, make_looks
from wineexp.specs.parsing import BESIDE, FIELD_ALIASES, KEY_ALIASES, RUN_KEYS, STUDY_KEYS, field_hint
from wineexp.specs.run_spec import RECORDING_FIELDS, RunSpec, check_effects
from wineexp.specs.yaml_lines import LinedValue, kind_of, read_yaml

__all__ = ["MAX_RUNS", "Config", "StudyReader"]

#: Limit for the runs of all files together.
MAX_RUNS = 100_000


@dataclass(frozen=True)
class Config:
    """The contents of one file, or of several together.

    Attributes
    ----------
    name : str
        The study's name; the file's stem if it gives none.
    specs : tuple of RunSpec
        Every run in the order of the file: runs first, then the grid, each with all its seeds.
    file : str or None
        The file's name, if it is one file.
    margin : float or None
        The size below which a difference does not matter; for several files, if they agree on one.
    judge : str or None
        What is judged; None if it is not given, or if several files differ.
    looks : Looks or None
        The planned looks, if seeds are added only while there is no verdict; ``specs`` then has all runs that may
        be trained.
    overrides : str
        The overrides for the fields of every run, as ``epochs=20 seed=0``; empty if there are none.
    """

    name: str
    specs: tuple[RunSpec, ...]
    file: str | None = None
    margin: float | None = None
    judge: Judge | None = None
    looks: Looks | None = None
    overrides: str = ""

    @property
    def trial_name(self) -> str:
        """The study's name and its overrides: a trial is a separate study, beside the one that it tries."""
        return f"{self.name} {self.overrides}" if self.overrides else self.name


class StudyReader:
    """Reads one file, collecting problems instead of stopping at the first."""

    def __init__(
        self,
        path: Path,
        overrides: dict[str, Any],
        problems: list[str],
        content: bytes | None = None,
        looks: Sequence[int] | None = None,
    ) -> None:
        self.path, self.overrides, self.problems, self.content = path, overrides, problems, content
        self.asked_looks = looks

    def problem(self, line: int | None, text: str) -> None:
        where = f"{self.path}:{line}" if line else str(self.path)
        entry = f"{where}: {text}"
        if entry not in self.problems:
            self.problems.append(entry)

    def read(self) -> Config:
        root = read_yaml(self.path if self.content is None else self.content, self.problem)
        if root is None:
            return Config(self.path.stem, ())
        if not isinstance(root.data, dict):
            self.problem(root.line, f"expected a mapping of fields at the top, found {kind_of(root.data)}")
            return Config(self.path.stem, ())
        fields: dict[str, LinedValue] = root.data
        run = not any(_section(key, value) in RUN_KEYS for key, value in fields.items())
        if run and self.asked_looks is None:  # a spec.yaml: its `name` names the run
            return Config(self.path.stem, tuple(self._specs(fields)))
        return self._study(fields, root.line)

    def _study(self, fields: dict[str, LinedValue], line: int) -> Config:
        fields = self._sections(fields)
        name = fields["name"].data if "name" in fields else self.path.stem
        if not is_label(name):  # a file's own name may be anything
            if "name" in fields:
                text = f"name: expected text of 1 to 200 printable characters, found {name!r}"
                self.problem(fields["name"].line, text)
            name = "study"
        defaults = self._section(fields, "defaults", dict)
        looks = self._looks(fields)
        seeds = self._seeds(fields)
        drawn_by = "split_seed"
        splits = self._splits(fields)
        if (columns := self._split_columns(defaults)) is not None:
            if splits is not None:
                text = "split_column: expected either a list of columns or split_seeds, found both"
                self.problem(fields["split_seeds"].line, text)
            drawn_by, splits = "split_column", columns
            defaults = {key: value for key, value in defaults.items() if key != "split_column"}
        own = splits is not None and not ("seeds" in fields and isinstance(fields["seeds"].data, list))
        if looks is not None:
            seeds = [LinedValue(seed, line) for seed in looks.seeds]
        margin, judge = self._margin(fields), self._judge(fields)
        variants: list[dict[str, LinedValue]] = []
        runs = self._section(fields, "runs", list)
        grid = self._section(fields, "grid", dict)
        for run in runs:
            if isinstance(run.data, dict):
                variants.append({**defaults, **run.data})
            else:
                self.problem(run.line, f"runs: expected a mapping of fields, found {kind_of(run.data)}")
        if "grid" in fields:
            variants += self._grid(grid, defaults)
        if not variants and "runs" not in fields and "grid" not in fields:
            variants = [defaults]
        count = len(variants) * (1 if seeds is None else len(seeds)) * (1 if splits is None else len(splits))
        if count > MAX_RUNS:  # counted before they are built
            self.problem(None, f"expected at most {MAX_RUNS:,} runs, found {count:,}")
            return Config(name, ())
        specs = []
        for variant in variants:
            if seeds is not None and "seed" in variant:
                self.problem(variant["seed"].line, "seed: expected either seed or seeds, found both")
            if splits is not None and drawn_by in variant:
                several = "split_seeds" if drawn_by == "split_seed" else "a list of them under defaults"
                text = f"{drawn_by}: expected either {drawn_by} or {several}, found both"
                self.problem(variant[drawn_by].line, text)
            for drawn in self._draws(variant, seeds, splits, drawn_by, own=own):
                specs += self._specs(drawn)
        self._check_effects(specs, [grid, *(run.data for run in runs if isinstance(run.data, dict))])
        split_count = len({spec.split_number for spec in specs})
        if looks is not None and split_count > 1:
            text = f"expected one split of the table, found {split_count}; split_seeds judges without looks"
            self.problem(fields["looks"].line if "looks" in fields else None, f"looks: {text}")
        return Config(name, tuple(specs), margin=margin, judge=judge, looks=looks)

    def _check_effects(self, specs: Sequence[RunSpec], given: Sequence[dict[str, LinedValue]]) -> None:
        """Report each field that varies and has an effect in no run, at its first place in ``given``."""
        try:
            check_effects(specs)
        except SpecError as error:
            for field, text in error.problems:
                lines = [values[field].line for values in given if field in values]
                self.problem(lines[0] if lines else None, f"{field}: {text}")

    def _sections(self, fields: dict[str, LinedValue]) -> dict[str, LinedValue]:
        """The study's keys. The value of a wrong key is checked too, as that of the key that was likely meant."""
        sections = {key: value for key, value in fields.items() if key in STUDY_KEYS}
        loose: dict[str, LinedValue] = {}
        for key, value in fields.items():
            if key in STUDY_KEYS:
                continue
            meant = _section(key, value)
            if meant in STUDY_KEYS:
                hint = f" (did you mean {meant!r}?)"
                sections.setdefault(meant, value)
            elif key in RunSpec.model_fields:
                hint = " (it belongs under defaults)"
                loose[key] = value
            else:
                hint = field_hint(key, RunSpec.model_fields, "{!r}, under defaults")
            self.problem(value.line, f"{key}: unknown key{hint}; a study has {', '.join(STUDY_KEYS)}")
        defaults = sections.get("defaults", LinedValue({}, 0))
        if loose and isinstance(defaults.data, dict):
            sections["defaults"] = LinedValue({**loose, **defaults.data}, defaults.line)
        return sections

    def _section(self, fields: dict[str, LinedValue], key: str, kind: type) -> Any:
        value = fields.get(key)
        if value is None:
            return kind()
        if not isinstance(value.data, kind):
            expected = "a mapping of fields" if kind is dict else "a list of runs"
            self.problem(value.line, f"{key}: expected {expected}, found {kind_of(value.data)}")
            return kind()
        if not value.data and key != "defaults":
            self.problem(
                value.line, f"{key}: expected at least one {'field' if kind is dict else 'run'}, found none"
            )
        return value.data

    def _draws(
        self,
        variant: dict[str, LinedValue],
        seeds: list[LinedValue] | None,
        splits: list[LinedValue] | None,
        drawn_by: str,
        *,
        own: bool,
    ) -> Iterator[dict[str, LinedValue]]:
        """A variant with every seed on every split; with ``own``, every split has as many seeds of its own.

        A seed's effect that is common to all splits would stay in their mean; see ``comparison/crossing.py``.
        """
        if splits is not None and own and "seed" not in variant:
            each = 1 if seeds is None else len(seeds)
            for number, split in enumerate(splits):
                for seed in range(number * each, (number + 1) * each):
                    yield {**variant, "seed": LinedValue(seed, split.line), drawn_by: split}
            return
        drawn = {"seed": seeds, drawn_by: splits}
        axes = [[(key, number) for number in values] for key, values in drawn.items() if values is not None]
        for point in itertools.product(*axes):
            yield {**variant, **dict(point)}

    def _split_columns(self, defaults: dict[str, LinedValue]) -> list[LinedValue] | None:
        """The split columns of a config, if it lists several: each is a split."""
        value = defaults.get("split_column")
        if value is None or not isinstance(value.data, list):
            return None
        names = [item.data for item in value.data]
        if len(set(map(str, names))) < len(names) or not names:
            self.problem(value.line, "split_column: expected different columns, found one twice or none")
            return None
        if 1 < len(names) < MIN_SPLITS:
            fewer = "as fewer do not show how much splits differ"
            self.problem(
                value.line, f"split_column: expected one, or at least {MIN_SPLITS}, {fewer}; found {len(names)}"
            )
        return list(value.data)

    def _splits(self, fields: dict[str, LinedValue]) -> list[LinedValue] | None:
        splits = self._seeds(fields, "split_seeds")
        if splits is not None and 0 < len(splits) < MIN_SPLITS:
            text = f"split_seeds: expected at least {MIN_SPLITS}, as fewer do not show how much splits differ"
            self.problem(fields["split_seeds"].line, f"{text}; found {len(splits)}")
        return splits

    def _seeds(self, fields: dict[str, LinedValue], key: str = "seeds") -> list[LinedValue] | None:
        value = fields.get(key)
        if value is None:
            return None
        try:
            seeds = read_seeds(value.plain())
        except ValueError as error:
            self.problem(value.line, f"{key}: {error}")
            return None
        lines = value.data if isinstance(value.data, list) else [value] * len(seeds)
        return [LinedValue(seed, item.line) for seed, item in zip(seeds, lines, strict=True)]

    def _looks(self, fields: dict[str, LinedValue]) -> Looks | None:
        """The looks that the file, or the caller, asks for; the order of the seeds may be given as a list."""
        asked = fields.get("looks")
        if self.asked_looks is None and asked is None:
            if "look_weights" in fields:
                self.problem(fields["look_weights"].line, "look_weights: expected looks with it, found none")
            return None
        weights, seeds = fields.get("look_weights"), fields.get("seeds")
        if self.asked_looks is None and seeds is not None and not isinstance(seeds.data, list):
            text = "expected either looks or a number of seeds, found both (a list of seeds gives their order)"
            self.problem(seeds.line, f"seeds: {text}")
            return None
        order = self._seeds(fields) if seeds is not None and isinstance(seeds.data, list) else None
        try:
            return make_looks(
                list(self.asked_looks) if self.asked_looks is not None else asked.plain() if asked else None,
                weights.plain() if weights is not None and self.asked_looks is None else None,
                None if order is None else [seed.data for seed in order],
            )
        except SpecError as error:
            for key, text in error.problems:
                self.problem(fields[key].line if key in fields else None, f"{key}: {text}")
            return None

    def _margin(self, fields: dict[str, LinedValue]) -> float | None:
        value = fields.get("margin")
        if value is None:
            return None
        number = value.data
        if isinstance(number, (int, float)) and not isinstance(number, bool) and 0 < number < math.inf:
            return float(number)
        self.problem(
            value.line, f"margin: expected a number above 0, in the target's unit; found {value.plain()!r}"
        )
        return None

    def _judge(self, fields: dict[str, LinedValue]) -> Judge | None:
        value = fields.get("judge")
        if value is None or value.data in JUDGED_BY:
            return None if value is None else value.data
        self.problem(value.line, f"judge: expected one of {', '.join(JUDGED_BY)}; found {value.plain()!r}")
        return None

    def _grid(self, grid: dict[str, LinedValue], defaults: dict[str, LinedValue]) -> list[dict[str, LinedValue]]:
        axes: list[list[tuple[str, LinedValue]]] = []
        for key, value in grid.items():
            if key in RECORDING_FIELDS and isinstance(value.data, list) and len(value.data) > 1:
                text = "expected one value, under defaults, as it changes what is recorded, not what is trained"
                self.problem(value.line, f"grid: {key}: {text}; found {len(value.data)}")
            elif isinstance(value.data, list) and value.data:
                axes.append([(key, item) for item in value.data])
            else:
                kind = "an empty list" if value.data == [] else kind_of(value.data)
                self.problem(value.line, f"grid: {key}: expected a list of values, found {kind}")
        count = math.prod(map(len, axes))
        if count > MAX_RUNS:
            self.problem(None, f"grid: expected at most {MAX_RUNS:,} runs, found {count:,}")
            return []
        return [{**defaults, **dict(point)} for point in itertools.product(*axes)] if grid else []

    def _specs(self, fields: dict[str, LinedValue]) -> list[RunSpec]:
        values = {key: value.plain() for key, value in fields.items()} | self.overrides
        try:
            return [RunSpec.parse(values)]
        except SpecError as error:
            for field, text in error.problems:
                line = fields[field].line if field in fields and field not in self.overrides else None
                if field in self.overrides:
                    text += " (from the command line)"
                self.problem(line, f"{field}: {text}")
            return []


def _section(key: str, value: LinedValue) -> str | None:
    """The study's key that ``key`` is or likely means; None for a field, or a name closer to a field."""
    if key in STUDY_KEYS:
        return key
    if key in RunSpec.model_fields or folded(key) in BESIDE:
        return None
    if isinstance(value.data, dict):
        return closest(key, ("defaults", "grid"), KEY_ALIASES)
    if isinstance(value.data, list) and any(isinstance(item.data, dict) for item in value.data):
        return closest(key, ("runs",), KEY_ALIASES)
    plain = [name for name in STUDY_KEYS if name not in ("defaults", "grid", "runs")]
    name = closest(key, [*plain, *RunSpec.model_fields], KEY_ALIASES | FIELD_ALIASES)
    return name if name in plain else None
