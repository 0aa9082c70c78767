"""A verdict: what is concluded on one variant against the reference, and the figures behind it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from wineexp.comparison.estimate import ALPHA, Estimate
from wineexp.comparison.learnt import Lead
from wineexp.specs.fields import MIN_SPLITS
from wineexp.specs.looks import Looks
from wineexp.text import format_number, largest, one_line, telling_size

__all__ = [
    "MARGIN_LEVEL",
    "SAME_PREDICTIONS",
    "Kind",
    "Look",
    "OtherWay",
    "Verdict",
    "adjusted_level",
    "format_p",
    "told_p",
]

Kind = Literal["better", "worse", "same", "identical", "cannot tell", "one seed"]

#: If the interval of this level lies inside the margin, two variants are the same within it: two one-sided tests
#: at 5 % each (Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15, 1987).
MARGIN_LEVEL = 0.90

#: The meaning of ``identical``.
SAME_PREDICTIONS = "all predictions are equal, bit for bit"

#: Shares of the uncertainty below this are left out: reducing them would change nothing.
LEAST_SHARE = 0.05

#: Parts of the uncertainty whose name is too short for a sentence.
_SOURCES = {"both": "single seeds on single rows"}

#: The smallest probability that is shown. Further out the method has not been measured.
LEAST_TOLD = 0.001


@dataclass(frozen=True)
class Look:
    """The result of one look.

    Attributes
    ----------
    difference : Estimate
    weight : float
        The share of the error rate that it may use; 1 if there is only one look.
    number : int
        From 1; 0 for the results before the first planned look, from which nothing is concluded.
    """

    difference: Estimate
    weight: float = 1.0
    number: int = 1

    @property
    def told(self) -> bool:
        """Whether the look was taken, and there are seeds and clusters of rows enough to conclude anything."""
        return self.number > 0 and self.difference.tells

    @property
    def p(self) -> float:
        """The probability of this look as if it were the only one, divided by its weight; at most 1.

        By the union bound, the smallest over all looks is below a level in at most that share of cases, however
        the looks depend on each other.
        """
        return min(1.0, self.difference.p / self.weight) if self.told else 1.0

    def same_p(self, margin: float) -> float:
        """The same of the probability that goes with the margin: see :meth:`Estimate.same_p`."""
        return min(1.0, self.difference.same_p(margin) / self.weight) if self.told else 1.0

    def interval(self, level: float) -> tuple[float, float]:
        """This look's part of an interval that all looks together miss in ``1 - level`` of cases."""
        return self.difference.interval(1 - (1 - level) * self.weight)


