"""A run's picture: curves.png carries the run's spec and history as text, and is read back from it."""

from __future__ import annotations

import json
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import pandas as pd
import pydantic_core
from PIL import PngImagePlugin

from wineexp.errors import RunError
from wineexp.runs.curves import description, figure, save
from wineexp.runs.record import Record
from wineexp.runs.result import ACCURACY_COLUMNS, LOSS_COLUMNS

__all__ = ["draw", "read_png"]

#: Key of the PNG's text.
TEXT_KEY = "wineexp"

#: The parts of a record embedded in a figure: enough to compare it, nothing about the machine that drew it.
CARRIED = frozenset({"schema", "status", "reason", "label", "signature", "variant", "spec", "data", "metrics"})

SIGNATURE = b"\x89PNG\r\n\x1a\n"

#: Limits: bytes of packed and of unpacked text, and chunks before it. A million epochs unpack to 60 MB.
MAX_PACKED, MAX_TEXT, MAX_CHUNKS = 1 << 26, 1 << 27, 10_000


def draw(record: Record, history: pd.DataFrame) -> bytes:
    """Return one run's figure as a PNG that carries record and history as text."""
    text = PngImagePlugin.PngInfo()
    carried = {
        "label": record.label,
        "title": description(record),
        "record": {key: value for key, value in record.as_json().items() if key in CARRIED},
        "history": history.to_dict("list"),
    }
    text.add_itxt(TEXT_KEY, json.dumps(carried), zip=True)
    return save(figure(record, history), "png", pil_kwargs={"pnginfo": text})


def read_png(path: str | os.PathLike[str]) -> tuple[Record, pd.DataFrame]:
    """Return the record and the history that a saved ``curves.png`` carries; no pixel is decoded.

    The record is without files, timing and environment.

    Raises
    ------
    RunError
        If the file is not a PNG written by wineexp.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            carried = pydantic_core.from_json(_carried_text(file))
        record = json.dumps(carried["record"])
        losses = carried["history"]
        known = (*LOSS_COLUMNS, *ACCURACY_COLUMNS)
        columns = ["epoch", *(name for name in known if name in losses or name in LOSS_COLUMNS[:2])]
        history = pd.DataFrame({name: losses[name] for name in columns})
        if history["epoch"].tolist() != list(range(len(history))):
            raise ValueError("expected epochs 0, 1, 2, ... in their order")
        history = history.astype({name: int if name == "epoch" else float for name in columns})
    except (LookupError, ValueError, TypeError, OSError, zlib.error, RecursionError) as error:
        raise RunError(f"{path}: expected a curves.png written by wineexp ({type(error).__name__})") from None
    return Record.from_json(record, path), history


def _carried_text(file: BinaryIO) -> bytes:
    """The text under ``TEXT_KEY``, an iTXt chunk (PNG specification, third edition, 11.3.3.4); else ``KeyError``.

    This does not use Pillow, which decodes the picture to reach its text, and limits all text to 1 MB.
    """
    if file.read(len(SIGNATURE)) != SIGNATURE:
        raise ValueError("no PNG")
    for _ in range(MAX_CHUNKS):
        header = file.read(8)
        if len(header) < 8:
            break
        length, kind = struct.unpack(">I4s", header)
        if kind == b"iTXt" and length <= MAX_PACKED:
            key, _, rest = file.read(length).partition(b"\0")
            if key == TEXT_KEY.encode():
                packed, _method, rest = rest[:1], rest[1:2], rest[2:]
                text = rest.split(b"\0", 2)[2]  # after the language and the translated key
                return _unpacked(text) if packed == b"\1" else text
            length = 0
        file.seek(length + 4, os.SEEK_CUR)  # 4: the checksum
    raise KeyError(TEXT_KEY)


def _unpacked(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    text = unpacker.decompress(packed, MAX_TEXT)
    if unpacker.unconsumed_tail:
        raise ValueError(f"more than {MAX_TEXT:,} bytes of text")
    return text
