"""How to repeat a comparison: a config whose runs are its runs."""

from __future__ import annotations

import json
from typing import Any

from wineexp.comparison.comparison import Comparison
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
    seeds = [[run.spec.seed for run in (*v.runs, *v.unfinished) if run.spec] for v in variants]
    same = all(sorted(found) == sorted(seeds[0]) for found in seeds)
    lines = [f"name: {_json(name[:200])}", f"defaults: {_json(shared)}"]
    lines += [f"seeds: {_json(sorted(seeds[0]))}"] if same else []
    lines.append("runs:")
    for variant, spec, found in zip(variants, specs, seeds, strict=True):
        own = {k: v for k, v in spec.items() if k in VARIANT_FIELDS and v != plain[k] and k not in shared}
        own |= {"name": variant.name} if variant.name else {}
        lines += [
            f"  - {_json(own | seed)}" for seed in ([{}] if same else [{"seed": number} for number in found])
        ]
    return "\n".join(lines) + "\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
