"""Everything a field's declaration may say besides its type: what it decides, its words, hints for errors."""

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

#: Things that a field may decide, or be declared free of. shape: a compiled epoch; table: whether a spec can be
#: trained on a table, and on how many features; rows: which rows are judged, and on which target; constant: the
#: loss of the best constant on those rows.
Part = Literal["shape", "table", "rows", "constant"]

#: For layers and steps: they take any rows.
OF_THE_MODEL: frozenset[Part] = frozenset({"table", "rows", "constant"})

#: The same, but a table may be too small for them: a batch of one row cannot be normalized.
OF_THE_BATCHES: frozenset[Part] = frozenset({"rows", "constant"})

#: For seeds and rates that a graph takes as input, and the loop around the epoch: the compiled epoch does not
#: depend on them either.
OF_THE_LOOP: frozenset[Part] = OF_THE_MODEL | {"shape"}

#: For the choice of the split's rows: the epoch takes them as input.
OF_THE_ROWS: frozenset[Part] = frozenset({"shape"})

#: For the features: the epoch depends on their number, but the rows stay the same.
OF_THE_FEATURES: frozenset[Part] = frozenset({"rows"})


@dataclass(frozen=True)
class Words:
    """The words for a field in titles, labels and questions.

    Attributes
    ----------
    title : str or None
        A setting in a title, with ``{}`` for the value: ``batch norm {} the activation``; by default the field's
        name and its value.
    place : int or None
        Every title has the setting at this place: 1 with the layers, 2 to 5 the table, 6 the training, 8 the seed;
        fields of one place keep the order of their declaration. None: a title has it before the seed, unless it is
        the default.
    off : tuple
        The value that switches the field off, if there is one; a title leaves it out.
    without : str or None
        The words for the field if it is switched off; by default ``no`` and its name.
    question : str or None
        A setting in a question, if ``title`` is too short for a sentence.
    plural : bool
        Whether the question's words are plural.
    name : str or None
        The field's name in a sentence, if it differs from the field's own.
    behind : str or None
        The field whose words this one's bare value follows in a title: ``adam 0.001``.
    bare : bool
        Whether a label shows the value without the field's name.
    off_title : str
        The words of a title if the field is switched off; by default there are none.
    spoken : mapping of str to str
        A value -> its word in titles and questions, if it is another.
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
    spoken: Mapping[str, str] = field(default_factory=dict)
    off_title: str = ""


@dataclass(frozen=True)
class Hints:
    """The hints in an error for another tool's name of a field, and for an invalid value.

    Attributes
    ----------
    aliases : str
        Other tools' names of the field, each :func:`~wineexp.errors.folded`.
    note : str
        The values of the field, if another tool's value would mean something else.
    values : mapping of str to str
        A legal value -> other tools' names of it, folded. For ``none`` the usual words need not be given.
    share : bool
        Whether people also give it in percent.
    several : str
        Where several values can be given; by default under a study's ``grid``.
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
    """Everything that a declaration says about a field; see :func:`spec_field`."""

    cosmetic: bool = False
    recording: bool = False
    later: bool = False
    free: frozenset[Part] = frozenset()
    needs: tuple[str, ...] = ()
    only_with: Mapping[str, Any] = field(default_factory=dict)
    never_with: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
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
    only_with: Mapping[str, Any] | None = None,
    never_with: Mapping[str, tuple[Any, ...]] | None = None,
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
        It affects neither the training nor the recording: a label.
    recording : bool
        It affects the recording, not the training: a run with it can stand for one without.
    later : bool
        Added after 0.1.0; at its default it is left out of the signature, so that earlier runs keep theirs.
    free : collection of {"shape", "table", "rows", "constant"}
        The groups above that it does not decide. A field that is declared free of nothing decides all.
    needs : tuple of str
        Other fields: while all of them have their defaults, which switch them off, this one has no effect.
    only_with : mapping of str to value, optional
        Other field -> the value without which this one has no effect.
    never_with : mapping of str to tuple, optional
        Other field -> the values with which this one has no effect.
    checked_against : tuple of str
        Other fields: while one of them is wrong, no error is reported for this one.
    by_optimizer : mapping of str to float, optional
        Optimizer -> the spec's value if none is given.
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
        only_with or {},
        never_with or {},
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
