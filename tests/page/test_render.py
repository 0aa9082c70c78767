"""The page: its text, and its behaviour in a real browser."""

from __future__ import annotations

import html
import itertools
import re
import shutil
from dataclasses import replace

import pytest
from support import fabricate
from support.browser import watched_pages
from support.colours import contrast
from support.configs import read_config
from support.hostile import HOSTILE

from wineexp.comparison.comparison import compare_runs
from wineexp.page.charts import errors_charts
from wineexp.page.render import render
from wineexp.page.repeat import config_text
from wineexp.runs.reader import load
from wineexp.text import short_source


@pytest.fixture(scope="module")
def cross(small_table, tmp_path_factory):
    out = fabricate.save_cross(tmp_path_factory.mktemp("cross"), small_table)
    fabricate.fail(out, small_table, dropout=0.5)
    return compare_runs(load([out]))


@pytest.fixture(scope="module")
def hostile(small_table, tmp_path_factory):
    out = tmp_path_factory.mktemp("hostile")
    for number, name in enumerate(HOSTILE):
        fabricate.save(out, small_table, error=0.3 + number / 100, dropout=number / 10, name=name)
    return compare_runs(load([out]))


# -- the text -------------------------------------------------------------------------------------


def test_the_answer_stands_at_the_top_in_words(cross):
    page = render(cross, title="my study")
    answer = page[page.index('id="answer"') : page.index('id="curves"')]
    asked = re.findall(r'"asked">([^<]*)</span> <strong>([^<]*)</strong> ([^<]*)<', answer)
    assert [question for question, _, _ in asked] == [
        "Does dropout 0.3 help?",
        "Does batch norm after the activation help?",
        "Do dropout 0.3 and batch norm after the activation help together?",
    ]
    assert asked[0][1] == "No:"
    assert re.match(r"worse by 0\.06\d \[0\.\d{3}, 0\.\d{3}\] val MAE\.", asked[0][2])
    assert asked[1][1] == "Cannot tell:"
    assert answer.index("asked") < answer.index("Lowest val MAE: “dropout 0, bn none”, 0.3")
    assert "These runs cannot tell it from “dropout 0, bn after”." in answer
    assert "<title>my study</title>" in page
    assert "failed (diverged)" in page


def test_what_cannot_be_told_is_marked_by_a_question_mark_and_never_by_equality(cross):
    """``=`` reads as "the same", which is what nobody knows."""
    page = render(cross)
    assert 'li.cannot-tell::marker, li.one-seed::marker { content: "?  "; }' in page
    shown = re.sub(r"<(script|style|svg).*?</\1>|<[^>]*>", " ", page, flags=re.S)
    assert "cannot tell" in shown
    assert not re.search(r"(?<!\w)=(?!\w)", shown)


def test_the_sections_stand_in_the_order_in_which_they_are_read(cross):
    page = render(cross)
    places = [page.index(f'id="{name}"') for name in ("answer", "curves", "table", "effects", "errors", "how")]
    assert places == sorted(places)
    assert places[0] < page.index('<table class="bars">') < places[1], "differences stand beside the answer"
    assert "dropout 0.3 instead of 0</th>" in page[places[3] : places[4]]


def test_an_interaction_reads_as_a_difference_of_effects(small_table, tmp_path):
    page = render(compare_runs(load([fabricate.save_interaction(tmp_path, small_table)])))
    effects = page[page.index('id="effects"') : page.index('id="errors"')]
    assert "dropout 0.3, with bn after against none" in effects
    assert "dropout 0.3 and bn after" not in effects


def test_hostile_names_are_escaped_in_the_page(hostile):
    page = render(hostile, title="<script>alert(1)</script>")
    body = page[: page.index('<script type="application/json"')]
    assert "<script>window" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;window.hacked = 1&lt;/script&gt;" in body
    assert "{{ 7 * 7 }}" in body


def test_the_page_names_nothing_to_fetch(cross):
    page = render(cross)
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert not re.findall(r"url\((?!#)", page)
    assert "default-src 'none'" in page


