"""Laws that hold for any spec, any config, any record, any table and any picture (Hypothesis)."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.batches import train

from wineexp.data.table import Table, read_table
from wineexp.errors import DataError, RunError
from wineexp.runs.picture import read_png
from wineexp.runs.record import Record
from wineexp.specs.config import Config, read_mapping
from wineexp.specs.keras_names import ACTIVATIONS, OPTIMIZERS
from wineexp.specs.run_spec import RunSpec
from wineexp.specs.yaml_lines import read_yaml

FULL = os.environ.get("WINEEXP_FAULTS") == "full"
MANY = settings(max_examples=5000 if FULL else 150, deadline=None, suppress_health_check=list(HealthCheck))


def _no_none(name):
    """A name that flags can give: ``--name none`` stands for none."""
    return name.isprintable() and name.strip().lower() not in ("none", "null", "")


WIDTHS = st.lists(st.integers(1, 64), min_size=1, max_size=4)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "widths": WIDTHS,
        "activation": st.sampled_from(ACTIVATIONS),
        "dropout": st.floats(0, 0.99),
        "dropout_input": st.floats(0, 0.99),
        "bn": st.sampled_from(["none", "before", "after"]),
        "dropout_place": st.sampled_from(["before_bn", "after_bn"]),
        "bn_input": st.booleans(),
        "bn_momentum": st.floats(0, 0.999),
        "optimizer": st.sampled_from(list(OPTIMIZERS)),
        "learning_rate": st.floats(1e-6, 1e3),
        "loss": st.sampled_from(["mae", "mse", "huber"]),
        "batch_size": st.integers(1, 4096),
        "epochs": st.integers(1, 10**6),
        "patience": st.none() | st.integers(0, 1000),
        "min_delta": st.floats(0, 1e3),
        "restore_best": st.booleans(),
        "scale": st.sampled_from(["none", "standard", "minmax"]),
        "train_fraction": st.floats(0.1, 0.9),
        "test_fraction": st.sampled_from([0.0, 0.05]),
        "split_seed": st.integers(0, 2**31 - 1),
        "split": st.sampled_from(["random", "grouped"]),
        "seed": st.integers(0, 2**31 - 1),
        "name": st.text(min_size=1, max_size=20).filter(_no_none),
    },
)


def flags(fields):
    """The flags of ``wineexp train`` that say the same."""
    for name, value in fields.items():
        flag = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            yield flag if value else f"--no-{flag[2:]}"
        elif value is not None:
            text = ",".join(map(str, value)) if isinstance(value, list) else repr(value)
            yield f"{flag}={value if isinstance(value, str) else text}"


@MANY
@given(FIELDS)
def test_flags_yaml_and_json_say_the_same_spec(fields):
    from wineexp.cli.commands.train import command
    from wineexp.cli.options import given as given_fields

    spec = RunSpec.parse(fields)
    (by_mapping,) = read_mapping({"runs": [fields]}).specs
    assert by_mapping == spec
    assert RunSpec.parse(json.loads(json.dumps(spec.settings()))) == spec
    problems: list[str] = []
    by_yaml = read_yaml(spec.to_yaml().encode(), lambda line, text: problems.append(text))
    assert problems == []
    assert RunSpec.parse(by_yaml.plain()) == spec
    context = command.make_context("train", list(flags(fields)))
    by_flags = {name: value for name, value in context.params.items() if name in RunSpec.model_fields}
    with context:
        assert RunSpec.parse(given_fields(by_flags)) == spec


@MANY
@given(FIELDS, st.integers(0, 2**31 - 1), st.text(min_size=1, max_size=9).filter(str.isprintable))
def test_a_signature_is_of_what_decides_the_result(fields, seed, name):
    spec = RunSpec.parse(fields)
    assert RunSpec.parse(spec.settings()).signature("f") == spec.signature("f")
    assert RunSpec.parse({**fields, "name": name}).signature("f") == spec.signature("f")
    assert spec.with_seed(seed).variant_signature("f") == spec.variant_signature("f")
    assert (spec.with_seed(seed).signature("f") == spec.signature("f")) == (seed == spec.seed)
    assert spec.signature("g") != spec.signature("f")


@settings(max_examples=300 if FULL else 25, deadline=None, suppress_health_check=list(HealthCheck))
@given(FIELDS)
def test_keras_builds_every_plan_with_the_shapes_it_tells(fields):
    from wineexp import runtime

    runtime.load(1)
    from wineexp.training.model import build_model

    spec = RunSpec.parse(fields)
    kinds = [layer.kind for layer in spec.layer_plan()]
    assert kinds.count("Dense") == len(spec.widths) + 1
    assert kinds.count("Dropout") == sum(rate > 0 for rate in (spec.dropout_input, *spec.rates()))
    normalized = 0 if spec.bn == "none" else len(spec.widths)
    assert kinds.count("BatchNormalization") == normalized + spec.bn_input
    model = build_model(spec, 3)
    assert [type(layer).__name__ for layer in model.layers] == kinds
    assert model.count_params() == spec.parameter_count(3)
    assert [size.width for size in spec.layer_sizes(3)] == [layer.output.shape[1] for layer in model.layers]


YAML = st.lists(
    st.sampled_from([*"abx-:,[]{}&*!|>'\"#\n\t \\0123.~%@`?=", "runs: ", "seeds: ", "grid: ", "\n  - "])
).map("".join)


@MANY
@given(YAML | st.text())
@example("&a [*a]")
@example("runs: [&a {<<: *a}]")
@example("seeds: 1e9999")
@example("!!python/object/apply:os.system ['true']")
def test_any_text_is_a_config_or_problems_with_their_place(text):
    problems = []
    read_yaml(text.encode("utf-8", "surrogatepass"), lambda line, told: problems.append((line, told)))
    for line, told in problems:
        assert line is None or 1 <= line <= text.count("\n") + text.count("\r") + 2
        assert told


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@MANY
@given(st.dictionaries(st.sampled_from(["name", "defaults", "seeds", "runs", "grid", "widths"]), JSONS))
def test_any_mapping_is_a_study_or_an_error(values):
    from wineexp.errors import ConfigError

    try:
        assert isinstance(read_mapping(values), Config)
    except ConfigError as error:
        assert error.problems  # noqa: PT017 - either outcome is right


@pytest.fixture(scope="module")
def finished(small_table, tmp_path_factory, tensorflow):
    spec = RunSpec.parse({"widths": "4", "epochs": 2, "batch_size": 32})
    (run,) = train([spec], small_table, tmp_path_factory.mktemp("fuzz"))
    return run


def paths(value, above=()):
    yield above
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*above, key))


@MANY
@given(st.data())
def test_any_edit_of_a_record_is_a_record_or_one_line(finished, data):
    record = json.loads((finished.path / "run.json").read_text())
    place = data.draw(st.sampled_from(list(paths(record))))
    value = data.draw(JSONS)
    if place:
        holder = record
        for key in place[:-1]:
            holder = holder[key]
        holder[place[-1]] = value
    else:
        record = value
    try:
        assert isinstance(Record.from_json(json.dumps(record), finished.path / "run.json"), Record)
    except RunError as error:
        assert str(error).startswith(str(finished.path))  # noqa: PT017


@MANY
@given(
    content=st.binary(max_size=400)
    | st.text(alphabet="abc,;.\n\r\"'0123456789-+eE_ ", max_size=400).map(str.encode)
)
@example(content=b"a,b\n1,2\n\n")
@example(content=b'a,"b\n1,2\n')
@example(content=b"a,b\r1,2\r")
def test_any_bytes_are_a_table_or_one_line(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzz.csv"
    path.write_bytes(content)
    try:
        table = read_table(path)
    except DataError as error:
        assert str(error).startswith(str(path))  # noqa: PT017
    else:
        assert isinstance(table, Table)
        assert len(table.frame)
        assert len(table.fingerprint) == 64
        for name in table.frame:
            if name not in table.faults:
                assert table.frame[name].dtype == "float64"
                continue
            assert all(isinstance(cell, str) for cell in table.frame[name])
            assert str(path) in table.place(len(table.frame) - 1)
            with pytest.raises(DataError) as caught:
                table.check_numbers([name])
            assert str(caught.value).startswith(f"{path}:")


@MANY
@given(data=st.data())
def test_any_change_of_a_picture_is_read_or_one_line(finished, data, tmp_path_factory):
    content = bytearray((finished.path / "curves.png").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        # most of it is pixels, which are not read: aim at the head and the text
        content[data.draw(st.integers(0, 2500))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "fuzz.png"
    path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]))
    try:
        assert len(read_png(path)[1]) >= 0
    except RunError as error:
        assert "fuzz.png" in str(error)  # noqa: PT017
