"""run.json changed by hand."""

from __future__ import annotations

import hashlib
import json


def rewrite(path, change, *, sealed=False):
    """Change the record of a run directory and leave its files as they are.

    As one of schema 2, which has no checksum of itself; ``sealed``: with the checksum of what it holds then.
    """
    file = path / "run.json"
    record = json.loads(file.read_text())
    record.pop("checksum", None)
    if not sealed:
        record["schema"] = 2
    change(record)
    file.write_bytes(sealed_text(record) if sealed else json.dumps(record).encode())


def sealed_text(record):
    """run.json of a record: its last key is the SHA-256 of the bytes before it, as docs/formats.md says."""
    text = json.dumps(record, indent=2, ensure_ascii=False)
    halves = any("\ud800" <= character <= "\udfff" for character in text)  # of characters, which UTF-8 has not
    body = json.dumps(record, indent=2, ensure_ascii=halves).removesuffix("\n}").encode()
    return body + f',\n  "checksum": "{hashlib.sha256(body).hexdigest()}"\n}}\n'.encode()


def as_earlier(run):
    """Turn a run that our writer wrote into one of schema 2: no headings, no checksum, the signature of then.

    Returns it at its new place: a directory's name ends with the signature.
    """
    from wineexp.runs.run import Run

    spec, fingerprint = run.spec, run.record.data.fingerprint
    signature, variant = spec.earlier_signatures(fingerprint)

    def change(record):
        del record["data"]["columns"]
        record.update(signature=signature, variant=variant)

    rewrite(run.path, change)
    place = run.path.with_name(f"{run.path.name.rpartition('-')[0]}-{signature}")
    return Run(run.path.rename(place))
