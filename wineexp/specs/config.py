"""YAML in, specs out: the only YAML reader. Errors name file, line and field, and all come at once."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from wineexp.errors import ConfigError, SpecError, nearest
from wineexp.specs.run_spec import MAX_SEED, RunSpec

__all__ = ["Config", "read_config", "read_configs", "read_mapping"]

#: A config is written by hand or by a small script; what is larger is refused before it is parsed.
MAX_BYTES = 512 * 1024
#: Values in a file with its aliases written out, and runs of all files.
MAX_VALUES = 200_000
MAX_RUNS = 100_000

STUDY_KEYS = ("name", "defaults", "seeds", "runs", "grid")


@dataclass(frozen=True)
class Config:
    """What one file, or several together, ask for.

    Attributes
    ----------
    name : str
        The study's; a file's stem where it gives none.
    specs : tuple of RunSpec
        Every run in the order of the file: runs first, then the grid, each with all its seeds.
    """

    name: str
    specs: tuple[RunSpec, ...]


def read_config(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read one file; see :func:`read_configs`."""
    return read_configs([path], overrides)


def read_configs(paths: Sequence[str | Path], overrides: Mapping[str, Any] | None = None) -> Config:
    """Read files, and the ``*.yaml`` and ``*.yml`` files of folders, into one list of runs.

    Parameters
    ----------
    paths : sequence of path-like
    overrides : mapping, optional
        Field name to value, over everything the files say.

    Raises
    ------
    ConfigError
        With every problem of every file, each as ``file:line: field: expected ...; found ...``.
    """
    problems: list[str] = []
    readers = [_Reader(path, dict(overrides or {}), problems) for path in _files(paths, problems)]
    configs = [reader.read() for reader in readers]
    if problems:
        raise ConfigError(problems)
    specs = [spec for config in configs for spec in config.specs]
    if len(specs) > MAX_RUNS:
        raise ConfigError([f"expected at most {MAX_RUNS:,} runs, found {len(specs):,}"])
    return Config("+".join(config.name for config in configs), tuple(specs))


def read_mapping(values: Mapping[str, Any]) -> Config:
    """Read what a file would hold, as a mapping of plain values; raise ``ConfigError`` as for a file."""
    problems: list[str] = []
    content = json.dumps(values, indent=1).encode()  # JSON is YAML 1.2
    config = _Reader(Path("config"), {}, problems, content).read()
    if problems:
        raise ConfigError(problems)
    return config


def _files(paths: Sequence[str | Path], problems: list[str]) -> Iterator[Path]:
    for path in map(Path, paths):
        if not path.is_dir():
            yield path
            continue
        found = sorted(file for file in path.iterdir() if file.suffix in (".yaml", ".yml") and file.is_file())
        if not found:
            problems.append(f"{path}: expected a folder with .yaml files, found none")
        yield from found


class _Constructor(SafeConstructor):
    """Scalars alone are built with it: numbers, booleans, null and text of YAML 1.2."""


@dataclass
class _Value:
    """A value with the line it stands on; the items of lists and mappings keep theirs."""

    data: Any
    line: int

    def plain(self) -> Any:
        if isinstance(self.data, dict):
            return {key: item.plain() for key, item in self.data.items()}
        if isinstance(self.data, list):
            return [item.plain() for item in self.data]
        return self.data


