"""The split: which rows train and which validate, and their scaled arrays, on which a model is fitted."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wineexp.data.classes import Classes, Target, check_labels, class_note, table_labels
from wineexp.data.encoding import (
    Encoding,
    check_columns,
    fit_encoding,
    has_holes,
    index_notes,
    is_missing,
    leave_out,
    missing_notes,
    rows_with_values,
)
from wineexp.data.facts import ScalingFacts, TableFacts, TargetFacts
from wineexp.data.scaling import Scaling, TargetScaling
from wineexp.data.sides import side_of_rows, sides_hash
from wineexp.data.table import Table, check_varies
from wineexp.errors import DataError, SpecError
from wineexp.specs.run_spec import RunSpec, deciding
from wineexp.text import one_line, some_of

__all__ = [
    "ROW_FIELDS",
    "Split",
    "cluster_labels",
    "identity",
    "row_groups",
    "split_notes",
    "split_table",
    "table_facts",
    "whole_groups",
]

Labels = npt.NDArray[np.int64]


def identity(table: Table, columns: Collection[str], spec: RunSpec) -> list[str]:
    """The columns in which identical rows agree.

    All columns of the table, used or not, so that leaving out a feature does not change the split; except the
    group, as the same row may occur in two, and unused columns that differ in every row, as IDs do.

    Parameters
    ----------
    table : Table
    columns : collection of str
        The columns that the features are made from.
    spec : RunSpec
    """
    used = {*columns, spec.target}
    unused = [name for name in table.frame.columns if name not in used and name != spec.group]
    ignored = {name for name in unused if name in table.distinct} | {spec.group}
    return [name for name in table.frame.columns if name not in ignored]


def row_groups(table: Table, columns: Collection[str], spec: RunSpec) -> Labels:
    """The number of each row's group, shape (rows,); groups are numbered in the order of their first rows.

    Rows are in one group if they are identical, have the same value of ``spec.group``, or are linked so through
    other rows.
    """
    frame = table.frame
    same = table.same_rows(identity(table, columns, spec))
    if spec.group is None:
        return same
    from scipy.sparse import coo_array  # other splits do not need it, and it would delay their start
    from scipy.sparse.csgraph import connected_components

    groups = pd.factorize(frame[spec.group], use_na_sentinel=False)[0].astype(np.int64)
    if has_holes(table, spec.group):  # such a row is in no group, and links none
        alone = is_missing(table, spec.group)
        groups[alone] = groups.max() + 1 + np.arange(int(alone.sum()))
        same = np.where(alone, same.max() + 1 + np.arange(len(same)), same)
    nodes = int(groups.max()) + 1
    size = nodes + int(same.max()) + 1
    edges = coo_array((np.ones(len(frame)), (groups, nodes + same)), shape=(size, size))
    labels = connected_components(edges, directed=False)[1][groups]
    return np.asarray(pd.factorize(labels)[0], dtype=np.int64)


def cluster_labels(table: Table, columns: Collection[str], spec: RunSpec) -> Labels:
    """The cluster of each row, shape (rows,): the first row of its :func:`row_groups`."""
    return _by_first_row(table.frame, row_groups(table, columns, spec))


def _by_first_row(frame: pd.DataFrame, groups: Labels) -> Labels:
    first = np.unique(groups, return_index=True)[1]
    labels: Labels = frame.index.to_numpy(np.int64)[first[groups]]
    return labels


def whole_groups(frame: pd.DataFrame, groups: Labels, fraction: float, seed: int) -> pd.DataFrame:
    """Rows of ``frame``, shuffled, in whole groups: as near to this share of the rows as the last group allows.

    Parameters
    ----------
    groups : int64, shape (rows of ``frame``,)
    fraction : float
    seed : int
    """
    group = pd.factorize(groups)[0]
    order = np.random.RandomState(seed).permutation(group.max() + 1)
    filled = np.bincount(group)[order].cumsum()
    chosen = order[: np.searchsorted(filled, fraction * len(frame), side="left") + 1]
    # The last group may overshoot; leave it out if that comes closer to the requested share.
    if len(chosen) > 1 and filled[len(chosen) - 1] + filled[len(chosen) - 2] > 2 * fraction * len(frame):
        chosen = chosen[:-1]
    return frame[np.isin(group, chosen)].sample(frac=1.0, random_state=seed)


#: Fields of a spec that decide which rows are judged, and on what.
ROW_FIELDS = deciding("rows")

Floats = npt.NDArray[np.float32]


#: Limit of the error of rounding to float32, as a share of a column's range: 2^40 + quality would be one value,
#: seconds since 1970 lose a thousandth of a day.
MOST_LOST = 0.01

#: Values whose difference is a smaller share of their size differ by the rounding of some hundred float64 sums.
ROUNDING = 1e-13


@dataclass(frozen=True)
class Split:
    """The sides of the split: two, or three with test rows.

    Attributes
    ----------
    encoding : Encoding
        Encoding of the columns, in table order; fitted on the training rows.
    scaling : Scaling
        Fitted on the training rows.
    target : TargetScaling or Classes
        What the model's outputs mean: a scaling, fitted on the training rows, or the labels of the whole table.
    x_train, y_train : float32, shapes (training rows, features) and (training rows,)
        In the order that ``DataFrame.sample`` drew them. With classes, ``y`` is each label's number, int64.
    x_valid, y_valid, x_test, y_test : float32, shapes (rows of that side, features) and (rows of that side,)
        In table order.
    loss_train, loss_valid : float32, shape (rows of that side,) or (rows of that side, labels)
        ``y_train`` and ``y_valid`` as the loss sees them.
    train_rows, valid_rows, test_rows : int64, shape (rows of that side,)
        The table's index of each row.
    twins, test_twins : bool, shape (rows of that side,)
        Whether the row also occurs, value for value, in the training rows: see :func:`identity`.
    clusters : int64, shape (rows of the table,)
        Each row's cluster: see :func:`cluster_labels`.
    sides : str
        With a split column, a hash of each row's side.
    """

    encoding: Encoding
    scaling: Scaling
    target: Target
    x_train: Floats
    y_train: npt.NDArray[Any]
    x_valid: Floats
    y_valid: npt.NDArray[Any]
    loss_train: Floats
    loss_valid: Floats
    train_rows: npt.NDArray[np.int64]
    valid_rows: npt.NDArray[np.int64]
    twins: npt.NDArray[np.bool_]
    x_test: Floats
    y_test: npt.NDArray[Any]
    test_rows: npt.NDArray[np.int64]
    test_twins: npt.NDArray[np.bool_]
    clusters: Labels
    sides: str = ""

    @property
    def features(self) -> tuple[str, ...]:
        """The features' names, in the order that the model takes them."""
        return self.encoding.features

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """The table's index of every row that is used, in table order."""
        return np.sort(np.concatenate([self.train_rows, self.valid_rows, self.test_rows]))

    @property
    def labels(self) -> tuple[str, ...]:
        """The target's labels; empty for a target of numbers."""
        return self.target.labels if isinstance(self.target, Classes) else ()


