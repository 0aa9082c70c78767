"""Checks of the installation and the machine: facts and problems, to paste into a bug report."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from wineexp import compiled, extras, files, runtime
from wineexp.data.download import cached_path
from wineexp.data.sources import find_table
from wineexp.errors import RunError, WineexpError
from wineexp.execution.workers import affordable_jobs
from wineexp.specs.run_spec import RunSpec

__all__ = ["Examination", "examine"]

#: Below this much free memory, a run of the lesson's size is at risk.
LITTLE_MEMORY = 1.5e9


@dataclass
class Examination:
    """Facts as (name, value) pairs, and the problems found."""

    facts: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def examine(data: str | None, out: Path, sep: str | None = None) -> Examination:
    """Check everything; a check that fails becomes a problem, not an exception. Loads TensorFlow."""
    examination = Examination()
    checks: list[Callable[[Examination], None]] = [
        _versions,
        _machine,
        _tensorflow,
        lambda it: _table(it, data, sep),
        _cache,
        lambda it: _outputs(it, out),
        _extras,
    ]
    for check in checks:
        try:
            check(examination)
        except WineexpError as error:
            examination.problems.append(str(error))
        except Exception as error:  # noqa: BLE001 - a broken machine may raise anything, and this reports it
            examination.problems.append(f"{type(error).__name__}: {error}")
    return examination


def _versions(examination: Examination) -> None:
    versions = runtime.versions()
    examination.facts.append(("wineexp", versions.pop("wineexp")))
    examination.facts.append(("python", f"{platform.python_version()}, {sys.executable}"))
    examination.facts += list(versions.items())


def _machine(examination: Examination) -> None:
    free = runtime.available_memory()
    lesson = RunSpec().parameter_count(11)
    examination.facts += [
        ("system", platform.platform()),
        ("cores", f"{runtime.available_cores()} for this process"),
        ("memory", f"{free / 1e9:.1f} GB free"),
        ("batch", f"{affordable_jobs(lesson)} workers for models of the lesson's size"),
        ("threads", f"{runtime.choose_threads(lesson)} for a run of that size, 1 for small ones"),
    ]
    if free < LITTLE_MEMORY:
        examination.problems.append(f"only {free / 1e9:.1f} GB of memory are free; TensorFlow alone takes 0.5")


def _tensorflow(examination: Examination) -> None:
    runtime.load(runtime.running_threads() or runtime.available_cores())
    device = runtime.environment(1)["device"]
    examination.facts.append(("device", f"{device}" if device != "CPU" else "CPU (TensorFlow sees no GPU)"))


def _table(examination: Examination, data: str | None, sep: str | None) -> None:
    used = find_table(data, stand_in=True, sep=sep)
    examination.facts.append(("table", f"{used.table.kind}, {used.table.source}"))
    examination.facts += [("", step) for step in used.steps]
    if used.table.kind == "simulated" and used.notes:  # no notes if it was asked for
        examination.problems.append("; ".join(used.notes))


def _cache(examination: Examination) -> None:
    folder = cached_path().parent
    files = [path for path in folder.glob("*") if path.is_file()] if folder.is_dir() else []
    size = sum(path.stat().st_size for path in files)
    examination.facts.append(("cache", f"{folder} ({len(files)} files, {size / 1e3:.0f} kB)"))
    used = compiled.folder_in_use()
    kept = f"{used} ({len(list(used.glob('*.pb')))} files)" if used else "not kept; see docs/running.md"
    examination.facts.append(("compiled", kept))


def _outputs(examination: Examination, out: Path) -> None:
    if not out.exists():
        examination.facts.append(("runs", f"{out}, does not exist yet"))
        return
    files.check_writable(out, error=RunError)
    count = sum((path / "run.json").exists() for path in out.iterdir())
    examination.facts.append(("runs", f"{out}, {count} runs"))


def _extras(examination: Examination) -> None:
    states = [f"{extra} {'yes' if extras.available(extra) else 'no'}" for extra in extras.EXTRAS]
    examination.facts.append(("extras", ", ".join(states)))
