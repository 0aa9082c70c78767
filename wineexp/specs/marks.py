"""What the declaration of a field may say, beside its type: what it decides, its words, and hints for errors."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field
from pydantic.fields import FieldInfo

__all__ = [
    "OF_THE_BATCHES",
    "OF_THE_FEATURES",
    "OF_THE_LOOP",
    "OF_THE_MODEL",
    "OF_THE_ROWS",
    "Hints",
    "Marks",
    "Part",
    "Words",
    "marks_of",
    "spec_field",
]

#: What a field may decide, and be declared free of.
#: shape: what one compiled epoch is made of; table: whether a spec can be trained on a table, and on how many
#: features; rows: which rows are judged, and on what; constant: the loss of the best constant on those rows.
Part = Literal["shape", "table", "rows", "constant"]

#: Layers and steps: they take rows as they come.
OF_THE_MODEL: frozenset[Part] = frozenset({"table", "rows", "constant"})

#: As those, but a table may be too small for them: a batch of one row cannot be normalized.
OF_THE_BATCHES: frozenset[Part] = frozenset({"rows", "constant"})

#: Seeds and rates that a graph takes as input, and the loop around the epoch: nothing is compiled of them either.
OF_THE_LOOP: frozenset[Part] = OF_THE_MODEL | {"shape"}

#: Which rows stand on which side: the epoch takes them as input.
OF_THE_ROWS: frozenset[Part] = frozenset({"shape"})

#: The features, not the rows: the epoch is made for their number, the rows stay as they are.
OF_THE_FEATURES: frozenset[Part] = frozenset({"rows"})


@dataclass(frozen=True)
class Words:
    """How titles, labels and questions word a field.

    Attributes
    ----------
    title : str or None
        A setting in a title, ``{}`` standing for the value: ``batch norm {} the activation``; by default the
        field's name and its value.
    place : int or None
        Every title has the setting: 1 with the layers, 2 to 5 the table, 6 the training, 8 the seed; fields of one
        place stand as they are declared. None: a title has it before the seed, where it is not the default.
    off : tuple
        The value that switches the field off, if there is one; a title leaves it out.
    without : str or None
        What words stand for the field where it is switched off; by default ``no`` and its name.
    question : str or None
        A setting in a question, where ``title`` is too short for a sentence.
    plural : bool
        Whether a question's words are in the plural.
    name : str or None
        The field as a sentence names it, where that is not the name of the field.
    behind : str or None
        The field whose words this one's bare value follows in a title: ``adam 0.001``.
    bare : bool
        Whether a label shows the value without the field's name.
    """

    title: str | None = None
    place: int | None = None
    off: tuple[Any, ...] = ()
    without: str | None = None
    question: str | None = None
    plural: bool = False
    name: str | None = None
    behind: str | None = None
    bare: bool = False


@dataclass(frozen=True)
class Hints:
    """What an error offers for another tool's name of a field, and for a value that is not legal.

    Attributes
    ----------
    aliases : str
        What other tools call the field, each :func:`~wineexp.errors.folded`.
    note : str
        What the field takes, where a value of the other tool's would mean something else.
    values : mapping of str to str
        A legal value -> what other tools call it, folded. For ``none`` the usual words need not be given.
    share : bool
        Whether people also give it in percent.
    several : str
        Where several values are given; by default under a study's ``grid``.
    number_means : str
        The field that a number was likely meant for.
    """

    aliases: str = ""
    note: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    share: bool = False
    several: str = ""
    number_means: str = ""


@dataclass(frozen=True)
class Marks:
    """All that a declaration says of a field; see :func:`spec_field`."""

    cosmetic: bool = False
    recording: bool = False
    later: bool = False
    free: frozenset[Part] = frozenset()
    needs: tuple[str, ...] = ()
    checked_against: tuple[str, ...] = ()
    by_optimizer: Mapping[str, float] = field(default_factory=dict)
    words: Words = Words()
    hints: Hints = Hints()


def spec_field(
    default: Any,
    meaning: str,
    expected: str,
    *,
    cosmetic: bool = False,
    recording: bool = False,
    later: bool = False,
    free: Collection[Part] = (),
    needs: tuple[str, ...] = (),
    checked_against: tuple[str, ...] = (),
    by_optimizer: Mapping[str, float] | None = None,
    words: Words | None = None,
    hints: Hints | None = None,
    **limits: Any,
) -> Any:
    """A field with its one-line meaning and a description of its valid values, used in every error.

    Parameters
    ----------
    cosmetic : bool
        It affects neither what is trained nor what is recorded of it: a label.
    recording : bool
        It affects what is recorded, not what is trained: a run that has it stands for one without.
    later : bool
        Added after 0.1.0; at its default it is left out of the signature, so that earlier runs keep theirs.
    free : collection of {"shape", "table", "rows", "constant"}
        What it decides nothing of: one of the groups above. A field that is declared free of nothing decides all.
    needs : tuple of str
        Other fields: while all of them keep their defaults, which switch them off, this one has no effect.
    checked_against : tuple of str
        Other fields: while one of them is wrong, nothing is said of this one.
    by_optimizer : mapping of str to float, optional
        Optimizer -> the value that stands in the spec where none is given.
    words : Words, optional
    hints : Hints, optional
    **limits
        Bounds, as pydantic's ``Field`` takes them.
    """
    marks = Marks(
        cosmetic,
        recording,
        later,
        frozenset(free),
        needs,
        checked_against,
        by_optimizer or {},
        words or Words(),
        hints or Hints(),
    )
    extra: Any = {"expected": expected, "marks": marks}
    return Field(default=default, description=meaning, json_schema_extra=extra, **limits)


def marks_of(info: FieldInfo) -> Marks:
    """The marks of a field of the spec."""
    extra: Any = info.json_schema_extra
    marks: Marks = extra["marks"]
    return marks
