"""What people type instead: refused, with the legal spelling named, in one line and with exit code 2."""

from __future__ import annotations

import re

import pytest

from wineexp import RunSpec, WineexpError, load_runs, train
from wineexp.cli import COMMANDS, group
from wineexp.cli.hints import COMMAND_ALIASES, FLAG_ALIASES
from wineexp.errors import folded
from wineexp.specs.declarations import MARKS
from wineexp.specs.fields import choices_of
from wineexp.specs.parsing import FIELD_ALIASES, KEY_ALIASES, STUDY_KEYS, each_alias

#: A command line, in words, and how its one line of error begins after ``wineexp: ``; ``...`` leaves words out.
COMMAND_LINES = [
    ("train --lr 0.1", "--lr: unknown option (did you mean --learning-rate?)"),
    ("train --lr=0.1", "--lr: unknown option (did you mean --learning-rate?)"),
    ("train -lr 0.1", "-lr: unknown option (did you mean --learning-rate?)"),
    ("train --batchnorm after", "--batchnorm: unknown option (did you mean --bn?)"),
    ("train --batch_norm after", "--batch_norm: unknown option (did you mean --bn?)"),
    ("train --batch_size 64", "--batch_size: unknown option (did you mean --batch-size?)"),
    ("train --layers 3", "--layers: unknown option (did you mean --widths? 64x3 is three layers of 64)"),
    ("train --units 64", "--units: unknown option (did you mean --widths? 64x3 is three layers of 64)"),
    ("train --early-stopping 5", "--early-stopping: unknown option (did you mean --patience? the epochs to wait)"),
    ("train --random-state 1", "--random-state: unknown option (did you mean --seed?)"),
    ("train --no-bn", "--no-bn: unknown option (did you mean --bn none?)"),
    ("train --no-dropout", "--no-dropout: unknown option (did you mean --dropout 0?)"),
    ("train --workers 2", "--workers: unknown option (did you mean --threads?)"),
    ("train --jobs 2", "--jobs: unknown option; it is an option of batch, study"),
    ("train --debug", "--debug: unknown option (put it before the command: wineexp --debug train)"),
    ("train --epoch 3", "--epoch: unknown option (did you mean --epochs?)"),
    ("train --ephocs 3", "--ephocs: unknown option (did you mean --epochs?)"),
    ("train --frobnicate", "--frobnicate: unknown option; see wineexp train --help"),
    ("train -x", "-x: unknown option; see wineexp train --help"),
    ("--seed 3 train", "--seed: unknown option; it is an option of train"),
    ("batch c.yaml --workers 2", "--workers: unknown option (did you mean --jobs?)"),
    ("batch c.yaml --n-jobs 2", "--n-jobs: unknown option (did you mean --jobs?)"),
    ("batch c.yaml --patience 3", "--patience: unknown option (did you mean --set patience=VALUE?)"),
    ("study c.yaml --lr 3", "--lr: unknown option (did you mean --set learning_rate=VALUE?)"),
    ("batch c.yaml --seeds 3", "--seeds: unknown option (a study's key: write seeds: in the config)"),
    ("runs --dropout 0.3", "--dropout: unknown option (did you mean --where dropout=VALUE?)"),
    ("compare x --filter y", "--filter: unknown option (did you mean --where?)"),
    ("study c.yaml --baseline x", "--baseline: unknown option (did you mean --reference?)"),
    ("train --bn", "--bn: expected none, before or after; found no value"),
    ("train --bn --dropout 0.3", "--bn: expected none, before or after; found no value before --dropout"),
    ("train --optimizer", "--optimizer: expected a Keras optimizer name: adadelta, adafactor"),
    ("compare x --layout", "--layout: expected auto, overlay, grid or verdict; found no value"),
    ("train --bn-input=yes", "--bn-input: expected no value, found one (did you mean --bn-input ..."),
    ("train --dropout 30", "dropout: expected ...; found '30' (did you mean 0.3?)"),
    ("train --dropout 30%", "dropout: expected ...; found '30%' (did you mean 0.3?)"),
    ("train --loss MAE", "loss: expected a Keras loss; found 'MAE' (did you mean 'mae'?)"),
    ("train --optimizer Adam", "optimizer: expected a Keras optimizer name; found 'Adam' (did you mean 'adam'?)"),
    ("train --bn no", "bn: expected none, before or after; found 'no' (did you mean 'none'?)"),
    ("train --epochs 1e2", "epochs: expected a whole number from 1 to 1000000; found '1e2' (did you mean 100?)"),
    ("train --seed 1,2,3", "seed: expected ...; found '1,2,3' (several are seeds, in a study, or train --seeds)"),
    ("train --seeds 1-3", "Invalid value for '--seeds': expected how many, from 1 to 10000, or different seeds"),
    ("train --seeds 1,1", "Invalid value for '--seeds': expected how many, from 1 to 10000, or different seeds"),
    ("train --seeds 1,2 --seed 3", "--seed and --seeds: expected --seed, or a list of seeds; found both"),
    ("train dropout=0.3", "dropout=0.3: no such file (did you mean --dropout 0.3?)"),
    ("train lr=0.3", "lr=0.3: no such file (did you mean --learning-rate 0.3?)"),
    ("train bn_input=true", "bn_input=true: no such file (did you mean --bn-input?)"),
    ("batch c.yaml epochs=3", "epochs=3: no such file (did you mean --set epochs=3?)"),
    ("study c.yaml epochs=3", "epochs=3: no such file (did you mean --set epochs=3?)"),
    ("runs dropout=0.3", "dropout=0.3: no such file (did you mean --where dropout=0.3?)"),
    ("batch c.yaml --set lr=1", "--set: unknown field 'lr' (did you mean 'learning_rate'?)"),
    ("batch c.yaml --set seeds=3", "--set: unknown field 'seeds' (a study's key: set it in the config)"),
    ("batch c.yaml --set bn_input=yes", "c.yaml: bn_input: expected ...; found 'yes' (did you mean true?)"),
    ("runs --where dropout==0.3", "dropout==0.3: expected ..., found == (did you mean dropout=0.3?)"),
    ("runs --where val_mae=<0.6", "val_mae=<0.6: expected ..., found =< (did you mean val_mae<=0.6?)"),
    ("runs --where val_mae", "expected a condition such as ..., found 'val_mae'; quote a comparison"),
    ("runs --where lr=0.1", "unknown column 'lr' (did you mean 'learning_rate'?)"),
    ("runs --where optimizer=Adam", "optimizer=Adam: expected ...; found 'Adam' (did you mean 'adam'?)"),
    ("runs --where dropout=30%", "dropout=30%: expected a rate from 0 to below 1"),
    ("runs --where loss=mae", "loss=mae: expected a number, found 'mae' (did you mean loss_name=mae?)"),
    ("export mlflow x --mlflow y", "--mlflow: unknown option (did you mean --to?)"),
    ("export tensorboard x --logdir y", "--logdir: unknown option (did you mean --to?)"),
    ("train --config c.yaml", "--config: unknown option (give the file alone: wineexp train FILE)"),
    ("batch --multirun c.yaml", "--multirun: unknown option (list several values of a field under grid: in a"),
    ("train -m dropout=0,0.3", "dropout=0,0.3: no such file (did you mean --dropout 0,0.3?)"),
    ("runs --sort mae", "unknown column 'mae' (did you mean 'val_mae'?)"),
    ("export", "export: expected mlflow or tensorboard, found nothing; see wineexp export --help"),
    ("batch", "batch: expected CONFIG..., found nothing; see wineexp batch --help"),
    ("fit", "no command 'fit' (did you mean 'train'?); see wineexp --help"),
    ("ls", "no command 'ls' (did you mean 'runs'?); see wineexp --help"),
    ("help trian", "no command 'trian' (did you mean 'train'?); see wineexp --help"),
]  # fmt: skip


