"""Write the parts of README and docs that come from the code, between their markers.

python docs/generate.py           # rewrites them; a test fails where that would change something
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import wineexp
from wineexp.cli import COMMANDS
from wineexp.comparison import columns as comparison_columns
from wineexp.runs import inspection as inspection_columns
from wineexp.runs.columns import COLUMNS, Column
from wineexp.runs.record import Metrics
from wineexp.specs.keras_names import ACTIVATIONS, OPTIMIZERS
from wineexp.specs.run_spec import RunSpec
from wineexp.specs.wording import format_value

ROOT = Path(__file__).resolve().parent.parent

BLOCK = re.compile(r"<!-- generated: (\w+) -->\n.*?<!-- end -->", re.S)


def commands() -> str:
    """Each command with the first line of its help."""
    rows = [f"| `wineexp {name}` | {line} |" for name, line in COMMANDS.items()]
    return "\n".join(["| command | does |", "| --- | --- |", *rows])


def fields() -> str:
    """Each field of the spec: default, what is legal, what it means."""
    rows = []
    for name, info in RunSpec.model_fields.items():
        extra = info.json_schema_extra
        expected = extra["expected"] if isinstance(extra, dict) else ""
        default = "the optimizer's" if name == "learning_rate" else format_value(info.default)
        rows.append(f"| `{name}` | {default} | {expected} | {info.description} |")
    return "\n".join(["| field | default | expected | meaning |", "| --- | --- | --- | --- |", *rows])


def names() -> str:
    """Legal activations and optimizers."""
    rates = ", ".join(f"`{name}` ({rate:g})" for name, rate in OPTIMIZERS.items())
    activations = ", ".join(f"`{name}`" for name in ACTIVATIONS)
    return f"Activations: {activations}.\n\nOptimizers, with their learning rates: {rates}."


def columns() -> str:
    """The columns of `wineexp runs` beside the spec's fields and the metrics."""
    facts = [
        column for key, column in COLUMNS.items() if key not in {*RunSpec.model_fields, *Metrics.model_fields}
    ]
    return _column_table(facts)


def metrics() -> str:
    """The metrics of a run."""
    return _column_table(COLUMNS[name] for name in Metrics.model_fields)


def comparison() -> str:
    """The columns of `wineexp compare`."""
    return _column_table(comparison_columns.COLUMNS.values())


def inspection() -> str:
    """The figures of `wineexp inspect`."""
    rows = [f"| `{column.key}` | {column.meaning} |" for column in inspection_columns.COLUMNS.values()]
    return "\n".join(["| key | meaning |", "| --- | --- |", *rows])


def _column_table(found: Iterable[Column[Any]]) -> str:
    rows = [f"| `{column.key}` | {column.heading} | {column.meaning} |" for column in found]
    return "\n".join(["| key | heading | meaning |", "| --- | --- | --- |", *rows])


def api() -> str:
    """Every public name with its signature and docstring."""
    return "\n\n".join(_section(name, getattr(wineexp, name)) for name in wineexp.__all__)


def _section(name: str, thing: Any) -> str:
    if inspect.isclass(thing):
        head = f"class {name}({', '.join(base.__name__ for base in thing.__bases__)})"
        own = {key: value for key, value in vars(thing).items() if not key.startswith("_") and _documented(value)}
        members = [f"- `{_member(key, value)}`: {_first_line(value)}" for key, value in own.items()]
    else:
        head, members = f"{name}{_signature(thing)}", []
    text = f"## `{name}`\n\n```text\n{head}\n\n{inspect.getdoc(thing)}\n```"
    return "\n".join([text, *(["", *members] if members else [])])


def _documented(value: Any) -> bool:
    return isinstance(value, (property, classmethod)) or inspect.isfunction(value)


def _member(name: str, value: Any) -> str:
    function = value.__func__ if isinstance(value, classmethod) else value
    return name if isinstance(value, property) else f"{name}{_signature(function)}"


def _signature(function: Any) -> str:
    """A function's parameters as they are called, without their types, which the docstring has in words."""
    given = inspect.signature(function).parameters.values()
    plain = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in given
        if parameter.name not in ("self", "cls")
    ]
    return str(inspect.Signature(plain))


def _first_line(value: Any) -> str:
    return (inspect.getdoc(value) or "").split("\n")[0]


PARTS: dict[str, Callable[[], str]] = {
    "api": api,
    "columns": columns,
    "commands": commands,
    "comparison": comparison,
    "fields": fields,
    "inspection": inspection,
    "metrics": metrics,
    "names": names,
}


def generated(text: str) -> str:
    """``text`` with every marked part written anew."""
    return BLOCK.sub(lambda found: f"<!-- generated: {found[1]} -->\n{PARTS[found[1]]()}\n<!-- end -->", text)


def pages() -> list[Path]:
    """The pages that may hold such parts."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


if __name__ == "__main__":
    for page in pages():
        page.write_text(generated(page.read_text(encoding="utf-8")), encoding="utf-8")
