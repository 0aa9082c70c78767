"""The installed package: what a wheel holds, which extras there are, and that it is what the tests run against."""

from __future__ import annotations

import os
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from conftest import ROOT

import wineexp
from wineexp.extras import EXTRAS

INSTALLED = ROOT not in Path(wineexp.__file__).parents


def test_in_ci_the_tests_run_against_the_wheel():
    if not os.environ.get("CI"):
        pytest.skip("a developer's checkout may be installed in place")
    assert INSTALLED, "the checkout shadows the installed package"


def test_the_wheel_holds_the_package_and_nothing_else():
    if not INSTALLED:
        pytest.skip("installed in place")
    files = [str(path) for path in distribution("wineexp").files or ()]
    outside = [path for path in files if not path.startswith(("wineexp/", "wineexp-", "../../../bin/wineexp"))]
    assert not outside
    templates = {"wineexp/page/templates/report.html.j2", "wineexp/notebook/templates/card.html.j2"}
    assert {"wineexp/py.typed", *templates} <= set(files)
    assert not [path for path in files if path.endswith((".csv", ".png", ".keras"))]
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "wineexp").rglob("*.py")}
    assert sources <= set(files)


def test_all_brings_every_extra():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (everything,) = project["optional-dependencies"]["all"]
    assert set(everything.removeprefix("wineexp[").removesuffix("]").split(",")) == set(EXTRAS)
    assert {"classifiers", "keywords", "urls", "license", "readme"} <= project.keys()


def test_the_installed_version_is_that_of_the_project():
    assert (
        distribution("wineexp").version
        == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    )
