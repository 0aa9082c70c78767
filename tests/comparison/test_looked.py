"""Verdicts by planned looks: the error rate is kept, whatever the looks show and wherever a study stops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wineexp.comparison.judge import judge_errors
from wineexp.comparison.multiple import holm
from wineexp.comparison.statistics import compare_errors
from wineexp.specs.looks import make_looks

LOOKS = make_looks([3, 5, 8])


def drawn(random, labels, seeds=8, rows=60, truth=()):
    """Absolute errors by label and seed; every label but the first is worse by its truth."""
    common = random.normal(0.5, 0.3, (1, rows))
    return {
        label: dict(
            enumerate(
                common
                + random.normal(0, 0.05, (seeds, 1))
                + random.normal(0, 0.2, (1, rows))
                + random.normal(0, 0.3, (seeds, rows))
                + (truth[place - 1] if place and truth else 0)
            )
        )
        for place, label in enumerate(labels)
    }


def first(errors, counts):
    """The first seeds of each label."""
    return {label: dict(list(found.items())[: counts[label]]) for label, found in errors.items()}


def test_the_probability_over_looks_by_hand():
    errors = drawn(np.random.RandomState(0), "abc", truth=(0.2, 0.0))
    found = judge_errors(errors, "a", looks=LOOKS)
    expected = []
    for label in "bc":
        ours, theirs = (np.stack(list(errors[key].values())) for key in (label, "a"))
        each = [
            compare_errors(ours[:count] - theirs[:count]).p / weight
            for count, weight in zip((3, 5, 8), (0.2, 0.3, 0.5), strict=True)
        ]
        expected.append(min(1.0, *each))
    assert [verdict.plain_p for verdict in found] == pytest.approx(expected)
    assert [verdict.p for verdict in found] == pytest.approx(holm(expected))


def test_words_say_at_which_look_and_what_comes_next():
    errors = drawn(np.random.RandomState(1), "abcd", truth=(2.0, 0.3, 0.0))
    at_once, later, never = judge_errors(errors, "a", looks=LOOKS)
    assert "b is worse than a, found at look 1 of 3 (3 seeds): val MAE +" in at_once.sentence()
    assert later.found_at in (2, 3)
    assert f"found at look {later.found_at} of 3 ({LOOKS.counts[later.found_at - 1]} seeds)" in later.sentence()
    assert "d against a: cannot tell after all planned looks; val MAE" in never.sentence()
    assert "With the 8 seeds of the last look, a difference of" in never.sentence()
    assert (never.word, never.next_look, never.needed) == ("cannot tell", None, None)
    (*_, early) = judge_errors(first(errors, dict.fromkeys("abcd", 5)), "a", looks=LOOKS)
    assert (early.word, early.next_look) == ("cannot tell yet", 8)
    assert "cannot tell yet: train to 8 seeds; val MAE" in early.sentence()


@given(st.integers(0, 10**6), st.integers(0, 3))
def test_what_was_told_stays_told_and_nothing_depends_on_where_it_stopped(seed, beyond):
    """Any number of seeds beyond a look's own changes nothing; a probability never grows from look to look."""
    random = np.random.RandomState(seed)
    errors = drawn(random, "abc", seeds=8, rows=12, truth=(random.uniform(0, 1), 0.0))
    before = None
    for number, count in enumerate((3, 5, 8), 1):
        counts = dict.fromkeys("abc", count)
        found = judge_errors(first(errors, counts), "a", looks=LOOKS)
        if number < 3:  # not all seeds of the next look are there: it is looked at all the same, by those that are
            more = first(errors, dict.fromkeys("abc", count) | {"b": count + beyond})
            again = judge_errors(more, "a", looks=LOOKS)
            assert [one.p for one in again] == [one.p for one in found]
        if before:
            assert all(one.p <= other.p + 1e-12 for one, other in zip(found, before, strict=True))
        before = found


def test_a_variant_that_was_told_keeps_its_look_while_others_go_on():
    errors = drawn(np.random.RandomState(1), "abc", truth=(2.0, 0.0))
    stopped = first(errors, {"a": 8, "b": 3, "c": 8})
    told, other = judge_errors(stopped, "a", looks=LOOKS)
    assert (len(told.looked), len(other.looked), told.found_at) == (1, 3, 1)
    assert told.difference.mean == pytest.approx(
        np.mean([errors["b"][seed] - errors["a"][seed] for seed in range(3)])
    ), "the reference's later seeds are not used against it"


