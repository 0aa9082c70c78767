"""Signals are held, let through and answered without a gap in which one is lost."""

from __future__ import annotations

import contextlib
import signal

import pytest

from wineexp import signals

ALL = signals.ENDING


def handlers():
    return [signal.getsignal(number) for number in ALL]


@pytest.fixture(autouse=True)
def _as_before():
    """Whatever a test does, the test runner answers signals as it did."""
    before = {number: signal.getsignal(number) for number in ALL}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ALL, ids=lambda number: number.name)
def test_each_is_answered_with_an_interrupt_and_its_own_exit_code(number):
    before = handlers()
    with pytest.raises(KeyboardInterrupt), signals.answering() as answered:
        signal.raise_signal(number)
    assert answered.exit_code == 128 + number
    assert handlers() == before


@pytest.mark.parametrize("number", ALL, ids=lambda number: number.name)
def test_one_that_is_held_comes_after_the_work_and_not_within(number):
    done = []

    def work():
        with signals.held():
            signal.raise_signal(number)
            with signals.held():
                done.append("within")
            done.append("after the inner one")
        done.append("never")

    with signals.answering() as answered, pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["within", "after the inner one"]
    assert answered.number == number


def test_one_that_is_held_is_not_lost_where_the_work_fails():
    def work():
        with signals.held():
            signal.raise_signal(signal.SIGINT)
            raise OSError("the disk is full")

    with signals.answering(), pytest.raises(KeyboardInterrupt):
        work()


def test_one_whose_interrupt_was_lost_in_a_destructor_is_raised_again():
    signals.check()
    with signals.answering() as answered:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)  # as lost as in a destructor
        with pytest.raises(KeyboardInterrupt):
            signals.check()
    assert answered.exit_code == 143
    signals.check()


def test_held_works_in_a_program_that_answers_signals_itself():
    heard = []
    for number in ALL:
        signal.signal(number, lambda number, _: heard.append(number))
    before = handlers()
    with signals.held():
        for number in ALL:
            signal.raise_signal(number)
        assert heard == []
    assert heard == [ALL[0]], "the first is let through"
    assert handlers() == before


def test_what_is_ignored_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with signals.answering() as answered, signals.held():
        signal.raise_signal(signal.SIGHUP)
    assert answered.number is None
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_blocking_for_a_child_is_undone():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with signals.blocked():
        assert set(ALL) <= signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
