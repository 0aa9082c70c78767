"""How to repeat a comparison: a config of its runs, written as a person would write it, and the command."""

from __future__ import annotations

import itertools
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from wineexp.comparison.comparison import Comparison
from wineexp.comparison.variants import Variant
from wineexp.errors import SpecError
from wineexp.specs.fields import ScoreChoice
from wineexp.specs.looks import Looks, make_looks
from wineexp.specs.run_spec import VARIANT_FIELDS, RunSpec
from wineexp.specs.wording import format_widths
from wineexp.text import short_source

__all__ = ["config_text", "repeat_text"]

#: Text that every version of YAML reads as text without quotes: none of the words with a meaning in some version.
_PLAIN = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[a-z][a-z0-9_-]*", re.IGNORECASE)


def repeat_text(comparison: Comparison) -> str:
    """Instructions for the config."""
    what, file = ("study", "study.yaml") if _one_run(comparison) is None else ("train", "run.yaml")
    return f"Save this as {file} and run: wineexp {what} {file}{_data(comparison)}"


def _data(comparison: Comparison) -> str:
    """The flag that gives the same table; empty if it is the default."""
    data = next((run.record.data for run in comparison.runs if run.is_recorded), None)
    if data is None or data.kind == "red-wine":
        return ""
    if data.kind == "simulated":
        return " --data simulated"
    name = short_source(data.source)
    return f" --data {shlex.quote(name) if name.endswith('.csv') else 'TABLE.csv'}"


def config_text(comparison: Comparison, name: str) -> str:
    """A config with the comparison's runs, the reference first, as a study compares with its first variant.

    YAML 1.2. If the variants fully cross some fields, the config has their ``grid``, else a list of them; if they
    have the same seeds and splits, these are given once.
    """
    variants = [variant for variant in comparison.variants if variant.spec]
    if not variants:
        return "# only the curves of these runs are known\n"
    single = _one_run(comparison)
    if single is not None:
        own = single.differing() | {"seed": single.seed} | ({"name": single.name} if single.name else {})
        return "".join(f"{field}: {_yaml(value, field)}\n" for field, value in own.items())
    variants.sort(key=lambda variant: variant is not comparison.reference)
    owns = [_settings(variant) for variant in variants]
    shared = {field: value for field, value in owns[0].items() if all(_has(own, field, value) for own in owns)}
    judged = comparison.verdicts[0] if comparison.verdicts else None
    looks = judged.looks if judged else None
    drawn = [[run.spec for run in (*v.runs, *v.unfinished) if run.is_recorded] for v in variants]
    columns = _split_columns(drawn) if variants[0].across_splits else []
    if columns:
        shared["split_column"] = columns
    common = _looks(looks) if looks else _seeds_of_all(drawn, columns)
    lines = [f"name: {_yaml(name[:200])}"]
    lines += [f"defaults: {_mapping(shared)}"] if shared else []
    lines += common or []
    lines += [f"margin: {_yaml(judged.margin)}"] if judged and judged.margin is not None else []
    score = comparison.score
    usual = ScoreChoice().fit(classes=score.of_classes)
    lines += [f"judge: {score.judge}"] if judged and score.judge != usual else []
    if common is None:
        lines += ["runs:", *_listed_runs(variants, owns, shared, drawn)]
    elif len(variants) > 1:
        grid = _grid(variants, owns, {**shared, **({"split_column": columns[0]} if columns else {})})
        lines += (
            ["grid:", *(f"  {field}: {_yaml(values, field, several=True)}" for field, values in grid.items())]
            if grid
            else ["runs:", *(f"  - {_mapping(_less(own, shared))}" for own in owns)]
        )
    elif not shared:
        lines.append("defaults: {}")
    return "\n".join(lines) + "\n"


def _one_run(comparison: Comparison) -> RunSpec | None:
    """The spec of the only run; None if there are several."""
    found = comparison.runs
    return found[0].spec if len(found) == 1 and found[0].is_recorded else None


def _settings(variant: Variant) -> dict[str, Any]:
    """A variant's entries in a config: its name, and the fields that differ from the defaults."""
    assert variant.spec is not None
    return ({"name": variant.name} if variant.name else {}) | variant.spec.differing()


def _has(own: Mapping[str, Any], field: str, value: Any) -> bool:
    return field in own and own[field] == value


def _less(own: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in own.items() if field not in shared}