@given(st.integers(0, 10**6), st.floats(0, 0.4))
def test_the_interval_leaves_out_0_where_the_word_says_so_and_looks_agree_in_it(seed, truth):
    random = np.random.RandomState(seed)
    for verdict in judge_errors(drawn(random, "abc", rows=12, truth=(truth, -truth)), "a", looks=LOOKS):
        low, high = verdict.interval
        parts = [look.interval(verdict.level) for look in verdict.looked]
        if max(low for low, _ in parts) <= min(high for _, high in parts):
            assert (not low <= 0 <= high) == (verdict.kind != "cannot tell")


def test_equal_variants_are_told_apart_no_more_often_than_promised():
    """With three looks and two comparisons: 5 % of families at most; peeking without shares has 10 %."""
    random = np.random.RandomState(0)
    false = sum(
        any(verdict.is_told for verdict in judge_errors(drawn(random, "abc", rows=40), "a", looks=LOOKS))
        for _ in range(400)
    )
    assert false / 400 <= 0.06


def test_a_margin_is_looked_at_with_the_same_shares():
    errors = drawn(np.random.RandomState(3), "ab")
    (verdict,) = judge_errors(errors, "a", looks=LOOKS)
    ends = [max(map(abs, look.interval(0.90))) for look in verdict.looked]
    (inside,) = judge_errors(errors, "a", margin=1.01 * min(ends), looks=LOOKS)
    (outside,) = judge_errors(errors, "a", margin=0.99 * min(ends), looks=LOOKS)
    assert (inside.kind, outside.kind) == ("same", "cannot tell")


def test_seeds_that_failed_leave_the_others_of_their_look():
    errors = drawn(np.random.RandomState(1), "ab", truth=(2.0,))
    del errors["b"][1], errors["a"][4]
    (verdict,) = judge_errors(errors, "a", looks=LOOKS, ended=dict.fromkeys("ab", range(8)))
    assert [look.difference.fewest for look in verdict.looked] == [2, 4, 7]
    assert verdict.kind == "worse"


def test_a_look_with_one_seed_left_has_no_say():
    """Its interval would be narrow, as it knows nothing of seeds: here it would turn worse into better."""
    looks, random = make_looks([2, 10]), np.random.RandomState(0)
    theirs = {seed: random.normal(0.5, 0.01, 200) for seed in range(10)}
    ours = {seed: errors + random.normal(0.1, 0.02, 200) for seed, errors in theirs.items()}
    ours[0] = theirs[0] - 0.03
    del ours[1]
    ended = dict.fromkeys("ab", range(10))
    (verdict,) = judge_errors({"a": theirs, "b": ours}, "a", looks=looks, ended=ended)
    assert (verdict.kind, verdict.found_at) == ("worse", 2)
    assert "found at look 2 of 2 (10 seeds)" in verdict.sentence()


def test_a_look_whose_seeds_all_failed_is_taken_with_those_before():
    errors = drawn(np.random.RandomState(1), "ab")
    for seed in (3, 4):
        del errors["b"][seed]
    (verdict,) = judge_errors(errors, "a", looks=LOOKS, ended=dict.fromkeys("ab", range(8)))
    assert [look.number for look in verdict.looked] == [1, 2, 3]
    assert (verdict.next_look, verdict.word) == (None, "cannot tell")
    assert "cannot tell after all planned looks" in verdict.sentence()


@pytest.mark.parametrize(
    ("there", "taken", "word"), [(2, [0], "cannot tell yet"), (4, [1], "worse"), (7, [1, 2], "worse")]
)
def test_a_look_is_taken_once_every_seed_planned_for_it_has_ended(there, taken, word):
    """However large the difference: a look cut short, by --fail-fast or a deleted run, concludes nothing."""
    errors = drawn(np.random.RandomState(1), "ab", truth=(2.0,))
    (verdict,) = judge_errors(first(errors, {"a": 8, "b": there}), "a", looks=LOOKS)
    assert [look.number for look in verdict.looked] == taken
    assert verdict.word == word
    if taken == [0]:
        assert (verdict.p, verdict.interval, verdict.is_told) == (None, None, False)
        assert "b against a: cannot tell yet: train to 3 seeds; val MAE +" in verdict.sentence()
