"""What every place to run has in common: which task comes next."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from wineexp.execution.executor import Task, TaskQueue
from wineexp.specs.run_spec import RunSpec

RATES = st.sampled_from([0.0, 0.1, 0.2])


def tasks(pairs):
    return [Task(i, RunSpec(dropout=rate, seed=seed)) for i, (rate, seed) in enumerate(pairs)]


@given(st.lists(st.tuples(RATES, st.integers(0, 5)), unique=True))
def test_every_task_is_taken_once(pairs):
    queue = TaskQueue(tasks(pairs))
    taken, last = [], None
    while queue:
        attempt = queue.take(last, [])
        last = attempt.task.spec.without_seed()
        taken.append(attempt.task)
    assert sorted(task.number for task in taken) == list(range(len(pairs)))
    variants = [task.spec.dropout for task in taken]
    changes = sum(a != b for a, b in itertools.pairwise(variants))
    assert changes == max(0, len(set(variants)) - 1), "all seeds of a variant come one after the other"


def test_two_workers_begin_with_different_variants_and_share_the_last():
    queue = TaskQueue(tasks([(0.0, 0), (0.0, 1), (0.0, 2), (0.3, 0)]))
    first = queue.take(None, [None, None])
    variant = first.task.spec.without_seed()
    second = queue.take(None, [variant, None])
    assert (first.task.number, second.task.number) == (0, 3)
    assert queue.take(second.task.spec.without_seed(), [variant, second.task.spec.without_seed()]).task.number == 1


def test_a_task_that_is_tried_again_comes_before_its_variants_others():
    queue = TaskQueue(tasks([(0.0, 0), (0.0, 1)]))
    attempt = queue.take(None, [])
    queue.put_back(attempt)
    again = queue.take(None, [])
    assert (again.task, again.tries, again.seen) == (attempt.task, 1, [])
