"""History CSVs as people have them: those of Keras are written by Keras, the others by hand."""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wineexp.comparison.comparison import compare_runs
from wineexp.comparison.scale import Style
from wineexp.errors import RunError
from wineexp.page.render import render
from wineexp.runs import history_file
from wineexp.runs.curves import save
from wineexp.runs.history_file import read_history
from wineexp.runs.reader import load

NAN = math.nan


# -- by hand: what is read, and what is refused ----------------------------------------------------


@dataclass
class Read:
    """What a file's first training is read as, and what is noted."""

    epochs: list
    loss: list
    val_loss: list
    gaps: list = field(default_factory=list)
    notes: list = field(default_factory=list)


BOTH = Read([0, 1], [0.5, 0.4], [0.7, 0.6])
ALONE = Read([0, 1], [0.5, 0.4], [NAN, NAN], [0, 1], ["no val_loss in it, so loss is drawn alone"])
COUNTED = "no column epoch, so its lines count as epochs 1 to 2"
FORMS = {
    "of wineexp": ("epoch,loss,val_loss\n0,0.5,0.7\n1,0.4,0.6\n", BOTH),
    "semicolons": ("epoch;loss;val_loss\n0;0.5;0.7\n1;0.4;0.6\n", BOTH),
    "semicolons and decimal commas": ("epoch;loss;val_loss\n0;0,5;0,7\n1;4e-1;0,6\n", BOTH),
    "tabs": ("epoch\tloss\tval_loss\n0\t0.5\t0.7\n1\t0.4\t0.6\n", BOTH),
    "everything quoted": ('"epoch";"loss";"val_loss"\n"0";"0.5";"0.7"\n"1";"0.4";"0.6"\n', BOTH),
    "of a spreadsheet": ("\ufeffepoch, loss, val_loss\r\n0, 0.5, 0.7\r\n1, 0.4, 0.6\r\n\r\n,,\r\n", BOTH),
    "more columns": ('epoch,lr,loss,mae,val_loss,v\n0,much,0.5,,0.7,"""[1, 2]"""\n1,,0.4,,0.6,x\n', BOTH),
    "an index without a name": (",loss,val_loss\n0,0.5,0.7\n1,0.4,0.6\n", BOTH),
    "an index read and written again": ("Unnamed: 0,loss,val_loss\n0,0.5,0.7\n1,0.4,0.6\n", BOTH),
    "an index beside epochs": (
        ",epoch,loss,val_loss\n0,5,0.5,0.7\n1,6,0.4,0.6\n",
        Read([4, 5], [0.5, 0.4], [0.7, 0.6]),
    ),
    "no epochs": ("loss,val_loss\n0.5,0.7\n0.4,0.6\n", Read([0, 1], [0.5, 0.4], [0.7, 0.6], [], [COUNTED])),
    "from 1": ("epoch,loss,val_loss\n1,0.5,0.7\n2,0.4,0.6\n", Read([0, 1], [0.5, 0.4], [0.7, 0.6])),
    "every fifth": ("epoch,loss,val_loss\n5.0,0.5,0.7\n10.0,0.4,0.6\n", Read([4, 9], [0.5, 0.4], [0.7, 0.6])),
    "gaps": (
        "epoch,loss,val_loss\n0,0.5,NA\n1,0.4,0.6\n2,0.3,\n",
        Read([0, 1, 2], [0.5, 0.4, 0.3], [NAN, 0.6, NAN], [0, 2]),
    ),
    "a loss that is no number": (
        "epoch,loss,val_loss\n0,0.5,nan\n1,inf,NA\n",
        Read([0, 1], [0.5, math.inf], [NAN, NAN], [1]),
    ),
    "without epochs, a line of gaps": (
        "loss,val_loss\n0.5,0.7\n,\n0.4,0.6\n",
        Read([0, 1, 2], [0.5, NAN, 0.4], [0.7, NAN, 0.6], [1], [COUNTED.replace("to 2", "to 3")]),
    ),
    "no val_loss": ("epoch,loss\n0,0.5\n1,0.4\n", ALONE),
    "val_loss without a value": ("epoch,loss,val_loss\n0,0.5,NA\n1,0.4,NA\n", ALONE),
    "a loss alone": ("loss\n0.5\n0.4\n", Read([0, 1], [0.5, 0.4], [NAN, NAN], [0, 1], [COUNTED, *ALONE.notes])),
    "one epoch": ("epoch,loss,val_loss\n7,0.5,0.7\n", Read([6], [0.5], [0.7])),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), FORMS.values(), ids=FORMS)
