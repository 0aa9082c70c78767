"""Write the parts of README and docs that come from the code, between their markers.

python docs/generate.py           # rewrites them; a test fails where that would change something
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from wineexp.cli import COMMANDS
from wineexp.runs.run_table import COLUMNS
from wineexp.specs.run_spec import ACTIVATIONS, OPTIMIZERS, RunSpec, format_value

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
    """The columns of `wineexp runs`."""
    return ", ".join(f"`{name}`" for name in COLUMNS) + "."


PARTS: dict[str, Callable[[], str]] = {"commands": commands, "fields": fields, "names": names, "columns": columns}


def generated(text: str) -> str:
    """``text`` with every marked part written anew."""
    return BLOCK.sub(lambda found: f"<!-- generated: {found[1]} -->\n{PARTS[found[1]]()}\n<!-- end -->", text)


def pages() -> list[Path]:
    """The pages that may hold such parts."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


if __name__ == "__main__":
    for page in pages():
        page.write_text(generated(page.read_text(encoding="utf-8")), encoding="utf-8")
