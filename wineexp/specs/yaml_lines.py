"""YAML text as plain values with their lines: the only reader of YAML. YAML 1.2, so ``no`` is text."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

__all__ = ["MAX_BYTES", "MAX_VALUES", "LinedValue", "kind_of", "read_yaml"]

#: A config is written by hand or by a small script; a larger file is refused before it is parsed.
MAX_BYTES = 512 * 1024

#: Limit for the values in a file, with its aliases expanded.
MAX_VALUES = 200_000

MAX_DEPTH = 20

#: Limit for a whole number; a larger one does not fit a float and, if far larger, Python refuses to print it.
MAX_BITS = 1000

#: Called with each problem: its line, if known, and its text.
OnProblem = Callable[[int | None, str], None]


@dataclass
class LinedValue:
    """A value with its line.

    Attributes
    ----------
    data
        A scalar, a list of lined values, or a dict of text to lined values.
    line : int
        From 1.
    """

    data: Any
    line: int

    def plain(self) -> Any:
        """The value without its lines."""
        if isinstance(self.data, dict):
            return {key: item.plain() for key, item in self.data.items()}
        if isinstance(self.data, list):
            return [item.plain() for item in self.data]
        return self.data


def read_yaml(source: Path | bytes, on_problem: OnProblem) -> LinedValue | None:
    """Read a file, or its bytes; report a problem and return None if it is not acceptable YAML.

    Rejected are files over ``MAX_BYTES``, more than ``MAX_VALUES`` values, deep nesting, tags beyond text,
    numbers, booleans and null, keys that are not text, and repeated keys.
    """
    try:
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        if size > MAX_BYTES:
            on_problem(None, f"expected at most {MAX_BYTES:,} bytes, found {size:,}")
            return None
        content = source if isinstance(source, bytes) else source.read_bytes()
        return _Reader(on_problem).read(content.decode("utf-8-sig"))
    except FileNotFoundError:
        on_problem(None, "no such file")
    except OSError as error:
        on_problem(None, f"cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        on_problem(None, "expected YAML text in UTF-8, found other bytes")
    except MarkedYAMLError as error:
        mark = error.problem_mark
        on_problem(mark.line + 1 if mark else None, f"not YAML: {(error.problem or '').strip()}")
    except (YAMLError, ValueError) as error:
        on_problem(None, f"not YAML: {str(error).splitlines()[0]}")
    except RecursionError:
        on_problem(None, "nested too deeply")
    return None


def kind_of(value: Any) -> str:
    """A value's kind, for an error: ``a mapping``, ``a list``, ``nothing`` or the scalar itself."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return "nothing" if value is None else repr(value)


def _joined(text: str) -> str:
    """Join pairs of surrogates into their character: JSON escapes an emoji as a pair, and JSON is YAML 1.2."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


class _Reader:
    """Turns YAML's nodes into lined values, counting them."""

    def __init__(self, on_problem: OnProblem) -> None:
        self.on_problem = on_problem
        self.values = 0
        self.yaml = YAML(typ="safe", pure=True)

    def read(self, text: str) -> LinedValue | None:
        node = self.yaml.compose(io.StringIO(text))
        if node is None:
            self.on_problem(None, "expected a mapping of fields, found an empty file")
            return None
        return self._value(node, 0)

    def _value(self, node: Node, depth: int) -> LinedValue:
        line = node.start_mark.line + 1
        self.values += 1
        if self.values > MAX_VALUES:
            raise ValueError(f"more than {MAX_VALUES:,} values, with aliases expanded")
        if depth > MAX_DEPTH:
            raise RecursionError
        if isinstance(node, SequenceNode):
            return LinedValue([self._value(item, depth + 1) for item in node.value], line)
        if isinstance(node, MappingNode):
            return LinedValue(self._mapping(node, depth), line)
        assert isinstance(node, ScalarNode)
        tag = str(node.tag)
        if tag == "tag:yaml.org,2002:timestamp" and not node.style:
            return LinedValue(node.value, line)  # text in YAML 1.2; ruamel still finds dates
        if tag.rpartition(":")[2] not in ("str", "int", "float", "bool", "null"):
            if tag == "tag:yaml.org,2002:merge":
                problem = (
                    "a merge key (<<), which YAML 1.2 lacks; write the fields out, or put them under `defaults`"
                )
                raise MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
            raise MarkedYAMLError(problem=f"unexpected tag {tag}", problem_mark=node.start_mark)
        value = self.yaml.constructor.construct_object(node, deep=True)
        if isinstance(value, int) and value.bit_length() > MAX_BITS:
            raise MarkedYAMLError(problem="a number too large for any field", problem_mark=node.start_mark)
        return LinedValue(_joined(value) if isinstance(value, str) else value, line)

    def _mapping(self, node: MappingNode, depth: int) -> dict[str, LinedValue]:
        values: dict[str, LinedValue] = {}
        for key, value in node.value:
            name = self._value(key, depth + 1)
            if not isinstance(name.data, str):
                self.on_problem(name.line, f"expected a field's name, found {name.plain()!r}")
            elif name.data in values:
                self.on_problem(name.line, f"{name.data}: repeated key; first on line {values[name.data].line}")
            else:
                values[name.data] = self._value(value, depth + 1)
                if not isinstance(value, (SequenceNode, MappingNode)):
                    values[name.data].line = name.line
        return values
