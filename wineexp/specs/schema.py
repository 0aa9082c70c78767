"""The JSON schema of the YAML, made from the spec's fields."""

from __future__ import annotations

from typing import Any

from wineexp.specs.declarations import MARKS
from wineexp.specs.fields import JUDGED_BY, MAX_SEED, items_of, kinds_of
from wineexp.specs.looks import MAX_LOOKS
from wineexp.specs.run_spec import RunSpec

__all__ = ["json_schema"]

#: The short forms of a list, by the type of its items: as on the command line.
_SHORT: dict[type | None, dict[str, Any]] = {
    int: {"type": ["array", "integer", "string"], "examples": ["1024x3", "512,256"]},
    float: {"type": "string"},
    str: {"type": "string", "examples": ["alcohol", "alcohol,pH"]},
}


def json_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a config: a spec, or a study of several."""
    spec = RunSpec.model_json_schema()
    fields = {name: _spelled(name, field) for name, field in spec["properties"].items()}
    run = {"type": "object", "properties": fields, "additionalProperties": False}
    lists = {name: {"type": "array", "items": field, "minItems": 1} for name, field in fields.items()}
    seed = {"type": "integer", "minimum": 0, "maximum": MAX_SEED}
    study = {
        "name": {"type": "string", "minLength": 1, "maxLength": 200, "description": "the study's name"},
        "defaults": {**run, "description": "settings that every run shares"},
        "seeds": {
            "description": "number of seeds (from 0), or a list of them",
            "anyOf": [{**seed, "minimum": 1, "maximum": 10_000}, {"type": "array", "items": seed, "minItems": 1}],
        },
        "split_seeds": {
            "description": "number of splits of the table (from 0), or a list of their seeds; every variant is "
            "trained on each",
            "anyOf": [{**seed, "minimum": 5, "maximum": 10_000}, {"type": "array", "items": seed, "minItems": 5}],
        },
        "runs": {"type": "array", "items": run, "minItems": 1, "description": "named variants"},
        "grid": {
            "type": "object",
            "properties": lists,
            "additionalProperties": False,
            "minProperties": 1,
            "description": "every combination: a list of values for each field",
        },
        "looks": {
            "type": "array",
            "items": {"type": "integer", "minimum": 2, "maximum": 10_000},
            "minItems": 1,
            "maxItems": MAX_LOOKS,
            "uniqueItems": True,
            "description": "instead of a number of seeds: seeds are added, look by look, to variants still "
            "undecided",
        },
        "look_weights": {
            "type": "array",
            "items": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            "minItems": 1,
            "maxItems": MAX_LOOKS,
            "description": "each look's share of the error rate; they sum to 1",
        },
        "margin": {
            "type": "number",
            "exclusiveMinimum": 0,
            "description": "the size below which a difference in the score does not matter",
        },
        "judge": {"enum": list(JUDGED_BY), "description": "the score that is judged"},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "wineexp config",
        "$defs": spec.get("$defs", {}),
        "anyOf": [run, {"type": "object", "properties": study, "additionalProperties": False}],
    }


def _spelled(name: str, field: dict[str, Any]) -> dict[str, Any]:
    """A field's schema with its short spellings, and without the marks, which only this program uses."""
    field = {key: value for key, value in field.items() if key != "marks"}
    annotation = RunSpec.model_fields[name].annotation
    short = _SHORT.get(items_of(annotation))
    if short is None and None in MARKS[name].words.off and str not in kinds_of(annotation):
        short = {"const": "none"}  # YAML 1.2 reads it as text
    if short is None:
        return field
    return field | ({"anyOf": [*field["anyOf"], short]} if "anyOf" in field else short)