def test_a_page_of_a_hundred_runs_can_be_mailed(small_table, tmp_path):
    for rate, seed in itertools.product(range(10), range(10)):
        fabricate.save(tmp_path, small_table, dropout=rate / 20, seed=seed)
    page = render(compare_runs(load([tmp_path])))
    assert len(page.encode()) < 2e6
    assert page.count('class="variant-9"') >= 6, "band and two lines, drawn for two screens"


def test_a_target_that_looks_like_a_colour_or_a_tag_stays_as_it_is():
    target = '#010101 <g id="variant-0"> url(#x)'
    points = {name: [1.0, 2.0] for name in ("actual", "jittered", "predicted", "residual")}
    colours = {"light": ["x"]}
    payload = {"judged": [{"number": 0, **points}], "ends": [1.0, 2.0], "grouped": True, "colours": colours}
    payload["target"] = target
    for drawing in errors_charts(payload).values():
        assert f"actual {html.escape(target, quote=False)}</text>" in drawing


def test_no_identifier_stands_twice(cross):
    found = re.findall(r'\bid="([^"]+)"', render(cross))
    assert len(found) == len(set(found))


def test_how_to_repeat_it_is_a_config_of_the_same_runs(cross, hostile, tmp_path):
    for number, comparison in enumerate((cross, hostile)):
        path = tmp_path / f"{number}.yaml"
        path.write_text(config_text(comparison, "a study: #1"))
        config = read_config(path, {})
        assert config.name == "a study: #1"
        table = comparison.runs[0].record.data.identity
        expected = {run.record.signature for run in comparison.runs}
        found = {spec.signature(table) for spec in config.specs}
        assert expected <= found
        assert {spec.name for spec in config.specs} >= {run.spec.name for run in comparison.runs}


def test_a_page_names_no_folder_of_the_authors_machine(small_table, small_csv, tmp_path, monkeypatch):
    home = tmp_path / "home" / "ada"
    monkeypatch.setenv("HOME", str(home))
    out = home / "wine" / "outputs"
    table = replace(small_table, source=str(home / "data" / "mine.csv"))
    fabricate.save_cross(out, table)
    fabricate.fail(out, table, dropout=0.5)
    for here in (home / "wine", tmp_path / "home", home, tmp_path):
        monkeypatch.chdir(here)
        found = compare_runs(load([out]))
        page = render(replace(found, notes=(*found.notes, f"{out}/study/looks.json is damaged")))
        assert "mine.csv" in page
        assert found.runs[0].path.name in page
        assert "study/looks.json is damaged" in page
        assert str(tmp_path) not in page
        assert "ada" not in re.sub(r"[A-Za-z]*(shada|adam)[a-z]*", "", page)
    monkeypatch.chdir(home / "wine")
    assert f"outputs/{found.runs[0].path.name}" in render(compare_runs(load([out])))


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("/home/ada/wine.csv", "wine.csv"),
        ("../../home/ada/wine.csv", "wine.csv"),
        ("C:\\Users\\ada\\wine.csv", "wine.csv"),
        ("/home/ada/.cache/w.csv (from https://archive.ics.uci.edu/w.zip)",
         "w.csv (from https://archive.ics.uci.edu/w.zip)"),
        ("data/wine.csv", "data/wine.csv"),
        ("simulated", "simulated"),
        ("a DataFrame", "a DataFrame"),
    ],
)  # fmt: skip
def test_a_tables_source_is_told_without_the_folders_above_it(source, shown):
    assert short_source(source) == shown


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_page_of_one_variant_reads_as_one(small_table, tmp_path, seeds):
    for seed in range(seeds):
        fabricate.save(tmp_path, small_table, dropout=0.3, seed=seed)
    page = render(compare_runs(load([tmp_path])))
    shown = re.sub(r"<(script|style|svg).*?</\1>|<[^>]*>", " ", page, flags=re.S)
    runs = "one run" if seeds == 1 else "3 runs"
    assert f"<h1>8x1-dropout0.3-epochs6: {runs} on a table of your own</h1>" in page
    assert "How well does it predict quality" in shown
    assert re.search(r"val MAE 0\.\d{3} \[0\.\d{3}, 0\.\d{3}\]: its predictions of quality are off by", shown)
    assert ("another seed would give another value" in shown) == (seeds == 1)
    for word in (
        "Variants",
        "reference",
        "verdict",
        "Nothing",
        "What all variants share",
        "Lowest",
        "cannot tell",
    ):
        assert word not in shown
    assert 'class="bars"' not in page
    if seeds == 1:
        assert "mean over the seeds" not in shown
        assert "several comparisons" not in shown


