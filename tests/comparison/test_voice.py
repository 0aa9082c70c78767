"""One voice: terminal, page, figure, notebook and exports say the same of a verdict and of an effect."""

from __future__ import annotations

import html
import re

import pytest
from support import fabricate

from wineexp.api.studying import _facts
from wineexp.comparison.comparison import compare_runs
from wineexp.comparison.verdict import format_p
from wineexp.listing import Listing, as_text
from wineexp.page.render import render
from wineexp.runs.reader import load

#: Other names for what cannot be told.
OTHER_NAMES = re.compile(
    r"no change|no interaction|cannot be (told|distinguished)|not significant|inconclusive", re.I
)


@pytest.fixture(scope="module", params=["save_cross", "save_interaction"])
def comparison(request, small_table, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return compare_runs(load([getattr(fabricate, request.param)(folder, small_table)]))


def shown(markup):
    """What a browser shows of a page, with one space between words."""
    return " ".join(html.unescape(re.sub(r"<(style|script).*?</\\1>|<[^>]+>", " ", markup, flags=re.S)).split())


@pytest.fixture(scope="module")
def voices(comparison):
    parts = comparison.parts()
    figure = comparison.draw(layout="verdict")
    return {
        "terminal": "\n".join(as_text(part) if isinstance(part, Listing) else part for part in parts),
        "page": shown(render(comparison)),
        "figure": "\n".join(text.get_text() for axes in figure.axes for text in axes.texts),
        "notebook": shown(comparison._repr_html_()),
        "exports": _facts(comparison, "study").text,
    }


def test_what_cannot_be_told_has_one_name(voices):
    for place, text in voices.items():
        assert not OTHER_NAMES.search(text), place
        assert "cannot tell" in text.lower() or place == "notebook" or "better" in text


def test_an_effect_has_the_same_words_in_the_page_and_in_the_figure(comparison, voices):
    effects = comparison.effects
    depending = [effect.levels for effect in effects if effect.kind == "simple"]
    drawn = [one for one in effects if one.kind != "main" or one.levels not in depending]
    assert {effect.word for effect in drawn} <= {"better", "worse", "more", "less", "cannot tell"}
    for effect in drawn:
        assert f"{effect.change} {effect.figures()} {effect.word}" in voices["page"]
        assert effect.word in voices["figure"].splitlines()


def test_a_sentence_of_the_terminal_is_what_is_sent(comparison, voices):
    for sentence in comparison.sentences():
        assert sentence in voices["terminal"]
        assert sentence in voices["exports"].split("\n\n")
        assert sentence in shown(f"<p>{html.escape(sentence)}</p>")


def test_an_answer_is_the_same_in_the_page_and_in_the_notebook(comparison, voices):
    assert comparison.questions
    for question in comparison.questions:
        for place in ("page", "notebook"):
            words = " ".join(f"{question.question} {question.answer}. {question.detail}".split())
            assert words in voices[place]


def test_an_interaction_is_worded_as_a_difference_between_effects(small_table, tmp_path):
    found = compare_runs(load([fabricate.save_interaction(tmp_path, small_table)]))
    (interaction,) = [effect for effect in found.effects if effect.kind == "interaction"]
    simple = {effect.label: effect.difference.mean for effect in found.effects if effect.kind == "simple"}
    with_bn, without_bn = (simple[f"dropout 0.3, with bn {place}"] for place in ("after", "none"))
    size = without_bn - with_bn
    assert size > 0, "dropout adds less to the errors beside batch normalization"
    low, high = (-end for end in reversed(interaction.interval))
    assert interaction.sentence() == (
        f"dropout 0.3 changes val MAE by {size:.3f} less [{low:.3f}, {high:.3f}] "
        f"with bn after than with bn none, p {format_p(interaction.p)}"
    )


def test_effects_are_said_to_be_a_family_of_their_own(voices):
    """A difference may stand among the verdicts and among the effects, with two p values."""
    for place in ("terminal", "page"):
        assert "a second family of comparisons, corrected on its own" in voices[place].lower()
