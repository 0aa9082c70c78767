"""The plan of a training: each spec once, with its existing run, if any."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from wineexp.data.facts import table_identity
from wineexp.data.sides import signed_table
from wineexp.data.sources import Found
from wineexp.data.split import split_notes, split_table
from wineexp.data.table import Table
from wineexp.errors import NoRunError, RunError
from wineexp.runs.directory import directory_name, run_folders
from wineexp.runs.reader import check_run, is_of
from wineexp.runs.run import Run
from wineexp.specs.fields import BY_DEFAULT, ScoreChoice
from wineexp.specs.looks import Looks
from wineexp.specs.run_spec import RECORDING_FIELDS, RunSpec, check_effects, deciding

__all__ = ["Plan", "PlanEntry", "check_table", "make_plan"]

#: See :func:`_kind`.
Kind = tuple[object, ...]


@dataclass(frozen=True)
class PlanEntry:
    """A spec of a plan, with its existing runs.

    Attributes
    ----------
    spec : RunSpec
    names : tuple of str
        Every name that a config gives this spec.
    place : Path
        Where its run is written if it is trained.
    before : Run or None
        Its existing run, whatever the status.
    train : bool
        Whether it is to be trained now.
    signature : str
        The spec's on the table; for a run that is kept, the recorded one.
    known : tuple of Run
        Every existing run of this spec, under any name.
    amends : Run or None
        The finished run that is only amended, if it lacks nothing but ``mc_passes`` and has its model.
    strangers : tuple of Run
        Earlier runs that would have this signature, but on another table with the same values.
    """

    spec: RunSpec
    names: tuple[str, ...]
    place: Path
    before: Run | None
    train: bool
    signature: str
    known: tuple[Run, ...] = ()
    strangers: tuple[Run, ...] = ()
    amends: Run | None = None

    @property
    def done(self) -> Run | None:
        """The existing run, if it is kept."""
        return None if self.train else self.before


@dataclass(frozen=True)
class Plan:
    """The runs of a study on a table.

    Attributes
    ----------
    name : str
        The study's name.
    specs : tuple of RunSpec
        As requested; two may be the same run.
    entries : tuple of PlanEntry
        One for each signature among them, in their order.
    found : Found
        The table, and how it was found.
    out : Path
        The folder for run directories.
    file : str or None
        Name of the config's file, if it is one file.
    damaged : tuple of str
        Why existing runs are trained again.
    margin : float or None
        The size below which a difference does not matter.
    score : ScoreChoice
        What is judged.
    looks : Looks or None
        The planned looks, if seeds are added only while a verdict is open; ``specs`` then has all seeds that may
        be trained.
    features : mapping
        Number of features, and of labels, for each kind of spec: see :meth:`feature_count`.
    notes : tuple of str
        Notes for the reader on the table as the specs use it.
    planned : str
        When it was made, ISO 8601, UTC.
    """

    name: str
    specs: tuple[RunSpec, ...]
    entries: tuple[PlanEntry, ...]
    found: Found
    out: Path
    file: str | None = None
    damaged: tuple[str, ...] = ()
    margin: float | None = None
    score: ScoreChoice = BY_DEFAULT
    looks: Looks | None = None
    features: Mapping[Kind, tuple[int, int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    planned: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))

    def part(self, wanted: Collection[RunSpec]) -> Plan:
        """The plan for those specs alone; ``damaged`` is the whole plan's."""
        specs = tuple(spec for spec in self.specs if spec in wanted)
        trained = {spec.trained() for spec in specs}
        entries = tuple(entry for entry in self.entries if entry.spec.trained() in trained)
        return replace(self, specs=specs, entries=entries, damaged=())

    @property
    def table(self) -> Table:
        return self.found.table

    @property
    def waiting(self) -> list[RunSpec]:
        """The specs that are to be trained, or whose runs are to be amended."""
        return [entry.spec for entry in self.entries if entry.train]

    @property
    def to_train(self) -> list[RunSpec]:
        """Those of :attr:`waiting` whose finished runs are not only amended."""
        return [entry.spec for entry in self.entries if entry.train and entry.amends is None]

    @property
    def largest(self) -> int:
        """Parameters of the largest model to be trained; 1 if there is none."""
        return max((self.parameters(spec) for spec in self.waiting), default=1)

    def feature_count(self, spec: RunSpec) -> int:
        """The number of features that the model of a spec of this plan takes."""
        return self.features[_kind(spec)][0]

    def label_count(self, spec: RunSpec) -> int:
        """The number of labels of the target of a spec of this plan, 0 for numbers."""
        return self.features[_kind(spec)][1]

    def parameters(self, spec: RunSpec) -> int:
        """The number of parameters of the model of a spec of this plan."""
        return spec.parameter_count(*self.features[_kind(spec)])


