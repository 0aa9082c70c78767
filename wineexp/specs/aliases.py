"""What other tools call fields and keys: for hints in errors. None of these spellings is accepted.

Those of a field stand in its declaration. Aliases are :func:`~wineexp.errors.folded`: ``batchnorm`` stands for
``Batch-Norm`` and ``batch_norm`` too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from wineexp.errors import closest, folded
from wineexp.specs.declarations import MARKS

__all__ = ["FIELD_ALIASES", "KEY_ALIASES", "each_alias", "field_hint"]

_Name = TypeVar("_Name")


def each_alias(names: Mapping[_Name, str]) -> dict[str, _Name]:
    """``{"a": "x y"}`` as ``{"x": "a", "y": "a"}``."""
    return {alias: name for name, aliases in names.items() for alias in aliases.split()}


#: Folded alias -> field of the spec, as Keras, PyTorch, scikit-learn and papers have it.
FIELD_ALIASES = each_alias({name: marks.hints.aliases for name, marks in MARKS.items()})

#: Folded alias -> key of a study.
KEY_ALIASES = each_alias(
    {
        "name": "title study studyname",
        "defaults": "default base common shared config settings spec",
        "seeds": "nseeds numseeds repeats repetitions replicates replications",
        "runs": "variants experiments models trials cases",
        "grid": "sweep search parameters params paramgrid matrix factors cross",
        "split_seeds": "splits nsplits folds kfold cv",
        "margin": "rope equivalence equivalencemargin",
        "looks": "look interim interimlooks stages",
        "look_weights": "lookweight alphaspending",
    }
)

#: Folded alias -> where it is given. It is no part of a spec: the same spec trains on any table, in any folder.
_BESIDE = each_alias(
    {
        "the table is given by --data FILE, data= in Python": "data table dataset datafile datapath csv file",
        "the folder is given by --out, out= in Python": "out output outputs outdir outputdir savedir folder",
        "workers are given by --jobs, jobs= in Python": "jobs njobs workers nworkers numworkers processes",
    }
)


def field_hint(name: str, legal: Iterable[str], form: str = "{!r}") -> str:
    """Return `` (did you mean 'dropout'?)`` for the field that ``name`` stands for, or an empty string.

    ``form`` shows the field, where it is not written by its name alone. For a setting that is no part
    of a spec, the hint says where it is given.
    """
    if folded(name) in _BESIDE:
        return f" ({_BESIDE[folded(name)]})"
    field = closest(name, legal, FIELD_ALIASES)
    if field is None:
        return ""
    note = MARKS[field].hints.note if FIELD_ALIASES.get(folded(name)) == field else ""
    return f" (did you mean {form.format(field)}?{note and f' {note}'})"
