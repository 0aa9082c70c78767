"""Variants compared: what may stand together, who is the reference, what the words are."""

from __future__ import annotations

import io
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image, PngImagePlugin
from support import fabricate, records

from wineexp.api.comparing import compare
from wineexp.comparison.caveats import Caveats
from wineexp.comparison.comparison import compare_runs
from wineexp.comparison.effects import effect_sections
from wineexp.comparison.judge import judge_errors
from wineexp.data.simulated import simulated_table
from wineexp.data.table import Table
from wineexp.errors import RunError, SelectionError
from wineexp.runs.picture import read_png
from wineexp.runs.reader import load


@pytest.fixture(scope="module")
def cross(small_table, tmp_path_factory):
    return fabricate.save_interaction(tmp_path_factory.mktemp("cross"), small_table)


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
    assert effects["effect of dropout 0.3, with bn after"].difference.mean == pytest.approx(-0.08, abs=0.02)
    text = "\n".join(found.sentences())
    assert "dropout 0.3 instead of 0: its effect depends on bn: val MAE +0." in text
    assert "on average" not in text, "an average over levels that differ is no answer"
    assert text.count("dropout 0.3 changes val MAE by 0.0") == 1, "an interaction is told once"
    assert "with bn after than with bn none" in text
    at = {effect.label: effect.difference.mean for effect in found.effects if effect.kind == "simple"}
    assert at["dropout 0.3, with bn none"] == pytest.approx(0.1, abs=0.02)
    assert at["dropout 0.3, with bn after"] == pytest.approx(0.02, abs=0.02)


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
    assert compare_runs(runs, reference="widths=8, dropout=.30").reference.label == "dropout 0.3, bn none"
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
    (verdict,) = found.verdicts
    assert (verdict.word, verdict.p, verdict.interval) == ("one seed: cannot tell", None, None)
    assert "on these rows, and another seed may reverse it" in verdict.sentence()
    assert "detected" not in verdict.sentence()
    (note,) = found.notes
    assert "another seed may reverse the difference" in note


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


def test_all_seeds_are_used_where_they_differ_and_it_is_said(small_table, tmp_path):
    for seed in (0, 1, 2):
        fabricate.save(tmp_path, small_table, error=0.2, seed=seed)
    for seed in (1, 2, 3, 4):
        fabricate.save(tmp_path, small_table, error=0.4, seed=seed, dropout=0.3)
    found = compare_runs(load([tmp_path]))
    (verdict,) = found.verdicts
    assert ([group.count for group in verdict.difference.groups], verdict.paired) == ([4, 3], False)
    assert verdict.word == "worse"
    assert any("seeds differ from the reference's" in note for note in found.notes)
    for seed in (1, 2, 3):
        shutil.rmtree(next(tmp_path.glob(f"*dropout*-s{seed}-*")))
    assert compare_runs(load([tmp_path])).verdicts[0].word == "one seed: cannot tell"


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
        f"With 3 seeds each, a difference of {verdict.difference.detectable():.3f} would be detected 80 %"
        in verdict.sentence()
    )


def errors_of(seeds, tmp_path, table, **fields):
    for seed, error in enumerate(seeds):
        fabricate.save(tmp_path, table, seed=seed, error=error, **fields)


def test_inside_the_margin_two_are_the_same_and_only_if_a_margin_is_named(small_table, tmp_path):
    errors_of([0.300, 0.301, 0.299], tmp_path, small_table)
    errors_of([0.301, 0.300, 0.302], tmp_path, small_table, dropout=0.3)
    runs = load([tmp_path])
    (plain,) = compare_runs(runs).verdicts
    assert plain.kind == "cannot tell"
    low, high = plain.difference.interval(0.90)
    inside = compare_runs(runs, margin=1.01 * max(-low, high)).verdicts[0]
    assert inside.kind == "same"
    assert inside.word == f"same within {inside.margin:g}"
    assert f"dropout 0.3 and dropout 0 are the same within {inside.margin:g}: val MAE" in inside.sentence()
    assert "(90 %)" in inside.sentence()
    assert compare_runs(runs, margin=0.99 * max(-low, high)).verdicts[0].kind == "cannot tell"


def test_a_real_difference_that_does_not_matter_is_the_same_and_says_so(small_table, tmp_path):
    errors_of([0.30, 0.30, 0.30], tmp_path, small_table)
    errors_of([0.40, 0.40, 0.40], tmp_path, small_table, dropout=0.3)
    (verdict,) = compare_runs(load([tmp_path]), margin=0.2).verdicts
    assert (verdict.kind, verdict.p < 0.05) == ("same", True)
    assert verdict.sentence().endswith("; worse, but by less than matters")


