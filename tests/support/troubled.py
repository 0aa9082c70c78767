"""Real trainings with a known fault each, and healthy ones: the corpus of ``wineexp why``."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from wineexp.data.simulated import simulated_table
from wineexp.data.table import Table


def made_up(rows=400, noise=0.3, *, curved=False, spread=1.0, center=0.0, features=1.0, seed=0):
    """A table of six features and a target of about unit scale that they decide, but for ``noise``.

    ``spread`` and ``center`` give the target other units, ``features`` the features.
    """
    random = np.random.RandomState(seed)
    x = random.normal(size=(rows, 6))
    y = x @ [0.7, -0.5, 0.4, 0.3, 0, 0] + (np.sin(2 * x[:, 0]) * x[:, 1] if curved else 0)
    y = (y - y.mean()) / y.std() * np.sqrt(1 - noise**2) + noise * random.normal(size=rows)
    frame = pd.DataFrame(x * features, columns=list("abcdef")).assign(quality=center + spread * y)
    return Table(frame.round(6), "made up", "custom")


def tables(red_wine):
    """The corpus's tables by name."""
    return {
        "red wine": red_wine,
        "simulated": simulated_table(),
        "linear": made_up(),
        "curved": made_up(800, 0.2, curved=True, seed=1),
        "noisy": made_up(300, 0.8, seed=2),
        "few": made_up(120, 0.5, seed=3),
        "pressure": made_up(300, 0.5, spread=14, center=130, seed=4),
        "prices": made_up(400, 0.4, spread=80_000, center=200_000, seed=5),
        "tiny": made_up(400, 0.3, spread=0.001, center=0.002, seed=6),
        "small": made_up(400, 0.3, spread=0.01, center=5, seed=7),
        "large features": made_up(400, 0.3, features=1000, seed=8),
        "huge features": made_up(400, 0.3, features=1e5, seed=8),
    }


#: What a careful user sets: scaled features, batches that suit some hundred rows, early stopping.
CAREFUL = {"widths": "64x2", "scale": "standard", "batch_size": 32, "patience": 15}

_MODELS = (
    {},
    {"widths": "32", "learning_rate": 0.003},
    {"dropout": 0.2},
    {"dropout": 0.1, "bn": "after", "bn_momentum": 0.9},
    {"bn": "before", "bn_momentum": 0.9},
    {"widths": "128,32", "optimizer": "rmsprop", "loss": "mse", "dropout": 0.1},
    {"patience": None, "weight_decay": 0.01, "batch_size": 64},
    {"patience": None, "bn": "after", "dropout": 0.2, "batch_size": 64, "bn_momentum": 0.9, "eval_train": True},
)

#: Without early stopping: the epochs after which such a model has learnt the table, and not yet its noise.
_ENOUGH = {"red wine": 250, "simulated": 250, "linear": 120, "curved": 500, "pressure": 100}


def healthy(first_seed=0):
    """Table and fields of forty healthy runs, each with a seed of its own."""
    cases = itertools.product(_ENOUGH, _MODELS)
    return [
        (table, _healthy(table, {**model, "seed": seed})) for seed, (table, model) in enumerate(cases, first_seed)
    ]


def _healthy(table, model):
    fields = {**CAREFUL, "epochs": 400 if "patience" not in model else _ENOUGH[table], **model}
    return {**fields, "scale_target": "standard"} if table == "pressure" else fields


_LESSON = {"widths": "64x3", "epochs": 60}


def _each(base, *cases):
    return [(table, {**base, **more}) for table, more in cases]


