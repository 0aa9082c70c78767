"""A result becomes a run directory. The parent process alone comes here."""

from __future__ import annotations

import io
import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from wineexp.runs import directory
from wineexp.runs.curves import Curve, draw
from wineexp.runs.directory import Run, directory_name, write_directory
from wineexp.runs.result import RunResult

__all__ = ["record"]


def record(result: RunResult, out: Path, *, names: tuple[str, ...] = ()) -> Run:
    """Write ``result`` below ``out`` and return its run; ``names`` are all names its spec goes by."""
    simulated = result.data.get("kind") == "simulated"
    name = directory_name(result.spec, result.fingerprint, simulated=simulated)
    description = _describe(result, name, names)
    files = {
        directory.SPEC: result.spec.to_yaml().encode(),
        directory.HISTORY: _csv(result.history),
        directory.CURVES: draw(_curve(result, description)),
        directory.RECORD: (
            json.dumps(_finite(description), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        ).encode(),
    }
    if result.predictions is not None:
        files[directory.PREDICTIONS] = _csv(result.predictions)
    if result.model is not None:
        files[directory.MODEL] = result.model
    if result.error is not None:
        files[directory.ERROR] = result.error.encode()
    return write_directory(out / name, files)


def _describe(result: RunResult, name: str, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "status": result.status,
        "reason": result.reason,
        "error": result.error.splitlines()[0] if result.error else None,
        "directory": name,
        "label": result.spec.label(),
        "names": list(names) or ([result.spec.name] if result.spec.name else []),
        "signature": result.spec.signature(result.fingerprint),
        "variant": result.spec.variant(result.fingerprint),
        "spec": result.spec.settings(),
        "data": result.data,
        "metrics": result.metrics,
        "timing": result.timing,
        "environment": result.environment,
        "recorded": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _curve(result: RunResult, description: dict[str, Any]) -> Curve:
    title = result.spec.describe()
    if result.data.get("kind") == "simulated":
        title = "SIMULATED TABLE: " + title
    if result.status != "done":
        title = f"{result.status.upper()}{f' ({result.reason})' if result.reason else ''}: {title}"
    kept = ("status", "reason", "label", "signature", "variant", "spec", "data", "metrics")
    return Curve(result.spec.label(), title, _finite({key: description[key] for key in kept}), result.history)


def _csv(frame: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    shown = frame.astype({name: int for name in frame.columns if frame[name].dtype == bool})
    shown.to_csv(stream, index=False, na_rep="nan", lineterminator="\n")
    return stream.getvalue()


def _finite(value: Any) -> Any:
    """``value`` with NaN and infinity as null: JSON has no words for them."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
