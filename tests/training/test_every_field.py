"""Each field of the spec, changed alone, trains as in a process of its own, whatever was trained before it."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT
from support.batches import train
from support.fields import FIELDS, another, table_for
from support.processes import GUARD
from support.processor import multiplies_bfloat16

from wineexp.data.table import SIDES
from wineexp.specs.run_spec import COSMETIC_FIELDS, RECORDING_FIELDS, RunSpec

#: With steps so large that an epoch is worse than the one before: then early stopping stops.
BASE = {
    "widths": (8, 8), "epochs": 12, "batch_size": 32, "dropout": 0.2, "bn": "after", "activation": "tanh",
    "learning_rate": 0.3,
}  # fmt: skip

ALONE = """
import json, sys
import wineexp
wineexp.train(sys.argv[1], data=sys.argv[2], out="alone", threads=1, keep_model=False)
"""

#: Fields that may leave every byte as it is: by their declaration, or on a table without text or holes.
UNSEEN = COSMETIC_FIELDS | RECORDING_FIELDS | {"encode", "missing"}


def numbers(path):
    return [(path / name).read_bytes() for name in ("history.csv", "predictions.csv")]


@pytest.mark.slow
@pytest.mark.parametrize("field", FIELDS)
def test_a_field_changed_alone_gives_the_bytes_of_its_own_process_after_a_run_without_it(
    small_table, tmp_path, tensorflow, field
):
    if field == "precision" and not multiplies_bfloat16():
        pytest.skip("this processor does not multiply bfloat16")
    small_table = table_for(field, small_table)
    words = {column: np.array(SIDES)[codes] for column, codes in small_table.splits.items()}
    small_table.frame.assign(**words).to_csv(tmp_path / "small.csv", index=False)
    before, changed = (RunSpec.parse(values) for values in another(field, BASE))
    # One cache for both, as in a worker of a batch; the first again last, after the other.
    together = train([before, changed, before.with_seed(9)], small_table, tmp_path / "batch")
    run = together[1 if len(together) == 3 else 0]
    (tmp_path / "spec.yaml").write_text(changed.to_yaml())
    subprocess.run(
        [sys.executable, "-c", ALONE, "spec.yaml", "small.csv"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=GUARD,
    )
    (alone,) = (tmp_path / "alone").iterdir()
    assert numbers(run.path) == numbers(alone)
    if field not in UNSEEN:
        assert numbers(run.path) != numbers(together[0].path), "it trains differently"
