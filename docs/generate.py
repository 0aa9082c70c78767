"""Write what comes from the code: parts of README and docs between their markers, and the picture of the floors.

python docs/generate.py           # rewrites them; a test fails where that would change something
"""

from __future__ import annotations

import ast
import graphlib
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
from wineexp.runs.diagnosis import EXPLANATIONS, FAULTS
from wineexp.runs.record import Metrics
from wineexp.specs.keras_names import ACTIVATIONS, OPTIMIZERS
from wineexp.specs.run_spec import RunSpec
from wineexp.specs.wording import format_value

ROOT = Path(__file__).resolve().parent.parent

#: The floors of the house, as drawn.
PICTURE = ROOT / "docs" / "architecture.svg"

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
    return _column_table(comparison_columns.columns().values())


def inspection() -> str:
    """The figures of `wineexp inspect`."""
    rows = [f"| `{column.key}` | {column.meaning} |" for column in inspection_columns.COLUMNS.values()]
    return "\n".join(["| key | meaning |", "| --- | --- |", *rows])


def faults() -> str:
    """What `wineexp why` can find."""
    rows = [f"| `{cause.key}` | {cause.title} | {cause.meaning} |" for cause in (*FAULTS, *EXPLANATIONS)]
    return "\n".join(["| key | title | meaning |", "| --- | --- | --- |", *rows])


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
    "faults": faults,
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


def floors() -> list[list[str]]:
    """The rooms of each floor, from the top down, as the test of the layering holds them."""
    tree = ast.parse((ROOT / "tests" / "test_layering.py").read_text(encoding="utf-8"))
    (value,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "FLOORS"
    ]
    return ast.literal_eval(value)


def imports() -> set[tuple[str, str]]:
    """Which folder imports which, less what it also reaches by way of another."""
    direct: dict[str, set[str]] = {room.name: set() for room in (ROOT / "wineexp").iterdir() if room.is_dir()}
    direct = {room: set() for room in direct if not room.startswith("__")}
    for room, targets in direct.items():
        for path in (ROOT / "wineexp" / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("wineexp."):
                    targets.add(node.module.split(".")[1])
        targets &= direct.keys() - {room}
    below: dict[str, set[str]] = {}
    for room in graphlib.TopologicalSorter(direct).static_order():
        below[room] = direct[room].union(*(below[target] for target in direct[room]))
    return {
        (room, target)
        for room, targets in direct.items()
        for target in targets
        if not any(target in below[other] for other in targets)
    }


def picture_facts() -> list[str]:
    """What the picture shows, as its parts are called in the file: rooms by floor, and who imports whom."""
    rooms = [f"floor {number}: {room}" for number, names in enumerate(floors()) for room in names]
    return sorted([*rooms, *(f"{room} imports {target}" for room, target in imports())])


def pictured(svg: str) -> list[str]:
    """The same, read from a picture, whatever drew it."""
    return sorted(re.findall(r'id="(floor \d+: \w+|\w+ imports \w+)"', svg))


def draw_floors() -> None:
    """Write the picture: a row for each floor, an arrow for each import between folders."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "floors", "font.family": "sans-serif"})
    rows = floors()
    figure = Figure(figsize=(7, 0.52 * len(rows)))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 14), ylim=(-len(rows) + 0.5, 0.5))
    axes.axis("off")
    places = {}
    for row, names in enumerate(rows):
        # A room alone on its floor stands to the right, so that arrows from above and below pass it.
        columns = [0.5] if len(names) == 1 else [column - (len(names) - 1) / 2 for column in range(len(names))]
        for column, room in zip(columns, names, strict=True):
            x = 7 + column * (2.3 if len(names) > 2 else 2.6)
            places[room] = x, -row
            folder = (ROOT / "wineexp" / room).is_dir()
            box = FancyBboxPatch((x - 0.85, -row - 0.27), 1.7, 0.54, boxstyle="round,pad=0,rounding_size=0.12")
            box.set(facecolor="#2f6690" if folder else "#6b7280", edgecolor="none", gid=f"floor {row}: {room}")
            axes.add_patch(box)
            name = f"{room}/" if folder else f"{room}.py"
            axes.text(x, -row - 0.02, name, color="white", size=9, ha="center", va="center")
    for room, target in sorted(imports()):
        (x, y), (target_x, target_y) = places[room], places[target]
        lean = 0.8 if target_x > x else -0.8 if target_x < x else 0
        arrow = FancyArrowPatch(
            (x + lean, y - 0.28),
            (target_x - lean, target_y + 0.28),
            arrowstyle="-|>",
            mutation_scale=9,
            shrinkA=0,
            shrinkB=0,
        )
        arrow.set(color="#d97706", gid=f"{room} imports {target}")
        axes.add_patch(arrow)
    figure.savefig(PICTURE, transparent=True, metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    if not PICTURE.exists() or pictured(PICTURE.read_text(encoding="utf-8")) != picture_facts():
        draw_floors()
    for page in pages():
        page.write_text(generated(page.read_text(encoding="utf-8")), encoding="utf-8")
