"""Planned looks: what a config may ask for, and which seeds each look has."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wineexp.errors import ConfigError, SpecError
from wineexp.specs.config import read_configs, read_mapping
from wineexp.specs.looks import make_looks

COUNTS = st.sets(st.integers(2, 60), min_size=1, max_size=10).map(sorted)


@given(COUNTS)
def test_each_look_adds_its_seeds_to_those_before_and_costs_a_share(counts):
    looks = make_looks(counts)
    for number, count in enumerate(counts, 1):
        assert len(looks.at(number)) == count
        before = looks.at(number - 1) if number > 1 else ()
        assert (*before, *looks.added(number)) == looks.at(number)
    assert sum(looks.weights) == pytest.approx(1)
    assert all(weight <= later for weight, later in itertools.pairwise(looks.weights)), (
        "later looks have more of it"
    )


def test_the_usual_looks_have_the_shares_that_were_measured():
    assert make_looks([5, 10, 20]).weights == (0.2, 0.3, 0.5)
    assert make_looks([3, 5, 10, 20]).weights == (0.05, 0.15, 0.3, 0.5)


def test_a_study_with_looks_asks_for_every_seed_that_it_may_train():
    config = read_mapping({"looks": [2, 4], "grid": {"dropout": [0, 0.3]}})
    assert [spec.seed for spec in config.specs] == [0, 1, 2, 3] * 2
    assert config.looks.counts == (2, 4)
    ordered = read_mapping({"looks": [2, 3], "seeds": [7, 1, 5, 9], "runs": [{"bn": "after"}]})
    assert [spec.seed for spec in ordered.specs] == [7, 1, 5]
    assert (ordered.looks.at(1), ordered.looks.added(2)) == ((7, 1), (5,))
    assert read_mapping({"seeds": 2, "runs": [{}]}).looks is None


def test_a_caller_may_ask_for_other_looks(tmp_path):
    (tmp_path / "c.yaml").write_text("seeds: 3\ngrid: {bn: [none, after]}\n")
    (tmp_path / "spec.yaml").write_text("bn: after\n")
    config = read_configs([tmp_path / "c.yaml"], looks=[2, 5])
    assert (config.looks.counts, len(config.specs)) == ((2, 5), 10)
    assert read_mapping({"looks": [3, 4], "look_weights": [0.1, 0.9]}, looks=[2, 5]).looks.weights == (0.4, 0.6)
    with pytest.raises(ConfigError, match="looks: expected 1 to 10 rising numbers"):
        read_configs([tmp_path / "c.yaml"], looks=[5, 2])


def test_files_with_other_looks_are_not_one_study(tmp_path):
    (tmp_path / "a.yaml").write_text("looks: [2, 3]\nruns: [{}]\n")
    (tmp_path / "b.yaml").write_text("seeds: 3\nruns: [{}]\n")
    with pytest.raises(ConfigError, match="looks: expected the same in all files"):
        read_configs([tmp_path])


@pytest.mark.parametrize("counts", [None, 5, "5,10", [True, 3], [2, 2], [2] * 11, [2, 10_001]])
def test_what_are_no_looks_is_refused(counts):
    with pytest.raises(SpecError, match="rising numbers of seeds"):
        make_looks(counts)
