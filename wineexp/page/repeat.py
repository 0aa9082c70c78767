"""How to repeat a comparison: a config whose runs are its runs."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

from wineexp.comparison.comparison import Comparison
from wineexp.specs.looks import Looks
from wineexp.specs.run_spec import VARIANT_FIELDS, RunSpec

__all__ = ["config_text"]


def config_text(comparison: Comparison, name: str) -> str:
    """A config whose runs are those of the comparison; YAML 1.2, values as JSON."""
    variants = [variant for variant in comparison.variants if variant.spec]
    if not variants:
        return "# only the curves of these runs are known"
    plain = RunSpec().settings()
    specs = [variant.spec.settings() for variant in variants if variant.spec]
    shared = {
        field: value
        for field, value in specs[0].items()
        if field in VARIANT_FIELDS and value != plain[field] and all(spec[field] == value for spec in specs)
    }
    drawn = [[run.spec for run in (*v.runs, *v.unfinished) if run.spec] for v in variants]
    lines = [f"name: {_json(name[:200])}", f"defaults: {_json(shared)}"]
    judged = comparison.verdicts[0] if comparison.verdicts else None
    looks = judged.looks if judged else None
    common = _looks(looks) if looks else _seeds_of_all(drawn)
    lines += common or []
    lines += [f"margin: {_json(judged.margin)}"] if judged and judged.margin is not None else []
    lines.append("runs:")
    for variant, spec, found in zip(variants, specs, drawn, strict=True):
        own = {k: v for k, v in spec.items() if k in VARIANT_FIELDS and v != plain[k] and k not in shared}
        own |= {"name": variant.name} if variant.name else {}
        if common is not None:
            lines.append(f"  - {_json(own)}")
        else:
            for one in found:
                drawn_by = {"split_seed": one.split_seed} if variant.across_splits else {}
                lines.append(f"  - {_json(own | drawn_by | {'seed': one.seed})}")
    return "\n".join(lines) + "\n"


def _looks(looks: Looks) -> list[str]:
    return [
        f"looks: {_json(looks.counts)}",
        f"look_weights: {_json(looks.weights)}",
        f"seeds: {_json(looks.seeds)}",
    ]


def _seeds_of_all(drawn: Sequence[Sequence[RunSpec]]) -> list[str] | None:
    """The lines that give every variant its seeds, and splits; None where the variants' differ."""
    points = [sorted((spec.split_seed, spec.seed) for spec in found) for found in drawn]
    if any(found != points[0] for found in points):
        return None
    splits, seeds = (sorted(set(values)) for values in zip(*points[0], strict=True))
    if len(splits) == 1:
        return [f"seeds: {_json(seeds)}"]
    each = len(points[0]) // len(splits)
    if points[0] == sorted(itertools.product(splits, seeds)):
        return [f"split_seeds: {_json(splits)}", f"seeds: {_json(seeds)}"]
    if [seed for _, seed in points[0]] == list(range(len(splits) * each)):  # each split has seeds of its own
        return [f"split_seeds: {_json(splits)}", f"seeds: {each}"]
    return None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
