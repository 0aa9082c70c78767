"""Questions and answers: what is asked follows from what differs, and an answer says what its verdict does."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from wineexp.comparison.judge import judge_errors
from wineexp.comparison.questions import ask
from wineexp.comparison.variants import Variant
from wineexp.specs.looks import make_looks
from wineexp.specs.run_spec import RunSpec

ROWS = 200


def variant(label, *, name=None, **fields):
    return Variant(label, {}, RunSpec.parse({"widths": "64x3", **fields}), name)


def errors(seeds, mean, *, dice=7):
    """Absolute errors, seed to rows, with that mean on average."""
    drawn = np.random.RandomState(dice)
    return {seed: mean + 0.01 * drawn.normal() + 0.2 * drawn.normal(size=ROWS) for seed in range(seeds)}


def asked(one, other, ours, theirs, **how):
    """The only question of ``one`` against ``other``, with such errors."""
    verdicts = judge_errors({one.label: ours, other.label: theirs}, other.label, **how)
    (question,) = ask([one, other], other, verdicts)
    return question


WORSE = errors(5, 0.9), errors(5, 0.6, dice=8)


@pytest.mark.parametrize(
    ("ours", "theirs", "question"),
    [
        ({"dropout": 0.3}, {}, "Does dropout 0.3 help?"),
        ({"dropout": (0.1, 0.2, 0.3)}, {}, "Does dropout 0.1, 0.2, 0.3 by layer help?"),
        ({}, {"dropout": 0.3}, "Is no dropout better than dropout 0.3?"),
        ({"dropout": 0.5}, {"dropout": 0.3}, "Is dropout 0.5 better than dropout 0.3?"),
        ({"dropout_input": 0.1}, {}, "Does dropout 0.1 on the features help?"),
        (
            {"dropout": 0.3, "dropout_input": 0.1}, {"dropout": 0.3},
            "Does dropout 0.1 on the features help?",
        ),
        (
            {"dropout": 0.3, "bn": "after", "dropout_place": "after_bn"}, {"dropout": 0.3, "bn": "after"},
            "Does placing dropout after batch norm help?",
        ),
        (
            {"dropout": 0.3, "bn": "after"}, {"dropout": 0.3, "bn": "after", "dropout_place": "after_bn"},
            "Is dropout before batch norm better than placing dropout after batch norm?",
        ),
        (
            {"dropout": 0.3, "bn": "after", "dropout_place": "after_bn"}, {"bn": "after"},
            "Does dropout 0.3 with dropout after batch norm help?",
        ),
        ({"bn": "after"}, {}, "Does batch norm after the activation help?"),
        (
            {"bn": "after"}, {"bn": "before"},
            "Is batch norm after the activation better than batch norm before the activation?",
        ),
        ({"bn_input": True}, {}, "Does batch norm on the input help?"),
        ({"scale": "standard"}, {}, "Does standard scaling help?"),
        ({}, {"scale": "minmax"}, "Is no scaling better than minmax scaling?"),
        ({"patience": 10}, {}, "Does early stopping with patience 10 help?"),
        ({"weight_decay": 0.1}, {}, "Does weight decay 0.1 help?"),
        ({"widths": "2048x3"}, {"widths": "1024x3"}, "Are 2048x3 units better than 1024x3?"),
        ({"epochs": 200}, {}, "Are 200 epochs better than 100?"),
        ({"batch_size": 32}, {}, "Are batches of 32 better than batches of 256?"),
        ({"learning_rate": 0.01}, {}, "Is learning rate 0.01 better than learning rate 0.001?"),
        ({"optimizer": "sgd"}, {}, "Is sgd better than adam?"),
        ({"optimizer": "sgd", "learning_rate": 0.1}, {},
         "Is sgd with learning rate 0.1 better than adam with learning rate 0.001?"),
        ({"activation": "tanh"}, {}, "Is the activation tanh better than the activation relu?"),
        ({"loss": "mse"}, {}, "Is the loss mse better than the loss mae?"),
        ({"bn": "after", "bn_momentum": 0.9}, {"bn": "after"},
         "Is bn momentum 0.9 better than bn momentum 0.99?"),
        (
            {"dropout": 0.3, "bn": "before"}, {},
            "Do dropout 0.3 and batch norm before the activation help together?",
        ),
        (
            {"bn": "before"}, {"dropout": 0.3},
            "Is no dropout with batch norm before the activation better than dropout 0.3 with no batch norm?",
        ),
    ],
)  # fmt: skip
def test_the_question_is_of_the_settings_that_differ(ours, theirs, question):
    assert asked(variant("one", **ours), variant("other", **theirs), *WORSE).question == question


def test_names_are_set_apart_and_stand_for_the_settings():
    one = variant("lesson, mine (dropout 0.3)", name="lesson, mine", dropout=0.3)
    question = asked(one, variant("plain (dropout 0)", name="plain"), *WORSE)
    assert question.question == "Is “lesson, mine” better than “plain”?"


def test_a_name_that_two_variants_carry_names_neither():
    """Else two questions would read the same."""
    variants = [
        variant("plain", name="plain"),
        variant("a (dropout 0.3)", name="a", dropout=0.3),
        variant("a (dropout 0.5)", name="a", dropout=0.5),
    ]
    verdicts = judge_errors({each.label: errors(5, 0.6) for each in variants}, "plain")
    questions = [question.question for question in ask(variants, variants[0], verdicts)]
    assert questions == ["Is “a (dropout 0.3)” better than “plain”?", "Is “a (dropout 0.5)” better than “plain”?"]


def test_questions_of_one_setting_come_before_those_of_several():
    variants = [variant("0"), variant("1", dropout=0.3, bn="after"), variant("2", dropout=0.3)]
    verdicts = judge_errors({each.label: errors(5, 0.6) for each in variants}, "0")
    assert [question.verdict.variant_label for question in ask(variants, variants[0], verdicts)] == ["2", "1"]


def numbers(text):
    return [float(number) for number in re.findall(r"[+-]?\d+\.\d+", text)]


def test_worse_is_a_no_with_the_verdicts_interval():
    question = asked(variant("one", dropout=0.3), variant("other"), *WORSE)
    low, high = question.verdict.interval
    assert question.answer.startswith("No: worse by ")
    assert numbers(question.answer) == pytest.approx([question.verdict.difference.mean, low, high], abs=5e-4)
    assert question.answer.endswith(" val MAE")


def test_better_is_a_yes_and_its_interval_is_of_how_much_lower_the_errors_are():
    question = asked(variant("one", dropout=0.3), variant("other"), *reversed(WORSE))
    low, high = question.verdict.interval
    assert question.answer.startswith("Yes: better by ")
    assert numbers(question.answer) == pytest.approx([-question.verdict.difference.mean, -high, -low], abs=5e-4)
    assert 0 < -high < -low


def test_same_within_the_margin_is_neither_yes_nor_no():
    ours = {seed: values + 0.001 for seed, values in WORSE[1].items()}
    question = asked(variant("one", dropout=0.3), variant("other"), ours, WORSE[1], margin=0.05)
    assert question.answer.startswith("No difference that matters: same within 0.05, val MAE +0.001 [")
    assert question.answer.endswith("(90 %)")
    assert "there is a difference, but by less than matters" in question.detail


def test_cannot_tell_says_so_and_what_it_would_take():
    ours = {seed: values + 0.1 * (-1) ** seed + 0.05 for seed, values in WORSE[1].items()}
    question = asked(variant("one", dropout=0.3), variant("other"), ours, WORSE[1])
    assert question.answer.startswith("Cannot tell: val MAE +")
    assert (
        f"a difference of {question.verdict.detectable:.3f} would be detected 80 % of the time" in question.detail
    )
    assert question.verdict.needed is not None
    assert (
        f"about {question.verdict.needed} seeds would find the one seen, if it is as large as that"
        in question.detail
    )
    assert question.detail.startswith("5 seeds; ")
    assert "uncertainty from seeds" in question.detail


def test_one_seed_can_never_tell():
    question = asked(variant("one", dropout=0.3), variant("other"), errors(1, 0.9), errors(1, 0.6))
    assert question.answer.startswith("Cannot tell from one seed: val MAE +0.3")
    assert "another seed may reverse it" in question.answer
    assert question.detail.endswith("train more: --seeds 5")


def test_planned_looks_say_how_far_to_train_and_where_it_was_found():
    looks = make_looks([5, 10])
    one, other = variant("one", dropout=0.3), variant("other")
    same = asked(one, other, errors(5, 0.6), errors(5, 0.6, dice=8), looks=looks)
    apart = asked(one, other, *WORSE, looks=looks)
    early = asked(one, other, errors(3, 0.9), errors(3, 0.6), looks=looks)
    assert same.answer.startswith("Cannot tell yet: val MAE")
    assert same.answer.endswith("train to 10 seeds")
    assert "found at look 1 of 2" in apart.detail
    assert early.answer.startswith("Cannot tell yet: train to 5 seeds: val MAE")
    assert math.isfinite(numbers(early.answer)[0])


def test_several_comparisons_are_counted_beside_p():
    variants = [variant("0"), variant("1", dropout=0.3), variant("2", bn="after")]
    verdicts = judge_errors({"0": errors(5, 0.6), "1": errors(5, 0.9), "2": errors(5, 0.7)}, "0")
    for question in ask(variants, variants[0], verdicts):
        assert re.search(r"p (< 0\.001|\d\.\d{3}) of 2 comparisons, [\d.]+ % interval", question.detail)


def test_without_a_reference_nothing_is_asked():
    assert ask([variant("0")], None, ()) == ()