class _Reader:
    """Reads one file, collecting problems instead of stopping at the first."""

    def __init__(
        self, path: Path, overrides: dict[str, Any], problems: list[str], content: bytes | None = None
    ) -> None:
        self.path, self.overrides, self.problems, self.content = path, overrides, problems, content
        self.values = 0

    def problem(self, line: int | None, text: str) -> None:
        where = f"{self.path}:{line}" if line else str(self.path)
        entry = f"{where}: {text}"
        if entry not in self.problems:
            self.problems.append(entry)

    def read(self) -> Config:
        root = self._load()
        if root is None:
            return Config(self.path.stem, ())
        if not isinstance(root.data, dict):
            self.problem(root.line, f"expected a mapping of fields at the top, found {_kind(root.data)}")
            return Config(self.path.stem, ())
        fields: dict[str, _Value] = root.data
        if not any(key in fields for key in STUDY_KEYS[1:]):  # a spec.yaml: its `name` names the run
            return Config(self.path.stem, tuple(self._specs(fields)))
        return self._study(fields, root.line)

    # -- the text ---------------------------------------------------------------------------------

    def _load(self) -> _Value | None:
        yaml = YAML(typ="safe", pure=True)
        try:
            size = self.path.stat().st_size if self.content is None else len(self.content)
            if size > MAX_BYTES:
                self.problem(None, f"expected at most {MAX_BYTES:,} bytes, found {size:,}")
                return None
            content = self.path.read_bytes() if self.content is None else self.content
            text = content.decode("utf-8-sig")
            node = yaml.compose(io.StringIO(text))
            if node is None:
                self.problem(None, "expected a mapping of fields, found an empty file")
                return None
            self.yaml = yaml
            return self._value(node, 0)
        except FileNotFoundError:
            self.problem(None, "no such file")
        except OSError as error:
            self.problem(None, f"cannot be read: {error.strerror}")
        except UnicodeDecodeError:
            self.problem(None, "expected YAML text in UTF-8, found other bytes")
        except MarkedYAMLError as error:
            mark = error.problem_mark
            self.problem(mark.line + 1 if mark else None, f"not YAML: {(error.problem or '').strip()}")
        except (YAMLError, ValueError) as error:
            self.problem(None, f"not YAML: {str(error).splitlines()[0]}")
        except RecursionError:
            self.problem(None, "nested too deeply")
        return None

    def _value(self, node: Node, depth: int) -> _Value:
        line = node.start_mark.line + 1
        self.values += 1
        if self.values > MAX_VALUES:
            raise ValueError(f"more than {MAX_VALUES:,} values, aliases written out")
        if depth > 20:
            raise RecursionError
        if isinstance(node, SequenceNode):
            return _Value([self._value(item, depth + 1) for item in node.value], line)
        if isinstance(node, MappingNode):
            return _Value(self._mapping(node, depth), line)
        assert isinstance(node, ScalarNode)
        tag = str(node.tag)
        if tag == "tag:yaml.org,2002:timestamp" and not node.style:
            return _Value(node.value, line)  # text in YAML 1.2; ruamel still finds dates
        if tag.rpartition(":")[2] not in ("str", "int", "float", "bool", "null"):
            raise MarkedYAMLError(problem=f"unexpected tag {tag}", problem_mark=node.start_mark)
        return _Value(self.yaml.constructor.construct_object(node, deep=True), line)

    def _mapping(self, node: MappingNode, depth: int) -> dict[str, _Value]:
        found: dict[str, _Value] = {}
        for key, value in node.value:
            name = self._value(key, depth + 1)
            if not isinstance(name.data, str):
                self.problem(name.line, f"expected a field's name, found {name.plain()!r}")
            elif name.data in found:
                self.problem(name.line, f"{name.data}: stands twice; first on line {found[name.data].line}")
            else:
                found[name.data] = self._value(value, depth + 1)
                if not isinstance(value, (SequenceNode, MappingNode)):
                    found[name.data].line = name.line
        return found

    # -- the study --------------------------------------------------------------------------------

    def _study(self, fields: dict[str, _Value], line: int) -> Config:
        for key, value in fields.items():
            if key not in STUDY_KEYS:
                hint = " (it belongs under defaults)" if key in RunSpec.model_fields else nearest(key, STUDY_KEYS)
                self.problem(value.line, f"{key}: unknown key{hint}; a study has {', '.join(STUDY_KEYS)}")
        name = fields["name"].data if "name" in fields else self.path.stem
        if not isinstance(name, str) or not 0 < len(name) <= 200:
            self.problem(fields["name"].line, f"name: expected text of 1 to 200 characters, found {name!r}")
            name = self.path.stem
        defaults = self._section(fields, "defaults", dict)
        seeds = self._seeds(fields)
        variants: list[dict[str, _Value]] = []
        runs = self._section(fields, "runs", list)
        grid = self._section(fields, "grid", dict)
        for run in runs:
            if isinstance(run.data, dict):
                variants.append({**defaults, **run.data})
            else:
                self.problem(run.line, f"runs: expected a mapping of fields, found {_kind(run.data)}")
        if "grid" in fields:
            variants += self._grid(grid, defaults)
        if not variants and "runs" not in fields and "grid" not in fields:
            variants = [defaults]
        specs = []
        for variant in variants:
            if seeds is not None and "seed" in variant:
                self.problem(variant["seed"].line, "seed: expected either seed or seeds, found both")
                continue
            for seed in seeds if seeds is not None else [None]:
                given = variant if seed is None else {**variant, "seed": seed}
                specs += self._specs(given)
        return Config(name, tuple(specs))

    def _section(self, fields: dict[str, _Value], key: str, kind: type) -> Any:
        value = fields.get(key)
        if value is None:
            return kind()
        if not isinstance(value.data, kind):
            expected = "a mapping of fields" if kind is dict else "a list of runs"
            self.problem(value.line, f"{key}: expected {expected}, found {_kind(value.data)}")
            return kind()
        if not value.data and key != "defaults":
            self.problem(
                value.line, f"{key}: expected at least one {'field' if kind is dict else 'run'}, found none"
            )
        return value.data

    def _seeds(self, fields: dict[str, _Value]) -> list[_Value] | None:
        value = fields.get("seeds")
        if value is None:
            return None
        if _is_whole(value.data) and 1 <= value.data <= 10_000:
            return [_Value(seed, value.line) for seed in range(value.data)]
        items = [item.data for item in value.data] if isinstance(value.data, list) else []
        if items and all(_is_whole(item) and 0 <= item <= MAX_SEED for item in items):
            if len(set(items)) == len(items):
                return list(value.data)
            self.problem(value.line, "seeds: expected different seeds, found one twice")
            return []
        self.problem(
            value.line,
            "seeds: expected how many (a whole number from 1 to 10000) or a list of seeds, "
            f"found {value.plain()!r}",
        )
        return []

    def _grid(self, grid: dict[str, _Value], defaults: dict[str, _Value]) -> list[dict[str, _Value]]:
        count = 1
        for key, value in grid.items():
            if not isinstance(value.data, list) or not value.data:
                found = "an empty list" if value.data == [] else _kind(value.data)
                self.problem(value.line, f"grid: {key}: expected a list of values, found {found}")
                return []
            count *= len(value.data)
        if count > MAX_RUNS:
            self.problem(None, f"grid: expected at most {MAX_RUNS:,} runs, found {count:,}")
            return []
        axes = [[(key, item) for item in value.data] for key, value in grid.items()]
        return [{**defaults, **dict(point)} for point in itertools.product(*axes)] if axes else []

    def _specs(self, fields: dict[str, _Value]) -> list[RunSpec]:
        values = {key: value.plain() for key, value in fields.items()} | self.overrides
        try:
            return [RunSpec.parse(values)]
        except SpecError as error:
            for field, text in error.problems:
                line = fields[field].line if field in fields and field not in self.overrides else None
                if field in self.overrides:
                    text += " (from the command line)"
                self.problem(line, f"{field}: {text}")
            return []


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return "nothing" if value is None else repr(value)