def test_a_page_of_runs_that_all_failed_says_so(small_table, tmp_path):
    fabricate.fail(tmp_path, small_table)
    page = render(compare_runs(load([tmp_path])))
    assert "No run is finished, so there is nothing to judge." in page
    assert "failed (diverged)" in page
    assert 'id="curves"' not in page


def test_the_stand_in_is_named_in_the_page(tmp_path):
    from wineexp.data.simulated import simulated_table

    fabricate.save(tmp_path, simulated_table())
    assert "SIMULATED table." in render(compare_runs(load([tmp_path])))


def test_curves_alone_make_a_page(cross, tmp_path):
    shutil.copy(cross.runs[0].path / "history.csv", tmp_path / "mine.csv")
    page = render(compare_runs(load([tmp_path / "mine.csv"])))
    assert "No predictions, so nothing is judged" in page


# -- in a browser ---------------------------------------------------------------------------------


@pytest.fixture
def visit(chromium, tmp_path):
    """Open a comparison's page."""
    with watched_pages(chromium) as watched:

        def visit(comparison, *, scheme="light", width=1200):
            path = tmp_path / "report.html"
            path.write_text(render(comparison), encoding="utf-8")
            size = {"width": width, "height": 900}
            page = watched(path, may_say=["log"], viewport=size, color_scheme=scheme)
            page.wait_for_selector("#keys button")
            return page

        yield visit


def visible_parts(page, number):
    """The seeds, loss and val_loss of a variant, as far as the screen shows them."""
    parts = page.locator(f"#overlay .variant-{number}").all()
    return sum(part.is_visible() for part in parts)


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1200])
def test_pointing_shows_epoch_and_values_and_so_do_the_arrow_keys(visit, cross, width):
    page = visit(cross, width=width)
    page.locator("#overlay").scroll_into_view_if_needed()
    drawing = page.locator("#overlay svg:visible")
    ticks = drawing.locator("text", has_text=re.compile(r"^[024]$"))
    boxes = [(tick.bounding_box(), tick.text_content()) for tick in ticks.all()]
    below = max(box["y"] for box, _ in boxes)  # the axis of losses has such numbers too
    places = {text: box for box, text in boxes if box["y"] == pytest.approx(below, abs=1)}
    two, four = (places[at]["x"] + places[at]["width"] / 2 for at in ("2", "4"))
    page.mouse.move((two + four) / 2, drawing.bounding_box()["y"] + 60)
    shown = page.locator("#values")
    shown.wait_for()
    text = shown.text_content()
    assert text.startswith("epoch 3")
    variant = cross.variants[0]
    mean = sum(run.history["val_loss"][2] for run in variant.runs) / 3
    assert f"{mean:.4f}" in text
    assert variant.label in text
    rule = page.locator("#rule").bounding_box()
    assert rule["x"] == pytest.approx((two + four) / 2, abs=2), "the line stands at the epoch"
    page.locator("#overlay").focus()
    page.keyboard.press("ArrowLeft")
    assert shown.text_content().startswith("epoch 2")
    page.mouse.move(5, 5)
    shown.wait_for(state="hidden")


