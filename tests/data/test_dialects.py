"""CSV as people have it: what is read and what is refused, and every dialect of one table is that table."""

from __future__ import annotations

import csv
import gzip
import io
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wineexp.data.cells import open_csv
from wineexp.data.csv_source import LITTLE
from wineexp.data.dialect import NUMBER
from wineexp.data.sources import find_table
from wineexp.data.table import fingerprint, read_table
from wineexp.errors import DataError

TWO = {"a": [1.5, 3.0], "b": [2.0, 4.0]}
COMMAS = ": numbers have decimal commas: 7,5 is read as 7.5"
UNNAMED = ": dropped 1 unnamed empty column"

#: What it is -> the file, the columns that are read, what is noted (behind the file's name).
READ = {
    "commas": ("a,b\n1.5,2\n3,4\n", TWO, ()),
    "semicolons": ("a;b\n1.5;2\n3;4\n", TWO, ()),
    "tabs": ("a\tb\n1.5\t2\n3\t4\n", TWO, ()),
    "bars": ("a|b\n1.5|2\n3|4\n", TWO, ()),
    "a spreadsheet's hint": ("sep=|\na|b\n1.5|2\n3|4\n", TWO, ()),
    "lines of Windows": ("a,b\r\n1.5,2\r\n3,4\r\n", TWO, ()),
    "lines of old Macs": ("a,b\r1.5,2\r3,4\r", TWO, ()),
    "no end of the last line": ("a,b\n1.5,2\n3,4", TWO, ()),
    "a byte-order mark": ("\ufeffa,b\n1.5,2\n3,4\n", TWO, ()),
    "everything quoted": ('"a","b"\n"1.5","2"\n"3","4"\n', TWO, ()),
    "spaces around numbers": ("a,b\n 1.5 , 2\n3 ,4\n", TWO, ()),
    "a no-break space before a number": ("a,b\n\xa01.5,2\n3,4\n", TWO, ()),
    "signs, exponents, bare points": ("a,b\n+1.5,.2e1\n3.,4E+0\n", TWO, ()),
    "leading zeros": ("a,b\n01.50,002\n3,4\n", TWO, ()),
    "decimal commas": ("a;b\n1,5;2\n3;4\n", TWO, (COMMAS,)),
    "decimal commas and tabs": ("a\tb\n1,5\t2\n3,0\t4,00\n", TWO, (COMMAS,)),
    "quoted decimal commas": ('a,b\n"1,5","2"\n"3","4"\n', TWO, (COMMAS,)),
    "decimal commas that could be thousands, but one": ("a;b\n1,500;2\n3;4,0\n", TWO, (COMMAS,)),
    "decimal commas far below": (
        "a;b\n" + "1;2\n" * 50 + "1,5;2\n",
        {"a": [1.0] * 50 + [1.5], "b": [2.0] * 51},
        (COMMAS,),
    ),
    "gzip": (gzip.compress(b"a,b\n1.5,2\n3,4\n"), TWO, ()),
    "a name with a line break": ('"a\n(g)",b\n1.5,2\n', {"a\n(g)": [1.5], "b": [2.0]}, ()),
    "a name with a separator": ('"a, g";b\n1.5;2\n', {"a, g": [1.5], "b": [2.0]}, ()),
    "names with more of another separator": (
        "a, g, l;b, g, l\n1,5;2\n",
        {"a, g, l": [1.5], "b, g, l": [2.0]},
        (COMMAS,),
    ),
    "a name with a quote": ('"a ""g""",b\n1.5,2\n', {'a "g"': [1.5], "b": [2.0]}, ()),
    "names of other scripts": ("größe,密度\n1.5,2\n", {"größe": [1.5], "密度": [2.0]}, ()),
    "one column": ("a\n1.5\n3\n", {"a": [1.5, 3.0]}, ()),
    "empty lines": ("a,b\n\n1.5,2\n\n3,4\n\n", TWO, (": dropped 3 empty lines",)),
    "a line of spaces": ("a,b\n1.5,2\n  \n3,4\n", TWO, (": dropped 1 empty line",)),
    "lines of separators": (";\na;b\n1.5;2\n;\n3;4\n;;;\n", TWO, (": dropped 2 empty lines",)),
    "separators at the end of lines": ("a;b;\n1.5;2;\n3;4;\n", TWO, (UNNAMED,)),
    "separators at the end of some": ("a,b\n1.5,2\n3,4,,\n", TWO, (": dropped 2 unnamed empty columns",)),
    "an empty column": ("a,x,b\n1.5,,2\n3,,4\n", TWO, (": dropped empty column: 'x'",)),
    "an empty column at the end": ("a,b,x\n1.5,2,\n3,4,\n", TWO, (": dropped empty column: 'x'",)),
    "an index of pandas": (
        ",a\n0,5\n1,5\n2,7\n",
        {"a": [5.0, 5.0, 7.0]},
        (": dropped an unnamed column of row numbers",),
    ),
    "an index with a name": (
        "id,a\n1,5\n2,5\n3,7\n",
        {"id": [1.0, 2.0, 3.0], "a": [5.0, 5.0, 7.0]},
        (),
    ),
    "whole numbers of more than 64 bits": (
        "a,b\n20000000000000000000,2\n-1,4\n",
        {"a": [2e19, -1.0], "b": [2.0, 4.0]},
        (),
    ),
}

