"""What a notebook shows of each result: its line, its HTML, and that HTML in a real browser."""

from __future__ import annotations

import base64
import html
import importlib.util
import pickle
import re
import shutil

import pandas as pd
import pytest
from support import fabricate
from support.browser import watched_pages
from support.colours import contrast
from support.hostile import HOSTILE

import wineexp
from wineexp.api.saved_run import Predictions, SavedRun, SavedRuns
from wineexp.api.studying import StudyResult
from wineexp.comparison.comparison import WholeFrame
from wineexp.data.simulated import simulated_table
from wineexp.notebook.card import MOST_FIGURE_BYTES, Card, to_html
from wineexp.runs.inspection import Activations, Inspection, LayerInside, Normalization, Summary

KINDS = (
    "run",
    "failed",
    "runs",
    "seeds",
    "comparison",
    "study",
    "interrupted",
    "predictions",
    "inspection",
    "diff",
)


def results(out, table, name=None):
    """One of each kind that the API returns; ``name`` stands wherever a name or a column's name may stand."""
    for seed in range(3):
        fabricate.save(out, table, error=0.3, seed=seed)
        fabricate.save(out, table, error=0.5, seed=seed, dropout=0.3, bn="after", name=name)
    fabricate.fail(out, table, dropout=0.5, name=name)
    dropped = wineexp.load_runs(out, where="dropout=0.3")
    comparison = wineexp.compare(out, reference="dropout=0")
    frame = pd.DataFrame({"row": range(30), name or "wine": [name or "a"] * 30, "predicted": 5.25, "actual": 5.5})
    unused = (name or "colour",)
    return {
        "run": dropped[0],
        "failed": wineexp.load_runs(out, where="status=failed")[0],
        "runs": wineexp.load_runs(out),
        "seeds": dropped,
        "comparison": comparison,
        "study": StudyResult(wineexp.load_runs(out), comparison, out / "my-study"),
        "interrupted": StudyResult(dropped[:1], None, out / "my-study"),
        "predictions": Predictions(
            frame, {"mae": 0.25, "rmse": 0.25, "skill": 0.1}, tuple(dropped), (), unused, ()
        ),
        "inspection": inspection(dropped[0], name),
        "diff": wineexp.diff(wineexp.load_runs(out, where="dropout=0")[0], dropped[0]),
    }


def inspection(run, name):
    """Two layers with figures of no meaning."""
    values = Activations(mean=0.5, sd=1.5, zeros=0.25, dead=0.125)
    spread = Summary(0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    layers = (
        LayerInside("input", "Input", 3, values, values, 1.5, 0.0),
        LayerInside("norm", "BatchNormalization", 8, values, values, 1.5, 0.5,
                    Normalization(spread, spread, 0.0, spread, spread, spread)),
    )  # fmt: skip
    return Inspection(
        run.path, name or "mine", name or "rows.csv", 84, layers, name or "quality", 5.5, ("a note",)
    )


@pytest.fixture(scope="module")
def shown(small_table, tmp_path_factory):
    return results(tmp_path_factory.mktemp("shown") / "outputs", small_table)


def text_of(markup):
    """What a reader reads of it."""
    return html.unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", markup, flags=re.S))


# -- the text -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("run", r"SavedRun\('.*/8x1-dropout0.3-bn_after-epochs6-s0-\w{8}', done, val_mae 0\.\d{4}\)"),
        ("failed", r"SavedRun\('.*/8x1-dropout0.5-epochs6-s0-\w{8}', failed\)"),
        ("runs", r"SavedRuns\(7 runs: 6 done, 1 failed\)"),
        ("seeds", r"SavedRuns\(3 runs: 3 done\)"),
        ("comparison",
         r"Comparison\(2 variants on a table of your own; lowest val MAE 0\.\d{4}: dropout 0, bn none; 1 worse, "
         r"against dropout 0, bn none\)"),
        ("study", r"StudyResult\(7 runs: .* in .*/my-study/; Comparison\(2 variants .*\)\)"),
        ("interrupted", r"StudyResult\(1 run: 1 done; .* interrupted; the same call trains the rest\)"),
        ("predictions",
         r"Predictions\(30 rows predicted by 8x1-dropout0.3-bn_after-epochs6, mean of 3 seeds; "
         r"30 rows \(unknown whether they trained them: their table is not at hand\): "
         r"MAE 0.2500, RMSE 0.2500, skill \+10.0%\)"),
        ("inspection", r"Inspection\(mine: 2 layers, 84 rows, rows.csv\)"),
        ("diff", r"Difference\('.*', '.*': dropout 0 or 0.3; bn none or after\)"),
    ],
)  # fmt: skip
def test_each_result_is_one_line_that_says_what_it_is(shown, kind, says):
    assert re.fullmatch(says, repr(shown[kind]))


