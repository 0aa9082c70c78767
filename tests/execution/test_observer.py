"""Several observers as one: every event reaches each of them, by itself."""

from __future__ import annotations

import inspect
import warnings
from types import SimpleNamespace

import pytest

from wineexp.execution.observer import PROBLEMS, Observer, Observers

EVENTS = [name for name in vars(Observer) if not name.startswith("_")]


class Listening(Observer):
    """Writes down what it is notified of."""

    def __init__(self, name, log):
        for event in EVENTS:
            setattr(self, event, lambda *facts, event=event: log.append((name, event, facts)))


@pytest.mark.parametrize("event", EVENTS)
def test_each_event_reaches_every_observer_and_a_problem_the_first(event):
    log = []
    facts = tuple(range(len(inspect.signature(getattr(Observer, event)).parameters) - 1))
    getattr(Observers(Listening("one", log), Listening("two", log)), event)(*facts)
    names = ["one"] if event in PROBLEMS else ["two", "one"] if event == "close" else ["one", "two"]
    assert log == [(name, event, facts) for name in names]


def test_problems_are_the_events_that_an_observer_warns_of():
    warned = set()
    for event in EVENTS:
        names = list(inspect.signature(getattr(Observer, event)).parameters)[1:]
        values = {"count": 2, "run": SimpleNamespace(path="a/run"), "losses": [1, 2]}
        facts = [values.get(name, "text") for name in names]
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            getattr(Observer(), event)(*facts)
        if found:
            warned.add(event)
    assert warned == PROBLEMS