@pytest.mark.slow
def test_the_values_of_a_history_file_are_shown_at_its_own_epochs(visit, tmp_path):
    (tmp_path / "late.csv").write_text("epoch,loss,val_loss\n5,0.5,0.7\n7,0.4,NA\n8,0.3,0.6\n")
    page = visit(compare_runs(load([tmp_path / "late.csv"])))
    page.locator("#overlay").focus()
    told = []
    for _ in range(4):
        page.keyboard.press("ArrowRight")
        told.append(page.locator("#values").text_content())
    assert told == [
        "epoch 50.7000 (loss 0.5000) late", "epoch 6", "epoch 7no number (loss 0.4000) late",
        "epoch 80.6000 (loss 0.3000) late",
    ]  # fmt: skip


@pytest.mark.slow
def test_clicking_the_legend_hides_a_variant_and_the_keyboard_does_it_too(visit, cross):
    page = visit(cross)
    before = visible_parts(page, 1)
    assert before == 3 + 2
    key = page.locator("#keys button").nth(1)
    key.click()
    assert key.get_attribute("aria-pressed") == "false"
    assert (visible_parts(page, 0), visible_parts(page, 1)) == (before, 0)
    page.locator("#keys button").nth(1).focus()
    page.keyboard.press("Space")
    assert visible_parts(page, 1) == before


@pytest.mark.slow
def test_the_table_sorts_both_ways_by_mouse_and_keyboard(visit, cross):
    page = visit(cross)

    def column(number):
        return page.locator(f"#variants tbody tr td:nth-child({number})").evaluate_all(
            "cells => cells.map(cell => cell.dataset.value)"
        )

    page.get_by_role("button", name="more columns").click()
    heads = page.locator("#variants th button").all_text_contents()
    number = heads.index("gap") + 1
    page.get_by_role("button", name="gap").click()
    values = list(map(float, column(number)))
    assert values == sorted(values)
    page.get_by_role("button", name="gap").focus()
    page.keyboard.press("Enter")
    assert list(map(float, column(number))) == sorted(values, reverse=True)
    assert page.locator("#variants th[aria-sort]").all_text_contents() == ["gap"]
    page.get_by_role("button", name="variant").click()
    assert column(1) == sorted(column(1))
    p = heads.index("p") + 1
    page.get_by_role("button", name="p", exact=True).click()
    assert column(p)[-1] == "", "the reference has no p and stands last"


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_both_schemes_and_a_phone_without_sideways_scrolling(visit, hostile, scheme, width):
    page = visit(hostile, scheme=scheme, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 24, 28)"}[scheme]
    drawing = page.locator("#overlay svg:visible")
    assert drawing.count() == 1
    text = drawing.locator("text").first.evaluate("text => getComputedStyle(text).fill")
    assert text == {"light": "rgb(28, 30, 33)", "dark": "rgb(232, 234, 237)"}[scheme]
    line = drawing.locator(".variant-0 path").last.evaluate("path => getComputedStyle(path).stroke")
    assert line == {"light": "rgb(0, 114, 178)", "dark": "rgb(90, 174, 232)"}[scheme]


