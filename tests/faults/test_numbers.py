"""Numbers that float32 cannot hold or tell apart are refused before training; nothing printed is not a number."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

FLAGS = ["--widths", 4, "--epochs", 2, "--batch-size", 32, "--threads", 1]
ROWS = np.arange(120)


def table(path, small_table, **columns):
    """The small table with some columns replaced."""
    small_table.frame.assign(**columns).to_csv(path, index=False)
    return path


def numpy_warnings(recwarn):
    return [str(one.message) for one in recwarn.list if issubclass(one.category, RuntimeWarning)]


REFUSED = {
    "target 2^40 + quality": ({"quality": 2.0**40 + ROWS % 6}, "none", "'quality': expected values .* tell apart"),
    "target 1 + i 1e-12": ({"quality": 1 + ROWS * 1e-12}, "standard", "'quality': expected values .* tell apart"),
    "target 1e39": ({"quality": 1e39 * (1 + ROWS)}, "none", "'quality': expected values that float32 can hold"),
    "feature 1 + i 1e-12": ({"a": 1 + ROWS * 1e-12}, "none", "'a': expected values .* tell apart"),
    "feature 1e300": ({"a": 1e300 * (1 + ROWS)}, "none", "'a': expected values that float32 can hold"),
    "feature 1e300 standardized": ({"a": 1e300 * (1 + ROWS)}, "standard", "'a': .* can hold once they are scaled"),
    "feature of both signs": ({"a": 1.7e308 * (-1.0) ** ROWS}, "minmax", "'a': .* can hold once they are scaled"),
}


@pytest.mark.parametrize(("columns", "scale", "message"), REFUSED.values(), ids=REFUSED)
def test_what_float32_loses_is_refused_with_its_column(
    cli, small_table, tmp_path, columns, scale, message, recwarn
):
    path = table(tmp_path / "t.csv", small_table, **columns)
    code, out, err = cli("train", *FLAGS, "--data", path, "--scale", scale, "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert pd.Series([err]).str.contains(message).all(), err
    assert not (tmp_path / "out").exists()
    assert numpy_warnings(recwarn) == []


ACCEPTED = {
    "what scaling in float64 can tell apart": ({"a": 1 + ROWS * 1e-12}, "standard"),
    "what scaling makes small": ({"a": 1e300 * (1 + ROWS)}, "minmax"),
    "seconds since 1970 over weeks": ({"a": 1.7e9 + ROWS * 86400.0}, "standard"),
    "a constant feature": ({"a": np.full(120, 0.1)}, "none"),
}


@pytest.mark.parametrize(("columns", "scale"), ACCEPTED.values(), ids=ACCEPTED)
def test_what_float64_saves_is_trained_and_predicted(cli, small_table, tmp_path, columns, scale, recwarn):
    path = table(tmp_path / "t.csv", small_table, **columns)
    code, _, err = cli("train", *FLAGS, "--data", path, "--scale", scale, "--out", tmp_path / "out")
    assert code == 0, err
    code, out, err = cli("predict", next((tmp_path / "out").iterdir()), path, "--json")
    assert code == 0, err
    assert all(np.isfinite(row["predicted"]) for row in json.loads(out)["predictions"])
    assert numpy_warnings(recwarn) == []


def test_features_near_the_end_of_float32_diverge_without_a_warning(cli, small_table, tmp_path, recwarn):
    path = table(tmp_path / "t.csv", small_table, a=1e38 * np.sign(small_table.frame["a"]))
    code, out, err = cli("train", *FLAGS, "--data", path, "--out", tmp_path / "out")
    assert code == 1
    assert "diverged" in out
    assert "Warning" not in err
    assert numpy_warnings(recwarn) == []


@pytest.mark.parametrize("form", [[], ["--json"], ["-o", "p.csv"]])
def test_rows_that_cannot_be_predicted_are_named(cli, small_table, tmp_path, form, monkeypatch, recwarn):
    monkeypatch.chdir(tmp_path)
    assert cli("train", *FLAGS, "--data", table("t.csv", small_table))[0] == 0
    run = next((tmp_path / "outputs").iterdir())
    far = small_table.frame.head(9).copy()
    far.loc[[2, 5], "a"] = 1e300
    far.to_csv("far.csv", index=False)
    code, out, err = cli("predict", run, "far.csv", *form)
    assert (code, out) == (1, "")
    assert err == "wineexp: rows 2, 5, counted from 0: cannot be predicted: a feature is too large for float32\n"
    far.loc[[2, 5], "a"] = 3e38  # float32 holds it, the sum of it times the weights it does not
    far.assign(b=3e38, c=3e38).to_csv("far.csv", index=False)
    code, out, err = cli("predict", run, "far.csv", *form)
    assert "nan" not in out.lower()
    assert not (tmp_path / "p.csv").exists() or "nan" not in (tmp_path / "p.csv").read_text()
    assert code in (0, 1)
    assert numpy_warnings(recwarn) == []


@pytest.mark.parametrize("flags", [["--patience", 0, "--min-delta", 1e300], ["--learning-rate", 1e300]])
def test_settings_beyond_float32_are_refused_by_the_spec(cli, small_csv, tmp_path, flags):
    code, _, err = cli("train", *FLAGS, *flags, "--data", small_csv, "--out", tmp_path / "out")
    assert code == 2
    assert "1e30; found 1e+300" in err


@pytest.mark.parametrize("scales", [["none", "standard"], ["standard", "none"]])
def test_every_scaling_of_a_config_is_looked_at_before_training(cli, small_table, tmp_path, scales):
    path = table(tmp_path / "t.csv", small_table, a=1.7e9 + ROWS)
    config = {"defaults": {"widths": 4, "epochs": 2}, "grid": {"scale": scales}}
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    code, _, err = cli("batch", tmp_path / "c.yaml", "--data", path, "--jobs", 0, "--out", tmp_path / "out")
    assert code == 2
    assert "column 'a': expected values that float32 can tell apart" in err
    assert not (tmp_path / "out").exists()
