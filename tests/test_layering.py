"""Imports run downward only, and TensorFlow is loaded in its rooms alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from support import fabricate

PACKAGE = Path(__file__).resolve().parent.parent / "wineexp"

#: Folders and top modules, from the top down: each imports from lower lines, never from its own or a higher one.
FLOORS = [
    ["__main__"],
    ["cli"],
    ["api", "doctor"],
    ["report", "exporters"],
    ["execution"],
    ["comparison", "training"],
    ["runs"],
    ["data"],
    ["specs"],
    ["runtime", "extras"],
    ["errors"],
]

#: The folder that loads TensorFlow; ``runtime`` sets it up and imports it inside a function.
TENSORFLOW = {"training"}
HEAVY = ("tensorflow", "keras", "pandas", "matplotlib", "rich", "scipy", "ruamel", "numpy")


def rooms():
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE)
        yield (relative.parts[0] if len(relative.parts) > 1 else relative.stem), path


def imports(path, top_level=False):
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(("room", "path"), list(rooms()), ids=lambda value: str(value).removeprefix(str(PACKAGE)))
def test_a_room_imports_downward_only(room, path):
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    if room == "__init__":
        return  # the public API names every room
    assert room in floor, f"{room} has no floor: place it in FLOORS"
    for module in imports(path):
        if module.startswith("wineexp."):
            other = module.split(".")[1]
            if other in floor and other != room:
                assert floor[other] > floor[room], f"{path.name} imports {module}"


@pytest.mark.parametrize(("room", "path"), list(rooms()), ids=lambda value: str(value).removeprefix(str(PACKAGE)))
def test_tensorflow_is_imported_in_its_rooms_alone(room, path):
    if room in TENSORFLOW:
        return
    found = {module.split(".")[0] for module in imports(path, top_level=True)} & {"tensorflow", "keras"}
    assert not found
    if room != "runtime":
        assert not {module.split(".")[0] for module in imports(path)} & {"tensorflow", "keras"}


def loaded_by(*arguments):
    code = (
        "import sys; from wineexp.cli import run; code = run(sys.argv[1:]);"
        f"print('LOADED', code, *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.rsplit("LOADED", 1)[1].split()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["train", "--help"], 0),
        (["data", "--help"], 0),
        (["show", "--help"], 0),
        (["schema"], 0),
        (["batch", "--help"], 0),
        (["runs", "--help"], 0),
        (["compare", "--help"], 0),
        (["compare", "x", "--where", "dropuot=0.3"], 2),
        (["report", "--help"], 0),
        (["study", "--help"], 0),
        (["predict", "--help"], 0),
        (["export", "--help"], 0),
        (["export", "mlflow", "x"], 2),
        (["doctor", "--help"], 0),
        (["completion", "bash"], 0),
        (["runs", "--where", "dropuot=0.3"], 2),
        (["batch", "x.yaml", "--set", "dropuot=0.3"], 2),
        (["--version"], 0),
        (["train", "--bn", "middle"], 2),
        (["train", "--dropout", "1.0"], 2),
        (["train", "--no-such-flag"], 2),
        (["trian"], 2),
    ],
)
def test_help_and_usage_errors_load_nothing_heavy(arguments, code):
    assert loaded_by(*arguments) == [str(code)]


def test_comparing_showing_and_reporting_never_load_tensorflow_nor_open_a_model(small_table, tmp_path):
    for seed in (0, 1):
        for rate in (0, 0.3):
            run = fabricate.save(tmp_path / "runs", small_table, seed=seed, dropout=rate)
            run.model_path.mkdir()  # whoever opened it would fail
    runs = str(tmp_path / "runs")
    for arguments in (
        ["compare", runs, "-o", str(tmp_path / "x.png")], ["report", runs, "-o", str(tmp_path / "x.html")],
        ["runs", runs], ["show", str(run.path)],
    ):  # fmt: skip
        code, *loaded = loaded_by(*arguments)
        assert code == "0"
        assert not {"tensorflow", "keras"} & set(loaded)


def test_listing_runs_loads_nothing_heavy(tmp_path):
    assert loaded_by("runs", str(tmp_path)) == ["0"]


def test_writing_events_does_not_load_tensorflow(small_table, tmp_path):
    run = fabricate.save(tmp_path / "runs", small_table)
    code, *loaded = loaded_by("export", "tensorboard", str(run.path), "--to", str(tmp_path / "tb"))
    assert code == "0"
    assert not {"tensorflow", "keras"} & set(loaded)
