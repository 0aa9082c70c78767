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
    found = Examination()
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
            check(found)
        except WineexpError as error:
            found.problems.append(str(error))
        except Exception as error:  # noqa: BLE001 - a broken machine may raise anything, and this reports it
            found.problems.append(f"{type(error).__name__}: {error}")
    return found


def _versions(found: Examination) -> None:
    versions = runtime.versions()
    found.facts.append(("wineexp", versions.pop("wineexp")))
    found.facts.append(("python", f"{platform.python_version()}, {sys.executable}"))
    found.facts += list(versions.items())


def _machine(found: Examination) -> None:
    free = runtime.available_memory()
    lesson = RunSpec().parameter_count(11)
    found.facts += [
        ("system", platform.platform()),
        ("cores", f"{runtime.available_cores()} for this process"),
        ("memory", f"{free / 1e9:.1f} GB free"),
        ("batch", f"{affordable_jobs(lesson)} workers for models of the lesson's size"),
        ("threads", f"{runtime.choose_threads(lesson)} for a run of that size, 1 for small ones"),
    ]
    if free < LITTLE_MEMORY:
        found.problems.append(f"only {free / 1e9:.1f} GB of memory are free; TensorFlow alone takes 0.5")


def _tensorflow(found: Examination) -> None:
    runtime.load(runtime.running_threads() or runtime.available_cores())
    device = runtime.environment(1)["device"]
    found.facts.append(("device", f"{device}" if device != "CPU" else "CPU (TensorFlow sees no GPU)"))


def _table(found: Examination, data: str | None, sep: str | None) -> None:
    used = find_table(data, stand_in=True, sep=sep)
    found.facts.append(("table", f"{used.table.kind}, {used.table.source}"))
    found.facts += [("", step) for step in used.steps]
    if used.table.kind == "simulated" and used.notes:  # no notes if it was asked for
        found.problems.append("; ".join(used.notes))


def _cache(found: Examination) -> None:
    folder = cached_path().parent
    files = [path for path in folder.glob("*") if path.is_file()] if folder.is_dir() else []
    size = sum(path.stat().st_size for path in files)
    found.facts.append(("cache", f"{folder} ({len(files)} files, {size / 1e3:.0f} kB)"))
    used = compiled.folder_in_use()
    kept = f"{used} ({len(list(used.glob('*.pb')))} files)" if used else "not kept; docs/running.md says why"
    found.facts.append(("compiled", kept))


def _outputs(found: Examination, out: Path) -> None:
    if not out.exists():
        found.facts.append(("runs", f"{out}, does not exist yet"))
        return
    files.check_writable(out, error=RunError)
    found.facts.append(("runs", f"{out}, {sum((path / 'run.json').exists() for path in out.iterdir())} runs"))


def _extras(found: Examination) -> None:
    states = [f"{extra} {'yes' if extras.available(extra) else 'no'}" for extra in extras.EXTRAS]
    found.facts.append(("extras", ", ".join(states)))
