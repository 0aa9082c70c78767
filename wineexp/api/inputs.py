"""The forms in which callers may give a spec, a config or runs. Anything else is rejected."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from wineexp.api.options import PathLike
from wineexp.errors import ConfigError, RunError, SpecError
from wineexp.runs.names import Meant, Place, find_run, find_there
from wineexp.runs.run import Run
from wineexp.specs.run_spec import RunSpec

if TYPE_CHECKING:
    import pandas as pd

    from wineexp.runs.prediction_file import Given
    from wineexp.specs.config import Config

__all__ = [
    "Compared",
    "PathLike",
    "Runs",
    "Spec",
    "Study",
    "flat",
    "read_compared",
    "read_meant",
    "read_run",
    "read_runs",
    "read_spec",
    "read_study",
]

#: A spec: itself, its YAML file, or a mapping of its fields.
Spec = RunSpec | PathLike | Mapping[str, Any]

#: A config: a YAML file or a folder of them, several of these, a mapping equivalent to a file, specs, or the
#: result of :func:`read_study`.
Study: TypeAlias = "PathLike | Mapping[str, Any] | Sequence[RunSpec] | Sequence[PathLike] | Config"

#: Runs: a run, a path or a name (see :mod:`wineexp.runs.names`), or several of them.
Runs = Run | PathLike | Sequence[Run | PathLike]

#: What is compared: runs, or predictions of any tool, as a path, as ``NAME=PATH`` or as a DataFrame.
Compared: TypeAlias = "Runs | pd.DataFrame | Sequence[Run | PathLike | pd.DataFrame]"


def read_spec(spec: Spec | None, fields: Mapping[str, Any]) -> RunSpec:
    """One spec, from a RunSpec, a YAML file or a mapping, overridden by ``fields``; or from ``fields`` alone.

    Raises
    ------
    SpecError, ConfigError
        For invalid values, for a RunSpec together with fields, and for a config of several runs.
    """
    if spec is None:
        return RunSpec.parse(fields)
    if isinstance(spec, RunSpec):
        if fields:
            raise SpecError([("spec", f"expected a spec or fields, found both: {', '.join(fields)}")])
        return spec
    from wineexp.specs.config import read_configs, read_mapping  # loaded only when there is YAML to read

    if isinstance(spec, Mapping):
        source, specs = "the mapping", read_mapping(spec, fields).specs
    elif isinstance(spec, (str, os.PathLike)):
        source = os.fspath(spec)
        if Path(source).is_dir():
            raise ConfigError([f"{source}: expected a YAML file, found a directory"])
        specs = read_configs([source], fields).specs
    else:
        raise SpecError([("spec", f"expected a RunSpec, a YAML file or a mapping, found {_kind(spec)}")])
    if len(specs) != 1:
        raise ConfigError([f"{source}: expected one run, found {len(specs)}; `wineexp batch` trains them all"])
    return specs[0]


def read_study(
    config: Study, overrides: Mapping[str, Any] | None = None, looks: Sequence[int] | None = None
) -> Config:
    """The runs of a config, in its order, with ``overrides`` applied to each; ``looks`` override its own.

    Raises
    ------
    ConfigError
        With every problem of every file; for a value that is not a config; for a config without runs.
    """
    from wineexp.specs.config import Config, read_configs, read_mapping, told_overrides

    if isinstance(config, Config) and not overrides and looks is None:
        return config
    if isinstance(config, Mapping):
        return read_mapping(config, overrides, looks)
    if isinstance(config, (str, os.PathLike)):
        return read_configs([os.fspath(config)], overrides, looks)
    if isinstance(config, Sequence) and config:
        if looks is not None and any(isinstance(item, RunSpec) for item in config):
            raise ConfigError(["looks: expected a config, whose seeds the looks decide; found RunSpecs"])
        if looks is None and all(isinstance(item, RunSpec) for item in config):
            specs = [RunSpec.parse({**item.settings(), **(overrides or {})}) for item in config]  # type: ignore[union-attr]
            told = told_overrides(overrides or {})
            return Config("wineexp", tuple(specs if overrides else config), overrides=told)  # type: ignore[arg-type]
        if all(isinstance(item, (str, os.PathLike)) for item in config):
            return read_configs([os.fspath(item) for item in config], overrides, looks)  # type: ignore[arg-type]
    found = "none" if isinstance(config, Sequence) and not config else _kind(config)
    raise ConfigError([f"config: expected a YAML file, a mapping or a list of RunSpecs, found {found}"])


def read_runs(given: Sequence[Runs], out: PathLike) -> list[Place]:
    """The places of runs, given one by one or in lists; names are those of runs in ``out``.

    Raises
    ------
    RunError
        For a value that is neither a run nor a path nor a name, for a name that nothing has, and if there are no
        runs.
    """
    return [meant.place for meant in read_meant(given, out)]


def read_meant(given: Sequence[Runs], out: PathLike) -> list[Meant]:
    """As :func:`read_runs`, with the study's folder if a study was given."""
    found = [
        Meant(item.path) if isinstance(item, Run) else find_there(os.fspath(item), Path(out))
        for item in flat(given)
    ]
    if not found:
        raise RunError(
            "expected runs: run directories, folders of them, history CSVs, predictions or curves PNGs; found none"
        )
    return found


def read_compared(given: Sequence[Compared], out: PathLike) -> list[Meant | Given]:
    """As :func:`read_meant`; predictions may also be given as a DataFrame, or as ``NAME=PATH``."""
    from wineexp.runs.prediction_file import Given

    found: list[Meant | Given] = []
    for item in given:
        if _is_frame(item):
            found.append(Given(item))
        elif isinstance(item, Sequence) and not isinstance(item, str):
            found += read_compared(item, out) if item else []
        elif isinstance(item, str) and not os.path.exists(item) and os.path.exists(item.partition("=")[2] or "?"):
            name, _, path = item.partition("=")
            found.append(Given(Path(path), name))
        else:
            found += read_meant([item], out)  # type: ignore[list-item]  # refuses what is none
    if not found:
        read_meant([], out)  # says what was expected
    return found


def _is_frame(value: object) -> TypeGuard[pd.DataFrame]:
    """Whether ``value`` is a DataFrame; pandas is not loaded for that."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def read_run(given: Run | PathLike, out: PathLike) -> Path:
    """The directory of one run, given as itself, its path or its name in ``out``.

    Raises
    ------
    RunError
        As for :func:`read_runs`; also if several runs have that name.
    """
    if isinstance(given, Run):
        return given.path
    if isinstance(given, (str, os.PathLike)):
        return find_run(os.fspath(given), Path(out))
    raise RunError(f"expected a run, a path or a name, found {_kind(given)}")


def flat(given: Runs | Sequence[Runs]) -> Iterator[Run | PathLike]:
    """Runs, paths and names, given one by one or in lists; raise ``RunError`` for anything else."""
    if isinstance(given, (Run, str, os.PathLike)):
        yield given
    elif isinstance(given, Sequence):
        for item in given:
            yield from flat(item)
    else:
        raise RunError(f"expected a run, a path or a list of them, found {_kind(given)}")


def _kind(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
