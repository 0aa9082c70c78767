"""Help, asked for with a flag, with a word, or with nothing; and how loud, before the command or after it."""

from __future__ import annotations

import json

import pytest

from wineexp.cli import COMMANDS

QUICK = ["--widths", "8", "--epochs", "2", "--batch-size", "32"]


@pytest.mark.parametrize("name", [*COMMANDS, None])
def test_the_word_help_prints_what_the_flag_prints(cli, name):
    asked = [] if name is None else [name]
    code, out, err = cli("help", *asked)
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: wineexp {name or '[OPTIONS] COMMAND'}")
    assert out == cli(*asked, "--help")[1]


def test_the_bare_name_prints_clean_help_and_says_by_its_code_that_nothing_was_done(cli):
    code, out, err = cli()
    assert (code, out) == (2, "")
    assert err == cli("--help")[1]
    assert "wineexp: " not in err


def test_quiet_and_verbose_stand_before_the_command_too(cli, tmp_path, small_csv, tensorflow):
    arguments = ["train", *QUICK, "--data", small_csv, "--out", tmp_path / "out"]
    code, out, err = cli("--quiet", *arguments)
    assert (code, err) == (0, "")
    assert "validation MAE" in out
    _, _, err = cli("-v", *arguments)
    assert "threads 1; wineexp" in err
    assert cli("-q", *arguments, "--verbose")[2] == err, "the nearer one counts"


def test_seeds_are_a_number_or_the_seeds_themselves(cli, tmp_path, small_csv, tensorflow):
    from wineexp import train

    arguments = ["train", *QUICK, "--data", small_csv, "--out", tmp_path / "out", "--json", "--quiet"]
    seeds = {text: cli(*arguments, "--seeds", text) for text in ("2", "7,3,5")}
    found = {text: [run["spec"]["seed"] for run in json.loads(out)] for text, (_, out, _) in seeds.items()}
    assert found == {"2": [0, 1], "7,3,5": [7, 3, 5]}
    again = train(widths=8, epochs=2, batch_size=32, seeds=[7, 3], data=small_csv, out=tmp_path / "out")
    assert [run.spec.seed for run in again] == [7, 3]
    assert len(list((tmp_path / "out").iterdir())) == 5, "the same runs"