@dataclass(frozen=True)
class Verdict:
    """One variant against the reference.

    Attributes
    ----------
    variant_label, reference_label : str
    looked : tuple of Look
        One, or each planned look so far. Differences are of scores, variant minus reference: below 0 the variant
        has the smaller error.
    p : float or None
        Two-sided probability, corrected for all comparisons that were judged (Holm). None if a variant has one
        seed, as it is then unknown how seeds differ, and if both predict the same.
    comparisons : int
        How many were judged together.
    margin : float or None
        The size below which a difference does not matter, in the unit of the score.
    paired : bool
        Whether both have the same seeds.
    looks : Looks or None
        The planned looks; None if none were planned, and so all seeds are looked at once.
    metric : str
        What is judged: ``val MAE``.
    reference_error : float or None
        The reference's score, which decides the decimals of the figures.
    identical : bool
        Whether all predictions of both are equal, bit for bit: then nothing is judged.
    other_way : OtherWay or None
        The verdict on the other way to predict, if it is known and dropout makes a difference.
    lead : Lead or None
        What is said first, if either variant has not learnt, or not yet.
    same_p : float or None
        As ``p``, of a difference as large as the margin, corrected for all comparisons too: below 0.05 it is the
        same within it.
    """

    variant_label: str
    reference_label: str
    looked: tuple[Look, ...]
    p: float | None
    comparisons: int = 1
    margin: float | None = None
    paired: bool = True
    looks: Looks | None = None
    metric: str = "val MAE"
    reference_error: float | None = None
    identical: bool = False
    other_way: OtherWay | None = None
    lead: Lead | None = None
    same_p: float | None = None

    @property
    def difference(self) -> Estimate:
        """The difference with all seeds that were looked at."""
        return self.looked[-1].difference

    @property
    def plain_p(self) -> float:
        """The probability over all looks, as if this were the only comparison."""
        return min(look.p for look in self.looked)

    @cached_property
    def kind(self) -> Kind:
        """The conclusion, without the margin's size."""
        if self.identical:
            return "identical"
        if self.p is None:
            return "one seed" if self.looked[-1].number else "cannot tell"
        return "same" if self._same else self._direction if self._real else "cannot tell"

    @property
    def is_told(self) -> bool:
        """Whether it is better, worse, the same or identical."""
        return self.kind in ("better", "worse", "same", "identical")

    @property
    def _real(self) -> bool:
        return self.p is not None and self.p < ALPHA

    @property
    def _same(self) -> bool:
        return self.same_p is not None and self.same_p < ALPHA

    @property
    def _direction(self) -> Literal["better", "worse"]:
        found = next((look for look in self.looked if look.number == self.found_at), self.looked[-1])
        return "better" if found.difference.mean < 0 else "worse"

    @property
    def found_at(self) -> int | None:
        """The number of the look, from 1, at which the difference was found real."""
        if self.p is None or not self._real:
            return None
        level = adjusted_level(self.plain_p, self.p)
        told = [look for look in self.looked if look.told]
        apart = [look.number for look in told if not look.interval(level)[0] <= 0 <= look.interval(level)[1]]
        return apart[0] if apart else told[-1].number

    @property
    def word(self) -> str:
        """``better``, ``worse``, ``same within 0.05``, ``identical``, ``cannot tell`` or the reason for that."""
        if self.kind == "same":
            return f"same within {self.margin:g}"
        if self.kind == "cannot tell" and self.next_look:
            return "cannot tell yet"
        return f"{self.difference.untold}: cannot tell" if self.kind == "one seed" else self.kind

    @property
    def next_look(self) -> int | None:
        """The seeds of the next planned look, if there is one."""
        counts = self.looks.counts if self.looks else ()
        last = self.looked[-1].number
        return counts[last] if last < len(counts) else None

    @property
    def level(self) -> float | None:
        """The level of the interval that belongs to the word: it excludes 0 exactly if the word says so."""
        if self.p is None:
            return None
        if self.kind == "same":
            return self._same_level
        return adjusted_level(self.plain_p, self.p)

    @property
    def _same_level(self) -> float:
        """The level at which the interval lies inside the margin exactly if it is called the same."""
        assert self.margin is not None
        assert self.same_p is not None
        plain = min(look.same_p(self.margin) for look in self.looked)
        return 1 - (1 - MARGIN_LEVEL) * plain / self.same_p if plain else MARGIN_LEVEL

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """The interval of that level, in which all looks agree; None with one seed."""
        return None if self.level is None else self._interval(self.level)

    def _interval(self, level: float) -> tuple[float, float]:
        """The intersection of the intervals of all looks; the last one's if that is empty."""
        parts = [look.interval(level) for look in self.looked if look.told]
        low, high = max(low for low, _ in parts), min(high for _, high in parts)
        return (low, high) if low <= high else parts[-1]

    @cached_property
    def detectable(self) -> float | None:
        """The true difference that would be found in 80 % of samples with these seeds, rows and comparisons.

        With planned looks, this is the last look's alone; the earlier ones can only add to it.
        """
        if self.p is None:
            return None
        alpha = ALPHA / self.comparisons
        if self.looks is None:
            return self.difference.detectable(alpha=alpha)
        return self.difference.detectable(self.looks.counts[-1], alpha * self.looks.weights[-1])

    @cached_property
    def needed(self) -> int | None:
        """Seeds that would find a difference as large as the observed one; None if unknown or not more."""
        if self.kind != "cannot tell" or self.looks is not None:
            return None
        found = self.difference.seeds_needed(abs(self.difference.mean), ALPHA / self.comparisons)
        return found if found is not None and found > self.difference.fewest else None

    def planned(self, size: float) -> str:
        """How many seeds, or splits, would find a true difference of ``size`` in 80 % of samples, in words."""
        if self.identical:
            return f"{self.variant_label}: identical to {self.reference_label}, so there is nothing to find"
        if self.p is None:
            return f"{self.variant_label}: one seed tells nothing of how seeds differ; train a few first"
        unit = self.difference.unit
        found = self.difference.seeds_needed(size, ALPHA / self.comparisons)
        if found is not None:
            return f"{self.variant_label}: {max(found, MIN_SPLITS) if unit == 'splits' else found} {unit}"
        limit = "the rows of one split limit it; split_seeds draws others" if unit == "seeds" else "rows limit it"
        return f"{self.variant_label}: more {unit} alone would not do, {limit}"

    def __repr__(self) -> str:
        return one_line(f"Verdict({self.sentence()})")

    def sentence(self) -> str:
        """The verdict in words, with the figures.

        Beside it, what shows that either has not learnt, and the verdict on the other way to predict, if known.
        """
        verdict = f"{self._sentence()}{'. ' + self.other_way.sentence() if self.other_way else ''}"
        return self.lead.beside(verdict) if self.lead else verdict

    def _sentence(self) -> str:
        if self.identical:
            return f"{self.variant_label} and {self.reference_label} are identical: {SAME_PREDICTIONS}"
        pair = f"{self.variant_label} against {self.reference_label}"
        if self.p is None or self.interval is None or self.level is None:
            word = self._open() if self.kind == "cannot tell" else self.word
            return f"{pair}: {word}; {self._on_these_rows()}"
        figures = f"{self.metric} {self.told(self.difference.mean)} {self._told(self.interval, self.level)}"
        if self.kind == "same":
            but = f"; {self._direction}, but by less than matters" if self._real else ""
            same = f"{self.variant_label} and {self.reference_label} are the same within {self.margin:g}"
            return f"{same}: {figures}{self.difference.clusters_told}{but}"
        figures += f", p {format_p(self.p)}"
        if self.comparisons > 1:
            figures += f" (of {self.comparisons} comparisons)"
        figures += self.difference.clusters_told
        if self.kind != "cannot tell":
            return f"{self.variant_label} is {self.kind} than {self.reference_label}{self._found()}: {figures}"
        return f"{pair}: {self._open()}; {figures}.{self._alone()} {self._outlook()}"

    @property
    def answer(self) -> str:
        """``No: worse by 0.154 [0.090, 0.210] val MAE``, and the same of the other way to predict.

        The interval has the direction of the word: for a better variant, how much lower its errors are.
        """
        answer = f"{self._answer()}{'; ' + self.other_way.words if self.other_way else ''}"
        return self.lead.beside(answer, "; ") if self.lead else answer

    @property
    def beside(self) -> str:
        """What stands beside the word: ``neither has learnt; dropout left on: cannot tell``; perhaps empty."""
        return "; ".join(
            part for part in (self.lead and self.lead.short, self.other_way and self.other_way.in_a_word) if part
        )

    def in_short(self) -> str:
        """``worse by 0.154 [0.090, 0.210]``."""
        if self.interval is None:
            return self.word
        low, high = self.interval
        mean = self.difference.mean
        if self.kind == "better":
            return f"better by {self._amount(-mean)} [{self._amount(-high)}, {self._amount(-low)}]"
        if self.kind == "worse":
            return f"worse by {self._amount(mean)} [{self._amount(low)}, {self._amount(high)}]"
        return f"{self.word}, {self.told(mean)} [{self.told(low)}, {self.told(high)}]"

    def _answer(self) -> str:
        mean, metric = self.difference.mean, self.metric
        if self.identical:
            return f"No difference at all: {SAME_PREDICTIONS}"
        if self.interval is None:
            yet = f" yet: train to {self.next_look} seeds" if self.kind == "cannot tell" else ""
            untold = f" from {self.difference.untold}" if self.kind == "one seed" else ""
            return f"Cannot tell{yet}{untold}: {self._on_these_rows()}"
        low, high = self.interval
        if self.kind in ("better", "worse"):
            return f"{'Yes' if self.kind == 'better' else 'No'}: {self.in_short()} {metric}"
        figures = f"{metric} {self.told(mean)} [{self.told(low)}, {self.told(high)}]"
        if self.kind == "same":
            level = f"{100 * (self.level or MARGIN_LEVEL):.3g} %"
            return f"No difference that matters: same within {self.margin:g}, {figures} ({level})"
        if self.next_look is not None:
            return f"Cannot tell yet: {figures}; train to {self.next_look} seeds"
        return f"Cannot tell{' after all planned looks' if self.looks else ''}: {figures}"

    @property
    def detail(self) -> str:
        """Seeds, probability and the sources of the uncertainty; if it cannot tell, what is needed for that."""
        parts = [self.difference.seeds_told]
        if self.p is None or self.level is None:
            more = self.kind == "one seed" and self.difference.fewest < 2
            return f"{parts[0]}; train more: --seeds 5" if more else parts[0]
        if self.kind == "cannot tell":
            parts += self._needs()
        if self.looks is not None and self.found_at is not None:
            parts.append(f"found at look {self.found_at} of {len(self.looks.counts)}")
        if self.kind != "same":
            several = f" of {self.comparisons} comparisons, {100 * self.level:.3g} % interval"
            parts.append(f"p {format_p(self.p)}{several if self.comparisons > 1 else ''}")
        elif self.found_at is not None:
            parts.append("there is a difference, but by less than matters")
        shares = [(name, share) for name, share in self.difference.shares().items() if share >= LEAST_SHARE]
        sources = ", ".join(f"{_SOURCES.get(name, name)} {100 * share:.0f} %" for name, share in shares)
        return "; ".join([*parts, f"uncertainty from {sources}"] if sources else parts)

    def _amount(self, value: float) -> str:
        """A size, without its sign if it is shown as 0."""
        text = self.told(value, ".3f")
        return text if float(text) else text.removeprefix("-")

    def _on_these_rows(self) -> str:
        others = "another seed" if self.difference.fewest < 2 or self.kind != "one seed" else "other rows"
        return f"{self.metric} {self.told(self.difference.mean)} on these rows, and {others} may reverse it"

    def _needs(self) -> list[str]:
        """The difference that would be detected, and the seeds that the observed one would need."""
        if self.detectable is None:
            return []
        detected = f"a difference of {self._amount(self.detectable)} would be detected 80 % of the time"
        if self.needed is None:
            return [detected]
        unit = self.difference.unit
        return [detected, f"about {self.needed} {unit} would find the one seen, if it is as large as that"]

    def _found(self) -> str:
        """The planned look at which it was found."""
        if self.looks is None or self.found_at is None:
            return ""
        counts = self.looks.counts
        return f", found at look {self.found_at} of {len(counts)} ({counts[self.found_at - 1]} seeds)"

    def _open(self) -> str:
        if self.looks is None:
            return "cannot tell"
        if self.next_look is None:
            return "cannot tell after all planned looks"
        return f"cannot tell yet: train to {self.next_look} seeds"

    def _alone(self) -> str:
        """The conclusion if this were the only comparison, where that differs."""
        if self.plain_p >= ALPHA:
            return ""
        told = self._told(self._interval(1 - ALPHA), 1 - ALPHA)
        return f" As the only comparison it would have been called {self._direction}: {told}."

    def _outlook(self) -> str:
        last = self.looks.counts[-1] if self.looks else 0
        seeds = f"the {last} seeds of the last look" if last else self.difference.seeds_told
        needs = "; ".join(self._needs())
        return f"With {seeds}, {needs}" if needs else f"{seeds} do not show what could be detected"

    def told(self, value: float, form: str = "+.3f") -> str:
        """A difference of errors for people, with the decimals that all of these figures have."""
        return format_number(value, form, self.size)

    @cached_property
    def size(self) -> float | None:
        """The size that decides the decimals: as few as its errors need, as many as a real difference needs."""
        size = self.reference_error or largest((self.difference.mean, *(self.interval or ())))
        return telling_size(size, self.interval) if self._real and self.interval else size

    def _told(self, interval: tuple[float, float], level: float) -> str:
        text = f"[{self.told(interval[0])}, {self.told(interval[1])}]"
        return text if abs(level - (1 - ALPHA)) < 1e-9 else f"{text} ({100 * level:.3g} %)"


