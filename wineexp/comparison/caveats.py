"""What a reader must know beside the verdicts: where they do not hold, or hold less than they seem to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from wineexp.comparison.crossing import SplitDifference
from wineexp.comparison.estimate import ALPHA
from wineexp.comparison.judge import MOST_GROUPED, outlying_seeds
from wineexp.comparison.scale import shared_scale
from wineexp.comparison.variants import Variant, score_rank
from wineexp.comparison.verdict import Verdict
from wineexp.runs.run import Run
from wineexp.specs.wording import say
from wineexp.text import format_interval, format_number, largest, some_of

__all__ = ["Caveats"]


class Caveats:
    """The notes of one comparison, in the order in which they are found."""

    def __init__(self, variants: Sequence[Variant], judged: Sequence[Variant]) -> None:
        self.judged = judged
        self._notes: list[str] = []
        self._notes += dict.fromkeys(
            note
            for variant in variants
            for run in (*variant.runs, *variant.unfinished)
            if run.alone is not None
            for note in run.alone.notes
        )
        without = [variant for variant in variants if variant.runs and not variant.judged]
        blind = [variant.label for variant in without if variant.has_curves]
        if len(blind) < len(without):
            labels = some_of([variant.label for variant in without if not variant.has_curves])
            self._notes.append(f"{labels}: not judged: {_lacking(judged, variants)}")
        if blind:
            self._notes.append(
                f"{some_of(blind)}: curves only, no verdict: a CSV or PNG does not hold the predictions; "
                "give the run directories"
            )
        single = [one.label for one in judged if len(one.runs) == 1 and not one.runs[0].is_fixed]
        self._of_splits()
        self._of_units([variant for variant in variants if variant.runs])
        if len(judged) > 1 and single:
            self._notes.append(
                f"one seed only ({some_of(single)}): cannot tell, as another seed may reverse the difference. "
                f"{_more_seeds(judged)}"
            )
        self._of_outliers()
        self._of_judged_rows()
        self._of_clusters()

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self._notes)

    def _of_splits(self) -> None:
        crossed = [variant for variant in self.judged if variant.across_splits]
        if crossed:
            splits = [len(variant.split_errors) for variant in crossed]
            self._notes.append(
                f"judged over {min(splits)} splits: intervals are about tables like this one, not one cut of it; "
                "more splits narrow them, more seeds hardly do"
            )

    def _of_units(self, variants: Sequence[Variant]) -> None:
        """Losses of a scaled target beside others: no axis shows both as they are without a word."""
        by_unit: dict[str, list[str]] = {}
        for variant in variants:
            if variant.spec:
                by_unit.setdefault(say("scale_target", variant.spec.scale_target), []).append(variant.label)
        if len(by_unit) > 1:
            units = "; ".join(f"{unit}: {some_of(labels)}" for unit, labels in by_unit.items())
            shown = (
                "each is shown over its constant's loss" if shared_scale(variants).relative else "not comparable"
            )
            self._notes.append(f"losses are in different units ({units}): {shown}; errors are in the target's own")

    def _of_outliers(self) -> None:
        for variant in self.judged:
            for seed in outlying_seeds(variant):
                means = {other: variant.score.of_errors(errors.mean()) for other, errors in variant.errors.items()}
                own = means.pop(seed)
                scores, size = (own, min(means.values()), max(means.values())), largest(means.values())
                shown, low, high = (format_number(score, ".3f", size) for score in scores)
                self._notes.append(
                    f"{variant.label}: {_called(seed)} stands out: {variant.metric} {shown}, the others {low} to "
                    f"{high}. It is kept, and intervals may be too narrow: look at its curves"
                )

    def _of_clusters(self) -> None:
        unknown = [variant.label for variant in self.judged if variant.clusters is None]
        if unknown and len(unknown) == len(self.judged):
            self._notes.append("clusters unknown: rows count one by one, also those that belong together")

    def _of_judged_rows(self) -> None:
        if not self.judged:
            return
        patient = {variant.spec.patience is not None for variant in self.judged if variant.spec}
        score = self.judged[0].score
        if score.on_test:
            rows = {
                len(table)
                for variant in self.judged
                for table in map(score.predictions, variant.runs)
                if table is not None
            }
            counted = f"{min(rows)} test rows" if len(rows) == 1 else "test rows"
            stopped = "; early stopping chose the epoch on validation rows" if True in patient else ""
            self._notes.append(f"judged on {counted}, which neither trained nor chose anything{stopped}")
        elif True in patient:
            unequal = ", and not equally in all variants" if len(patient) > 1 else ""
            there = all(run.test_predictions is not None for variant in self.judged for run in variant.runs)
            self._notes.append(
                f"early stopping chose the epoch on the same validation rows that judge it: {score.name} is "
                f"somewhat too low{unequal}; "
                + (
                    "the test rows did not choose"
                    if there
                    else "with test_fraction, rows that did not choose would judge"
                )
            )

    def of_lacking(self, lacking: Sequence[Variant]) -> None:
        """Variants that have too few splits left."""
        if lacking:
            labels = some_of([variant.label for variant in lacking])
            self._notes.append(f"{labels}: not judged: too few finished splits in common with the reference")

    def of_first(self, variants: Sequence[Variant], run: Run | None, chosen: Variant | None) -> None:
        """The variant that was to be the reference, and has no finished run."""
        meant = next((one for one in variants if run in (*one.runs, *one.unfinished)), None)
        if meant is not None and chosen is not None and meant is not chosen:
            self._notes.append(f"{meant.label} was to be the reference and has no finished run: {chosen.label} is")

    def of_selection(self, selected: str | None) -> None:
        """Runs that were selected by their results."""
        if selected is not None:
            self._notes.append(
                f"chosen by results ({selected}): no verdict, as chance helped choose what is left. "
                "Choose by settings, or list such runs with: wineexp runs --where"
            )

    def of_verdicts(self, verdicts: Sequence[Verdict]) -> None:
        """Seeds that differ, the cautious interval over splits, and more variants than can be grouped."""
        # With seeds in common to all splits that variance lacks their part, and is the less cautious one.
        cautious = [
            _cautious(verdict, verdict.difference)
            for verdict in verdicts
            if isinstance(verdict.difference, SplitDifference)
            and not verdict.difference.shared_seeds
            and math.isfinite(verdict.difference.cautious_variance)
        ]
        if cautious:
            self._notes.append(f"more cautious, by Nadeau and Bengio's correction: {'; '.join(cautious)}")
        unpaired = [verdict.variant_label for verdict in verdicts if not verdict.paired and verdict.p is not None]
        if unpaired:
            self._notes.append(
                f"{some_of(unpaired)}: seeds differ from the reference's, so rows are paired, and seeds as far as "
                "both have them"
            )
        for verdict in verdicts:
            if verdict.p is not None and (factor := getattr(verdict.difference, "widening", 1.0)) > 1:
                self._notes.append(
                    f"{verdict.variant_label}: a few rows decide the difference, so its interval is {factor:.1f} "
                    "times as wide as if all weighed alike: look at these rows' errors"
                )
        if len(self.judged) > MOST_GROUPED:
            self._notes.append(
                f"{len(self.judged)} variants: all pairs are compared for up to {MOST_GROUPED}, "
                "so there are no groups"
            )

    def of_letters(self, verdicts: Sequence[Verdict], groups: Mapping[str, str]) -> None:
        """Letters that tell variants apart where no verdict does: of the two families only one may claim."""
        if len(set(groups.values())) > 1 and not any(one.kind in ("better", "worse") for one in verdicts):
            self._notes.append(
                "the letters tell variants apart, and no verdict does: they are exploring, no claims"
            )

    def of_dropout(self, verdicts: Sequence[Verdict]) -> None:
        """Variants that lose with dropout off, where it is not known how they predict with dropout left on."""
        dropping = {one.label for one in self.judged if one.spec and one.spec.has_dropout()}
        losing = [
            verdict.variant_label
            for verdict in verdicts
            if verdict.kind == "worse" and verdict.other_way is None and verdict.variant_label in dropping
        ]
        counts = set().union(*(one.passes for one in self.judged))
        if losing and len(counts) > 1:
            self._notes.append(
                f"{some_of(losing)}: judged with dropout off alone, as runs have other numbers of passes: "
                f"{', '.join(map(str, sorted(counts)))}; mc_passes {max(counts)} for all would judge both ways"
            )
        elif losing and not self.judged[0].score.of_passes:
            self._notes.append(
                f"{some_of(losing)}: judged with dropout off, as Keras predicts; with mc_passes: 100 the mean of "
                "passes with dropout left on is judged too, and nothing is trained again"
            )

    def of_looks(self) -> None:
        """What planned looks leave out."""
        self._notes.append(
            "seeds were added by planned looks: verdicts keep their error rate. Effects use the seeds of the "
            "first look alone; means of variants with more seeds are of other seeds than the rest"
        )

    def of_reference(self, reference: Variant, *, chosen_now: bool) -> None:
        """A reference that was chosen after the results were known, and has the lowest or the highest error."""
        ranked = sorted(self.judged, key=score_rank)
        ends = {"lowest": ("9", ranked[:1]), "highest": ("6.4", ranked[-1:])}
        for end, (share, at_end) in ends.items():
            if chosen_now and len(ranked) > 2 and reference in at_end:
                self._notes.append(
                    f"the reference has the {end} {reference.metric} of {len(ranked)}: if it was chosen for that, "
                    f"differences to it are called real too often (up to {share} % instead of 5 where there are "
                    "none)"
                )


def _lacking(judged: Sequence[Variant], variants: Sequence[Variant]) -> str:
    """What lone predictions lack for the score."""
    score = (*judged, *variants)[0].score
    if score.of_classes:
        columns = "p_mc_" if score.of_passes else "p_"
        return f"no columns {columns}<label>, the probabilities; without them the error rate can be judged"
    return "no column predicted_mc, the mean of passes"


def _called(seed: int) -> str:
    """A seed in words; one below 0 is that of a table of predictions without seeds, by its place."""
    return f"seed {seed}" if seed >= 0 else f"table {-seed}"


def _more_seeds(judged: Sequence[Variant]) -> str:
    if all(run.is_recorded for variant in judged for run in variant.runs):
        return "Train more: --seeds 5"
    return "Give more of them, or say with --deterministic NAME which would be the same again"


def _cautious(verdict: Verdict, difference: SplitDifference) -> str:
    low, high = difference.cautious(verdict.level or 1 - ALPHA)
    figures = format_interval(difference.mean, low, high, form="+.3f", size=verdict.size)
    return f"{verdict.variant_label} {figures}"
