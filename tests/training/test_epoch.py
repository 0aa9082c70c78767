"""An epoch: the calls it is split into, and what XLA makes of it against TensorFlow's own graph."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fits import data, train

from wineexp.specs.run_spec import RunSpec

pytestmark = pytest.mark.usefixtures("tensorflow")


@given(
    parameters=st.integers(1, 10**9),
    train=st.integers(2, 10**4),
    valid=st.integers(2, 10**4),
    batch_size=st.integers(1, 10**4),
    masked=st.integers(0, 10**6),
    eval_train=st.booleans(),
)
def test_the_calls_of_an_epoch_cover_every_row_once_in_whole_batches(
    parameters, train, valid, batch_size, masked, eval_train
):
    from wineexp.training.epoch import INFERENCE_ROWS, OPERATIONS_PER_CALL, epoch_calls

    tables = [train, valid, train] if eval_train else [train, valid]
    parts = epoch_calls(parameters, train, tables[1:], batch_size, masked)
    for table, rows in enumerate(tables):
        ranges = [part[table] for part in parts if part[table][0] < part[table][1]]
        assert [start for start, _ in ranges] == [0, *(stop for _, stop in ranges[:-1])]
        assert ranges[-1][1] == rows
    assert all(part[0][0] % batch_size == 0 for part in parts)
    begun = [min(number for number, part in enumerate(parts) if part[table][1]) for table in range(len(tables))]
    assert begun == sorted(begun), "trained before it is evaluated"

    def within(operations, values):
        return operations <= OPERATIONS_PER_CALL and 4 * values <= 2**26  # bytes of random bits: 64 MB

    whole = parameters * (6 * train + 2 * sum(tables[1:]))
    assert (len(parts) == 1) == within(whole, train * masked)
    if len(parts) == 1:
        return
    chunk = max(batch_size, INFERENCE_ROWS)
    for table, (step, operations, values) in enumerate(
        [(batch_size, 6, masked), *((chunk, 2, 0) for _ in tables[1:])]
    ):
        counts = [part[table][1] - part[table][0] for part in parts if part[table][1]]
        assert all(count % step == 0 for count in counts[:-1])
        assert all(count <= step or within(operations * parameters * count, values * count) for count in counts), (
            "no more than is allowed, or one batch"
        )
        assert not any(
            within(operations * parameters * (count + step), values * (count + step)) for count in counts[:-1]
        ), "no fewer than could be"


def test_an_epoch_split_into_several_calls_gives_the_same_numbers(monkeypatch):
    from wineexp.training import epoch

    whole, fitted = train(epochs=3, dropout=0.3, eval_train=True)
    monkeypatch.setattr(epoch, "OPERATIONS_PER_CALL", 1)
    parted, fitted_in_parts = train(epochs=3, dropout=0.3, eval_train=True)
    for column in ("loss", "val_loss", "train_loss"):
        assert fitted_in_parts.history[column] == pytest.approx(fitted.history[column], rel=1e-12)
    for a, b in zip(whole.get_weights(), parted.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


#: Rows of training and validation: whole batches of 20 and a rest, whole batches alone, less than one.
ROWS = [(90, 40), (40, 60), (7, 3)]


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("calls", ["one call", "several calls"])
def test_xla_gives_the_numbers_of_tensorflows_own_graph(monkeypatch, rows, calls):
    """Whatever the batches; masks and order are the same, so the losses are, to rounding."""
    from wineexp.training import epoch, trainer
    from wineexp.training.model import build_model, build_optimizer

    if calls == "several calls":
        monkeypatch.setattr(epoch, "OPERATIONS_PER_CALL", 1)
    monkeypatch.setattr(epoch, "INFERENCE_ROWS", 20)
    histories, weights = [], []
    for xla in (False, True):
        spec = RunSpec.parse({"widths": "16,8", "dropout": 0.3, "bn": "after", "bn_input": True})
        model = build_model(spec, 5)
        settings = epoch.EpochSettings("huber", 20, xla=xla)
        trained = trainer.Trainer(model, build_optimizer("adam", 0.001), settings, data(rows[0]), data(rows[1], 1))
        fitted = trained.fit(epochs=3, order=trainer.shuffled(rows[0], 3))
        assert fitted.compiler == ("XLA" if xla else "TensorFlow")
        histories.append([*fitted.history["loss"], *fitted.history["val_loss"]])
        weights.append(model.get_weights())
        trained.close()
    np.testing.assert_allclose(histories[1], histories[0], rtol=1e-4)
    for graph, compiled in zip(*weights, strict=True):
        np.testing.assert_allclose(compiled, graph, rtol=1e-3, atol=1e-4)


def test_epochs_of_one_number_train_beside_each_other_and_one_after_the_other():
    """The number names TensorFlow's functions, of which no two may have one name."""
    from tensorflow.python.framework import ops

    from wineexp.training import epoch, trainer
    from wineexp.training.model import build_model, build_optimizer

    own = ops.uid

    def begun(optimizer):
        model = build_model(RunSpec.parse({"widths": "4", "dropout": 0.3}), 5)
        rate = build_optimizer(optimizer, 0.01)
        settings = epoch.EpochSettings("mae", 32, xla=True, number=7 * 10**6)
        return trainer.Trainer(model, rate, settings, data(), data(40, 1))

    def history(one):
        return one.fit(epochs=2, order=trainer.shuffled(90, 0)).history

    beside = begun("adam"), begun("adam"), begun("sgd")
    first, second, third = map(history, beside)
    assert first == second != third
    for one in beside:
        one.close()
    after = begun("sgd")
    assert history(after) == third
    after.close()
    assert not epoch._NUMBERS
    assert ops.uid is own