def test_word_and_interval_agree_under_the_correction(small_table, tmp_path):
    """The interval leaves out 0 exactly where the word says so; an uncorrected one that does is told."""
    steps = {0: (0, 0, 0), 0.1: (11, 13, 9), 0.2: (11, 16, 6), 0.3: (11, 19, 3), 0.4: (40, 41, 39), 0.5: (6, 7, 5)}
    for rate, more in steps.items():
        errors_of([0.3 + step / 1000 for step in more], tmp_path, small_table, dropout=rate)
    found = compare_runs(load([tmp_path]))
    words = set()
    for verdict in found.verdicts:
        low, high = verdict.interval
        assert (not low <= 0 <= high) == (verdict.word in ("better", "worse"))
        words.add(verdict.word)
        plain = verdict.difference.interval()
        open_alone = verdict.word == "cannot tell" and not plain[0] <= 0 <= plain[1]
        assert ("As the only comparison it would have been called" in verdict.sentence()) == open_alone
        assert "(of 5 comparisons)" in verdict.sentence()
        assert verdict.detectable > verdict.difference.detectable(), "five comparisons detect less than one"
    assert words == {"worse", "cannot tell"}
    rows = {row["variant"]: row for row in found.rows()}
    assert all(rows[v.variant_label]["difference_level"] == v.level for v in found.verdicts)


def test_seeds_that_would_be_needed_are_more_than_there_are(small_table, tmp_path):
    for seed in range(2):
        fabricate.save(tmp_path, small_table, seed=seed, error=0.3, own=0.05)
        fabricate.save(tmp_path, small_table, seed=seed, error=0.4, own=0.05, dropout=0.3)
        fabricate.save(tmp_path, small_table, seed=seed, error=0.35, own=0.05, dropout=0.5)
    for verdict in compare_runs(load([tmp_path])).verdicts:
        assert verdict.needed is None or verdict.needed > 2


def test_a_plan_says_what_a_new_study_needs(small_table, tmp_path):
    for seed in range(3):
        fabricate.save(tmp_path, small_table, seed=seed, error=0.3, own=0.05)
        fabricate.save(tmp_path, small_table, seed=seed, error=0.31, own=0.05, dropout=0.3)
    fabricate.save(tmp_path, small_table, error=0.3, dropout=0.5)
    found = compare_runs(load([tmp_path]))
    told = found.verdicts[0].difference
    size = told.detectable(5) * 1.0001
    head, several, single = found.plan(size)
    assert head == f"to find a difference of {size:g} in 80 % of new studies:"
    assert several == "  dropout 0.3: 5 seeds"
    assert told.detectable(5) <= size < told.detectable(4)
    assert single == "  dropout 0.5: one seed tells nothing of how seeds differ; train a few first"
    assert "the rows of one split limit it; split_seeds draws others" in found.plan(1e-6)[1]
    assert compare_runs(load([tmp_path])[:1]).plan(0.1) == []


def test_variants_that_cannot_be_told_apart_share_a_letter(cross):
    found = compare_runs(load([cross]))
    assert found.groups.keys() == {variant.label for variant in found.variants}
    by_error = [row["group"] for row in found.rows()]
    assert by_error[0].startswith("a")
    assert not set(by_error[0]) & set(by_error[-1]), "the lowest and the highest differ by 0.15"
    assert compare_runs(load([cross])[:6]).groups == {}


def test_a_reference_chosen_for_being_lowest_is_noted(cross):
    runs = load([cross])
    lowest = compare_runs(runs).entries[0].variant.label
    assert any("if it was chosen for that" in note for note in compare_runs(runs, reference=lowest).notes)
    for settled in (compare_runs(runs, reference=lowest, planned=True), compare_runs(runs)):
        assert not any("if it was chosen for that" in note for note in settled.notes)


def test_a_reference_chosen_for_being_highest_is_noted_too(cross):
    runs = load([cross])
    highest = compare_runs(runs).entries[-1].variant.label
    (note,) = [note for note in compare_runs(runs, reference=highest).notes if "if it was chosen for that" in note]
    assert note.startswith("the reference has the highest val MAE of 4: ")


def test_runs_chosen_by_their_seconds_are_not_judged(cross):
    found = compare(cross, where="seconds<9")
    assert found.verdicts == ()
    assert any(note.startswith("chosen by results (seconds<9): no verdict") for note in found.notes)


