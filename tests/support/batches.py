"""Plans and batches of a few specs, as the tests of executors, exporters and comparisons need them."""

from __future__ import annotations

from wineexp.data.sources import Found
from wineexp.execution.batch_run import execute
from wineexp.execution.executor import InProcess
from wineexp.execution.plan import make_plan


def plan(specs, table, out, **options):
    """The plan of ``specs`` on a table that was found without looking."""
    return make_plan(list(specs), Found(table, ()), out, **options)


def train(specs, table, out, executor=None, observer=None, *, fail_fast=False):
    """Train ``specs`` into ``out``, by default in this process with one thread; return their runs."""
    return execute(plan(specs, table, out), executor or InProcess(1), observer, fail_fast=fail_fast).runs
