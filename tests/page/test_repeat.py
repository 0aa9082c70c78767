"""How to repeat a comparison: its config, read again, is exactly its runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support import fabricate
from support.configs import read_config

from wineexp.comparison.comparison import compare_runs
from wineexp.page.repeat import config_text, repeat_text
from wineexp.runs.reader import load
from wineexp.specs.config import read_mapping

REPEATED = {
    "a grid": {"seeds": 3, "grid": {"dropout": [0.0, 0.3], "bn": ["none", "before", "after"]}},
    "seeds of their own": {"seeds": [4, 9], "grid": {"widths": ["8x2", "16", "8,4"], "scale": ["none", "minmax"]}},
    "optimizers with their own rates": {
        "seeds": 2, "grid": {"optimizer": ["adam", "sgd"], "loss": ["mae", "mse"]},
    },
    "rates of layers": {"defaults": {"widths": "8x2"}, "seeds": 2, "grid": {"dropout": [0.1, [0.1, 0.2]]}},
    "one more or less than a cross": {
        "seeds": 2, "runs": [{}, {"dropout": 0.3}, {"bn": "after", "learning_rate": 1e-5}],
    },
    "names that YAML may misread": {
        "seeds": 2, "runs": [{"name": "no"}, {"name": "null", "dropout": 0.3}, {"name": "a: #b", "bn": "after"}],
    },
    "a grid of one name": {"defaults": {"name": "x"}, "seeds": 2, "grid": {"patience": [None, 3, 0]}},
    "one variant": {"defaults": {"name": "y", "epochs": 7}, "seeds": 3},
    "the plain variant": {"seeds": 2},
    "one run": {"defaults": {"dropout": 0.3, "name": "mine"}, "seeds": [8]},
    "splits": {"split_seeds": 5, "grid": {"bn": ["none", "after"]}},
    "splits by columns": {
        "defaults": {"split": "column", "split_column": [f"fold{number}" for number in range(5)]},
        "seeds": 2, "grid": {"bn": ["none", "after"]},
    },
    "splits that share seeds": {"split_seeds": 5, "seeds": [0, 1], "grid": {"bn": ["none", "after"]}},
}  # fmt: skip


@pytest.mark.parametrize("study", REPEATED.values(), ids=REPEATED)
def test_a_study_comes_back_from_its_page_as_exactly_the_same_runs(small_table, tmp_path, study):
    specs = read_mapping(study).specs
    folds = {f"fold{number}": np.resize(np.roll([0, 0, 1], number), 120).astype(np.int8) for number in range(5)}
    small_table = replace(small_table, splits=folds)
    for spec in specs:
        fabricate.save(tmp_path / "runs", small_table, **spec.settings())
    text = config_text(compare_runs(load([tmp_path / "runs"])), "mine")
    (tmp_path / "mine.yaml").write_text(text)
    again = read_config(tmp_path / "mine.yaml", {}).specs
    assert len(again) == len(specs)
    assert set(again) == set(specs)
    assert ("grid:" in text) == ("grid" in study)


def test_the_config_reads_as_a_person_writes_it(small_table, tmp_path):
    runs = load([fabricate.save_cross(tmp_path, small_table)])
    assert config_text(compare_runs(runs, margin=0.05), "dropout-and-bn") == (
        "name: dropout-and-bn\n"
        "defaults: {widths: 8x1, epochs: 6}\n"
        "seeds: 3\n"
        "margin: 0.05\n"
        "grid:\n"
        "  dropout: [0.0, 0.3]\n"
        "  bn: [none, after]\n"
    )


def test_the_study_that_comes_back_compares_with_the_same_reference(small_table, tmp_path):
    """A study compares with its first variant, so the page's config begins with the reference."""
    runs = load([fabricate.save_cross(tmp_path, small_table)])
    text = config_text(compare_runs(runs, reference="dropout=0.3,bn=after"), "mine")
    assert text.endswith("grid:\n  dropout: [0.3, 0.0]\n  bn: [after, none]\n")


def test_another_table_than_the_default_is_named_in_how_to_repeat_it(small_table, tmp_path):
    fabricate.save(tmp_path, small_table)
    found = compare_runs(load([tmp_path]))
    assert found.runs[0].record.data.kind == "custom"
    assert "wineexp train run.yaml --data " in repeat_text(found)
