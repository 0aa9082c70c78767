"""What fields, keys and values are called elsewhere: for hints in errors. None of these spellings is accepted.

Aliases are :func:`~wineexp.errors.folded`: ``batchnorm`` stands for ``Batch-Norm`` and ``batch_norm`` too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from wineexp.errors import closest, folded

__all__ = ["FIELD_ALIASES", "KEY_ALIASES", "VALUE_ALIASES", "each_alias", "field_hint"]

_Name = TypeVar("_Name")


def each_alias(names: Mapping[_Name, str]) -> dict[str, _Name]:
    """``{"a": "x y"}`` as ``{"x": "a", "y": "a"}``."""
    return {alias: name for name, aliases in names.items() for alias in aliases.split()}


#: Folded alias -> field of the spec, as Keras, PyTorch, scikit-learn and papers have it.
FIELD_ALIASES = each_alias(
    {
        "widths": "width layers layer layersizes hidden hiddenlayers hiddenlayersizes hiddensizes hiddenunits "
        "units neurons nodes sizes depth architecture",
        "activation": "act activationfunction nonlinearity",
        "dropout": "dropoutrate droprate dropoutp pdrop",
        "bn": "batchnorm batchnormalization batchnormalisation norm normalization normalisation bnposition",
        "bn_input": "inputbn batchnorminput inputbatchnorm normalizeinput",
        "bn_momentum": "momentum batchnormmomentum",
        "optimizer": "opt optim optimiser solver",
        "learning_rate": "lr learnrate learningrateinit eta stepsize",
        "weight_decay": "wd decay l2 l2reg weightdecayrate",
        "loss": "lossfn lossfunction criterion objective",
        "precision": "dtype dtypepolicy policy mixedprecision amp bf16 bfloat16",
        "batch_size": "bs batch minibatch minibatchsize",
        "epochs": "epoch nepochs numepochs maxepochs iterations maxiter steps",
        "eval_train": "evaltrainloss trainloss evaluatetrain",
        "patience": "earlystopping earlystop earlystoppingpatience niternochange",
        "min_delta": "tol tolerance earlystoppingdelta",
        "restore_best": "restorebestweights keepbest",
        "scale": "scaling scaler normalize normalise standardize standardise preprocessing",
        "train_fraction": "trainsize trainsplit trainratio frac fraction validationsplit valsplit validsplit "
        "valfraction validationfraction",
        "test_fraction": "testsize testsplit testratio holdout",
        "split_seed": "splitrandomstate",
        "group": "groups groupby groupcolumn groupkfold cluster",
        "target": "label y targetcolumn outcome",
        "features": "columns cols usecols inputs predictors featurecolumns",
        "drop": "dropcolumns dropcols exclude ignore omit without",
        "encode": "onehot encoding encoder dummies getdummies categorical",
        "seed": "randomseed randomstate rng rngseed",
        "name": "title runname tag",
    }
)

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

#: Field -> folded alias -> value.
VALUE_ALIASES = {
    "activation": each_alias({"linear": "none null identity no off"}),
    "bn": each_alias({"none": "no off false null 0", "before": "pre prior", "after": "post behind"}),
    "encode": each_alias(
        {"none": "no off false null 0", "onehot": "yes on true 1 dummies getdummies onehotencoder"}
    ),
    "loss": each_alias(
        {"mae": "meanabsoluteerror l1", "mse": "meansquarederror l2", "huber": "smoothl1 huberloss"}
    ),
    "optimizer": each_alias({"sgd": "gd stochasticgradientdescent"}),
    "scale": each_alias(
        {
            "none": "no off false null 0",
            "standard": "standardscaler standardize zscore",
            "minmax": "minmaxscaler 01",
        }
    ),
    "split": each_alias({"grouped": "group groups dedup deduplicated"}),
}


#: Folded alias -> how it is given, of what is no part of a spec: the same spec trains on any table, in any folder.
_BESIDE = each_alias(
    {
        "the table is given by --data FILE, data= in Python": "data table dataset datafile datapath csv file",
        "the folder is given by --out, out= in Python": "out output outputs outdir outputdir savedir folder",
        "workers are given by --jobs, jobs= in Python": "jobs njobs workers nworkers numworkers processes",
    }
)

#: What the field wants, where another tool's word would be given another value.
_NOTES = {
    "widths": "64x3 is three layers of 64",
    "bn_momentum": "batch normalization's",
    "patience": "the epochs to wait",
    "train_fraction": "the rest validates",
}


def field_hint(name: str, legal: Iterable[str], form: str = "{!r}") -> str:
    """Return `` (did you mean 'dropout'?)`` for the field that ``name`` stands for, or an empty string.

    ``form`` shows the field, where it is not written by its name alone. Of what no spec holds it tells where it is
    given.
    """
    if folded(name) in _BESIDE:
        return f" ({_BESIDE[folded(name)]})"
    found = closest(name, legal, FIELD_ALIASES)
    if found is None:
        return ""
    note = f" {_NOTES[found]}" if found in _NOTES and FIELD_ALIASES.get(folded(name)) == found else ""
    return f" (did you mean {form.format(found)}?{note})"
