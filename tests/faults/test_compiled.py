"""Epochs that XLA compiled in another process: the same bits, whatever became of what is kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from support.processes import GUARD

from wineexp import compiled

#: Trains small models in the order given, each with its own number, and prints the bits of what became of them.
SCRIPT = """
import hashlib, json, sys
from wineexp import compiled, runtime
runtime.load(1)
from support.fits import data
from wineexp.specs.run_spec import RunSpec
from wineexp.training.epoch import EpochSettings
from wineexp.training.model import build_model, build_optimizer
from wineexp.training.trainer import Trainer, shuffled

def bits(units):
    model = build_model(RunSpec.parse({"widths": str(units), "dropout": 0.3, "bn": "after"}), 5)
    settings = EpochSettings("mae", 32, xla=True, number=units * 10**6)
    trainer = Trainer(model, build_optimizer("adam", 0.01), settings, data(), data(40, 1))
    losses = trainer.fit(epochs=2, order=shuffled(90, 0)).history
    weights = b"".join(weight.tobytes() for weight in model.get_weights())
    trainer.close()
    return hashlib.sha256(repr(losses).encode() + weights).hexdigest()

found = {units: bits(units) for units in map(int, sys.argv[1:])}
print(json.dumps([str(compiled.folder_in_use()), found]))
"""


#: Trains one model on tables of so many rows, and prints for each the calls of an epoch and the programs so far.
GROWING = """
import json, sys
from wineexp import compiled, runtime
runtime.load(1)
from support.fits import data
from wineexp.specs.run_spec import RunSpec
from wineexp.training import epoch
from wineexp.training.model import build_model, build_optimizer
from wineexp.training.trainer import Trainer, shuffled