def test_forms_that_are_read(tmp_path, text, expected):
    (found,) = read(tmp_path, text)
    assert found.history.dtypes.astype(str).to_dict() == {
        "epoch": "int64", "loss": "float64", "val_loss": "float64"
    }  # fmt: skip
    assert found.history["epoch"].tolist() == expected.epochs
    np.testing.assert_array_equal(found.history["loss"], expected.loss)
    np.testing.assert_array_equal(found.history["val_loss"], expected.val_loss)
    assert np.flatnonzero(found.gaps["val_loss"]).tolist() == expected.gaps
    assert found.gaps["loss"].tolist() == np.isnan(expected.loss).tolist()
    assert found.notes == tuple(f"{tmp_path / 'mine.csv'}: {note}" for note in expected.notes)


NO_LOSS = ":1: expected a header with a column loss or val_loss, or with actual and predicted; found "
NO_NUMBER = ":4: column 'loss': expected a number, or NA or nothing for none; found "
HEAD = "epoch,loss,val_loss\n0,0.5,0.7\n1,0.4,0.6\n"
REFUSED = {
    "nothing": ("", NO_LOSS + "none"),
    "no header": ("0,0.5,0.7\n", NO_LOSS + "0; 0.5; 0.7"),
    "another table": ("row,actual\n0,5\n", NO_LOSS + "row; actual"),
    "a name that is nearly one": ("Epoch,loss\n0,0.5\n", ":1: expected a column 'epoch', found 'Epoch'"),
    "another near one": ("epochs,loss\n0,0.5\n", ":1: expected a column 'epoch', found 'epochs': rename it"),
    "a loss nearly named": ("epoch,loss,Val Loss\n", ":1: expected a column 'val_loss', found 'Val Loss'"),
    "a column twice": ("epoch,loss,loss\n0,1,2\n", ":1: column 'loss' occurs twice in the header: leave one"),
    "no epoch": ("epoch,loss\n", ": expected losses below the header, found none"),
    "no value": ("epoch,loss\n0,NA\n", ": expected losses below the header, found none"),
    "text": (HEAD + "2,much,0.5\n", NO_NUMBER + "'much'"),
    "an underscore": (HEAD + "2,1,1_0\n", ":4: column 'val_loss': expected a number, or NA or nothing"),
    "two marks": ("epoch;loss\n0;1.000,5\n", ":2: column 'loss': expected a number, or NA or nothing"),
    "too few cells": (HEAD + "2,0.3\n", ":4: expected 3 values as in the header, found 2"),
    "other metrics": (HEAD + "2,0.3,0.3,0.5\n", ":4: expected 3 values as in the header, found 4; a training"),
    "a header in the middle": (HEAD + HEAD, ":4: found the header again; each training needs its own file"),
    "an epoch without a number": (HEAD + ",0.3,0.5\n", ":4: column 'epoch': expected a whole number"),
    "half an epoch": (HEAD + "1.5,0.3,0.5\n", ":4: column 'epoch': expected a whole number from 0 to 1,000,000"),
    "an epoch below 0": ("epoch,loss\n-1,0.3\n", ":2: column 'epoch': expected a whole number"),
    "an epoch without end": ("epoch,loss\n1e300,0.3\n", ":2: column 'epoch': expected a whole number"),
    "an index of text": (",loss\na,0.3\n", ":2: the first column: expected a whole number"),
    "an epoch twice": (HEAD + "1,0.3,0.5\n", ":4: expected an epoch after 1, found 1; leave one line"),
    "an epoch that falls": (HEAD + "2,3,4\n1,2,3\n", ":5: expected an epoch after 2, found 1; leave one line"),
    "each epoch a training": ("epoch,loss\n0,0.5\n0,0.4\n", ":3: expected an epoch after 0, found 0; leave one"),
    "too many trainings": ("epoch,loss\n" + "0,1\n1,1\n" * 101, ":202: expected at most 100 trainings"),
    "an open quote": (HEAD + '2,"0.3,0.5\n', ":4: unexpected end of data"),
    "a NUL": (HEAD + "2,\x00,0.5\n", ":4: "),
    "a hostile header": ("\x1b[31mred,\u202eno\n1,2\n", NO_LOSS + r"\x1b[31mred; \u202eno"),
    "a hostile cell": (HEAD + "2,\x1b[31m,0.5\n", NO_NUMBER + r"'\x1b[31m'"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "says"), REFUSED.values(), ids=REFUSED)