#: Fault -> table and fields of runs that have it.
FAULTY = {
    "dropout": _each(
        {**_LESSON, "dropout": 0.3},
        ("red wine", {"epochs": 100}), ("red wine", {"seed": 1, "mc_passes": 50}),
        ("simulated", {"epochs": 100}),
        ("red wine", {"dropout": 0.5}),
        ("simulated", {"widths": "64x2", "dropout": 0.4, "seed": 3, "epochs": 100}),
    ),
    "moving_averages": _each(
        {**_LESSON, "epochs": 12, "bn": "after"},
        ("red wine", {"bn": "before", "seed": 1}), ("simulated", {"bn": "before", "widths": "64x2"}),
        ("red wine", {"bn": "none", "bn_input": True, "seed": 3}),
        ("large features", {"epochs": 10, "bn_momentum": 0.999}),
        ("curved", {"epochs": 20, "bn": "before", "bn_momentum": 0.999, "batch_size": 64, "seed": 2}),
    ),
    "dead_units": _each(
        {**_LESSON, "learning_rate": 0.1},
        ("red wine", {}), ("red wine", {"seed": 1}), ("simulated", {"learning_rate": 0.3}),
        ("red wine", {"scale": "standard", "learning_rate": 0.5}),
        ("curved", {"learning_rate": 1.0, "widths": "64x2"}),
    ),
    "constant": _each(
        {**_LESSON, "learning_rate": 1.0},
        ("red wine", {}), ("simulated", {"seed": 1}), ("linear", {}),
        ("red wine", {"seed": 2, "learning_rate": 0.3}),
        (
            "huge features",
            {"activation": "sigmoid", "learning_rate": 0.001, "scale": "minmax", "optimizer": "sgd"},
        ),
    ),
    "loses": _each(
        {"widths": "64x2", "epochs": 5, "batch_size": 32},
        ("pressure", {}), ("prices", {"epochs": 100}),
        ("red wine", {"scale": "standard", "learning_rate": 1e-5, "epochs": 40}),
        ("large features", {"epochs": 3}), ("simulated", {"scale": "standard", "batch_size": 256}),
    ),
    "still_falling": _each(
        {"widths": "64x2", "epochs": 30, "scale": "standard", "batch_size": 32},
        ("red wine", {"learning_rate": 1e-4}), ("linear", {"learning_rate": 3e-4, "batch_size": 128}),
        ("pressure", {}),
        ("curved", {"learning_rate": 1e-4}), ("simulated", {"batch_size": 256, "learning_rate": 5e-4}),
    ),
    "best_past": _each(
        {"widths": "128x2", "epochs": 150, "scale": "standard", "batch_size": 32},
        ("noisy", {}), ("few", {}), ("noisy", {"seed": 1, "loss": "mse"}),
        ("red wine", {"epochs": 200, "loss": "mse"}),
        ("few", {"seed": 1, "widths": "256x2", "learning_rate": 0.003}),
    ),
    "spikes": _each(
        {"widths": "64x3", "epochs": 100, "batch_size": 32, "loss": "mse"},
        ("linear", {"optimizer": "rmsprop", "learning_rate": 0.05}), ("linear", {"learning_rate": 0.1}),
        ("red wine", {"optimizer": "rmsprop", "learning_rate": 0.02}),
        ("simulated", {"learning_rate": 0.01, "widths": "256x2"}),
        ("simulated", {"loss": "mae", "optimizer": "nadam", "learning_rate": 0.03, "activation": "elu"}),
    ),
    "target_scale": _each(
        {"widths": "64x2", "epochs": 60, "scale": "standard", "batch_size": 128},
        ("pressure", {}), ("prices", {}), ("prices", {"loss": "mse", "seed": 1}), ("tiny", {}), ("small", {}),
    ),
    "feature_scale": _each(
        {"widths": "64x2", "epochs": 30, "batch_size": 32},
        ("large features", {}), ("huge features", {}), ("red wine", {"dropout": 0.3}),
        ("simulated", {"dropout": 0.3, "seed": 1}),
        ("huge features", {"loss": "mse", "seed": 1}),
    ),
    "few_rows": _each(
        {"widths": "64x2", "epochs": 20, "scale": "standard", "bn": "after"},
        ("linear", {"batch_size": 2}), ("few", {"batch_size": 4}),
        ("noisy", {"batch_size": 3, "bn": "before"}),
        ("curved", {"batch_size": 4}), ("pressure", {"batch_size": 2, "scale_target": "standard"}),
    ),
    "cut": _each(
        {**_LESSON, "epochs": 300, "patience": 3},
        ("red wine", {"bn": "after"}), ("red wine", {"bn": "before", "seed": 1}),
        ("simulated", {"bn": "after"}),
        ("red wine", {"learning_rate": 1e-5, "min_delta": 0.1, "scale": "standard"}),
        ("prices", {"min_delta": 1000, "scale": "standard"}),
    ),
}  # fmt: skip
