"""Within other programs: threads, pools, and the global settings of TensorFlow and Keras."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import textwrap

import pytest
from support.processes import GUARD

import wineexp
from wineexp import errors

FIELDS = {"widths": 8, "epochs": 3, "batch_size": 32, "dropout": 0.3, "bn": "after"}


def program(code, cwd, **settings):
    """Run a program of somebody's; its stdout."""
    text = f"FIELDS = {FIELDS!r}\n{textwrap.dedent(code)}"
    (cwd / "program.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=cwd,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=GUARD,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def history(cwd, out="outputs"):
    (path,) = (cwd / out).glob("*/history.csv")
    return path.read_text(), (path.parent / "predictions.csv").read_text()


@pytest.fixture
def here(tmp_path, small_csv):
    (tmp_path / "t.csv").write_bytes(small_csv.read_bytes())
    return tmp_path


@pytest.fixture(scope="session")
def undisturbed_run(tmp_path_factory, small_csv):
    """History and predictions of a program that does nothing else."""
    folder = tmp_path_factory.mktemp("undisturbed_run")
    (folder / "t.csv").write_bytes(small_csv.read_bytes())
    program("import wineexp; wineexp.train(**FIELDS, data='t.csv', threads=1)", folder)
    return history(folder)


@pytest.mark.slow
@pytest.mark.parametrize("apart", [0.0, 1.0])
def test_the_first_trainings_of_several_threads(here, undisturbed_run, apart):
    out = program(
        f"""
        import threading, time, wineexp
        found, failed = [], []
        def work(number):
            try:
                found.append(wineexp.train(**FIELDS, seed=number, data="t.csv", threads=1))
            except BaseException as error:
                failed.append(repr(error))
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
            time.sleep({apart})
        for thread in threads:
            thread.join()
        print(failed, sorted((run.spec.seed, run.status) for run in found))
        """,
        here,
    )
    assert out == "[] [(0, 'done'), (1, 'done'), (2, 'done'), (3, 'done')]\n"
    (path,) = (here / "outputs").glob("*-s0-*/history.csv")
    assert path.read_text() == undisturbed_run[0]


@pytest.mark.slow
def test_eager_functions_are_refused_before_training(here):
    out = program(
        """
        import wineexp, tensorflow as tf
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.run_functions_eagerly(True)
        try:
            wineexp.train(**FIELDS, data="t.csv", threads=1)
        except wineexp.WineexpError as error:
            print(error)
        """,
        here,
    )
    assert "run_functions_eagerly(False)" in out
    assert not (here / "outputs").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "setting",
    [
        'keras.config.set_floatx("float64")',
        'keras.config.set_floatx("float16")',
        'keras.config.set_dtype_policy("mixed_float16")',
        'keras.config.set_dtype_policy("mixed_bfloat16")',
        "keras.config.set_epsilon(0.1)",
        'keras.config.set_image_data_format("channels_first")',
    ],
)
def test_global_settings_of_keras_change_nothing(here, undisturbed_run, setting):
    program(
        f"""
        import wineexp
        from wineexp import runtime
        runtime.load(1)
        import keras
        {setting}
        run = wineexp.train(**FIELDS, data="t.csv", threads=1)
        assert run.status == "done", run.status
        assert len(run.predict("t.csv")) == 120
        """,
        here,
    )
    assert history(here) == undisturbed_run


@pytest.mark.slow
def test_the_settings_file_of_keras_changes_nothing(here, undisturbed_run):
    (here / "keras").mkdir()
    settings = {"floatx": "float64", "epsilon": 0.1, "backend": "jax", "image_data_format": "channels_first"}
    (here / "keras" / "keras.json").write_text(json.dumps(settings))
    program(
        "import wineexp; wineexp.train(**FIELDS, data='t.csv', threads=1)", here, KERAS_HOME=str(here / "keras")
    )
    assert history(here) == undisturbed_run


@pytest.mark.slow
def test_a_batch_within_a_daemonic_worker_of_a_pool(here):
    out = program(
        """
        import multiprocessing, wineexp
        def work(_):
            return [run.status for run in wineexp.batch({"defaults": FIELDS, "seeds": 2}, data="t.csv", jobs=2)]
        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.map(work, [0]))
        """,
        here,
    )
    assert out == "[['done', 'done']]\n"