def test_forms_that_are_refused_say_where_and_what_to_do(tmp_path, text, says):
    with pytest.raises(RunError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'mine.csv'}{says}")
    assert "\n" not in str(caught.value)


def test_other_encodings_are_refused(tmp_path):
    (tmp_path / "mine.csv").write_text(HEAD, encoding="utf-16")
    with pytest.raises(RunError, match="expected a CSV file in UTF-8, found other bytes"):
        read_history(tmp_path / "mine.csv")


def test_more_epochs_than_a_spec_has_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(history_file, "MAX_EPOCHS", 3)
    with pytest.raises(RunError, match=r"mine.csv:5: expected at most 3 epochs, found more"):
        read(tmp_path, "loss\n" + "1\n" * 9)


@given(
    st.lists(st.tuples(st.none() | st.floats(), st.none() | st.floats()), min_size=1, max_size=20),
    st.integers(0, 1000),
    st.sampled_from(",;\t|"),
    st.sampled_from(["NA", "", "None"]),
)
def test_what_is_written_is_read_to_the_last_bit(tmp_path_factory, rows, first, separator, nothing):
    path = tmp_path_factory.mktemp("any") / "mine.csv"
    lines = [["epoch", "loss", "val_loss"]]
    lines += [[str(first + n), *(nothing if v is None else repr(v) for v in row)] for n, row in enumerate(rows)]
    path.write_text("".join(f"{separator.join(line)}\n" for line in lines))
    if all(value is None for row in rows for value in row):
        with pytest.raises(RunError, match="expected losses below the header, found none"):
            read_history(path)
        return
    (found,) = read_history(path)
    start = max(0, first - 1)  # those from 1 on are counted as people do
    assert found.history["epoch"].tolist() == list(range(start, start + len(rows)))
    for number, name in enumerate(("loss", "val_loss")):
        assert found.gaps[name].tolist() == [row[number] is None for row in rows]
        expected = [NAN if row[number] is None else row[number] for row in rows]
        np.testing.assert_array_equal(found.history[name], expected)


CELLS = st.sampled_from(
    ["0", "1", "5.0", "0,5", "nan", "-inf", "NA", "", '"', "\x00", "_", "x", "\u0663", "1e400"]
)


@given(st.lists(st.lists(CELLS, max_size=4), max_size=6), st.sampled_from(",;\t|"), st.binary(max_size=4))
def test_whatever_is_in_it_is_read_or_refused_in_one_line(tmp_path_factory, rows, separator, end):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    text = "".join(f"{separator.join(row)}\n" for row in [["epoch", "loss", "val_loss"], *rows])
    path.write_bytes(text.encode() + end)
    found, said = [], ""
    try:
        found = read_history(path)
    except RunError as error:
        said = str(error)
    assert found or said.startswith(f"{path}:")
    assert said.isprintable()
    assert all(len(one.history) and one.history["epoch"].is_monotonic_increasing for one in found)


