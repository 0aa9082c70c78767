"""A directory written, and every call to the file system in turn refused, or the last thing that the process does.

A program of its own, without threads, so that it can fork for each call: ``every_call.py FOLDER
SCENARIO exchange|renames quick|full`` prints how many calls and states it met, and what was wrong, as JSON.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import signal
import sys
from pathlib import Path

from wineexp import files
from wineexp.errors import OutputError

OURS = ("spec.yaml", "history.csv", "error.txt", "run.json")
OLD = {"spec.yaml": b"old spec", "history.csv": b"old history", "error.txt": b"old error", "run.json": b"old"}
NEW = {"spec.yaml": b"new spec", "history.csv": b"new history", "run.json": b"new"}
NOTES = {"notes.txt": b"mine", "figures/a.png": b"mine too"}

#: What stands at the directory's place, ours and others' files.
SCENARIOS = {
    "nothing": ({}, {}),
    "a run": (OLD, {}),
    "a run with notes": (OLD, NOTES),
    "a damaged run with notes": ({"spec.yaml": b"old spec"}, NOTES),
}

#: Calls that Python tells of before it makes them.
TOLD = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.listdir", "os.scandir"}

#: What a process ends with: it did what it should, it refused, it was killed.
DONE, REFUSED, KILLED = 0, 3, -signal.SIGKILL


def in_a_process(action, how, at, *, exchange):
    """Run ``action`` in a process whose call number ``at`` fails, as do those after it, or kills it.

    Returns how it ended, and how many calls it made.
    """
    reader, writer = os.pipe()
    process = os.fork()
    if process:
        os.close(writer)
        _, status = os.waitpid(process, 0)
        with open(reader, "rb") as pipe:
            return os.waitstatus_to_exitcode(status), len(pipe.read())
    try:
        meet = _meeting(how, at, writer)
        sys.addaudithook(lambda event, _: meet() if event in TOLD else None)
        for name in ("stat", "lstat"):  # nothing tells of these
            call = getattr(os, name)
            setattr(os, name, lambda *a, call=call, **b: (meet(), call(*a, **b))[1])
        os.fsync = meet
        swap = files._exchange
        files._exchange = lambda *paths: (meet(), exchange and swap(*paths))[1]
        action()
        os._exit(DONE)
    except OutputError:
        os._exit(REFUSED)
    finally:  # a bug: its traceback is Python's to print, and this is not the process that goes on
        sys.excepthook(*sys.exc_info())
        os._exit(1)


def _meeting(how, at, writer):
    met = 0

    def meet(written=None):
        nonlocal met
        met += 1
        os.write(writer, b".")
        if met == at and how == "killed":
            if written is not None:  # not on the disk yet, and not all of it was written
                os.ftruncate(written, os.fstat(written).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        if (met == at and how == "once") or (met >= at and how == "from then on"):
            raise OSError(errno.EIO, "Input/output error")

    return meet


def tree(folder):
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def prepare(folder, content):
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    folder.mkdir(exist_ok=True)


def problem(folder, scenario, ended=None):
    """What is wrong with what is there after a process that ``ended`` so, or else after all is tidied up."""
    old, notes = SCENARIOS[scenario]
    there = tree(folder)
    whole = [{f"run/{name}": data for name, data in ours.items()} for ours in ({**NEW, **notes}, {**old, **notes})]
    seen = {name: data for name, data in there.items() if name.startswith("run/")}
    if ended == DONE and seen != whole[0]:
        return f"said that it was written, and left {sorted(seen)}"
    if ended is not None:
        return None
    if seen not in whole:
        return f"neither the old nor the new one: {sorted(there)}"
    # The new one cannot be put where parts of another stand; it stays until that is whole again.
    kept = scenario.startswith("a damaged") and seen == whole[1]
    if not kept and (seen != there or os.listdir(folder) not in ([], ["run"])):
        return f"left over: {sorted(there)}"
    return None


def main(folder, scenario, exchange, depth):
    """Walk all calls of a write; with depth "full", in each state that they leave, all calls of what tidies up."""
    old, notes = SCENARIOS[scenario]
    before = {f"run/{name}": data for name, data in {**old, **notes}.items()}
    states, wrong, calls = {}, [], 0

    def write():
        files.write_directory(folder / "run", NEW, ours=OURS)

    def tidy():
        files.restore(folder, OURS)

    def walk(action, content, ways):
        nonlocal calls
        prepare(folder, content)
        ended, count = in_a_process(action, None, 0, exchange=exchange == "exchange")
        assert ended == DONE
        for how, at in itertools.product(ways, range(1, count + 1)):
            prepare(folder, content)
            ended, _ = in_a_process(action, how, at, exchange=exchange == "exchange")
            calls += 1
            left = tree(folder)
            told = f"ended with {ended}" if ended not in (DONE, REFUSED, KILLED) else None
            told = told or (problem(folder, scenario, ended) if action is write else None)
            tidy()
            if told := told or problem(folder, scenario):
                wrong.append(f"{action.__name__} {how} at {at}: {told}")
            yield left

    for left in walk(write, before, ("killed", "once", "from then on")):
        states.setdefault(tuple(sorted((shape(name), data) for name, data in left.items())), left)
    if depth == "full":
        for left in states.values():
            list(walk(tidy, left, ("killed", "once")))
    print(json.dumps({"calls": calls, "states": len(states), "wrong": wrong}))


def shape(name):
    """A file's name, without the random part of the folder in which it is written."""
    return "/".join("staged" if part.startswith(".wineexp-") else part for part in Path(name).parts)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
