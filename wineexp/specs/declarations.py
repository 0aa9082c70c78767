"""The fields of the spec, each declared once: everything the program says or does with a field follows from here.

Flag, YAML key, JSON schema, signature, title, question, hint, column and docs: a new field is written once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from wineexp.specs.fields import (
    MAX_LAYERS,
    MAX_SEED,
    MAX_WIDTH,
    Column,
    Columns,
    Label,
    Patience,
    Rates,
    Real,
    Widths,
)
from wineexp.specs.keras_names import ACTIVATIONS, OPTIMIZERS, WEIGHT_DECAYS
from wineexp.specs.marks import (
    OF_THE_BATCHES,
    OF_THE_FEATURES,
    OF_THE_LOOP,
    OF_THE_MODEL,
    OF_THE_ROWS,
    Hints,
    Marks,
    Words,
    marks_of,
    spec_field,
)

__all__ = ["MARKS", "Declarations"]

_SEED = f"a whole number from 0 to {MAX_SEED}"
_LINEAR = {"widths": ((),)}  # no hidden layer
_GIVEN = {"split": ("column",)}  # each row's side is given
_NAMES = "one or more names of columns, each once, such as alcohol,pH; or none"


class Declarations(BaseModel):
    """The fields of a spec, in the order of flags, YAML and docs; see :class:`~wineexp.specs.run_spec.RunSpec`."""

    # Built at first use: `train --help` only reads the fields and need not wait for the checks.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, title="wineexp run spec", defer_build=True)

    widths: Widths = spec_field(
        (1024, 1024, 1024),
        "hidden layer sizes; 1024x3 is short for 1024,1024,1024, none is a linear model",
        f"one to {MAX_LAYERS} whole numbers from 1 to {MAX_WIDTH}, such as 512,256 or 1024x3; or none",
        max_length=MAX_LAYERS,
        free=OF_THE_MODEL,
        words=Words(
            "{}",
            place=1,
            off=((),),
            without="no hidden layer",
            question="{} units",
            plural=True,
            name="layer sizes",
            bare=True,
            off_title="linear model",
        ),
        hints=Hints(
            "width layers layer layersizes hidden hiddenlayers hiddenlayersizes hiddensizes hiddenunits units "
            "neurons nodes sizes depth architecture",
            note="64x3 is three layers of 64",
        ),
    )
    activation: Literal[ACTIVATIONS] = spec_field(  # type: ignore[valid-type]
        "relu",
        "activation of the hidden layers, by its Keras name",
        "a Keras activation name",
        free=OF_THE_MODEL,
        never_with=_LINEAR,
        words=Words("{}", place=1, question="the activation {}", behind="widths"),
        hints=Hints("act activationfunction nonlinearity", values={"linear": "none null identity no off"}),
    )
    dropout: Rates = spec_field(
        0.0,
        "dropout rate after each hidden layer; a list gives one rate per layer",
        "a rate from 0 to below 1, or one such rate for each hidden layer",
        free=OF_THE_MODEL,
        never_with=_LINEAR,
        checked_against=("widths",),
        words=Words("dropout {}", place=1, off=(0.0,)),
        hints=Hints("dropoutrate droprate dropoutp pdrop", share=True),
    )
    dropout_input: Real = spec_field(
        0.0,
        "dropout rate on the features, before the first hidden layer",
        "a rate from 0 to below 1",
        later=True,
        free=OF_THE_MODEL,
        ge=0.0,
        lt=1.0,
        words=Words("dropout {} on the features", place=1, off=(0.0,), name="dropout on the features"),
        hints=Hints("inputdropout inputdropoutrate visibledropout featuredropout dropoutfeatures", share=True),
    )
    bn: Literal["none", "before", "after"] = spec_field(
        "none",
        "batch normalization: none, before or after the activation",
        "none, before or after",
        free=OF_THE_BATCHES,
        never_with=_LINEAR,
        words=Words("batch norm {} the activation", place=1, off=("none",), name="batch norm"),
        hints=Hints(
            "batchnorm batchnormalization batchnormalisation norm normalization normalisation bnposition",
            values={"before": "pre prior", "after": "post behind"},
        ),
    )
    dropout_place: Literal["before_bn", "after_bn"] = spec_field(
        "before_bn",
        "dropout before or after batch normalization, where that comes after the activation",
        "before_bn or after_bn",
        later=True,
        free=OF_THE_MODEL,
        needs=("dropout",),
        only_with={"bn": "after"},
        words=Words(
            "dropout after batch norm",
            place=1,
            off=("before_bn",),
            without="dropout before batch norm",
            question="placing dropout after batch norm",
            name="the place of dropout",
        ),
        hints=Hints(
            "dropoutposition dropoutorder dropoutlocation placeofdropout",
            values={
                "before_bn": "before pre prior beforebatchnorm",
                "after_bn": "after post behind afterbatchnorm",
            },
        ),
    )
    bn_input: bool = spec_field(
        False,
        "batch normalization as the very first layer, in place of a scaler",
        "true or false",
        free=OF_THE_BATCHES,
        words=Words("batch norm on the input", place=1, off=(False,), name="batch norm on the input"),
        hints=Hints("inputbn batchnorminput inputbatchnorm normalizeinput"),
    )
    bn_momentum: Real = spec_field(
        0.99,
        "momentum of batch normalization's moving averages, as Keras defines it",
        "a number from 0 to below 1",
        free=OF_THE_MODEL,
        needs=("bn", "bn_input"),
        ge=0.0,
        lt=1.0,
        hints=Hints("momentum batchnormmomentum", note="batch normalization's", share=True),
    )
    optimizer: Literal[tuple(OPTIMIZERS)] = spec_field(  # type: ignore[valid-type]
        "adam",
        "optimizer, by its Keras name",
        "a Keras optimizer name",
        free=OF_THE_MODEL,
        words=Words("{}", place=6),
        hints=Hints("opt optim optimiser solver", values={"sgd": "gd stochasticgradientdescent"}),
    )
    learning_rate: Real | None = spec_field(
        None,
        "learning rate; by default Keras's for the optimizer",
        "a number above 0, up to 1e30",
        free=OF_THE_LOOP,
        by_optimizer=OPTIMIZERS,
        gt=0.0,
        le=1e30,
        words=Words("learning rate {}", place=6, behind="optimizer"),
        hints=Hints("lr learnrate learningrateinit eta stepsize"),
    )
    weight_decay: Real | None = spec_field(
        None,
        "share of each kernel subtracted per step, times the learning rate; by default Keras's for the optimizer",
        "a number from 0 to 1e30",
        later=True,
        free=OF_THE_MODEL,
        by_optimizer=WEIGHT_DECAYS,
        ge=0.0,
        le=1e30,
        words=Words("weight decay {}", place=6, off=(0.0,)),
        hints=Hints("wd decay l2 l2reg weightdecayrate"),
    )
    loss: Literal["mae", "mse", "huber", "binary_crossentropy", "categorical_crossentropy"] = spec_field(
        "mae",
        "loss: mean absolute error, mean squared error or Huber (delta 1); for classes, binary_crossentropy (two "
        "labels, one sigmoid unit) or categorical_crossentropy (softmax)",
        "a Keras loss",
        free={"rows"},
        words=Words(
            "{}",
            place=6,
            question="the loss {}",
            spoken={
                "binary_crossentropy": "binary cross-entropy",
                "categorical_crossentropy": "categorical cross-entropy",
            },
        ),
        hints=Hints(
            "lossfn lossfunction criterion objective",
            values={
                "mae": "meanabsoluteerror l1",
                "mse": "meansquarederror l2",
                "huber": "smoothl1 huberloss",
                "binary_crossentropy": "bce binary logistic binarylogistic logloss bcewithlogits",
                "categorical_crossentropy": "ce cce crossentropy softmax multinomial nll "
                "sparsecategoricalcrossentropy",
            },
        ),
    )
    positive: Label = spec_field(
        None,
        "with binary_crossentropy: the label whose probability the model gives; by default the second in order",
        "one of the target's two labels, or none",
        later=True,
        free={"shape", "rows", "constant"},
        only_with={"loss": "binary_crossentropy"},
        hints=Hints("positiveclass positivelabel poslabel poscls target1"),
    )
    precision: Literal["float32", "mixed_bfloat16"] = spec_field(
        "float32",
        "number format between hidden layers; mixed_bfloat16 is coarser, but faster where the CPU supports it",
        "float32 or mixed_bfloat16",
        later=True,
        free=OF_THE_MODEL,
        words=Words("{}", place=6, off=("float32",), without="float32"),
        hints=Hints("dtype dtypepolicy policy mixedprecision amp bf16 bfloat16"),
    )
    batch_size: int = spec_field(
        256,
        "rows per training step",
        "a whole number from 1 to 2147483647",
        free=OF_THE_BATCHES,
        ge=1,
        le=2**31 - 1,
        words=Words("batch {}", place=6, question="batches of {}", plural=True),
        hints=Hints("bs batch minibatch minibatchsize"),
    )
    epochs: int = spec_field(
        100,
        "passes over the training rows",
        "a whole number from 1 to 1000000",
        free=OF_THE_LOOP,
        ge=1,
        le=10**6,
        words=Words("{} epochs", place=6, plural=True, name="the number of epochs"),
        hints=Hints("epoch nepochs numepochs maxepochs iterations maxiter steps"),
    )
    eval_train: bool = spec_field(
        False,
        "record train_loss: the training loss in inference mode, by epoch",
        "true or false",
        recording=True,
        later=True,
        free=OF_THE_MODEL,
        hints=Hints("evaltrainloss trainloss evaluatetrain"),
    )
    mc_passes: int = spec_field(
        0,
        "also predict with dropout left on, as the mean of so many passes; 0 leaves it out",
        "0, or a whole number from 2 to 100000",
        recording=True,
        later=True,
        free=OF_THE_LOOP,
        ge=0,
        le=10**5,
        hints=Hints("mcdropout mcsamples passes montecarlo montecarlodropout dropoutpasses"),
    )
    patience: Patience = spec_field(
        None,
        "early stopping: epochs to wait without a better val_loss; none switches it off",
        "a whole number of at least 0, or none",
        free=OF_THE_LOOP,
        ge=0,
        le=10**6,
        words=Words(
            "patience {}",
            place=6,
            off=(None,),
            question="early stopping with patience {}",
            name="early stopping",
        ),
        hints=Hints("earlystopping earlystop earlystoppingpatience niternochange", note="the epochs to wait"),
    )
    min_delta: Real = spec_field(
        0.0,
        "early stopping: how much lower val_loss must be to count as better",
        "a number from 0 to 1e30",
        free=OF_THE_LOOP,
        needs=("patience",),
        ge=0.0,
        le=1e30,
        hints=Hints("tol tolerance earlystoppingdelta"),
    )
    restore_best: bool = spec_field(
        True,
        "early stopping: end with the weights of the best epoch",
        "true or false",
        free=OF_THE_LOOP,
        needs=("patience",),
        hints=Hints("restorebestweights keepbest"),
    )
    scale: Literal["none", "standard", "minmax"] = spec_field(
        "none",
        "scaling of the features, fitted on the training rows",
        "none, standard or minmax",
        free=OF_THE_ROWS | {"rows", "constant"},
        words=Words("{} scaling", place=2, off=("none",), name="scaling"),
        hints=Hints(
            "scaling scaler normalize normalise standardize standardise preprocessing",
            values={"standard": "standardscaler standardize zscore", "minmax": "minmaxscaler 01"},
        ),
    )
    scale_target: Literal["none", "standard", "minmax", "log"] = spec_field(
        "none",
        "the target for the loss: scaled, fitted on the training rows, or its natural logarithm; predictions and "
        "errors stay in its own units",
        "none, standard, minmax or log",
        later=True,
        free=OF_THE_ROWS | {"rows"},
        words=Words(
            "{} target",
            place=2,
            off=("none",),
            without="target as it is",
            question="a {} target",
            name="target scaling",
            spoken={"standard": "standardized", "minmax": "min-max scaled"},
        ),
        hints=Hints(
            "targetscale targetscaling targetscaler scaley yscale yscaler logtarget transformtarget "
            "targettransform targettransformer transformedtarget normalizetarget normalisetarget "
            "standardizetarget standardisetarget",
            values={
                "standard": "standardscaler standardize zscore",
                "minmax": "minmaxscaler 01",
                "log": "ln loge logarithm naturallog logtransform",
            },
        ),
    )
    train_fraction: Real = spec_field(
        0.7,
        "share of the rows to train on; the rest are for validation",
        "a number between 0 and 1, both excluded",
        never_with=_GIVEN,
        free=OF_THE_ROWS,
        gt=0.0,
        lt=1.0,
        hints=Hints(
            "trainsize trainsplit trainratio frac fraction validationsplit valsplit validsplit valfraction "
            "validationfraction",
            note="the rest is for validation",
            share=True,
        ),
    )
    test_fraction: Real = spec_field(
        0.0,
        "share of the rows held out for testing; metrics on them are computed once, at the end",
        "a number from 0 to below 1",
        later=True,
        never_with=_GIVEN,
        free=OF_THE_ROWS,
        checked_against=("train_fraction",),
        ge=0.0,
        lt=1.0,
        hints=Hints("testsize testsplit testratio holdout", share=True),
    )
    split_seed: int = spec_field(
        0,
        "seed of the split",
        _SEED,
        never_with={"split": ("ordered", "column")},
        free=OF_THE_ROWS,
        ge=0,
        le=MAX_SEED,
        hints=Hints("splitrandomstate", several="split_seeds, in a study"),
    )
    split: Literal["random", "grouped", "stratified", "ordered", "column"] = spec_field(
        "random",
        "random is the lesson's split; grouped keeps identical rows on one side; stratified keeps the shares of "
        "classes; ordered validates on the last rows; column takes the sides from split_column",
        "a way to split",
        free=OF_THE_ROWS,
        hints=Hints(
            values={
                "grouped": "group groups dedup deduplicated",
                "stratified": "stratify stratifiedkfold",
                "ordered": "time timeseries temporal chronological sequential last",
                "column": "predefined given predefinedsplit",
            }
        ),
    )
    split_column: Column = spec_field(
        None,
        "with split column: the column that has train, valid or test for each row; in a config a list of them, "
        "each one a split",
        "the name of a column, or none",
        later=True,
        free=OF_THE_ROWS,
        checked_against=("split",),
        words=Words("split by {}", place=5, off=(None,), without="no split column", name="the split column"),
        hints=Hints("splitcol foldcolumn fold predefinedsplit"),
    )
    splits: str | None = spec_field(
        None,
        "with split column: a second CSV that has the split columns, a row for each row of the table",
        "the path of a CSV file, or none",
        cosmetic=True,
        later=True,
        free=OF_THE_LOOP,
        checked_against=("split",),
        min_length=1,
        max_length=4096,
        hints=Hints("splitfile splitsfile foldsfile splitpath"),
    )
    group: Column = spec_field(
        None,
        "column to group rows by when split is grouped",
        "the name of a column, or none",
        later=True,
        free=OF_THE_ROWS,
        needs=("split",),
        checked_against=("split", "target"),
        words=Words("grouped by {}", place=5, off=(None,), without="no groups"),
        hints=Hints("groups groupby groupcolumn groupkfold cluster"),
    )
    target: str = spec_field(
        "quality",
        "column to predict",
        "the name of a column",
        free=OF_THE_ROWS,
        min_length=1,
        max_length=200,
        hints=Hints("label y targetcolumn outcome"),
    )
    features: Columns = spec_field(
        None,
        "columns to predict from, in the table's order; none takes all but the target and the group",
        _NAMES,
        later=True,
        free=OF_THE_FEATURES,
        checked_against=("target",),
        words=Words(
            "only {}",
            place=4,
            off=(None,),
            without="all features",
            question="using only {}",
            name="the choice of features",
        ),
        hints=Hints("columns cols usecols inputs predictors featurecolumns"),
    )
    drop: Columns = spec_field(
        None,
        "columns to leave out, as an alternative to features",
        _NAMES,
        later=True,
        free=OF_THE_FEATURES,
        checked_against=("target",),
        words=Words(
            "without {}",
            place=4,
            off=(None,),
            without="nothing left out",
            question="leaving out {}",
            name="leaving out columns",
        ),
        hints=Hints("dropcolumns dropcols exclude ignore omit without", number_means="dropout"),
    )
    encode: Literal["none", "onehot"] = spec_field(
        "none",
        "text columns: none refuses them, onehot makes each category a 0/1 feature",
        "none or onehot",
        later=True,
        free=OF_THE_FEATURES | {"constant"},
        words=Words("one-hot encoding", place=3, off=("none",), name="one-hot encoding"),
        hints=Hints(
            "onehot encoding encoder dummies getdummies categorical",
            values={"onehot": "dummies getdummies onehotencoder"},
        ),
    )
    missing: Literal["refuse", "drop", "zero", "median"] = spec_field(
        "refuse",
        "rows without a value in some feature: refuse them, drop them before the split, or put zero or the "
        "training rows' median in its place; a row without a target is refused, or dropped with any other",
        "refuse, drop, zero or median",
        later=True,
        free={"shape", "rows"},
        words=Words(
            "missing values {}",
            place=3,
            off=("refuse",),
            without="missing values refused",
            name="missing values",
            spoken={"drop": "dropped", "zero": "as zero", "median": "as the median"},
        ),
        hints=Hints(
            "nan na nans missingvalues impute imputer imputation fillna dropna handlemissing",
            values={"drop": "dropna remove", "zero": "0 constant", "median": "impute"},
        ),
    )
    seed: int = spec_field(
        0,
        "seed of initial weights, dropout masks and batch order",
        _SEED,
        free=OF_THE_LOOP,
        ge=0,
        le=MAX_SEED,
        words=Words("seed {}", place=8),
        hints=Hints("randomseed randomstate rng rngseed", several="seeds, in a study, or train --seeds"),
    )
    name: str | None = spec_field(
        None,
        "a label; it has no effect on the results",
        "text of 1 to 200 printable characters, or none",
        cosmetic=True,
        free=OF_THE_LOOP,
        min_length=1,
        max_length=200,
        hints=Hints("title runname tag"),
    )


#: Field -> its declaration, in the order of the fields.
MARKS: Mapping[str, Marks] = {name: marks_of(info) for name, info in Declarations.model_fields.items()}
