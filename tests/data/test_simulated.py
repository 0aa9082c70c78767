"""The stand-in's constants come from the real table, and the stand-in has what they say."""

from __future__ import annotations

import numpy as np

from wineexp.data.facts import RED_WINE_COLUMNS
from wineexp.data.simulated import (
    LEVELS,
    QUANTILES,
    RANK_CORRELATIONS,
    REPEATED_SHARE,
    ROWS,
    simulated_table,
)


def below_diagonal(frame):
    return frame.corr("spearman").to_numpy()[np.tril_indices(len(frame.columns), -1)]


def test_the_constants_are_derived_again_from_the_real_table(red_wine):
    frame = red_wine.frame
    assert list(frame.columns) == list(RED_WINE_COLUMNS)
    assert len(frame) == ROWS
    assert 1 - len(frame.drop_duplicates()) / len(frame) == REPEATED_SHARE
    np.testing.assert_allclose(QUANTILES.T, frame.quantile(LEVELS).to_numpy(), rtol=1e-5)
    np.testing.assert_allclose(np.array(RANK_CORRELATIONS) / 1000, below_diagonal(frame), atol=0.0005001)


def test_the_stand_in_has_the_figures_and_none_of_the_rows(red_wine):
    frame = simulated_table().frame
    assert len(frame) == ROWS
    assert len(frame) - len(frame.drop_duplicates()) == 240
    np.testing.assert_allclose(below_diagonal(frame), np.array(RANK_CORRELATIONS) / 1000, atol=0.1)
    spread = QUANTILES[:, -1] - QUANTILES[:, 0]
    off = np.abs(frame.quantile(LEVELS).to_numpy().T - QUANTILES) / spread[:, None]
    assert off.max() < 0.21  # quality has six values, so its quantiles move in fifths
    assert off[:-1].max() < 0.05
    real = set(map(tuple, red_wine.frame.to_numpy().tolist()))
    assert not real & set(map(tuple, frame.to_numpy().tolist()))


def test_the_stand_in_is_the_same_at_every_call():
    one, other = simulated_table(), simulated_table()
    assert one.fingerprint == other.fingerprint
    assert one.kind == "simulated"
