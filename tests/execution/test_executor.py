"""What every place to run has in common: which task comes next."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from schedule import simulate

from wineexp.execution.executor import Task, TaskQueue, longest_first
from wineexp.specs.run_spec import RunSpec, shape_of

WIDTHS = st.sampled_from([1, 2, 3])


def tasks(pairs):
    return [Task(i, RunSpec(widths=[width], seed=seed)) for i, (width, seed) in enumerate(pairs)]


@given(st.lists(st.tuples(WIDTHS, st.integers(0, 5)), unique=True))
def test_every_task_is_taken_once(pairs):
    queue = TaskQueue(tasks(pairs))
    taken, last = [], None
    while queue:
        attempt = queue.take(last, [])
        last = shape_of(attempt.task.spec)
        taken.append(attempt.task)
    assert sorted(task.number for task in taken) == list(range(len(pairs)))
    shapes = [task.spec.widths for task in taken]
    changes = sum(a != b for a, b in itertools.pairwise(shapes))
    assert changes == max(0, len(set(shapes)) - 1), "all runs of a shape come one after the other"


def test_two_workers_begin_with_different_shapes_and_share_the_last():
    queue = TaskQueue(tasks([(1, 0), (1, 1), (1, 2), (3, 0)]))
    first = queue.take(None, [None, None])
    shape = shape_of(first.task.spec)
    second = queue.take(None, [shape, None])
    assert (first.task.number, second.task.number) == (0, 3)
    assert queue.take(shape_of(second.task.spec), [shape, shape_of(second.task.spec)]).task.number == 1


def test_a_task_that_is_tried_again_comes_before_its_variants_others():
    queue = TaskQueue(tasks([(1, 0), (1, 1)]))
    attempt = queue.take(None, [])
    queue.put_back(attempt)
    again = queue.take(None, [])
    assert (again.task, again.tries, again.seen) == (attempt.task, 1, [])


@given(st.lists(st.tuples(WIDTHS, st.integers(0, 5)), min_size=1, unique=True), st.integers(1, 16), st.data())
def test_no_worker_idles_while_runs_wait(pairs, workers, data):
    """Graham, *Bounds on multiprocessing timing anomalies* (1969): then no order takes twice the least time."""
    seconds = [data.draw(st.floats(0.1, 100)) for _ in pairs]
    time, least = simulate(tasks(pairs), workers, lambda task: seconds[task.number])
    most = sum(seconds) / workers + (1 - 1 / workers) * max(seconds)
    assert least <= time + 1e-9
    assert time <= most + 1e-9


def test_seeds_of_one_shape_are_shared_among_simulated_workers():
    time, least = simulate(tasks((1, seed) for seed in range(6)), 3, lambda _: 2.0, compiling=1.0)
    assert (time, least) == (pytest.approx(5.0), pytest.approx(4.0))  # two runs each, one compilation


def test_the_longest_runs_come_first_and_those_alike_in_the_plans_order(red_wine):
    """Begun last, a run of 1,000 epochs would keep one core busy while the others are done."""
    plan = [
        RunSpec(widths=[64], epochs=100),
        RunSpec(widths=[64], epochs=100, bn="after"),
        RunSpec(widths=[64], epochs=1000, seed=1),
        RunSpec(widths=[1024] * 3, epochs=100),
        RunSpec(widths=[64], epochs=100, batch_size=1),
    ]
    order = longest_first([Task(number, spec) for number, spec in enumerate(plan)], red_wine)
    assert [task.number for task in order] == [4, 3, 2, 0, 1]
