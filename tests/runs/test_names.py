"""What a RUN stands for: a path, a directory's name, a signature or its beginning, a label, a study."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import fabricate

from wineexp.data.table import Table
from wineexp.errors import ConfigError, RunError
from wineexp.runs.names import LEAST, find_place, find_run, study_runs
from wineexp.runs.study_file import MAX_BYTES, read_study, record_study
from wineexp.runs.writer import add_names


@pytest.fixture(scope="module")
def saved(tmp_path_factory, small_table):
    """Two seeds of a variant, a run with a name, and a study of the first and the last."""
    out = tmp_path_factory.mktemp("names") / "runs"
    plain = [fabricate.save(out, small_table, seed=seed) for seed in (0, 1)]
    named = fabricate.save(out, small_table, dropout=0.3, name="my first model")
    record_study(out / "my_study", "my study", [named.signature, plain[0].signature, "00000000"])
    return out, plain, named


def test_each_form_stands_for_its_run(saved):
    out, (plain, _), named = saved
    assert find_run(str(named.path), out) == named.path, "a path"
    assert find_run(f"{named.path}/", out) == named.path, "as a shell completes it"
    assert find_run(named.path.name, out) == out / named.path.name
    for file in named.path.iterdir():
        assert find_run(str(file), out) == named.path, "a file of it, whatever it is"
    for length in range(LEAST, 9):
        assert find_run(named.signature[:length], out) == named.path
    assert find_run("my first model", out) == named.path
    assert find_run(plain.signature, out) == plain.path


def test_a_label_and_a_study_stand_for_all_their_runs_in_order(saved):
    out, plain, named = saved
    assert find_place("8x1-epochs6", out) == tuple(run.path for run in plain)
    for name in ("my study", "my_study", str(out / "my_study")):
        assert find_place(name, out) == (named.path, plain[0].path), "in the study's order, those that are there"
    assert study_runs("my study", out) == (named.path, plain[0].path)


def test_history_and_picture_stay_files_where_several_kinds_are_taken(saved):
    out, _, named = saved
    for path in (named.history_path, named.curves_path):
        assert find_place(str(path), out) == path
    assert find_place(str(named.path / "spec.yaml"), out) == named.path


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("8x1-epochs6", "8x1-epochs6: expected one run, found 2 of that name; give one of 8x1-epochs6-s0-"),
        ("my study", "my study: expected one run, found 2 of that name; give one of my_first_model-s0-"),
        ("my first modell", "(did you mean 'my first model'?)"),
        ("my studdy", "(did you mean 'my study'?)"),
        ("qqq/www", "qqq/www: no such file or directory, nor a run's directory name, signature (at least 4"),
        ("", ": no such file or directory"),
        ("x" * 5000, "no such file or directory"),
        ("a\0b", "no such file or directory"),
    ],
)
def test_what_is_not_one_run_is_refused_with_what_there_is(saved, text, says):
    out, *_ = saved
    with pytest.raises(RunError) as caught:
        find_run(text, out)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_of_many_runs_some_are_named_and_the_rest_counted(tmp_path, small_table):
    runs = [fabricate.save(tmp_path, small_table, seed=seed) for seed in range(9)]
    told = r"found 9 of that name; give one of ([^;]+; ){4}[^;]+ and 4 more; wineexp runs lists them$"
    with pytest.raises(RunError, match=told):
        find_run(runs[0].record.label, tmp_path)


def test_too_short_a_beginning_stands_for_nothing(saved):
    out, _, named = saved
    with pytest.raises(RunError, match="at least 4 of its characters"):
        find_run(named.signature[: LEAST - 1], out)


def damaged(signature, out):
    """A run directory whose record cannot be read, so that its name alone tells its signature."""
    path = out / f"other-s0-{signature}"
    path.mkdir(parents=True)
    (path / "run.json").write_text("{")
    return path


def test_a_beginning_that_two_share_is_refused_with_both(tmp_path, small_table):
    run = fabricate.save(tmp_path, small_table)
    last = "0" if run.signature[-1] != "0" else "1"
    other = damaged(run.signature[:7] + last, tmp_path)
    for length in range(LEAST, 8):
        with pytest.raises(
            RunError, match="expected one run, found 2 with signatures that begin with it"
        ) as caught:
            find_run(run.signature[:length], tmp_path)
        assert run.path.name in str(caught.value)
        assert other.name in str(caught.value)
    assert find_run(run.signature, tmp_path) == run.path
    assert find_run(other.name.rpartition("-")[2], tmp_path) == other, "a damaged run is found, to be told of"


@given(st.sets(st.text("0123456789abcdef", min_size=8, max_size=8), min_size=1, max_size=30), st.data())
def test_a_beginning_resolves_if_and_only_if_one_signature_begins_so(tmp_path_factory, signatures, data):
    out = tmp_path_factory.mktemp("prefixes")
    paths = {signature: damaged(signature, out) for signature in signatures}
    chosen = data.draw(st.sampled_from(sorted(signatures)))
    beginning = chosen[: data.draw(st.integers(LEAST, 8))]
    sharing = {signature for signature in signatures if signature.startswith(beginning)}
    if len(sharing) == 1:
        assert find_run(beginning, out) == paths[chosen]
    else:
        with pytest.raises(RunError, match=f"found {len(sharing)} with signatures that begin with it"):
            find_run(beginning, out)


def test_the_first_meaning_holds(tmp_path, small_table, monkeypatch):
    """Path, directory, signature, label, study, beginning of a signature."""
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "runs"
    run = fabricate.save(out, small_table)
    beginning, whole = run.signature[:5], run.signature
    assert find_run(beginning, out) == run.path
    other = fabricate.save(out, small_table, seed=1, epochs=7)
    record_study(out / beginning, beginning, [other.signature])
    assert find_run(beginning, out) == other.path, "a study before the beginning of a signature"
    labelled = fabricate.save(out, small_table, seed=2, name=beginning)
    assert find_run(beginning, out) == labelled.path, "a label before a study"
    fabricate.save(out, small_table, seed=3, name=whole)
    assert find_run(whole, out) == run.path, "a whole signature before a label"
    os.rename(other.path, out / whole)
    assert find_run(whole, out) == out / whole, "a directory before a signature"
    Path(whole).mkdir()
    assert find_place(whole, out) == Path(whole), "a path before all"


def test_every_name_of_a_run_stands_for_it(tmp_path, small_table):
    run = fabricate.save(tmp_path, small_table)
    add_names(run, ["one name", "another"])
    for name in ("one name", "another", run.label):
        assert find_run(name, tmp_path) == run.path


def test_a_folder_of_runs_is_one_with_a_study_in_it_too(tmp_path, small_table):
    run = fabricate.save(tmp_path, small_table)
    record_study(tmp_path, "here", [run.signature])
    assert find_place(str(tmp_path), tmp_path) == tmp_path


def test_a_study_is_written_whole_read_back_and_not_taken_by_another(tmp_path):
    record_study(tmp_path / "a_b", "a b", ["0123abcd"])
    record_study(tmp_path / "a_b", "a b", ["0123abcd", "ffffffff"])
    assert read_study(tmp_path / "a_b").signatures == ("0123abcd", "ffffffff")
    with pytest.raises(ConfigError, match="belongs to the study 'a b'; choose another name"):
        record_study(tmp_path / "a_b", "a/b", ["0123abcd"])
    assert read_study(tmp_path / "a_b").name == "a b"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "Invalid JSON"),
        ("[]", "should be an object"),
        (json.dumps({"version": 1, "name": "x", "signatures": ["no"]}), "signatures.0"),
        (json.dumps({"version": 1, "name": "", "signatures": []}), "name"),
        (json.dumps({"version": 2, "name": "x", "signatures": []}), "version"),
        (json.dumps({"version": 1, "name": "x", "signatures": [], "more": 1}), "more"),
        (json.dumps({"name": "x" * MAX_BYTES, "signatures": []}), "at most"),
        ("\x1b[31m", "Invalid JSON"),
    ],
)
def test_a_study_file_that_is_not_ours_is_told_not_replaced(tmp_path, content, says):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "study.json").write_text(content)
    for call in (
        lambda: read_study(tmp_path / "x"), lambda: find_place("x", tmp_path), lambda: study_runs("x", tmp_path),
        lambda: record_study(tmp_path / "x", "x", []),
    ):  # fmt: skip
        with pytest.raises(RunError, match=r"study\.json: is damaged") as caught:
            call()
        assert says in str(caught.value)
        assert "\x1b" not in str(caught.value)
    assert (tmp_path / "x" / "study.json").read_text() == content


def test_a_study_of_an_earlier_version_is_told_how_to_be_known(tmp_path):
    (tmp_path / "old_one").mkdir()
    (tmp_path / "old_one" / "compare.csv").write_text("variant\n")
    with pytest.raises(RunError, match="was written by an earlier version: repeat its `wineexp study`"):
        find_place("old one", tmp_path)


def test_a_name_is_added_to_the_record_alone(tmp_path, small_table: Table):
    run = fabricate.save(tmp_path, small_table, name="first")
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    assert add_names(run, ["second", "first", "second"]) == ("second",)
    assert add_names(run, ["second"]) == (), "once"
    after = {path.name: path.read_bytes() for path in run.path.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"run.json"}
    old, new = (json.loads(files["run.json"]) for files in (before, after))
    assert old.pop("names") == ["first"]
    assert new.pop("names") == ["first", "second"]
    assert old.pop("checksum") != new.pop("checksum")
    assert old == new
    again = dataclasses.replace(run)
    assert again.record.names == ("first", "second")