def _listed_runs(
    variants: Sequence[Variant],
    owns: Sequence[Mapping[str, Any]],
    shared: Mapping[str, Any],
    drawn: Sequence[Sequence[RunSpec]],
) -> list[str]:
    """Every run with its own seed, for variants with different seeds."""
    lines = []
    for variant, own, specs in zip(variants, owns, drawn, strict=True):
        for spec in specs:
            by = "split_seed" if spec.split_column is None else "split_column"
            drawn_by = {by: getattr(spec, by)} if variant.across_splits else {}
            lines.append(f"  - {_mapping(_less(own, shared) | drawn_by | {'seed': spec.seed})}")
    return lines


def _grid(
    variants: Sequence[Variant], owns: Sequence[Mapping[str, Any]], shared: Mapping[str, Any]
) -> dict[str, list[Any]] | None:
    """The fields that the variants fully cross, each with its values, the reference's first; None if none."""
    crossed = {field for own in owns for field in own if field not in shared}
    if "name" in crossed:
        return None
    settings = [variant.spec.settings() for variant in variants if variant.spec]
    axes: dict[str, list[Any]] = {}
    for field in (field for field in VARIANT_FIELDS if field in crossed):
        axes[field] = [
            json.loads(value) for value in dict.fromkeys(json.dumps(setting[field]) for setting in settings)
        ]
    points = [dict(zip(axes, point, strict=True)) for point in itertools.product(*axes.values())]
    common = {field: value for field, value in shared.items() if field != "name"}
    if len(points) != len(variants):
        return None
    try:
        across = variants[0].across_splits
        made = {RunSpec.parse(common | point).without_seed(across_splits=across) for point in points}
    except SpecError:  # some values do not go together, so they are not crossed
        return None
    return axes if made == {variant.spec for variant in variants} else None


def _looks(looks: Looks) -> list[str]:
    usual = make_looks(looks.counts)
    lines = [f"looks: {_yaml(looks.counts)}"]
    lines += [f"look_weights: {_yaml(looks.weights)}"] if looks.weights != usual.weights else []
    return lines + ([f"seeds: {_yaml(looks.seeds)}"] if looks.seeds != usual.seeds else [])


def _split_columns(drawn: Sequence[Sequence[RunSpec]]) -> list[str]:
    """The split columns of all runs, in the order of their seeds, which is that of their config; empty if none."""
    specs = sorted((spec for one in drawn for spec in one), key=lambda spec: spec.seed)
    return list(dict.fromkeys(spec.split_column for spec in specs if spec.split_column is not None))


def _seeds_of_all(drawn: Sequence[Sequence[RunSpec]], columns: Sequence[str] = ()) -> list[str] | None:
    """The lines that give every variant its seeds, and splits; None if these differ between variants.

    The splits of ``columns`` are given elsewhere.
    """

    def split(spec: RunSpec) -> int:
        return columns.index(spec.split_column) if spec.split_column in columns else spec.split_seed

    points = [sorted((split(spec), spec.seed) for spec in specs) for specs in drawn]
    if any(own_points != points[0] for own_points in points):
        return None
    splits, seeds = (sorted(set(values)) for values in zip(*points[0], strict=True))
    if len(splits) == 1:
        return [f"seeds: {_count(seeds)}"]
    each, drawn_by = len(points[0]) // len(splits), [] if columns else [f"split_seeds: {_count(splits)}"]
    if [seed for _, seed in points[0]] == list(range(len(splits) * each)):  # each split has its own seeds
        return [*drawn_by, *([f"seeds: {each}"] if each > 1 or columns else [])]
    if points[0] == sorted(itertools.product(splits, seeds)):  # a list: a number gives each split its own
        return [*drawn_by, f"seeds: {_yaml(seeds)}"]
    return None


def _count(seeds: Sequence[int]) -> str:
    """``5`` for 0 to 4, else the list."""
    return str(len(seeds)) if list(seeds) == list(range(len(seeds))) else _yaml(seeds)


def _mapping(values: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{field}: {_yaml(value, field)}" for field, value in values.items()) + "}"


def _yaml(value: Any, field: str = "", *, several: bool = False) -> str:
    """A value in YAML's flow style: plain words without quotes, equal widths as ``64x3``."""
    if several or (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        return "[" + ", ".join(_yaml(item, field) for item in value) + "]"
    if field == "widths" and len(set(value)) < 2:
        return format_widths(value)
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)