#: What it is -> the file, and what is said behind its name.
REFUSED = {
    "both decimal marks": (
        "a;b\n1;2,5\n3;4.5\n",
        ":3: column 'b': expected one decimal mark in the whole file, found '4.5'",
    ),
    "the other one later": (
        "a;b\n1.5;2\n\n3;4,5\n",
        ":4: column 'b': expected one decimal mark in the whole file, found '4,5'",
    ),
    "what may be thousands": (
        'a,b\n1,"1,234"\n',
        ":2: column 'b': expected a number, found '1,234', which is 1.234 or 1234",
    ),
    "thousands by points": ("a;b\n1.234,5;2\n", ":2: column 'a': expected a number, found '1.234,5'"),
    "thousands by spaces": ("a;b\n1;2\n3;1\xa0000\n", ":3: column 'b': expected a number, found '1\\xa0000'"),
    "a unit": ("a,b\n1,2 %\n", ":2: column 'b': expected a number, found '2 %'"),
    "digits of another script": ("a,b\n١,2\n", ":2: column 'a': expected a number, found '١'"),
    "another minus": ("a,b\n−1,2\n", ":2: column 'a': expected a number, found '−1'"),
    "a byte 0": ("a,b\n1\x002,3\n", ":2: column 'a': expected a number, found '1\\x002'"),
    "a number below a name with a line break": (
        '"a\nb",c\n1,2\n3,x\n',
        ":4: column 'c': expected a number, found 'x'",
    ),
    "a value in some rows alone": ("a,x,b\n1,,2\n3,5,4\n", ":2: column 'x': expected a number, found nothing"),
    "more values in a row": ("a,b\n1,2\n3,4,5\n", ":3: expected 2 values, found 3"),
    "more values below empty ones": ("a,b\n1,2,\n3,4,5\n", ":3: expected 2 values, found 3"),
    "the last row cut short": ("a,b\n1,2\n3", ":3: expected 2 values, found 1"),
    "the last name, and no values": ("a,b\n1\n3\n", ":2: expected 2 values, found 1"),
    "no name for values": (
        "a,,b\n1,7,2\n",
        ":1: expected a name for every column, found an empty one for column 2",
    ),
    "a remark": (
        "# made by R\na,b\n1,2\n3,4\n",
        ":1: expected a header with column names, found a comment: # made by R;",
    ),
    "a remark with quotes and commas": (
        '# "wine" data, of R\n"a","b","c"\n1,2,3\n',
        ':1: expected a header with column names, found a comment: # "wine" data, of R; remove',
    ),
    "a header of R's": ('"a","b"\n"1",2,3\n"2",3,4\n', ":1: expected a name for each of 3 columns, found 2, as R"),
    "R's separator": (
        '"a" "b"\n"1" 2.5 3\n"2" 3.5 4\n',
        ":2: expected a row of a CSV: ',' expected after '\"'; read with ',' between cells; --sep",
    ),
    "a quote that never ends": ('a,b\n1,"2\n3,4\n', ":2: expected a row of a CSV: unexpected end of data"),
    "a name that never ends": ('a,"b\n1,2\n', ":1: expected a header with column names: unexpected end of data"),
    "a header of decimal commas": (
        "1,5;2\n3;4\n",
        ":1: expected a header with column names, found numbers: 1,5;2",
    ),
    "spaces as separators": ("a b\n1 2\n", ":2: column 'a b': expected a number, found '1 2'"),
    "empty lines alone": ("a,b\n,\n\n", ": expected rows of numbers below the header, found none"),
    "Latin-1": (
        "a,b\n1,2\n3,\xe9\n".encode("latin-1"),
        ": expected a CSV file in UTF-8, found other bytes in line 3",
    ),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), ": expected a CSV file in UTF-8, found other bytes in line 1"),
    "gzip cut short": (gzip.compress(b"a,b\n1,2\n")[:-9], ": expected a whole gzip file, found a damaged one"),
    "no gzip behind its first bytes": (b"\x1f\x8b and more", ": expected a whole gzip file, found a damaged one"),
}