@dataclass(frozen=True)
class OtherWay:
    """The verdict on the same runs, predicting in the other way: with dropout left on, or off.

    Attributes
    ----------
    verdict : Verdict
    passes : int
        Passes with dropout on, of which the mean is taken.
    is_on : bool
        Whether dropout is on in this way.
    """

    verdict: Verdict
    passes: int
    is_on: bool

    @property
    def words(self) -> str:
        """``with dropout left on, the mean of 100 passes: worse by 0.090 [0.050, 0.130]``."""
        way = f"with dropout left on, the mean of {self.passes} passes" if self.is_on else "with dropout off"
        return f"{way}: {self.verdict.in_short()}{self._level}"

    @property
    def _level(self) -> str:
        """The interval's level, where it is another than 95 %."""
        level = self.verdict.level
        return "" if level is None or abs(level - (1 - ALPHA)) < 1e-9 else f" ({100 * level:.3g} %)"

    @property
    def in_a_word(self) -> str:
        """``dropout left on: worse``, where there is no room for more."""
        return f"dropout {'left on' if self.is_on else 'off'}: {self.verdict.word}"

    def sentence(self) -> str:
        """:attr:`words` as a sentence of its own."""
        return f"{self.words[0].upper()}{self.words[1:]}"


def adjusted_level(plain: float, corrected: float) -> float:
    """The level at which an interval excludes 0 exactly if the corrected probability is below 0.05."""
    return 1 - ALPHA * plain / corrected


def told_p(p: float | None) -> float | None:
    """A probability as data: 0.001 stands for 0.001 or less."""
    return None if p is None else max(p, LEAST_TOLD)


def format_p(p: float) -> str:
    """A probability for people."""
    return f"< {LEAST_TOLD:g}" if p <= LEAST_TOLD else f"{p:.3f}"