def make_plan(
    specs: Sequence[RunSpec],
    found: Found,
    out: Path,
    *,
    name: str = "wineexp",
    force: bool = False,
    skip_failed: bool = False,
) -> Plan:
    """Plan ``specs`` on a table, with the runs that exist in ``out``.

    Parameters
    ----------
    force : bool
        Train finished runs again.
    skip_failed : bool
        Do not retry runs that failed before.

    Raises
    ------
    DataError, SpecError
        If a spec cannot be trained on the table; if a field varies that has no effect in any of them.
    """
    features, notes = check_table(specs, found.table)
    notes = (*found.notes, *check_effects(specs), *notes)
    table = found.table
    known, unreadable = _known_runs(out)
    damaged: list[str] = []
    together: dict[str, list[RunSpec]] = {}
    for spec in specs:
        together.setdefault(spec.signature(signed_table(table, spec)), []).append(spec)
    skipped = {"done", "failed"} if skip_failed else {"done"}
    entries = []
    for signature, same in together.items():
        spec = _recording_all(same)
        # Up to schema 2 a table was identified by its values alone.
        names = dict.fromkeys((signature, spec.signature(table.fingerprint)))
        if table.earlier is not None:
            names[spec.signature(table_identity(table.earlier, table.frame.columns))] = None
        there = [run for name in names for run in known.get(name, ())]
        ours = [run for run in there if is_of(run, table)]
        before = _standing(ours, spec)
        if before is not None and not force:
            try:
                check_run(before)
            except NoRunError:
                before = None
            except RunError as error:  # it is trained again, as if it did not exist
                damaged.append(str(error))
                before = None
        elif before is None and signature in unreadable:
            damaged.append(unreadable[signature])
        train = force or before is None or before.status not in skipped or not before.spec.records(spec)
        amends = before if train and not force and before is not None and _is_amended(before, spec) else None
        place = out / directory_name(spec, signed_table(table, spec), simulated=table.kind == "simulated")
        entries.append(
            PlanEntry(
                spec,
                tuple(dict.fromkeys(one.name for one in same if one.name)),
                place if amends is None else amends.path,
                before,
                train,
                signature if train or before is None else before.signature,
                tuple(ours),
                tuple(run for run in there if run not in ours),
                amends,
            )
        )
    return Plan(
        name,
        tuple(specs),
        tuple(entries),
        found,
        out,
        damaged=tuple(damaged),
        features=features,
        notes=notes,
    )


def _known_runs(out: Path) -> tuple[dict[str, list[Run]], dict[str, str]]:
    """The runs of a folder by signature, and what is wrong with those whose record cannot be read."""
    known: dict[str, list[Run]] = {}
    unreadable: dict[str, str] = {}
    for path in run_folders(out):
        run = Run(path)
        try:
            known.setdefault(run.record.key, []).append(run)
        except NoRunError:
            continue
        except RunError as error:
            unreadable[path.name.rpartition("-")[2]] = str(error)  # the directory's name still has its signature
    return known, unreadable


def _recording_all(specs: Sequence[RunSpec]) -> RunSpec:
    """The first of specs that train the same, with everything that any of them records."""
    most = {name: max(getattr(spec, name) for spec in specs) for name in RECORDING_FIELDS}
    return specs[0].model_copy(update=most)


def _is_amended(run: Run, spec: RunSpec) -> bool:
    """Whether a run that does not record all that ``spec`` does can be amended: it lacks nothing but passes.

    An earlier record has no checksum, so its facts are not written again as checked ones.
    """
    others = [name for name in RECORDING_FIELDS if name != "mc_passes"]
    complete = run.status == "done" and run.record.is_sealed and run.spec.records(spec, *others)
    return complete and (run.model_path.is_file() or not spec.has_dropout())


def _standing(runs: Sequence[Run], spec: RunSpec) -> Run | None:
    """The run that represents a spec: preferably a finished one, then one that records what is requested."""
    return max(runs, key=lambda run: (run.status == "done", run.spec.records(spec)), default=None)


def check_table(specs: Sequence[RunSpec], table: Table) -> tuple[dict[Kind, tuple[int, int]], tuple[str, ...]]:
    """Raise ``DataError`` or ``SpecError`` if a spec cannot be trained on ``table``; called before any training.

    Returns the number of features and of labels for each kind of spec, and notes for the reader on the table.
    """
    features: dict[Kind, tuple[int, int]] = {}
    notes: dict[tuple[str, str], str] = {}
    for kind, spec in {_kind(spec): spec for spec in specs}.items():
        split = split_table(table, spec)
        features[kind] = len(split.features), len(split.labels)
        notes = split_notes(table, spec, split) | notes  # one of many splits is enough
    return features, (*table.notes, *notes.values())


def _kind(spec: RunSpec) -> Kind:
    """The fields that decide whether a spec can be trained on a table, and on how many features.

    Which rows a seed draws has no influence on that, except on the categories of text, and on the last batch's
    number of rows from whole groups if batches are normalized.
    """
    drawn = spec.encode != "none" or (spec.split == "grouped" and spec.normalizes())
    known = spec if drawn else spec.model_copy(update={"split_seed": 0})
    return tuple(getattr(known, name) for name in deciding("table"))