def split_table(table: Table, spec: RunSpec) -> Split:
    """Split the table's rows as the spec says, encode text and scale the numbers among the features.

    ``random`` is the lesson's ``table.sample(frac=train_fraction, random_state=split_seed)``; the other rows
    validate. ``grouped`` shuffles groups of identical rows instead (see :mod:`.grouping`) and takes whole groups
    until the share is reached, so no validation row has a twin. ``stratified`` takes the share of each label's
    rows. ``ordered`` trains on the first rows, validates on those behind them and tests on the last. ``column``
    takes the sides as they are given. Test rows are drawn from the rows that do not train, so the training rows
    are the same with and without them; groups stay together there too.

    Raises
    ------
    DataError
        When the target is missing, constant or has no logarithm, a column cannot be used (see
        :func:`.encoding.check_columns`), or a side would have fewer than two rows.
    """
    # First of all, as a cell that is no side would be refused as a feature.
    given = side_of_rows(table, spec) if spec.split == "column" else None
    columns = check_columns(table, spec)
    used = rows_with_values(table, columns, spec)
    frame = table.frame if used.all() else table.frame[used]
    train, valid, test, groups = _sides(table, frame, columns, spec, given)
    sizes = [len(train), len(valid), *([len(test)] if len(test) or spec.test_fraction else [])]
    if min(sizes) < 2:
        within = "" if groups is None else f" in {len(np.unique(groups[frame.index]))} groups"
        left = "" if used.all() else f", without the {np.sum(~used):,} that lack a value,"
        shares = f"{spec.train_fraction:g}" + (f" and {spec.test_fraction:g}" if spec.test_fraction else "")
        if spec.split == "column":
            shares = f"column {spec.split_column!r}"
        raise DataError(
            f"{table.source}: {len(frame)} rows{within}{left} are too few to split by {shares}: "
            f"expected at least 2 rows on each side, found {' and '.join(map(str, sizes))}"
        )
    encoding = fit_encoding(table, columns, train, spec)
    features = encoding.features
    scaling = Scaling.fit(encoding(train), spec.scale, encoding.encoded)
    sides = (train, valid, test)
    x_train, x_valid, x_test = (scaling(encoding(side)) for side in sides)
    _check_finite(table, features, np.stack([scaling.center, scaling.scale]))
    _check_float32(table, features, scaling.exact(encoding(frame)))
    target, (y_train, y_valid, y_test), (loss_train, loss_valid) = _targets(table, spec, frame, sides)
    same = table.same_rows(identity(table, columns, spec))
    trained = np.unique(same[train.index])
    return Split(
        encoding=encoding,
        scaling=scaling,
        target=target,
        x_train=x_train,
        y_train=y_train,
        x_valid=x_valid,
        y_valid=y_valid,
        loss_train=loss_train,
        loss_valid=loss_valid,
        train_rows=train.index.to_numpy(np.int64),
        valid_rows=valid.index.to_numpy(np.int64),
        twins=np.isin(same[valid.index], trained),
        x_test=x_test,
        y_test=y_test,
        test_rows=test.index.to_numpy(np.int64),
        test_twins=np.isin(same[test.index], trained),
        clusters=_by_first_row(table.frame, same if groups is None else groups),
        sides="" if given is None else sides_hash(given),
    )