def test_what_a_comparison_is_made_of_is_a_line_too(small_table, tmp_path):
    found = wineexp.compare(fabricate.save_cross(tmp_path, small_table))
    for verdict in found.verdicts:
        assert repr(verdict) == f"Verdict({verdict.sentence()})"
    assert repr(found.variants[1]) == "Variant('dropout 0, bn after': 3 finished, 0 unfinished)"
    pattern = r"Effect\(dropout 0\.3 instead of 0 changes val MAE by \+0\.06\d \[\+0\.\d{3}, \+0\.\d{3}\]\)"
    assert re.fullmatch(pattern, repr(found.effects[0]))


def test_a_comparison_answers_first_then_draws_then_has_every_row(shown):
    markup = shown["comparison"]._repr_html_()
    places = [
        markup.index(part) for part in ("help together?", "data:image/png", ">val MAE [95 %]", ">reference<")
    ]
    assert places == sorted(places)
    assert "<strong>No:</strong> worse by 0." in markup
    text = text_of(markup)
    for entry in shown["comparison"].entries:
        assert entry.variant.label in text
        assert f"{entry.variant.mean('train_mae'):.4f}" in text
    assert "failed (diverged)" in text


def test_a_run_shows_what_it_is_what_it_reached_and_its_curves(shown):
    run = shown["run"]
    text = text_of(run._repr_html_())
    assert "Differs from the defaults by 8x1, dropout 0.3, batch norm after the activation, 6 epochs." in text
    metrics = run.metrics
    assert f"{metrics['val_mae']:.4f} ± {metrics['val_mae_se']:.4f} (standard error over 36 rows)" in text
    assert f"{metrics['baseline_mae']:.4f} (always predicting the training median)" in text
    (picture,) = re.findall(r'src="data:image/png;base64,([^"]*)"', run._repr_html_())
    assert base64.b64decode(picture).startswith(b"\x89PNG")
    assert b"iTXt" not in base64.b64decode(picture), "the history is not kept a second time"
    failed = text_of(shown["failed"]._repr_html_())
    assert "failed (diverged)" in failed
    assert "loss is nan, history of 1 epoch kept" in failed


def test_seeds_show_their_mean_and_spread_and_other_runs_the_settings_that_differ(shown):
    seeds, runs = (text_of(shown[kind]._repr_html_()) for kind in ("seeds", "runs"))
    mean = shown["seeds"].table["val_mae"].mean()
    assert f"val MAE {mean:.4f} ±" in seeds
    assert "standard deviation" not in runs
    assert re.search(r"run\s+status\s+reason\s+dropout\s+bn\s+seed\s+val MAE\s+quality", runs)


def test_an_interrupted_study_says_how_it_goes_on(shown):
    assert "interrupted; the same call trains the rest" in text_of(shown["interrupted"]._repr_html_())


def test_predictions_show_the_first_rows_and_how_many_there_are(shown):
    text = text_of(shown["predictions"]._repr_html_())
    assert "the first 10 of 30 rows" in text
    assert "MAE 0.2500, RMSE 0.2500, skill +10.0%" in text
    assert "not used: colour" in text
    assert re.search(r"0\s+a\s+5\.2500\s+5\.5000", text), "a column's numbers have as many decimals as each other"


