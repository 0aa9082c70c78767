"""Configs: files and mappings in, specs out. Errors name file, line and field, and are all reported at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wineexp.errors import ConfigError
from wineexp.specs.grammar import MAX_RUNS, Config, StudyReader
from wineexp.specs.run_spec import RunSpec
from wineexp.specs.wording import format_value
from wineexp.text import one_line

__all__ = ["Config", "read_configs", "read_mapping", "told_overrides"]


def read_configs(
    paths: Sequence[str | Path], overrides: Mapping[str, Any] | None = None, looks: Sequence[int] | None = None
) -> Config:
    """Read files, and the ``*.yaml`` and ``*.yml`` files of folders, into one list of runs.

    Parameters
    ----------
    paths : sequence of path-like
    overrides : mapping, optional
        Field name to value; overrides the files.
    looks : sequence of int, optional
        Seeds at each look; overrides the files' looks and numbers of seeds.

    Raises
    ------
    ConfigError
        With every problem of every file, each as ``file:line: field: expected ...; found ...``.
    """
    problems: list[str] = []
    overrides = dict(overrides or {})
    readers = [StudyReader(path, overrides, problems, looks=looks) for path in _files(paths, problems)]
    configs, count = [], 0
    for reader in readers:
        configs.append(reader.read())
        count += len(configs[-1].specs)
        if count > MAX_RUNS:
            problems.append(f"expected at most {MAX_RUNS:,} runs in all files, found more")
            break
    if problems:
        raise ConfigError(problems)
    specs = [spec for config in configs for spec in config.specs]
    file = readers[0].path.name if len(readers) == 1 else None
    margins, judges, planned = (
        {getattr(config, key) for config in configs} for key in ("margin", "judge", "looks")
    )
    if len(planned) > 1:
        raise ConfigError(["looks: expected the same in all files, or in none"])
    margin, judge = (values.pop() if len(values) == 1 else None for values in (margins, judges))
    name = "+".join(config.name for config in configs)
    return Config(name, tuple(specs), file, margin, judge, planned.pop(), told_overrides(overrides))


def read_mapping(
    values: Mapping[str, Any], overrides: Mapping[str, Any] | None = None, looks: Sequence[int] | None = None
) -> Config:
    """Read a mapping of plain values equivalent to a file; raise ``ConfigError`` as for a file."""
    problems: list[str] = []
    try:
        content = json.dumps(values, indent=1, default=_plain).encode()  # JSON is YAML 1.2
    except (TypeError, ValueError) as error:
        raise ConfigError([f"config: expected text, numbers, booleans, lists and mappings: {error}"]) from None
    overrides = dict(overrides or {})
    config = StudyReader(Path("config"), overrides, problems, content, looks).read()
    if problems:
        raise ConfigError(problems)
    return replace(config, overrides=told_overrides(overrides))


def told_overrides(overrides: Mapping[str, Any]) -> str:
    """Overrides as text, in the order of the spec's fields, whatever their own order."""
    names = [name for name in RunSpec.model_fields if name in overrides]
    return one_line(" ".join(f"{name}={format_value(overrides[name])}" for name in names))


def _plain(value: Any) -> Any:
    """A NumPy number or array as Python's own."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"found {value!r}")


def _files(paths: Sequence[str | Path], problems: list[str]) -> Iterator[Path]:
    for path in map(Path, paths):
        if not path.is_dir():
            yield path
            continue
        files = sorted(file for file in path.iterdir() if file.suffix in (".yaml", ".yml") and file.is_file())
        if not files:
            problems.append(f"{path}: expected a folder with .yaml files, found none")
        yield from files