def _sides(
    table: Table,
    frame: pd.DataFrame,
    columns: Collection[str],
    spec: RunSpec,
    given: npt.NDArray[np.int8] | None,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, Labels | None]:
    """The rows of ``frame`` to train, to validate and to test on, and the groups that stay together, if any do.

    ``given``: with a split column, the side of each row of the table.
    """
    if given is not None:
        side = given[frame.index]
        return frame[side == 0], frame[side == 1], frame[side == 2], None
    if spec.split == "ordered":
        first, last = (round(share * len(frame)) for share in (spec.train_fraction, 1 - spec.test_fraction))
        return frame.iloc[:first], frame.iloc[first:last], frame.iloc[last:], None
    groups = None
    if spec.split == "grouped" or spec.group is not None:
        groups = row_groups(table, columns, spec)
    if spec.split == "stratified":
        codes = check_labels(table, spec).codes(table_labels(table, spec.target))
        train = _stratified(frame, codes, groups, spec.train_fraction, spec.split_seed)
        train = train.sample(frac=1.0, random_state=spec.split_seed)
        rest = frame.drop(train.index)
        share = _test_share(rest, spec, len(frame))
        test = _stratified(rest, codes, groups, share, spec.split_seed).sort_index() if share else rest.iloc[:0]
        return train, rest.drop(test.index), test, groups
    if groups is None:
        train = frame.sample(frac=spec.train_fraction, random_state=spec.split_seed)
    else:
        train = whole_groups(frame, groups[frame.index], spec.train_fraction, spec.split_seed)
    rest = frame.drop(train.index)
    test = _test_rows(rest, groups, spec, len(frame))
    return train, rest.drop(test.index), test, groups


def _stratified(
    frame: pd.DataFrame, codes: Labels, groups: Labels | None, fraction: float, seed: int
) -> pd.DataFrame:
    """This share of the rows of each label; of whole groups, by the commonest label in each."""
    own = codes[frame.index]
    if groups is not None:
        together = pd.Series(own, groups[frame.index])
        commonest = together.groupby(level=0).agg(lambda labels: labels.mode().iloc[0])
        own = commonest[groups[frame.index]].to_numpy()
    parts = []
    for label in np.unique(own):
        rows = frame[own == label]
        if groups is None:
            parts.append(rows.sample(frac=fraction, random_state=seed))
        else:
            parts.append(whole_groups(rows, groups[rows.index], fraction, seed))
    whole: pd.DataFrame = pd.concat(parts)
    return whole


def _targets(
    table: Table, spec: RunSpec, frame: pd.DataFrame, sides: Sequence[pd.DataFrame]
) -> tuple[Target, list[npt.NDArray[Any]], list[Floats]]:
    """The target, its values on the sides of ``frame``, and on the first two as the loss sees them."""
    if spec.has_classes:
        classes = check_labels(table, spec)
        codes = classes.codes(table_labels(table, spec.target))
        if len(there := np.unique(codes[frame.index])) < 2:
            raise DataError(
                f"{table.source}: column {spec.target!r}: expected a target that varies, found "
                f"{one_line(classes.labels[there[0]])} in every row that is used"
            )
        of_sides: list[npt.NDArray[Any]] = [codes[side.index] for side in sides]
        return classes, of_sides, [classes.forward(values) for values in of_sides[:2]]
    check_varies(table, spec.target, frame[spec.target])
    with np.errstate(over="ignore"):  # a column that overflows is refused by name below
        values = [side[spec.target].to_numpy(np.float32) for side in sides]
    _check_float32(table, [spec.target], frame[[spec.target]].to_numpy(np.float64))
    scaling = _fit_target(table, spec, frame, sides[0])
    if spec.scale_target == "none":
        return scaling, values, values[:2]
    return scaling, values, [_scaled_target(table, side[spec.target], scaling) for side in sides[:2]]


