"""Files made to hurt their reader are refused in bounded time and memory."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import time
import zipfile
import zlib

import h5py
import numpy as np
import pytest
from support import records
from support.batches import train

from wineexp.errors import RunError
from wineexp.runs.picture import read_png
from wineexp.specs.run_spec import RunSpec

#: What a command may take of this machine while it refuses a file; it loads pandas, or TensorFlow.
SECONDS, BYTES = 40, 1_500_000_000

#: Starts a command and writes down what it took. A process begins with the peak memory of the one that started
#: it (Linux carries it over ``exec``), and this test's own holds TensorFlow: hence a small one between.
MEASURE = """
import json, os, sys
child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
with open(sys.argv[1], "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024], file)
"""


@pytest.fixture(scope="module")
def finished(small_table, tmp_path_factory, tensorflow):
    spec = RunSpec.parse({"widths": "4", "epochs": 2, "batch_size": 32, "dropout": 0.2, "bn": "after"})
    (run,) = train([spec], small_table, tmp_path_factory.mktemp("finished"))
    return run


@pytest.fixture
def run(finished, tmp_path):
    """A copy of a finished run, without checksums, as one that somebody made might be."""
    path = shutil.copytree(finished.path, tmp_path / finished.path.name)
    records.rewrite(path, lambda record: record.pop("files"))
    return path


def refused(cwd, *arguments):
    """Run a command, measure what it took, and return its one line of complaint."""
    with (cwd / "said").open("w") as said:
        command = [sys.executable, "-c", MEASURE, cwd / "took", sys.executable, "-m", "wineexp", *arguments]
        subprocess.run(
            list(map(str, command)), cwd=cwd, stdout=said, stderr=said, stdin=subprocess.DEVNULL, check=True
        )
    status, seconds, peak = json.loads((cwd / "took").read_text())
    text = (cwd / "said").read_text()
    assert "Traceback" not in text
    assert len(text.splitlines()) == 1, text
    assert status in (1, 2)
    assert seconds < SECONDS  # of the processor's time: a busy machine takes longer
    assert peak < BYTES
    return text


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(text=None, *, width=1, height=1):
    """A PNG with that text under our key."""
    body = b"" if text is None else chunk(b"iTXt", b"wineexp\0\1\0\0\0" + zlib.compress(text, 9))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


def carried(**changes):
    return json.dumps({"label": "x", "title": "x", "record": {}, "history": {}} | changes).encode()


PICTURES = {
    "30000 x 30000": lambda: png(width=30_000, height=30_000),
    "2^31 x 2^31": lambda: png(carried(), width=2**31 - 1, height=2**31 - 1),
    "no text": png,
    "nested lists": lambda: png(b"[" * 100_000),
    "nested mappings": lambda: png(b'{"a":' * 100_000),
    "a list": lambda: png(b"[1]"),
    "a number": lambda: png(b"1"),
    "no record": lambda: png(carried()),
    "a record that is a list": lambda: png(carried(record=[1])),
    "a history that is a number": lambda: png(carried(history=7)),
    "a history of lists of lists": lambda: png(carried(history={"epoch": [[0]], "loss": [1], "val_loss": [1]})),
    "a history of text": lambda: png(carried(history={"epoch": ["a"], "loss": ["b"], "val_loss": ["c"]})),
    "a history of two lengths": lambda: png(carried(history={"epoch": [0, 1], "loss": [1], "val_loss": [1]})),
    "epochs in disorder": lambda: png(carried(history={"epoch": [1, 0], "loss": [1, 1], "val_loss": [1, 1]})),
    "4 GB of text": lambda: png(None)[:33] + chunk(b"iTXt", b"wineexp\0\1\0\0\0" + zlib.compress(bytes(10**9), 9)),
    "text that is no zlib": lambda: png(None)[:33] + chunk(b"iTXt", b"wineexp\0\1\0\0\0abc"),
    "a chunk longer than the file": lambda: png(None)[:33] + struct.pack(">I4s", 2**32 - 1, b"iTXt"),
    "a million chunks": lambda: png(None)[:33] + chunk(b"tEXt", b"") * 1_000_000,
    "cut": lambda: png(carried())[:60],
    "empty": lambda: b"",
}


#: Those that could cost time or memory are given to a command of their own.
LARGE = {"30000 x 30000", "2^31 x 2^31", "nested lists", "4 GB of text", "a million chunks"}


@pytest.mark.slow
def test_pictures(tmp_path):
    for name, make in PICTURES.items():
        (tmp_path / "x.png").write_bytes(make())
        if name in LARGE:
            assert "expected a curves.png written by wineexp" in refused(tmp_path, "compare", "x.png"), name
        else:
            with pytest.raises(RunError, match=r"expected a curves.png written by wineexp"):
                read_png(tmp_path / "x.png")


def test_a_picture_of_a_million_epochs_is_read_back(finished):
    """Pillow's own reader takes 1 MB of text."""
    import pandas as pd

    from wineexp.runs.picture import draw

    epochs = np.arange(200_000)
    history = pd.DataFrame({"epoch": epochs, "loss": 1 / (1 + epochs), "val_loss": 1 / (2 + epochs)})
    path = finished.path / "long.png"
    path.write_bytes(draw(finished.record, history))
    pd.testing.assert_frame_equal(read_png(path)[1], history)
    path.unlink()


def packed(arrays, config="{}", *, compress=False):
    """A ``.keras`` file of such arrays, path to array."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, **array)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as archive:
        archive.writestr("config.json", config)
        archive.writestr("metadata.json", "{}")
        archive.writestr("model.weights.h5", stream.getvalue())
    return content.getvalue()


def kernel(*shape):
    return {"layers/dense/vars/0": {"data": np.zeros(shape, "f4")}}


def bomb():
    """2 GB of zeros as weights, 2 MB packed."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}")
        with archive.open("model.weights.h5", "w", force_zip64=True) as file:
            for _ in range(2000):
                file.write(bytes(1_000_000))
    return content.getvalue()


