"""Variants compared: what may stand together, who is the reference, what the words are."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image, PngImagePlugin
from support import fabricate

from wineexp.comparison.compare import compare_runs
from wineexp.data.simulated import simulated_table
from wineexp.data.table import Table
from wineexp.errors import RunError, SelectionError
from wineexp.runs.picture import read_png
from wineexp.runs.reader import load, load_run


@pytest.fixture(scope="module")
def cross(small_table, tmp_path_factory):
    """A 2 x 2 cross with 3 seeds: dropout adds 0.1 alone and 0.02 with batch normalization, which takes 0.05."""
    out = tmp_path_factory.mktemp("cross")
    for seed in range(3):
        for dropout, bn, error in ((0, "none", 0.3), (0.3, "none", 0.4), (0, "after", 0.25), (0.3, "after", 0.27)):
            fabricate.save(out, small_table, error=error, seed=seed, dropout=dropout, bn=bn)
    return out


def labels(comparison):
    return [variant.label for variant in comparison.variants]


def test_seeds_are_grouped_into_variants_in_the_order_of_their_settings(cross):
    runs = load([cross])
    expected = ["dropout 0, bn none", "dropout 0, bn after", "dropout 0.3, bn none", "dropout 0.3, bn after"]
    assert labels(compare_runs(runs)) == expected
    assert labels(compare_runs(runs[::-1])) == expected
    assert {len(variant.runs) for variant in compare_runs(runs).variants} == {3}


def test_of_many_settings_a_label_tells_those_that_differ_from_the_defaults(small_table, tmp_path):
    for fields in ({}, {"dropout": 0.3}, {"bn": "after", "scale": "standard"}, {"bn_input": True}):
        fabricate.save(tmp_path, small_table, widths="1024x3", **fields)
    found = compare_runs(load([tmp_path]))
    assert labels(found) == ["plain", "bn_input true", "bn after, scale standard", "dropout 0.3"]
    assert found.fields == ["dropout", "bn", "bn_input", "scale"]


def test_differences_have_the_size_that_was_built_in(cross):
    found = compare_runs(load([cross]))
    words = {verdict.variant_label: (verdict.word, verdict.difference.mean) for verdict in found.verdicts}
    assert words["dropout 0.3, bn none"][0] == "worse"
    assert words["dropout 0, bn after"][0] == "better"
    assert words["dropout 0.3, bn none"][1] == pytest.approx(0.1, abs=0.02)
    effects = {effect.label: effect for effect in found.effects}
    assert effects["dropout 0.3"].difference.mean == pytest.approx(0.06, abs=0.02)
    assert effects["bn after"].difference.mean == pytest.approx(-0.09, abs=0.02)
    assert effects["dropout 0.3 and bn after"].difference.mean == pytest.approx(-0.08, abs=0.02)
    text = "\n".join(found.sentences())
    assert "dropout 0.3 instead of 0 changes val MAE by +0.06" in text
    assert "lower with bn after than with bn none" in text


def test_the_difference_is_that_of_the_two_columns_of_predictions(cross):
    """By hand from the CSV files: the mean over seeds and rows of the difference of absolute errors."""
    found = compare_runs(load([cross]))

    def error(label):
        tables = [pd.read_csv(path) for path in sorted(cross.glob(f"{label}-s?-*/predictions.csv"))]
        assert len(tables) == 3
        return np.mean([(table.actual - table.predicted).abs().mean() for table in tables])

    (verdict,) = [verdict for verdict in found.verdicts if verdict.variant_label == "dropout 0.3, bn none"]
    assert verdict.difference.mean == pytest.approx(error("8x1-dropout0.3-epochs6") - error("8x1-epochs6"))


def test_the_reference_is_the_first_given_the_nearest_the_defaults_or_the_one_named(cross):
    runs = load([cross])
    last = next(run for run in runs if run.spec.dropout and run.spec.bn == "after")
    assert compare_runs(runs).reference.label == "dropout 0, bn none"
    assert compare_runs([last, *runs], first=True).reference.label == "dropout 0.3, bn after"
    assert compare_runs(runs, reference="bn=none, dropout=0.30").reference.label == "dropout 0.3, bn none"
    assert compare_runs(runs, reference="bn=after").reference.label == "dropout 0, bn after"
    for name in (
        "dropout 0.3, bn after", "bn=after,dropout=0.3", str(last.path), last.path.name, last.spec.label()
    ):  # fmt: skip
        assert compare_runs(runs, reference=name).reference.label == "dropout 0.3, bn after"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("dropout 0, bn non", "is not a variant (did you mean 'dropout 0, bn none'?)"),
        ("", "is not a variant"),
        ("bn=after,dropout=0.9", "is not a variant"),
        ("colour=red", "is not a variant"),
    ],
)
def test_another_reference_is_refused_and_the_legal_ones_named(cross, name, says):
    with pytest.raises(SelectionError) as caught:
        compare_runs(load([cross]), reference=name)
    assert says in str(caught.value)
    assert "dropout 0.3, bn after" in str(caught.value)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"split_seed": 1}, "runs on different splits cannot be compared: split_seed is 0 in"),
        ({"train_fraction": 0.5}, "different splits cannot be compared: train_fraction is 0.7"),
        ({"split": "grouped"}, "different splits cannot be compared: split is random"),
        ({"target": "a"}, "runs on different targets cannot be compared: target is quality"),
    ],
)
def test_other_rows_or_targets_are_refused_with_what_to_do(small_table, tmp_path, other, says):
    fabricate.save(tmp_path / "one", small_table)
    fabricate.save(tmp_path / "other", small_table, **other)
    with pytest.raises(SelectionError) as caught:
        compare_runs(load([tmp_path / "one", tmp_path / "other"]))
    assert says in str(caught.value)
    assert "choose with --where" in str(caught.value)


def test_other_tables_and_the_stand_in_beside_a_real_one_are_refused(small_table, red_wine, tmp_path):
    shifted = Table(small_table.frame + 1, "shifted", "custom")
    fabricate.save(tmp_path / "small", small_table)
    fabricate.save(tmp_path / "shifted", shifted)
    fabricate.save(tmp_path / "wine", red_wine)
    fabricate.save(tmp_path / "simulated", simulated_table())
    with pytest.raises(SelectionError, match=r"different tables cannot be compared.*small.*shifted"):
        compare_runs(load([tmp_path / "small", tmp_path / "shifted"]))
    with pytest.raises(SelectionError, match="different tables cannot be compared"):
        compare_runs(load([tmp_path / "small", tmp_path / "wine"]))
    with pytest.raises(SelectionError, match="real and simulated runs cannot be ranked"):
        compare_runs(load([tmp_path / "wine", tmp_path / "simulated"]))
    alone = compare_runs(load([tmp_path / "simulated"]))
    assert alone.simulated
    assert "SIMULATED" in alone.title


def test_a_failed_run_is_listed_and_never_ranked(small_table, tmp_path):
    fabricate.save(tmp_path, small_table)
    fabricate.save(tmp_path, small_table, dropout=0.3)
    fabricate.fail(tmp_path, small_table, dropout=0.3, seed=1)
    fabricate.fail(tmp_path, small_table, dropout=0.5)
    found = compare_runs(load([tmp_path]))
    assert [row["variant"] for row in found.rows()] == ["dropout 0", "dropout 0.3"]
    assert [row["seeds"] for row in found.rows()] == [1, 1]
    assert sorted(run.record.reason for run in found.unfinished) == ["diverged", "diverged"]
    only = compare_runs(load([next(tmp_path.glob("*dropout0.5*"))]))
    assert (only.rows(), only.reference, only.verdicts) == ([], None, ())


def test_one_seed_is_judged_by_rows_with_a_plain_warning(small_table, tmp_path):
    fabricate.save(tmp_path, small_table, error=0.3)
    fabricate.save(tmp_path, small_table, error=0.31, dropout=0.3)
    found = compare_runs(load([tmp_path]))
    assert found.verdicts[0].difference.seeds == 1
    (note,) = found.notes
    assert "seed noise is NOT in it" in note


def test_files_alone_give_curves_and_no_verdict_and_say_so(cross):
    runs = load([*sorted(cross.glob("*s0*/curves.png"))[:2], *sorted(cross.glob("*s0*/history.csv"))[2:]])
    found = compare_runs(runs)
    assert len(found.rows()) == 4
    assert not found.verdicts
    assert "curves only, no verdict" in found.notes[0]


def test_the_same_run_in_any_form_stands_once_and_the_whole_directory_wins(cross):
    (run,) = [path for path in cross.glob("*-s1-*") if path.name.startswith("8x1-epochs6")]
    (saved,) = load([run / "curves.png", run / "history.csv", run, cross / run.name])
    assert saved.predictions is not None


def test_other_seeds_are_paired_where_both_have_them_and_it_is_said(small_table, tmp_path):
    for seed in (0, 1, 2):
        fabricate.save(tmp_path, small_table, error=0.2, seed=seed)
    for seed in (1, 2, 3, 4):
        fabricate.save(tmp_path, small_table, error=0.4, seed=seed, dropout=0.3)
    found = compare_runs(load([tmp_path]))
    assert (found.verdicts[0].difference.seeds, found.verdicts[0].paired) == (2, False)
    assert "seeds differ from the reference's" in found.notes[-1]
    shutil.rmtree(next(tmp_path.glob("*dropout*-s1-*")))
    shutil.rmtree(next(tmp_path.glob("*dropout*-s2-*")))
    assert compare_runs(load([tmp_path])).verdicts[0].difference.seeds == 2


def test_an_error_is_never_below_nothing(small_table, tmp_path):
    for seed in range(3):
        fabricate.save(tmp_path, small_table, seed=seed, error=0.1, own=0.3)
    (row,) = compare_runs(load([tmp_path])).rows()
    assert row["low"] == 0
    assert row["high"] > row["val_mae"] > 0


def test_many_comparisons_are_corrected(small_table, tmp_path):
    for seed in range(3):
        for rate in (0, 0.1, 0.2, 0.3):
            fabricate.save(tmp_path, small_table, seed=seed, dropout=rate, error=0.3 + rate / 40)
    found = compare_runs(load([tmp_path]))
    plain = sorted(verdict.difference.p for verdict in found.verdicts)
    corrected = sorted(verdict.p for verdict in found.verdicts)
    assert corrected[0] == pytest.approx(min(1, 3 * plain[0]))


def test_cannot_tell_says_what_it_would_take(small_table, tmp_path):
    for seed in range(3):
        fabricate.save(tmp_path, small_table, seed=seed, error=0.3, own=0.05)
        fabricate.save(tmp_path, small_table, seed=seed + 10, error=0.3, own=0.05, dropout=0.3)
    (verdict,) = compare_runs(load([tmp_path])).verdicts
    assert verdict.word == "cannot tell"
    assert (
        f"With 3 seeds, a difference of {verdict.difference.detectable():.3f} would be detected 80 %"
        in verdict.sentence()
    )


def test_variants_that_differ_in_the_name_alone_are_one(small_table, tmp_path):
    fabricate.save(tmp_path, small_table, seed=0, name="mine")
    fabricate.save(tmp_path, small_table, seed=1)
    (variant,) = compare_runs(load([tmp_path])).variants
    assert len(variant.runs) == 2


def test_csvs_of_the_same_name_are_told_apart(cross, tmp_path):
    for number, path in enumerate(sorted(cross.glob("*s0*/history.csv"))[:2]):
        (tmp_path / str(number)).mkdir()
        shutil.copy(path, tmp_path / str(number) / "mine.csv")
    found = compare_runs(load([tmp_path / "0" / "mine.csv", tmp_path / "1" / "mine.csv"]))
    assert labels(found) == ["mine", "mine #2"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("absent", None, "no such file or directory"),
        ("empty-folder/", None, "expected a run directory or a folder of them; found no run.json in it"),
        ("x.txt", b"", "expected a run directory, a folder of them, a history.csv or a curves.png"),
        ("x.csv", b"", "cannot be read"),
        ("x.csv", b"a,b\n1,2\n", "expected columns epoch, loss, val_loss; found a, b"),
        ("x.csv", b"epoch,loss,val_loss\n0,much,1\n", "cannot be read"),
        ("x.csv", b"\xff\xfe\x00", "cannot be read"),
        ("x.png", b"no picture", "expected a curves.png written by wineexp"),
    ],
)
def test_what_is_no_run_is_refused_by_name(tmp_path, name, content, says):
    path = tmp_path / name
    if name.endswith("/"):
        path.mkdir()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RunError) as caught:
        load([path])
    assert str(path) in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda record: record.update(spec={"dropout": 2}), "dropout: expected a rate from 0 to below 1"),
        (lambda record: record.update(spec={"colour": "red"}), "unknown field"),
        (lambda record: record.update(spec=[1]), "spec: expected a mapping of fields, found [1]"),
        (lambda record: record.update(metrics=[1]), "is damaged: metrics: "),
        (lambda record: record.update(data="wine"), "is damaged: data: "),
    ],
)
def test_a_record_that_makes_no_sense_is_refused_by_name(small_table, tmp_path, damage, says):
    run = fabricate.save(tmp_path, small_table)
    record = json.loads((run.path / "run.json").read_text())
    damage(record)
    (run.path / "run.json").write_text(json.dumps(record))
    picture = tmp_path / "mailed.png"
    picture.write_bytes(with_record(run.curves_path, read_png(run.curves_path), record))
    for path in (run.path, picture):
        with pytest.raises(RunError) as caught:
            load([path])
        assert str(path) in str(caught.value)
        assert says in str(caught.value)


def with_record(path, curve, record):
    """The picture at ``path``, carrying another record."""
    text = PngImagePlugin.PngInfo()
    carried = {**vars(curve), "record": record, "history": curve.history.to_dict("list")}
    text.add_itxt("wineexp", json.dumps(carried), zip=True)
    stream = io.BytesIO()
    Image.open(path).save(stream, format="png", pnginfo=text)
    return stream.getvalue()


def test_one_damaged_run_is_left_out_of_a_folder_and_refused_by_its_name(small_table, tmp_path):
    for seed in range(3):
        fabricate.save(tmp_path, small_table, seed=seed)
        fabricate.save(tmp_path, small_table, seed=seed, dropout=0.3)
    spoilt = next(tmp_path.glob("*dropout0.3*-s1-*"))
    lines = (spoilt / "predictions.csv").read_text().splitlines()
    (spoilt / "predictions.csv").write_text("\n".join(lines[:-3]) + "\n")
    told = []
    found = compare_runs(load([tmp_path], told.append))
    assert [len(variant.runs) for variant in found.variants] == [3, 2]
    (error,) = told
    assert str(error).startswith(f"{spoilt}/predictions.csv: is damaged: expected ")
    with pytest.raises(RunError, match="is damaged"):
        load([spoilt])


def test_a_folder_of_damaged_runs_is_refused(small_table, tmp_path):
    run = fabricate.save(tmp_path, small_table)
    run.predictions_path.unlink()
    with pytest.raises(RunError, match="expected runs, found none that is not damaged"):
        load([tmp_path])


def test_runs_that_judge_other_rows_are_refused_also_where_each_agrees_with_itself(small_table, tmp_path):
    one, other = (load_run(fabricate.save(tmp_path, small_table, seed=seed)) for seed in (0, 1))
    changed = other.predictions.assign(actual=other.predictions["actual"] + 1)
    with pytest.raises(RunError, match="predictions are of other rows or targets"):
        compare_runs([one, replace(other, predictions=changed)])
