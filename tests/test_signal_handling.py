"""Signals are held, let through and answered without a gap in which one is lost."""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
import threading
import time
import weakref

import pytest
from support.processes import GUARD

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


@pytest.fixture
def again(monkeypatch):
    """Lost interrupts are raised again only once ``again.may`` is set; ``again.over`` when that was tried."""

    class Again:
        may, over = threading.Event(), threading.Event()

    plain = signals.Answered._send_again

    def send(answered, number):
        Again.may.wait()
        plain(answered, number)
        Again.over.set()

    monkeypatch.setattr(signals.Answered, "_send_again", send)
    yield Again
    Again.may.set()


class Thing:
    """What a weak reference can point at."""


def in_a_callback(act):
    thing = Thing()
    _kept = weakref.ref(thing, lambda _: act())
    del thing


def in_a_destructor(act):
    class Last:
        def __del__(self):
            act()

    Last()


def in_the_collector(act):
    class Last:
        def __del__(self):
            act()

    last = Last()
    last.itself = last
    del last
    gc.collect()


PLACES = [in_a_callback, in_a_destructor, in_the_collector]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("number", ALL, ids=lambda number: number.name)
def test_one_that_python_ignores_is_raised_again_without_a_word(number, place, capfd, again):
    hook = sys.unraisablehook
    done = []

    def work():
        place(lambda: signal.raise_signal(number))
        done.append("lost")
        again.may.set()
        time.sleep(GUARD)
        done.append("never")

    with signals.answering() as answered, pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["lost"]
    assert answered.exit_code == 128 + number
    assert capfd.readouterr() == ("", "")
    assert sys.unraisablehook is hook


def test_one_that_python_ignores_twice_is_raised_after_that(again):
    def lose():
        signal.raise_signal(signal.SIGTERM)

    def lose_again():
        again.may.set()
        time.sleep(GUARD)  # the first comes back within this callback, and is lost once more

    def work():
        in_a_callback(lose)
        in_a_callback(lose_again)
        time.sleep(GUARD)
        raise AssertionError("it never came")

    with signals.answering(), pytest.raises(KeyboardInterrupt):
        work()


def test_one_that_comes_again_while_its_loss_is_heard_of_is_raised_after_that(monkeypatch, capfd):
    """On a busy machine a hundredth of a second may pass within Python's hook."""
    begin, at_once = signals._thread.start_new_thread, [True]

    def send(function, arguments):
        if at_once:
            at_once.clear()
            function(*arguments)
        else:
            begin(function, arguments)

    def work():
        in_a_callback(lambda: signal.raise_signal(signal.SIGTERM))
        time.sleep(GUARD)
        raise AssertionError("it never came")

    monkeypatch.setattr(signals._thread, "start_new_thread", send)
    with signals.answering(), pytest.raises(KeyboardInterrupt):
        work()
    assert capfd.readouterr() == ("", "")


def test_one_that_python_ignored_is_raised_once_where_a_loop_looked_first(again):
    with signals.answering():
        in_a_callback(lambda: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(KeyboardInterrupt):
            signals.check()
        again.may.set()
        assert again.over.wait(GUARD)  # what was running is recorded meanwhile


def test_one_that_was_lost_at_the_very_end_is_not_sent_to_what_comes_after(again):
    heard = []
    for number in ALL:
        signal.signal(number, lambda number, _: heard.append(number))
    with signals.answering() as answered:
        in_a_callback(lambda: signal.raise_signal(signal.SIGTERM))
    again.may.set()
    assert again.over.wait(GUARD)
    assert answered.number == signal.SIGTERM
    assert not heard


def test_what_else_python_ignores_is_told_as_before(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda ignored: told.append(ignored.exc_type))
    with signals.answering():
        in_a_destructor(lambda: [][1])
        in_a_destructor(lambda: exec("raise KeyboardInterrupt"))  # nobody's signal
    assert told == [IndexError, KeyboardInterrupt]


def test_one_whose_interrupt_an_extension_swallowed_is_raised_again():
    signals.check()
    with signals.answering() as answered:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)  # nothing is heard of it
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
