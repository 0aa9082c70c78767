"""The house: imports run downward only, TensorFlow and private names stay in their rooms."""

from __future__ import annotations

import ast
import functools
import graphlib
import re
import subprocess
import sys

import pytest
from conftest import ROOT
from support import fabricate

import wineexp

PACKAGE = ROOT / "wineexp"

#: Folders and top modules, from the top down: each imports from lower lines, never from its own or a higher one.
FLOORS = [
    ["__main__"],
    ["cli"],
    ["api", "doctor"],
    ["page", "exporters"],
    ["execution"],
    ["comparison", "training"],
    ["runs"],
    ["data"],
    ["specs"],
    ["notebook", "outputs"],
    ["runtime", "extras", "files", "signals", "streams"],
    ["compiled", "imports", "listing"],
    ["text", "errors"],
]

#: The folder that loads TensorFlow; ``runtime`` sets it up and imports it inside a function.
TENSORFLOW = {"training"}

#: The files that touch private names of other packages.
PRIVATE = {"training/keras_internals.py", "execution/dask_cluster.py"}

MAX_FUNCTION_LINES = 60

#: Parameters of a function; more of them travel as one value, see ``api/options.py``.
MAX_PARAMETERS = 8

#: Public functions, whose keywords a notebook completes, and the declaration of a field.
MANY_PARAMETERS = {
    "api/comparing.py: report",
    "api/training.py: train",
    "api/training.py: batch",
    "api/studying.py: study",
    "specs/marks.py: spec_field",
}

HEAVY = ("tensorflow", "keras", "pandas", "matplotlib", "rich", "scipy", "ruamel", "numpy")


SOURCES = sorted(PACKAGE.rglob("*.py"))
each_module = pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))


@functools.cache
def parsed(path):
    """The syntax tree of a module; nobody changes it."""
    return ast.parse(path.read_text())


def room(path):
    """The folder of a module, or the module itself where it stands at the top."""
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imports(path, top_level=False):
    """Every module that ``path`` names in an import, with what it takes of it."""
    tree = parsed(path)
    for node in tree.body if top_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def neighbours(path):
    """The modules of its own folder that ``path`` imports."""
    folder = ".".join(path.relative_to(ROOT).parent.parts)
    names = {other.stem for other in path.parent.glob("*.py")}
    for module in imports(path):
        if module.startswith(f"{folder}."):
            name = module.removeprefix(f"{folder}.").split(".")[0]
            if name in names:
                yield name


@each_module
def test_a_folder_imports_downward_only(path):
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    if room(path) == "__init__":
        return  # the public API names every room
    assert room(path) in floor, f"{room(path)} has no floor: place it in FLOORS"
    for module in imports(path):
        if module.startswith("wineexp."):
            other = module.split(".")[1]
            if other in floor and other != room(path):
                assert floor[other] > floor[room(path)], f"{path.name} imports {module}"


@pytest.mark.parametrize("folder", sorted({path.parent for path in SOURCES}), ids=lambda path: path.name)
def test_the_files_of_a_folder_import_each_other_without_a_circle(folder):
    graph = {path.stem: set(neighbours(path)) for path in folder.glob("*.py") if path.stem != "__init__"}
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError


@each_module
def test_no_command_imports_another(path):
    if path.parent.name == "commands":
        assert not [module for module in imports(path) if module.startswith("wineexp.cli.commands")]


@each_module
def test_tensorflow_is_imported_in_its_folder_alone(path):
    if room(path) in TENSORFLOW:
        return
    found = {module.split(".")[0] for module in imports(path, top_level=True)} & {"tensorflow", "keras"}
    assert not found
    if room(path) != "runtime":
        assert not {module.split(".")[0] for module in imports(path)} & {"tensorflow", "keras"}


@each_module
def test_private_names_of_other_packages_stand_in_their_two_files(path):
    if str(path.relative_to(PACKAGE)) in PRIVATE:
        return
    text = path.read_text()
    assert not re.search(r"tensorflow\.python|keras\.src|distributed\._", text)
    own = {node.attr for node in ast.walk(parsed(path)) if isinstance(node, ast.Attribute)}
    from_elsewhere = {"_momentums", "_velocities", "_get_variable_index", "_should_trace", "_registry",
                      "_omit_frequent_tracing_warning", "_loop_runner"}  # fmt: skip
    assert not own & from_elsewhere


@each_module
def test_nothing_needs_a_notebook_to_be_shown_in_one(path):
    assert not {module.split(".")[0] for module in imports(path)} & {"IPython", "ipykernel", "ipywidgets"}


@each_module
def test_options_travel_as_one_value(path):
    for node in ast.walk(parsed(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            own = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            count = len([argument for argument in own if argument.arg not in ("self", "cls")])
            name = f"{path.relative_to(PACKAGE)}: {node.name}"
            assert count <= MAX_PARAMETERS or name in MANY_PARAMETERS, f"{name} takes {count} parameters"


@each_module
def test_functions_fit_a_screen(path):
    for node in ast.walk(parsed(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            # Its docstring, which documents every parameter of a public function, does not count.
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            lines = node.end_lineno - first.lineno + 1
            assert lines <= MAX_FUNCTION_LINES, f"{node.name} has {lines} lines"


@each_module
def test_init_files_are_empty_but_the_packages_own(path):
    if path.name == "__init__.py" and room(path) not in ("__init__", "cli"):
        assert path.read_text() == ""


def test_no_module_at_the_top_has_a_public_functions_name():
    """``wineexp.compare`` the function would be hidden by ``wineexp/compare.py`` once that is imported."""
    at_the_top = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert not at_the_top & set(wineexp.__all__)


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
        (["inspect", "--help"], 0),
        (["why", "--help"], 0),
        (["export", "--help"], 0),
        (["diff", "--help"], 0),
        (["rm", "--help"], 0),
        (["export", "nowhere", "x"], 2),
        (["doctor", "--help"], 0),
        (["completion", "bash"], 0),
        (["runs", "--where", "dropuot=0.3"], 2),
        (["batch", "x.yaml", "--set", "dropuot=0.3"], 2),
        (["--version"], 0),
        (["train", "--bn", "middle"], 2),
        (["train", "--dropout", "1.0"], 2),
        (["train", "--no-such-flag"], 2),
        (["trian"], 2),
        ([], 2),
        (["help", "train"], 0),
        (["train", "--lr", "0.1"], 2),
        (["train", "dropout=0.3"], 2),
        (["runs", "--where", "dropout==0.3"], 2),
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
        ["runs", runs], ["show", str(run.path)], ["show", run.signature[:6], "--out", runs],
        ["diff", run.signature, str(run.path), "--out", runs], ["why", str(run.path)],
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