@pytest.mark.slow
@pytest.mark.parametrize("names", ["cross", "hostile"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_tables_columns_fit_and_the_rest_is_shown_on_demand(visit, names, width, request):
    page = visit(request.getfixturevalue(names), width=width)
    region, more = page.locator("#variants-region"), page.locator("#more")
    fits = "region => region.scrollWidth <= region.clientWidth"
    shown = page.locator("#variants th:visible").all_text_contents()
    assert shown[:3] == ["variant", "verdict", "val MAE"]
    assert ("difference" in shown) == (width == 1280)
    assert region.evaluate(fits)
    assert not page.locator("#scrolls").is_visible()
    assert more.get_attribute("aria-expanded") == "false"
    hidden = page.locator("#variants th").count() - len(shown)
    assert more.text_content() == f"{hidden} more columns"
    more.focus()
    page.keyboard.press("Enter")
    assert more.get_attribute("aria-expanded") == "true"
    assert page.locator("#variants th:visible").count() == len(shown) + hidden
    assert not region.evaluate(fits)
    assert page.locator("#scrolls").is_visible(), "what is wider than the screen says that it scrolls"
    region.focus()
    page.keyboard.press("ArrowRight")
    region.evaluate(
        "region => region.scrollLeft || new Promise(done => region.addEventListener('scroll', done, {once: true}))"
    )
    assert region.evaluate("region => region.scrollLeft") > 0
    more.focus()
    page.keyboard.press("Space")
    assert page.locator("#variants th:visible").all_text_contents() == shown


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_each_difference_has_its_bar_at_its_place(visit, small_table, tmp_path, width):
    for seed in range(3):
        for rate, error in ((0, 0.3), (0.1, 0.2), (0.3, 0.4), (0.5, 0.6)):
            fabricate.save(tmp_path / "runs", small_table, error=error, dropout=rate, seed=seed)
    found = compare_runs(load([tmp_path / "runs"]))
    page = visit(found, width=width)
    rows = page.locator("#answer ~ .bars tbody tr")
    assert rows.count() == 3
    ordered = sorted(found.verdicts, key=lambda verdict: verdict.difference.mean)
    for row, verdict in zip(rows.all(), ordered, strict=True):
        assert row.get_by_role("rowheader").text_content() == verdict.variant_label
        bar, zero, dot = (row.locator(f".{part}").bounding_box() for part in ("bar", "zero", "dot"))
        low, high = verdict.interval
        unit = bar["width"] / (high - low)
        assert bar["x"] - zero["x"] == pytest.approx(low * unit, abs=2)
        assert dot["x"] + dot["width"] / 2 - zero["x"] == pytest.approx(verdict.difference.mean * unit, abs=2)
        assert row.get_by_text(verdict.word).is_visible()


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_of_the_answer_stands_out_from_its_ground(visit, cross, scheme, width):
    """At least 4.5 to 1, as WCAG 2.2 asks of text (success criterion 1.4.3)."""
    page = visit(cross, scheme=scheme, width=width)
    colours = page.locator("#answer ~ * *, .bars *").evaluate_all(
        "parts => [...new Set(parts.map(part => getComputedStyle(part).color))]"
    )
    grounds = [
        page.locator(place).first.evaluate("part => getComputedStyle(part).backgroundColor")
        for place in ("body", ".bars tbody tr:nth-child(even)")
    ]
    assert len(colours) >= 3
    assert len(set(grounds)) == 2
    for colour, ground in itertools.product(colours, grounds):
        assert contrast(colour, ground) >= 4.5, (colour, ground)


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_one_run_fits_both_screens(visit, small_table, tmp_path, width):
    fabricate.save(tmp_path / "runs", small_table)
    page = visit(compare_runs(load([tmp_path / "runs"])), width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    heights = page.locator(".facts td:not(.text)").evaluate_all("cells => cells.map(cell => cell.innerText)")
    assert heights
    assert not any("\n" in text for text in heights)


@pytest.mark.slow
def test_hostile_names_do_nothing_and_are_shown_as_they_are(visit, hostile):
    page = visit(hostile)
    keys = page.locator("#keys button").all_text_contents()
    for name in HOSTILE:
        assert any(key.startswith(name) for key in keys)
    page.locator("#overlay").focus()
    page.keyboard.press("ArrowRight")
    text = page.locator("#values").text_content()
    assert "<script>window.hacked" in text
    assert "<b>bold</b>" in text
    assert page.locator("b", has_text="bold").count() == 0


@pytest.mark.slow
def test_charts_have_text_alternatives_and_folds_open(visit, cross):
    page = visit(cross)
    for chart in ("overlay", "actual", "residuals"):
        assert len(page.locator(f"#{chart}").get_attribute("aria-label")) > 20
    page.get_by_text("How to repeat it").click()
    assert page.locator("pre", has_text="defaults:").is_visible()
    page.get_by_text("The numbers of this chart").click()
    assert page.get_by_role("region", name="val_loss by epoch").is_visible()