def test_xla_alone_gets_the_short_last_batch_as_a_second_body():
    """It must know every shape; TensorFlow's own graph would take longer to build."""
    from wineexp.training.epoch import EpochSettings
    from wineexp.training.model import build_model, build_optimizer
    from wineexp.training.trainer import Trainer, shuffled

    bodies = {}
    for xla in (False, True):
        model = build_model(RunSpec(widths="4"), 5)
        trainer = Trainer(
            model, build_optimizer("adam", 0.01), EpochSettings("mae", 20, xla=xla), data(), data(40, 1)
        )
        trainer.fit(epochs=1, order=shuffled(90, 0))
        bodies[xla] = len(trainer._epoch._graphs)
        trainer.close()
    assert bodies == {False: 1 + 1, True: 2 + 1}, "of training, and of 40 rows to validate at once"


#: Operations that TensorFlow translates for XLA by a pipeline of compiler passes each, 4 ms (``operations``).
SLOW_TO_TRANSLATE = {"Relu", "ReluGrad", "BiasAddGrad", "Abs", "Sign", "Sqrt", "Exp", "IsNan", "Reciprocal"}


def nodes_of(graph):
    """The nodes of a graph and of each of its functions."""
    return [graph.node, *(function.node_def for function in graph.library.function)]


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("loss", ["mae", "mse", "huber"])
def test_xla_gets_no_branches_of_a_single_call_and_what_it_translates_quickly(loss, rows):
    from wineexp.training.epoch import EpochSettings
    from wineexp.training.model import build_model, build_optimizer
    from wineexp.training.trainer import Trainer

    model = build_model(RunSpec.parse({"widths": "4,4", "dropout": 0.3, "bn": "after"}), 5)
    rate = build_optimizer("adam", 0.01)
    trainer = Trainer(model, rate, EpochSettings(loss, 20, xla=True), data(rows[0]), data(rows[1], 1))
    graph = trainer._epoch._compile(trainer._table).graph.as_graph_def()
    kinds = {node.op for nodes in nodes_of(graph) for node in nodes}
    trainer.close()
    assert {"MatMul", "ResourceApplyAdam"} <= kinds
    assert not kinds & (SLOW_TO_TRANSLATE | {"If", "StatelessIf"})
