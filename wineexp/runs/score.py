"""The score: what is judged, a number for each row made of its target and its prediction."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from wineexp.runs.probabilities import as_passes, constant_errors, has_probabilities, row_errors
from wineexp.specs.fields import CLASS_SCORES, Judge, ScoreChoice

if TYPE_CHECKING:
    import pandas as pd

    from wineexp.data.facts import TableFacts
    from wineexp.runs.run import Run
    from wineexp.specs.run_spec import RunSpec

__all__ = ["VAL_MAE", "Figures", "Score", "own_score"]

Floats = npt.NDArray[np.floating[Any]]

#: The scores in words.
_MEASURES = {
    "mae": "MAE",
    "rmse": "RMSE",
    "log_loss": "log loss",
    "error_rate": "error rate",
    "brier": "Brier score",
}


class Figures(NamedTuple):
    """What a run, or a variant, scores; each None if it is not known.

    Attributes
    ----------
    score, constant : float or None
        On the judged rows: of the predictions, and of always predicting the training rows' best constant.
    train : float or None
        On the training rows, dropout off.
    twins, unseen : float or None
        On the judged rows that also occur, value for value, in the training rows, and on the others.
    """

    score: float | None = None
    constant: float | None = None
    train: float | None = None
    twins: float | None = None
    unseen: float | None = None

    @property
    def skill(self) -> float | None:
        """``1 - score / constant``; None if the constant predicts perfectly."""
        return 1 - self.score / self.constant if self.score is not None and self.constant else None

    @property
    def gap(self) -> float | None:
        """How much larger the score is than on the training rows."""
        return None if self.score is None or self.train is None else self.score - self.train


@dataclass(frozen=True)
class Score:
    """What is judged.

    Attributes
    ----------
    judge : str
        Of numbers, ``mae``: mean absolute error; ``rmse``: root mean squared error, of which the squared errors
        are judged. Of classes, ``log_loss``, ``error_rate``, ``brier``. With ``_mc``: of the mean of passes with
        dropout on.
    on_test : bool
        Whether test rows are judged, not validation rows.
    """

    judge: Judge = "mae"
    on_test: bool = False

    @property
    def key(self) -> str:
        """The name of the metric in run.json: ``val_mae``."""
        return f"{'test' if self.on_test else 'val'}_{self.judge}"

    @property
    def measure(self) -> str:
        """``MAE``; ``MAE (MC)`` for the mean of passes."""
        return f"{_MEASURES[self._root]}{' (MC)' if self.of_passes else ''}"

    @property
    def of_passes(self) -> bool:
        """Whether the mean of passes with dropout on is judged."""
        return self.judge.endswith("_mc")

    @property
    def of_classes(self) -> bool:
        """Whether it is a score of predicted classes, and so without a unit."""
        return self._root in CLASS_SCORES

    @property
    def is_error_rate(self) -> bool:
        """Whether it is the share of wrong labels."""
        return self._root == "error_rate"

    @property
    def other_way(self) -> Score:
        """The same score of the other way to predict: with dropout left on, or off."""
        return replace(self, judge=cast(Judge, self._root if self.of_passes else f"{self.judge}_mc"))

    @property
    def train_key(self) -> str:
        """The name of the metric on the training rows, dropout off."""
        return f"train_{self._root}"

    @property
    def _root(self) -> str:
        return self.judge.removesuffix("_mc")

    @property
    def _is_squared(self) -> bool:
        return self._root == "rmse"

    @property
    def name(self) -> str:
        """``val MAE``."""
        return f"{'test' if self.on_test else 'val'} {self.measure}"

    @property
    def constant_words(self) -> str:
        """The best constant: ``the training median``."""
        if self.is_error_rate:
            return "the commonest label of the training rows"
        if self.of_classes:
            return "the training rows' shares of the labels"
        return "the training mean" if self._is_squared else "the training median"

    def errors(self, table: pd.DataFrame) -> Floats:
        """What is judged of each row, shape (rows,): absolute errors, or squared ones for ``rmse``; of classes its
        log loss, 1 for a wrong label, or its part of the Brier score.

        Parameters
        ----------
        table : DataFrame
            As :meth:`predictions` returns it.
        """
        if not self.of_classes:
            return self._of_numbers(table, table["predicted"].to_numpy(np.float64))
        return row_errors(table, self._root)

    def constant_errors(self, table: pd.DataFrame, data: TableFacts) -> Floats | None:
        """As :meth:`errors`, of always predicting the training rows' best constant; None if that is not known.

        For classes that is the share of each label in the training rows; for the error rate, the commonest label.
        """
        if not self.of_classes:
            constant = data.train_mean if self._is_squared else data.train_median
            return None if constant is None else self._of_numbers(table, constant)
        return constant_errors(table, self._root, data.shares)

    def _of_numbers(self, table: pd.DataFrame, predicted: Floats | float) -> Floats:
        errors: Floats = np.abs(table["actual"].to_numpy(np.float64) - predicted)
        return errors**2 if self._is_squared else errors

    def highest(self, labels: int) -> float:
        """The highest that it can be: of an error rate and two labels' Brier 1, of more labels' 2; else inf."""
        if self.is_error_rate or (self._root == "brier" and labels == 2):
            return 1.0
        return 2.0 if self._root == "brier" else math.inf

    def of_errors(self, mean: float) -> float:
        """The score that goes with a mean of :meth:`errors`."""
        return math.sqrt(max(0.0, mean)) if self._is_squared else mean

    def mean(self, scores: Iterable[float]) -> float:
        """The score of all rows together, from scores of as many rows each."""
        return self.of_errors(float(np.mean([score**2 if self._is_squared else score for score in scores])))

    def unit(self, one: Floats, other: Floats) -> float:
        """The factor that turns a difference of two variants' mean errors into that of their scores.

        ``MSE_a - MSE_b = (RMSE_a - RMSE_b) (RMSE_a + RMSE_b)``: so differences of squared errors over
        ``RMSE_a + RMSE_b`` have the difference of the RMSEs as their mean.

        Parameters
        ----------
        one, other : arrays
            All :meth:`errors` of each variant.
        """
        if not self._is_squared:
            return 1.0
        both = self.of_errors(float(one.mean())) + self.of_errors(float(other.mean()))
        return 1 / both if both else 1.0

    def linear(self, errors: Floats) -> Floats:
        """A variant's :meth:`errors` in the score's unit, with the score as their mean.

        For ``rmse``, the tangent of the root at the mean: ``RMSE / 2 + error / (2 RMSE)``. A sum of variants'
        scores then has the variance that the delta method gives it.
        """
        score = self.of_errors(float(errors.mean()))
        return errors / (2 * score) + score / 2 if self._is_squared and score else errors

    def predictions(self, run: Run) -> pd.DataFrame | None:
        """``row, actual, predicted, twin`` of the judged rows, with the probabilities that are judged.

        None if the run does not have what is judged.
        """
        table = run.test_predictions if self.on_test and run.is_recorded else run.predictions
        if table is None or not self._is_there(table):
            return None
        if not self.of_passes or (run.is_recorded and not run.spec.has_dropout()):
            return table  # without dropout every pass is the prediction itself
        if not self.of_classes:
            return table.assign(predicted=table["predicted_mc"]) if "predicted_mc" in table else None
        return as_passes(table) if has_probabilities(table, passes=True) else None

    def _is_there(self, table: pd.DataFrame) -> bool:
        """Whether a table's predictions, of dropout off, are of what is judged."""
        if not self.of_classes:
            return table["actual"].dtype.kind in "iuf"
        if self._root == "error_rate":
            return table["actual"].dtype.kind not in "iuf"
        return has_probabilities(table)

    def figures(self, run: Run) -> Figures:
        """The figures of one run: as recorded, or else from its predictions."""
        metrics, table = run.known_metrics, self.predictions(run)
        # Passes over the training rows are not recorded.
        score, train = getattr(metrics, self.key), None if self.of_passes else getattr(metrics, self.train_key)
        if self == VAL_MAE and run.is_recorded:
            return Figures(score, metrics.baseline_mae, train, metrics.val_mae_twins, metrics.val_mae_unseen)
        if table is None:
            return Figures(score, None, train)
        errors, twins = self.errors(table), table["twin"].to_numpy(bool)
        if not run.is_recorded:
            return Figures(self._over(errors), None, None)
        constant = self.constant_errors(table, run.record.data)
        return Figures(
            self._over(errors) if score is None else score,
            None if constant is None else self._over(constant),
            train,
            self._over(errors[twins]),
            self._over(errors[~twins]),
        )

    def figures_of(self, runs: Iterable[Run]) -> Figures:
        """The figures over several runs, those of which one is not known for a run left out."""
        parts = zip(*map(self.figures, runs), strict=True)
        return Figures(*(None if None in part else self.mean(part) for part in parts))

    def _over(self, errors: Floats) -> float | None:
        return self.of_errors(float(errors.mean())) if len(errors) else None


#: What is judged of numbers by default, where no run has test rows.
VAL_MAE = Score()


def own_score(spec: RunSpec) -> Score:
    """What is judged by default of a run's validation rows."""
    return Score(ScoreChoice().fit(classes=spec.has_classes))
