"""The scores of predicted classes, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from wineexp.runs.probabilities import (
    auc,
    briers,
    codes_of,
    has_probabilities,
    labels_in,
    log_losses,
    probabilities,
    probability_columns,
)
from wineexp.runs.score import Score

#: Probabilities as models give them: certain ones and equal ones among them.
P = st.sampled_from([0.0, 1e-12, 1e-7, 0.1, 0.25, 0.5, 0.75, 1 - 1e-7, 1.0]) | st.floats(0.0, 1.0)


@st.composite
def predictions(draw, labels):
    """Each row's own label, by number, and the probabilities of all; each label has a row."""
    rows = draw(st.integers(labels, 30))
    codes = np.array(
        [
            *range(labels),
            *draw(st.lists(st.integers(0, labels - 1), min_size=rows - labels, max_size=rows - labels)),
        ]
    )
    raw = np.array([[draw(P) for _ in range(labels - 1)] for _ in range(rows)])
    if labels == 2:
        return codes, np.column_stack([1 - raw[:, 0], raw[:, 0]])
    whole = np.column_stack([raw, np.full(rows, 1e-3)])
    return codes, whole / whole.sum(axis=1, keepdims=True)


def clipped(p):
    found = np.clip(p, 1e-7, 1 - 1e-7)
    return found / found.sum(axis=1, keepdims=True) if p.shape[1] > 2 else found


@given(st.integers(2, 4).flatmap(predictions))
def test_scores_equal_those_of_scikit_learn(found):
    codes, p = found
    labels = range(p.shape[1])
    loss = float(log_losses(codes, p).mean())
    if p.shape[1] == 2:
        assert loss == pytest.approx(metrics.log_loss(codes, clipped(p)[:, 1], labels=labels), rel=1e-6, abs=1e-6)
        brier, area = metrics.brier_score_loss(codes, p[:, 1]), metrics.roc_auc_score(codes, p[:, 1])
    else:
        assert loss == pytest.approx(metrics.log_loss(codes, clipped(p), labels=labels), rel=1e-6, abs=1e-6)
        brier = ((p - np.eye(len(labels))[codes]) ** 2).sum(axis=1).mean()
        area = metrics.roc_auc_score(codes, p, multi_class="ovr", labels=labels)
    assert float(briers(codes, p).mean()) == pytest.approx(brier, abs=1e-9)
    assert auc(codes, p) == pytest.approx(area, abs=1e-9)


def test_the_area_under_the_curve_is_not_known_where_a_label_has_no_row():
    p = np.array([[0.1, 0.9], [0.6, 0.4]])
    assert auc(np.array([1, 1]), p) is None
    assert auc(np.array([0, 1]), np.full((2, 3), 1 / 3)) is None


def test_one_mistake_that_was_certain_counts_sixteen_and_not_infinity():
    assert log_losses(np.array([0]), np.array([[0.0, 1.0]]))[0] == pytest.approx(-np.log(1e-7))
    assert log_losses(np.array([1]), np.array([[0.0, 1.0]]))[0] == pytest.approx(1e-7, rel=1e-3)


def test_a_tables_columns_name_its_labels_whatever_these_are():
    names = [*probability_columns(["a", "b", "mc_c"]), *probability_columns(["a", "b", "mc_c"], passes=True)]
    assert labels_in(["row", "actual", *names]) == ("a", "b", "mc_c")
    assert labels_in(["row", "actual", "predicted"]) == ()
    table = pd.DataFrame({"actual": ["b", "a"], "p_a": [0.2, 0.7], "p_b": [0.8, 0.3]})
    assert has_probabilities(table)
    assert not has_probabilities(table, passes=True)
    assert codes_of(table).tolist() == [1, 0]
    assert probabilities(table).tolist() == [[0.2, 0.8], [0.7, 0.3]]


@pytest.mark.parametrize(
    ("judge", "expected"),
    [("log_loss", [-np.log(0.8), -np.log(0.3)]), ("error_rate", [0.0, 1.0]), ("brier", [0.04, 0.49])],
)
def test_what_is_judged_of_each_row_by_hand(judge, expected):
    table = pd.DataFrame({
        "actual": ["b", "b"], "predicted": ["b", "a"], "p_a": [0.2, 0.7], "p_b": [0.8, 0.3],
    })  # fmt: skip
    assert Score(judge).errors(table) == pytest.approx(expected)