def _test_rows(rest: pd.DataFrame, groups: Labels | None, spec: RunSpec, rows: int) -> pd.DataFrame:
    """The test rows, ``test_fraction`` of the whole table, from the rows that do not train; in table order."""
    share = _test_share(rest, spec, rows)
    if not share:
        return rest.iloc[:0]
    if groups is None:
        return rest.sample(frac=share, random_state=spec.split_seed).sort_index()
    return whole_groups(rest, groups[rest.index], share, spec.split_seed).sort_index()


def _test_share(rest: pd.DataFrame, spec: RunSpec, rows: int) -> float:
    """The share of the rows that do not train to test on, so that they are ``test_fraction`` of all."""
    return 0.0 if rest.empty else min(1.0, spec.test_fraction * rows / len(rest))


def _check_float32(table: Table, names: Sequence[str], exact: npt.NDArray[np.float64]) -> None:
    """Raise ``DataError`` for the first column that float32 cannot hold, or whose rows it cannot tell apart."""
    with np.errstate(over="ignore", invalid="ignore"):
        stored = exact.astype(np.float32)
        lost, spread = np.abs(exact - stored).max(axis=0), np.ptp(exact, axis=0)
    _check_finite(table, names, stored)
    for name, error, width, values in zip(names, lost, spread, exact.T, strict=True):
        if width and error > MOST_LOST * width:  # a constant column has nothing to tell apart
            raise DataError(
                f"{table.source}: column {name!r}: expected values that float32 can tell apart, found values "
                f"around {values[0]:.6g} that differ by {width:.3g} at most; subtract a constant from them"
            )


def _check_finite(table: Table, names: Sequence[str], values: npt.NDArray[np.floating[Any]]) -> None:
    """Raise ``DataError`` for the first column with a value that is not finite, as it overflowed."""
    for index, name in enumerate(names):
        if not np.isfinite(values[:, index]).all():
            raise DataError(
                f"{table.source}: column {name!r}: expected values that float32 can hold once they are scaled "
                "(up to 3e38), found larger ones"
            )


def _fit_target(table: Table, spec: RunSpec, frame: pd.DataFrame, train: pd.DataFrame) -> TargetScaling:
    """The target's scaling, fitted on the training rows; for a logarithm every row must be above 0."""
    target = frame[spec.target].to_numpy(np.float64)
    if spec.scale_target == "log" and (target <= 0).any():
        at = int((target <= 0).argmax())
        row = int(frame.index[at])
        raise DataError(
            f"{table.place(row)}: column {spec.target!r}: expected a number above 0, for the logarithm of "
            f"scale_target log; found {target[at]:g}; use scale_target standard, or leave such rows out"
        )
    return TargetScaling.fit(spec.scale_target, train[spec.target].to_numpy(np.float64))


def _scaled_target(table: Table, column: pd.Series, scaling: TargetScaling) -> Floats:
    """Some rows' target as the loss sees it, shape (rows,)."""
    with np.errstate(over="ignore"):
        scaled = scaling.forward(column.to_numpy(np.float64)).astype(np.float32)
    _check_finite(table, [str(column.name)], scaled[:, None])
    return scaled


def _ranges(x: npt.NDArray[np.float64]) -> tuple[tuple[float, float], ...]:
    return tuple(zip(x.min(axis=0).tolist(), x.max(axis=0).tolist(), strict=True))


