"""Runs of several tables in one folder: a first try on the simulated one does no harm, all else is told apart."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from support import fabricate

from wineexp import compare
from wineexp.data.simulated import simulated_table
from wineexp.errors import SelectionError
from wineexp.runs.study_file import record_study


@pytest.fixture
def here(small_table, tmp_path, monkeypatch):
    """A folder whose first runs are on the simulated table, and others on a real one."""
    monkeypatch.chdir(tmp_path)
    for seed in (0, 1):
        for rate in (0, 0.3):
            fabricate.save(tmp_path / "outputs", small_table, error=0.3 + rate, seed=seed, dropout=rate)
    fabricate.save(tmp_path / "outputs", simulated_table())
    fabricate.save(tmp_path / "outputs", simulated_table(), dropout=0.3)
    return tmp_path


def named(folder, pattern):
    return sorted(path.name for path in (folder / "outputs").glob(pattern))


@pytest.mark.parametrize("what", ["outputs", "outputs/", "./outputs", "8x1-epochs6", "my study"])
def test_what_lies_beside_real_runs_by_chance_is_left_out_with_a_note(cli, here, what):
    signatures = [path.name[-8:] for path in (here / "outputs").iterdir()]
    record_study(here / "outputs" / "my_study", "my study", signatures)
    code, out, err = cli("compare", what, "--json")
    left = named(here, "simulated-8x1-epochs6-*" if what == "8x1-epochs6" else "simulated-*")
    count, them = ("1 run", "it") if len(left) == 1 else ("2 runs", "them")
    alone = f"to see {them} alone: --where kind=simulated"
    told = f"left out: {count} on the SIMULATED table ({'; '.join(left)}); {alone}"
    found = json.loads(out)
    assert code == 0
    assert found["notes"][0] == told
    assert f"note: {told}" in err.splitlines()
    assert [row["seeds"] for row in found["variants"]] == [2] * (1 if what == "8x1-epochs6" else 2)


def test_the_answer_is_that_of_the_real_runs_alone(cli, here):
    _, out, _ = cli("compare", "outputs", "--csv")
    _, alone, err = cli("compare", "outputs", "--where", "kind=custom", "--csv")
    assert out == alone
    assert "left out" not in err


def test_the_simulated_ones_can_be_seen_alone_as_the_note_says(cli, here):
    code, out, err = cli("compare", "outputs", "--where", "kind=simulated")
    assert (code, "left out" in err) == (0, False)
    assert out.startswith("SIMULATED table")
    (here / "first").mkdir()
    for name in named(here, "simulated-*"):
        (here / "outputs" / name).rename(here / "first" / name)
    code, out, err = cli("compare", "first")
    assert (code, "left out" in err) == (0, False)
    assert out.startswith("SIMULATED table")


@pytest.mark.parametrize("kept", ["outputs", "8x1-epochs6"])
def test_one_that_is_given_itself_is_never_ranked_against_a_real_one(cli, here, kept):
    mine = named(here, "simulated-8x1-epochs6-*")[0]
    for given in ([mine, kept], [kept, mine], [f"outputs/{mine}", kept], [kept, mine[-8:]]):
        code, out, err = cli("compare", *given)
        assert (code, out) == (2, "")
        assert "real and simulated runs cannot be ranked against each other" in err
        (hint,) = re.findall(r"--where (kind=\S+)", err)
        assert cli("compare", *given, "--where", hint)[0] == 0


def test_a_folder_of_simulated_runs_beside_one_of_real_runs_was_asked_for(cli, here):
    (here / "real").mkdir()
    for name in named(here, "8x1-*"):
        (here / "outputs" / name).rename(here / "real" / name)
    code, _, err = cli("compare", "outputs", "real")
    assert code == 2
    assert "real and simulated runs cannot be ranked" in err


def test_a_page_tells_what_it_leaves_out_and_a_list_marks_each_run(cli, here):
    assert cli("report", "outputs", "-o", "page.html")[0] == 0
    page = (here / "page.html").read_text(encoding="utf-8")
    assert "left out: 2 runs on the SIMULATED table" in page
    header, *rows = cli("runs")[1].splitlines()
    assert "kind" in header.split()
    for row in rows:
        assert row.startswith("simulated-") == (" simulated " in row)


def test_runs_on_two_states_of_one_file_are_told_apart_as_the_refusal_says(cli, here, small_table):
    changed = replace(small_table, frame=small_table.frame + 1)
    fabricate.save(here / "outputs", changed, seed=7)
    with pytest.raises(SelectionError, match="runs on different tables cannot be compared") as caught:
        compare("outputs")
    (hint,) = re.findall(r"--where (fingerprint=\w{8})$", str(caught.value))
    chosen = compare("outputs", where=hint)
    assert {run.record.data.fingerprint for run in chosen.runs} == {small_table.fingerprint}
    other = compare("outputs", where=f"fingerprint={changed.fingerprint[:8]}")
    assert [run.spec.seed for run in other.runs] == [7]