def test_cleaning_up_never_fails_a_run_that_is_done(small_table, tmp_path, tensorflow, monkeypatch):
    from support.batches import train

    from wineexp.specs.run_spec import RunSpec
    from wineexp.training.trainer import Trainer

    def burst(self):
        raise RuntimeError("cannot clean up")

    monkeypatch.setattr(Trainer, "close", burst)
    specs = [RunSpec.parse({"widths": "4", "epochs": 2, "bn": bn}) for bn in ("none", "after")]
    assert [run.status for run in train(specs, small_table, tmp_path)] == ["done", "done"]


#: A parent that shows a child that hangs as `hangs`.
FORKING = """
import multiprocessing, sys, wineexp
from multiprocessing import get_context
def work(seed):
    try:
        return wineexp.train(**FIELDS, seed=seed, data="t.csv", threads=1).status
    except wineexp.WineexpError as error:
        return str(error)
def children(method):
    with get_context(method).Pool(2) as pool:
        try:
            return pool.map_async(work, [0, 1]).get(180)
        except multiprocessing.TimeoutError:
            return "hangs"
"""


def forking(parent, cwd, method="fork"):
    """What two children of a pool return, of a parent that ran this before."""
    body = textwrap.indent(textwrap.dedent(parent), "    ")
    return program(f"{FORKING}\nif __name__ == '__main__':\n{body}\n    print(children({method!r}))\n", cwd)


TRAINED = 'work(9)\nassert len(list(__import__("pathlib").Path("outputs").iterdir())) == 1'
RUNNING = "import tensorflow as tf\ntf.constant(1)"


@pytest.mark.slow
@pytest.mark.parametrize("parent", [TRAINED, RUNNING], ids=["trained", "TensorFlow of the user's own"])
def test_a_child_forked_from_a_process_that_runs_tensorflow_is_refused_at_once(here, parent):
    out = forking(parent, here)
    assert out.count("this one was forked from") == 2, out
    assert "spawn" in out
    assert len(list((here / "outputs").glob("*/run.json"))) == (1 if parent is TRAINED else 0)


@pytest.mark.slow
def test_every_use_of_tensorflow_is_refused_in_such_a_child(here):
    out = program(
        """
        import multiprocessing, wineexp
        def predict(run): return len(run.predict("t.csv"))
        def inspect(run): return wineexp.inspect(run, data="t.csv")
        def load(run): return run.load_model()
        def repeat(run): return wineexp.train(run.spec, data="t.csv", force=True)
        def batch(run): return wineexp.batch([run.spec], data="t.csv", force=True, jobs=0)
        def told(work, run, pipe):
            try:
                pipe.send(work(run))
            except wineexp.WineexpError as error:
                pipe.send("forked" in str(error))
        run = wineexp.train(**FIELDS, data="t.csv", threads=1)
        for work in (predict, inspect, load, repeat, batch):
            ours, theirs = multiprocessing.Pipe()
            child = multiprocessing.get_context("fork").Process(target=told, args=(work, run, theirs))
            child.start()
            print(work.__name__, ours.recv() if ours.poll(180) else "hangs")
            child.kill()
        """,
        here,
    )
    assert out.splitlines() == [f"{name} True" for name in ("predict", "inspect", "load", "repeat", "batch")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parent", "method"),
    [("pass", "fork"), ("import tensorflow", "fork"), ("pass", "spawn"), (TRAINED, "spawn")],
    ids=["forked before", "forked with TensorFlow imported but not running", "spawned", "spawned after training"],
)
def test_children_that_tensorflow_can_run_in_train(here, parent, method):
    assert forking(parent, here, method) == "['done', 'done']\n"


@pytest.mark.slow
def test_a_batch_with_workers_trains_in_a_forked_child(here):
    """Its workers are new processes."""
    out = program(
        """
        import multiprocessing, wineexp
        def work(run):
            config = {"defaults": FIELDS, "seeds": 2}
            return [run.status for run in wineexp.batch(config, jobs=2, data="t.csv", out="other")]
        run = wineexp.train(**FIELDS, data="t.csv", threads=1)
        with multiprocessing.get_context("fork").Pool(1) as pool:
            print(pool.map_async(work, [run]).get(180))
        """,
        here,
    )
    assert out == "[['done', 'done']]\n"


@pytest.mark.parametrize(
    "error",
    [
        wineexp.SpecError([("dropout", "expected a rate"), ("bn", "expected a word")]),
        errors.ConfigError(["a.yaml:1: x", "b.yaml:2: y"]),
        errors.DownloadError("no answer", "wait", ["here: no answer"]),
        *(kind("what, where") for kind in (wineexp.DataError, wineexp.RunError, errors.RuntimeSetupError)),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_comes_whole_from_another_process(error):
    """A pool that cannot build its worker's error anew waits for it for ever."""
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)