def test_the_same_within_a_margin_is_corrected_over_the_comparisons(small_table, tmp_path):
    """By Holm, and its interval's level goes with the word: inside the margin exactly if it is called the same."""
    errors_of([0.300, 0.310, 0.290], tmp_path, small_table)
    for dropout, shift in ((0.1, 0.0), (0.2, 0.008), (0.3, 0.014), (0.4, 0.018)):
        errors_of([0.302 + shift, 0.311 + shift, 0.290 + shift], tmp_path, small_table, dropout=dropout)
    margin = 0.02
    verdicts = compare_runs(load([tmp_path]), margin=margin).verdicts
    plain = {one.variant_label: one.difference.same_p(margin) for one in verdicts}
    ranked = sorted(plain, key=plain.get)
    by_hand, largest = {}, 0.0
    for rank, label in enumerate(ranked):
        largest = max(largest, min(1.0, (len(ranked) - rank) * plain[label]))
        by_hand[label] = largest
    assert {one.variant_label: one.same_p for one in verdicts} == pytest.approx(by_hand)
    assert {one.kind == "same" for one in verdicts} == {True, False}
    for one in verdicts:
        low, high = one.difference.interval(0.90)
        assert (plain[one.variant_label] < 0.05) == (-margin < low and high < margin)
        if one.kind == "same":
            assert max(map(abs, one.interval)) < margin
            assert one.level >= 0.90


def test_effects_and_letters_are_claims_only_where_a_verdict_is_told(cross):
    found = compare_runs(load([cross]))
    assert any(effect.real for effect in found.effects)
    assert found.claims == sum(one.kind in ("better", "worse") for one in found.verdicts) + sum(
        one.real for one in found.effects
    )
    open_ones = tuple(replace(verdict, p=1.0) for verdict in found.verdicts)
    exploring = replace(found, verdicts=open_ones)
    assert {verdict.word for verdict in exploring.verdicts} == {"cannot tell"}
    assert exploring.claims == 0
    effects = [one for one in exploring.sentences() if one not in {verdict.sentence() for verdict in open_ones}]
    assert effects
    assert all(sentence.startswith("exploring: ") for sentence in effects)
    assert any(str(part).startswith("exploring, no claims") for part in exploring.parts())
    assert not any(effect["claim"] for effect in exploring.as_json()["effects"])
    told = Caveats(found.variants, list(found.variants))
    before = len(told.notes)
    told.of_letters(found.verdicts, found.groups)
    assert len(told.notes) == before
    told.of_letters(open_ones, found.groups)
    assert told.notes[-1].startswith("the letters tell variants apart, and no verdict does")


def test_runs_chosen_by_their_results_are_not_judged(cross):
    found = compare(cross, where=["val_mae<9", "epochs=6"])
    assert (found.verdicts, found.effects, found.groups) == ((), (), {})
    assert any(note.startswith("chosen by results (val_mae<9): no verdict") for note in found.notes)
    assert compare(cross, where="epochs=6").verdicts


def test_a_seed_that_failed_badly_is_named_and_kept(small_table, tmp_path):
    errors_of([0.30, 0.31, 0.29, 0.30, 0.95], tmp_path, small_table)
    errors_of([0.30, 0.31, 0.29, 0.30, 0.32], tmp_path, small_table, dropout=0.3)
    found = compare_runs(load([tmp_path]))
    (note,) = [note for note in found.notes if "stands out" in note]
    assert note.startswith("dropout 0: seed 4 stands out: val MAE")
    assert {row["variant"]: row["outlying_seeds"] for row in found.rows()} == {"dropout 0": [4], "dropout 0.3": []}
    assert {row["variant"]: row["seeds"] for row in found.rows()} == {"dropout 0": 5, "dropout 0.3": 5}


def test_interactions_have_a_table_of_their_own_under_what_differs(cross):
    sections = dict(effect_sections(compare_runs(load([cross])).effects))
    assert list(sections) == [
        "how much the effect of dropout differs between bn none and after",
        "what a setting changes at each value of another, where that differs",
    ]
    (interaction,) = sections["how much the effect of dropout differs between bn none and after"]
    assert interaction.levels == {"dropout": "0.3", "bn": "after"}


def test_an_interaction_that_is_not_there_is_said_once(small_table, tmp_path):
    for seed in range(3):
        for dropout, bn, error in ((0, "none", 0.3), (0.3, "none", 0.4), (0, "after", 0.25), (0.3, "after", 0.35)):
            fabricate.save(tmp_path, small_table, error=error, seed=seed, dropout=dropout, bn=bn)
    found = compare_runs(load([tmp_path]))
    assert {effect.kind for effect in found.effects} == {"main", "interaction"}
    text = "\n".join(found.sentences())
    assert text.count("dropout and bn: cannot tell whether the effect of one depends on the other") == 1
    assert re.search(r"dropout 0.3 instead of 0 changes val MAE by \+0.\d+ \[.*\], on average over the rest", text)


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