def test_columns_that_say_nothing_here_are_left_out(small_table, tmp_path):
    run = fabricate.save(tmp_path, small_table)
    alone = text_of(wineexp.compare(tmp_path)._repr_html_())
    assert "val MAE [95 %]" in alone
    assert not re.search("verdict|reference|test MAE|MAE twins", alone), "one variant, no test rows, no twins"
    copy = shutil.copy(run.history_path, tmp_path / "mine.csv")
    curves = text_of(wineexp.compare(copy)._repr_html_())
    assert "best epoch" in curves
    assert "MAE [95 %]" not in curves, "a CSV has no predictions"
    assert "curves only, no verdict" in curves


def test_a_simulated_table_is_named_before_anything_else(tmp_path):
    fabricate.save(tmp_path, simulated_table())
    for found in (wineexp.load_runs(tmp_path)[0], wineexp.load_runs(tmp_path), wineexp.compare(tmp_path)):
        markup = found._repr_html_()
        assert markup.index("SIMULATED table") < markup.index("<table")


def test_runs_are_a_list_with_a_table(shown):
    runs = shown["runs"]
    assert isinstance(runs, list)
    assert runs == list(runs)
    assert isinstance(runs[:2], SavedRuns)
    assert isinstance(runs[0], SavedRun)
    assert runs.table["val_mae"].tolist()[0] == runs[0].metrics["val_mae"]
    assert SavedRuns().table.columns.tolist() == runs.table.columns.tolist()
    assert "0 runs" in SavedRuns()._repr_html_()


def test_a_comparisons_table_is_a_frame_of_which_nothing_is_cut(small_table, tmp_path):
    """pandas puts three dots for the middle of 20 columns, and for what a cell has beyond 50 letters."""
    long = "a name of many letters, " * 5
    fabricate.save(tmp_path, small_table, name=long.strip())
    fabricate.save(tmp_path, small_table, dropout=0.3)
    table = wineexp.compare(tmp_path).table
    assert isinstance(table, pd.DataFrame)
    assert len(table.columns) > 20
    for text in (repr(table), table._repr_html_()):
        assert "..." not in text
        assert long.strip() in text
        assert all(column in text for column in table.columns)
    assert type(table[["variant", "verdict"]]) is pd.DataFrame
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(table)), table)
    assert len(repr(WholeFrame({"x": range(10_000)})).splitlines()) < 100, "rows are cut where there are many"


def test_a_run_that_is_gone_or_damaged_says_so_instead_of_raising(small_table, tmp_path):
    for seed in range(2):
        fabricate.save(tmp_path, small_table, seed=seed)
    gone, hurt = wineexp.load_runs(tmp_path)
    runs = wineexp.load_runs(tmp_path)
    hurt.curves_path.write_bytes(b"no picture")
    assert "expected a curves.png written by wineexp" in text_of(hurt._repr_html_())
    shutil.rmtree(gone.path)
    for run in (SavedRun(gone.path), runs[0]):
        assert repr(run) == f"SavedRun({str(gone.path)!r}, unreadable)"
        assert "no run here" in text_of(run._repr_html_())
    assert repr(runs) == "SavedRuns(2 runs: 1 unreadable, 1 done)"
    assert f"{gone.path}: cannot be read any more" in text_of(runs._repr_html_())


def test_without_jinja_it_is_text_and_says_what_is_missing(shown, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "jinja2" else real(name, *rest)
    )
    markup = shown["comparison"]._repr_html_()
    assert markup.startswith("<pre>")
    assert "pip install 'wineexp[report]'" in html.unescape(markup)
    text = text_of(markup)
    assert "help together?\n  No: worse by 0." in text
    assert re.search(r"variant +seeds +val MAE \[95 %\] +verdict", text)


def test_a_figure_that_a_notebook_should_not_keep_is_named_instead():
    assert len(to_html(Card("x", figure=b"0" * MOST_FIGURE_BYTES))) > MOST_FIGURE_BYTES
    large = to_html(Card("x", figure=b"0" * (MOST_FIGURE_BYTES + 1)))
    assert "The figure has 2.0 MB" in large
    assert len(large) < 10_000


@pytest.mark.slow
def test_the_largest_figure_that_is_drawn_is_kept(small_table, tmp_path):
    for number in range(36):
        fabricate.save(tmp_path, small_table, dropout=number / 40, error=0.3 + number / 100)
    markup = wineexp.compare(tmp_path)._repr_html_()
    assert "data:image/png" in markup
    assert len(markup) < 2 * MOST_FIGURE_BYTES