def split_notes(table: Table, spec: RunSpec, split: Split) -> dict[tuple[str, str], str]:
    """Notes for the reader on columns and batches as they are used: (topic, column or batches) -> note.

    Raises
    ------
    SpecError
        For batches of one row with batch normalization.
    """
    columns = split.encoding.columns
    notes = {("index", name): note for name, note in index_notes(table, columns, spec).items()}
    held_out = table.frame.loc[np.sort([*split.valid_rows, *split.test_rows])]
    notes |= {("missing", note): note for note in missing_notes(table, columns, spec, split.encoding)}
    for name, rows in split.encoding.unseen(held_out):
        has = "rows have" if len(rows) > 1 else "row has"
        examples = some_of([repr(category)[:60] for category in sorted(held_out[name].iloc[rows].unique())])
        notes["unseen", name] = (
            f"{table.source}: column {name!r}: {len(rows)} validation or test {has} a category that no training "
            f"row of split_seed {spec.split_seed} has, encoded as all zeros: {examples}"
        )
    if not spec.has_classes and (note := class_note(table, spec.target)):
        notes["classes", spec.target] = note
    counts = np.bincount(split.y_train, minlength=len(split.labels)) if split.labels else ()
    for label in (label for label, count in zip(split.labels, counts, strict=True) if not count):
        notes["classes", label] = (
            f"{table.source}: column {spec.target!r}: no training row of split_seed {spec.split_seed} has the "
            f"label {label!r}, so nothing is learnt of it"
        )
    notes |= {("rounding", name): note for name, note in _rounding_notes(table, spec, split).items()}
    trained = len(split.y_train)
    if spec.normalizes() and (note := _batch_note(spec.batch_size, trained)):
        notes["batches", f"{trained} by {spec.batch_size}"] = f"{table.source}: {note}"
    return notes


def _rounding_notes(table: Table, spec: RunSpec, split: Split) -> dict[str, str]:
    """Feature -> note, for features that differ only by rounding, but would be scaled to full size."""
    if spec.scale == "none":
        return {}
    x = split.encoding(table.frame.loc[split.train_rows])
    spread = np.ptp(x, axis=0)
    tiny = (spread > 0) & (spread < ROUNDING * np.abs(x).max(axis=0)) & ~split.encoding.encoded
    return {
        split.features[at]: (
            f"{table.source}: column {split.features[at]!r}: its values differ by {spread[at]:.2g} around "
            f"{x[0, at]:.6g}, as if by rounding, and scale: {spec.scale} blows this up to full size; if it is "
            f"constant, {leave_out(spec, split.features[at])}"
        )
        for at in np.flatnonzero(tiny)
    }


def _batch_note(batch_size: int, rows: int) -> str | None:
    """A note if the last batch has one row, from which batch normalization cannot learn; else None."""
    if batch_size == 1:
        raise SpecError(
            [
                (
                    "batch_size",
                    "expected 2 rows or more with batch normalization, found 1: in a batch of one row every unit "
                    "is normalized to 0; use a larger batch, or no batch normalization",
                )
            ]
        )
    if rows % batch_size != 1:
        return None
    better_size = next(size for size in range(batch_size + 1, rows + 1) if rows % size != 1)
    return (
        f"{rows} training rows in batches of {batch_size} leave one row for the last batch, where batch "
        f"normalization sets every unit to 0; use another size, such as --batch-size {better_size}"
    )


def table_facts(table: Table, split: Split, *, in_model: bool = False) -> TableFacts:
    """The facts to record of the table and its split, with the scaling that ``predict`` applies to new rows.

    ``in_model``: the saved model begins with the scaling.
    """
    optional: dict[str, Any] = {
        "test_rows": len(split.y_test),
        "categories": dict(split.encoding.categories),
        "fills": dict(split.encoding.fills),
        "left_out": len(table.frame) - len(split.rows),
        "sides": split.sides,
        **_target_facts(split),
    }
    return TableFacts(
        source=table.source,
        kind=table.kind,
        fingerprint=table.fingerprint,
        columns=tuple(table.frame.columns),
        rows=len(table.frame),
        train_rows=len(split.y_train),
        valid_rows=len(split.y_valid),
        twins=int(split.twins.sum()),
        features=split.features,
        ranges=_ranges(split.encoding(table.frame.loc[split.train_rows])),
        scaling=ScalingFacts(
            center=tuple(split.scaling.center.tolist()),
            scale=tuple(split.scaling.scale.tolist()),
            **({"in_model": True} if in_model else {}),
        ),
        **{name: fact for name, fact in optional.items() if fact or name in ("train_median", "train_mean")},
    )


def _target_facts(split: Split) -> dict[str, Any]:
    """The facts of the target: its labels and their shares, or its median and mean, and its scaling."""
    target = split.target
    if isinstance(target, Classes):
        counts = np.bincount(split.y_train, minlength=len(target.labels))
        return {"labels": target.labels, "shares": tuple((counts / counts.sum()).tolist())}
    fitted = target.kind in ("standard", "minmax")
    return {
        "train_median": float(np.median(split.y_train)),
        "train_mean": float(split.y_train.mean(dtype=np.float64)),
        "target_scaling": TargetFacts(center=target.center, scale=target.scale) if fitted else None,
    }
