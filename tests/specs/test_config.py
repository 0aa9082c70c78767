"""The YAML: what it means, and one table of traps."""

from __future__ import annotations

import re

import pytest
from support.configs import read_config

from wineexp.errors import ConfigError
from wineexp.specs.config import read_configs
from wineexp.specs.run_spec import RunSpec

#: Text, and what the error must say after the file's name.
TRAPS = [
    ("bn: none\nbn: after\n", ":2: bn: repeated key; first on line 1"),
    ("bn: no\n", ":1: bn: expected none, before or after; found 'no' (did you mean 'none'?)"),
    ("\tbn: none\n", ":1: not YAML: found character '\\t'"),
    ("runs:\n\t- {bn: none}\n", ":2: not YAML"),
    ("", ": expected a mapping of fields, found an empty file"),
    ("# nothing\n", ": expected a mapping of fields, found an empty file"),
    ("- bn: none\n", ":1: expected a mapping of fields at the top, found a list"),
    ("dropout: 0.3\ndrpout: 0.3\n", ":2: drpout: unknown field (did you mean 'dropout'?)"),
    ("defaults: {drpout: 0.3}\nruns: [{}]\n", ":1: drpout: unknown field (did you mean 'dropout'?)"),
    ("runs:\n - bn: none\n - ephocs: 3\n", ":3: ephocs: unknown field (did you mean 'epochs'?)"),
    ("grid:\n  wdiths: [8]\n", ":2: wdiths: unknown field (did you mean 'widths'?)"),
    ("runs: [{}]\ngird: {}\n", ":2: gird: unknown key (did you mean 'grid'?)"),
    ("runs: [{}]\ndropout: 0.3\n", ":2: dropout: unknown key (it belongs under defaults)"),
    ("grid: {}\n", ":1: grid: expected at least one field, found none"),
    ("grid: {dropout: []}\n", ":1: grid: dropout: expected a list of values, found an empty list"),
    ("grid: {mc_passes: [10, 20]}\n", ":1: grid: mc_passes: expected one value, under defaults, as"),
    ("grid: {dropout: 0.3}\n", ":1: grid: dropout: expected a list of values, found 0.3"),
    ("runs: []\n", ":1: runs: expected at least one run, found none"),
    ("seeds: 0\ngrid: {dropout: [0.1]}\n", ":1: seeds: expected how many"),
    ("seeds: [1, 1]\ngrid: {dropout: [0.1]}\n", ":1: seeds: expected different seeds, found one twice"),
    ("seeds: true\n", ":1: seeds: expected how many"),
    ("seeds: 2\ndefaults: {seed: 4}\n", ":2: seed: expected either seed or seeds, found both"),
    ("runs: {bn: none}\n", ":1: runs: expected a list of runs, found a mapping"),
    ("runs: [3]\n", ":1: runs: expected a mapping of fields, found 3"),
    ("bn: !!python/object:os.system x\n", ":1: not YAML: unexpected tag"),
    ("bn: &a [*a]\n", ": nested too deeply"),
    ("[[[[" * 5000, ": nested too deeply"),
    ("3: x\n", ":1: expected a field's name, found 3"),
    ("bn: none\n---\nbn: none\n", ":2: not YAML"),
    ("dropout: .nan\n", ":1: dropout: expected a rate"),
    ("name: x\nruns:\n- {dropout: 1.5}\n", ":3: dropout: expected a rate from 0 to below 1"),
    ("looks: [5, 10]\nseeds: 5\n", ":2: seeds: expected either looks or a number of seeds, found both"),
    ("looks: [10, 5]\n", ":1: looks: expected 1 to 10 rising numbers of seeds, from 2 to 10000"),
    ("looks: [1, 5]\n", ":1: looks: expected 1 to 10 rising numbers of seeds, from 2"),
    ("looks: 5\n", ":1: looks: expected 1 to 10 rising numbers of seeds"),
    ("looks: []\n", ":1: looks: expected 1 to 10 rising numbers of seeds"),
    ("looks: [2, 3.5]\n", ":1: looks: expected 1 to 10 rising numbers of seeds"),
    ("looks: [5, 9]\nseeds: [1, 2, 3]\n", ":2: seeds: expected at least 9 seeds, for the last look; found 3"),
    (
        "looks: [5, 9]\nlook_weights: [0.5, 0.6]\n",
        ":2: look_weights: expected numbers with a sum of 1, found a sum",
    ),
    ("looks: [5, 9]\nlook_weights: [1]\n", ":2: look_weights: expected 2 numbers above 0, one for each look"),
    ("looks: [5, 9]\nlook_weights: [1, 0]\n", ":2: look_weights: expected 2 numbers above 0"),
    ("seeds: 2\nlook_weights: [1]\n", ":2: look_weights: expected looks with it, found none"),
    ("seeds: 2\nmargin: 0\n", ":2: margin: expected a number above 0, in the target's unit; found 0"),
    ("seeds: 2\nmargin: yes\n", ":2: margin: expected a number above 0"),
    ("margin: .inf\nseeds: 2\n", ":1: margin: expected a number above 0"),
    (b"\x89PNG\r\n\xff\xfe", ": expected YAML text in UTF-8, found other bytes"),
    ("epochs: 0x" + "f" * 5000, ":1: not YAML: a number too large for any field"),
    ("dropout: 0x" + "f" * 260, ":1: not YAML: a number too large for any field"),
    ("margin: 0.1\nepochs: 3\n", ":2: epochs: unknown key (it belongs under defaults)"),
    (
        "defaults:\n  <<: {epochs: 3}\n",
        ":2: not YAML: a merge key (<<), which YAML 1.2 lacks; write the fields out",
    ),
    ("#" * 600_000, ": expected at most 524,288 bytes, found 600,000"),
]