def test_figures_show_themselves_where_pyplot_was_never_imported(shown):
    for figure in (shown["run"].plot(), shown["comparison"].figure, shown["inspection"].figure):
        assert figure._repr_png_().startswith(b"\x89PNG")
    verdicts = shown["comparison"].draw(layout="verdict")
    assert verdicts._repr_png_().startswith(b"\x89PNG")


# -- in a browser ---------------------------------------------------------------------------------

#: What JupyterLab 4 does to the outputs of a notebook, as far as it meets ours; each theme's text and ground.
JUPYTERLAB = """
body { margin: 0; padding: 1rem; font: 14px/1.5 sans-serif; }
body.light { color: rgba(0, 0, 0, .87); background: #fff; } body.dark { color: #fff; background: #111; }
.jp-RenderedHTMLCommon table { border-collapse: collapse; border: none; font-size: 13px; table-layout: fixed;
  margin: 0 auto 1em; }
.jp-RenderedHTMLCommon td, .jp-RenderedHTMLCommon th, .jp-RenderedHTMLCommon tr { vertical-align: middle;
  padding: .5em; line-height: normal; white-space: normal; max-width: none; border: none; }
.jp-RenderedHTMLCommon td, :not(.jp-RenderedMarkdown).jp-RenderedHTMLCommon th,
:not(.jp-RenderedMarkdown).jp-RenderedHTMLCommon tr { text-align: right; }
.jp-RenderedHTMLCommon th { font-weight: bold; }
.light .jp-RenderedHTMLCommon tbody tr:nth-child(even) { background: #f5f5f5; }
.dark .jp-RenderedHTMLCommon tbody tr:nth-child(even) { background: #212121; }
"""


@pytest.fixture
def visit(chromium, tmp_path):
    """Open outputs as a notebook shows them."""
    with watched_pages(chromium) as watched:

        def visit(outputs, *, theme="light", width=1000):
            path = tmp_path / "notebook.html"
            cells = "".join(
                f'<div class="jp-RenderedHTMLCommon" data-kind="{kind}">{found._repr_html_()}</div>'
                for kind, found in outputs.items()
            )
            head = f'<!doctype html><meta charset="utf-8"><style>{JUPYTERLAB}</style>'
            path.write_text(f'{head}<body class="{theme}">{cells}</body>', encoding="utf-8")
            return watched(path, may_ask=["data:image/png;base64,"], viewport={"width": width, "height": 900})

        yield visit


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [600, 1200])
def test_every_result_fits_and_is_read_in_both_themes(visit, shown, theme, width):
    page = visit(shown, theme=theme, width=width)
    assert page.locator("[data-kind]").count() == len(KINDS)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for kind in KINDS:
        card = page.locator(f'[data-kind="{kind}"] .wineexp-card')
        assert card.count() == 1
        box = card.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert page.locator(".wineexp-card").first.evaluate("card => getComputedStyle(card).backgroundColor") == (
        "rgba(0, 0, 0, 0)"
    )
    for text, striped in page.evaluate(TEXT_COLOURS):
        assert contrast(text, striped or ground) >= 4.5, (text, striped, ground)


#: Each colour of text as it is seen, its own transparency included, and the stripe that it stands on, if any.
TEXT_COLOURS = """() => {
  const body = getComputedStyle(document.body);
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const found = new Set();
  for (const part of document.querySelectorAll(".wineexp-card *")) {
    if (![...part.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())) continue;
    if (part.closest("style")) continue;
    const row = part.closest("tr");
    const stripe = row ? getComputedStyle(row).backgroundColor : "";
    const ground = numbers(stripe && stripe !== "rgba(0, 0, 0, 0)" ? stripe : body.backgroundColor);
    const [r, g, b, a = 1] = numbers(getComputedStyle(part).color);
    let seen = a;
    for (let up = part; up; up = up.parentElement) seen *= Number(getComputedStyle(up).opacity);
    const mixed = [r, g, b].map((one, at) => Math.round(one * seen + ground[at] * (1 - seen)));
    found.add(JSON.stringify([`rgb(${mixed})`, `rgb(${ground.slice(0, 3)})`]));
  }
  return [...found].map(JSON.parse);
}"""


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_figures_stand_on_white_and_are_whole(visit, shown, theme):
    page = visit(shown, theme=theme, width=600)
    for kind in ("run", "failed", "comparison", "study", "inspection"):
        picture = page.locator(f'[data-kind="{kind}"] img')
        picture.evaluate("picture => picture.decode()")
        natural, shown_width, ground = picture.evaluate(
            "picture => [picture.naturalWidth, picture.clientWidth, getComputedStyle(picture).backgroundColor]"
        )
        assert natural >= 800
        assert 300 < shown_width <= 600
        assert ground == "rgb(255, 255, 255)"
        assert len(picture.get_attribute("alt")) > 20


