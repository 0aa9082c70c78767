"""Python's collector of cycles beside commands that read thousands of runs."""

from __future__ import annotations

import gc

import pytest

from wineexp.cli.tables import collector_at_rest


@pytest.fixture(autouse=True)
def collector():
    """The collector as it was, whatever a test leaves."""
    at_work = gc.isenabled()
    yield
    (gc.enable if at_work else gc.disable)()


@pytest.mark.parametrize("before", [True, False])
def test_the_collector_rests_within_and_is_as_before_after_an_error_too(before):
    (gc.enable if before else gc.disable)()

    @collector_at_rest()
    def fails():
        assert not gc.isenabled()
        raise ValueError("this one")

    for _ in range(2):  # a decorated command may be called again
        with pytest.raises(ValueError, match="this one"):
            fails()
        assert gc.isenabled() is before
