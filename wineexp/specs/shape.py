"""The shape of a spec: what must be the same for one compiled epoch to train several."""

from __future__ import annotations

from wineexp.specs.run_spec import RunSpec

__all__ = ["shape_of"]

#: Fields that a compiled epoch is made of, besides which dropout rates are above 0.
FIELDS = (
    "widths", "activation", "bn", "bn_input", "bn_momentum", "optimizer", "weight_decay", "loss", "batch_size",
    "eval_train", "precision", "features", "drop", "encode",
)  # fmt: skip


def shape_of(spec: RunSpec) -> RunSpec:
    """What specs share that one compiled epoch can train, if they have as many rows.

    Left out is what a graph takes as input: seeds, the rows, learning rate, how large a rate above 0 is.
    """
    kept = {name: getattr(spec, name) for name in FIELDS}
    plain = RunSpec(optimizer=spec.optimizer)
    return plain.model_copy(update=kept | {"dropout": tuple(0.5 if rate else 0.0 for rate in spec.rates())})