def test_train_loss_is_kept_where_there_is_one(tmp_path):
    (found,) = read(tmp_path, "epoch,loss,train_loss,val_loss\n0,1,2,3\n1,1,NA,3\n")
    np.testing.assert_array_equal(found.history["train_loss"], [2, NAN])
    assert found.gaps["train_loss"].tolist() == [False, True]


def test_a_file_of_two_trainings_is_two_with_their_own_epochs(tmp_path):
    text = "epoch,loss,val_loss\n1,0.5,0.7\n2,0.4,0.6\n3,0.3,0.5\n1,0.9,NA\n2,0.8,NA\n"
    first, second = read(tmp_path, text)
    assert [one.history["epoch"].tolist() for one in (first, second)] == [[0, 1, 2], [0, 1]]
    assert second.history["loss"].tolist() == [0.9, 0.8]
    assert (first.number, second.number) == (1, 2)
    assert first.notes == second.notes
    assert "mine.csv: its epochs restart in line 5, so it is drawn as 2 trainings" in first.notes[0]
    assert first.notes[1].endswith("no val_loss in training 2, so loss is drawn alone")


def read(folder, text):
    path = folder / "mine.csv"
    path.write_bytes(text.encode())
    return read_history(path)


# -- by Keras --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fit(tensorflow):
    """Train a model of one layer; return its History."""
    import keras

    random = np.random.RandomState(0)
    x = random.uniform(size=(32, 3))
    y = x.sum(axis=1)

    def fit(path=None, *, separator=",", append=False, metrics=("mae",), valid=True, **options):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile("sgd", "mse", metrics=list(metrics))
        logger = [keras.callbacks.CSVLogger(str(path), separator=separator, append=append)] if path else []
        options = {"epochs": 3, "validation_data": (x, y) if valid else None, **options}
        return model.fit(x, y, callbacks=logger, verbose=0, **options)

    return fit


def as_trained(history, name):
    """A loss of Keras's History, at every epoch."""
    return [NAN] * len(history.epoch) if name not in history.history else history.history[name]


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("options", [{}, {"metrics": ()}, {"valid": False}, {"initial_epoch": 1}], ids=str)
def test_a_log_of_csvlogger_is_what_keras_returned(fit, tmp_path, separator, options):
    history = fit(tmp_path / "log.csv", separator=separator, **options)
    (found,) = read_history(tmp_path / "log.csv")
    begins = options.get("initial_epoch", 0)  # a log that begins later is drawn at its own numbers
    assert found.history["epoch"].tolist() == [epoch - begins for epoch in history.epoch]
    for name in ("loss", "val_loss"):
        np.testing.assert_array_equal(found.history[name], as_trained(history, name))


def test_epochs_without_validation_are_gaps(fit, tmp_path):
    history = fit(tmp_path / "log.csv", epochs=4, validation_freq=2)
    (found,) = read_history(tmp_path / "log.csv")
    assert found.gaps["val_loss"].tolist() == [True, False, True, False]
    np.testing.assert_array_equal(found.history["val_loss"][1::2], history.history["val_loss"])
    assert found.history["loss"].tolist() == history.history["loss"]


def test_a_log_appended_to_is_one_training_where_it_goes_on_and_two_where_it_begins_anew(fit, tmp_path):
    for path, begins in ((tmp_path / "on.csv", 3), (tmp_path / "anew.csv", 0)):
        fit(path, append=True)
        fit(path, append=True, initial_epoch=begins, epochs=begins + 3)
    (found,) = read_history(tmp_path / "on.csv")
    assert found.history["epoch"].tolist() == [0, 1, 2, 3, 4, 5]
    found = read_history(tmp_path / "anew.csv")
    assert [one.history["epoch"].tolist() for one in found] == [[0, 1, 2]] * 2


