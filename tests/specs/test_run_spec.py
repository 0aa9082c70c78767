"""The spec: its checks, its canonical form, its layer orders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.configs import read_config

from wineexp.errors import SpecError
from wineexp.specs.fields import MAX_SEED
from wineexp.specs.keras_names import ACTIVATIONS, OPTIMIZERS
from wineexp.specs.run_spec import RunSpec
from wineexp.specs.wording import format_value

BAD = [
    ({"dropout": 1.0}, "dropout", "found 1.0"),
    ({"dropout": -0.1}, "dropout", "found -0.1"),
    ({"dropout": "abc"}, "dropout", "found 'abc'"),
    ({"dropout": True}, "dropout", "found True"),
    ({"dropout": []}, "dropout", "found []"),
    ({"dropout_input": 1}, "dropout_input", "expected a rate from 0 to below 1; found 1"),
    ({"dropout_input": [0.1, 0.2]}, "dropout_input", "found [0.1, 0.2]"),
    ({"dropout_input": 20}, "dropout_input", "did you mean 0.2"),
    ({"dropout_place": "after"}, "dropout_place", "found 'after' (did you mean 'after_bn'?)"),
    ({"input_dropout": 0.2}, "input_dropout", "unknown field (did you mean 'dropout_input'?)"),
    ({"dropout": [0.1, 0.2, 0.3], "widths": [8, 8]}, "dropout", "found 3 rates: 0.1, 0.2, 0.3"),
    ({"widths": [0]}, "widths", "found [0]"),
    ({"widths": ""}, "widths", "found ''"),
    ({"widths": "64x"}, "widths", "found '64x'"),
    ({"widths": "64x0"}, "widths", "found '64x0'"),
    ({"widths": "1024x999999999"}, "widths", "found '1024x999999999'"),
    ({"widths": [1.5]}, "widths", "found [1.5]"),
    ({"optimizer": "addam"}, "optimizer", "did you mean 'adam'"),
    ({"optimizer": "zzz"}, "optimizer", "adadelta, adafactor"),
    ({"activation": "rellu"}, "activation", "did you mean 'relu'"),
    ({"bn": "middle"}, "bn", "expected none, before or after; found 'middle'"),
    ({"bn": "no"}, "bn", "did you mean 'none'"),
    ({"bn": False}, "bn", "did you mean 'none'"),
    ({"bn_input": "yes"}, "bn_input", "expected true or false"),
    ({"batch_size": 0}, "batch_size", "found 0"),
    ({"batch_size": "256"}, "batch_size", "found '256'"),
    ({"epochs": 2.5}, "epochs", "found 2.5"),
    ({"learning_rate": float("nan")}, "learning_rate", "found nan"),
    ({"learning_rate": float("inf")}, "learning_rate", "found inf"),
    ({"learning_rate": 0}, "learning_rate", "above 0"),
    ({"train_fraction": 0}, "train_fraction", "found 0"),
    ({"train_fraction": 1}, "train_fraction", "found 1"),
    ({"seed": -1}, "seed", "found -1"),
    ({"precision": "bfloat16"}, "precision", "did you mean 'mixed_bfloat16'"),
    ({"precision": "mixed_bfloat16", "widths": "128x9"}, "precision", "would be slower"),
    ({"precision": "mixed_bfloat16", "widths": "4096"}, "precision", "would be slower"),
    ({"name": ""}, "name", "found ''"),
    ({"name": "a\nb"}, "name", "printable"),
    ({"drop": 0.3}, "drop", "found 0.3 (did you mean dropout: 0.3?)"),
    ({"drop": []}, "drop", "found []"),
    ({"drop": ""}, "drop", "found ''"),
    ({"drop": "a,a"}, "drop", "each once, such as alcohol,pH; or none; found 'a,a'"),
    ({"drop": ["a", 1]}, "drop", "found ['a', 1]"),
    ({"features": '"a'}, "features", "found '\"a'"),
    ({"features": ["a\nb"]}, "features", "found ['a\\nb']"),
    ({"features": ["x" * 201]}, "features", "names of columns"),
    ({"features": "a", "drop": "b"}, "features", "expected either features or drop, found both"),
    ({"features": "a,quality"}, "features", "expected columns other than the target; found 'quality'"),
    ({"drop": "pH", "target": "pH"}, "drop", "expected columns other than the target; found 'pH'"),
    ({"group": "quality", "split": "grouped"}, "group", "expected columns other than the target"),
    ({"group": "artist"}, "group", "expected with split grouped or stratified; found 'artist'"),
    ({"group": "artist", "split": "gruoped"}, "split", "did you mean 'grouped'"),
    ({"group": 3, "split": "grouped"}, "group", "expected the name of a column, or none; found 3"),
    ({"encode": "one-hot"}, "encode", "expected none or onehot; found 'one-hot' (did you mean 'onehot'?)"),
    ({"encode": True}, "encode", "did you mean 'onehot'"),
    ({"drop_out": 0.3}, "drop_out", "unknown field (did you mean 'dropout'?)"),
]


@pytest.mark.parametrize(("values", "field", "says"), BAD)
def test_an_illegal_value_is_refused_with_field_expected_and_found(values, field, says):
    with pytest.raises(SpecError) as error:
        RunSpec.parse(values)
    (problem,) = error.value.problems
    assert problem[0] == field
    assert says in problem[1]


def test_all_problems_come_at_once():
    with pytest.raises(SpecError) as error:
        RunSpec.parse({"dropout": 2, "bn": "x", "nonsense": 1, "seed": "a"})
    assert {field for field, _ in error.value.problems} == {"dropout", "bn", "nonsense", "seed"}


def test_no_widths_are_a_linear_model_and_what_is_about_hidden_layers_has_no_effect_there():
    spellings = ["none", None, []]
    specs = [RunSpec.parse({"widths": spelling}) for spelling in spellings]
    beside = {"dropout": [0.1, 0.2], "bn": "after", "bn_momentum": 0.5, "activation": "tanh"}
    specs.append(RunSpec.parse({"widths": "none", **beside}))
    assert len({spec.signature("t") for spec in specs}) == 1
    assert {spec.label() for spec in specs} == {"linear"}
    assert specs[-1].describe().startswith("linear model, adam")
    assert specs[-1].layer_plan() == (("Dense", 1, (1, "linear")),)
    assert not specs[-1].has_dropout()
    assert not specs[-1].normalizes()
    kept = RunSpec(widths="none", bn_input=True, dropout_input=0.2, bn_momentum=0.5)
    assert [layer.kind for layer in kept.layer_plan()] == ["BatchNormalization", "Dropout", "Dense"]
    assert kept.label() == "linear-dropout_input0.2-bn_input-bn_momentum0.5"


@pytest.mark.parametrize(
    ("text", "widths"),
    [
        ("1024x3", (1024,) * 3),
        ("1024,1024,1024", (1024,) * 3),
        ("512, 64x2", (512, 64, 64)),
        (64, (64,)),
        ("8", (8,)),
    ],
)
def test_widths_may_be_written_short(text, widths):
    assert RunSpec.parse({"widths": text}).widths == widths


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("pH", ("pH",)),
        ("pH,alcohol", ("alcohol", "pH")),
        ("pH, alcohol", ("alcohol", "pH")),
        ('"a, g",pH', ("a, g", "pH")),
        ('"none"', ("none",)),
        (["a, g", " b"], (" b", "a, g")),
        ("none", None),
        (None, None),
    ],
)
def test_names_of_columns_may_be_text_or_a_list_in_any_order(given, names):
    for field in ("features", "drop"):
        spec = RunSpec.parse({field: given})
        assert getattr(spec, field) == names
        assert RunSpec.parse({field: format_value(names)}) == spec  # as it is shown


def test_choosing_columns_changes_the_signature_and_not_choosing_does_not():
    plain = RunSpec.parse({"features": "none", "drop": None, "encode": "none", "group": "none"})
    assert plain.signature("t") == RunSpec().signature("t")
    fields = [{"drop": "a"}, {"drop": "b"}, {"features": "a"}, {"encode": "onehot"}, {"split": "grouped"}]
    fields.append({"split": "grouped", "group": "a"})
    assert len({RunSpec.parse(values).signature("t") for values in [{}, *fields]}) == 7
    assert RunSpec.parse({"drop": "b,a"}).label() == "drop_a-b"
    title = RunSpec.parse(
        {"features": ["a", "b"], "split": "grouped", "group": "artist", "encode": "onehot"}
    ).describe()
    for words in ("only a and b", "grouped by artist", "one-hot encoding"):
        assert words in title


def test_two_spellings_of_one_variant_are_equal_and_share_a_signature():
    one = RunSpec.parse({"widths": "8x3", "dropout": [0.3, 0.3, 0.3], "learning_rate": 0.001})
    other = RunSpec.parse({"widths": [8, 8, 8], "dropout": "0.3"})
    assert one == other
    assert one.signature("t") == other.signature("t")
    assert RunSpec.parse({"dropout": -0.0}).signature("t") == RunSpec.parse({"dropout": 0}).signature("t")


def test_the_signature_holds_everything_but_the_name():
    plain = RunSpec()
    assert plain.signature("t") == RunSpec(name="x").signature("t")
    assert plain.signature("t") != plain.signature("u")
    others = [RunSpec(seed=1), RunSpec(epochs=99), RunSpec(target="pH"), RunSpec(patience=3)]
    assert len({spec.signature("t") for spec in [plain, *others]}) == 5
    assert plain.variant_signature("t") == RunSpec(seed=5).variant_signature("t")
    assert plain.variant_signature("t") != RunSpec(epochs=99).variant_signature("t")


@pytest.mark.parametrize(
    ("bn", "place", "order"),
    [
        ("none", "before_bn", ["Dense", "Dropout"]),
        ("none", "after_bn", ["Dense", "Dropout"]),
        ("after", "before_bn", ["Dense", "Dropout", "BatchNormalization"]),
        ("after", "after_bn", ["Dense", "BatchNormalization", "Dropout"]),
        ("before", "before_bn", ["Dense", "BatchNormalization", "Activation", "Dropout"]),
        ("before", "after_bn", ["Dense", "BatchNormalization", "Activation", "Dropout"]),
    ],
)
def test_the_layer_orders_are_the_designs(bn, place, order):
    fields = {"widths": "8,4", "dropout": 0.3, "bn": bn, "dropout_place": place}
    plan = RunSpec(**fields, bn_input=True, dropout_input=0.2).layer_plan()
    assert [kind for kind, _, _ in plan] == ["BatchNormalization", "Dropout", *order, *order, "Dense"]
    assert plan[1] == ("Dropout", 0, 0.2)
    assert plan[-1] == ("Dense", 3, (1, "linear"))
    assert RunSpec(**fields, dropout_input=0.2).layer_plan() == plan[1:]
    assert RunSpec(**fields, bn_input=True).layer_plan() == (plan[0], *plan[2:])
    dense = [setting for kind, _, setting in plan if kind == "Dense"]
    hidden = "linear" if bn == "before" else "relu"
    assert dense == [(8, hidden), (4, hidden), (1, "linear")]


def test_dropout_layers_appear_only_where_the_rate_is_above_0():
    plan = RunSpec(widths="8,8,8", dropout=[0.0, 0.5, 0.0]).layer_plan()
    assert [layer for layer in plan if layer[0] == "Dropout"] == [("Dropout", 2, 0.5)]


def test_labels_name_what_differs_from_the_defaults():
    assert RunSpec().label() == "plain"
    assert RunSpec(dropout=0.3, bn="after", seed=7).label() == "dropout0.3-bn_after"
    assert RunSpec(optimizer="sgd").label() == "optimizer_sgd"
    assert RunSpec(widths="64,32", bn_input=True, name=None).label() == "64-32-bn_input"
    assert RunSpec(name="mine", dropout=0.3).label() == "mine"
    assert RunSpec(dropout_input=0.2).label() == "dropout_input0.2"
    moved = {"bn": "after", "dropout_place": "after_bn"}
    assert RunSpec(dropout=0.3, **moved).label() == "dropout0.3-bn_after-dropout_place_after_bn"
    assert RunSpec(**moved).label() == "bn_after"


COLUMNS = st.text(min_size=1, max_size=200).filter(lambda name: name.isprintable() and name != "quality")


@given(
    widths=st.lists(st.integers(1, 65_536), min_size=1, max_size=8),
    rate=st.floats(0, 0.99),
    rest=st.fixed_dictionaries(
        {},
        optional={
            "bn": st.sampled_from(["none", "before", "after"]),
            "activation": st.sampled_from(ACTIVATIONS),
            "optimizer": st.sampled_from(list(OPTIMIZERS)),
            "learning_rate": st.floats(1e-300, 1e30),
            "name": st.text(min_size=1, max_size=200).filter(str.isprintable),
            "patience": st.none() | st.integers(0, 100),
            "seed": st.integers(0, 2**31 - 1),
            "drop": st.none() | st.lists(COLUMNS, min_size=1, max_size=4, unique=True),
        },
    ),
)
def test_a_spec_written_as_yaml_reads_back_equal(tmp_path_factory, widths, rate, rest):
    spec = RunSpec.parse({"widths": widths, "dropout": rate, **rest})
    path = Path(tmp_path_factory.getbasetemp()) / "spec.yaml"
    path.write_text(spec.to_yaml(), encoding="utf-8")
    assert read_config(path).specs == (spec,)
    assert RunSpec.parse(json.loads(json.dumps(spec.settings()))) == spec


def test_names_and_default_learning_rates_are_the_installed_keras(tensorflow):
    import inspect

    import keras

    for name, rate in OPTIMIZERS.items():
        optimizer = keras.optimizers.get(name)
        assert inspect.signature(type(optimizer)).parameters["learning_rate"].default == rate
        assert (optimizer.weight_decay or 0.0) == RunSpec(optimizer=name).weight_decay
    for name in ACTIVATIONS:
        assert callable(keras.activations.get(name))


@pytest.mark.parametrize(
    ("without", "included", "left_out"),
    [
        ((), ["sgd 0.05"], []),
        (["learning_rate"], ["sgd"], ["0.05"]),
        (["optimizer"], ["learning rate 0.05"], ["sgd"]),
        (["optimizer", "learning_rate"], ["8x1 relu"], ["sgd", "0.05"]),
        (["widths"], ["relu"], ["8x1"]),
        (["activation"], ["8x1"], ["relu"]),
    ],
)
def test_a_title_leaves_out_what_differs_between_the_variants_and_nothing_else(without, included, left_out):
    text = RunSpec(widths="8", optimizer="sgd", learning_rate=0.05).describe(without=without)
    assert all(word in text for word in included)
    assert not any(word in text for word in left_out)


def test_a_title_tells_every_setting_that_is_not_the_default():
    plain = RunSpec().describe()
    assert plain == "1024x3 relu, adam 0.001, mae, batch 256, 100 epochs, seed 0"
    for field, value, words in [
        ("split", "grouped", "split grouped"),
        ("patience", 3, "patience 3"),
        ("target", "pH", "target pH"),
        ("scale", "minmax", "minmax scaling"),
        ("bn", "before", "batch norm before the activation"),
        ("dropout_input", 0.2, "dropout 0.2 on the features"),
    ]:
        assert words in RunSpec(**{field: value}).describe()
        assert words not in plain
    moved = RunSpec(dropout=0.3, bn="after", dropout_place="after_bn").describe()
    assert "dropout 0.3, batch norm after the activation, dropout after batch norm, adam" in moved


def test_a_cosmetic_field_is_so_by_its_mark_alone():
    from wineexp.specs.run_spec import COSMETIC_FIELDS, VARIANT_FIELDS, varying

    assert {"name", "splits"} == COSMETIC_FIELDS
    assert not COSMETIC_FIELDS & set(VARIANT_FIELDS)
    named = RunSpec(name="Zoe", seed=3)
    assert named.without_seed() == RunSpec()
    assert varying([named, RunSpec()]) == []
    assert "Zoe" not in named.describe()


#: Field -> the outermost values that are legal, and the next ones that are not.
BOUNDS = {
    "bn_momentum": ([0.0, 0.9999], [-1e-9, 1.0]),
    "dropout_input": ([0.0, 0.9999], [-1e-9, 1.0]),
    "learning_rate": ([1e-300, 1e30], [0.0, 1.01e30]),
    "batch_size": ([1, 2_147_483_647], [0, 2_147_483_648]),
    "epochs": ([1, 1_000_000], [0, 1_000_001]),
    "patience": ([0, 1_000_000, None], [-1, 1_000_001]),
    "min_delta": ([0.0, 1e30], [-1e-9, 1.01e30]),
    "train_fraction": ([1e-9, 0.9999], [0.0, 1.0]),
    "split_seed": ([0, MAX_SEED], [-1, MAX_SEED + 1]),
    "seed": ([0, MAX_SEED], [-1, MAX_SEED + 1]),
    "target": (["x", "x" * 200], ["", "x" * 201]),
    "name": (["x", "x" * 200, None], ["", "x" * 201]),
}


@pytest.mark.parametrize("field", BOUNDS)
def test_a_field_is_legal_up_to_its_bounds_and_not_beyond(field):
    legal, illegal = BOUNDS[field]
    for value in legal:
        assert getattr(RunSpec.parse({field: value}), field) == value
    for value in illegal:
        with pytest.raises(SpecError, match=f"{field}: expected"):
            RunSpec.parse({field: value})


def test_parameters_by_hand_and_another_seed():
    spec = RunSpec.parse({"widths": "8", "bn": "after"})
    assert spec.parameter_count(3) == (3 * 8 + 8) + 4 * 8 + (8 + 1)
    assert (spec.with_seed(5).seed, spec.with_seed(5).bn, spec.with_seed(0)) == (5, "after", spec)