@pytest.mark.parametrize(("text", "says"), TRAPS)
def test_a_trap_is_refused_with_file_line_and_field(tmp_path, text, says):
    path = tmp_path / "c.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as error:
        read_config(path)
    assert f"{path}{says}" in str(error.value)


def test_an_alias_bomb_costs_nothing(tmp_path):
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join(lines) + "\n#" + "x" * 400_000)
    with pytest.raises(ConfigError, match="more than 200,000 values"):
        read_config(path)
    path.write_text("\n".join(lines) + "\n#" + "x" * 1_000_000)
    with pytest.raises(ConfigError, match="at most 524,288 bytes"):
        read_config(path)


def read(tmp_path, text, **overrides):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    return read_config(path, overrides)


def test_yaml_is_version_1_2(tmp_path):
    (spec,) = read(tmp_path, "learning_rate: 1e-3\nname: 2020-01-01\nepochs: 0o17\n").specs
    assert spec == RunSpec(learning_rate=0.001, name="2020-01-01", epochs=15)


def test_the_designs_example_is_two_runs_and_a_full_cross_with_five_seeds_each(tmp_path):
    config = read(
        tmp_path,
        """
name: dropout-and-bn
defaults: {widths: 64x3, epochs: 7}
seeds: 5
runs:
  - {name: plain}
  - {name: lesson, dropout: 0.3, bn: after}
grid:
  dropout: [0.0, 0.3]
  bn: [none, before, after]
""",
    )
    assert config.name == "dropout-and-bn"
    assert len(config.specs) == (2 + 6) * 5
    assert config.specs[5] == RunSpec(name="lesson", widths="64x3", epochs=7, dropout=0.3, bn="after", seed=0)
    assert {(spec.dropout, spec.bn) for spec in config.specs[10:]} == {
        (rate, bn) for rate in (0.0, 0.3) for bn in ("none", "before", "after")
    }
    assert [spec.seed for spec in config.specs[:5]] == [0, 1, 2, 3, 4]


def test_the_command_line_stands_over_everything(tmp_path):
    config = read(tmp_path, "defaults: {epochs: 9}\nruns: [{epochs: 8}, {}]\n", epochs=2)
    assert [spec.epochs for spec in config.specs] == [2, 2]


def test_several_files_and_folders_give_all_their_problems_at_once(tmp_path):
    (tmp_path / "a.yaml").write_text("bn: middle\n")
    (tmp_path / "b.yml").write_text("epochs: 0\nwidths: 0\n")
    (tmp_path / "c.txt").write_text("ignored")
    with pytest.raises(ConfigError) as error:
        read_configs([tmp_path, tmp_path / "missing.yaml"])
    assert len(error.value.problems) == 4
    assert all(str(tmp_path) in problem for problem in error.value.problems)


def test_ten_thousand_runs_are_read(tmp_path):
    text = f"grid:\n  seed: {list(range(100))}\n  epochs: {list(range(1, 101))}\n"
    assert len(read(tmp_path, text).specs) == 10_000
    with pytest.raises(ConfigError, match="at most 100,000 runs, found 1,000,000"):
        read(tmp_path, text + f"  batch_size: {list(range(1, 101))}\n")


def problems_of(text, tmp_path):
    """The problems of a config: each without the file's name and what was expected."""
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_config(path)
    return [
        re.split("; a study|: expected", problem.removeprefix(f"{path}:"))[0] for problem in error.value.problems
    ]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            "default: {dropout: 2}\nseeds: three\ngrid: {bn: [no, after], epochs: 3}\nmargin: 0\n",
            [
                "1: default: unknown key (did you mean 'defaults'?)",
                *("2: seeds", "4: margin", "3: grid: epochs", "1: dropout", "3: bn"),
            ],
        ),
        (
            "seeds: 2\nruns: [{seed: 1, epochs: 0}, 3]\nsweep: {lr: [1]}\n",
            [
                "3: sweep: unknown key (did you mean 'grid'?)",
                *("2: runs", "2: seed", "2: epochs"),
                "3: lr: unknown field (did you mean 'learning_rate'?)",
            ],
        ),
        ("dropout: 2\nseeds: 2\n", ["1: dropout: unknown key (it belongs under defaults)", "1: dropout"]),
        (
            "gird: {bn: [no]}\nepochs: 0\n",
            [
                "1: gird: unknown key (did you mean 'grid'?)",
                "2: epochs: unknown key (it belongs under defaults)",
                *("1: bn", "2: epochs"),
            ],
        ),
        (
            "epochs: 0\ndropout: [0.1, 0.2]\ntest_fraction: 0.5\nlr: 1\n",
            [
                "4: lr: unknown field (did you mean 'learning_rate'?)",
                *("2: dropout", "1: epochs", "3: test_fraction"),
            ],
        ),
        (
            "judge_rows: test\nseeds: 2\n",
            ["1: judge_rows: unknown key (the judged rows are given by --judge-rows, judge_rows= in Python)"],
        ),
        ("widths: 0\ndropout: [0.1, 0.2]\n", ["1: widths"]),
        ("train_fraction: 2\ntest_fraction: 0.5\n", ["1: train_fraction"]),
        ("split_seeds: 2\nlooks: [3, 1]\nruns: [{epochs: 0}]\n", ["2: looks", "1: split_seeds", "3: epochs"]),
    ],
)
def test_every_problem_of_a_config_is_told_at_once_and_none_that_only_follows(tmp_path, text, problems):
    assert problems_of(text, tmp_path) == problems


def test_none_is_none_in_yaml_too(tmp_path):
    assert read(tmp_path, "grid: {patience: [none, 3]}\n").specs == (RunSpec(patience=None), RunSpec(patience=3))
