"""How heavy packages are imported: what is left out, and that everything is as before afterwards."""

from __future__ import annotations

import gc
import importlib
import inspect
import json
import os
import subprocess
import sys
import warnings

import pytest
from support.processor import multiplies_bfloat16

from wineexp import imports


@pytest.fixture
def left_out(monkeypatch):
    monkeypatch.setattr(imports, "_left_out", ("colorsys", "json"))
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)


def test_what_is_left_out_seems_not_installed_and_is_there_afterwards(left_out):
    with imports.lean(), pytest.raises(ModuleNotFoundError, match="colorsys"):
        importlib.import_module("colorsys")
    assert importlib.import_module("colorsys").rgb_to_hsv(0, 0, 0) == (0, 0, 0)


def test_what_was_loaded_before_stays(left_out):
    with imports.lean():
        assert importlib.import_module("json").loads("1") == 1
    assert "json" in sys.modules


@pytest.mark.parametrize("collects", [True, False])
def test_an_error_within_leaves_everything_as_it_was(left_out, collects):
    (gc.enable if collects else gc.disable)()
    try:
        with pytest.raises(ModuleNotFoundError), imports.lean():
            importlib.import_module("colorsys" if not gc.isenabled() else "json")
        assert gc.isenabled() == collects
        assert "colorsys" not in sys.modules
    finally:
        gc.enable()


NOTICING = """
import sys
class Noticing:
    def find_spec(name, path=None, target=None):
        if name in ("sklearn", "tensorflow.lite.python"):
            open(f"{folder}/{{name}}.noticed", "w").close()
sys.meta_path.insert(0, Noticing)
"""


@pytest.fixture
def noticed(tmp_path, monkeypatch):
    """What of scikit-learn and TensorFlow Lite is imported, by any process: each makes a file."""
    (tmp_path / "sitecustomize.py").write_text(NOTICING.format(folder=str(tmp_path)))
    (tmp_path / "sklearn").mkdir()
    (tmp_path / "sklearn/__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    return lambda: sorted(path.stem for path in tmp_path.glob("*.noticed"))


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["0", "1"])
def test_the_command_line_and_its_workers_do_without(jobs, noticed, small_csv, tmp_path):
    (tmp_path / "one.yaml").write_text("defaults: {widths: 4, epochs: 1}\n")
    command = [sys.executable, "-m", "wineexp", "batch", "one.yaml", "--data", str(small_csv), "--jobs", jobs]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert noticed() == []


@pytest.mark.slow
def test_a_users_own_process_has_all_of_keras_and_tensorflow(noticed, small_csv, tmp_path):
    code = f"import wineexp; wineexp.train(widths=4, epochs=1, data={str(small_csv)!r}, out='outputs')"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert noticed() == ["sklearn", "tensorflow.lite.python"]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package ``heavy`` whose module ``part`` says that it is loaded, and a function that asks whether it is."""
    (tmp_path / "heavy").mkdir()
    (tmp_path / "heavy/__init__.py").write_text("from heavy import part\n")
    (tmp_path / "heavy/part.py").write_text(
        "import sys\n__path__ = [__file__[:-3]]\nanswer = 42\nsys.heavy_part = 1\n"
    )
    (tmp_path / "heavy/part").mkdir()
    (tmp_path / "heavy/part/inner.py").write_text("depth = 2\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(imports, "_postponed", ("heavy.part", "json"))
    yield lambda: hasattr(sys, "heavy_part")
    for name in [name for name in sys.modules if name.split(".")[0] == "heavy"]:
        del sys.modules[name]
    vars(sys).pop("heavy_part", None)


def imported():
    with imports.lean():
        return importlib.import_module("heavy")


USES = {
    "an attribute": lambda heavy: heavy.part.answer,
    "a name taken from it": lambda heavy: getattr(importlib.import_module("heavy.part"), "answer"),  # noqa: B009
    "a list of its names": lambda heavy: 42 * dir(heavy.part).count("answer"),
    "a module within": lambda heavy: 21 * importlib.import_module("heavy.part.inner").depth,
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_what_is_postponed_is_loaded_by_its_first_use(use, package):
    heavy = imported()
    assert not package()
    assert use(heavy) == 42
    assert package()
    assert heavy.part is sys.modules["heavy.part"]
    assert type(heavy.part) is not imports._Later


def test_who_looks_through_all_modules_loads_none(package):
    imported()
    inspect.getmodule(package)
    for module in list(sys.modules.values()):
        assert hasattr(module, "__file__") in (True, False)
    warnings.resetwarnings()
    assert not package()
    with pytest.raises(AttributeError, match=r"module 'heavy.part' has no attribute '__file__'"):
        sys.modules["heavy.part"].__file__  # noqa: B018


def test_what_it_has_not_is_said_by_the_module_itself(package):
    with pytest.raises(AttributeError, match=r"module 'heavy.part' has no attribute 'question'"):
        imported().part.question  # noqa: B018


def test_what_was_loaded_before_is_not_postponed(package):
    import json

    imported()
    assert sys.modules["json"] is json


@pytest.mark.slow
def test_what_is_postponed_of_tensorflow_is_not_used_in_training_and_all_there_for_who_asks(small_csv, tmp_path):
    precision = "--precision mixed_bfloat16" if multiplies_bfloat16() else ""
    code = f"""if True:
        import sys
        from wineexp import imports
        from wineexp.cli import run
        imports.postpone(*imports.TENSORFLOW_LATER)
        given = ["train", "--widths", "256,256", "--epochs", "2", "--dropout", "0.3", "--scale", "standard"]
        for rest in ("--optimizer adam --bn after", "--optimizer rmsprop --bn before {precision}"):
            assert run([*given, "--data", {str(small_csv)!r}, *rest.split()]) == 0
        later = [name for name in imports.TENSORFLOW_LATER if type(sys.modules[name]) is imports._Later]
        assert later == list(imports.TENSORFLOW_LATER), later
        import tensorflow.lite.python.interpreter
        import tensorflow.compat.v1 as tf1
        import tensorflow as tf
        assert tf1.Session and tf.compat.v1.Session and tf.compat.v2.constant and tf.lite.Interpreter
        assert tf.profiler.experimental.client.monitor
        assert [name for name in later if type(sys.modules[name]) is imports._Later] == []
    """
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


INTERFACE = """if True:
    import json, sys
    from types import ModuleType
    from wineexp import imports, runtime
    if sys.argv[1:]:
        imports.postpone(*imports.TENSORFLOW_LATER)
    runtime.load(1)
    import tensorflow as tf
    found, seen = {}, set()
    def walk(module, path):
        # What is in a module by Python's imports and not by TensorFlow's own is private, or another package.
        if id(module) in seen or "_api" not in module.__name__ and path != "tf":
            return
        seen.add(id(module))
        for name in dir(module):
            if not name.startswith("_"):
                value = getattr(module, name)
                found[f"{path}.{name}"] = getattr(value, "__name__", type(value).__name__)
                if isinstance(value, ModuleType):
                    walk(value, f"{path}.{name}")
    tf.lite.Interpreter, tf.compat.v1.Session
    walk(tf, "tf")
    print(json.dumps(found))
"""


@pytest.mark.slow
def test_tensorflows_interface_is_the_same_name_by_name():
    def found(*options):
        command = [sys.executable, "-c", INTERFACE, *options]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    whole, postponed = found(), found("postponed")
    assert postponed == whole
    assert len(whole) > 5000