def test_a_log_appended_to_with_other_metrics_is_refused_at_its_line(fit, tmp_path):
    fit(tmp_path / "log.csv", append=True)
    fit(tmp_path / "log.csv", append=True, initial_epoch=3, epochs=5, metrics=())
    with pytest.raises(RunError, match=r"log.csv:5: expected 5 values as in the header, found 3"):
        read_history(tmp_path / "log.csv")


@pytest.mark.parametrize(
    "options",
    [{}, {"index": False}, {"index_label": "epoch"}, {"sep": ";", "decimal": ","}, {"na_rep": "NA"}],
    ids=str,
)
@pytest.mark.parametrize("valid", [True, False])
def test_a_history_saved_by_pandas_is_what_keras_returned(fit, tmp_path, options, valid):
    history = fit(valid=valid)
    pd.DataFrame(history.history).to_csv(tmp_path / "saved.csv", **options)
    (found,) = read_history(tmp_path / "saved.csv")
    assert found.history["epoch"].tolist() == history.epoch
    for name in ("loss", "val_loss"):
        np.testing.assert_array_equal(found.history[name], as_trained(history, name))
    assert any("no column epoch" in note for note in found.notes) == ("index" in options)


def test_a_history_saved_with_its_epochs_is_drawn_at_them(fit, tmp_path):
    history = fit(initial_epoch=5, epochs=8)
    pd.DataFrame(history.history, index=history.epoch).to_csv(tmp_path / "saved.csv")
    drawn = lines(compare_runs(load([tmp_path / "saved.csv"]), first=True).figure)
    assert drawn["saved: loss"][0].tolist() == [5, 6, 7]


# -- drawn -----------------------------------------------------------------------------------------


def compared(folder, **texts):
    """The files, compared."""
    for name, text in texts.items():
        (folder / f"{name}.csv").write_text(text)
    return compare_runs(load([folder / f"{name}.csv" for name in texts]), first=True)


def lines(fig):
    """Label -> (x, y) of what is drawn, an array each."""
    return {line.get_label(): tuple(map(np.asarray, line.get_data())) for ax in fig.axes for line in ax.lines}


def test_epochs_are_drawn_where_they_are_those_of_keras_counted_from_1(tmp_path):
    found = compared(tmp_path, a=HEAD, b="epoch,loss,val_loss\n5,0.5,0.7\n6,0.4,0.6\n9,0.3,0.5\n")
    for layout in ("overlay", "grid"):
        fig = found.draw(layout=layout)
        for column, values in (("loss", [0.5, 0.4, 0.3]), ("val_loss", [0.7, 0.6, 0.5])):
            x, y = lines(fig)[f"b: {column}"]
            assert (x.tolist(), y.tolist()) == ([5, 6, 9], values)
        assert {ax.get_xlim() for ax in fig.axes} == {(0, 9)}


def test_gaps_are_gaps_and_a_value_between_them_is_a_dot(tmp_path):
    found = compared(tmp_path, a="epoch,loss,val_loss\n0,.5,NA\n1,.4,.6\n2,.3,\n3,.2,nan\n4,.2,.3\n5,.2,.3\n")
    drawn = lines(found.figure)
    top = found.figure.axes[0].get_ylim()[1]  # where what was written and is no number is drawn
    np.testing.assert_array_equal(drawn["a: val_loss"][1], [NAN, 0.6, NAN, top, 0.3, 0.3])
    assert [part.tolist() for part in drawn["_alone"]] == [[2], [0.6]]
    smooth = lines(found.draw(Style(smooth=2)))["a: val_loss"][1]
    assert np.isnan(smooth).tolist() == [True, False, True, False, False, False]


