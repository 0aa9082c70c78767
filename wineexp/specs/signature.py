"""The signature: what a spec and a table are known by, 8 hex characters of the SHA-256 of their canonical JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

__all__ = ["decisive", "digest", "seedless_parts"]


def decisive(
    settings: Mapping[str, Any], defaults: Mapping[str, Any], cosmetic: Collection[str], later: Collection[str]
) -> dict[str, Any]:
    """What of a spec's settings is signed: not the cosmetic ones, nor ``later`` ones that keep their default."""
    return {
        name: value
        for name, value in settings.items()
        if name not in cosmetic and not (name in later and value == defaults[name])
    }


def seedless_parts(spec: Mapping[str, Any], table: str) -> tuple[str, str, str]:
    """The canonical JSON of ``spec`` and its table's identity around the seed's digits, and without a seed."""
    without = {name: value for name, value in spec.items() if name != "seed"}
    text, whole = (
        json.dumps({"spec": values, "table": table}, sort_keys=True, separators=(",", ":"))
        for values in (without, without | {"seed": 0})
    )
    key = '"seed":'  # within text its quotes would be escaped
    before, _, after = whole.partition(f"{key}0")
    return before + key, after, text


def digest(text: str) -> str:
    """The signature of canonical JSON."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]