epoch.OPERATIONS_PER_CALL = 1e7
found = []
for rows in map(int, sys.argv[1:]):
    model = build_model(RunSpec.parse({"widths": "8", "dropout": 0.3, "bn": "after"}), 5)
    settings = epoch.EpochSettings("mae", 32, eval_train=True, xla=True, number=rows * 10**6)
    trainer = Trainer(model, build_optimizer("adam", 0.01), settings, data(rows), data(rows // 3, 1))
    trainer.fit(epochs=2, order=shuffled(rows, 0))
    found.append([len(trainer._epoch._parts), len(list(compiled.folder_in_use().glob("*.pb")))])
    trainer.close()
print(json.dumps([str(compiled.folder_in_use()), found]))
"""


def begin(cache, *units, script=SCRIPT, **environment):
    env = os.environ | {"XDG_CACHE_HOME": str(cache), "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"} | environment
    words = [sys.executable, "-c", script, *map(str, units)]
    return subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True)


def end(process):
    out, _ = process.communicate(timeout=GUARD)
    assert process.returncode == 0
    folder, found = json.loads(out.splitlines()[-1])
    return Path(folder), found


def kept(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
def test_what_another_process_compiled_gives_the_same_bits(tmp_path):
    alone, both, too = [
        end(one)
        for one in [
            begin(tmp_path / "none", 3, 4, TF_XLA_FLAGS=""),
            begin(tmp_path / "cache", 3, 4),
            begin(tmp_path / "cache", 4, 3),
        ]
    ]
    assert alone[0] == Path("None")
    assert not (tmp_path / "none" / "wineexp").exists()
    folder, _ = both
    before = kept(folder)
    assert sorted(Path(name).suffix for name in before) == [".pb", ".pb", ".sha256", ".sha256"]
    again = end(begin(tmp_path / "cache", 4, 3, 5))
    assert {name: content for name, content in kept(folder).items() if name in before} == before
    assert len(kept(folder)) == 6
    assert alone[1] == both[1] == too[1] == {units: again[1][units] for units in ("3", "4")}


@pytest.mark.slow
def test_an_epoch_is_one_program_however_large_the_table(tmp_path):
    """TensorFlow leaves a file for each program; each size has a short last batch."""
    sizes = (2_010, 20_010, 200_010)
    _, counted = end(begin(tmp_path, *sizes, script=GROWING))
    calls = [count for count, _ in counted]
    assert calls[0] == 1
    assert calls[0] < calls[1] < calls[2], "larger tables are trained in more calls"
    assert [programs for _, programs in counted] == [1, 2, 3]
    again = end(begin(tmp_path, *sizes, script=GROWING))
    assert [programs for _, programs in again[1]] == [3, 3, 3], "what was compiled is found by another process"


def empty(path, seal):
    path.write_bytes(b"")


def cut(path, seal):
    path.write_bytes(path.read_bytes()[:100_000])


def change_a_byte(path, seal):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def put_another_in_its_place(path, seal):
    path.write_bytes(next(other for other in path.parent.glob("*.pb") if other != path).read_bytes())


def link_elsewhere(path, seal):
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


def take_its_seal(path, seal):
    change_a_byte(path, seal)
    seal.unlink()


def garble_its_seal(path, seal):
    seal.write_bytes(b"\xff")


def remove_it(path, seal):
    path.unlink()


def seal_what_is_cut(path, seal):
    """What the check lets pass: TensorFlow fails on it."""
    cut(path, seal)
    seal.write_text(compiled._sha256(path))


DAMAGES = [
    empty, cut, change_a_byte, put_another_in_its_place, link_elsewhere, take_its_seal, garble_its_seal, remove_it,
    seal_what_is_cut,
]  # fmt: skip


@pytest.mark.slow
def test_what_is_damaged_is_compiled_anew(tmp_path):
    units = range(2, 2 + len(DAMAGES))
    folder, whole = end(begin(tmp_path, *units))
    codes = sorted(folder.glob("*.pb"), key=lambda path: path.stat().st_mtime)
    assert len(codes) == len(DAMAGES)
    for path, damage in zip(codes, DAMAGES, strict=True):
        damage(path, path.with_suffix(".sha256"))
    assert end(begin(tmp_path, *units)) == (folder, whole)
    for path in folder.glob("*.pb"):
        assert path.with_suffix(".sha256").read_text() == compiled._sha256(path)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(compiled.FLAGS, raising=False)
    return tmp_path


def make_a_file(place):
    place.parent.mkdir(parents=True)
    place.write_text("not a folder")


def make_a_link(place):
    place.parent.mkdir(parents=True)
    (place.parent / "elsewhere").mkdir()
    place.symlink_to("elsewhere")


def let_others_write(place):
    place.mkdir(parents=True)
    place.chmod(0o777)


@pytest.mark.parametrize("make", [make_a_file, make_a_link, let_others_write])
def test_a_place_that_is_not_this_users_folder_is_not_used(cache, make):
    make(compiled.place())
    assert compiled._usable(1) is None
    assert not [path for path in cache.rglob("*") if "probe" in path.name]


@pytest.mark.parametrize("name", ["my cache", "c\u00e4che", "it's", "a=b"])
def test_a_name_that_tensorflow_would_read_as_another_is_not_used(cache, monkeypatch, name):
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / name))
    assert compiled._usable(1) is None


def test_without_a_home_nothing_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # what it gives a user without a home
    assert compiled._usable(1) is None
    assert not list(tmp_path.iterdir())


def test_a_disk_without_room_or_without_writing_is_not_used(cache, monkeypatch):
    assert compiled._usable(1) is not None
    with monkeypatch.context() as patched:
        patched.setattr(compiled, "ROOM", 2**70)
        assert compiled._usable(1) is None
    monkeypatch.setattr(Path, "write_bytes", lambda *_: (_ for _ in ()).throw(OSError("quota")))
    assert compiled._usable(1) is None


def test_each_thread_count_and_setting_of_xla_has_a_folder_of_its_own(cache, monkeypatch):
    one, two = compiled._usable(1), compiled._usable(2)
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    assert len({one, two, compiled._usable(1)}) == 3
    assert all(folder.stat().st_mode & 0o777 == 0o700 for folder in (one, two))


def test_the_setting_is_tensorflows_alone_and_a_users_own_stays(cache, monkeypatch):
    monkeypatch.setattr(compiled, "_in_use", None)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    with compiled.keeping(1):
        assert str(compiled.place()) in os.environ[compiled.FLAGS]
    assert compiled.FLAGS not in os.environ
    assert compiled.folder_in_use() == compiled._usable(1)
    monkeypatch.setattr(compiled, "_in_use", None)
    for own in ("", "--tf_xla_auto_jit=2"):
        monkeypatch.setenv(compiled.FLAGS, own)
        with compiled.keeping(1):
            assert os.environ[compiled.FLAGS] == own
        assert os.environ[compiled.FLAGS] == own
        assert compiled.folder_in_use() is None


def test_the_oldest_go_and_what_is_left_over(cache):
    folder = compiled._usable(1)
    for number in range(compiled.MOST_FILES + 5):
        path = folder / f"{number}.pb"
        path.write_bytes(bytes([number]))
        os.utime(path, (number + 1, number + 1))
        path.with_suffix(".sha256").write_text(compiled._sha256(path))
    (folder / "gone.sha256").write_text("0")
    unfinished = folder / "some.tmp"
    unfinished.write_bytes(b"half")
    os.utime(unfinished, (1, 1))
    (folder / "probe-1").write_bytes(b"of another process, just now")
    compiled._check(folder)
    left = {path.name for path in folder.iterdir()}
    numbers = range(5, compiled.MOST_FILES + 5)
    assert left == {f"{number}{end}" for number in numbers for end in (".pb", ".sha256")} | {"probe-1"}


def test_folders_of_other_machines_go_when_they_are_many(cache):
    for number in range(compiled.MOST_FOLDERS + 3):
        other = compiled.place() / str(number)
        other.mkdir(parents=True, mode=0o700)
        os.utime(other, (number + 1, number + 1))
    own = compiled._usable(1)
    left = {path.name for path in compiled.place().iterdir()}
    assert left == {own.name} | {str(number) for number in range(4, compiled.MOST_FOLDERS + 3)}


def test_an_error_that_stays_is_raised_and_a_ctrl_c_is_not_tried_again(cache, monkeypatch):
    monkeypatch.setattr(compiled, "_in_use", compiled._usable(1))
    calls = []

    def failing(error):
        calls.append(error)
        raise error

    with pytest.raises(ValueError, match="stays"):
        compiled.first_call(lambda: failing(ValueError("stays")), ValueError)
    assert len(calls) == 2
    for other in (KeyboardInterrupt(), TypeError("ours")):
        with pytest.raises(type(other)):
            compiled.first_call(lambda other=other: failing(other), ValueError)
    assert len(calls) == 4