@pytest.mark.slow
def test_numbers_are_flush_right_words_left_and_the_verdict_is_in_sight(visit, shown):
    page = visit(shown, width=600)
    card = page.locator('[data-kind="comparison"]')
    aligned = "cell => getComputedStyle(cell).textAlign"
    for head, side in (("variant", "left"), ("seeds", "right"), ("val MAE [95 %]", "right"), ("verdict", "left")):
        heads = card.locator("thead th").evaluate_all("heads => heads.map(head => head.childNodes[0].textContent)")
        number = heads.index(head) + 1
        assert card.locator(f"th:nth-child({number})").evaluate(aligned) == side
        assert card.locator(f"tbody td:nth-child({number})").first.evaluate(aligned) == side
    assert "val MAE [95 %]\nquality" in card.locator("thead").inner_text()
    assert card.locator("td", has_text="worse").is_visible()
    box = card.locator("td", has_text="worse").bounding_box()
    assert box["x"] + box["width"] <= 600, "without scrolling"
    assert card.locator(".wide").evaluate("region => region.scrollWidth > region.clientWidth"), (
        "the rest by scrolling"
    )


@pytest.mark.slow
def test_without_its_style_a_card_is_still_read(visit, shown):
    """JupyterLab takes the style out of what somebody else's notebook shows, until that is trusted."""
    page = visit({"comparison": shown["comparison"]}, width=600)
    page.locator("style").evaluate_all("styles => styles.forEach(style => style.remove())")
    card = page.locator(".wineexp-card")
    assert card.locator(":is(p, li, th, td)").count() == len(card.locator(":is(p, li, th, td):visible").all())
    assert "val MAE [95 %]\nquality" in card.locator("thead").inner_text()
    assert re.search(r"help together\? No: worse by 0\.\d{3} \[.*\] val MAE\. 3 seeds", card.inner_text())


@pytest.mark.slow
def test_an_answer_has_the_sign_of_its_verdict(visit, shown):
    page = visit({"comparison": shown["comparison"]})
    sign = page.locator("li").first.evaluate("item => getComputedStyle(item, '::before').content")
    assert sign == '"▲"', "the error is higher"


#: All of them: what is long by itself, the rest in one.
NAMES = [max(HOSTILE, key=len), " ".join(sorted(HOSTILE, key=len)[:-1])]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["<script>alert(1)</script>", *NAMES])
def test_hostile_names_do_nothing_and_are_shown_as_they_are(visit, small_table, tmp_path, name):
    found = results(tmp_path / "outputs", small_table, name)
    page = visit(found, width=600)
    assert page.evaluate("document.documentElement.scrollWidth") <= 600
    assert page.locator("script, b, iframe, img[src='x']").count() == 0
    for kind in ("run", "failed", "comparison", "study", "predictions", "inspection"):
        assert name in page.locator(f'[data-kind="{kind}"]').text_content(), kind
    ignored = page.locator(".wineexp-card").evaluate_all(
        "cards => cards.every(card => card.matches('.tex2jax_ignore.mathjax_ignore'))"
    )
    assert ignored, "a name with $ is no formula"


def test_control_characters_are_shown_as_escapes(small_table, tmp_path):
    found = results(tmp_path / "outputs", small_table)
    hostile = inspection(found["run"], "a\x1b[31mb\u202ec")
    assert "\x1b" not in repr(hostile) + hostile._repr_html_()
    assert "a\\x1b[31mb\\u202ec" in text_of(hostile._repr_html_())