def begins(line, says):
    """Whether ``line`` begins with ``says``, whose ``...`` stand for any words."""
    return re.match(re.escape(says).replace(r"\.\.\.", ".*?"), line) is not None


@pytest.mark.parametrize(("words", "says"), COMMAND_LINES, ids=[words for words, _ in COMMAND_LINES])
def test_a_command_line_that_is_refused_names_what_was_likely_meant(cli, tmp_path, monkeypatch, words, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text("epochs: 3\n")
    code, out, err = cli(*words.split())
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert begins(err, f"wineexp: {says}")
    assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]


#: A config, and its line of error after the file's name, likewise.
CONFIGS = [
    ("lr: 0.1\n", "1: lr: unknown field (did you mean 'learning_rate'?)"),
    ("batchNorm: after\n", "1: batchNorm: unknown field (did you mean 'bn'?)"),
    ("Batch-Size: 64\n", "1: Batch-Size: unknown field (did you mean 'batch_size'?)"),
    ("layers: 3\n", "1: layers: unknown field (did you mean 'widths'? 64x3 is three layers of 64)"),
    ("width: 64\n", "1: width: unknown field (did you mean 'widths'? 64x3 is three layers of 64)"),
    (
        "validation_split: 0.2\n",
        "1: validation_split: ... (did you mean 'train_fraction'? the rest is for validation)",
    ),
    ("momentum: 0.9\n", "1: momentum: unknown field (did you mean 'bn_momentum'? batch normalization's)"),
    ("colour: red\n", "1: colour: unknown field"),
    ("seeds: 2\nlr: 0.1\n", "2: lr: unknown key (did you mean 'learning_rate', under defaults?); a study has"),
    ("default: {epochs: 3}\n", "1: default: unknown key (did you mean 'defaults'?); a study has"),
    ("sweep: {epochs: [3]}\n", "1: sweep: unknown key (did you mean 'grid'?); a study has"),
    ("variants: [{epochs: 3}]\n", "1: variants: unknown key (did you mean 'runs'?); a study has"),
    ("seeds: 1,2,3\n", "1: seeds: expected how many ... found '1,2,3' (did you mean [1, 2, 3]?)"),
    ("data: songs.csv\nseeds: 2\n", "1: data: unknown key (the table is given by --data FILE, data= in Python)"),
    ("table: songs.csv\n", "1: table: unknown field (the table is given by --data FILE, data= in Python)"),
    ("seeds: 2\nworkers: 4\n", "2: workers: unknown key (workers are given by --jobs, jobs= in Python); a study"),
    ("repeats: 3\n", "1: repeats: unknown key (did you mean 'seeds'?); a study has"),
    ("dropout: 30\n", "1: dropout: expected ...; found 30 (did you mean 0.3?)"),
    ("widths: 3x3\ndropout: [30%, 20%, 10%]\n", "2: dropout: ... (did you mean '0.3,0.2,0.1'?)"),
    ("widths: 3x1024\n", "1: widths: expected ...; found '3x1024' (did you mean '1024x3'?)"),
    ("widths: 64 32\n", "1: widths: expected ...; found '64 32' (did you mean '64,32'?)"),
    ("loss: L1\n", "1: loss: expected a Keras loss; found 'L1' (did you mean 'mae'?)"),
    ("bn: true\n", "1: bn: expected none, before or after; found True (did you mean 'before' or 'after'?)"),
    ("bn:\n", "1: bn: expected none, before or after; found None (did you mean 'none'?)"),
    ("activation: none\n", "1: activation: expected ...; found 'none' (did you mean 'linear'?)"),
    ("scale: StandardScaler\n", "1: scale: expected ...; found 'StandardScaler' (did you mean 'standard'?)"),
    ("patience: off\n", "1: patience: expected ...; found 'off' (did you mean 'none'?)"),
    ("learning_rate: '1e-3'\n", "1: learning_rate: expected ...; found '1e-3' (did you mean 0.001?)"),
    ("learning_rate: 0,01\n", "1: learning_rate: expected ...; found '0,01' (did you mean 0.01?)"),
    ("train_fraction: 70%\n", "1: train_fraction: expected ...; found '70%' (did you mean 0.7?)"),
    ("bn: [none, after]\n", "1: bn: expected ...; found ... (list several values to compare under grid)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "says"), CONFIGS, ids=[text.strip() for text, _ in CONFIGS])
def test_a_config_that_is_refused_names_what_was_likely_meant(cli, tmp_path, monkeypatch, text, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(text)
    code, out, err = cli("batch", "c.yaml", "--data", "simulated")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert begins(err, f"wineexp: c.yaml:{says}")


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: train(lr=0.1), "lr: unknown field (did you mean 'learning_rate'?)"),
        (lambda: train({"BatchNorm": "after"}), "BatchNorm: unknown field (did you mean 'bn'?)"),
        (lambda: RunSpec.parse({"dropout": 30}), "(did you mean 0.3?)"),
        (lambda: train(widths=8, seeds=[1, 1]), "seeds: expected different seeds, found one twice"),
        (lambda: load_runs(where="dropout==0.3"), "(did you mean dropout=0.3?)"),
        (lambda: load_runs(where="lr=0.3"), "unknown column 'lr' (did you mean 'learning_rate'?)"),
    ],
)
def test_python_gives_the_same_hints(call, says):
    with pytest.raises(WineexpError) as caught:
        call()
    assert says in str(caught.value)


