"""Rows of cells with their lines, as tables, histories and number tables read them."""

from __future__ import annotations

import io

import pytest

from wineexp.data.csv_source import MAX_LINE, RowError, check_lines, read_rows

CELLS = [["a", "b"], [], ["1\n2", "3"], ["4", "5"]]


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("above", [0, 7])
def test_a_row_has_its_first_line_and_its_last(end, above):
    text = io.StringIO(f'a;b{end}{end}"1\n2";3{end}4;5', newline="")
    first, last, cells = zip(*read_rows(text, ";", above=above), strict=True)
    assert list(cells) == CELLS
    assert [line - above for line in first] == [1, 2, 3, 5]
    assert [line - above for line in last] == [1, 2, 4, 5]


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ('a\n"1\n2\n3', (2, 4), "unexpected end of data"),
        ('a\n\n"1"2\n3', (3, 3), "',' expected after '\"'"),
        ("a\n" + "1" * 200_000, (2, 2), "field larger than field limit (131072)"),
    ],
    ids=["a quote that never ends", "a quote that ends within a cell", "a long cell"],
)
def test_a_row_that_cannot_be_read_has_the_lines_it_was_read_from(text, place, reason):
    rows = read_rows(text.splitlines(keepends=True), above=10)
    assert next(rows) == (11, 11, ["a"])
    with pytest.raises(RowError) as caught:
        list(rows)
    assert (caught.value.first - 10, caught.value.last - 10, caught.value.reason) == (*place, reason)
    assert str(caught.value) == f"line {caught.value.last}: {reason}"


def test_a_header_may_be_looked_for_past_stray_quotes():
    assert list(read_rows(['"a"x,"b\n'], strict=False)) == [(1, 1, ["ax", "b\n"])]


def test_a_stream_in_memory_is_bounded_like_a_file():
    for size in (MAX_LINE - 1, MAX_LINE):
        check_lines(io.BytesIO(b"a" * size + b"\n" + b"b" * size + b"\r" + b"c" * size))
    stray = b"12345678901,2\n" * 80_000
    check_lines(io.BytesIO(stray[: MAX_LINE - 1] + b"\r" + stray))
    for begin in (b"", b"a\n", b"a" * MAX_LINE + b"\n"):
        with pytest.raises(ValueError, match="expected lines of at most"):
            check_lines(io.BytesIO(begin + b"b" * (MAX_LINE + 1)))
