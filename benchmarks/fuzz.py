"""Bytes that no one would write, into what reads other people's files: coverage-guided, by Atheris (libFuzzer).

    pip install '.[fuzz]'
    python benchmarks/fuzz.py READER [--seconds 60]        # config, record, picture or table

Anything but a value or one of our errors is a crash: its input is written to ``crash-...``, with a traceback.
The tests do the same in small with Hypothesis; docs/reliability.md tells how often this was run.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import struct
import sys
import tempfile
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["wineexp", "ruamel"]):
    from wineexp.data.table import read_table
    from wineexp.errors import WineexpError
    from wineexp.runs.picture import read_png
    from wineexp.runs.record import Record
    from wineexp.specs.grammar import StudyReader


def picture(text: bytes, *, packed: bool) -> bytes:
    """A PNG of one pixel that carries text under our key."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    body = b"wineexp\0" + (b"\1\0\0\0" + zlib.compress(text) if packed else b"\0\0\0\0" + text)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"iTXt", body) + chunk(b"IEND", b"")


RECORD = b'{"schema": 2, "status": "done", "spec": {"widths": [8]}, "data": {"rows": 3}, "metrics": {}}'
CURVE = b'{"label": "x", "title": "y", "record": ' + RECORD + b', "history": {"epoch": [0], "loss": [1.0]}}'

#: A small beginning for each reader; libFuzzer changes and combines them.
SEEDS = {
    "config": [
        b"name: x\nseeds: 3\ngrid: {dropout: [0, 0.3], bn: [none, after]}\n",
        b"looks: [2, 4]\nmargin: 0.1\nruns: [{bn: after}]\n",
        b"split_seeds: 5\ndefaults: {widths: 8x2}\n",
    ],
    "record": [RECORD],
    "picture": [picture(CURVE, packed=True), picture(CURVE, packed=False)],
    "table": [b"a;b;quality\n1;2;3\n4;5,5;6\n", b"a,quality\n1,2\n3,4\n"],
}


def readers(folder: Path) -> dict[str, Callable[[bytes], object]]:
    """What each reader does with bytes."""
    file = folder / "file"

    def at_a_path(read: Callable[[Path], object]) -> Callable[[bytes], object]:
        def run(data: bytes) -> object:
            file.write_bytes(data)
            return read(file)

        return run

    return {
        "config": lambda data: StudyReader(Path("config"), {}, [], data).read(),
        "record": lambda data: Record.from_json(data, Path("run.json")),
        "picture": at_a_path(read_png),
        "table": at_a_path(read_table),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reader", choices=list(SEEDS))
    parser.add_argument("--seconds", type=int, default=60)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as temporary:
        folder = Path(temporary)
        (folder / "corpus").mkdir()
        for number, seed in enumerate(SEEDS[given.reader]):
            (folder / "corpus" / str(number)).write_bytes(seed)
        read = readers(folder)[given.reader]

        def one(data: bytes) -> None:
            with contextlib.suppress(WineexpError):
                read(data)

        options = [f"-max_total_time={given.seconds}", "-max_len=4096", "-timeout=20", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], *options, str(folder / "corpus")], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