def test_every_setting_without_its_flag_is_told_at_once(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, _, err = cli("batch", "c.yaml", "bn=after", "--set", "seed=1", "--", "epochs=3")
    assert err.splitlines() == [
        "wineexp: bn=after: no such file (did you mean --set bn=after?)",
        "wineexp: epochs=3: no such file (did you mean --set epochs=3?)",
    ]
    _, _, err = cli("batch", "c.yaml", "--set", "lr=1", "--set", "bn", "--set", "seeds=2")
    assert [line.split(" (")[0] for line in err.splitlines()] == [
        "wineexp: --set: unknown field 'lr'",
        "wineexp: --set: expected field=value, found 'bn'",
        "wineexp: --set: unknown field 'seeds'",
    ]


def test_a_file_may_be_named_like_a_setting(cli, tmp_path, monkeypatch, small_csv):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "epochs=3").write_text("epochs: 3\n")
    code, out, _ = cli("train", "epochs=3", "--dry-run", "--data", small_csv)
    assert code == 0
    assert "Dense" in out


def test_every_alias_stands_for_a_legal_name_and_none_is_one():
    tables = [
        (FIELD_ALIASES, RunSpec.model_fields),
        (KEY_ALIASES, STUDY_KEYS),
        (COMMAND_ALIASES, COMMANDS),
        *(
            (each_alias(marks.hints.values), choices_of(RunSpec.model_fields[field].annotation))
            for field, marks in MARKS.items()
        ),
    ]
    for aliases, legal in tables:
        assert set(aliases.values()) <= set(legal)
        assert not aliases.keys() & {folded(name) for name in legal}
        assert all(alias == folded(alias) for alias in aliases)
    context = group.make_context("wineexp", ["help"])
    commands = [group.get_command(context, name) for name in COMMANDS]
    flags = [{flag for option in command.params for flag in option.opts} for command in commands]
    assert {flag for offered in FLAG_ALIASES.values() for flag in offered} <= set().union(*flags)
    for alias, offered in FLAG_ALIASES.items():
        assert not any(f"--{alias}" in own and own & set(offered) for own in flags), "where it is legal itself"


def test_conditions_that_a_run_may_meet_are_taken(cli, tmp_path):
    for condition in ("val_mae=none", "dropout=0.30", "widths=64x2", "patience=none", "label=anything at all"):
        assert cli("runs", tmp_path, "--where", condition)[0] == 0