@pytest.mark.parametrize("layout", ["overlay", "grid"])
@pytest.mark.parametrize("metric", ["both", "val_loss"])
def test_without_val_loss_the_loss_is_drawn_alone(tmp_path, layout, metric):
    found = compared(tmp_path, a="epoch,loss\n0,0.5\n1,0.4\n", b=HEAD)
    assert any("no val_loss in it, so loss is drawn alone" in note for note in found.notes)
    drawn = lines(found.draw(Style(metric), layout=layout))
    assert drawn["a: loss"][1].tolist() == [0.5, 0.4]
    assert "a: val_loss" not in drawn
    assert drawn["b: val_loss"][1].tolist() == [0.7, 0.6]


def test_a_key_stands_for_what_is_drawn(tmp_path):
    legends = compared(tmp_path, a="loss\n0.5\n0.4\n").figure.legends
    texts = [[text.get_text() for text in legend.get_texts()] for legend in legends]
    assert texts == [["a (reference)"], ["loss (training rows, during the epoch)"]]


def test_nothing_is_said_of_a_loss_that_is_not_known(tmp_path):
    (ax,) = compared(tmp_path, a=HEAD).figure.axes
    assert ax.get_ylabel() == "loss"


def test_two_trainings_are_two_variants_and_a_file_given_twice_is_read_once(tmp_path):
    (tmp_path / "a.csv").write_text(HEAD + "0,0.9,0.8\n1,0.8,0.7\n")
    found = compare_runs(load([tmp_path / "a.csv", tmp_path / "." / "a.csv"]), first=True)
    assert [variant.label for variant in found.variants] == ["a, training 1", "a, training 2"]
    assert lines(found.figure)["a, training 2: loss"][1].tolist() == [0.9, 0.8]
    assert sum("restart in line 4" in note for note in found.notes) == 1


def test_data_has_the_best_epoch_counted_from_0(tmp_path):
    found = compared(
        tmp_path, a="epoch,loss,val_loss\n5,1,NA\n6,1,0.2\n7,1,0.3\n", b="loss\n1\n", c="loss,val_loss\n1,inf\n"
    )
    assert {row["variant"]: row["best_epoch"] for row in found.rows()} == {"a": 5, "b": None, "c": None}


def test_a_page_has_the_files_epochs_and_gaps(tmp_path):
    found = compared(
        tmp_path, a="epoch,loss,val_loss\n5,1,0.4\n6,1,NA\n7,1,0.3\n8,1,NA\n", b="epoch,loss\n0,1\n1,2\n"
    )
    page = render(found)
    assert '"epochs": [5, 6, 7, 8]' in page
    assert '"val_loss": [0.4, null, 0.3, null]' in page
    assert "“a” ends at 0.300; “b” has none" in page
    table = re.sub(r" class=\"\w+\"|</?span[^>]*>", "", page[page.index("The numbers of this chart") :])
    assert "epoch 5</th>" in table
    assert "<td>a</td><td>0.4000</td><td>0.3000</td>" in table
    assert "<td>b</td><td></td><td></td>" in table


def test_the_command_reads_them_and_tells_its_notes(cli, tmp_path):
    (tmp_path / "mine.csv").write_text("loss;mae\n0,5;1\n0,4;1\n")
    code, out, err = cli("compare", tmp_path / "mine.csv", "-o", tmp_path / "x.png")
    assert code == 0
    assert "mine" in out
    assert "note: " in err
    assert "mine.csv: no column epoch, so its lines count as epochs 1 to 2" in err
    assert pd.read_csv(
        io.StringIO(cli("compare", tmp_path / "mine.csv", "--csv", "-o", tmp_path / "x.png")[1])
    ).shape[0]


def test_they_are_saved_in_every_form(tmp_path):
    found = compared(tmp_path, a="loss\n0.5\n", b="epoch,val_loss\n3,NA\n4,0.5\n")
    for form in ("png", "svg", "pdf"):
        assert len(save(found.figure, form)) > 1000