def write(folder, content):
    path = folder / "mine.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(("content", "columns", "notes"), READ.values(), ids=READ)
def test_what_is_read(tmp_path, content, columns, notes):
    path = write(tmp_path, content)
    table = read_table(path)
    pd.testing.assert_frame_equal(table.frame, pd.DataFrame(columns))
    assert table.notes == tuple(f"{path}{note}" for note in notes)


@pytest.mark.parametrize(("content", "says"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_with_its_place(tmp_path, content, says):
    path = write(tmp_path, content)
    with pytest.raises(DataError) as caught:
        read_table(path).check_numbers()
    assert str(caught.value).startswith(f"{path}{says}")
    assert len(str(caught.value).splitlines()) == 1


def test_separators_at_the_end_of_a_row_far_below_are_noted(tmp_path):
    path = write(tmp_path, "a,b\n" + "1,2\n" * 300 + "1,2,,\n")
    assert read_table(path).notes == (f"{path}: dropped 2 unnamed empty columns",)


@pytest.mark.parametrize("sep", ["tab", "\t", "\\t"])
def test_a_separator_can_be_named(tmp_path, sep):
    path = write(tmp_path, "a;x\tb\n1\t2\n")
    assert list(read_table(path, sep=sep).frame) == ["a;x", "b"]
    with pytest.raises(DataError, match=r":1: .* found numbers|:2: expected 1 values|column 'a"):
        read_table(path, sep=":").check_numbers()


@pytest.mark.parametrize("sep", ["", ";;", "5", ".", '"', "-", "\n", "é", "x"])
def test_what_is_no_separator_is_refused(tmp_path, sep):
    with pytest.raises(DataError, match="sep: expected one character that cannot be in a number"):
        read_table(write(tmp_path, "a,b\n1,2\n"), sep=sep)


@pytest.mark.parametrize("data", [None, "simulated", "red-wine", pd.DataFrame({"a": [1.0]})])
def test_a_separator_needs_a_file(data):
    with pytest.raises(DataError, match="sep: expected with"):
        find_table(data, stand_in=True, sep=";")


def test_what_a_gzip_file_unpacks_to_is_bounded(tmp_path):
    """By what no packed table of numbers needs: a hundred times its own size, where that is much."""
    rows = b"a,b\n" + b"1,2\n" * (LITTLE // 4 - 1)
    assert len(read_table(write(tmp_path, gzip.compress(rows, 1))).frame) == LITTLE // 4 - 1
    path = write(tmp_path, gzip.compress(rows + b"1,2\n", 1))
    with pytest.raises(DataError, match=r"expected at most 16,777,216 bytes in a gzip file of .* found more"):
        read_table(path)
    random = np.random.default_rng(0).integers(0, 10**9, 2_000_000).astype(str)
    packed = gzip.compress("\n".join(["a", *random]).encode(), 1)
    assert len(read_table(write(tmp_path, packed)).frame) == 2_000_000


def test_an_empty_target_is_named(cli, tmp_path):
    path = write(tmp_path, "a,b,quality\n1,2,\n3,4,\n")
    code, _, err = cli("train", "--data", path, "--dry-run")
    assert (code, err) == (2, f"wineexp: {path}: column 'quality': expected numbers, found nothing in every row\n")


def test_notes_are_told_before_training_and_by_data(cli, tmp_path):
    rows = "".join(f"{n};{n % 7},5;{n % 5}\n" for n in range(20))
    path = write(tmp_path, f"id;a;quality\n{rows}")
    told = [
        f"note: {path}{COMMAS}\n",
        f"note: {path}: column 'id' numbers the rows; if it is an index, leave it out with --drop id\n",
    ]
    (tmp_path / "c.yaml").write_text("widths: 8\nepochs: 1\n")
    for command in (["train", "--dry-run"], ["batch", tmp_path / "c.yaml", "--dry-run"], ["data"]):
        code, _, err = cli(*command, "--data", path)
        assert code == 0
        assert [err.count(one) for one in told] == [1, 1], err
    _, out, _ = cli("data", "--data", path, "--json")
    assert len(json.loads(out)["notes"]) == 2


#: Anything that a name may be; a header is a line of CSV like any other.
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8).filter(
    lambda name: name.strip() and not NUMBER.fullmatch(name.strip()) and not name.startswith("\ufeff")
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32) | st.integers(-(2**70), 2**70).map(float)


@st.composite
def tables(draw):
    """A table, and a way to write it."""
    names = draw(st.lists(NAMES, min_size=2, max_size=4, unique=True))
    rows = draw(st.integers(1, 6))
    frame = pd.DataFrame({name: draw(st.lists(NUMBERS, min_size=rows, max_size=rows)) for name in names})
    return frame, {
        "separator": draw(st.sampled_from(",;\t|")),
        "decimal": draw(st.sampled_from(".,")),
        "end": draw(st.sampled_from(["\n", "\r\n", "\r"])),
        "quoting": draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        "mark": draw(st.sampled_from(["", "\ufeff"])),
        "trailing": draw(st.integers(0, 2)),
        "empty": draw(st.sampled_from([None, "", "separators"])),
        "space": draw(st.sampled_from(["", " ", "\xa0"])),
        "packed": draw(st.booleans()),
    }


def written(frame, separator, decimal, end, quoting, mark, trailing, empty, space, packed):
    """The table as that dialect has it; no number is written as one that could be thousands."""
    if set("".join(frame)) & {"\r", "\n"}:  # Python's writer leaves one unquoted that does not end its own lines
        quoting = csv.QUOTE_ALL
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=separator, lineterminator=end, quoting=quoting)
    writer.writerow([*frame, *[""] * trailing])
    for number, row in enumerate(frame.itertuples(index=False)):
        if empty is not None and number == len(frame) // 2:
            stream.write((separator * (len(frame.columns) - 1) if empty else "") + end)
        texts = [f"{value:.1f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.17e}" for value in row]
        cells = [space + text.replace(".", decimal) for text in texts]
        writer.writerow([*cells, *[""] * trailing])
    content = (mark + stream.getvalue()).encode()
    return gzip.compress(content) if packed else content


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=tables())
def test_every_dialect_of_a_table_is_that_table(tmp_path_factory, drawn):
    frame, dialect = drawn
    folder = tmp_path_factory.getbasetemp()
    plain = folder / "plain.csv"
    plain.write_bytes(written(frame, ",", ".", "\n", csv.QUOTE_MINIMAL, "", 0, None, "", False))
    path = folder / "dialect.csv"
    path.write_bytes(written(frame, **dialect))
    expected, found = read_table(plain), read_table(path)
    pd.testing.assert_frame_equal(found.frame, expected.frame)
    assert found.fingerprint == expected.fingerprint == fingerprint(expected.frame)
    np.testing.assert_allclose(expected.frame.to_numpy(), frame.to_numpy(), rtol=1e-15)
    for only in (list(frame)[:1], list(frame)[::-1]):
        cells = open_csv(path).read(only)
        pd.testing.assert_frame_equal(cells.numbers, expected.frame[[name for name in frame if name in only]])


def test_text_is_kept_up_to_what_memory_holds(tmp_path, monkeypatch):
    from wineexp.data import rewriting

    path = write(tmp_path, "a,b,c\n" + "x,1,y\n" * 60)
    assert len(read_table(path).frame) == 60
    for bound, value in (("MAX_CELLS", 119), ("MAX_TEXT", 117)):  # 2 columns of 60 rows, the first row not counted
        with monkeypatch.context() as patch:
            patch.setattr(rewriting, bound, value)
            with pytest.raises(
                DataError, match=r"mine.csv:2: column 'a': expected a number, found 'x'; more than"
            ):
                read_table(path)


def test_a_header_that_begins_with_a_hash_is_one(tmp_path):
    """As ``numpy.savetxt`` writes it."""
    (tmp_path / "t.csv").write_text("# a,quality\n1,2\n3,4\n")
    assert list(read_table(tmp_path / "t.csv").frame.columns) == ["# a", "quality"]