def test_where_the_sizes_differ_every_label_has_its_own(small_table, tmp_path):
    small, lesson = {"widths": "64x3"}, {"widths": "1024x3"}
    settings = [lesson, small, small | {"dropout": 0.3}, lesson | {"dropout": 0.3, "bn": "after"}]
    for fields in settings:
        fabricate.save(tmp_path, small_table, **fields)
    assert sorted(labels(compare_runs(load([tmp_path])))) == [
        "1024x3", "1024x3, dropout 0.3, bn after", "64x3", "64x3, dropout 0.3",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("absent", None, "no such file or directory"),
        ("empty-folder/", None, "expected a run directory or a folder of them; found no run.json in it"),
        ("x.txt", b"", "expected a run directory, a folder of them, a history.csv or a curves.png"),
        ("x.yaml", b"", "or a curves.png; instead of a config give the name of its study"),
        (
            "x.csv",
            b"",
            "expected a header with a column loss or val_loss, or with actual and predicted; found none",
        ),
        (
            "x.csv",
            b"a,b\n1,2\n",
            "expected a header with a column loss or val_loss, or with actual and predicted; found a; b",
        ),
        ("x.csv", b"epoch,loss,val_loss\n0,much,1\n", "column 'loss': expected a number"),
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
    records.rewrite(run.path, damage)
    record = json.loads((run.path / "run.json").read_text())
    picture = tmp_path / "mailed.png"
    picture.write_bytes(with_record(run.curves_path, record))
    for path in (run.path, picture):
        with pytest.raises(RunError) as caught:
            load([path])
        assert str(path) in str(caught.value)
        assert says in str(caught.value)


def with_record(path, record):
    """The picture at ``path``, carrying another record."""
    text = PngImagePlugin.PngInfo()
    carried = {"label": "", "title": "", "record": record, "history": read_png(path)[1].to_dict("list")}
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
    one, other = (fabricate.save(tmp_path, small_table, seed=seed) for seed in (0, 1))
    other.predictions["actual"] += 1  # in memory alone: on the disk its record would tell
    with pytest.raises(RunError, match="predictions are of other rows or targets"):
        compare_runs([one, other])


@pytest.mark.parametrize("seeds", [1, 3])
def test_variants_whose_predictions_are_all_equal_are_identical_and_no_comparison(small_table, tmp_path, seeds):
    for seed in range(seeds):
        fabricate.save(tmp_path, small_table, seed=seed)
        fabricate.save(tmp_path, small_table, seed=seed, epochs=7)  # its errors come from the seed alone
        fabricate.save(tmp_path, small_table, seed=seed, dropout=0.3, error=0.4)
    found = compare(tmp_path, reference="dropout=0,epochs=6")
    same, other = sorted(found.verdicts, key=lambda verdict: verdict.kind != "identical")
    assert (same.word, same.kind, same.p, same.interval, same.detectable, same.needed) == (
        "identical", "identical", None, None, None, None,
    )  # fmt: skip
    assert same.sentence().endswith("are identical: all predictions are equal, bit for bit")
    assert other.comparisons == 1, "what is no comparison costs the others nothing"
    assert other.kind == ("worse" if seeds > 1 else "one seed")
    (question,) = (one for one in found.questions if one.verdict is same)
    assert question.answer == "No difference at all: all predictions are equal, bit for bit"
    assert "identical" in [row["verdict"] for row in found.card().tables[0].rows[:2]]


def test_a_difference_in_the_last_bit_is_judged_like_any(small_table, tmp_path):
    for seed in range(3):
        fabricate.save(tmp_path, small_table, seed=seed)
        fabricate.save(tmp_path, small_table, seed=seed, epochs=7, error=0.1 * (1 + 1e-6))
    (verdict,) = compare(tmp_path).verdicts
    assert verdict.kind in ("better", "worse", "cannot tell")
    assert verdict.p is not None


def test_a_real_difference_has_digits_enough_to_be_seen():
    """Rounding that training has amplified: weight decays of 1e-9 and 2e-9 were ``+0.000 [+0.000, +0.000]``."""
    rows = np.random.RandomState(0).normal(0.5, 0.01, 200)
    errors = {
        "plain": dict.fromkeys(range(5), rows),
        "other": {seed: rows + 1.4e-5 + 1e-7 * seed for seed in range(5)},
    }
    (verdict,) = judge_errors(errors, "plain")
    assert verdict.kind == "worse"
    assert verdict.sentence() == ("other is worse than plain: val MAE +0.000014 [+0.000014, +0.000014], p < 0.001")
    errors["other"] = {seed: rows + 0.014 + 1e-4 * seed for seed in range(5)}
    (verdict,) = judge_errors(errors, "plain")
    assert verdict.sentence().startswith("other is worse than plain: val MAE +0.014 [+0.014, +0.014]")
