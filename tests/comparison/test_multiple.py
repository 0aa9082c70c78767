"""Holm's correction and the letters of groups."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wineexp.comparison.multiple import holm, letters


def test_holms_correction_by_hand():
    # Sorted 0.01, 0.02, 0.03, 0.5, times 4, 3, 2, 1, never falling.
    assert holm([0.02, 0.5, 0.01, 0.03]) == pytest.approx([0.06, 0.5, 0.04, 0.06])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_makes_a_probability_smaller_and_keeps_their_order(p):
    corrected = holm(p)
    assert all(a >= b for a, b in zip(corrected, p, strict=True))
    ordered = [corrected[i] for i in sorted(range(len(p)), key=p.__getitem__)]
    assert ordered == sorted(ordered)


def test_letters_by_hand():
    """Piepho (2004): means in order, each apart from those two places on."""
    assert letters(4, [(0, 2), (0, 3), (1, 3)]) == ["a", "ab", "bc", "c"]
    assert letters(3, []) == ["a", "a", "a"]
    assert letters(3, [(0, 1), (0, 2), (1, 2)]) == ["a", "b", "c"]
    assert letters(0, []) == []


PAIRS = st.integers(1, 7).flatmap(
    lambda count: st.tuples(st.just(count), st.sets(st.sampled_from([*itertools.combinations(range(8), 2)])))
)


@given(PAIRS)
def test_two_share_a_letter_exactly_where_they_are_not_told_apart(drawn):
    count, pairs = drawn
    apart = {pair for pair in pairs if max(pair) < count}
    found = letters(count, apart)
    for one, other in itertools.combinations(range(count), 2):
        assert bool(set(found[one]) & set(found[other])) == ((one, other) not in apart)
    assert all(found)


def test_more_letters_than_the_alphabet_has():
    everyone = list(itertools.combinations(range(30), 2))
    found = letters(30, everyone)
    assert (found[0], found[25], found[26], found[29]) == ("a", "z", "aa", "ad")
    assert len(set(found)) == 30
