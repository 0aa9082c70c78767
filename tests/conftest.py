"""What several tests need: the real table, TensorFlow set up once, and no way to the network."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, settings
from support.processes import GUARD, end_started

from wineexp.data.table import Table, read_table

ROOT = Path(__file__).resolve().parent.parent

if not os.environ.get("CI"):  # in CI, Hypothesis has a profile of its own, which asserts no time either
    settings.register_profile("wineexp", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("wineexp")

#: The real table, which this repository does not hold: beside the checkout, or where the user has it.
RED_WINE = Path(os.environ.get("WINEEXP_DATA") or ROOT.parent / "shared/data/winequality-red.csv").resolve()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with the most slow tests come first: begun last, one of them would keep one core busy alone."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: slow[item.path], reverse=True)  # a file's tests stay in their order


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test finds a table of the user's, nor fetches one."""
    monkeypatch.setenv("WINEEXP_ADDRESSES", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("WINEEXP_DATA", raising=False)


@pytest.fixture(autouse=True)
def _no_process_left() -> Iterator[None]:
    """No test leaves a process behind, however it ends."""
    yield
    end_started()


@pytest.fixture(scope="session")
def red_wine_path() -> Path:
    """The real table's path. In CI it must be there."""
    if not RED_WINE.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{RED_WINE} is absent, and CI tests on the real table")
        pytest.skip(f"{RED_WINE} is absent; set WINEEXP_DATA")
    return RED_WINE


@pytest.fixture(scope="session")
def red_wine(red_wine_path: Path) -> Table:
    return read_table(red_wine_path)


@pytest.fixture(scope="session")
def small_table() -> Table:
    """120 rows of three features and a target that two of them decide."""
    random = np.random.RandomState(1)
    x = random.normal(size=(120, 3)).round(3)
    y = (5 + x[:, 0] - 0.5 * x[:, 1] + random.normal(scale=0.1, size=120)).round(2)
    return Table(pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "quality": y}), "small", "custom")


@pytest.fixture(scope="session")
def small_csv(small_table: Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "small.csv"
    small_table.frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def tensorflow(tmp_path_factory: pytest.TempPathFactory) -> None:
    """TensorFlow, loaded with one thread for the whole test process; it finds nothing that the user's compiled."""
    from wineexp import runtime

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("compiled")))
        runtime.load(1)


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process; return exit code, stdout and stderr."""
    from wineexp.cli import run

    def call(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Debian's Chromium. In CI it must be there."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium, and CI tests in a real browser")
        pytest.skip("no Chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=path, args=flags, timeout=GUARD * 1000)
        yield browser
        browser.close()
