"""Have the variants learnt anything? A verdict between networks that have not is no answer about a setting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from wineexp.runs.learning import learning
from wineexp.runs.run import Run
from wineexp.runs.score import Figures, Score
from wineexp.text import format_number

__all__ = ["Lead", "State", "lead", "state_of"]


@dataclass(frozen=True)
class State:
    """What shows that a variant has not learnt, or not yet.

    Attributes
    ----------
    loses : bool
        Whether the score of all its seeds together is not below the best constant's.
    constant : bool
        Whether most of its seeds predict nearly the same for every row.
    diverged : int
        The number of its seeds that diverged.
    falling : bool
        Whether val_loss is still falling at the end, for most of its seeds.
    own, constant_gives : str
        Its score and the best constant's, for people: ``val MAE 2.075``, ``always predicting the training median
        gives 0.665``; empty if either is not known.
    remedy : str or None
        The flag that helps, if the target's scale is far from 1.
    """

    loses: bool = False
    constant: bool = False
    diverged: int = 0
    falling: bool = False
    own: str = ""
    constant_gives: str = ""
    remedy: str | None = None

    @property
    def has_learnt(self) -> bool:
        """Whether it has learnt something, if perhaps not all yet."""
        return not (self.loses or self.constant or self.diverged)

    @property
    def words(self) -> str:
        """What shows it, worst first: ``loses to the constant, still falling``; empty if nothing does."""
        found = {
            f"{self.diverged} seed{'s' if self.diverged > 1 else ''} diverged": self.diverged > 0,
            "predicts a constant": self.constant,
            "loses to the constant": self.loses,
            "still falling": self.falling,
        }
        return ", ".join(word for word, is_so in found.items() if is_so)


def state_of(runs: Sequence[Run], unfinished: Sequence[Run], score: Score, figures: Figures) -> State:
    """The state of a variant: of its finished runs, with their figures, and of the others."""
    each = [learning(run, score) for run in runs]
    own, constant_gives = _figures(score, figures)
    return State(
        loses=bool(own) and figures.score >= figures.constant,  # type: ignore[operator]
        constant=_most(one.constant_predictions for one in each),
        diverged=sum(learning(run, score).diverged for run in unfinished),
        falling=_most(one.still_falling for one in each),
        own=own,
        constant_gives=constant_gives,
        remedy=next((one.remedy for one in each if one.remedy), None),
    )


def _most(facts: Iterable[bool | None]) -> bool:
    """Whether something is so for more than half of the seeds."""
    each = list(map(bool, facts))
    return sum(each) > len(each) / 2


def _figures(score: Score, figures: Figures) -> tuple[str, str]:
    """The score and the best constant's, for people; both empty if either is not known."""
    if figures.score is None or figures.constant is None:
        return "", ""
    own, constant = (format_number(value, ".3f", figures.constant) for value in (figures.score, figures.constant))
    return f"{score.name} {own}", f"always predicting {score.constant_words} gives {constant}"


@dataclass(frozen=True)
class Lead:
    """What is said beside a verdict, if one of its variants has not learnt, or not yet.

    Attributes
    ----------
    words : str
        ``Neither has learnt yet: both lose to the constant``.
    short : str
        ``neither has learnt``.
    is_first : bool
        Whether it stands before the verdict: no difference between networks that have not learnt is an answer.
    """

    words: str
    short: str
    is_first: bool = True

    def beside(self, verdict: str, separator: str = ". ") -> str:
        """The verdict in words, with the lead before or behind it."""
        if self.is_first:
            return f"{self.words}. {verdict}"
        words = self.words.replace("both are", "Both are", 1) if separator == ". " else self.words
        return f"{verdict}{separator}{words}"


def lead(label: str, ours: State, reference: str, theirs: State) -> Lead | None:
    """The lead of a verdict on ``label`` against ``reference``; None if both have learnt, and fall no more."""
    remedy = ours.remedy or theirs.remedy
    helps = f"; scale_target standard ({remedy}) may help" if remedy else ""
    if not ours.has_learnt and not theirs.has_learnt:
        why = f"{label}: {ours.words}; {reference}: {theirs.words}"
        if ours.loses and theirs.loses:
            shown = f"{ours.constant_gives}; {label} has {ours.own}, {reference} {theirs.own}"
            why = f"both lose to the constant ({shown})"
        return Lead(f"Neither has learnt yet: {why}{helps}", "neither has learnt")
    for name, state, short in ((label, ours, "has not learnt"), (reference, theirs, "reference has not learnt")):
        if not state.has_learnt:
            loses = "loses to the constant"
            why = state.words.replace(loses, f"{loses} ({state.own}, {state.constant_gives})")
            return Lead(f"{name} has not learnt yet: {why}{helps}", short)
    falling = [name for name, state in ((label, ours), (reference, theirs)) if state.falling]
    if not falling:
        return None
    still = "both are still falling" if len(falling) == 2 else f"{falling[0]} is still falling"
    return Lead(f"{still}, so more epochs may change this", "still falling", is_first=False)
