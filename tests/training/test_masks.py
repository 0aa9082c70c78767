"""Dropout's masks: those of a call are drawn while the one before trains, and are the same."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from wineexp.training.masks import Masks, MasksAhead


@pytest.fixture
def masks(tensorflow):
    import keras

    def make():
        """Two dropout layers of a model, with the same seeds each time."""
        layers = [keras.layers.Dropout(0.3, seed=seed) for seed in (1, 2)]
        keras.Sequential([keras.Input((5,)), layers[0], keras.layers.Dense(4), layers[1]])
        return Masks(layers)

    return make


def names_of_threads():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("dropout")]


def test_drawn_ahead_they_are_those_drawn_in_turn(masks):
    calls, length = (3, 1, 0), 3  # rows of training, a short last call, one that validates alone
    ahead, alone = MasksAhead(masks(), calls, length, np.copy), masks()
    for rows in calls * 3:
        found, expected = next(ahead), list(alone.draw(rows, length))
        assert [one.shape for one in found] == [(3, 5), (3, 4)]
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one[:rows], other[:rows])
    ahead.close()


def test_only_one_call_is_drawn_ahead(masks):
    taken = []
    ahead = MasksAhead(masks(), [2], 2, lambda drawn: taken.append(drawn.shape))
    next(ahead)
    ahead.close()  # waits for what is being drawn
    assert len(taken) == 2 * 2  # two calls, two layers: memory for no more


def test_its_thread_ends_with_it(masks):
    before = names_of_threads()
    ahead = MasksAhead(masks(), [2], 2, np.copy)
    assert len(names_of_threads()) == len(before) + 1
    ahead.close()
    assert names_of_threads() == before
    MasksAhead(masks(), [2], 2, np.copy)  # dropped, not closed
    for thread in threading.enumerate():
        if thread.name.startswith("dropout") and thread.name not in before:
            thread.join(10)
    assert names_of_threads() == before


def test_what_fails_in_the_thread_is_raised_where_it_is_needed(masks):
    def full(drawn):
        raise MemoryError("no room for the masks")

    ahead = MasksAhead(masks(), [2], 2, full)
    with pytest.raises(MemoryError, match="no room"):
        next(ahead)
    ahead.close()
