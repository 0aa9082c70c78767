"""A small table and fits of small models on it, as the tests of trainer and epoch need them. Loads TensorFlow."""

from __future__ import annotations

import numpy as np

from wineexp.specs.run_spec import RunSpec


def data(rows=90, seed=0):
    random = np.random.RandomState(seed)
    x = random.normal(size=(rows, 5)).astype(np.float32)
    return x, (x[:, 0] - x[:, 1] ** 2 + 5).astype(np.float32)


def fit(model, optimizer, loss, train, valid, **options):
    """A trainer that fits once."""
    from wineexp.training.epoch import EpochSettings
    from wineexp.training.trainer import Trainer

    own = ("batch_size", "xla", "eval_train", "precision")
    settings = EpochSettings(loss, **{name: options.pop(name) for name in own if name in options})
    return Trainer(model, optimizer, settings, train, valid).fit(**options)


def train(callbacks=(), epochs=3, rate=0.001, optimizer="adam", loss="mae", dropout=0.0, **options):
    from wineexp.training.model import build_model, build_optimizer
    from wineexp.training.trainer import shuffled

    model = build_model(RunSpec(widths="8", dropout=dropout), 5)
    return model, fit(
        model, build_optimizer(optimizer, rate), loss, data(), data(40, 1), batch_size=32, epochs=epochs,
        order=shuffled(90, 0), callbacks=callbacks, **options,
    )  # fmt: skip
