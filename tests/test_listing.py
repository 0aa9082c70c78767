"""A table for people: the same cells as text, as Markdown and as HTML; plain values as data."""

from __future__ import annotations

import html
import re

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from wineexp.listing import TARGET, Column, Listing, as_markdown, as_text, number, sized
from wineexp.notebook.card import Card, to_html
from wineexp.text import one_line

ERRORS = [
    Column("name", "variant", "", lambda run: run[0]),
    Column("mae", "val\nMAE", "", lambda run: run[1], sized(".4f"), unit=TARGET, measure=TARGET),
    Column("test", "test\nMAE", "", lambda run: run[2], sized(".4f"), measure=TARGET),
    Column("epochs", "epochs", "", lambda run: run[3], number(",d")),
]
RUNS = [("plain", 0.5, 1234.5, 1000), ("dropout", 0.25, None, 20)]


def markdown_table(text):
    """The cells of a Markdown table, heads first, as a renderer of GitHub's kind shows them."""
    shown = MarkdownIt("commonmark").enable("table").render(text)
    rows = re.findall(r"<tr>(.*?)</tr>", shown, re.S)
    return [[html.unescape(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S)] for row in rows]


def test_text_is_aligned_with_numbers_to_the_right_and_one_measure_in_one_precision():
    assert as_text(Listing.of(ERRORS, RUNS, caption="errors")).splitlines() == [
        "errors",
        "            val       test",
        "variant     MAE        MAE  epochs",
        "plain    0.5000  1234.5000   1,000",
        "dropout  0.2500                 20",
    ]


def test_a_row_that_lacks_a_column_is_empty_there_and_none_as_data():
    listing = Listing(
        tuple(ERRORS), ({"name": "damaged"}, {"name": "plain", "mae": 0.5, "test": None, "epochs": 3})
    )
    assert listing.cells() == [["damaged", "", "", ""], ["plain", "0.5000", "", "3"]]
    assert listing.data()[0] == {"name": "damaged", "mae": None, "test": None, "epochs": None}
    assert [head.right for head in listing.heads] == [False, True, True, True]
    assert [column.key for column in listing.filled().columns] == ["name", "mae", "epochs"]
    assert [column.key for column in listing.filled("epochs").columns] == ["name", "mae", "test", "epochs"]


def test_markdown_has_the_headings_in_one_line_and_numbers_to_the_right():
    assert as_markdown(Listing.of(ERRORS[:2], RUNS, caption="two *runs*", total=9)).splitlines() == [
        r"two \*runs\*",
        "",
        "| variant | val MAE |",
        "| --- | ---: |",
        "| plain | 0.5000 |",
        "| dropout | 0.2500 |",
        "",
        "the first 2 of 9 rows",
    ]


def test_html_names_the_unit_of_an_error_by_the_target():
    shown = to_html(Card("two runs", tables=(Listing.of(ERRORS[:2], RUNS, target="quality"),)))
    assert '<th scope="col" class="number">val\nMAE<br><span class="unit">quality</span></th>' in shown
    assert '<td class="number">0.2500</td>' in shown


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8"), max_size=8), min_size=2, max_size=2), min_size=1))
def test_markdown_shows_what_the_text_has_whatever_it_is(names):
    columns = [Column(key, key, "", lambda row, place=place: row[place]) for place, key in enumerate("ab")]
    heads, *rows = markdown_table(as_markdown(Listing.of(columns, names)))
    assert heads == ["a", "b"]
    # A renderer leaves out spaces around a cell, and shows several as one.
    assert [[" ".join(cell.split()) for cell in row] for row in rows] == [
        [" ".join(one_line(cell).split()) for cell in row] for row in names
    ]
