"""What a process gives back to the system, seen from the system."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys

import pytest

from wineexp import runtime

FREED = """if True:
    import os
    import numpy as np
    from wineexp import runtime

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    # Of 40 kB each, which the C library does not map by itself; the last ones keep the heap from shrinking.
    many = [np.ones(5000) for _ in range(2000)]
    last = many[-5:]
    del many
    before = resident()
    runtime.give_back_memory()
    print(before - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the GNU C library alone can be told to")
def test_what_was_freed_below_something_that_stays_is_given_back():
    told = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True)
    assert float(told.stdout) > 60, "of 76 MB"


@pytest.mark.parametrize("fault", [OSError, TypeError, AttributeError])
def test_another_system_or_c_library_keeps_it(fault, monkeypatch):
    def no_library(name):
        raise fault

    monkeypatch.setattr(ctypes, "CDLL", no_library)
    runtime.give_back_memory()