MODELS = {
    "zip bomb": bomb,
    "bomb within the weights": lambda: packed(
        {
            "layers/dense/vars/0": {
                "shape": (3_000, 100_000),
                "dtype": "f4",
                "chunks": (1000, 1000),
                "compression": 9,
            }
        }
    ),
    "another input": lambda: packed(kernel(7, 4)),
    "another output": lambda: packed(kernel(3, 9)),
    "three dimensions": lambda: packed(kernel(3, 4, 2)),
    "no weights": lambda: packed({}),
    "no zip": lambda: b"PK\3\4 and then nothing",
    "empty": lambda: b"",
}


@pytest.mark.slow
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_models(run, tmp_path, small_csv, make):
    (run / "model.keras").write_bytes(make())
    assert "model.keras: cannot be loaded" in refused(tmp_path, "predict", run, small_csv)


@pytest.mark.slow
def test_no_config_of_a_model_is_followed(run, tmp_path, small_csv, cli):
    """Its weights are taken and nothing else: a config that would run code is not even read."""
    code, before, _ = cli("predict", run, small_csv)
    assert code == 0
    with zipfile.ZipFile(run / "model.keras") as archive:
        weights = archive.read("model.weights.h5")
    hostile = {"module": "os", "class_name": "system", "config": {"command": f"touch {tmp_path}/owned"}}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("config.json", json.dumps(hostile))
        archive.writestr("metadata.json", "{}")
        archive.writestr("../../escaped.txt", "outside")
        archive.writestr("model.weights.h5", weights)
    (run / "model.keras").write_bytes(content.getvalue())
    code, after, _ = cli("predict", run, small_csv)
    assert (code, after) == (0, before)
    assert not (tmp_path / "owned").exists()
    assert not list(tmp_path.rglob("escaped.txt"))


def test_a_record_that_lists_fewer_features_does_not_fit_the_weights(run, small_csv, cli):
    def shorten(record):
        data = record["data"]
        data["features"], data["ranges"] = data["features"][:2], data["ranges"][:2]
        data["scaling"] = {name: values[:2] for name, values in data["scaling"].items()}

    records.rewrite(run, shorten)
    code, out, err = cli("predict", run, small_csv)
    assert (code, out) == (1, "")
    assert "cannot be loaded" in err


def huge(path, begin, part, times):
    with path.open("w") as file:
        file.write(begin)
        for _ in range(times):
            file.write(part)


TABLES = {
    "a header of 200 MB": ("", "a" * 1_000_000, 200),
    "a field of 200 MB": ("a,quality\n1,2\n", "1" * 1_000_000, 200),
    "a quoted field of 200 MB": ('a,quality\n1,"', "1" * 1_000_000, 200),
    "a row of 10^8 cells": ("a,quality\n1,2\n", "1," * 500_000, 200),
    "a header of 10^7 names": ("", "".join(f"c{i}," for i in range(1000)), 1000),
}


@pytest.mark.slow
@pytest.mark.parametrize(("begin", "part", "times"), TABLES.values(), ids=TABLES)
def test_tables(run, tmp_path, begin, part, times):
    huge(tmp_path / "x.csv", begin, part, times)
    assert "x.csv: expected lines of at most" in refused(tmp_path, "train", "--data", "x.csv", "--dry-run")
    assert "x.csv: expected lines of at most" in refused(tmp_path, "predict", run, "x.csv")
    assert "x.csv: cannot be read: expected lines of" in refused(tmp_path, "compare", "x.csv")


def packed_rows(path, times):
    with gzip.open(path, "wb", 9) as file:
        file.write(b"a,quality\n")
        for _ in range(times):
            file.write(b"1,2\n" * 250_000)


@pytest.mark.slow
def test_a_packed_table_of_10_gb(run, tmp_path):
    packed_rows(tmp_path / "x.csv", 10_000 // 4)  # a few MB on the disk
    for command in (["train", "--data", "x.csv", "--dry-run"], ["predict", run, "x.csv"]):
        assert "bytes in a gzip file of" in refused(tmp_path, *command)


def test_a_long_name_in_a_header_is_refused(cli, tmp_path):
    (tmp_path / "x.csv").write_text(f"{'a' * 500_000},quality\n1,2\n")
    code, _, err = cli("train", "--data", tmp_path / "x.csv", "--dry-run")
    assert code == 2
    assert "field larger than field limit" in err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["history.csv", "predictions.csv", "run.json"])
def test_files_of_a_run(run, tmp_path, name):
    with (run / name).open("w") as file:
        file.truncate(3 << 30)  # sparse: takes no room on the disk
    if name == "run.json":
        assert "expected at most" in refused(tmp_path, "show", run)
    else:
        refused(tmp_path, "compare", run)


def test_runs_are_counted_before_they_are_built(cli, tmp_path):
    config = {"seeds": 10_000, "runs": [{"name": str(number)} for number in range(59)]}
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    began = time.process_time()
    code, _, err = cli("batch", tmp_path / "c.yaml", "--dry-run")
    assert code == 2
    assert "expected at most 100,000 runs, found 590,000" in err
    assert time.process_time() - began < SECONDS
    assert os.path.exists(tmp_path / "c.yaml")
