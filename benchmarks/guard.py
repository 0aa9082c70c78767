"""A guard against losing the speed unnoticed: a small model, beside Keras ``fit`` in the same minute.

    python benchmarks/guard.py

Wide margins: 64x3 takes 0.08 of Keras ``fit``'s time on an AMD EPYC (Zen 4); this fails above a half.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from side_by_side import timed

HERE = Path(__file__).resolve().parent
TABLE = HERE.parent.parent / "shared/data/winequality-red.csv"
MOST = 0.5


def main() -> None:
    flags = "train --widths 64x3 --epochs 40 --dropout 0.3 --bn after --json"
    with tempfile.TemporaryDirectory() as out:
        ours = timed([sys.executable, "-m", "wineexp", *flags.split(), "--data", str(TABLE), "--out", out])
    theirs = timed([sys.executable, str(HERE / "keras_fit.py"), str(TABLE), "64", "40"])
    ratio = ours.fit / theirs.fit
    print(f"fit, 64x3: wineexp {ours.fit:.2f} s, Keras {theirs.fit:.2f} s: {ratio:.2f} (at most {MOST})")
    if not 0 < ratio <= MOST:
        raise SystemExit("wineexp has lost its speed")


if __name__ == "__main__":
    main()
